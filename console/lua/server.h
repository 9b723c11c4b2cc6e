/* Servers as Lua sees them: shared by the files that make, change and show them. */
#ifndef CONSOLE_LUA_SERVER_H
#define CONSOLE_LUA_SERVER_H

#include "console/lua/rows.h"
#include "pools/pool.h"

/* The server of the object at i, lent by the object. */
struct server *lua_check_server(lua_State *L, int i);

/* Its row in the running transaction, or an error that says that it was removed. */
const struct server_row *lua_server_row(lua_State *L, struct server *s);

/* The draft's own def of it, or that error. */
struct server_def *lua_server_edit(lua_State *L, struct server *s);

/* The server that the argument at i means: an object, a position from 0, or a UUID. NULL: there is
 * none. */
struct server *lua_find_server(lua_State *L, int i);

/* console/lua/server_new.c: newServer(address|{options}). */
int lua_new_server(lua_State *L);

/*
 * console/lua/show.c: how wide a table's column of addresses is: the longest, as IPv6 with a port does
 * not fit a fixed one; at least 20.
 */
struct frontends;
int lua_servers_width(const struct pools *p);
int lua_frontends_width(const struct frontends *f);

static inline const struct pools *lua_pools(void)
{
	return TXN_READ(lua_host_txn(), POOLS, pools);
}

static inline struct pools *lua_pools_edit(void)
{
	return TXN_EDIT(lua_host_txn(), POOLS, pools);
}

#endif
