/* help(), completion and the manual, all from the rows. */
#include <stdio.h>
#include <string.h>

#include "console/lua/state.h"
#include "console/lua/registry.h"
#include "console/lua/rules.h"

void lua_host_visit_rows(void (*visit)(void *ctx, const struct lua_row_view *row), void *ctx)
{
	for (const struct lua_file *file = lua_files; file->name; file++) {
		for (const struct lua_function *f = file->functions; f && f->name; f++) {
			const struct lua_row_view row = {file->name, NULL, f->name, f->params,
							 f->help, false};

			visit(ctx, &row);
		}
	}
	for (const struct lua_object *const *o = lua_objects; *o; o++) {
		for (const struct lua_method *m = (*o)->methods; m->name; m++) {
			const struct lua_row_view row = {(*o)->name, (*o)->name, m->name, m->params,
							 m->help, (*o)->meta == lua_library};

			visit(ctx, &row);
		}
	}
}

static const char *const kinds[] = {
	[OPTION_BOOL] = "boolean",   [OPTION_INT] = "integer",
	[OPTION_NUMBER] = "number",  [OPTION_STRING] = "string",
	[OPTION_TABLE] = "table",    [OPTION_FUNCTION] = "function",
	[OPTION_STRING_OR_TABLE] = "string or table",
	[OPTION_OTHER] = "value",
};

static void visit_lists(const struct lua_option_list *list, const char *function,
			void (*visit)(void *ctx, const struct lua_option_view *option), void *ctx)
{
	for (; list->function; list++) {
		if (strcmp(list->function, function) != 0)
			continue;
		for (const struct lua_option *o = list->rows; o->name; o++) {
			const struct lua_option_view view = {o->name, kinds[o->kind], o->unit, o->help};

			visit(ctx, &view);
		}
	}
}

void lua_host_visit_options(const char *function,
			    void (*visit)(void *ctx, const struct lua_option_view *option), void *ctx)
{
	visit_lists(lua_option_lists, function, visit, ctx);
	visit_lists(lua_rule_option_lists, function, visit, ctx);
}

struct word_visit {
	void (*visit)(void *ctx, const char *word);
	void *ctx;
};

/* Functions and methods end in "(", as they are typed; attributes do not. */
static void visit_word(void *ctx, const struct lua_row_view *row)
{
	const struct word_visit *v = ctx;
	char word[128];

	snprintf(word, sizeof(word), "%s%s%s", row->object ? (row->params ? ":" : ".") : "",
		 row->name, row->params ? "(" : "");
	v->visit(v->ctx, word);
}

void lua_host_visit_words(void (*visit)(void *ctx, const char *word), void *ctx)
{
	struct word_visit v = {visit, ctx};

	lua_host_visit_rows(visit_word, &v);
	for (unsigned i = 0; i < policy_count; i++)
		visit(ctx, policies[i]->name);
}

struct search {
	const char *wanted; /* NULL: everything */
	bool exact;
	unsigned found;
};

static void show_row(void *ctx, const struct lua_row_view *row)
{
	struct search *s = ctx;

	if (s->wanted && (s->exact ? strcmp(row->name, s->wanted) != 0
				   : strcasestr(row->name, s->wanted) == NULL))
		return;
	s->found++;
	lua_host_printf("%s%s%s", row->object ? row->object : "",
			row->object == NULL ? "" : row->params && !row->is_library ? ":" : ".", row->name);
	if (row->params)
		lua_host_printf("(%s)", row->params);
	lua_host_printf(" - %s\n", row->help);
}

static void show_option(void *ctx, const struct lua_option_view *o)
{
	lua_host_printf("    %s = %s%s%s - %s\n", o->name, o->kind, *o->unit ? ", " : "", o->unit,
			o->help);
}

static int help(lua_State *L)
{
	struct search s = {.exact = true};

	if (!lua_arg_missing(L, 1))
		s.wanted = lua_arg_string(L, 1, "command");
	lua_host_visit_rows(show_row, &s);
	if (s.wanted)
		lua_host_visit_options(s.wanted, show_option, NULL);
	if (s.found == 0) {
		s.exact = false;
		lua_host_visit_rows(show_row, &s);
	}
	if (s.found == 0)
		lua_host_printf("Nothing found for %s\n", s.wanted);
	return 0;
}

const struct lua_function help_functions[] = {
	{"help", help, ROW_READS, "[command]", "shows what a command does, or all commands"},
	{NULL, NULL, 0, NULL, NULL},
};
