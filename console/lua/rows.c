/* From rows to Lua: functions, objects, arguments. */
#include "console/lua/ffi.h"
#include "console/lua/rules.h"
#include "console/lua/state.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/*
 * Lua calls finalizers of the configuration's wherever something is made: also by us, between
 * commands and at the end, when there is no transaction for what they call. Nobody sees this error,
 * but as a warning of Lua's.
 */
static void need_txn(lua_State *L, const char *name)
{
	if (!lua_host_has_txn())
		luaL_error(L,
			   "%s: a finalizer can use this only while a command or a callback runs",
			   name);
}

/* Whether a row with these flags may run now; says why not. */
static bool may_run(lua_State *L, const char *name, unsigned flags)
{
	need_txn(L, name);
	if (!(flags & ROW_READS))
		host.changed = true;
	if ((flags & ROW_STARTUP) && host.runtime) {
		lua_host_printf("%s cannot be used at runtime!\n", name);
		return false;
	}
	return !((flags & ROW_NOT_CLIENT) && host.role == LUA_CLIENT);
}

/* How many arguments params names: "rate, {type, …} [, options]" has three. */
static int params_len(const char *params)
{
	int n = *params != '\0', depth = 0;

	for (; *params != '\0'; params++) {
		if (*params == '{' || *params == '(')
			depth++;
		else if (*params == '}' || *params == ')')
			depth--;
		else if (*params == ',' && depth == 0)
			n++;
	}
	return n;
}

/* n: how many arguments it was called with, without the object itself. */
static void check_number(lua_State *L, unsigned flags, const char *params, int n)
{
	int most;

	if (!(flags & ROW_EXACT))
		return;
	most = params_len(params);
	if (n > most && most == 0)
		lua_fail(L, "takes no arguments, got %d", n);
	if (n > most)
		lua_fail(L, "takes at most %d argument%s (%s), got %d", most, most == 1 ? "" : "s",
			 params, n);
}

static int call_function(lua_State *L)
{
	const struct lua_function *row = lua_touserdata(L, lua_upvalueindex(1));

	check_number(L, row->flags, row->params, lua_gettop(L));
	return may_run(L, row->name, row->flags) ? row->call(L) : 0;
}

/* Upvalue 2 is the object: a method called with a dot instead of a colon is told so. */
static int call_method(lua_State *L)
{
	const struct lua_method *row = lua_touserdata(L, lua_upvalueindex(1));
	const struct lua_object *object = lua_touserdata(L, lua_upvalueindex(2));

	if (lua_object_test(L, 1, object) == NULL)
		return lua_fail(L, "not called on a %s: write object:%s(…) with a colon",
				object->name, row->name);
	check_number(L, row->flags, row->params, lua_gettop(L) - 1);
	return may_run(L, row->name, row->flags) ? row->call(L) : 0;
}

static const struct lua_method *find_member(const struct lua_object *o, const char *name)
{
	for (const struct lua_method *m = o->methods; m->name; m++)
		if (strcmp(m->name, name) == 0)
			return m;
	return NULL;
}

const luaL_Reg lua_library[] = {{NULL, NULL}};

static bool is_library(const struct lua_object *o)
{
	return o->meta == lua_library;
}

static int no_member(lua_State *L, const struct lua_object *o, const char *name)
{
	const char *names[256];
	const char *article = is_library(o) ? "" : "a ", *what = is_library(o) ? "function " : "";
	const char *nearest;
	size_t n = 0;

	for (const struct lua_method *m = o->methods; m->name && n < ARRAY_LEN(names); m++)
		names[n++] = m->name;
	nearest = err_nearest(name, names, n);
	return nearest ? luaL_error(L, "%s%s has no %s'%s' (did you mean '%s'?)", article, o->name,
				    what, name, nearest)
		       : luaL_error(L, "%s%s has no %s'%s'", article, o->name, what, name);
}

/* The name that was asked for, at index 2; anything but a string can't be one. */
static const char *member_text(lua_State *L)
{
	return lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : lua_value_text(L, 2);
}

/* Upvalue 1: names to methods; 2: the object. */
static int object_index(lua_State *L)
{
	const struct lua_object *o = lua_touserdata(L, lua_upvalueindex(2));
	const struct lua_method *m;

	lua_pushvalue(L, 2);
	if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
		return 1;
	m = lua_type(L, 2) == LUA_TSTRING ? find_member(o, lua_tostring(L, 2)) : NULL;
	if (m == NULL)
		return no_member(L, o, member_text(L));
	need_txn(L, m->name);
	lua_settop(L, 1);
	return m->get(L);
}

static int object_newindex(lua_State *L)
{
	const struct lua_object *o = lua_touserdata(L, lua_upvalueindex(2));
	const char *name = lua_tostring(L, 2);
	const struct lua_method *m = name ? find_member(o, name) : NULL;

	if (m == NULL)
		return no_member(L, o, member_text(L));
	if (m->set == NULL)
		return luaL_error(L, "'%s' of a %s can't be assigned", name, o->name);
	need_txn(L, name);
	host.changed = true;
	lua_remove(L, 2);
	return m->set(L);
}

static void register_object(lua_State *L, const struct lua_object *o)
{
	luaL_newmetatable(L, o->name);
	if (o->meta)
		luaL_setfuncs(L, o->meta, 0);
	lua_newtable(L);
	for (const struct lua_method *m = o->methods; m->name; m++) {
		if (m->call == NULL)
			continue;
		lua_pushlightuserdata(L, (void *)m);
		lua_pushlightuserdata(L, (void *)o);
		lua_pushcclosure(L, call_method, 2);
		lua_setfield(L, -2, m->name);
	}
	lua_pushlightuserdata(L, (void *)o);
	lua_pushvalue(L, -2);
	lua_pushvalue(L, -2);
	lua_pushcclosure(L, object_newindex, 2);
	lua_setfield(L, -4, "__newindex");
	lua_pushcclosure(L, object_index, 2);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
}

static int call_library(lua_State *L)
{
	const struct lua_method *row = lua_touserdata(L, lua_upvalueindex(1));

	check_number(L, row->flags, row->params, lua_gettop(L));
	return may_run(L, row->name, row->flags) ? row->call(L) : 0;
}

static int not_in_library(lua_State *L)
{
	return no_member(L, lua_touserdata(L, lua_upvalueindex(1)), member_text(L));
}

void lua_push_library(lua_State *L, const struct lua_object *library)
{
	lua_newtable(L);
	for (const struct lua_method *m = library->methods; m->name; m++) {
		lua_pushlightuserdata(L, (void *)m);
		lua_pushcclosure(L, call_library, 1);
		lua_setfield(L, -2, m->name);
	}
	lua_newtable(L);
	lua_pushlightuserdata(L, (void *)library);
	lua_pushcclosure(L, not_in_library, 1);
	lua_setfield(L, -2, "__index");
	lua_setmetatable(L, -2);
}

void lua_rows_register(lua_State *L)
{
	lua_rule_rows_make();
	lua_former_rows_make();
	for (const struct lua_object *const *o = lua_objects; *o; o++)
		if (!is_library(*o))
			register_object(L, *o);
	for (const struct lua_file *file = lua_files; file->name; file++) {
		for (const struct lua_function *f = file->functions; f && f->name; f++) {
			lua_pushlightuserdata(L, (void *)f);
			lua_pushcclosure(L, call_function, 1);
			lua_setglobal(L, f->name);
		}
		if (file->setup)
			file->setup(L);
	}
}

void *lua_object_new(lua_State *L, const struct lua_object *o, size_t size)
{
	void *mem = lua_newuserdatauv(L, size, 0);

	memset(mem, 0, size);
	luaL_setmetatable(L, o->name);
	return mem;
}

void *lua_object_test(lua_State *L, int i, const struct lua_object *o)
{
	return luaL_testudata(L, i, o->name);
}

void *lua_object_check(lua_State *L, int i, const struct lua_object *o)
{
	void *mem = lua_object_test(L, i, o);

	if (mem == NULL)
		lua_fail(L, "expected a %s, got %s", o->name, lua_value_text(L, i));
	return mem;
}

const char *lua_value_text(lua_State *L, int i)
{
	static char text[160];

	switch (lua_type(L, i)) {
	case LUA_TNONE:
		return "nothing";
	case LUA_TNIL:
		return "nil";
	case LUA_TBOOLEAN:
		return lua_toboolean(L, i) ? "true" : "false";
	case LUA_TSTRING:
		snprintf(text, sizeof(text), "'%.120s'", lua_tostring(L, i));
		return text;
	case LUA_TNUMBER:
		snprintf(text, sizeof(text), "%.14g", lua_tonumber(L, i));
		return text;
	case LUA_TUSERDATA:
		if (luaL_getmetafield(L, i, "__name") == LUA_TSTRING) {
			snprintf(text, sizeof(text), "a %.120s", lua_tostring(L, -1));
			lua_pop(L, 1);
			return text;
		}
		break;
	default:
		break;
	}
	snprintf(text, sizeof(text), "a %s", luaL_typename(L, i));
	return text;
}

void lua_push_number(lua_State *L, double value)
{
	if (floor(value) == value && fabs(value) < 9e15)
		lua_pushinteger(L, (lua_Integer)value);
	else
		lua_pushnumber(L, value);
}

const char *lua_arg_string(lua_State *L, int i, const char *what)
{
	if (!lua_isstring(L, i))
		lua_fail(L, "%s must be a string, got %s", what, lua_value_text(L, i));
	return lua_tostring(L, i);
}

double lua_arg_number(lua_State *L, int i, const char *what, double least, double most)
{
	double value;

	if (!lua_isnumber(L, i))
		lua_fail(L, "%s must be a number, got %s", what, lua_value_text(L, i));
	value = lua_tonumber(L, i);
	if (!(value >= least && value <= most))
		lua_fail(L, "%s must be from %.14g to %.14g, got %.14g", what, least, most, value);
	return value;
}

lua_Integer lua_arg_integer(lua_State *L, int i, const char *what, lua_Integer least,
			    lua_Integer most)
{
	double value = lua_arg_number(L, i, what, (double)least, (double)most);

	if (floor(value) != value)
		lua_fail(L, "%s must be a whole number, got %.14g", what, value);
	return (lua_Integer)value;
}

bool lua_arg_bool(lua_State *L, int i, const char *what)
{
	if (!lua_isboolean(L, i))
		lua_fail(L, "%s must be true or false, got %s", what, lua_value_text(L, i));
	return lua_toboolean(L, i);
}

void lua_arg_function(lua_State *L, int i, const char *what)
{
	if (!lua_isfunction(L, i))
		lua_fail(L, "%s must be a function, got %s", what, lua_value_text(L, i));
}
