/* The objects of rules: DNSRule, DNSAction and DNSResponseAction, and pairs of them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "console/lua/rules.h"

/* Each box holds a reference. A finalizer of Lua may still see one that was collected: NULL. */

void lua_push_selector(lua_State *L, struct selector *s)
{
	struct selector **box = lua_object_new(L, &lua_selector, sizeof(*box));

	*box = selector_ref(s);
}

static struct selector *check_selector(lua_State *L, int i)
{
	struct selector **box = lua_object_check(L, i, &lua_selector);

	if (*box == NULL)
		lua_fail(L, "this DNSRule was collected already");
	return *box;
}

struct selector *lua_test_selector(lua_State *L, int i)
{
	return lua_object_test(L, i, &lua_selector) ? check_selector(L, i) : NULL;
}

static int selector_to_string(lua_State *L)
{
	char *text = selector_text(check_selector(L, 1));

	lua_pushstring(L, text);
	free(text);
	return 1;
}

static int get_matches(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)selector_matches(check_selector(L, 1)));
	return 1;
}

static int selector_gc(lua_State *L)
{
	struct selector **box = lua_object_check(L, 1, &lua_selector);

	selector_unref(*box);
	*box = NULL;
	return 0;
}

static const struct lua_method selector_methods[] = {
	METHOD("toString", selector_to_string, ROW_READS, "", "its text in showRules()"),
	METHOD("getMatches", get_matches, ROW_READS, "", "how often rules of it have matched"),
	METHODS_END,
};

static const luaL_Reg selector_meta[] = {
	{"__gc", selector_gc},
	{"__tostring", selector_to_string},
	{NULL, NULL},
};

const struct lua_object lua_selector = {"DNSRule", selector_methods, selector_meta};

static const struct lua_object *action_object(bool is_response)
{
	return is_response ? &lua_response_action : &lua_query_action;
}

const char *lua_action_word(bool is_response)
{
	return action_object(is_response)->name;
}

void lua_push_action(lua_State *L, struct action *a)
{
	struct action **box = lua_object_new(L, action_object(a->type->is_response), sizeof(*box));

	*box = action_ref(a);
}

static struct action **action_box(lua_State *L, int i)
{
	struct action **box = lua_object_test(L, i, &lua_query_action);

	return box ? box : lua_object_test(L, i, &lua_response_action);
}

struct action *lua_test_action(lua_State *L, int i)
{
	struct action **box = action_box(L, i);

	if (box != NULL && *box == NULL)
		lua_fail(L, "this action was collected already");
	return box ? *box : NULL;
}

static void put_stat(void *ctx, const char *name, double value)
{
	lua_State *L = ctx;

	lua_push_number(L, value);
	lua_setfield(L, -2, name);
}

static int get_stats(lua_State *L)
{
	const struct action *a = lua_test_action(L, 1);

	lua_newtable(L);
	if (a->type->stats != NULL)
		a->type->stats(a->state, put_stat, L);
	return 1;
}

static void print_stat(void *ctx, const char *name, double value)
{
	lua_host_printf("%s\t%.*f\n", name, floor(value) == value ? 0 : 2, value);
}

static int print_stats(lua_State *L)
{
	const struct action *a = lua_test_action(L, 1);

	if (a->type->stats != NULL)
		a->type->stats(a->state, print_stat, NULL);
	return 0;
}

static int reload(lua_State *L)
{
	struct action *a = lua_test_action(L, 1);
	struct err err;

	if (a->type->reload != NULL && a->type->reload(a->state, &err) < 0)
		return lua_host_raise(L, &err);
	return 0;
}

static int action_to_string(lua_State *L)
{
	const struct action *a = lua_test_action(L, 1);
	char *text;

	if (a == NULL)
		return lua_fail(L, "expected an action, got %s", lua_value_text(L, 1));
	text = action_text(a);
	lua_pushstring(L, text);
	free(text);
	return 1;
}

static int action_gc(lua_State *L)
{
	struct action **box = action_box(L, 1);

	if (box == NULL)
		return 0;
	action_unref(*box);
	*box = NULL;
	return 0;
}

static const struct lua_method action_methods[] = {
	METHOD("getStats", get_stats, ROW_READS, "",
	       "a table of its figures, empty when it has none"),
	METHOD("printStats", print_stats, ROW_READS, "", "shows its figures"),
	METHOD("reload", reload, 0, "", "opens its files anew, if it has some"),
	METHODS_END,
};

static const luaL_Reg action_meta[] = {
	{"__gc", action_gc},
	{"__tostring", action_to_string},
	{NULL, NULL},
};

const struct lua_object lua_query_action = {"DNSAction", action_methods, action_meta};
const struct lua_object lua_response_action = {"DNSResponseAction", action_methods, action_meta};

void lua_push_rule(lua_State *L, struct rule *r)
{
	struct rule **box = lua_object_new(
		L, r->action->type->is_response ? &lua_response_rule : &lua_query_rule,
		sizeof(*box));

	*box = rule_ref(r);
}

static struct rule **rule_box(lua_State *L, int i)
{
	struct rule **box = lua_object_test(L, i, &lua_query_rule);

	return box ? box : lua_object_test(L, i, &lua_response_rule);
}

struct rule *lua_test_rule(lua_State *L, int i)
{
	struct rule **box = rule_box(L, i);

	if (box != NULL && *box == NULL)
		lua_fail(L, "this rule was collected already");
	return box ? *box : NULL;
}

static int get_selector(lua_State *L)
{
	lua_push_selector(L, lua_test_rule(L, 1)->selector);
	return 1;
}

static int get_action(lua_State *L)
{
	lua_push_action(L, lua_test_rule(L, 1)->action);
	return 1;
}

static int rule_gc(lua_State *L)
{
	struct rule **box = rule_box(L, 1);

	if (box == NULL || *box == NULL)
		return 0;
	rule_unref(*box);
	*box = NULL;
	return 0;
}

static const struct lua_method rule_methods[] = {
	METHOD("getSelector", get_selector, ROW_READS, "", "its DNSRule"),
	METHOD("getAction", get_action, ROW_READS, "", "its DNSAction or DNSResponseAction"),
	METHODS_END,
};

static const luaL_Reg rule_meta[] = {
	{"__gc", rule_gc},
	{NULL, NULL},
};

const struct lua_object lua_query_rule = {"DNSDistRuleAction", rule_methods, rule_meta};
const struct lua_object lua_response_rule = {"DNSDistResponseRuleAction", rule_methods, rule_meta};
