/* Actions that put EDNS options into queries and answers. */
#include <stdlib.h>
#include <string.h>

#include "core/dns/option.h"
#include "core/mem.h"
#include "core/settings.h"
#include "rules/edns.h"
#include "rules/registry.h"

struct fixed_option {
	struct option o; /* its data is owned */
};

static const struct arg_spec option_args[] = {
	{"option", ARG_INT, 0, 0, UINT16_MAX, NULL},
	{"data", ARG_TEXT, 0, 0, 0, NULL},
	{.name = NULL},
};

static int option_init(void *state, const struct arg *argv, struct err *err)
{
	struct fixed_option *f = state;
	uint8_t *data;

	if (argv[1].len > EDNS_OPTION_MAX)
		return err_set(err, "data can't be longer than %d octets, this has %zu",
			       EDNS_OPTION_MAX, argv[1].len);
	data = mem_alloc(argv[1].len + 1);
	memcpy(data, argv[1].text, argv[1].len);
	f->o = (struct option){(uint16_t)argv[0].integer, (uint16_t)argv[1].len, data};
	return 0;
}

static void option_fini(void *state)
{
	struct fixed_option *f = state;

	free((void *)f->o.data);
}

static enum verdict set_option(void *state, struct rule_run *run)
{
	const struct fixed_option *f = state;

	run_put_option(run, &f->o);
	return VERDICT_NEXT;
}

static void option_text(const void *state, FILE *out)
{
	const struct fixed_option *f = state;

	fprintf(out, "add EDNS Option (code=%u)", f->o.code);
}

static void option_response_text(const void *state, FILE *out)
{
	const struct fixed_option *f = state;

	fprintf(out, "add EDNS Option to response (code=%u)", f->o.code);
}

struct extended_error {
	uint16_t code;
	bool clear;
	char *text;
	size_t len;
};

static const struct arg_spec error_args[] = {
	{"infoCode", ARG_INT, 0, 0, UINT16_MAX, NULL},
	{"extraText", ARG_TEXT, ARG_OPTIONAL, 0, 0, NULL},
	{"clearExistingEntries", ARG_BOOL, ARG_OPTIONAL, 0, 0, NULL},
	{.name = NULL},
};

static int error_init(void *state, const struct arg *argv, struct err *err)
{
	struct extended_error *e = state;
	size_t len = argv[1].given ? argv[1].len : 0;

	if (len > ERROR_TEXT_MAX)
		return err_set(err, "extraText can't be longer than %d octets, this has %zu",
			       ERROR_TEXT_MAX, len);
	e->code = (uint16_t)argv[0].integer;
	e->clear = !argv[2].given || argv[2].boolean;
	e->len = len;
	e->text = mem_textdup(argv[1].text, len);
	return 0;
}

static void error_fini(void *state)
{
	struct extended_error *e = state;

	free(e->text);
}

static enum verdict set_error(void *state, struct rule_run *run)
{
	const struct extended_error *e = state;

	error_set(run->extras, run->q, e->code, e->text, e->len, e->clear);
	return VERDICT_NEXT;
}

static void error_text(const void *state, FILE *out)
{
	const struct extended_error *e = state;

	fprintf(out, "set EDNS Extended DNS Error to %u", e->code);
	if (e->len > 0)
		fprintf(out, ": \"%s\"", e->text);
}

const struct action_type edns_actions[] = {
	{.name = "SetEDNSOptionAction",
	 .args = option_args,
	 .help = "puts an EDNS option into the query, in place of those with its code",
	 .state_size = sizeof(struct fixed_option),
	 .init = option_init,
	 .fini = option_fini,
	 .run = set_option,
	 .text = option_text},
	{.name = "SetEDNSOptionResponseAction",
	 .is_response = true,
	 .args = option_args,
	 .help = "puts an EDNS option into the answer, if the client uses EDNS",
	 .state_size = sizeof(struct fixed_option),
	 .init = option_init,
	 .fini = option_fini,
	 .run = set_option,
	 .text = option_response_text},
	{.name = "SetExtendedDNSErrorAction",
	 .args = error_args,
	 .help = "puts an extended error (RFC 8914) into the answer, if the client uses EDNS",
	 .state_size = sizeof(struct extended_error),
	 .init = error_init,
	 .fini = error_fini,
	 .run = set_error,
	 .text = error_text},
	{.name = "SetExtendedDNSErrorResponseAction",
	 .is_response = true,
	 .args = error_args,
	 .help = "puts an extended error (RFC 8914) into the answer, if the client uses EDNS",
	 .state_size = sizeof(struct extended_error),
	 .init = error_init,
	 .fini = error_fini,
	 .run = set_error,
	 .text = error_text},
	{.name = NULL},
};
