/*
 * The Lua host: one main state, on the control thread. Files of console/lua/ are the only ones that
 * include Lua. Everything a configuration can call is a row; constructors, help, completion and
 * dnsdist.conf(5) are made from the rows.
 */
#ifndef CONSOLE_LUA_HOST_H
#define CONSOLE_LUA_HOST_H

#include "core/err.h"
#include "core/query.h"
#include "core/txn.h"
#include "workers/workers.h"

/* How the process came to run this Lua. */
enum lua_role {
	LUA_DAEMON, /* the real thing */
	LUA_CHECK,  /* --check-config: every socket a no-op */
	LUA_CLIENT, /* console client: listeners, servers and certificates are not opened */
};

/* Sets up the state with all rows. Once. */
void lua_host_start(enum lua_role role);
void lua_host_stop(void);

/*
 * Runs the configuration file as one transaction: edits txn, which the caller commits. 0, or
 * -EINVAL with err (file, line, what, nearest name). From lua_host_runtime on, start-up functions
 * refuse.
 */
int lua_host_file(const char *path, struct txn *txn, struct err *err);
void lua_host_runtime(void);

/* From now on an unknown key in a table of options is an error instead of a warning (--strict). */
void lua_host_strict(bool on);

/*
 * Runs one line from a console as a transaction of its own: as an expression first, as a statement
 * if that does not parse. Gives the output (free with free()), which begins with "Error: " when it
 * failed; *len may be set. With changed effects the line is kept for delta().
 */
char *lua_host_command(const char *line, size_t *len);

/*
 * The Lua that runs fails with an error before its next instruction, and so does all that begins later, but
 * for exit callbacks, until this is called again. In a signal handler, on the thread that runs Lua.
 */
void lua_host_interrupt(void);

/*
 * maintenance() and the callbacks added, each a transaction of its own, so that one that fails
 * undoes only what it did; errors are logged at most each 61 s. Also delivers what getAddressInfo
 * found.
 */
void lua_host_maintenance(void);

/*
 * Rules about names (setSuffixMatchRule) of groups that were applied within BLOCK_ARMED_US: whether
 * there are any; and asks their visitors where enough new answers came, each as a transaction of its
 * own. For a beat some times a second.
 */
bool lua_block_rules_watched(void);
void lua_block_rules_check(void);

void lua_host_exit_callbacks(void);

/*
 * Queries that workers have noted for setQueryCount are counted, some milliseconds' worth at most; and
 * workers are told whether they are to note them, as the live tables say. Neither inside a transaction.
 */
void lua_query_count_read(void);
void lua_query_count_follow(void);

/* The workers' hooks (workers/workers.h): state-change callbacks, checkFunction, response
 * validator. */
void lua_host_server_changed(struct server *s, bool up, bool first);
bool lua_host_check_function(struct server *s, struct check_question *q);
bool lua_host_check_validator(struct server *s, const uint8_t *answer, size_t len);

/* What the file asked of the log, over what c already has; strings are lent until lua_host_stop. */
struct log_config;
void lua_host_log_config(struct log_config *c, const char *server_id);

/* Interpreter's version for --version: "Lua 5.4.4". */
const char *lua_host_version(void);

/* True after shutdown() was called. */
bool lua_host_wants_exit(void);

/* Every function, global and method for completion: visits names such as "addLocal(" and
 * "getPool(". */
void lua_host_visit_words(void (*visit)(void *ctx, const char *word), void *ctx);

/* Rows for the documentation: visits function, parameters, help, in order of their files. */
struct lua_row_view {
	const char *file, *object; /* object NULL: a global function */
	const char *name, *params, *help;
	bool is_library; /* object is a table of functions */
};

/* Visits the options of one function: name, "boolean", unit ("" for none), help. */
struct lua_option_view {
	const char *name, *kind, *unit, *help;
};
void lua_host_visit_options(const char *function,
			    void (*visit)(void *ctx, const struct lua_option_view *option), void *ctx);
void lua_host_visit_rows(void (*visit)(void *ctx, const struct lua_row_view *row), void *ctx);

#endif
