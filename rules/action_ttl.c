/*
 * Actions that edit TTLs in answers, or say what TTL counts. No key of a chain's index is about
 * TTLs, and lengths stay, so that none of these edits is told to the driver.
 */
#include <stdlib.h>

#include "core/dns/ttl.h"
#include "core/mem.h"
#include "rules/registry.h"

struct limit {
	uint32_t min_s, max_s; /* 0: none */
	struct type_set types; /* owned; empty: all */
};

static const struct arg_spec limit_args[] = {
	{"min", ARG_INT, 0, 0, UINT32_MAX, NULL},
	{"max", ARG_INT, ARG_OPTIONAL, 0, UINT32_MAX, NULL},
	{"types", ARG_TYPES, ARG_OPTIONAL, 0, 0, NULL},
	{.name = NULL},
};

static const struct arg_spec max_args[] = {
	{"max", ARG_INT, 0, 0, UINT32_MAX, NULL},
	{.name = NULL},
};

static const struct arg_spec min_args[] = {
	{"min", ARG_INT, 0, 0, UINT32_MAX, NULL},
	{.name = NULL},
};

static int limit_init(void *state, const struct arg *argv, struct err *err)
{
	struct limit *l = state;
	const struct arg *types = &argv[2];
	uint16_t *copy;

	l->min_s = (uint32_t)argv[0].integer;
	l->max_s = argv[1].given ? (uint32_t)argv[1].integer : 0;
	if (!types->given || types->n == 0)
		return 0;
	copy = mem_zalloc(types->n, sizeof(*copy));
	for (size_t i = 0; i < types->n; i++)
		copy[i] = (uint16_t)types->list[i].integer;
	l->types.types = copy;
	l->types.n = types->n;
	return 0;
}

static int max_init(void *state, const struct arg *argv, struct err *err)
{
	struct limit *l = state;

	l->max_s = (uint32_t)argv[0].integer;
	return 0;
}

static int min_init(void *state, const struct arg *argv, struct err *err)
{
	struct limit *l = state;

	l->min_s = (uint32_t)argv[0].integer;
	return 0;
}

static void limit_fini(void *state)
{
	struct limit *l = state;

	free((void *)l->types.types);
}

static enum verdict limit(void *state, struct rule_run *run)
{
	const struct limit *l = state;

	msg_limit_ttls(run->msg, run->len, run_question(run), l->min_s, l->max_s, &l->types);
	return VERDICT_NEXT;
}

static void limit_text(const void *state, FILE *out)
{
	const struct limit *l = state;
	char text[16];

	fprintf(out, "limit ttl (%u <= ttl", l->min_s);
	if (l->max_s > 0)
		fprintf(out, " <= %u", l->max_s);
	for (size_t i = 0; i < l->types.n; i++)
		fprintf(out, "%s%s", i == 0 ? ", types " : " ", type_text(l->types.types[i], text));
	fputc(')', out);
}

/* A percentage, a number of seconds. */
struct number {
	uint32_t n;
};

static int number_init(void *state, const struct arg *argv, struct err *err)
{
	struct number *s = state;

	s->n = (uint32_t)argv[0].integer;
	return 0;
}

static const struct arg_spec percent_args[] = {
	{"percentage", ARG_INT, 0, 0, 100, NULL},
	{.name = NULL},
};

static enum verdict reduce(void *state, struct rule_run *run)
{
	const struct number *percent = state;

	msg_reduce_ttls(run->msg, run->len, run_question(run), percent->n);
	return VERDICT_NEXT;
}

static void reduce_text(const void *state, FILE *out)
{
	const struct number *percent = state;

	fprintf(out, "reduce ttl to %u percent of its value", percent->n);
}

static enum verdict cap_returned(void *state, struct rule_run *run)
{
	const struct number *max_s = state;

	query_mark(run->q);
	run->q->has_max_ttl = true;
	run->q->max_ttl_s = max_s->n;
	return VERDICT_NEXT;
}

static void cap_returned_text(const void *state, FILE *out)
{
	const struct number *max_s = state;

	fprintf(out, "cap the TTL of the returned response to %u", max_s->n);
}

static const struct arg_spec ttl_args[] = {
	{"ttl", ARG_INT, 0, 0, UINT32_MAX, NULL},
	{.name = NULL},
};

/* The cache reads the largest number as "as my options say". */
static enum verdict failure_ttl(void *state, struct rule_run *run)
{
	const struct number *ttl_s = state;

	query_mark(run->q);
	run->q->has_temp_failure_ttl = true;
	run->q->temp_failure_ttl_s = ttl_s->n < UINT32_MAX ? ttl_s->n : UINT32_MAX - 1;
	return VERDICT_NEXT;
}

static void failure_ttl_text(const void *state, FILE *out)
{
	const struct number *ttl_s = state;

	fprintf(out, "set tempfailure cache ttl to %u", ttl_s->n);
}

const struct action_type ttl_actions[] = {
	{.name = "LimitTTLResponseAction",
	 .is_response = true,
	 .args = limit_args,
	 .help = "raises TTLs to min and lowers them to max (0: no limit), of all types or these",
	 .state_size = sizeof(struct limit),
	 .init = limit_init,
	 .fini = limit_fini,
	 .run = limit,
	 .text = limit_text},
	{.name = "SetMaxTTLResponseAction",
	 .is_response = true,
	 .args = max_args,
	 .help = "lowers TTLs to max (0: no limit)",
	 .state_size = sizeof(struct limit),
	 .init = max_init,
	 .run = limit,
	 .text = limit_text},
	{.name = "SetMinTTLResponseAction",
	 .is_response = true,
	 .args = min_args,
	 .help = "raises TTLs to min",
	 .state_size = sizeof(struct limit),
	 .init = min_init,
	 .run = limit,
	 .text = limit_text},
	{.name = "SetReducedTTLResponseAction",
	 .is_response = true,
	 .args = percent_args,
	 .help = "makes TTLs this percentage of what they were",
	 .state_size = sizeof(struct number),
	 .init = number_init,
	 .run = reduce,
	 .text = reduce_text},
	{.name = "SetMaxReturnedTTLAction",
	 .args = max_args,
	 .help = "lowers TTLs to max in what the client gets, and not in what the cache keeps",
	 .state_size = sizeof(struct number),
	 .init = number_init,
	 .run = cap_returned,
	 .text = cap_returned_text},
	{.name = "SetMaxReturnedTTLResponseAction",
	 .is_response = true,
	 .args = max_args,
	 .help = "lowers TTLs to max in what the client gets, and not in what the cache keeps",
	 .state_size = sizeof(struct number),
	 .init = number_init,
	 .run = cap_returned,
	 .text = cap_returned_text},
	{.name = "SetTempFailureCacheTTLAction",
	 .args = ttl_args,
	 .help = "how long the cache keeps SERVFAIL and REFUSED; 0: it does not",
	 .state_size = sizeof(struct number),
	 .init = number_init,
	 .run = failure_ttl,
	 .text = failure_ttl_text},
	{.name = NULL},
};
