/* The host's own state, for host.c, callbacks.c, rows.c and the compatibility files; others use
 * rows.h. */
#ifndef CONSOLE_LUA_STATE_H
#define CONSOLE_LUA_STATE_H

#include <signal.h>

#include "console/lua/rows.h"

#define LUA_TRACE_MAX 1024

struct host {
	lua_State *L;
	enum lua_role role;
	bool runtime;   /* start-up is over */
	bool to_buffer; /* output is kept for a console; else it goes to stdout */
	bool strict;    /* setStrictOptions(true) */
	bool key_given; /* the command line gave the console a key before the file ran */
	bool changed;   /* a row with side effects was called since the command began */
	bool wants_exit;
	volatile sig_atomic_t interrupted;
	volatile sig_atomic_t late; /* what runs has run into setLuaTimeLimit */
	bool was_late; /* the last run that began outside has */
	unsigned calls; /* of lua_host_call, one in another */
	struct txn *txn; /* of the Lua that runs; NULL: none runs */
	char *out;       /* octets of output, not terminated */
	size_t out_len, out_cap;
	char *said;      /* complaints and warnings of the running command, terminated; NULL: none */
	struct lua_deferred *deferred;
	unsigned n_deferred;
	char trace[LUA_TRACE_MAX]; /* where the last error was met: "file:3 in f, file:9 in maintenance" */
};

extern struct host host;

/*
 * Runs the function and arguments on the stack (n_args above it) under pcall with lua_on_error,
 * which makes messages readable. Pops them; 0 with n_results on the stack, or -EINVAL with err set.
 */
int lua_host_call(lua_State *L, int n_args, int n_results, struct err *err);

/*
 * The same as a transaction of its own, results thrown away; inside a running transaction it joins
 * that. -EINVAL with err set: nothing of it took place.
 */
int lua_host_call_txn(lua_State *L, int n_args, struct err *err);

/* Ends a transaction: commits and runs what was deferred, or drops both. Takes txn. */
int lua_host_end_txn(struct txn *txn, bool commit, struct err *err);

/* What runs from now on is not interrupted, unless a signal comes again. */
void lua_host_resume(void);

/* A line of output that a command's result does not take the place of, other than what it shows. */
void lua_host_say(const char *line);

/* Nothing was shown, but for complaints. */
void lua_host_restart_output(void);

/* console/lua/result.c: what a command returned, on top of the stack, in place of what it printed.
 */
void lua_print_result(lua_State *L);

/* What runs fails at its next instruction; the second also in a coroutine, from its hook. */
void lua_host_stop_soon(void);
void lua_host_stop_in(lua_State *coroutine);

/*
 * console/lua/callbacks.c: a function of the configuration that we called has failed, with what is said of
 * it. Counts it, and logs it with its trace: each time, or with last_us (0 at first) about once a minute.
 */
void lua_host_failed(const char *what, const struct err *err, uint64_t *last_us);

/* console/lua/time_limit.c: around what runs from outside, and its limit in seconds. */
void lua_limit_begin(void);
void lua_limit_end(void);
unsigned lua_limit_seconds(void);
void lua_limit_register(lua_State *L);
void lua_limit_stop(void);

void lua_ffi_register(lua_State *L); /* console/lua/ffi.c */

/* console/lua/query_count.c */
void lua_query_count_stop(void);

/* console/lua/errors.c: message handler of pcall. */
int lua_on_error(lua_State *L);

/* " (traceback: …)" of the last error, empty where its message has all there is; returns text. */
const char *lua_trace_text(char text[static LUA_TRACE_MAX + 32]);

/* console/lua/compat.c: what Lua 5.1 and LuaJIT had and 5.4 has not. */
void lua_compat_register(lua_State *L);
void lua_compat_bit_register(lua_State *L); /* console/lua/compat_bit.c */

/* console/lua/compat_format.c: numbers as text the way Lua 5.1 wrote them. */
void lua_compat_format_register(lua_State *L);
void lua_compat_push_number_text(lua_State *L, int i);

/* console/lua/compat_source.c */
void lua_compat_source_register(lua_State *L);

/*
 * console/lua/compat_source.c: loads a chunk as lua_load does (LUA_OK, or a code with a message on
 * the stack), with what old dialects need done to it and better words for what can't be read.
 */
int lua_compat_load(lua_State *L, const char *text, size_t len, const char *chunk_name);
int lua_compat_load_file(lua_State *L, const char *path);

/* console/lua/console_fns.c: keeps a line for delta(). */
void lua_delta_add(const char *line);
void lua_delta_free(void);

void lua_resolver_poll(
	void); /* console/lua/resolve.c: answers of getAddressInfo that have arrived */
void lua_resolver_stop(void);
void lua_former_stop(void); /* console/lua/former.c: forgets where it warned */
void lua_log_stop(void);    /* console/lua/log_fns.c: forgets what the file asked of the log */

#endif
