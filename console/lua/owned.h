/*
 * What C owns while Lua may raise an error: a value on the stack that frees it when Lua collects
 * it, so that an error that jumps over the clean-up leaks nothing. And what C must not lose while
 * it makes values.
 */
#ifndef CONSOLE_LUA_OWNED_H
#define CONSOLE_LUA_OWNED_H

#include "console/lua/rows.h"

/* Pushes the value; *what, NULL at first, is given to release, unless it is NULL by then. */
void **lua_own(lua_State *L, void (*release)(void *));

/* Releases *what now: with much memory it should not wait for the collector. */
void lua_disown(void **what);

/*
 * As lua_call, with the collector at rest: while C walks what the configuration can change, no
 * finalizer (__gc) of the configuration's may run and change it.
 */
void lua_call_uncollected(lua_State *L, int n_args, int n_results);

#endif
