/* Actions that log queries and answers, to a file or to the log of the process. */
#include "rules/log_sink.h"
#include "core/settings.h"
#include "rules/registry.h"

struct log_action {
	struct log_file *file;
};

static const struct arg_spec query_args[] = {
	{"filename", ARG_TEXT, ARG_OPTIONAL, 0, 0, NULL},
	{"binary", ARG_BOOL, ARG_OPTIONAL, 0, 0, NULL},
	{"append", ARG_BOOL, ARG_OPTIONAL, 0, 0, NULL},
	{"buffered", ARG_BOOL, ARG_OPTIONAL, 0, 0, NULL},
	{"verboseOnly", ARG_BOOL, ARG_OPTIONAL, 0, 0, NULL},
	{"includeTimestamp", ARG_BOOL, ARG_OPTIONAL, 0, 0, NULL},
	{.name = NULL},
};

static const struct arg_spec answer_args[] = {
	{"filename", ARG_TEXT, ARG_OPTIONAL, 0, 0, NULL},
	{"append", ARG_BOOL, ARG_OPTIONAL, 0, 0, NULL},
	{"buffered", ARG_BOOL, ARG_OPTIONAL, 0, 0, NULL},
	{"verboseOnly", ARG_BOOL, ARG_OPTIONAL, 0, 0, NULL},
	{"includeTimestamp", ARG_BOOL, ARG_OPTIONAL, 0, 0, NULL},
	{.name = NULL},
};

static bool or_default(const struct arg *arg, bool otherwise)
{
	return arg->given ? arg->boolean : otherwise;
}

/* more: append and what follows it. */
static int init(struct log_action *a, const struct arg *name, const struct arg *more, bool answers,
		bool binary, struct err *err)
{
	struct log_file_options o = {
		.path = name->given ? name->text : "",
		.answers = answers,
		.binary = binary,
		.append = or_default(&more[0], false),
		.buffered = or_default(&more[1], false),
		.verbose_only = or_default(&more[2], true),
		.timestamps = or_default(&more[3], false),
	};

	a->file = log_file_new(&o, err);
	return a->file != NULL ? 0 : -EINVAL;
}

static int query_init(void *state, const struct arg *argv, struct err *err)
{
	return init(state, &argv[0], argv + 2, false, or_default(&argv[1], true), err);
}

static int answer_init(void *state, const struct arg *argv, struct err *err)
{
	return init(state, &argv[0], argv + 1, true, false, err);
}

static void fini(void *state)
{
	struct log_action *a = state;

	log_file_free(a->file);
}

static void begin(void *state)
{
	struct log_action *a = state;

	log_file_begin(a->file);
}

static enum verdict put(void *state, struct rule_run *run)
{
	const struct log_action *a = state;

	if (log_file_wants(a->file, run->t->settings->verbose))
		log_sink_put(run->log, a->file, run);
	return VERDICT_NEXT;
}

static int reload(void *state, struct err *err)
{
	const struct log_action *a = state;

	return log_file_reload(a->file, err);
}

static void text(const void *state, FILE *out)
{
	const struct log_action *a = state;
	const char *path = log_file_path(a->file);

	fputs(path[0] != '\0' ? "log to " : "log", out);
	fputs(path, out);
}

const struct action_type log_actions[] = {
	{.name = "LogAction",
	 .args = query_args,
	 .help = "logs the query, to a file or to the log",
	 .state_size = sizeof(struct log_action),
	 .init = query_init,
	 .fini = fini,
	 .begin = begin,
	 .run = put,
	 .text = text,
	 .reload = reload},
	{.name = "LogResponseAction",
	 .is_response = true,
	 .args = answer_args,
	 .help = "logs the answer, to a file or to the log",
	 .state_size = sizeof(struct log_action),
	 .init = answer_init,
	 .fini = fini,
	 .begin = begin,
	 .run = put,
	 .text = text,
	 .reload = reload},
	{.name = NULL},
};
