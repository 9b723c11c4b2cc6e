/* What old releases wrote about rules, one row a form: it works, and is told the form of today. */
#include <stdio.h>
#include <string.h>

#include "console/lua/registry.h"
#include "console/lua/rules.h"

struct former {
	const char *name, *params;
	lua_CFunction call;
	const char *selector; /* made of argument 1; NULL: argument 1, as addAction takes it */
	const char *action;   /* made of the other arguments */
	enum chain_id chain;
	const char *now; /* the form of today */
};

/* Defined behind the functions that run its rows. */
static const struct former *running(lua_State *L);

/* Pushes what the constructor makes of copies of the arguments from first to last. */
static void make(lua_State *L, const char *name, int first, int last)
{
	int at = lua_gettop(L) + 1;

	luaL_checkstack(L, last - first + 10, NULL);
	for (int i = first; i <= last; i++)
		lua_pushvalue(L, i);
	lua_construct(L, lua_find_constructor(name), at, lua_gettop(L));
}

/* Makes one list of the strings at two places, the second of which goes. */
static void join(lua_State *L, int i)
{
	lua_createtable(L, 2, 0);
	lua_pushvalue(L, i);
	lua_rawseti(L, -2, 1);
	if (lua_rawlen(L, i + 1) > 0) {
		lua_pushvalue(L, i + 1);
		lua_rawseti(L, -2, 2);
	}
	lua_replace(L, i);
	lua_remove(L, i + 1);
}

void lua_former_arguments(lua_State *L, const struct constructor *c, int first, int *last)
{
	if (c->action == NULL || strcmp(c->action->name, "SpoofAction") != 0 || *last <= first ||
	    lua_type(L, first) != LUA_TSTRING || lua_type(L, first + 1) != LUA_TSTRING)
		return;
	lua_host_former(L, "SpoofAction(ipv4, ipv6)", "SpoofAction({ipv4, ipv6})");
	join(L, first);
	--*last;
}

static int add_for(lua_State *L, const struct former *f, bool has_subject)
{
	int last = lua_gettop(L), first = has_subject ? 2 : 1;
	struct selector *s;

	lua_host_former(L, f->name, f->now);
	if (f->selector != NULL) {
		make(L, f->selector, 1, first - 1 < last ? first - 1 : last);
		s = lua_test_selector(L, -1);
	} else {
		s = lua_arg_selector(L, 1, "rule");
	}
	make(L, f->action, first, last);
	lua_chain_add(L, f->chain, s, lua_test_action(L, -1), 0);
	return 0;
}

static int add_about(lua_State *L)
{
	return add_for(L, running(L), true);
}

static int add_always(lua_State *L)
{
	return add_for(L, running(L), false);
}

/* Two addresses were two arguments. */
static int add_spoof(lua_State *L)
{
	if (lua_type(L, 2) == LUA_TSTRING && lua_type(L, 3) == LUA_TSTRING)
		join(L, 2);
	return add_about(L);
}

static int add_any_tc(lua_State *L)
{
	const struct former *f = running(L);
	int top = lua_gettop(L);

	if (top > 0)
		return lua_fail(L, "takes no argument, got %s", lua_value_text(L, 1));
	lua_host_former(L, f->name, f->now);
	lua_newtable(L);
	lua_pushinteger(L, 255); /* ANY */
	make(L, "QTypeRule", 2, 2);
	lua_rawseti(L, 1, 1);
	lua_pushboolean(L, false);
	make(L, "TCPRule", 3, 3);
	lua_rawseti(L, 1, 2);
	make(L, "AndRule", 1, 1);
	make(L, f->action, 1, 0);
	lua_chain_add(L, f->chain, lua_test_selector(L, -2), lua_test_action(L, -1), 0);
	return 0;
}

static int add_hit(lua_State *L)
{
	const struct former *f = running(L);
	struct action *a = lua_arg_action(L, 2, true, "addAction");

	lua_host_former(L, f->name, f->now);
	lua_chain_add(L, f->chain, lua_arg_selector(L, 1, "rule"), a, 0);
	return 0;
}

static int renamed_action(lua_State *L)
{
	const struct former *f = running(L);

	lua_host_former(L, f->name, f->now);
	lua_construct(L, lua_find_constructor(f->action), 1, lua_gettop(L));
	return 1;
}

static int move_to_top(lua_State *L)
{
	const struct former *f = running(L);

	lua_host_former(L, f->name, f->now);
	lua_chain_top(f->chain);
	return 0;
}

static int not_yet(lua_State *L)
{
	return lua_fail(L,
			"Lua functions that are called for a query or an answer are not built in");
}

#define RENAMED(name, params, now)                                                       \
	{                                                                                \
		name, params, renamed_action, NULL, now, CHAIN_QUERY, now "(" params ")" \
	}

static const struct former rows[] = {
	{"addAnyTCRule", "", add_any_tc, NULL, "TCAction", CHAIN_QUERY,
	 "addAction(AndRule({QTypeRule(DNSQType.ANY), TCPRule(false)}), TCAction())"},
	{"addDelay", "rule, milliseconds", add_about, NULL, "DelayAction", CHAIN_QUERY,
	 "addAction(rule, DelayAction(milliseconds))"},
	{"addDisableValidationRule", "rule", add_about, NULL, "SetDisableValidationAction",
	 CHAIN_QUERY, "addAction(rule, SetDisableValidationAction())"},
	{"addDomainBlock", "domain", add_about, "QNameSuffixRule", "DropAction", CHAIN_QUERY,
	 "addAction(QNameSuffixRule(domain), DropAction())"},
	{"addDomainCNAMESpoof", "domain, target", add_about, "QNameSuffixRule", "SpoofCNAMEAction",
	 CHAIN_QUERY, "addAction(QNameSuffixRule(domain), SpoofCNAMEAction(target))"},
	{"addDomainSpoof", "domain, ipv4 [, ipv6]|{address, …}", add_spoof, "QNameSuffixRule",
	 "SpoofAction", CHAIN_QUERY,
	 "addAction(QNameSuffixRule(domain), SpoofAction({address, …}))"},
	{"addNoRecurseRule", "rule", add_about, NULL, "SetNoRecurseAction", CHAIN_QUERY,
	 "addAction(rule, SetNoRecurseAction())"},
	{"addPoolRule", "rule, pool", add_about, NULL, "PoolAction", CHAIN_QUERY,
	 "addAction(rule, PoolAction(pool))"},
	{"addQPSLimit", "rule, limit", add_about, NULL, "QPSAction", CHAIN_QUERY,
	 "addAction(rule, QPSAction(limit))"},
	{"addQPSPoolRule", "rule, limit, pool", add_about, NULL, "QPSPoolAction", CHAIN_QUERY,
	 "addAction(rule, QPSPoolAction(limit, pool))"},
	{"setDNSSECPool", "pool", add_always, "DNSSECRule", "PoolAction", CHAIN_QUERY,
	 "addAction(DNSSECRule(), PoolAction(pool))"},
	{"addCacheHitAction", "rule, action", add_hit, NULL, NULL, CHAIN_CACHE_HIT,
	 "addCacheHitResponseAction(rule, action)"},
	{"addLuaAction", "rule, function [, options]", not_yet, NULL, NULL, CHAIN_QUERY,
	 "not built in: a Lua function that is called for queries"},
	{"addLuaResponseAction", "rule, function [, options]", not_yet, NULL, NULL, CHAIN_RESPONSE,
	 "not built in: a Lua function that is called for answers"},
	RENAMED("QPSLimitAction", "limit", "QPSAction"),
	RENAMED("DisableECSAction", "", "SetDisableECSAction"),
	RENAMED("DisableValidationAction", "", "SetDisableValidationAction"),
	RENAMED("ECSOverrideAction", "override", "SetECSOverrideAction"),
	RENAMED("ECSPrefixLengthAction", "v4, v6", "SetECSPrefixLengthAction"),
	RENAMED("MacAddrAction", "option", "SetMacAddrAction"),
	RENAMED("NoRecurseAction", "", "SetNoRecurseAction"),
	RENAMED("SkipCacheAction", "", "SetSkipCacheAction"),
	RENAMED("TagAction", "name, value", "SetTagAction"),
	RENAMED("TagResponseAction", "name, value", "SetTagResponseAction"),
	RENAMED("TempFailureCacheTTLAction", "ttl", "SetTempFailureCacheTTLAction"),
	RENAMED("SetNegativeAndSOAAction",
		"nxd, zone, ttl, mname, rname, serial, refresh, retry, expire, minimum [, options]",
		"NegativeAndSOAAction"),
	{"topRule", "", move_to_top, NULL, NULL, CHAIN_QUERY, "mvRuleToTop()"},
	{"topResponseRule", "", move_to_top, NULL, NULL, CHAIN_RESPONSE, "mvResponseRuleToTop()"},
	{"topCacheHitResponseRule", "", move_to_top, NULL, NULL, CHAIN_CACHE_HIT,
	 "mvCacheHitResponseRuleToTop()"},
	{"topSelfAnsweredResponseRule", "", move_to_top, NULL, NULL, CHAIN_SELF_ANSWERED,
	 "mvSelfAnsweredResponseRuleToTop()"},
};

struct lua_function rule_former_functions[ARRAY_LEN(rows) + 1];

static const struct former *running(lua_State *L)
{
	const struct lua_function *row = lua_touserdata(L, lua_upvalueindex(1));

	return &rows[row - rule_former_functions];
}

void lua_former_rows_make(void)
{
	static char help[ARRAY_LEN(rows)][160];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		snprintf(help[i], sizeof(help[i]), "%s%s",
			 rows[i].call == not_yet ? "" : "former form of ", rows[i].now);
		rule_former_functions[i] = (struct lua_function){
			.name = rows[i].name,
			.call = rows[i].call,
			.flags = rows[i].call == renamed_action ? ROW_READS : ROW_NOT_CLIENT,
			.params = rows[i].params,
			.help = help[i],
		};
	}
}

int lua_check_former_globals(lua_State *L, struct err *err)
{
	bool is_function = lua_getglobal(L, "blockFilter") == LUA_TFUNCTION;

	lua_pop(L, 1);
	if (lua_host_role() == LUA_CLIENT)
		return 0;
	return is_function ? err_set(err, "blockFilter: Lua functions that are called for a query "
					  "are not built in; write addAction(rule, DropAction())")
			   : 0;
}
