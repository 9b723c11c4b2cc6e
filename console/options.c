#include "console/options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/mem.h"

/* Values of options without a letter; above every letter. */
enum {
	OPT_CHECK_CONFIG = 256,
	OPT_SUPERVISED,
	OPT_DISABLE_SYSLOG,
	OPT_LOG_TIMESTAMPS,
	OPT_STRUCTURED,
	OPT_STRUCTURED_BACKEND,
	OPT_STRICT,
};

const struct option_row option_rows[] = {
	{"acl", 'a', "NETMASK", false,
	 "Allow queries from this netmask, in place of the default private ranges. May be repeated; "
	 "addACL extends the list, setACL replaces it."},
	{"config", 'C', "FILE", true,
	 "Read the configuration from this file instead of the default one."},
	{"check-config", 0, NULL, false,
	 "Execute the configuration without opening a socket, say whether it is right, and exit with "
	 "0 or 1."},
	{"client", 'c', NULL, false,
	 "Be the console's client: connect to the address given as argument (port 5199 if it has "
	 "none), or to the controlSocket of the configuration."},
	{"setkey", 'k', "KEY", true,
	 "Use this console key (base64) instead of the configuration's setKey. Other users of the "
	 "machine can see it in the list of processes."},
	{"execute", 'e', "COMMAND", true,
	 "Have a running daemon execute this command, print the answer and exit."},
	{"gid", 'g', "GROUP", false,
	 "Change to this group, name or number, once the sockets are bound."},
	{"uid", 'u', "USER", false,
	 "Change to this user, name or number, once the sockets are bound."},
	{"help", 'h', NULL, true, "Print this text and exit."},
	{"local", 'l', "ADDRESS", false,
	 "Listen on this address (port 53 if it has none), UDP and TCP, in place of the plain "
	 "listeners of the configuration. May be repeated."},
	{"supervised", 0, NULL, false,
	 "Read nothing from standard input and run until a signal; tell systemd when ready."},
	{"disable-syslog", 0, NULL, false, "Log to standard output only."},
	{"log-timestamps", 0, NULL, false,
	 "Begin each line of the plain log format with the time."},
	{"structured-logging", 0, "true|false", false,
	 "Log lines of key=\"value\" pairs, which is the default, or plain text."},
	{"structured-logging-backend", 0, "NAME", false,
	 "The form of structured lines: default, json or systemd-journal."},
	{"strict", 0, NULL, false, "Take an unknown key in a table of options for an error."},
	{"verbose", 'v', NULL, false, "Log more."},
	{"version", 'V', NULL, true, "Print the version and what is built in, and exit."},
};
const unsigned option_row_count = ARRAY_LEN(option_rows);

static const struct {
	const char *name;
	int value;
} letterless[] = {
	{"check-config", OPT_CHECK_CONFIG},
	{"supervised", OPT_SUPERVISED},
	{"disable-syslog", OPT_DISABLE_SYSLOG},
	{"log-timestamps", OPT_LOG_TIMESTAMPS},
	{"structured-logging", OPT_STRUCTURED},
	{"structured-logging-backend", OPT_STRUCTURED_BACKEND},
	{"strict", OPT_STRICT},
};

static int option_value(const struct option_row *row)
{
	if (row->letter)
		return row->letter;
	for (unsigned i = 0; i < ARRAY_LEN(letterless); i++)
		if (strcmp(letterless[i].name, row->name) == 0)
			return letterless[i].value;
	assert(!"an option without a letter needs a value");
	return 0;
}

static void words_add(struct words *w, const char *word)
{
	w->list = mem_realloc(w->list, w->n + 1, sizeof(*w->list));
	w->list[w->n++] = word;
}

/* Texts that name a former or foreign backend of the log are refused with the right ones. */
static int set_backend(struct options *o, const char *name, struct err *err)
{
	static const char *const known[] = {"default", "json", "systemd-journal"};
	const char *near;

	for (unsigned i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(known[i], name) == 0) {
			o->structured_backend = name;
			return 0;
		}
	near = err_nearest(name, known, ARRAY_LEN(known));
	return err_set(
		err,
		"--structured-logging-backend: '%s' is none of default, json, systemd-journal%s%s%s",
		name, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

static int take(struct options *o, int value, const char *arg, struct err *err)
{
	switch (value) {
	case 'a':
		words_add(&o->acl, arg);
		break;
	case 'l':
		words_add(&o->local, arg);
		break;
	case 'C':
		o->config = arg;
		break;
	case 'k':
		o->key = arg;
		break;
	case 'e':
		o->command = arg;
		o->client = true;
		break;
	case 'g':
		o->gid = arg;
		break;
	case 'u':
		o->uid = arg;
		break;
	case 'c':
		o->client = true;
		break;
	case 'h':
		o->help = true;
		break;
	case 'v':
		o->verbose = true;
		break;
	case 'V':
		o->version = true;
		break;
	case OPT_CHECK_CONFIG:
		o->check_config = true;
		break;
	case OPT_SUPERVISED:
		o->supervised = true;
		break;
	case OPT_DISABLE_SYSLOG:
		o->disable_syslog = true;
		break;
	case OPT_LOG_TIMESTAMPS:
		o->log_timestamps = true;
		break;
	case OPT_STRUCTURED:
		o->structured = strcasecmp(arg, "true") == 0;
		break;
	case OPT_STRUCTURED_BACKEND:
		return set_backend(o, arg, err);
	case OPT_STRICT:
		o->strict = true;
		break;
	}
	return 0;
}

/* getopt's own messages are not sentences an operator can act on: say which word, and what is near.
 */
static int refuse(enum program program, char **argv, int result, struct err *err)
{
	const char *word = argv[optind - 1];
	const char *names[ARRAY_LEN(option_rows)];
	const char *near = NULL;
	unsigned n = 0;

	if (result == ':')
		return err_set(err, "option '%s' needs a value", word);
	for (unsigned i = 0; i < option_row_count; i++)
		if (program == PROGRAM_DAEMON || option_rows[i].in_console)
			names[n++] = option_rows[i].name;
	if (strncmp(word, "--", 2) == 0)
		near = err_nearest(word + 2, names, n);
	else if (optopt != 0 && optopt < 256)
		return err_set(err, "unknown option '-%c'", optopt);
	return err_set(err, "unknown option '%s'%s%s%s", word, near ? " (did you mean '--" : "",
		       near ? near : "", near ? "'?)" : "");
}

int options_parse(enum program program, int argc, char **argv, struct options *o, struct err *err)
{
	struct option longs[ARRAY_LEN(option_rows) + 1] = {0};
	char shorts[2 * ARRAY_LEN(option_rows) + 2] = ":";
	unsigned n = 0;
	int value, rc;

	*o = (struct options){.structured = true, .client = program == PROGRAM_CONSOLE};
	for (unsigned i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];

		if (program == PROGRAM_CONSOLE && !row->in_console)
			continue;
		longs[n].name = row->name;
		longs[n].has_arg = row->value ? required_argument : no_argument;
		longs[n++].val = option_value(row);
		if (row->letter) {
			size_t len = strlen(shorts);

			shorts[len++] = row->letter;
			if (row->value)
				shorts[len] = ':';
		}
	}
	optind = 0; /* getopt starts afresh, so that tests may call again */
	opterr = 0;
	while ((value = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		rc = value == '?' || value == ':' ? refuse(program, argv, value, err)
						  : take(o, value, optarg, err);
		if (rc < 0) {
			options_fini(o);
			return rc;
		}
	}
	for (int i = optind; i < argc; i++)
		words_add(&o->positional, argv[i]);
	return 0;
}

void options_fini(struct options *o)
{
	free(o->acl.list);
	free(o->local.list);
	free(o->positional.list);
	o->acl.list = o->local.list = o->positional.list = NULL;
}

/* Breaks text at spaces into lines of width, the later ones behind indent spaces. */
static void print_wrapped(FILE *out, const char *text, int indent, int width)
{
	int column = indent;

	while (*text) {
		int word = (int)strcspn(text, " ");

		if (column > indent && column + 1 + word > width) {
			fprintf(out, "\n%*s", indent, "");
			column = indent;
		} else if (column > indent) {
			fputc(' ', out);
			column++;
		}
		fprintf(out, "%.*s", word, text);
		column += word;
		text += word;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

void options_usage(enum program program, FILE *out)
{
	if (program == PROGRAM_DAEMON)
		fputs("Syntax: dnsdist [OPTION]... [SERVER]...\n"
		      "        dnsdist -c [ADDRESS[:PORT]] [-k KEY] [-e COMMAND]\n\n",
		      out);
	else
		fputs("Syntax: dnsdist-console [OPTION]... [ADDRESS[:PORT]]\n\n", out);
	for (unsigned i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];
		char left[64];
		int len;

		if (program == PROGRAM_CONSOLE && !row->in_console)
			continue;
		len = snprintf(left, sizeof(left), "%c%c%s--%s%s%s", row->letter ? '-' : ' ',
			       row->letter ? row->letter : ' ', row->letter ? ", " : "  ",
			       row->name, row->value ? " " : "", row->value ? row->value : "");
		fprintf(out, "%s%*s", left, len < 28 ? 28 - len : 0, "");
		if (len >= 28)
			fprintf(out, "\n%*s", 28, "");
		print_wrapped(out, row->help, 28, 96);
	}
}
