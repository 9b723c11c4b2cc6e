/* Selectors on the name that is asked for, one by one. Sets of names are in select_names.c. */
#include "rules/registry.h"

struct qname {
	uint8_t len;
	uint8_t name[DNS_NAME_MAX];
};

static int qname_init(void *state, const struct arg *argv, struct err *err)
{
	struct qname *s = state;

	if (argv[0].name_len == 0)
		return err_set(err, "qname is a DNSName without a name");
	s->len = (uint8_t)argv[0].name_len;
	memcpy(s->name, argv[0].name, s->len);
	return 0;
}

static bool qname_match(const void *state, struct rule_run *run)
{
	const struct qname *s = state;
	const struct query *q = run->q;

	return q->question.name_len == s->len &&
	       name_equal(q->packet + DNS_HEADER_LEN, s->name, s->len);
}

static void qname_text(const void *state, FILE *out)
{
	const struct qname *s = state;
	char text[DNS_NAME_TEXT_MAX];

	fprintf(out, "qname==%s", name_text(s->name, s->len, text));
}

static bool qname_keys(const void *state, bool negated, struct key_list *out)
{
	const struct qname *s = state;

	return !negated && keys_add_name(out, s->name, s->len, false);
}

/* Sizes of names that are outside of least … most. */
struct outside {
	uint32_t least, most;
};

static int outside_init(void *state, const struct arg *argv, struct err *err)
{
	struct outside *s = state;

	s->least = (uint32_t)argv[0].integer;
	s->most = (uint32_t)argv[1].integer;
	return 0;
}

static bool is_outside(const struct outside *s, uint32_t n)
{
	return n < s->least || n > s->most;
}

static bool labels_match(const void *state, struct rule_run *run)
{
	const struct query *q = run->q;

	return q->question.name_len != 0 &&
	       is_outside(state, name_labels(q->packet + DNS_HEADER_LEN));
}

static bool wire_len_match(const void *state, struct rule_run *run)
{
	const struct query *q = run->q;

	return q->question.name_len != 0 && is_outside(state, q->question.name_len);
}

static void labels_text(const void *state, FILE *out)
{
	const struct outside *s = state;

	fprintf(out, "labels count < %u || labels count > %u", s->least, s->most);
}

static void wire_len_text(const void *state, FILE *out)
{
	const struct outside *s = state;

	fprintf(out, "wire length < %u || wire length > %u", s->least, s->most);
}

/*
 * Each number that matches is a key: a rule against names with too many labels is then no candidate
 * for the others. A query without a question has the number 0, and never matches.
 */
static bool outside_keys(const struct outside *s, bool negated, enum key_value of, uint32_t most,
			 struct key_list *out)
{
	for (uint32_t n = 0; n <= most; n++) {
		bool is_key = is_outside(s, n) != negated || (negated && n == 0);

		if (is_key && !keys_add_value(out, of, n, false))
			return false;
	}
	return true;
}

static bool labels_keys(const void *state, bool negated, struct key_list *out)
{
	return outside_keys(state, negated, VALUE_LABELS, SUFFIX_DEPTHS - 1, out);
}

static bool wire_len_keys(const void *state, bool negated, struct key_list *out)
{
	return outside_keys(state, negated, VALUE_NAME_LEN, DNS_NAME_MAX, out);
}

static const struct arg_spec qname_args[] = {
	{"qname", ARG_NAME, 0, 0, 0, NULL},
	{NULL, ARG_END, 0, 0, 0, NULL},
};

static const struct arg_spec outside_args[] = {
	{"min", ARG_INT, 0, 0, UINT32_MAX, NULL},
	{"max", ARG_INT, 0, 0, UINT32_MAX, NULL},
	{NULL, ARG_END, 0, 0, 0, NULL},
};

#define WIRE_LENGTH_ROW(spelling)                                                          \
	{                                                                                  \
		.name = spelling, .args = outside_args,                                    \
		.help = "the name has fewer than min or more than max octets on the wire", \
		.state_size = sizeof(struct outside), .init = outside_init,                \
		.match = wire_len_match, .text = wire_len_text, .keys = wire_len_keys,     \
	}

const struct selector_type name_selectors[] = {
	{.name = "QNameRule",
	 .args = qname_args,
	 .help = "the name is this one",
	 .state_size = sizeof(struct qname),
	 .init = qname_init,
	 .match = qname_match,
	 .text = qname_text,
	 .keys = qname_keys},
	{.name = "QNameLabelsCountRule",
	 .args = outside_args,
	 .help = "the name has fewer than min or more than max labels",
	 .state_size = sizeof(struct outside),
	 .init = outside_init,
	 .match = labels_match,
	 .text = labels_text,
	 .keys = labels_keys},
	WIRE_LENGTH_ROW("QNameWireLengthRule"),
	WIRE_LENGTH_ROW("QNameWirelengthRule"), /* as a widespread example spells it */
	{.name = NULL},
};
