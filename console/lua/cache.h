/* Packet caches as Lua sees them. */
#ifndef CONSOLE_LUA_CACHE_H
#define CONSOLE_LUA_CACHE_H

#include "console/lua/rows.h"

struct cache;
struct server_row;

/* The cache of the object at i, lent by the object. */
struct cache *lua_check_cache(lua_State *L, int i);

/* Pushes an object with a reference of its own. */
void lua_push_cache(lua_State *L, struct cache *c);

/* console/lua/pool.c: whether the server is in the pool of this name. */
bool lua_row_in_pool(const struct server_row *row, const char *pool);

#endif
