#include "console/editor.h"

#include <editline/readline.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "console/lua/host.h"
#include "core/mem.h"

/* Libedit takes a char *, though it does not write. A method is completed together with its object.
 */
static char word_breaks[] = " \t\n\"'`@$><=;|&{(,";

#define HISTORY_MAX 1000 /* lines kept in memory; the file only grows, as the reference has it */

struct editor {
	bool terminal;
	char *history_path; /* NULL: no HOME */
	char *last;         /* the line before, which is not kept twice */
};

/* libedit's completion has no argument for the caller: the words stand here while it runs. */
static struct {
	char **words;
	unsigned n, next;
} completion;

static void add_word(void *ctx, const char *word)
{
	completion.words = mem_realloc(completion.words, completion.n + 1, sizeof(char *));
	completion.words[completion.n++] = mem_strdup(word);
}

/* Of "pc:getS" the words know only ":getSize(": what stands in front is the operator's, and stays.
 */
static size_t object_len(const char *text)
{
	size_t len = strlen(text);

	while (len > 0 && strchr(":.", text[len - 1]) == NULL)
		len--;
	return len > 0 ? len - 1 : 0;
}

static char *next_word(const char *text, int state)
{
	size_t object = object_len(text), len = strlen(text + object);

	if (state == 0)
		completion.next = 0;
	while (completion.next < completion.n) {
		const char *word = completion.words[completion.next++];
		size_t word_len = strlen(word);
		char *whole;

		if (strncmp(word, text + object, len) != 0)
			continue;
		whole = mem_alloc(object + word_len + 1);
		memcpy(whole, text, object);
		memcpy(whole + object, word, word_len + 1);
		return whole;
	}
	return NULL;
}

static char **complete(const char *text, int start, int end)
{
	rl_attempted_completion_over = 1; /* no file names */
	return rl_completion_matches(text, next_word);
}

/* Plain lines, as dnsdist has kept them everywhere: libedit's own reader wants a form of its own.
 */
static void history_read(const char *path)
{
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t room = 0;
	ssize_t len;

	if (f == NULL)
		return;
	while ((len = getline(&line, &room, f)) >= 0) {
		if (len > 0 && line[len - 1] == '\n')
			line[len - 1] = '\0';
		if (*line)
			add_history(line);
	}
	free(line);
	fclose(f);
}

static void history_open(struct editor *ed)
{
	const char *home = getenv("HOME");
	char path[PATH_MAX];

	if (home == NULL ||
	    snprintf(path, sizeof(path), "%s/.dnsdist_history", home) >= (int)sizeof(path))
		return;
	ed->history_path = mem_strdup(path);
	history_read(path);
}

static void history_keep(struct editor *ed, const char *line)
{
	FILE *f;

	if (ed->last && strcmp(ed->last, line) == 0)
		return;
	free(ed->last);
	ed->last = mem_strdup(line);
	add_history(line);
	if (ed->history_path == NULL)
		return;
	umask(077); /* commands may hold keys */
	f = fopen(ed->history_path, "a");
	if (f == NULL)
		return;
	fprintf(f, "%s\n", line);
	fclose(f);
}

struct editor *editor_open(bool terminal)
{
	struct editor *ed = mem_zalloc(1, sizeof(*ed));

	ed->terminal = terminal;
	if (!terminal)
		return ed;
	rl_readline_name = "dnsdist";
	rl_completer_word_break_characters = word_breaks;
	rl_attempted_completion_function = complete;
	rl_completion_append_character = '\0';
	using_history();
	stifle_history(HISTORY_MAX);
	lua_host_visit_words(add_word, NULL);
	add_word(NULL, "quit");
	history_open(ed);
	return ed;
}

static char *read_raw(const struct editor *ed)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t len;

	if (ed->terminal)
		return readline("> ");
	len = getline(&line, &room, stdin);
	if (len < 0) {
		free(line);
		return NULL;
	}
	return line;
}

char *editor_line(struct editor *ed)
{
	char *raw = read_raw(ed);
	char *start, *line;
	size_t len;

	if (raw == NULL)
		return NULL;
	start = raw + strspn(raw, " \t\r\n");
	len = strlen(start);
	while (len > 0 && strchr(" \t\r\n", start[len - 1]))
		len--;
	start[len] = '\0';
	line = mem_strdup(start);
	free(raw);
	if (ed->terminal && *line)
		history_keep(ed, line);
	return line;
}

void editor_close(struct editor *ed)
{
	for (unsigned i = 0; i < completion.n; i++)
		free(completion.words[i]);
	free(completion.words);
	completion.words = NULL;
	completion.n = 0;
	free(ed->history_path);
	free(ed->last);
	free(ed);
}
