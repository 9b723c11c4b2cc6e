/* What the program calls in the configuration: maintenance, exit, state changes, health checks. */
#include <stdio.h>
#include <string.h>

#include "console/lua/server.h"
#include "console/lua/registry.h"
#include "console/lua/state.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/stats.h"

/* Lists of functions in the registry, by these names. */
#define MAINTENANCE   "dnsdist.maintenance"
#define EXIT          "dnsdist.exit"
#define STATE_CHANGED "dnsdist.state_changed"

#define ERROR_EVERY_US \
	(61 * 1000000ull) /* a maintenance() that always fails is logged about once a minute */

static int add(lua_State *L, const char *list)
{
	lua_arg_function(L, 1, "callback");
	luaL_getsubtable(L, LUA_REGISTRYINDEX, list);
	lua_pushvalue(L, 1);
	lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
	return 0;
}

static int add_maintenance(lua_State *L)
{
	if (!lua_arg_missing(L, 2))
		lua_arg_string(L, 2, "name");
	return add(L, MAINTENANCE);
}

static int add_exit(lua_State *L)
{
	return add(L, EXIT);
}

static int add_state_changed(lua_State *L)
{
	return add(L, STATE_CHANGED);
}

const struct lua_function callback_functions[] = {
	{"addMaintenanceCallback", add_maintenance, ROW_EXACT, "function() [, name]",
	 "is called after maintenance(), about once a second"},
	{"addExitCallback", add_exit, ROW_EXACT, "function()",
	 "is called at the end of the program"},
	{"addServerStateChangeCallback", add_state_changed, ROW_EXACT, "function(nameWithAddr, up)",
	 "is called when health checks find a server's state changed"},
	{NULL, NULL, 0, NULL, NULL},
};

void lua_host_failed(const char *what, const struct err *err, uint64_t *last_us)
{
	uint64_t now = clock_mono_us();
	char trace[LUA_TRACE_MAX + 32];

	stat_inc(stats_control(), STAT_LUA_CALLBACK_ERRORS);
	if (last_us && *last_us && now - *last_us < ERROR_EVERY_US)
		return;
	if (last_us)
		*last_us = now;
	log_error("setup", "%s failed, nothing of it took place: %s%s", what, err->text,
		  lua_trace_text(trace));
}

/* Calls each function of the list with what push leaves on the stack; one that fails stops no
 * other. */
static void call_list(const char *list, const char *what, int (*push)(lua_State *L, void *ctx),
		      void *ctx, uint64_t *last_us)
{
	lua_State *L = host.L;
	int top = lua_gettop(L);
	struct err err;

	luaL_getsubtable(L, LUA_REGISTRYINDEX, list);
	for (lua_Integer i = 1; lua_rawgeti(L, top + 1, i) == LUA_TFUNCTION; i++) {
		int n = push ? push(L, ctx) : 0;

		if (lua_host_call_txn(L, n, &err) < 0)
			lua_host_failed(what, &err, last_us);
	}
	lua_settop(L, top);
}

void lua_host_maintenance(void)
{
	static uint64_t last_us;
	lua_State *L = host.L;
	struct err err;

	if (lua_getglobal(L, "maintenance") == LUA_TFUNCTION) {
		if (lua_host_call_txn(L, 0, &err) < 0)
			lua_host_failed("maintenance()", &err, &last_us);
	} else {
		lua_pop(L, 1);
	}
	call_list(MAINTENANCE, "a maintenance callback", NULL, NULL, &last_us);
	lua_resolver_poll();
	fflush(stdout);
}

void lua_host_exit_callbacks(void)
{
	lua_host_resume();
	call_list(EXIT, "an exit callback", NULL, NULL, NULL);
	fflush(stdout);
}

struct change {
	struct server *server;
	bool up;
};

/* The name as the live tables have it. */
static int push_change(lua_State *L, void *ctx)
{
	const struct change *c = ctx;
	const struct server_row *row = pools_row(rcu_get(tables_live)->pools, c->server);
	char text[512];

	if (row)
		server_name_with_addr(c->server, row->def, text, sizeof(text));
	else
		addr_text_port(&c->server->fixed.addr, text);
	lua_pushstring(L, text);
	lua_pushboolean(L, c->up);
	return 2;
}

void lua_host_server_changed(struct server *s, bool up, bool first)
{
	struct change change = {s, up};

	call_list(STATE_CHANGED, "a callback for a server's state", push_change, &change, NULL);
}

/* What a checkFunction gave is taken over only when all of it is good. */
static bool take_question(lua_State *L, int at, struct check_question *q)
{
	struct check_question next = *q;

	if (lua_object_test(L, at, &lua_name) || lua_isstring(L, at)) {
		next.name_len = (uint16_t)lua_arg_name(L, at, "name", next.name);
	} else if (!lua_isnil(L, at)) {
		return false;
	}
	if (!lua_isnil(L, at + 1))
		next.qtype = (uint16_t)lua_arg_integer(L, at + 1, "type", 0, 65535);
	if (!lua_isnil(L, at + 2))
		next.qclass = (uint16_t)lua_arg_integer(L, at + 2, "class", 0, 65535);
	*q = next;
	return true;
}

/* (function, question) → nothing; an error when what it returns is no question. */
static int ask_question(lua_State *L)
{
	struct check_question *q = lua_touserdata(L, 2);
	uint16_t *flags = lua_push_header(L, q->flags);
	int top = lua_gettop(L);

	lua_pushvalue(L, 1);
	lua_push_name(L, q->name, q->name_len);
	lua_pushinteger(L, q->qtype);
	lua_pushinteger(L, q->qclass);
	lua_pushvalue(L, top);
	lua_call(L, 4, 3);
	if (!take_question(L, top + 1, q))
		return luaL_error(L, "a checkFunction returns name, type, class; it returned %s",
				  lua_value_text(L, top + 1));
	q->flags = *flags;
	return 0;
}

bool lua_host_check_function(struct server *s, struct check_question *q)
{
	static uint64_t last_us;
	lua_State *L = host.L;
	struct err err;

	if (s->fixed.check_function < 0)
		return true;
	lua_pushcfunction(L, ask_question);
	lua_rawgeti(L, LUA_REGISTRYINDEX, s->fixed.check_function);
	lua_pushlightuserdata(L, q);
	if (lua_host_call_txn(L, 2, &err) == 0)
		return true;
	lua_host_failed("a checkFunction", &err, &last_us);
	return false;
}

/* (function, verdict, packet) */
static int ask_validator(lua_State *L)
{
	bool *good = lua_touserdata(L, 2);

	lua_pushvalue(L, 1);
	lua_pushvalue(L, 3);
	lua_call(L, 1, 1);
	*good = lua_toboolean(L, -1);
	return 0;
}

bool lua_host_check_validator(struct server *s, const uint8_t *answer, size_t len)
{
	static uint64_t last_us;
	lua_State *L = host.L;
	bool good = false;
	struct err err;

	if (s->fixed.check_validator < 0)
		return true;
	lua_pushcfunction(L, ask_validator);
	lua_rawgeti(L, LUA_REGISTRYINDEX, s->fixed.check_validator);
	lua_pushlightuserdata(L, &good);
	lua_pushlstring(L, (const char *)answer, len);
	if (lua_host_call_txn(L, 3, &err) < 0) {
		lua_host_failed("a health check's validator", &err, &last_us);
		return false;
	}
	return good;
}
