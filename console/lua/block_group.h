/* What the files of console/lua/ about groups of rules that block share. */
#ifndef CONSOLE_LUA_BLOCK_GROUP_H
#define CONSOLE_LUA_BLOCK_GROUP_H

#include "console/lua/rows.h"
#include "rules/block_rules.h"

/* A rule about names, of which a group has one at most. */
struct block_suffix {
	int kept; /* reference of a table: the visitor and texts; LUA_NOREF: there is no rule */
	unsigned seconds, block_s;
	uint8_t action;
	bool failed; /* when its visitor was called last */
	struct suffix_watch {
		uint64_t applied_us, again_us; /* again_us: not before then, see block_watch.c */
		uint64_t noted;                /* traffic_noted when it was asked last */
		int self; /* reference of the group's object; LUA_NOREF: not watched */
		struct block_group *group;
		struct block_suffix *next;
	} watch;
};

/* Without a rule, and not watched. */
void lua_block_suffix_init(struct block_suffix *s);

/* The arguments of setSuffixMatchRule, from 2 on, become the rule. */
void lua_block_suffix_set(lua_State *L, struct block_suffix *s);

/*
 * Asks the visitor about each name of the tree of recent answers, and blocks those that it says.
 * One that fails is logged, and is not asked further this time.
 */
void lua_block_suffix_apply(lua_State *L, struct block_suffix *s, struct block_group *g);

/*
 * The same for the object of a group at i on the stack, whose rule is then watched for
 * BLOCK_ARMED_US: lua_block_rules_check (host.h) asks the visitor, too. Nothing without a rule.
 */
void lua_block_suffix_arm(lua_State *L, int i, struct block_suffix *s, struct block_group *g);

/* Ends that. Its object is going away. */
void lua_block_suffix_unwatch(lua_State *L, struct block_suffix *s);

void lua_block_suffix_drop(lua_State *L, struct block_suffix *s);

/* Whether the number is a DNSAction. */
bool lua_is_block_action(double number);

/* Pushes what a group is, a line for each rule, range and name. */
void lua_push_block_group_text(lua_State *L, const struct block_group *g);

#endif
