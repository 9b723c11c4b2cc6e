/*
 * The rule of a DynBlockRulesGroup about names: a function of the configuration is shown each node
 * of the tree of names that were answered, and says which are to be blocked with all below them.
 */
#include <stdio.h>
#include <string.h>

#include "console/lua/block_group.h"
#include "console/lua/ffi.h"
#include "console/lua/owned.h"
#include "console/lua/registry.h"
#include "console/lua/stat_node.h"
#include "console/lua/state.h"
#include "console/stat_tree.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/stats.h"

/* What the table of a rule holds, so that its texts live as long as the rule. */
enum { KEPT_VISITOR = 1, KEPT_REASON, KEPT_TAG_NAME, KEPT_TAG_VALUE };

bool lua_is_block_action(double number)
{
	static const int numbers[] = {
#define DNS_ACTION(id, name, value, text) value,
#include "rules/dns_actions.def"
#undef DNS_ACTION
	};

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (number == numbers[i])
			return true;
	return false;
}

static uint8_t read_action(lua_State *L, int i)
{
	double number = lua_arg_missing(L, i) ? DNS_ACTION_NONE
					      : lua_arg_number(L, i, "action", 0, UINT8_MAX);

	if (!lua_is_block_action(number))
		lua_fail(L, "action must be a DNSAction, got %s", lua_value_text(L, i));
	return (uint8_t)number;
}

/* seconds, reason, blockingTime, action, visitor [, options] */
void lua_block_suffix_set(lua_State *L, struct block_suffix *s, bool native)
{
	struct block_suffix next = {.native = native};
	const char *tag_name = NULL, *tag_value = NULL;

	next.seconds = (unsigned)lua_arg_integer(L, 2, "seconds", 1, UINT32_MAX);
	lua_arg_string(L, 3, "reason");
	next.block_s = (unsigned)lua_arg_integer(L, 4, "blockingTime", 1, UINT32_MAX);
	next.action = read_action(L, 5);
	lua_arg_function(L, 6, "visitor");
	if (!lua_arg_missing(L, 7)) {
		lua_options_check(L, 7, dynblock_options);
		tag_name = lua_option_string(L, 7, "tagName");
		tag_value = lua_option_string(L, 7, "tagValue");
	}
	if (next.action == DNS_ACTION_SET_TAG && tag_name == NULL)
		lua_fail(L, "DNSAction.SetTag needs the option tagName");
	lua_createtable(L, KEPT_TAG_VALUE, 0);
	lua_pushstring(L, tag_name);
	lua_rawseti(L, -2, KEPT_TAG_NAME);
	lua_pushstring(L, tag_value);
	lua_rawseti(L, -2, KEPT_TAG_VALUE);
	lua_pushvalue(L, 6);
	lua_rawseti(L, -2, KEPT_VISITOR);
	lua_pushvalue(L, 3);
	lua_tostring(L, -1); /* a number becomes the text that is lent */
	lua_rawseti(L, -2, KEPT_REASON);
	lua_block_suffix_drop(L, s);
	next.watch = s->watch;
	next.kept = luaL_ref(L, LUA_REGISTRYINDEX);
	*s = next;
}

void lua_block_suffix_init(struct block_suffix *s)
{
	*s = (struct block_suffix){.kept = LUA_NOREF, .watch.self = LUA_NOREF};
}

void lua_block_suffix_drop(lua_State *L, struct block_suffix *s)
{
	luaL_unref(L, LUA_REGISTRYINDEX, s->kept);
	s->kept = LUA_NOREF;
}

struct asking {
	lua_State *L;
	const struct block_suffix *rule;
	struct block_group *group;
	int kept; /* index of the rule's table */
	bool failed;
};

/* Lent by the rule's table. */
static const char *kept_text(const struct asking *a, int i)
{
	const char *text;

	lua_rawgeti(a->L, a->kept, i);
	text = lua_tostring(a->L, -1);
	lua_pop(a->L, 1);
	return text;
}

/* What the visitor says in place of the rule's: the value at reason, and a number, unless they are
 * none. */
static void block(const struct asking *a, const struct stat_node *node, int reason, double action)
{
	lua_State *L = a->L;
	struct dynblock_new b = {
		.name = node->name,
		.name_len = node->name_len,
		.reason = kept_text(a, KEPT_REASON),
		.seconds = a->rule->block_s,
		.action = a->rule->action,
		.tag_name = kept_text(a, KEPT_TAG_NAME),
		.tag_value = kept_text(a, KEPT_TAG_VALUE),
	};

	if (lua_type(L, reason) == LUA_TSTRING && *lua_tostring(L, reason) != '\0')
		b.reason = lua_tostring(L, reason);
	if (lua_is_block_action(action))
		b.action = (uint8_t)action;
	block_group_insert(a->group, &b);
}

/* function(node, self, children) returns true [, reason [, action]]. 0, or -EINVAL with err set. */
static int ask_lua(const struct asking *a, const struct stat_node *node, struct err *err)
{
	lua_State *L = a->L;
	int at = lua_gettop(L);

	lua_push_stat_node(L, node);
	if (lua_host_call(L, 3, 3, err) < 0)
		return -EINVAL;
	if (lua_toboolean(L, at))
		block(a, node, at + 1, lua_isnumber(L, at + 2) ? lua_tonumber(L, at + 2) : -1);
	return 0;
}

/* function(node) returns true; reason and action are set by functions of ffi.C. The same. */
static int ask_native(const struct asking *a, const struct stat_node *node, struct err *err)
{
	lua_State *L = a->L;
	int at = lua_gettop(L), action, rc;

	lua_ffi_push_node(L, node);
	lua_insert(L, at);
	lua_pushvalue(L, at);
	rc = lua_host_call(L, 1, 1, err);
	action = lua_ffi_end_node(L, at);
	if (rc == 0 && lua_toboolean(L, at + 1))
		block(a, node, at + 2, action);
	return rc;
}

static void ask(void *ctx, const struct stat_node *node)
{
	struct asking *a = ctx;
	int top = lua_gettop(a->L);
	char trace[LUA_TRACE_MAX + 32];
	struct err err;

	if (a->failed || block_group_name_is_excluded(a->group, node->name, node->name_len))
		return;
	lua_rawgeti(a->L, a->kept, KEPT_VISITOR);
	a->failed = (a->rule->native ? ask_native : ask_lua)(a, node, &err) < 0;
	if (a->failed) {
		stat_inc(stats_control(), STAT_LUA_CALLBACK_ERRORS);
		log_error("setup", "the visitor of %s() failed: %s%s",
			  a->rule->native ? "setSuffixMatchRuleFFI" : "setSuffixMatchRule",
			  err.text, lua_trace_text(trace));
	}
	lua_settop(a->L, top);
}

void lua_block_suffix_text(lua_State *L, const struct block_suffix *s, char *text, size_t size)
{
	*text = '\0';
	if (s->kept == LUA_NOREF)
		return;
	lua_rawgeti(L, LUA_REGISTRYINDEX, s->kept);
	lua_rawgeti(L, -1, KEPT_REASON);
	snprintf(text, size,
		 "names of the answers of %u seconds, as %s says: %s for %u seconds, '%.400s'\n",
		 s->seconds, s->native ? "an FFI function" : "a function",
		 lua_block_action_text(s->action), s->block_s, lua_tostring(L, -1));
	lua_pop(L, 2);
}

void lua_block_suffix_apply(lua_State *L, struct block_suffix *s, struct block_group *g)
{
	struct asking a = {.L = L, .rule = s, .group = g};
	struct stat_tree *tree;
	void **own;

	if (s->kept == LUA_NOREF)
		return;
	own = lua_own(L, (void (*)(void *))stat_tree_free);
	*own = tree = stat_tree_new();
	lua_rawgeti(L, LUA_REGISTRYINDEX, s->kept);
	a.kept = lua_gettop(L);
	stat_tree_fill(tree, clock_mono_us(), s->seconds * UINT64_C(1000000));
	stat_tree_visit(tree, ask, &a);
	s->failed = a.failed;
	lua_pop(L, 1);
	lua_disown(own);
}
