/* What the files of console/lua/ that are about rules share. */
#ifndef CONSOLE_LUA_RULES_H
#define CONSOLE_LUA_RULES_H

#include "console/lua/rows.h"
#include "rules/rules.h"

/* Pushes the object of a selector, an action, a rule, which gets a reference of its own. */
void lua_push_selector(lua_State *L, struct selector *s);
void lua_push_action(lua_State *L, struct action *a);
void lua_push_rule(lua_State *L, struct rule *r);

/* What the object at an index holds; NULL when it is none. Lent. */
struct selector *lua_test_selector(lua_State *L, int i);
struct action *lua_test_action(lua_State *L, int i);
struct rule *lua_test_rule(lua_State *L, int i);

/* "DNSResponseAction", what an action is called in the configuration. */
const char *lua_action_word(bool is_response);

/*
 * The selector at an index: a DNSRule, or names or netmasks that stand for one. What it is lent by
 * is pushed.
 */
struct selector *lua_arg_selector(lua_State *L, int i, const char *what);

/* The same where a rule is meant to stand: what stands for one is a former form, and warned about. */
struct selector *lua_arg_rule(lua_State *L, int i, const char *what);

/* The action at an index, which must be of this kind; function is what to call for the other one.
 */
struct action *lua_arg_action(lua_State *L, int i, bool is_response, const char *other);

/*
 * Reads the arguments that stand from first to last on the stack as the rows of specs say; options
 * are the rows of its table of options, NULL when it takes none. is_response: actions among them
 * must be response actions. What argv lends from is pushed as one value. specs with options allow
 * one argument more. argv has ARGS_MAX entries.
 */
void lua_args_read(lua_State *L, int first, int last, const struct arg_spec *specs,
		   const struct lua_option *options, bool is_response, struct arg *argv);

/* The values of a list that must be one, at an absolute index; how many. Raises an error else. */
size_t lua_list_len(lua_State *L, int i, const char *what);

/* A selector or action as the configuration makes it. */
struct constructor {
	const struct selector_type *selector; /* or */
	const struct action_type *action;
	const struct lua_option *options; /* NULL: it takes none */
};

/* The constructor of this name, or NULL. */
const struct constructor *lua_find_constructor(const char *name);

/* Puts what a constructor makes of the arguments from first to last, the top, in their place. */
void lua_construct(lua_State *L, const struct constructor *c, int first, int last);

/* Make the rows of constructors and chains, and of former forms; before rows are registered. */
void lua_rule_rows_make(void);
void lua_former_rows_make(void);

/* Of options of constructors and chain functions, as lua_option_lists. */
extern struct lua_option_list lua_rule_option_lists[];

/* The chain that the row which runs is about. */
enum chain_id lua_running_chain(lua_State *L);

/* The chain as the running transaction has it; to be read, or to be edited. */
const struct chain *lua_chain(enum chain_id id);
struct chain *lua_chain_edit(enum chain_id id);

/* Puts a rule at the end of a chain: of a selector and an action on the stack, and options or none.
 */
void lua_chain_add(lua_State *L, enum chain_id id, struct selector *s, struct action *a,
		   int options);

/* Moves the last rule of a chain to the first place. */
void lua_chain_top(enum chain_id id);

/* Functions of chains, in the files that have them; lua_running_chain says which chain. */
int lua_rules_add(lua_State *L);
int lua_rules_remove(lua_State *L);
int lua_rules_move(lua_State *L);
int lua_rules_move_to_top(lua_State *L);
int lua_rules_clear(lua_State *L);
int lua_rules_set(lua_State *L);
int lua_rules_get(lua_State *L);
int lua_rules_get_action(lua_State *L);
int lua_rules_show(lua_State *L);
int lua_rules_get_top(lua_State *L);
int lua_rules_show_top(lua_State *L);

extern const struct lua_option rule_options[], show_rules_options[];

/* Arguments of SpoofAction as old releases took them, from first to *last: mends them. */
void lua_former_arguments(lua_State *L, const struct constructor *c, int first, int *last);

/* -EINVAL with err set when the configuration left something that we can't do. */
int lua_check_former_globals(lua_State *L, struct err *err);

#endif
