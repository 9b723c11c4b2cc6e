/*
 * Makes a man page from its source: a line @OPTIONS daemon@, @OPTIONS console@, @FUNCTIONS@, @METHODS@
 * or @STATISTICS@ is replaced by what the rows of the program say, @VERSION@ by the version.
 *   mkman < man/dnsdist.1.in > dnsdist.1
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/lua/host.h"
#include "console/options.h"
#include "core/settings.h"
#include "core/stats.h"

/* Text of a row as roff: a backslash and a leading dot or quote would be taken for requests. */
static void put(const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", stdout);
	for (; *text; text++) {
		if (*text == '\\')
			fputs("\\e", stdout);
		else if (*text == '-')
			fputs("\\-", stdout);
		else
			putchar(*text);
	}
}

static void put_options(enum program program)
{
	for (unsigned i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];

		if (program == PROGRAM_CONSOLE && !row->in_console)
			continue;
		fputs(".TP\n", stdout);
		if (row->letter)
			printf(".BR \\-%c , \\ \\-\\-", row->letter);
		else
			fputs(".BR \\-\\-", stdout);
		put(row->name);
		if (row->value)
			printf(" \\ \\fI%s\\fR", row->value);
		putchar('\n');
		put(row->help);
		putchar('\n');
	}
}

static const char *section; /* file of the row before */

/* "console/lua/pool.c" → "pool" */
static void put_section(const char *file)
{
	const char *name = strrchr(file, '/');
	size_t len;

	name = name ? name + 1 : file;
	len = strcspn(name, "._");
	printf(".SS %c%.*s\n", name[0] - 'a' + 'A', (int)len - 1, name + 1);
}

/* What a setting is when nobody sets it, and what it may be. */
static void put_bounds(const struct setting_row *row)
{
	if (row->kind == SETTING_KIND_BOOL) {
		printf("(default %s)\n", row->def != 0 ? "true" : "false");
		return;
	}
	printf("(default %.15g%s%s, from %.15g to %.15g)\n", row->def, *row->unit ? " " : "", row->unit,
	       row->least, row->most);
}

static void put_setting(const char *function)
{
	for (size_t i = 0; i < setting_row_count; i++)
		if (strcmp(setting_rows[i].function, function) == 0)
			put_bounds(&setting_rows[i]);
}

static void put_option(void *ctx, const struct lua_option_view *o)
{
	bool *any = ctx;

	if (!*any)
		fputs(".RS\n", stdout);
	*any = true;
	fputs(".TP\n.I ", stdout);
	put(o->name);
	printf(" \\fR(%s%s%s)\n", o->kind, *o->unit ? ", " : "", o->unit);
	put(o->help);
	putchar('\n');
}

static void put_function_options(const char *function)
{
	bool any = false;

	lua_host_visit_options(function, put_option, &any);
	if (any)
		fputs(".RE\n", stdout);
}

static void put_function(void *ctx, const struct lua_row_view *row)
{
	bool methods = *(const bool *)ctx;
	const char *group = row->object ? row->object : row->file;

	if (methods != (row->object != NULL))
		return;
	if (section == NULL || strcmp(section, group) != 0) {
		if (row->object)
			printf(".SS %s\n", row->object);
		else
			put_section(group);
		section = group;
	}
	fputs(".TP\n.B ", stdout);
	put(row->name);
	if (row->params) {
		fputs("\\fR(\\fI", stdout);
		put(row->params);
		fputs("\\fR)", stdout);
	}
	putchar('\n');
	put(row->help);
	putchar('\n');
	if (row->object == NULL) {
		put_setting(row->name);
		put_function_options(row->name);
	}
}

static void put_rows(bool methods)
{
	section = NULL;
	lua_host_visit_rows(put_function, &methods);
}

static void put_statistics(void)
{
	static const struct {
		const char *name, *unit, *help;
	} rows[] = {
#define STAT_COUNTER(id, name, unit, help) { name, unit, help },
#define STAT_COMPUTED(id, name, kind, unit, help) { name, unit, help },
#include "core/stats.def"
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fputs(".TP\n.B ", stdout);
		put(rows[i].name);
		fputs(" \\fR(", stdout);
		put(rows[i].unit);
		fputs(")\n", stdout);
		put(rows[i].help);
		putchar('\n');
	}
}

/* A line as it is, but for @VERSION@. */
static void put_line(const char *line)
{
	const char *mark = strstr(line, "@VERSION@");

	if (mark)
		printf("%.*s%s%s", (int)(mark - line), line, DNSDIST_VERSION, mark + strlen("@VERSION@"));
	else
		fputs(line, stdout);
}

int main(void)
{
	char line[4096];

	lua_host_start(LUA_CLIENT);
	while (fgets(line, sizeof(line), stdin)) {
		if (strcmp(line, "@OPTIONS daemon@\n") == 0)
			put_options(PROGRAM_DAEMON);
		else if (strcmp(line, "@OPTIONS console@\n") == 0)
			put_options(PROGRAM_CONSOLE);
		else if (strcmp(line, "@FUNCTIONS@\n") == 0)
			put_rows(false);
		else if (strcmp(line, "@METHODS@\n") == 0)
			put_rows(true);
		else if (strcmp(line, "@STATISTICS@\n") == 0)
			put_statistics();
		else
			put_line(line);
	}
	lua_host_stop();
	return ferror(stdin) || fflush(stdout) != 0;
}
