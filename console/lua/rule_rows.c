/*
 * Rows of the configuration language that are made of other rows, once: a constructor for each kind
 * of selector and action, and for each chain its functions.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/lua/registry.h"
#include "console/lua/rules.h"

#define ROWS_MAX    160 /* of each of the three; there are about half as many */
#define OPTIONS_MAX 400
#define LISTS_MAX   200

struct lua_function selector_functions[ROWS_MAX + 1], action_functions[ROWS_MAX + 1],
	chain_functions[ROWS_MAX + 1];
struct lua_option_list lua_rule_option_lists[LISTS_MAX + 1];

static struct constructor selector_makers[ROWS_MAX], action_makers[ROWS_MAX];
static uint8_t chain_of[ROWS_MAX]; /* of each row of chain_functions */

static unsigned n_selectors, n_actions, n_chain_functions, n_lists;

/* What an argument is called in a list of parameters, where the row's own name would not do. */
static const char *const words[] = {
	[ARG_NAMES] = "name",    [ARG_NETMASKS] = "netmask", [ARG_ADDRESSES] = "address",
	[ARG_TYPES] = "type",    [ARG_SELECTOR] = "rule",    [ARG_SELECTORS] = "rule",
	[ARG_ACTION] = "action", [ARG_SVCS] = "parameters",  [ARG_NAME_SET] = "set",
};

static void put_param(FILE *out, const struct arg_spec *spec)
{
	const char *word = (unsigned)spec->kind < ARRAY_LEN(words) && words[spec->kind] != NULL
				   ? words[spec->kind]
				   : spec->name;

	switch (spec->kind) {
	case ARG_SELECTORS:
		fprintf(out, "{%s, …}", word);
		break;
	case ARG_TEXTS:
	case ARG_NAMES:
	case ARG_NETMASKS:
	case ARG_ADDRESSES:
	case ARG_TYPES:
	case ARG_SVCS:
		fprintf(out, "%s|{%s, …}", word, word);
		break;
	default:
		fputs(word, out);
	}
}

/* "address|{address, …} [, options]". Stays for as long as the process lives. */
static const char *params_of(const struct arg_spec *specs, bool has_options)
{
	char *text = NULL;
	unsigned n = 0, open = 0;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		abort();
	for (; specs->kind != ARG_END; specs++) {
		if (specs->flags & ARG_OPTION)
			continue;
		if (specs->flags & ARG_OPTIONAL) {
			fputs(n > 0 ? " [" : "[", out);
			open++;
		}
		fputs(n++ > 0 ? ", " : "", out);
		put_param(out, specs);
	}
	if (has_options)
		fputs(n > 0 ? " [, options]" : "[options]", out);
	for (; open > 0; open--)
		fputc(']', out);
	fclose(out);
	return text;
}

/* Kinds that only their reader can check are any value until then. */
static enum lua_option_kind option_kind(enum arg_kind kind)
{
	switch (kind) {
	case ARG_BOOL:
		return OPTION_BOOL;
	case ARG_INT:
	case ARG_RCODE:
		return OPTION_INT;
	case ARG_NUMBER:
		return OPTION_NUMBER;
	case ARG_TEXT:
		return OPTION_STRING;
	case ARG_TEXTS:
		return OPTION_STRING_OR_TABLE;
	default:
		return OPTION_OTHER;
	}
}

static void add_list(const char *function, const struct lua_option *rows)
{
	assert(n_lists < LISTS_MAX);
	lua_rule_option_lists[n_lists++] = (struct lua_option_list){function, rows};
}

/* The options among the arguments, as rows; NULL when there are none. */
static const struct lua_option *options_of(const char *function, const struct arg_spec *specs)
{
	static struct lua_option rows[OPTIONS_MAX];
	static unsigned used;
	const struct lua_option *first = &rows[used];

	for (; specs->kind != ARG_END; specs++) {
		if (!(specs->flags & ARG_OPTION))
			continue;
		assert(used < OPTIONS_MAX - 1);
		rows[used++] = (struct lua_option){
			.name = specs->name,
			.kind = option_kind(specs->kind),
			.least = specs->least,
			.most = specs->most,
			.unit = "",
			.help = specs->help,
		};
	}
	if (first == &rows[used])
		return NULL;
	used++; /* the row without a name that ends the list */
	add_list(function, first);
	return first;
}

static int new_selector(lua_State *L)
{
	const struct lua_function *row = lua_touserdata(L, lua_upvalueindex(1));

	lua_construct(L, &selector_makers[row - selector_functions], 1, lua_gettop(L));
	return 1;
}

static int new_action(lua_State *L)
{
	const struct lua_function *row = lua_touserdata(L, lua_upvalueindex(1));

	lua_construct(L, &action_makers[row - action_functions], 1, lua_gettop(L));
	return 1;
}

static void add_selector(const struct selector_type *type)
{
	const struct lua_option *options = options_of(type->name, type->args);

	assert(n_selectors < ROWS_MAX);
	selector_makers[n_selectors] = (struct constructor){.selector = type, .options = options};
	selector_functions[n_selectors++] = (struct lua_function){
		.name = type->name,
		.call = new_selector,
		.flags = ROW_READS,
		.params = params_of(type->args, options != NULL),
		.help = type->help,
	};
}

static void add_action(const struct action_type *type)
{
	const struct lua_option *options = options_of(type->name, type->args);

	assert(n_actions < ROWS_MAX);
	action_makers[n_actions] = (struct constructor){.action = type, .options = options};
	action_functions[n_actions++] = (struct lua_function){
		.name = type->name,
		.call = new_action,
		.flags = ROW_READS,
		.params = params_of(type->args, options != NULL),
		.help = type->help,
	};
}

const struct constructor *lua_find_constructor(const char *name)
{
	for (unsigned i = 0; i < n_selectors; i++)
		if (strcmp(selector_functions[i].name, name) == 0)
			return &selector_makers[i];
	for (unsigned i = 0; i < n_actions; i++)
		if (strcmp(action_functions[i].name, name) == 0)
			return &action_makers[i];
	return NULL;
}

/*
 * Of each chain: what stands before and after the chain's part of the name. A console client makes
 * selectors and actions, so that its configuration runs, but has no rules: nobody would ask them,
 * and they would open their files.
 */
static const struct family {
	const char *before, *after;
	lua_CFunction call;
	unsigned flags;
	const char *params;
	const char *help; /* %s: what the chain is for */
	const struct lua_option *options;
	bool only_queries;
} families[] = {
	{"add", "Action", lua_rules_add, 0, "rule, action [, options]",
	 "adds a rule for %s, behind those that are there", rule_options, false},
	{"show", "Rules", lua_rules_show, ROW_READS, "[options]",
	 "shows the rules for %s and how often each has matched", show_rules_options, false},
	{"rm", "Rule", lua_rules_remove, 0, "position|uuid|name",
	 "removes a rule for %s, or all of that name", NULL, false},
	{"mv", "Rule", lua_rules_move, 0, "from, to",
	 "moves a rule for %s in front of another; positions count from 0", NULL, false},
	{"mv", "RuleToTop", lua_rules_move_to_top, 0, "",
	 "moves the last rule for %s to the first place", NULL, false},
	{"clear", "Rules", lua_rules_clear, 0, "", "removes all rules for %s", NULL, false},
	{"set", "Rules", lua_rules_set, 0, "{rule, …}",
	 "replaces all rules for %s by what newRuleAction() made; rules that stay keep their matches",
	 NULL, false},
	{"get", "Rule", lua_rules_get, ROW_READS, "position|uuid|name",
	 "a rule for %s; nil when none has that UUID or name", NULL, false},
	{"get", "Action", lua_rules_get_action, ROW_READS, "position",
	 "the action of a rule for %s; nil when there is none", NULL, true},
	{"getTop", "Rules", lua_rules_get_top, ROW_READS, "[top]",
	 "a table of the rules for %s that have matched most, 10 unless said otherwise", NULL,
	 false},
	{"top", "Rules", lua_rules_show_top, ROW_READS, "[top [, options]]",
	 "shows the rules for %s that have matched most, 10 unless said otherwise",
	 show_rules_options, false},
};

PRINTF_LIKE(1, 2)
static const char *made_text(const char *fmt, ...)
{
	char *text;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		abort();
	va_end(args);
	return text;
}

/* What the documentation calls two of them. */
static const struct {
	const char *name, *same;
} other_names[] = {
	{"getTopSelfAnsweredRules", "getTopSelfAnsweredResponseRules"},
	{"getTopTimeoutResponseRule", "getTopTimeoutResponseRules"},
};

static void add_other_name(const char *name, const char *same)
{
	unsigned i = 0;

	while (strcmp(chain_functions[i].name, same) != 0)
		i++;
	assert(n_chain_functions < ROWS_MAX);
	chain_of[n_chain_functions] = chain_of[i];
	chain_functions[n_chain_functions] = chain_functions[i];
	chain_functions[n_chain_functions].name = name;
	chain_functions[n_chain_functions++].help = made_text("the same as %s", same);
}

static void add_chain_function(const struct family *f, enum chain_id id)
{
	const struct chain_row *chain = &chain_rows[id];
	struct lua_function *row = &chain_functions[n_chain_functions];
	const char *gap = strstr(f->help, "%s");

	if (f->only_queries && chain->is_response)
		return;
	assert(n_chain_functions < ROWS_MAX);
	chain_of[n_chain_functions++] = (uint8_t)id;
	*row = (struct lua_function){
		.name = made_text("%s%s%s", f->before, chain->infix, f->after),
		.call = f->call,
		.flags = f->flags | ROW_NOT_CLIENT,
		.params = f->params,
		.help = made_text("%.*s%s%s", (int)(gap - f->help), f->help, chain->help, gap + 2),
	};
	if (f->options != NULL)
		add_list(row->name, f->options);
}

enum chain_id lua_running_chain(lua_State *L)
{
	const struct lua_function *row = lua_touserdata(L, lua_upvalueindex(1));

	return chain_of[row - chain_functions];
}

void lua_rule_rows_make(void)
{
	if (n_lists > 0)
		return;
	for (const struct selector_type *const *f = selector_families; *f; f++)
		for (const struct selector_type *type = *f; type->name; type++)
			add_selector(type);
	for (const struct action_type *const *f = action_families; *f; f++)
		for (const struct action_type *type = *f; type->name; type++)
			add_action(type);
	add_list("newRuleAction", rule_options);
	for (unsigned id = 0; id < CHAIN_COUNT; id++)
		for (size_t k = 0; k < ARRAY_LEN(families); k++)
			add_chain_function(&families[k], id);
	for (size_t i = 0; i < ARRAY_LEN(other_names); i++)
		add_other_name(other_names[i].name, other_names[i].same);
}
