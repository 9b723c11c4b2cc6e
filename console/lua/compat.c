/* Functions that Lua 5.1 and LuaJIT had and 5.4 has not, or has under another name. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "console/lua/state.h"

/* load(chunk [, name [, mode [, env]]]): strings pass through our loader, functions are joined
 * first. */
static int compat_load(lua_State *L)
{
	luaL_Buffer joined;
	const char *text, *name;
	size_t len;

	lua_settop(L, 4);
	if (lua_isfunction(L, 1)) {
		luaL_buffinit(L, &joined);
		for (;;) {
			lua_pushvalue(L, 1);
			lua_call(L, 0, 1);
			if (lua_isnil(L, -1) || lua_rawlen(L, -1) == 0) {
				lua_pop(L, 1);
				break;
			}
			luaL_addvalue(&joined);
		}
		luaL_pushresult(&joined);
		lua_replace(L, 1);
	}
	text = luaL_checklstring(L, 1, &len);
	name = luaL_optstring(L, 2, text);
	if (lua_compat_load(L, text, len, name) != LUA_OK) {
		lua_pushnil(L);
		lua_insert(L, -2);
		return 2;
	}
	if (!lua_isnil(L, 4)) {
		lua_pushvalue(L, 4);
		if (lua_setupvalue(L, -2, 1) == NULL)
			lua_pop(L, 1);
	}
	return 1;
}

static int compat_loadfile(lua_State *L)
{
	if (lua_compat_load_file(L, luaL_checkstring(L, 1)) == LUA_OK)
		return 1;
	lua_pushnil(L);
	lua_insert(L, -2);
	return 2;
}

static int compat_dofile(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);

	lua_settop(L, 1);
	if (lua_compat_load_file(L, path) != LUA_OK)
		return lua_error(L);
	lua_call(L, 0, LUA_MULTRET);
	return lua_gettop(L) - 1;
}

/* package.searchers[2]: modules in Lua go through our loader too. */
static int search_module(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1);

	lua_getglobal(L, "package");
	lua_getfield(L, -1, "searchpath");
	lua_pushvalue(L, 1);
	lua_getfield(L, -3, "path");
	lua_call(L, 2, 2);
	if (lua_isnil(L, -2))
		return 1; /* where it was looked for */
	lua_pop(L, 1);
	if (lua_compat_load_file(L, lua_tostring(L, -1)) != LUA_OK)
		return luaL_error(L, "error loading module '%s': %s", name, lua_tostring(L, -1));
	lua_insert(L, -2);
	return 2;
}

static int get_table_length(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_pushinteger(L, luaL_len(L, 1));
	return 1;
}

static int get_table_maximum(lua_State *L)
{
	lua_Number most = 0;

	luaL_checktype(L, 1, LUA_TTABLE);
	for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1))
		if (lua_type(L, -2) == LUA_TNUMBER && lua_tonumber(L, -2) > most)
			most = lua_tonumber(L, -2);
	lua_push_number(L, most);
	return 1;
}

/* table.foreach(t, f) and foreachi: f(key, value) until it returns something. */
static int for_each(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_checktype(L, 2, LUA_TFUNCTION);
	for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 2)) {
		lua_pushvalue(L, 2);
		lua_pushvalue(L, -3);
		lua_pushvalue(L, -3);
		lua_call(L, 2, 1);
		if (!lua_isnil(L, -1))
			return 1;
	}
	return 0;
}

static int for_each_i(lua_State *L)
{
	lua_Integer n;

	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_checktype(L, 2, LUA_TFUNCTION);
	n = luaL_len(L, 1);
	for (lua_Integer i = 1; i <= n; i++, lua_pop(L, 1)) {
		lua_pushvalue(L, 2);
		lua_pushinteger(L, i);
		lua_geti(L, 1, i);
		lua_call(L, 2, 1);
		if (!lua_isnil(L, -1))
			return 1;
	}
	return 0;
}

static int math_pow(lua_State *L)
{
	lua_push_number(L, pow(luaL_checknumber(L, 1), luaL_checknumber(L, 2)));
	return 1;
}

static int math_log10(lua_State *L)
{
	lua_push_number(L, log10(luaL_checknumber(L, 1)));
	return 1;
}

static int math_ldexp(lua_State *L)
{
	lua_push_number(L, ldexp(luaL_checknumber(L, 1), (int)luaL_checkinteger(L, 2)));
	return 1;
}

/* math.random(1, x/2): 5.4 refuses bounds that are no integers, 5.1 cut them. */
static int math_random(lua_State *L)
{
	int n = lua_gettop(L);

	for (int i = 1; i <= n; i++) {
		if (lua_type(L, i) == LUA_TNUMBER) {
			lua_pushinteger(L, (lua_Integer)floor(lua_tonumber(L, i)));
			lua_replace(L, i);
		}
	}
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, n, 1);
	return 1;
}

/* Pushes the function that the argument of setfenv and getfenv means: itself, or a level of the
 * stack. */
static void push_subject(lua_State *L, int i, const char *name)
{
	lua_Debug at;

	if (lua_isfunction(L, i)) {
		lua_pushvalue(L, i);
		return;
	}
	if (lua_getstack(L, (int)luaL_optinteger(L, i, 1), &at) == 0)
		luaL_error(L, "%s: there is no function at that level", name);
	lua_getinfo(L, "f", &at);
}

/* Which upvalue of the function on top is its environment; 0: it uses no global. */
static int environment_of(lua_State *L)
{
	const char *name;

	for (int i = 1; (name = lua_getupvalue(L, -1, i)) != NULL; i++) {
		lua_pop(L, 1);
		if (strcmp(name, "_ENV") == 0)
			return i;
	}
	return 0;
}

static int dummy(lua_State *L)
{
	return 0;
}

/*
 * The function gets an environment of its own: an upvalue that no other function shares. A C
 * function keeps its globals, and so does one that names none.
 */
static int set_fenv(lua_State *L)
{
	int at;

	luaL_checktype(L, 2, LUA_TTABLE);
	lua_settop(L, 2);
	push_subject(L, 1, "setfenv");
	at = lua_iscfunction(L, -1) ? 0 : environment_of(L);
	if (at > 0) {
		luaL_loadstring(L, "return _ENV");
		lua_upvaluejoin(L, 3, at, 4, 1);
		lua_pushvalue(L, 2);
		lua_setupvalue(L, 3, at);
		lua_pop(L, 1);
	}
	return 1;
}

static int get_fenv(lua_State *L)
{
	int at;

	if (lua_isinteger(L, 1) && lua_tointeger(L, 1) == 0) {
		lua_pushglobaltable(L);
		return 1;
	}
	push_subject(L, 1, "getfenv");
	at = lua_iscfunction(L, -1) ? 0 : environment_of(L);
	if (at == 0)
		lua_pushglobaltable(L);
	else
		lua_getupvalue(L, -1, at);
	return 1;
}

static const struct {
	const char *table, *name, *from_table, *from;
} aliases[] = {
	{NULL, "unpack", "table", "unpack"},
	{"string", "gfind", "string", "gmatch"},
	{"math", "mod", "math", "fmod"},
};

static const luaL_Reg globals[] = {
	{"load", compat_load},
	{"loadstring", compat_load},
	{"loadfile", compat_loadfile},
	{"dofile", compat_dofile},
	{"setfenv", set_fenv},
	{"getfenv", get_fenv},
	{NULL, NULL},
};
static const luaL_Reg tables[] = {
	{"getn", get_table_length},
	{"maxn", get_table_maximum},
	{"foreach", for_each},
	{"foreachi", for_each_i},
	{"setn", dummy},
	{NULL, NULL},
};
static const luaL_Reg maths[] = {
	{"pow", math_pow},
	{"log10", math_log10},
	{"ldexp", math_ldexp},
	{NULL, NULL},
};

static void add_to(lua_State *L, const char *table, const luaL_Reg *functions)
{
	if (table)
		lua_getglobal(L, table);
	else
		lua_pushglobaltable(L);
	luaL_setfuncs(L, functions, 0);
	lua_pop(L, 1);
}

static void add_aliases(lua_State *L)
{
	for (size_t i = 0; i < ARRAY_LEN(aliases); i++) {
		lua_getglobal(L, aliases[i].from_table);
		lua_getfield(L, -1, aliases[i].from);
		if (aliases[i].table) {
			lua_getglobal(L, aliases[i].table);
			lua_insert(L, -2);
			lua_setfield(L, -2, aliases[i].name);
		} else {
			lua_setglobal(L, aliases[i].name);
		}
		lua_settop(L, 0);
	}
}

void lua_compat_register(lua_State *L)
{
	add_to(L, NULL, globals);
	add_to(L, "table", tables);
	add_to(L, "math", maths);
	add_aliases(L);
	lua_getglobal(L, "math");
	lua_getfield(L, -1, "random");
	lua_pushcclosure(L, math_random, 1);
	lua_setfield(L, -2, "random");
	lua_getglobal(L, "package");
	lua_getfield(L, -1, "searchers");
	lua_pushcfunction(L, search_module);
	lua_rawseti(L, -2, 2);
	lua_settop(L, 0);
	lua_compat_bit_register(L);
	lua_ffi_register(L);
	lua_compat_format_register(L);
	lua_compat_source_register(L);
}
