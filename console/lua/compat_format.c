/*
 * Lua 5.1 had one kind of number and printed 53 for what 5.4 calls the float 53.0. Numbers are
 * given a metatable whose __tostring prints a float with an integer's value as that integer:
 * tostring(), print(), show() and %s follow it. The operator .. does not; compat_source.c sees to
 * that.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/lua/state.h"

void lua_compat_push_number_text(lua_State *L, int i)
{
	double value;

	if (lua_isinteger(L, i)) {
		lua_pushfstring(L, "%I", (LUAI_UACINT)lua_tointeger(L, i));
		return;
	}
	value = lua_tonumber(L, i);
	if (floor(value) == value && fabs(value) < 1e15) {
		lua_pushfstring(L, "%I", (LUAI_UACINT)value);
	} else {
		char text[64];

		snprintf(text, sizeof(text), "%.14g", value);
		lua_pushstring(L, text);
	}
}

static int number_to_string(lua_State *L)
{
	lua_compat_push_number_text(L, 1);
	return 1;
}

static bool is_integral(char conversion)
{
	return memchr("diouxXc", conversion, 7) != NULL;
}

/* Turns an argument for %d and its like into an integer as 5.1 did: the fraction is cut. */
static void cut_fraction(lua_State *L, int i)
{
	if (lua_isnumber(L, i) && !lua_isinteger(L, i)) {
		double value = trunc(lua_tonumber(L, i));

		if (fabs(value) < 9e18) {
			lua_pushinteger(L, (lua_Integer)value);
			lua_replace(L, i);
		}
	}
}

/* string.format with %u, which 5.4 has not, and integers from floats. Upvalue 1: Lua's own. */
static int format(lua_State *L)
{
	int n = lua_gettop(L), i = 1;
	size_t len;
	const char *fmt = luaL_checklstring(L, 1, &len);
	luaL_Buffer out;
	char *to = luaL_buffinitsize(L, &out, len + 1);
	size_t at = 0;

	while (at < len) {
		bool conversion = fmt[at] == '%';

		to[at] = fmt[at];
		at++;
		if (!conversion)
			continue;
		for (; at < len && memchr("-+ #0123456789.", fmt[at], 15); at++)
			to[at] = fmt[at];
		if (at == len)
			break;
		to[at] = fmt[at] == 'u' ? 'd' : fmt[at];
		if (fmt[at] != '%' && ++i <= n && is_integral(fmt[at]))
			cut_fraction(L, i);
		at++;
	}
	luaL_pushresultsize(&out, len);
	lua_replace(L, 1);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, n, 1);
	return 1;
}

/* tonumber("53.0") is 53. Upvalue 1: Lua's own. */
static int to_number(lua_State *L)
{
	int n = lua_gettop(L);

	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, n, 1);
	if (lua_type(L, -1) == LUA_TNUMBER && !lua_isinteger(L, -1))
		lua_push_number(L, lua_tonumber(L, -1));
	return 1;
}

/* table.concat with numbers printed our way. */
static int concat(lua_State *L)
{
	size_t len;
	const char *separator = luaL_optlstring(L, 2, "", &len);
	lua_Integer i, last;
	luaL_Buffer out;

	luaL_checktype(L, 1, LUA_TTABLE);
	i = luaL_optinteger(L, 3, 1);
	last = luaL_opt(L, luaL_checkinteger, 4, luaL_len(L, 1));
	luaL_buffinit(L, &out);
	for (; i <= last; i++) {
		lua_geti(L, 1, i);
		if (lua_type(L, -1) == LUA_TNUMBER) {
			lua_compat_push_number_text(L, -1);
			lua_remove(L, -2);
		}
		if (!lua_isstring(L, -1))
			return luaL_error(L, "invalid value (at index %I) in table for 'concat'",
					  (LUAI_UACINT)i);
		luaL_addvalue(&out);
		if (i < last)
			luaL_addlstring(&out, separator, len);
	}
	luaL_pushresult(&out);
	return 1;
}

void lua_compat_format_register(lua_State *L)
{
	lua_pushinteger(L, 0);
	lua_createtable(L, 0, 1);
	lua_pushcfunction(L, number_to_string);
	lua_setfield(L, -2, "__tostring");
	lua_setmetatable(L, -2); /* of all numbers */
	lua_getglobal(L, "string");
	lua_getfield(L, -1, "format");
	lua_pushcclosure(L, format, 1);
	lua_setfield(L, -2, "format");
	lua_getglobal(L, "tonumber");
	lua_pushcclosure(L, to_number, 1);
	lua_setglobal(L, "tonumber");
	lua_getglobal(L, "table");
	lua_pushcfunction(L, concat);
	lua_setfield(L, -2, "concat");
	lua_settop(L, 0);
}
