/* Selectors on the OPT record. A message without one, or malformed, has no EDNS. */
#include "rules/registry.h"

struct edns {
	uint16_t value;
};

static int edns_init(void *state, const struct arg *argv, struct err *err)
{
	struct edns *s = state;

	s->value = (uint16_t)argv[0].integer;
	return 0;
}

static bool dnssec_match(const void *state, struct rule_run *run)
{
	return (msg_flags(run->msg) & DNS_CD) != 0 || run_opt(run)->dnssec_ok;
}

static void dnssec_text(const void *state, FILE *out)
{
	fputs("DNSSEC", out);
}

static bool option_match(const void *state, struct rule_run *run)
{
	const struct edns *s = state;
	uint16_t len;

	return opt_find(run->msg, run_opt(run), s->value, &len) != NULL;
}

static void option_text(const void *state, FILE *out)
{
	const struct edns *s = state;

	fprintf(out, "ednsoptcode==%u", s->value);
}

static bool version_match(const void *state, struct rule_run *run)
{
	const struct edns *s = state;
	const struct opt *opt = run_opt(run);

	return opt->at != 0 && opt->version > s->value;
}

static void version_text(const void *state, FILE *out)
{
	const struct edns *s = state;

	fprintf(out, "ednsversion>%u", s->value);
}

/* Without OPT there are no upper bits, not even zeroes. */
static bool ercode_match(const void *state, struct rule_run *run)
{
	const struct edns *s = state;
	const struct opt *opt;

	if ((msg_flags(run->msg) & DNS_RCODE_MASK) != (s->value & DNS_RCODE_MASK))
		return false;
	opt = run_opt(run);
	return opt->at != 0 && opt->ext_rcode == s->value >> 4;
}

/* The lower bits say where it may match; that they differ is not needed for no match. */
static bool ercode_keys(const void *state, bool negated, struct key_list *out)
{
	const struct edns *s = state;

	return !negated && keys_add_value(out, VALUE_RCODE, s->value & DNS_RCODE_MASK, false);
}

static void ercode_text(const void *state, FILE *out)
{
	const struct edns *s = state;
	char text[24];

	fprintf(out, "ercode==%s", rcode_text(s->value, text));
}

static const struct arg_spec no_args[] = {{NULL, ARG_END, 0, 0, 0, NULL}};

static const struct arg_spec option_args[] = {
	{"optcode", ARG_INT, 0, 0, UINT16_MAX, NULL},
	{NULL, ARG_END, 0, 0, 0, NULL},
};

static const struct arg_spec version_args[] = {
	{"version", ARG_INT, 0, 0, UINT8_MAX, NULL},
	{NULL, ARG_END, 0, 0, 0, NULL},
};

static const struct arg_spec ercode_args[] = {
	{"rcode", ARG_RCODE, 0, 0, UINT8_MAX, NULL},
	{NULL, ARG_END, 0, 0, 0, NULL},
};

const struct selector_type edns_selectors[] = {
	{.name = "DNSSECRule",
	 .args = no_args,
	 .help = "DO is set in the OPT record, or CD in the header",
	 .match = dnssec_match,
	 .text = dnssec_text},
	{.name = "EDNSOptionRule",
	 .args = option_args,
	 .help = "the OPT record has an option of this code",
	 .state_size = sizeof(struct edns),
	 .init = edns_init,
	 .match = option_match,
	 .text = option_text},
	{.name = "EDNSVersionRule",
	 .args = version_args,
	 .help = "the EDNS version is above this one",
	 .state_size = sizeof(struct edns),
	 .init = edns_init,
	 .match = version_match,
	 .text = version_text},
	{.name = "ERCodeRule",
	 .args = ercode_args,
	 .help = "the rcode with its upper bits from the OPT record is this one",
	 .state_size = sizeof(struct edns),
	 .init = edns_init,
	 .match = ercode_match,
	 .text = ercode_text,
	 .keys = ercode_keys},
	{.name = NULL},
};
