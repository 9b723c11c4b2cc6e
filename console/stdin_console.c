#include "console/stdin_console.h"

#include <editline/readline.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "console/control.h"
#include "console/lua/host.h"
#include "core/mem.h"

#define PROMPT "> "

#define LINE_MAX_OCTETS 1000000 /* a line that never ends is not one */

static struct {
	struct control_source source;
	bool started, terminal;
	char *text; /* what was read and is no whole line yet */
	size_t len;
} in;

static void run(const char *line)
{
	size_t len = 0;
	char *out;

	while (*line == ' ' || *line == '\t')
		line++;
	if (*line == '\0')
		return;
	if (strcmp(line, "quit") == 0 || strcmp(line, "exit") == 0) {
		control_end();
		return;
	}
	out = lua_host_command(
		strcmp(line, "help") == 0 || strcmp(line, "?") == 0 ? "help()" : line, &len);
	fwrite(out, 1, len, stdout);
	if (len > 0 && out[len - 1] != '\n')
		putchar('\n');
	fflush(stdout);
	free(out);
	if (lua_host_wants_exit())
		control_end();
}

/*
 * libedit's handler: a whole line, or NULL at the end. Only installing it again shows the prompt
 * before the next key.
 */
static void line_typed(char *line)
{
	if (line == NULL) {
		control_end();
		return;
	}
	if (*line)
		add_history(line);
	run(line);
	free(line);
	rl_callback_handler_install(PROMPT, line_typed);
}

static void run_lines(void)
{
	char *start = in.text, *newline;

	while ((newline = memchr(start, '\n', in.len - (size_t)(start - in.text))) != NULL) {
		*newline = '\0';
		run(start);
		start = newline + 1;
	}
	in.len -= (size_t)(start - in.text);
	memmove(in.text, start, in.len);
}

/* False at the end of the input. */
static bool read_some(void)
{
	ssize_t n;

	in.text = mem_realloc(in.text, in.len + 4096 + 1, 1);
	n = read(STDIN_FILENO, in.text + in.len, 4096);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	if (n <= 0 || in.len + (size_t)n > LINE_MAX_OCTETS) {
		in.text[in.len] = '\0';
		run(in.text);
		return false;
	}
	in.len += (size_t)n;
	run_lines();
	return true;
}

static void stdin_ready(struct control_source *s, uint32_t events)
{
	if (in.terminal)
		rl_callback_read_char();
	else if (!read_some())
		control_end();
}

void stdin_console_start(void)
{
	in.source = (struct control_source){stdin_ready, STDIN_FILENO};
	in.terminal = isatty(STDIN_FILENO);
	in.started = true;
	if (in.terminal)
		rl_callback_handler_install(PROMPT, line_typed);
	if (control_watch(&in.source, EPOLLIN) == -EPERM) {
		while (read_some())
			;
		control_end();
	}
}

void stdin_console_stop(void)
{
	if (!in.started)
		return;
	if (in.terminal)
		rl_callback_handler_remove();
	free(in.text);
	in.text = NULL;
	in.started = false;
}
