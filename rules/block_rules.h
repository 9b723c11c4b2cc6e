/*
 * Groups of rules that block clients for a while (DynBlockRulesGroup): rates and ratios of what
 * rules/hitters.h counts, each with a limit, and perhaps a lower one that only warns. A group is
 * armed by block_group_apply; while armed it is checked at each reading, ten times a second, and
 * not only when it is applied. All of it is the control thread's.
 */
#ifndef RULES_BLOCK_RULES_H
#define RULES_BLOCK_RULES_H

#include "core/dns/suffix.h"
#include "core/netmask.h"
#include "rules/dynblocks.h"

/* In the order in which a client is judged. Of those that have an arg there is one for each. */
enum block_rule_kind {
	BLOCK_QUERY_RATE,
	BLOCK_OCTET_RATE,  /* of answers */
	BLOCK_MISS_RATIO,  /* of answers that are not from the cache */
	BLOCK_QTYPE_RATE,  /* arg: the type */
	BLOCK_RCODE_RATE,  /* arg: the response code, 0 to 15 */
	BLOCK_RCODE_RATIO, /* arg: the same */
	BLOCK_OTHER_RATIO, /* of answers with a code whose bit arg does not have */
	BLOCK_KINDS,
};

struct block_rule {
	uint16_t kind; /* enum block_rule_kind */
	uint16_t arg;
	double limit;   /* a second, or a part of all answers, above 0 */
	double warning; /* the same; 0: none */
	uint32_t seconds, block_s;
	uint64_t least_answers; /* of ratios */
	double least_hits;      /* of MISS_RATIO: part of all queries that the cache must answer */
	uint8_t action;         /* enum dns_action */
	const char *reason, *tag_name, *tag_value; /* copied; tags may be NULL */
};

struct block_group;

struct block_group *block_group_new(void); /* gives */
void block_group_free(struct block_group *g);

/* Adds a rule, or replaces the one of its kind (and arg). 0, or -EINVAL with err set. */
int block_group_set(struct block_group *g, const struct block_rule *r, struct err *err);

/* Which bits of a client's address and port are blocked together. */
int block_group_set_masks(struct block_group *g, unsigned v4, unsigned v6, unsigned port,
			  struct err *err);

/* Clients that are never blocked nor counted, and exceptions from that: the longest netmask
 * decides. */
void block_group_exclude(struct block_group *g, const struct netmask *nm);
void block_group_include(struct block_group *g, const struct netmask *nm);
bool block_group_remove_range(struct block_group *g, const struct netmask *nm);

/* Suffixes that are never blocked. */
int block_group_exclude_name(struct block_group *g, const uint8_t *name, size_t len);
bool block_group_name_is_excluded(const struct block_group *g, const uint8_t *name, size_t len);

void block_group_set_quiet(struct block_group *g, bool quiet);
bool block_group_is_quiet(const struct block_group *g);

/*
 * Called for each block that is new, when all have been judged: it may change, apply or free any
 * group. What it is shown is lent. NULL: nobody.
 */
void block_group_on_new(struct block_group *g,
			void (*hook)(void *ctx, const struct dynblock_new *b), void *ctx);

/* Inserts a block of the group's: as quiet as the group is, and news for its hook. */
void block_group_insert(struct block_group *g, struct dynblock_new *b);

/*
 * Judges all clients, and arms the group for BLOCK_ARMED_US: its limits are then checked by
 * block_groups_check too. 0, or -EINVAL with err set: what its rules need can't be counted.
 */
#define BLOCK_ARMED_US (2 * UINT64_C(1000000))
int block_group_apply(struct block_group *g, struct err *err);

/* Tells hooks what is new; block_group_apply and block_groups_check do it, too. */
void block_groups_tell(void);

/* Reads what was counted and judges by the rules of all armed groups. */
void block_groups_check(void);

/* The i-th rule in the order they are judged, or NULL; lent until the group changes, as the others
 * are. */
const struct block_rule *block_group_rule(const struct block_group *g, unsigned i);
void block_group_masks(const struct block_group *g, unsigned *v4, unsigned *v6, unsigned *port);
const struct netmask_table *block_group_ranges(
	const struct block_group *g); /* values as hitters.h */
const struct suffix_table *block_group_names(const struct block_group *g);

/* Whether a rule of this kind is about a part of all answers. */
bool block_rule_is_ratio(unsigned kind);

#endif
