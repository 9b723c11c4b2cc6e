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
