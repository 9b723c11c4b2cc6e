/* Chains of rules as tables of text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/lua/registry.h"
#include "console/lua/rules.h"
#include "core/mem.h"

#define RULE_WIDTH  56
#define TOP_DEFAULT 10

const struct lua_option show_rules_options[] = {
	{"showUUIDs", OPTION_BOOL, 0, 0, "", "columns of UUIDs and of the order of creation"},
	{"truncateRuleWidth", OPTION_INT, -1, 10000, "characters",
	 "the texts of rules are cut to this length; by default they are whole"},
	{NULL, 0, 0, 0, NULL, NULL},
};

struct layout {
	bool with_id;
	int most; /* characters of a rule's text, -1: all; the column stays, as programs expect */
};

static struct layout read_layout(lua_State *L, int i)
{
	struct layout l = {.most = -1};

	if (lua_arg_missing(L, i))
		return l;
	lua_options_check(L, i, show_rules_options);
	l.with_id = lua_option_bool(L, i, "showUUIDs", false);
	l.most = (int)lua_option_number(L, i, "truncateRuleWidth", -1);
	return l;
}

static void print_head(FILE *out, const struct layout *l)
{
	fprintf(out, "%-3s %-30s ", "#", "Name");
	if (l->with_id)
		fprintf(out, "%-38s %9s ", "UUID", "Cr. Order");
	fprintf(out, "%9s %-*s %s\n", "Matches", RULE_WIDTH, "Rule", "Action");
}

static void print_rule(FILE *out, const struct layout *l, unsigned at, const struct rule *r)
{
	char *rule = selector_text(r->selector), *action = action_text(r->action);
	char id[UUID_TEXT_MAX];

	fprintf(out, "%-3u %-30s ", at, r->name);
	if (l->with_id)
		fprintf(out, "%-38s %9llu ", uuid_text(&r->id, id),
			(unsigned long long)r->creation_order);
	fprintf(out, "%9llu %-*.*s %s\n", (unsigned long long)selector_matches(r->selector),
		RULE_WIDTH, l->most, rule, action);
	free(rule);
	free(action);
}

/* Gives; free(). */
static char *table_of(struct rule *const *rules, unsigned n, const struct layout *l, size_t *len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, len);

	if (out == NULL)
		abort();
	print_head(out, l);
	for (unsigned i = 0; i < n; i++)
		print_rule(out, l, i, rules[i]);
	fclose(out);
	return text;
}

int lua_rules_show(lua_State *L)
{
	const struct chain *c = lua_chain(lua_running_chain(L));
	struct layout l = read_layout(L, 1);
	size_t len;
	char *text = table_of(c->rules, c->n, &l, &len);

	lua_host_write(text, len);
	free(text);
	return 0;
}

struct ranked {
	uint64_t matches;
	struct rule *rule;
	unsigned at;
};

/* By matches, the most first; those alike stay in order. */
static int compare_ranked(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->matches != y->matches)
		return x->matches < y->matches ? 1 : -1;
	return x->at < y->at ? -1 : 1;
}

/*
 * Pushes an array of the rules of the chain that runs which have matched most, at most as many as
 * argument 1 says.
 */
static struct rule **push_top(lua_State *L, unsigned *n)
{
	const struct chain *c = lua_chain(lua_running_chain(L));
	unsigned most = TOP_DEFAULT;
	struct ranked *ranked;
	struct rule **top;

	if (!lua_arg_missing(L, 1))
		most = (unsigned)lua_arg_integer(L, 1, "top", 0, UINT32_MAX);
	*n = most < c->n ? most : c->n;
	top = lua_newuserdatauv(L, (*n + 1) * sizeof(*top), 0);
	ranked = mem_alloc((c->n + 1) * sizeof(*ranked));
	for (unsigned i = 0; i < c->n; i++)
		ranked[i] =
			(struct ranked){selector_matches(c->rules[i]->selector), c->rules[i], i};
	qsort(ranked, c->n, sizeof(*ranked), compare_ranked);
	for (unsigned i = 0; i < *n; i++)
		top[i] = ranked[i].rule;
	free(ranked);
	return top;
}

int lua_rules_get_top(lua_State *L)
{
	unsigned n;
	struct rule **top = push_top(L, &n);

	lua_createtable(L, (int)n, 0);
	for (unsigned i = 0; i < n; i++) {
		lua_push_rule(L, top[i]);
		lua_rawseti(L, -2, i + 1);
	}
	return 1;
}

/* Gives its text as a value, which a console shows, so that a program can have it too. */
int lua_rules_show_top(lua_State *L)
{
	struct layout l = read_layout(L, 2);
	unsigned n;
	struct rule **top = push_top(L, &n);
	size_t len;
	char *text = table_of(top, n, &l, &len);

	lua_pushlstring(L, text, len - 1);
	free(text);
	return 1;
}
