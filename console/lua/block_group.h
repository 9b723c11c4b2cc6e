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
	bool native; /* the visitor is one for ffi.C */
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

/* The arguments of setSuffixMatchRule, or with native of setSuffixMatchRuleFFI, from 2 on, become
 * the rule. */
void lua_block_suffix_set(lua_State *L, struct block_suffix *s, bool native);

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

/*
 * console/lua/block_ranges.c: methods with netmasks, or names, as argument 2. Each of them goes to
 * the function; is taken out; is excluded.
 */
int lua_block_ranges(lua_State *L, struct block_group *g,
		     void (*each)(struct block_group *, const struct netmask *));
int lua_block_remove_ranges(lua_State *L, struct block_group *g);
int lua_block_exclude_names(lua_State *L, struct block_group *g);

/* Whether the number is a DNSAction. */
bool lua_is_block_action(double number);

/* DNSAction.None does nothing as an action of a rule; a block without one does what all such do. */
const char *lua_block_action_text(unsigned action);

/* What the rule is, a line cut to size; empty where there is none. */
void lua_block_suffix_text(lua_State *L, const struct block_suffix *s, char *text, size_t size);

/* Pushes what a group is, a line for each rule, range and name; names is the rule about names. */
void lua_push_block_group_text(lua_State *L, const struct block_group *g,
			       const struct block_suffix *names);

#endif
