/*
 * Chunks of Lua as they are read in (nothing of them is run): what old dialects need is done to a
 * copy, and whatever plain Lua takes must still be taken.
 */
#include <lauxlib.h>
#include <stdlib.h>

#include "console/lua/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static lua_State *L;
	bool plain;

	if (L == NULL) {
		lua_host_start(LUA_CLIENT);
		L = luaL_newstate();
	}
	plain = luaL_loadbufferx(L, (const char *)data, len, "=fuzz", "t") == LUA_OK;
	lua_settop(L, 0);
	if (lua_compat_load(host.L, (const char *)data, len, "=fuzz") != LUA_OK && plain)
		abort();
	lua_settop(host.L, 0);
	return 0;
}
