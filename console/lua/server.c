/* Functions that make, find and remove servers. */
#include "console/lua/server.h"
#include "console/lua/registry.h"

#include <string.h>

struct server *lua_find_server(lua_State *L, int i)
{
	const struct pools *p = lua_pools();
	struct server **box = lua_object_test(L, i, &lua_server);
	struct uuid id;

	if (box)
		return *box;
	if (lua_isnumber(L, i)) {
		double at = lua_tonumber(L, i);

		return at >= 0 && at < p->n_rows ? p->rows[(unsigned)at].server : NULL;
	}
	if (!lua_isstring(L, i))
		lua_fail(L, "expected a position, a UUID or a Server, got %s",
			 lua_value_text(L, i));
	if (uuid_parse(lua_tostring(L, i), &id) < 0)
		return NULL;
	for (unsigned n = 0; n < p->n_rows; n++)
		if (memcmp(&p->rows[n].server->fixed.id, &id, sizeof(id)) == 0)
			return p->rows[n].server;
	return NULL;
}

static int get_server(lua_State *L)
{
	struct server *s = lua_find_server(L, 1);

	if (s == NULL) {
		lua_complain(L, "there is no server %s among the %u: showServers() has them",
			     lua_value_text(L, 1), lua_pools()->n_rows);
		return 0;
	}
	lua_push_server(L, s);
	return 1;
}

static int get_servers(lua_State *L)
{
	const struct pools *p = lua_pools();

	lua_createtable(L, (int)p->n_rows, 0);
	for (unsigned i = 0; i < p->n_rows; i++) {
		lua_push_server(L, p->rows[i].server);
		lua_rawseti(L, -2, i + 1);
	}
	return 1;
}

/* s is the one that a Lua object holds on to, or NULL. */
static int no_such_server(lua_State *L, const struct server *s)
{
	char addr[ADDR_TEXT_MAX];

	if (s)
		return lua_fail(L, "server %s was removed already",
				addr_text_port(&s->fixed.addr, addr));
	return lua_fail(L, "there is no server %s among the %u: showServers() has them",
			lua_value_text(L, 1), lua_pools()->n_rows);
}

static int rm_server(lua_State *L)
{
	struct server *s = lua_find_server(L, 1);

	if (s == NULL || pools_row(lua_pools(), s) == NULL)
		return no_such_server(L, s);
	pools_remove_server(lua_pools_edit(), s);
	return 0;
}

const struct lua_function server_functions[] = {
	{"newServer", lua_new_server, 0, "{address=\"addr:port\", …}",
	 "makes a server and puts it into its pools; gives the Server"},
	{"getServer", get_server, ROW_READS, "position|uuid",
	 "the Server at this place of showServers()"},
	{"getServers", get_servers, ROW_READS, "", "a table of all servers"},
	{"rmServer", rm_server, 0, "position|uuid|Server",
	 "removes a server from all pools and forgets it"},
	{NULL, NULL, 0, NULL, NULL},
};
