#include "console/lua/state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/config.h"
#include "console/lua/metrics.h"
#include "console/lua/rules.h"
#include "rules/dynblocks.h"
#include "rules/kernel_blocks.h"
#include "rules/kernel_edits.h"
#include "workers/workers.h"
#include "core/mem.h"

#define STACK_HELD 8000 /* slots of 16 octets: calls nested some hundred deep fit */

struct host host;

/* Functions of the configuration that only this server's health checks called. */
static void server_freed(struct server *s)
{
	luaL_unref(host.L, LUA_REGISTRYINDEX, s->fixed.check_function);
	luaL_unref(host.L, LUA_REGISTRYINDEX, s->fixed.check_validator);
}

void lua_host_start(enum lua_role role)
{
	host = (struct host){.role = role, .L = luaL_newstate()};
	if (host.L == NULL)
		abort();
	/*
	 * Lua 5.4.4 keeps a pointer into the stack while a metamethod of .. runs, and goes wrong
	 * when the stack moves meanwhile. Room held by the outermost frame is never given back, so
	 * it does not move.
	 */
	if (!lua_checkstack(host.L, STACK_HELD))
		abort();
	luaL_openlibs(host.L);
	lua_compat_register(host.L);
	lua_limit_register(host.L);
	lua_rows_register(host.L);
	servers_on_free(server_freed);
}

void lua_host_stop(void)
{
	if (host.L == NULL)
		return;
	lua_limit_stop();
	lua_query_count_stop();
	lua_resolver_stop();
	lua_delta_free();
	lua_former_stop();
	lua_log_stop();
	metric_reset();
	servers_on_free(NULL); /* all functions go with the state */
	lua_close(host.L);
	free(host.out);
	free(host.said);
	free(host.deferred);
	host = (struct host){0};
}

struct txn *lua_host_txn(void)
{
	assert(host.txn);
	return host.txn;
}

bool lua_host_has_txn(void)
{
	return host.txn != NULL;
}

enum lua_role lua_host_role(void)
{
	return host.role;
}

bool lua_host_is_startup(void)
{
	return !host.runtime;
}

void lua_host_runtime(void)
{
	host.runtime = true;
}

void lua_host_strict(bool on)
{
	host.strict = on;
}

bool lua_host_wants_exit(void)
{
	return host.wants_exit;
}

const char *lua_host_version(void)
{
	return LUA_RELEASE;
}

static void out_append(const char *text, size_t len)
{
	if (host.out_len + len + 1 > host.out_cap) {
		host.out_cap = (host.out_len + len + 1) * 2;
		host.out = mem_realloc(host.out, host.out_cap, 1);
	}
	memcpy(host.out + host.out_len, text, len);
	host.out_len += len;
}

static size_t out_max(void)
{
	return rcu_get(tables_live)->console_config->max_message;
}

static void stop_running(lua_State *L, lua_Debug *where)
{
	(void)where;
	if (host.calls == 0)
		return; /* nobody would catch it: our own work on the state, which ends soon */
	luaL_where(L, 0); /* of what runs, not of who called it */
	if (host.interrupted)
		lua_pushliteral(L, "interrupted: the program ends");
	else if (host.late)
		lua_pushfstring(L, "took longer than the %d s that setLuaTimeLimit allows",
				(int)lua_limit_seconds());
	else
		lua_pushfstring(
			L, "more output than the %I octets that setConsoleOutputMaxMsgSize allows",
			(LUAI_UACINT)out_max());
	lua_concat(L, 2);
	lua_error(L);
}

/* At each instruction, so that code which catches errors does not get far. */
static void stop_thread(lua_State *L)
{
	lua_sethook(L, stop_running, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
}

/* Lua allows just this call in a signal handler. */
void lua_host_stop_soon(void)
{
	stop_thread(host.L);
}

void lua_host_stop_in(lua_State *coroutine)
{
	stop_thread(host.L);
	stop_thread(coroutine);
	stop_running(coroutine, NULL);
}

void lua_host_interrupt(void)
{
	if (host.L == NULL)
		return;
	host.interrupted = 1;
	lua_host_stop_soon();
}

/* A signal between the first two lines would be forgotten, but for the loop's end that it asks for,
 * too. */
void lua_host_resume(void)
{
	host.interrupted = 0;
	lua_sethook(host.L, NULL, 0, 0);
}

/*
 * More than a message can be is not kept: the command fails as soon as it is back in Lua, and does
 * not fill the memory in an endless loop.
 */
static void out_keep(const char *text, size_t len)
{
	if (host.out_len + len > out_max())
		lua_host_stop_soon();
	else
		out_append(text, len);
}

void lua_host_write(const char *text, size_t len)
{
	if (host.to_buffer)
		out_keep(text, len);
	else
		fwrite(text, 1, len, stdout);
}

void lua_host_printf(const char *fmt, ...)
{
	char small[1024];
	char *text = small;
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(small, sizeof(small), fmt, args);
	va_end(args);
	if (len < 0)
		return;
	if ((size_t)len >= sizeof(small)) {
		text = mem_alloc((size_t)len + 1);
		va_start(args, fmt);
		vsnprintf(text, (size_t)len + 1, fmt, args);
		va_end(args);
	}
	lua_host_write(text, (size_t)len);
	if (text != small)
		free(text);
}

int lua_host_call(lua_State *L, int n_args, int n_results, struct err *err)
{
	int at = lua_gettop(L) - n_args;
	int rc;

	lua_pushcfunction(L, lua_on_error);
	lua_insert(L, at);
	if (host.calls++ == 0)
		lua_limit_begin();
	rc = lua_pcall(L, n_args, n_results, at);
	if (--host.calls == 0)
		lua_limit_end();
	if (rc == LUA_OK) {
		lua_remove(L, at);
		return 0;
	}
	err_set(err, "%s", lua_tostring(L, -1));
	lua_settop(L, at - 1);
	return -EINVAL;
}

void lua_host_defer(struct server *s, void (*run)(struct server *, bool), bool value)
{
	host.deferred = mem_realloc(host.deferred, host.n_deferred + 1, sizeof(*host.deferred));
	host.deferred[host.n_deferred++] =
		(struct lua_deferred){.server = server_ref(s), .run = run, .value = value};
}

static void end_deferred(bool run)
{
	for (unsigned i = 0; i < host.n_deferred; i++) {
		struct lua_deferred *d = &host.deferred[i];

		if (run)
			d->run(d->server, d->value);
		server_unref(d->server);
	}
	host.n_deferred = 0;
}

int lua_host_end_txn(struct txn *txn, bool commit, struct err *err)
{
	void (*wake)(void) = txn_is_urgent(txn) ? workers_wake : workers_wake_later;
	bool changed = txn_changed(txn);
	int rc = 0;

	if (commit)
		rc = txn_commit(txn, err);
	else
		txn_drop(txn);
	if (commit && rc == 0 && changed && host.runtime)
		wake();
	end_deferred(commit && rc == 0);
	dynblocks_end(commit && rc == 0);
	kernel_edits_end(commit && rc == 0);
	kernel_blocks_follow_settings();
	lua_query_count_follow();
	return rc;
}

int lua_host_call_txn(lua_State *L, int n_args, struct err *err)
{
	struct txn *txn;
	int rc;

	if (host.txn)
		return lua_host_call(L, n_args, 0, err);
	txn = host.txn = txn_begin();
	dynblocks_begin();
	kernel_edits_begin();
	rc = lua_host_call(L, n_args, 0, err);
	host.txn = NULL;
	if (rc < 0) {
		lua_host_end_txn(txn, false, NULL);
		return rc;
	}
	return lua_host_end_txn(txn, true, err);
}

/* Modules beside the configuration file are found by require(). */
static void add_module_path(lua_State *L, const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t dir_len = slash ? (size_t)(slash - path) : 1;
	const char *dir = slash ? path : ".";

	lua_getglobal(L, "package");
	lua_pushlstring(L, dir, dir_len);
	lua_pushliteral(L, "/?.lua;");
	lua_getfield(L, -3, "path");
	lua_concat(L, 3);
	lua_setfield(L, -2, "path");
	lua_pop(L, 1);
}

int lua_host_file(const char *path, struct txn *txn, struct err *err)
{
	lua_State *L = host.L;
	int rc = -EINVAL;

	host.txn = txn;
	host.key_given = TXN_READ(txn, CONSOLE, console_config)->has_key;
	add_module_path(L, path);
	if (lua_compat_load_file(L, path) != LUA_OK) {
		err_set(err, "%s", lua_tostring(L, -1));
		lua_pop(L, 1);
	} else {
		rc = lua_host_call(L, 0, 0, err);
		if (rc == 0)
			rc = lua_check_former_globals(L, err);
	}
	host.txn = NULL;
	end_deferred(false); /* at start-up nothing waits for a commit: see server_methods.c */
	fflush(stdout);
	return rc;
}

void lua_host_say(const char *line)
{
	size_t had = host.said ? strlen(host.said) : 0, len = strlen(line);

	lua_host_write(line, len);
	lua_host_write("\n", 1);
	host.said = mem_realloc(host.said, had + len + 2, 1);
	memcpy(host.said + had, line, len);
	memcpy(host.said + had + len, "\n", 2);
}

void lua_host_restart_output(void)
{
	host.out_len = 0;
	if (host.said)
		lua_host_write(host.said, strlen(host.said));
}

/* The command line is at index 1, and at 2 whether it turned out to be a statement is left. */
static int evaluate(lua_State *L)
{
	bool *statement = lua_touserdata(L, 2);
	size_t len;
	const char *line;

	lua_pushliteral(L, "return ");
	lua_pushvalue(L, 1);
	lua_concat(L, 2);
	line = lua_tolstring(L, -1, &len);
	if (lua_compat_load(L, line, len, "=console") != LUA_OK) {
		*statement = true;
		line = lua_tolstring(L, 1, &len);
		if (lua_compat_load(L, line, len, "=console") != LUA_OK)
			return lua_error(L);
	}
	lua_call(L, 0, 1);
	lua_print_result(L);
	return 0;
}

char *lua_host_command(const char *line, size_t *len)
{
	bool statement = false;
	struct err err;
	char *text;
	int rc;

	lua_query_count_read(); /* what was answered before a command, it sees */
	host.out_len = 0;
	host.to_buffer = true;
	host.changed = false;
	lua_pushcfunction(host.L, evaluate);
	lua_pushstring(host.L, line);
	lua_pushlightuserdata(host.L, &statement);
	rc = lua_host_call_txn(host.L, 2, &err);
	if (rc < 0) {
		host.out_len = 0; /* and an error is told however short messages must be */
		out_append("Error: ", 7);
		out_append(err.text, strlen(err.text));
		out_append("\n", 1);
	} else if (host.changed || (statement && line[strspn(line, " \t\r\n")] != '\0')) {
		lua_delta_add(line);
	}
	if (!host.interrupted)
		lua_host_resume();
	host.to_buffer = false;
	free(host.said);
	host.said = NULL;
	out_append("", 1);
	text = host.out;
	if (len)
		*len = host.out_len - 1;
	host.out = NULL;
	host.out_len = host.out_cap = 0;
	fflush(stdout);
	return text;
}
