/* The chains of rules, edited: everything happens to the draft of the running transaction. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/lua/registry.h"
#include "console/lua/rules.h"

const struct chain *lua_chain(enum chain_id id)
{
	return TXN_READ(lua_host_txn(), RULES, rules)->chain[id];
}

struct chain *lua_chain_edit(enum chain_id id)
{
	return rules_edit(TXN_EDIT(lua_host_txn(), RULES, rules), id);
}

const struct lua_option rule_options[] = {
	{"name", OPTION_STRING, 0, 0, "", "what rules can be removed by, several at once"},
	{"uuid", OPTION_STRING, 0, 0, "", "identifies the rule; random when left out"},
	{NULL, 0, 0, 0, NULL, NULL},
};

static int position_of(const struct chain *c, const struct uuid *id)
{
	for (unsigned i = 0; i < c->n; i++)
		if (memcmp(&c->rules[i]->id, id, sizeof(*id)) == 0)
			return (int)i;
	return -1;
}

/* The first of that name from a position on. */
static int position_of_name(const struct chain *c, const char *name, unsigned from)
{
	for (unsigned i = from; i < c->n; i++)
		if (strcmp(c->rules[i]->name, name) == 0)
			return (int)i;
	return -1;
}

/* True when options give a UUID. */
static bool read_uuid(lua_State *L, int options, struct uuid *id)
{
	const char *text = options ? lua_option_string(L, options, "uuid") : NULL;

	if (text == NULL || *text == '\0')
		return false;
	if (uuid_parse(text, id) < 0)
		lua_fail(L, "option 'uuid' must be a UUID, got '%.60s'", text);
	return true;
}

/* Checks the options at an index; 0 when there are none. */
static int check_options(lua_State *L, int i)
{
	if (lua_gettop(L) > i)
		lua_fail(L, "takes %d arguments, got %s behind them", i, lua_value_text(L, i + 1));
	if (lua_arg_missing(L, i))
		return 0;
	lua_options_check(L, i, rule_options);
	return i;
}

static struct rule *make_rule(lua_State *L, struct selector *s, struct action *a, int options,
			      const struct uuid *id)
{
	const char *name = options ? lua_option_string(L, options, "name") : NULL;

	return rule_new(s, a, name ? name : "", id);
}

void lua_chain_add(lua_State *L, enum chain_id id, struct selector *s, struct action *a,
		   int options)
{
	struct chain *c = lua_chain_edit(id);
	struct uuid given;
	bool has_id = read_uuid(L, options, &given);
	struct rule *r;

	if (has_id && position_of(c, &given) >= 0)
		lua_fail(L, "rule %d has this uuid already", position_of(c, &given));
	r = make_rule(L, s, a, options, has_id ? &given : NULL);
	chain_append(c, r);
	rule_unref(r);
}

int lua_rules_add(lua_State *L)
{
	enum chain_id id = lua_running_chain(L);
	bool is_response = chain_rows[id].is_response;
	int options = check_options(L, 3);
	struct action *a =
		lua_arg_action(L, 2, is_response, is_response ? "addAction" : "addResponseAction");

	lua_chain_add(L, id, lua_arg_rule(L, 1, "rule"), a, options);
	return 0;
}

static int new_rule_action(lua_State *L)
{
	int options = check_options(L, 3);
	struct action *a = lua_test_action(L, 2);
	struct selector *s;
	struct rule **box;
	struct uuid id;
	bool has_id;

	if (a == NULL)
		lua_fail(L, "action must be a DNSAction or a DNSResponseAction, got %s",
			 lua_value_text(L, 2));
	has_id = read_uuid(L, options, &id);
	s = lua_arg_rule(L, 1, "rule");
	box = lua_object_new(L, a->type->is_response ? &lua_response_rule : &lua_query_rule,
			     sizeof(*box));
	*box = make_rule(L, s, a, options, has_id ? &id : NULL);
	return 1;
}

#define WHY_MAX 160 /* octets of the reason why there is no such rule */

/* Whether at is a position up to most. If not, why says so. */
static bool place_exists(const struct chain *c, const char *what, double at, unsigned most,
			 char why[static WHY_MAX])
{
	if (at >= 0 && at <= most && at == (unsigned)at && c->n > 0)
		return true;
	if (c->n == 0)
		snprintf(why, WHY_MAX, "%s %.14g: there is no rule", what, at);
	else
		snprintf(why, WHY_MAX, "%s %.14g: there are %u rules, counted from 0", what, at,
			 c->n);
	return false;
}

/*
 * The position of the rule that is meant by argument 1; -1: there is none, why is text. The empty
 * name is none: it would mean all rules that nobody has named.
 */
static int arg_rule(lua_State *L, const struct chain *c, char why[static WHY_MAX])
{
	struct uuid id;
	int at;

	if (lua_type(L, 1) == LUA_TNUMBER) {
		if (!place_exists(c, "position", lua_tonumber(L, 1), c->n - 1, why))
			return -1;
		return (int)lua_tonumber(L, 1);
	}
	if (lua_type(L, 1) != LUA_TSTRING)
		lua_fail(L, "expected a position, a UUID or a name, got %s", lua_value_text(L, 1));
	if (uuid_parse(lua_tostring(L, 1), &id) == 0)
		at = position_of(c, &id);
	else
		at = lua_rawlen(L, 1) > 0 ? position_of_name(c, lua_tostring(L, 1), 0) : -1;
	if (at < 0)
		snprintf(why, WHY_MAX, "no rule has the UUID or name %s%s", lua_value_text(L, 1),
			 lua_isnumber(L, 1) ? ": a position has no quotes" : "");
	return at;
}

/* All rules of a name that is no UUID. */
static void remove_named(struct chain *c, const char *name)
{
	for (int at = position_of_name(c, name, 0); at >= 0;
	     at = position_of_name(c, name, (unsigned)at))
		chain_remove(c, (unsigned)at);
}

/*
 * A rule that is not there is complained about and no more, here and when rules move, as in
 * dnsdist: "rmRule('x') addAction(...)" is how operators replace what may not be there yet.
 */
int lua_rules_remove(lua_State *L)
{
	enum chain_id id = lua_running_chain(L);
	char why[WHY_MAX];
	int at = arg_rule(L, lua_chain(id), why);
	struct uuid uuid;

	if (at < 0)
		lua_complain(L, "%s", why);
	else if (lua_type(L, 1) == LUA_TSTRING && uuid_parse(lua_tostring(L, 1), &uuid) < 0)
		remove_named(lua_chain_edit(id), lua_tostring(L, 1));
	else
		chain_remove(lua_chain_edit(id), (unsigned)at);
	return 0;
}

int lua_rules_move(lua_State *L)
{
	enum chain_id id = lua_running_chain(L);
	const struct chain *c = lua_chain(id);
	double from = lua_arg_number(L, 1, "from", -1e15, 1e15);
	double to = lua_arg_number(L, 2, "to", -1e15, 1e15);
	char why[WHY_MAX];

	if (!place_exists(c, "from", from, c->n - 1, why) || !place_exists(c, "to", to, c->n, why))
		lua_complain(L, "%s", why);
	else
		chain_move(lua_chain_edit(id), (unsigned)from, (unsigned)to);
	return 0;
}

void lua_chain_top(enum chain_id id)
{
	if (lua_chain(id)->n > 1)
		chain_move(lua_chain_edit(id), lua_chain(id)->n - 1, 0);
}

int lua_rules_move_to_top(lua_State *L)
{
	lua_chain_top(lua_running_chain(L));
	return 0;
}

int lua_rules_clear(lua_State *L)
{
	rules_replace(TXN_EDIT(lua_host_txn(), RULES, rules), lua_running_chain(L), chain_new());
	return 0;
}

/* The rule at place k of the list at index 1. */
static struct rule *listed_rule(lua_State *L, size_t k, bool is_response)
{
	struct rule *r;

	lua_rawgeti(L, 1, (lua_Integer)k);
	r = lua_test_rule(L, -1);
	if (r == NULL || r->action->type->is_response != is_response)
		lua_fail(L, "entry %zu of rules must be a %s, made by newRuleAction(), got %s", k,
			 is_response ? lua_response_rule.name : lua_query_rule.name,
			 lua_value_text(L, -1));
	lua_pop(L, 1);
	return r;
}

static int compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct uuid));
}

static void refuse_twice(lua_State *L, struct uuid *ids, size_t n)
{
	char text[UUID_TEXT_MAX];

	qsort(ids, n, sizeof(*ids), compare_ids);
	for (size_t k = 1; k < n; k++)
		if (compare_ids(&ids[k - 1], &ids[k]) == 0)
			lua_fail(L, "rules has the rule %s twice", uuid_text(&ids[k], text));
}

int lua_rules_set(lua_State *L)
{
	enum chain_id id = lua_running_chain(L);
	bool is_response = chain_rows[id].is_response;
	struct chain *next;
	struct uuid *ids;
	size_t n;

	if (!lua_istable(L, 1))
		return lua_fail(L, "rules must be a list, got %s", lua_value_text(L, 1));
	n = lua_list_len(L, 1, "rules");
	ids = lua_newuserdatauv(L, (n + 1) * sizeof(*ids), 0);
	for (size_t k = 1; k <= n; k++)
		ids[k - 1] = listed_rule(L, k, is_response)->id;
	refuse_twice(L, ids, n);
	next = chain_new();
	for (size_t k = 1; k <= n; k++)
		chain_append(next, listed_rule(L, k, is_response));
	rules_replace(TXN_EDIT(lua_host_txn(), RULES, rules), id, next);
	return 0;
}

int lua_rules_get(lua_State *L)
{
	const struct chain *c = lua_chain(lua_running_chain(L));
	char why[WHY_MAX];
	int at = arg_rule(L, c, why);

	if (at >= 0)
		lua_push_rule(L, c->rules[at]);
	else if (lua_type(L, 1) == LUA_TNUMBER)
		lua_fail(L, "%s", why);
	else
		lua_pushnil(L);
	return 1;
}

int lua_rules_get_action(lua_State *L)
{
	const struct chain *c = lua_chain(lua_running_chain(L));
	double at = lua_arg_number(L, 1, "position", 0, UINT32_MAX);

	if (at >= c->n || at != (unsigned)at)
		lua_pushnil(L);
	else
		lua_push_action(L, c->rules[(unsigned)at]->action);
	return 1;
}

const struct lua_function rule_pair_functions[] = {
	{"newRuleAction", new_rule_action, ROW_READS, "rule, action [, options]",
	 "a rule with its action, for setRules() and its like"},
	{NULL, NULL, 0, NULL, NULL},
};
