/* Selectors on a number of the question or of the header: each is a key, either way. */
#include "rules/registry.h"

struct number {
	uint16_t value;
};

static int number_init(void *state, const struct arg *argv, struct err *err)
{
	struct number *s = state;

	s->value = (uint16_t)argv[0].integer;
	return 0;
}

/* What stands in the question that the query came with; 0 without a question. */
static bool qtype_match(const void *state, struct rule_run *run)
{
	const struct number *s = state;
	const struct question *q = &run->q->question;

	return q->name_len != 0 && q->qtype == s->value;
}

static bool qclass_match(const void *state, struct rule_run *run)
{
	const struct number *s = state;
	const struct question *q = &run->q->question;

	return q->name_len != 0 && q->qclass == s->value;
}

/* Without a question there is no 0, though the key says so: then 0 does not tell. */
static bool question_keys(const struct number *s, enum key_value of, bool negated,
			  struct key_list *out)
{
	return !(negated && s->value == 0) && keys_add_value(out, of, s->value, negated);
}

static bool qtype_keys(const void *state, bool negated, struct key_list *out)
{
	return question_keys(state, VALUE_QTYPE, negated, out);
}

static bool qclass_keys(const void *state, bool negated, struct key_list *out)
{
	return question_keys(state, VALUE_QCLASS, negated, out);
}

static void qtype_text(const void *state, FILE *out)
{
	const struct number *s = state;
	char text[16];

	fprintf(out, "qtype==%s", type_text(s->value, text));
}

static void qclass_text(const void *state, FILE *out)
{
	const struct number *s = state;

	fprintf(out, "qclass==%u", s->value);
}

static bool opcode_match(const void *state, struct rule_run *run)
{
	const struct number *s = state;

	return (msg_flags(run->msg) & DNS_OPCODE_MASK) >> DNS_OPCODE_SHIFT == s->value;
}

static bool opcode_keys(const void *state, bool negated, struct key_list *out)
{
	const struct number *s = state;

	return keys_add_value(out, VALUE_OPCODE, s->value, negated);
}

static void opcode_text(const void *state, FILE *out)
{
	const struct number *s = state;

	fprintf(out, "opcode==%u", s->value);
}

static bool rcode_match(const void *state, struct rule_run *run)
{
	const struct number *s = state;

	return (msg_flags(run->msg) & DNS_RCODE_MASK) == s->value;
}

static bool rcode_keys(const void *state, bool negated, struct key_list *out)
{
	const struct number *s = state;

	return keys_add_value(out, VALUE_RCODE, s->value, negated);
}

static void rcode_rule_text(const void *state, FILE *out)
{
	const struct number *s = state;
	char text[24];

	fprintf(out, "rcode==%s", rcode_text(s->value, text));
}

static bool rd_match(const void *state, struct rule_run *run)
{
	return (msg_flags(run->msg) & DNS_RD) != 0;
}

static bool rd_keys(const void *state, bool negated, struct key_list *out)
{
	return keys_add_value(out, VALUE_RD, 1, negated);
}

static void rd_text(const void *state, FILE *out)
{
	fputs("rd==1", out);
}

static const struct arg_spec no_args[] = {{NULL, ARG_END, 0, 0, 0, NULL}};

static const struct arg_spec qtype_args[] = {
	{"qtype", ARG_TYPE, 0, 0, UINT16_MAX, NULL},
	{NULL, ARG_END, 0, 0, 0, NULL},
};

static const struct arg_spec qclass_args[] = {
	{"qclass", ARG_INT, 0, 0, UINT16_MAX, NULL},
	{NULL, ARG_END, 0, 0, 0, NULL},
};

static const struct arg_spec opcode_args[] = {
	{"code", ARG_INT, 0, 0, UINT8_MAX, NULL},
	{NULL, ARG_END, 0, 0, 0, NULL},
};

static const struct arg_spec rcode_args[] = {
	{"rcode", ARG_RCODE, 0, 0, UINT8_MAX, NULL},
	{NULL, ARG_END, 0, 0, 0, NULL},
};

const struct selector_type question_selectors[] = {
	{.name = "QTypeRule",
	 .args = qtype_args,
	 .help = "the question is for this type",
	 .state_size = sizeof(struct number),
	 .init = number_init,
	 .match = qtype_match,
	 .text = qtype_text,
	 .keys = qtype_keys},
	{.name = "QClassRule",
	 .args = qclass_args,
	 .help = "the question is of this class",
	 .state_size = sizeof(struct number),
	 .init = number_init,
	 .match = qclass_match,
	 .text = qclass_text,
	 .keys = qclass_keys},
	{.name = "OpcodeRule",
	 .args = opcode_args,
	 .help = "the header has this opcode",
	 .state_size = sizeof(struct number),
	 .init = number_init,
	 .match = opcode_match,
	 .text = opcode_text,
	 .keys = opcode_keys},
	{.name = "RCodeRule",
	 .args = rcode_args,
	 .help = "the header has this rcode, without the upper bits of EDNS",
	 .state_size = sizeof(struct number),
	 .init = number_init,
	 .match = rcode_match,
	 .text = rcode_rule_text,
	 .keys = rcode_keys},
	{.name = "RDRule",
	 .args = no_args,
	 .help = "recursion is desired: RD is set in the header",
	 .match = rd_match,
	 .text = rd_text,
	 .keys = rd_keys},
	{.name = NULL},
};
