/* What a command returned, as a console shows it. */
#include <stdlib.h>
#include <string.h>

#include "console/lua/state.h"
#include "core/mem.h"

static int compare_words(const void *a, const void *b)
{
	return strverscmp(*(const char *const *)a, *(const char *const *)b);
}

/*
 * Pushes a copy of the table whose keys are all strings, as a list's numbers become when printed.
 * False, with nothing pushed: something in it is not a word or a number that leads to a number.
 */
static bool push_named_numbers(lua_State *L, int index)
{
	lua_newtable(L);
	for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
		if (!lua_isstring(L, -2) || lua_type(L, -1) != LUA_TNUMBER) {
			lua_pop(L, 3);
			return false;
		}
		lua_pushvalue(L, -2); /* converted in place, the key would end the walk */
		lua_tostring(L, -1);
		lua_pushvalue(L, -2);
		lua_rawset(L, -5);
	}
	return true;
}

/* A table of numbers as a JSON object, keys sorted. False: it is none. */
static bool print_numbers(lua_State *L, int index)
{
	size_t n = 0;
	const char **keys = NULL;

	if (!push_named_numbers(L, index))
		return false;
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
		keys = mem_realloc(keys, n + 1, sizeof(*keys));
		keys[n++] = lua_tostring(L, -2);
	}
	if (n > 0)
		qsort(keys, n, sizeof(*keys), compare_words);
	lua_host_printf("{");
	for (size_t i = 0; i < n; i++) {
		lua_getfield(L, -1, keys[i]);
		lua_host_printf("%s\"%s\": %.17g", i ? ", " : "", keys[i], lua_tonumber(L, -1));
		lua_pop(L, 1);
	}
	lua_host_printf("}\n");
	lua_pop(L, 1);
	free(keys);
	return true;
}

void lua_print_result(lua_State *L)
{
	int at = lua_gettop(L);

	if (lua_isnil(L, at))
		return;
	lua_host_restart_output();
	if (lua_isnumber(L, at) || lua_isstring(L, at) || lua_object_test(L, at, &lua_server) ||
	    lua_object_test(L, at, &lua_client_state)) {
		size_t len;
		const char *text = luaL_tolstring(L, at, &len);

		lua_host_write(text, len);
		lua_host_printf("\n");
	} else if (!lua_istable(L, at) || !print_numbers(L, at)) {
		lua_host_restart_output();
		lua_host_printf("Command returned an object we can't print: %s, %s\n",
				luaL_typename(L, at), luaL_tolstring(L, at, NULL));
	}
}
