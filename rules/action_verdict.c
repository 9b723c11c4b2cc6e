/* Actions that decide about the whole query and touch nothing of it. */
#include "rules/registry.h"

static const struct arg_spec no_args[] = {{NULL, ARG_END, 0, 0, 0, NULL}};

static enum verdict next(void *state, struct rule_run *run)
{
	return VERDICT_NEXT;
}

static enum verdict stop(void *state, struct rule_run *run)
{
	return VERDICT_STOP;
}

/* Only queries count as dropped by a rule. */
static enum verdict drop(void *state, struct rule_run *run)
{
	if (!run->is_response)
		stat_inc(run->stats, STAT_RULE_DROP);
	return VERDICT_DROP;
}

static void none_text(const void *state, FILE *out)
{
	fputs("no op", out);
}

static void allow_text(const void *state, FILE *out)
{
	fputs("allow", out);
}

static void drop_text(const void *state, FILE *out)
{
	fputs("drop", out);
}

const struct action_type verdict_actions[] = {
	{.name = "NoneAction",
	 .args = no_args,
	 .help = "does nothing but count",
	 .run = next,
	 .text = none_text},
	{.name = "AllowAction",
	 .args = no_args,
	 .help = "lets the query pass: no later rule is looked at",
	 .run = stop,
	 .text = allow_text},
	{.name = "DropAction",
	 .args = no_args,
	 .help = "drops the query; over TCP the connection is closed",
	 .run = drop,
	 .text = drop_text},
	{.name = "AllowResponseAction",
	 .is_response = true,
	 .args = no_args,
	 .help = "lets the answer pass: no later rule is looked at",
	 .run = stop,
	 .text = allow_text},
	{.name = "DropResponseAction",
	 .is_response = true,
	 .args = no_args,
	 .help = "drops the answer; over TCP the connection is closed",
	 .run = drop,
	 .text = drop_text},
	{.name = NULL},
};
