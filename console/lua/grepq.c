/* grepq: the last queries and answers that fit. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "console/grepq.h"
#include "console/lua/owned.h"
#include "console/lua/registry.h"
#include "console/lua/rules.h"
#include "core/clock.h"

const struct lua_option grepq_options[] = {
	{"outputFile", OPTION_STRING, 0, 0, "",
	 "a file that does not exist yet, which gets the table"},
	{NULL, 0, 0, 0, NULL, NULL},
};

/* The selector on top of the stack; false when it is none, which was said. */
static bool add_selector(lua_State *L, struct grepq *g)
{
	struct err err;

	if (lua_type(L, -1) != LUA_TSTRING)
		lua_fail(L, "selector must be a string or an array of strings, got %s",
			 lua_value_text(L, -1));
	if (grepq_add(g, lua_tostring(L, -1), &err) == 0)
		return true;
	lua_host_printf("%s\n", err.text);
	return false;
}

static bool add_selectors(lua_State *L, struct grepq *g)
{
	bool good = true;
	lua_Integer n;

	if (!lua_istable(L, 1)) {
		lua_pushvalue(L, 1);
		good = add_selector(L, g);
		lua_pop(L, 1);
		return good;
	}
	n = (lua_Integer)lua_list_len(L, 1, "selectors");
	for (lua_Integer i = 1; good && i <= n; i++) {
		lua_rawgeti(L, 1, i);
		good = add_selector(L, g);
		lua_pop(L, 1);
	}
	return good;
}

static void to_console(struct grepq *g)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		abort();
	grepq_run(g, clock_mono_us(), out);
	fclose(out);
	lua_host_write(text, len);
	free(text);
}

static int to_file(struct grepq *g, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0660);
	FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
	bool failed;

	if (out == NULL) {
		if (fd >= 0)
			close(fd);
		return -errno;
	}
	grepq_run(g, clock_mono_us(), out);
	failed = ferror(out) != 0;
	return fclose(out) != 0 || failed ? -EIO : 0;
}

static int grepq(lua_State *L)
{
	const char *path = NULL;
	lua_Integer limit = 0;
	void **own;
	int rc = 0;

	if (!lua_arg_missing(L, 2))
		limit = lua_arg_integer(L, 2, "number", INT32_MIN, UINT32_MAX);
	if (!lua_arg_missing(L, 3)) {
		lua_options_check(L, 3, grepq_options);
		path = lua_option_string(L, 3, "outputFile");
	}
	own = lua_own(L, (void (*)(void *))grepq_free);
	*own = grepq_new();
	grepq_limit(*own, limit > 0 ? (uint64_t)limit : 0);
	if (!add_selectors(L, *own))
		return 0;
	if (path)
		rc = to_file(*own, path);
	else
		to_console(*own);
	lua_disown(own);
	if (rc < 0)
		return lua_fail(L, "can't write the file '%s': %s", path, strerror(-rc));
	return 0;
}

const struct lua_function grepq_functions[] = {
	{"grepq", grepq, ROW_READS | ROW_EXACT, "selector|{selectors} [, number [, options]]",
	 "shows the last queries and answers, so many of each, that fit a netmask of clients, a name and "
	 "what is below it, or answers slower than \"100ms\"; of several selectors all must fit"},
	{NULL, NULL, 0, NULL, NULL},
};
