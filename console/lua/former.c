/* One warning for each place that uses a former form. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/lua/state.h"
#include "core/log.h"
#include "core/mem.h"

/* "file:12: form" of what has been warned about. A configuration has few places, a console few
 * more. */
static struct {
	char **list;
	unsigned n;
} warned;

void lua_former_stop(void)
{
	for (unsigned i = 0; i < warned.n; i++)
		free(warned.list[i]);
	free(warned.list);
	warned.list = NULL;
	warned.n = 0;
}

static bool is_new(const char *place)
{
	for (unsigned i = 0; i < warned.n; i++)
		if (strcmp(warned.list[i], place) == 0)
			return false;
	warned.list = mem_realloc(warned.list, warned.n + 1, sizeof(*warned.list));
	warned.list[warned.n++] = mem_strdup(place);
	return true;
}

/* Pushes where the nearest Lua that called stands: what pcall calls has none of its own. */
static void push_where(lua_State *L)
{
	lua_Debug level;

	luaL_where(L, 1);
	for (int i = 2; *lua_tostring(L, -1) == '\0' && lua_getstack(L, i, &level); i++) {
		lua_pop(L, 1);
		luaL_where(L, i);
	}
}

void lua_host_former(lua_State *L, const char *former, const char *now)
{
	char place[512];

	push_where(L);
	snprintf(place, sizeof(place), "%s%s", lua_tostring(L, -1), former);
	lua_pop(L, 1);
	if (is_new(place))
		log_warning("setup", "%s is a former form; write %s", place, now);
}
