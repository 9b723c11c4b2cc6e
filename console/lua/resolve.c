/*
 * getAddressInfo: names looked up by the C library's helper threads. Their answers are fetched once
 * a second by the control thread, so that nothing of theirs touches Lua.
 */
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "console/lua/state.h"
#include "console/lua/registry.h"
#include "core/log.h"
#include "core/mem.h"

struct lookup {
	struct gaicb request;
	struct addrinfo hints;
	char *name;
	int callback; /* registry */
};

static struct {
	struct lookup **list;
	unsigned n;
} running;

static int get_address_info(lua_State *L)
{
	const char *name = lua_arg_string(L, 1, "name");
	struct lookup *l;
	struct gaicb *list[1];

	lua_arg_function(L, 2, "callback");
	lua_pushvalue(L, 2);
	l = mem_zalloc(1, sizeof(*l));
	l->callback = luaL_ref(L, LUA_REGISTRYINDEX);
	l->name = mem_strdup(name);
	l->hints.ai_socktype = SOCK_DGRAM;
	l->request.ar_name = l->name;
	l->request.ar_request = &l->hints;
	list[0] = &l->request;
	running.list = mem_realloc(running.list, running.n + 1, sizeof(struct lookup *));
	running.list[running.n++] = l;
	if (getaddrinfo_a(GAI_NOWAIT, list, 1, NULL) != 0)
		lua_complain(L, "the look-up of '%s' can't be started", name);
	return 0;
}

const struct lua_function resolve_functions[] = {
	{"getAddressInfo", get_address_info, ROW_NOT_CLIENT, "name, function(name, {address, …})",
	 "looks up a host name; the function gets its addresses later"},
	{NULL, NULL, 0, NULL, NULL},
};

static void release(struct lookup *l)
{
	if (l->request.ar_result)
		freeaddrinfo(l->request.ar_result);
	luaL_unref(host.L, LUA_REGISTRYINDEX, l->callback);
	free(l->name);
	free(l);
}

static void deliver(struct lookup *l)
{
	lua_State *L = host.L;
	lua_Integer n = 0;
	struct err err;

	lua_rawgeti(L, LUA_REGISTRYINDEX, l->callback);
	lua_pushstring(L, l->name);
	lua_newtable(L);
	for (struct addrinfo *ai = l->request.ar_result; ai; ai = ai->ai_next) {
		struct addr a = {.v6 = {0}};

		if (ai->ai_family != AF_INET && ai->ai_family != AF_INET6)
			continue;
		memcpy(&a, ai->ai_addr, ai->ai_addrlen);
		lua_push_address(L, &a);
		lua_rawseti(L, -2, ++n);
	}
	if (lua_host_call_txn(L, 2, &err) < 0)
		log_error("setup", "the callback of getAddressInfo('%s') failed: %s", l->name,
			  err.text);
}

/* A callback may start further look-ups, which join the end of the list. */
void lua_resolver_poll(void)
{
	for (unsigned i = 0; i < running.n;) {
		struct lookup *l = running.list[i];

		if (gai_error(&l->request) == EAI_INPROGRESS) {
			i++;
			continue;
		}
		running.list[i] = running.list[--running.n];
		deliver(l);
		release(l);
	}
}

/* What can't be cancelled any more is waited for: its thread writes into the request. */
void lua_resolver_stop(void)
{
	for (unsigned i = 0; i < running.n; i++) {
		struct lookup *l = running.list[i];
		const struct gaicb *const list[] = {&l->request};

		if (gai_cancel(&l->request) == EAI_NOTCANCELED)
			gai_suspend(list, 1, NULL);
		release(l);
	}
	free(running.list);
	running.list = NULL;
	running.n = 0;
}
