/*
 * What files of console/lua/ share: rows, the host's state, arguments with good errors. Each file has
 * one table of rows and one line in console/lua/registry.c.
 */
#ifndef CONSOLE_LUA_ROWS_H
#define CONSOLE_LUA_ROWS_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "console/lua/host.h"

enum lua_row_flags {
	ROW_STARTUP = 1,   /* prints "NAME cannot be used at runtime!" later and does nothing */
	ROW_READS = 2,     /* has no side effect: not kept for delta() */
	ROW_NOT_CLIENT = 4, /* does nothing in a console client (returns nil) */
};

struct lua_function {
	const char *name;
	lua_CFunction call;
	unsigned flags;
	const char *params; /* "address [, options]" */
	const char *help;   /* one line, lower case */
};

/* A method or an attribute of an object; set only for attributes that can be assigned. */
struct lua_method {
	const char *name;
	lua_CFunction call;   /* method; NULL for an attribute */
	unsigned flags;
	const char *params, *help;
	lua_CFunction get, set; /* attribute: called with (self) and (self, value) */
};

struct lua_object {
	const char *name; /* also the metatable's registry name: "Server" */
	const struct lua_method *methods;
	const luaL_Reg *meta; /* __gc, __tostring, __eq … */
};

/* An option of a table of options: checked by name and type before anything is done. */
enum lua_option_kind { OPTION_BOOL, OPTION_INT, OPTION_NUMBER, OPTION_STRING, OPTION_TABLE, OPTION_FUNCTION,
	OPTION_STRING_OR_TABLE };

struct lua_option {
	const char *name;
	enum lua_option_kind kind;
	double least, most;   /* of numbers */
	const char *unit, *help;
};

/*
 * Checks the table at index against the rows (ended by a NULL name): a key that is no row is a warning
 * with the nearest name, an error in strict mode; a wrong type or range is a Lua error that names file,
 * line, function, key, value and what is right. Numbers may be strings and strings numbers.
 */
void lua_options_check(lua_State *L, int index, const char *function, const struct lua_option *rows);

/* Typed reads of a checked table: the default when the key is absent. */
bool lua_option_bool(lua_State *L, int index, const char *key, bool def);
double lua_option_number(lua_State *L, int index, const char *key, double def);
/* Pushes nothing; lent while the table holds it; NULL when absent. */
const char *lua_option_string(lua_State *L, int index, const char *key);

/* The transaction that the running Lua edits. Never NULL inside a call from Lua. */
struct txn *lua_host_txn(void);
enum lua_role lua_host_role(void);
bool lua_host_is_startup(void);

/* Appends to the console's output (what show() does; printed to stdout while the file runs). */
void lua_host_printf(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* A Lua error of err's text, with the caller's file and line in front. Does not return. */
int lua_host_raise(lua_State *L, const struct err *err);

/* One warning on the log for a former form used at this file and line; once for each. */
void lua_host_former(lua_State *L, const char *former, const char *now);

/* console/lua/registry.c: everything there is. */
extern const struct lua_function *const lua_function_tables[];
extern const struct lua_object *const lua_objects[];

#endif
