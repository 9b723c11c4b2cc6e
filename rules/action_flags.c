/* Actions that set a flag of the query or of what is done with it. */
#include "rules/registry.h"

static const struct arg_spec no_args[] = {{.name = NULL}};

static void set_flags(struct rule_run *run, uint16_t flags)
{
	if (flags == msg_flags(run->msg))
		return;
	msg_set_flags(run->msg, flags);
	run_edited(run, run->len);
}

/* The client's own bits are put back into the answer. */
static enum verdict no_recurse(void *state, struct rule_run *run)
{
	set_flags(run, (uint16_t)(msg_flags(run->msg) & ~DNS_RD));
	return VERDICT_NEXT;
}

static void no_recurse_text(const void *state, FILE *out)
{
	fputs("set rd=0", out);
}

static enum verdict no_validation(void *state, struct rule_run *run)
{
	set_flags(run, (uint16_t)(msg_flags(run->msg) | DNS_CD));
	return VERDICT_NEXT;
}

static void no_validation_text(const void *state, FILE *out)
{
	fputs("set cd=1", out);
}

static enum verdict skip_cache(void *state, struct rule_run *run)
{
	run->q->skip_cache = true;
	return VERDICT_NEXT;
}

static void skip_cache_text(const void *state, FILE *out)
{
	fputs("skip cache", out);
}

struct delay {
	uint32_t ms;
};

static const struct arg_spec delay_args[] = {
	{"milliseconds", ARG_INT, 0, 0, INT32_MAX, NULL},
	{.name = NULL},
};

static int delay_init(void *state, const struct arg *argv, struct err *err)
{
	struct delay *d = state;

	d->ms = (uint32_t)argv[0].integer;
	return 0;
}

/* The later one counts. */
static enum verdict delay(void *state, struct rule_run *run)
{
	const struct delay *d = state;

	query_mark(run->q);
	run->q->delay_ms = d->ms;
	return VERDICT_NEXT;
}

static void delay_text(const void *state, FILE *out)
{
	const struct delay *d = state;

	fprintf(out, "delay by %u ms", d->ms);
}

const struct action_type flag_actions[] = {
	{.name = "SetNoRecurseAction",
	 .args = no_args,
	 .help = "clears RD in the query; the answer has the client's",
	 .run = no_recurse,
	 .text = no_recurse_text},
	{.name = "SetDisableValidationAction",
	 .args = no_args,
	 .help = "sets CD in the query; the answer has the client's",
	 .run = no_validation,
	 .text = no_validation_text},
	{.name = "SetSkipCacheAction",
	 .args = no_args,
	 .help = "neither looks for the answer in the cache nor keeps it there",
	 .run = skip_cache,
	 .text = skip_cache_text},
	{.name = "SetSkipCacheResponseAction",
	 .is_response = true,
	 .args = no_args,
	 .help = "does not keep the answer in the cache",
	 .run = skip_cache,
	 .text = skip_cache_text},
	{.name = "DelayAction",
	 .args = delay_args,
	 .help = "holds the answer for so many milliseconds, over UDP only",
	 .state_size = sizeof(struct delay),
	 .init = delay_init,
	 .run = delay,
	 .text = delay_text},
	{.name = "DelayResponseAction",
	 .is_response = true,
	 .args = delay_args,
	 .help = "holds the answer for so many milliseconds, over UDP only",
	 .state_size = sizeof(struct delay),
	 .init = delay_init,
	 .run = delay,
	 .text = delay_text},
	{.name = NULL},
};
