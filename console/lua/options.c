/* Tables of options: names, types and ranges are checked before anything is done with them. */
#include "console/lua/state.h"
#include "console/lua/registry.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define OPTIONS_MAX 128 /* the longest table, newServer's, has some seventy */

static const struct lua_option *find_option(const struct lua_option *rows, const char *key)
{
	for (; rows->name; rows++)
		if (strcmp(rows->name, key) == 0)
			return rows;
	return NULL;
}

static void unknown_key(lua_State *L, const struct lua_option *rows, const char *key)
{
	const char *names[OPTIONS_MAX];
	const char *nearest;
	char hint[160] = "";
	size_t n = 0;

	for (; rows->name && n < OPTIONS_MAX; rows++)
		names[n++] = rows->name;
	nearest = err_nearest(key, names, n);
	if (nearest)
		snprintf(hint, sizeof(hint), " (did you mean '%s'?)", nearest);
	if (host.strict)
		lua_fail(L, "unknown option '%s'%s", key, hint);
	lua_warn(L, "unknown option '%s' is ignored%s", key, hint);
}

static void wrong(lua_State *L, const struct lua_option *row, const char *expected)
{
	lua_fail(L, "option '%s' must be %s, got %s", row->name, expected, lua_value_text(L, -1));
}

static void check_number(lua_State *L, const struct lua_option *row)
{
	double value;

	if (!lua_isnumber(L, -1))
		wrong(L, row, "a number");
	value = lua_tonumber(L, -1);
	if (row->kind == OPTION_INT && floor(value) != value)
		wrong(L, row, "a whole number");
	if (!(value >= row->least && value <= row->most))
		lua_fail(L, "option '%s' must be from %.14g to %.14g%s%s, got %.14g", row->name,
			 row->least, row->most, *row->unit ? " " : "", row->unit, value);
}

/* The value is on top of the stack. */
static void check_value(lua_State *L, const struct lua_option *row)
{
	switch (row->kind) {
	case OPTION_BOOL:
		if (!lua_isboolean(L, -1))
			wrong(L, row, "true or false");
		break;
	case OPTION_INT:
	case OPTION_NUMBER:
		check_number(L, row);
		break;
	case OPTION_STRING:
		if (!lua_isstring(L, -1))
			wrong(L, row, "a string");
		break;
	case OPTION_TABLE:
		if (!lua_istable(L, -1))
			wrong(L, row, "a table");
		break;
	case OPTION_FUNCTION:
		if (!lua_isfunction(L, -1))
			wrong(L, row, "a function");
		break;
	case OPTION_STRING_OR_TABLE:
		if (!lua_isstring(L, -1) && !lua_istable(L, -1))
			wrong(L, row, "a string or a table of strings");
		break;
	case OPTION_OTHER:
		break;
	}
}

void lua_options_check(lua_State *L, int index, const struct lua_option *rows)
{
	index = lua_absindex(L, index);
	if (!lua_istable(L, index))
		lua_fail(L, "options must be a table, got %s", lua_value_text(L, index));
	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
		const struct lua_option *row;

		if (lua_type(L, -2) != LUA_TSTRING)
			lua_fail(L, "options are written {name=value}, but %s has no name",
				 lua_value_text(L, -1));
		row = find_option(rows, lua_tostring(L, -2));
		if (row)
			check_value(L, row);
		else
			unknown_key(L, rows, lua_tostring(L, -2));
	}
}

bool lua_option_bool(lua_State *L, int index, const char *key, bool def)
{
	if (lua_getfield(L, index, key) != LUA_TNIL)
		def = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return def;
}

double lua_option_number(lua_State *L, int index, const char *key, double def)
{
	if (lua_getfield(L, index, key) != LUA_TNIL)
		def = lua_tonumber(L, -1);
	lua_pop(L, 1);
	return def;
}

const char *lua_option_string(lua_State *L, int index, const char *key)
{
	const char *text;

	/* A number becomes the table's own string, so that what is lent lives on. */
	if (lua_getfield(L, index, key) == LUA_TNUMBER) {
		lua_tostring(L, -1);
		lua_pushvalue(L, -1);
		lua_setfield(L, index, key);
	}
	text = lua_tostring(L, -1);
	lua_pop(L, 1);
	return text;
}

static int set_strict_options(lua_State *L)
{
	host.strict = lua_arg_bool(L, 1, "strict");
	return 0;
}

const struct lua_function option_functions[] = {
	{"setStrictOptions", set_strict_options, 0, "strict",
	 "true: an unknown key in a table of options is an error instead of a warning"},
	{NULL, NULL, 0, NULL, NULL},
};
