/*
 * What a group is. The files rules/block_*.c share it, and nobody else includes it: block_rules.c
 * says what is limited, block_judge.c who is over it, block_news.c makes the blocks and tells of
 * them.
 */
#ifndef RULES_BLOCK_GROUP_H
#define RULES_BLOCK_GROUP_H

#include "rules/block_rules.h"
#include "rules/hitters.h"

struct block_group {
	struct block_group *next;
	struct block_rule *rules; /* sorted; their texts are the group's */
	unsigned n;
	struct hitters_masks masks;   /* ranges is NULL */
	struct netmask_table *ranges; /* HITTERS_INCLUDED, HITTERS_EXCLUDED */
	struct suffix_table *names;   /* excluded */
	bool quiet;
	uint16_t number;
	uint64_t applied_us; /* 0: never */
	void (*hook)(void *ctx, const struct dynblock_new *b);
	void *hook_ctx;
};

/* All there are. */
extern struct block_group *block_groups;

/* Whether there is one rule of this kind for each arg. */
bool block_rule_has_arg(unsigned kind);

/* What a rule counts; of ratios the part. */
struct hit block_rule_counts(const struct block_rule *r);

/* The counts of n rules, and the longest of their windows. list has room for them. */
unsigned block_rules_count(const struct block_rule *rules, unsigned n, struct hit *list);

/* The group is going away: its hook is not told what it had not been told yet. */
void block_news_forget(const struct block_group *g);

#endif
