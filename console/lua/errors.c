/* Lua's messages made fit to act on. */
#include "console/lua/state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"

struct candidates {
	const char **names;
	size_t n, cap;
};

static void candidate(struct candidates *c, const char *name)
{
	if (c->n == c->cap) {
		c->cap = c->cap ? c->cap * 2 : 256;
		c->names = mem_realloc(c->names, c->cap, sizeof(*c->names));
	}
	c->names[c->n++] = name;
}

/* Names of globals of this type, lent by the globals' table. */
static void candidates_of_globals(lua_State *L, int type, struct candidates *c)
{
	lua_pushglobaltable(L);
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
		if (lua_type(L, -2) == LUA_TSTRING && lua_type(L, -1) == type)
			candidate(c, lua_tostring(L, -2));
	lua_pop(L, 1);
}

/*
 * Lua says "WHERE: attempt to call a nil value (global 'addAclo')"; replaces the part from
 * "attempt" by our words. True when text was such a message.
 */
static bool say_unknown(lua_State *L, const char *message, const char *attempt, const char *word,
			int type)
{
	const char *at = strstr(message, attempt);
	struct candidates c = {0};
	const char *name, *end, *nearest;
	char quoted[128];

	if (at == NULL)
		return false;
	name = at + strlen(attempt);
	end = strchr(name, '\'');
	if (end == NULL || (size_t)(end - name) >= sizeof(quoted))
		return false;
	memcpy(quoted, name, (size_t)(end - name));
	quoted[end - name] = '\0';
	candidates_of_globals(L, type, &c);
	nearest = err_nearest(quoted, c.names, c.n);
	lua_pushlstring(L, message, (size_t)(at - message));
	if (nearest)
		lua_pushfstring(L, "unknown %s '%s' (did you mean '%s'?)", word, quoted, nearest);
	else
		lua_pushfstring(L, "unknown %s '%s'", word, quoted);
	lua_concat(L, 2);
	free(c.names);
	return true;
}

/* The functions of the configuration that were running, from the innermost on. */
static void keep_trace(lua_State *L)
{
	size_t used = 0;
	lua_Debug f;

	host.trace[0] = '\0';
	for (int level = 1; lua_getstack(L, level, &f); level++) {
		int n;

		lua_getinfo(L, "Sln", &f);
		if (f.currentline <= 0)
			continue; /* ours */
		n = snprintf(host.trace + used, sizeof(host.trace) - used, "%s%s:%d%s%s",
			     used ? ", " : "", f.short_src, f.currentline, f.name ? " in " : "",
			     f.name ? f.name : "");
		if (n < 0 || (size_t)n >= sizeof(host.trace) - used) {
			host.trace[used] = '\0'; /* whole places only */
			return;
		}
		used += (size_t)n;
	}
}

const char *lua_trace_text(char text[static LUA_TRACE_MAX + 32])
{
	text[0] = '\0';
	if (strchr(host.trace, ',') != NULL)
		snprintf(text, LUA_TRACE_MAX + 32, " (traceback: %s)", host.trace);
	return text;
}

int lua_on_error(lua_State *L)
{
	const char *message = lua_tostring(L, 1);

	keep_trace(L);
	if (message == NULL) {
		if (luaL_callmeta(L, 1, "__tostring") && lua_isstring(L, -1))
			return 1;
		lua_pushfstring(L, "an error that is %s", lua_value_text(L, 1));
		return 1;
	}
	if (say_unknown(L, message, "attempt to call a nil value (global '", "function",
			LUA_TFUNCTION) ||
	    say_unknown(L, message, "attempt to index a nil value (global '", "variable",
			LUA_TTABLE))
		return 1;
	lua_pushvalue(L, 1);
	return 1;
}

int lua_host_raise(lua_State *L, const struct err *err)
{
	return lua_fail(L, "%s", err->text);
}

/* The name of the row that runs: its trampoline keeps the row in the first upvalue. */
static const char *running_row(lua_State *L)
{
	const char *const *row = NULL;

	if (lua_type(L, lua_upvalueindex(1)) == LUA_TLIGHTUSERDATA)
		row = lua_touserdata(L, lua_upvalueindex(1));
	return row ? *row : NULL;
}

PRINTF_LIKE(3, 0)
static void vformat(lua_State *L, char text[static sizeof(struct err)], const char *fmt,
		    va_list args)
{
	const char *row = running_row(L);
	int at = row ? snprintf(text, sizeof(struct err), "%s: ", row) : 0;

	vsnprintf(text + at, sizeof(struct err) - (size_t)at, fmt, args);
}

int lua_fail(lua_State *L, const char *fmt, ...)
{
	char text[sizeof(struct err)];
	va_list args;

	va_start(args, fmt);
	vformat(L, text, fmt, args);
	va_end(args);
	return luaL_error(L, "%s", text);
}

PRINTF_LIKE(3, 0)
static void say(lua_State *L, enum log_level level, const char *fmt, va_list args)
{
	char text[sizeof(struct err)];
	int top = lua_gettop(L);

	vformat(L, text, fmt, args);
	if (host.to_buffer) {
		lua_host_say(level == LOG_LEVEL_ERROR ? lua_pushfstring(L, "Error: %s", text)
						      : text);
	} else {
		luaL_where(L, 1);
		log_line(level, "setup", "%s%s", lua_tostring(L, -1), text);
	}
	lua_settop(L, top);
}

void lua_complain(lua_State *L, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(L, LOG_LEVEL_ERROR, fmt, args);
	va_end(args);
}

void lua_warn(lua_State *L, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(L, LOG_LEVEL_WARNING, fmt, args);
	va_end(args);
}
