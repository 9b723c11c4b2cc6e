#include "console/lua/owned.h"

struct owned {
	void *what; /* first: lua_disown is given this */
	void (*release)(void *);
};

#define OWNED "owned"

void lua_disown(void **what)
{
	struct owned *o = container_of(what, struct owned, what);

	if (o->what)
		o->release(o->what);
	o->what = NULL;
}

static int gc(lua_State *L)
{
	struct owned *o = luaL_checkudata(L, 1, OWNED);

	lua_disown(&o->what);
	return 0;
}

void **lua_own(lua_State *L, void (*release)(void *))
{
	struct owned *o = lua_newuserdatauv(L, sizeof(*o), 0);

	*o = (struct owned){NULL, release};
	if (luaL_newmetatable(L, OWNED)) {
		lua_pushcfunction(L, gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	return &o->what;
}

/* Afterwards the collector does what it would have done meanwhile: it forgets what it was due when
 * it is started again. */
void lua_call_uncollected(lua_State *L, int n_args, int n_results)
{
	int running = lua_gc(L, LUA_GCISRUNNING), before_kb = lua_gc(L, LUA_GCCOUNT), rc;

	lua_gc(L, LUA_GCSTOP);
	rc = lua_pcall(L, n_args, n_results, 0);
	if (running) {
		lua_gc(L, LUA_GCRESTART);
		lua_gc(L, LUA_GCSTEP, lua_gc(L, LUA_GCCOUNT) - before_kb + 1);
	}
	if (rc != LUA_OK)
		lua_error(L);
}
