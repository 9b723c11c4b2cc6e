/* Files beside the configuration, the program's state, time, capabilities. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "console/config.h"
#include "console/lua/state.h"
#include "console/lua/registry.h"
#include "console/privileges.h"
#include "core/mem.h"

#define INCLUDING "dnsdist.including"

static int compare_words(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Pushes a table of the paths of *.conf in the directory, sorted; false with a complaint if it
 * can't be read. */
static bool push_conf_files(lua_State *L, const char *dir)
{
	DIR *d = opendir(dir);
	char **paths = NULL;
	size_t n = 0;

	if (d == NULL) {
		lua_complain(L, "directory '%s' can't be read: %s", dir, strerror(errno));
		return false;
	}
	for (struct dirent *e; (e = readdir(d)) != NULL;) {
		size_t len = strlen(e->d_name);
		struct stat st;
		char *path;

		if (e->d_name[0] == '.' || len < 5 || strcmp(e->d_name + len - 5, ".conf") != 0)
			continue;
		path = mem_alloc(strlen(dir) + len + 2);
		strcat(strcat(strcpy(path, dir), "/"), e->d_name);
		if (stat(path, &st) < 0 || !S_ISREG(st.st_mode)) {
			free(path);
			continue;
		}
		paths = mem_realloc(paths, n + 1, sizeof(*paths));
		paths[n++] = path;
	}
	closedir(d);
	if (n > 0)
		qsort(paths, n, sizeof(*paths), compare_words);
	lua_createtable(L, (int)n, 0);
	for (size_t i = 0; i < n; i++) {
		lua_pushstring(L, paths[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
		free(paths[i]);
	}
	free(paths);
	return true;
}

static int include_directory(lua_State *L)
{
	const char *dir = lua_arg_string(L, 1, "path");
	bool nested;

	lua_getfield(L, LUA_REGISTRYINDEX, INCLUDING);
	nested = lua_toboolean(L, -1);
	lua_pop(L, 1);
	if (nested) {
		lua_complain(L, "can't be used inside a file that includeDirectory runs");
		return 0;
	}
	if (!push_conf_files(L, dir))
		return 0;
	lua_pushboolean(L, true);
	lua_setfield(L, LUA_REGISTRYINDEX, INCLUDING);
	for (lua_Integer i = 1; lua_rawgeti(L, 2, i) == LUA_TSTRING; i++) {
		if (lua_compat_load_file(L, lua_tostring(L, -1)) != LUA_OK ||
		    lua_pcall(L, 0, 0, 0) != LUA_OK) {
			lua_pushnil(L);
			lua_setfield(L, LUA_REGISTRYINDEX, INCLUDING);
			return lua_error(L);
		}
		lua_settop(L, 2);
	}
	lua_pushnil(L);
	lua_setfield(L, LUA_REGISTRYINDEX, INCLUDING);
	return 0;
}

static int in_client_startup(lua_State *L)
{
	lua_pushboolean(L, host.role == LUA_CLIENT);
	return 1;
}

static int in_config_check(lua_State *L)
{
	lua_pushboolean(L, host.role == LUA_CHECK);
	return 1;
}

static int set_server_id(lua_State *L)
{
	const char *id = lua_arg_string(L, 1, "id");
	struct console_config *c;

	if (strlen(id) >= sizeof(c->server_id))
		return lua_fail(L, "the id has at most 255 octets, this one has %d",
				(int)strlen(id));
	c = TXN_EDIT(lua_host_txn(), CONSOLE, console_config);
	strcpy(c->server_id, id);
	return 0;
}

static int get_server_id(lua_State *L)
{
	const struct console_config *c = TXN_READ(lua_host_txn(), CONSOLE, console_config);
	char name[256] = "";

	if (*c->server_id == '\0')
		gethostname(name, sizeof(name) - 1);
	lua_pushstring(L, *c->server_id ? c->server_id : name);
	return 1;
}

static int get_current_time(lua_State *L)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	lua_createtable(L, 0, 2);
	lua_pushinteger(L, now.tv_sec);
	lua_setfield(L, -2, "tv_sec");
	lua_pushinteger(L, now.tv_nsec);
	lua_setfield(L, -2, "tv_nsec");
	return 1;
}

static void retain(lua_State *L, const char *name)
{
	struct err err;

	if (privileges_retain(name, &err) < 0)
		lua_host_raise(L, &err);
}

static int add_capabilities(lua_State *L)
{
	if (!lua_istable(L, 1)) {
		retain(L, lua_arg_string(L, 1, "capability"));
		return 0;
	}
	for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
		if (!lua_isstring(L, -1))
			return lua_fail(L, "a capability must be a string, got %s",
					lua_value_text(L, -1));
		retain(L, lua_tostring(L, -1));
	}
	return 0;
}

/*
 * Upstream asks a server of its makers for its own security status. This program asks nobody, so ""
 * (ask nobody) is what it does; another suffix is told so.
 */
static int set_poll_suffix(lua_State *L)
{
	if (*lua_arg_string(L, 1, "suffix") != '\0')
		lua_warn(L, "the security status is not polled, from there or anywhere");
	return 0;
}

static int set_poll_interval(lua_State *L)
{
	lua_arg_integer(L, 1, "seconds", 1, UINT32_MAX);
	lua_warn(L, "the security status is not polled");
	return 0;
}

static int show_security_status(lua_State *L)
{
	lua_host_printf("0\n"); /* unknown */
	return 0;
}

const struct lua_function misc_functions[] = {
	{"includeDirectory", include_directory, ROW_STARTUP, "path",
	 "runs the files *.conf of a directory, sorted by name"},
	{"inClientStartup", in_client_startup, ROW_READS, "",
	 "whether a console client runs the file"},
	{"inConfigCheck", in_config_check, ROW_READS, "", "whether --check-config runs the file"},
	{"setServerID", set_server_id, 0, "id",
	 "how this server is called in logs and metrics; its host name"},
	{"getServerID", get_server_id, ROW_READS, "", "how this server is called"},
	{"getCurrentTime", get_current_time, ROW_READS, "", "a table of tv_sec and tv_nsec"},
	{"addCapabilitiesToRetain", add_capabilities, ROW_STARTUP, "name|{name, …}",
	 "Linux capabilities kept when privileges are dropped"},
	{"setSecurityPollSuffix", set_poll_suffix, 0, "suffix",
	 "hint: the security status is never polled"},
	{"setSecurityPollInterval", set_poll_interval, 0, "seconds",
	 "hint: the security status is never polled"},
	{"showSecurityStatus", show_security_status, ROW_READS, "",
	 "0: it is never polled, and so unknown"},
	{NULL, NULL, 0, NULL, NULL},
};
