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
};

/* The arguments of setSuffixMatchRule, from 2 on, become the rule. */
void lua_block_suffix_set(lua_State *L, struct block_suffix *s);

/*
 * Asks the visitor about each name of the tree of recent answers, and blocks those that it says.
 * One that fails is logged, and is not asked further this time.
 */
void lua_block_suffix_apply(lua_State *L, const struct block_suffix *s, struct block_group *g);

void lua_block_suffix_drop(lua_State *L, struct block_suffix *s);

/* Whether the number is a DNSAction. */
bool lua_is_block_action(double number);

/* Pushes what a group is, a line for each rule, range and name. */
void lua_push_block_group_text(lua_State *L, const struct block_group *g,
			       const struct block_suffix *suffix);

#endif
