/*
 * What files of console/lua/ share: rows, the host's state, arguments with good errors. Each file
 * has one table of rows and one line in console/lua/registry.c.
 */
#ifndef CONSOLE_LUA_ROWS_H
#define CONSOLE_LUA_ROWS_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "console/lua/host.h"
#include "pools/policy.h"

enum lua_row_flags {
	ROW_STARTUP = 1,    /* prints "NAME cannot be used at runtime!" later and does nothing */
	ROW_READS = 2,      /* has no side effect: not kept for delta() */
	ROW_NOT_CLIENT = 4, /* does nothing in a console client (returns nil) */
	ROW_EXACT = 8,      /* more arguments than params has are an error, as in dnsdist */
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
	lua_CFunction call; /* method; NULL for an attribute */
	unsigned flags;
	const char *params, *help;
	lua_CFunction get, set; /* attribute: called with (self) and (self, value) */
};

struct lua_object {
	const char *name; /* also the metatable's registry name: "Server" */
	const struct lua_method *methods;
	const luaL_Reg *meta; /* __gc, __tostring, __eq …; lua_library: no object, its methods are functions
				 of a table */
};

extern const luaL_Reg lua_library[];

/* An option of a table of options: checked by name and type before anything is done. */
enum lua_option_kind {
	OPTION_BOOL,
	OPTION_INT,
	OPTION_NUMBER,
	OPTION_STRING,
	OPTION_TABLE,
	OPTION_FUNCTION,
	OPTION_STRING_OR_TABLE,
	OPTION_OTHER /* whoever reads it checks it */
};

struct lua_option {
	const char *name;
	enum lua_option_kind kind;
	double least, most; /* of numbers */
	const char *unit, *help;
};

/* The options of a function, for help() and the manual. */
struct lua_option_list {
	const char *function;
	const struct lua_option *rows;
};

/*
 * Checks the table at index against the rows (ended by a NULL name): a key that is no row is a
 * warning with the nearest name, an error in strict mode; a wrong type or range is a Lua error that
 * names file, line, function, key, value and what is right. Numbers may be strings and strings
 * numbers.
 */
void lua_options_check(lua_State *L, int index, const struct lua_option *rows);

/* Typed reads of a checked table: the default when the key is absent. */
bool lua_option_bool(lua_State *L, int index, const char *key, bool def);
double lua_option_number(lua_State *L, int index, const char *key, double def);
/* Pushes nothing; lent while the table holds it; NULL when absent. */
const char *lua_option_string(lua_State *L, int index, const char *key);

/* The transaction that the running Lua edits. Never NULL inside a call from Lua. */
struct txn *lua_host_txn(void);
bool lua_host_has_txn(
	void); /* false only when Lua collects or prints objects while the host stops */
enum lua_role lua_host_role(void);
bool lua_host_is_startup(void);

/* Appends to the console's output (what show() does; printed to stdout while the file runs). */
void lua_host_printf(const char *fmt, ...) PRINTF_LIKE(1, 2);
void lua_host_write(const char *text, size_t len);

/* A Lua error of err's text, with the caller's file and line in front. Does not return. */
int lua_host_raise(lua_State *L, const struct err *err);

/*
 * A Lua error "FILE:LINE: FUNCTION: sentence"; the function is the row that runs. Does not return.
 * No caller may own memory at this point that only C knows of.
 */
int lua_fail(lua_State *L, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* What is wrong but does not end the run: to the log while the file runs, to the console later. */
void lua_complain(lua_State *L, const char *fmt, ...) PRINTF_LIKE(2, 3);
void lua_warn(lua_State *L, const char *fmt, ...)
	PRINTF_LIKE(2, 3); /* the same for what works, but not as asked */

/* One warning on the log for a former form used at this file and line; once for each. */
void lua_host_former(lua_State *L, const char *former, const char *now);

/*
 * Arguments of the running row: what names the argument in the error ("address"). Numbers may be
 * strings and strings numbers. A lent string lives as long as the argument.
 */
const char *lua_arg_string(lua_State *L, int i, const char *what);
lua_Integer lua_arg_integer(lua_State *L, int i, const char *what, lua_Integer least,
			    lua_Integer most);
double lua_arg_number(lua_State *L, int i, const char *what, double least, double most);
bool lua_arg_bool(lua_State *L, int i, const char *what);
void lua_arg_function(lua_State *L, int i, const char *what);

/* A DNSName or a string; its length on the wire, letter case kept. out has DNS_NAME_MAX octets. */
size_t lua_arg_name(lua_State *L, int i, const char *what, uint8_t *out);

/* A ComboAddress or a string. */
void lua_arg_address(lua_State *L, int i, const char *what, uint16_t default_port,
		     struct addr *out);

/*
 * A netmask as its text, a Netmask, or a ComboAddress, which is one host; false with err set when
 * it is none of them. Raises nothing. A Netmask object is a struct netmask.
 */
struct netmask;
bool lua_read_netmask(lua_State *L, int i, struct netmask *out, struct err *err);

/* The set of a SuffixMatchNode, a DNSNameSet, a NetmaskGroup at an index; NULL when it is none. Lent. */
struct suffix_table;
struct netmask_table;
struct suffix_table *lua_test_suffixes(lua_State *L, int i);
struct suffix_table *lua_test_name_set(lua_State *L, int i);
struct netmask_table *lua_test_netmask_group(lua_State *L, int i);

/* Octets that a name of a list takes, as a guess. */
#define LUA_NAME_GUESS 20

/* Push new, empty ones; what they give is lent by the object. */
struct suffix_table *lua_push_suffixes(lua_State *L);
struct netmask_table *lua_push_netmask_group(lua_State *L);

/*
 * Adds the netmask at an index, which may be a text with '!' in front, to a group's table; false
 * with err set when it is none. Raises nothing.
 */
bool lua_add_netmask(lua_State *L, int i, struct netmask_table *t, struct err *err);

/* What SVCRecordParameters at an index say; NULL when it is none. Lent. */
struct svc;
const struct svc *lua_test_svc(lua_State *L, int i);

/* Whether the argument was left out or is nil. */
static inline bool lua_arg_missing(lua_State *L, int i)
{
	return lua_isnoneornil(L, i);
}

/* The value at index as an error shows it: "'abc'", "12", "a table". Lent until the next call. */
const char *lua_value_text(lua_State *L, int index);

/* A number as a user expects it: an integer where the value is one. */
void lua_push_number(lua_State *L, double value);

/*
 * Objects. A new userdata with the object's metatable, zeroed; the check raises an error that names
 * the argument; the test gives NULL for anything else.
 */
void *lua_object_new(lua_State *L, const struct lua_object *object, size_t size);
void *lua_object_check(lua_State *L, int i, const struct lua_object *object);
void *lua_object_test(lua_State *L, int i, const struct lua_object *object);

/* Sets up globals and metatables of all rows; the host calls it once. */
void lua_rows_register(lua_State *L);

/*
 * What must not happen unless the transaction is committed, and can't be part of it: runs after the
 * commit, never after a drop. Holds a reference to the server. At start-up there are no workers to
 * tell, so callers act at once instead.
 */
struct lua_deferred {
	struct server *server; /* a reference is held until then */
	void (*run)(struct server *s, bool value);
	bool value;
};
void lua_host_defer(struct server *s, void (*run)(struct server *, bool), bool value);

/* console/lua/registry.c: everything there is, by file; both lists are ended by NULL. */
struct lua_file {
	const char *name;                     /* "server" */
	const struct lua_function *functions; /* ended by a NULL name; may be NULL */
	void (*setup)(lua_State *L);          /* sets globals that are no functions; may be NULL */
};
extern const struct lua_file lua_files[];
extern const struct lua_object *const lua_objects[];
extern const struct lua_option_list lua_option_lists[];

/* Rows of objects, short. */
#define METHOD(name, call, flags, params, help)             \
	{                                                   \
		name, call, flags, params, help, NULL, NULL \
	}
#define ATTRIBUTE(name, get, set, help)             \
	{                                           \
		name, NULL, 0, NULL, help, get, set \
	}
#define METHODS_END                                   \
	{                                             \
		NULL, NULL, 0, NULL, NULL, NULL, NULL \
	}

/* The objects, each in its file. */
extern const struct lua_object lua_server, lua_pool, lua_policy, lua_cache, lua_client_state,
	lua_address, lua_name, lua_suffixes, lua_name_set, lua_header, lua_netmask,
	lua_netmask_group, lua_limiter, lua_selector, lua_query_action, lua_response_action,
	lua_query_rule, lua_response_rule, lua_svc, lua_timed_set, lua_dynblock, lua_block_group,
	lua_question, lua_ring_entry, lua_stat_node, lua_stat_counts, lua_ffi_library, lua_bpf_filter,
	lua_dyn_bpf_filter;

/* Pushes objects. The server and the cache get a reference of their own. */
void lua_push_server(lua_State *L, struct server *s);
void lua_push_policy(lua_State *L, const struct policy *p);
void lua_push_address(lua_State *L, const struct addr *a);
void lua_push_name(lua_State *L, const uint8_t *name, size_t len);

/* A DNSHeader of these flags; gives where it keeps them, valid while the object is on the stack. */
uint16_t *lua_push_header(lua_State *L, uint16_t flags);

#endif
