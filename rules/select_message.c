/* Selectors on the message as a whole: its size, and what its header and its records say. */
#include "core/dns/inspect.h"
#include "rules/choice.h"
#include "rules/registry.h"

enum comparison { EQUAL, GREATER, GREATER_OR_EQUAL, SMALLER, SMALLER_OR_EQUAL };

static const char *const comparisons[] = {
	[EQUAL] = "equal",
	[GREATER] = "greater",
	[GREATER_OR_EQUAL] = "greaterOrEqual",
	[SMALLER] = "smaller",
	[SMALLER_OR_EQUAL] = "smallerOrEqual",
};

static const char *const comparison_texts[] = {
	[EQUAL] = "equal to",
	[GREATER] = "greater than",
	[GREATER_OR_EQUAL] = "equal to or greater than",
	[SMALLER] = "smaller than",
	[SMALLER_OR_EQUAL] = "equal to or smaller than",
};

struct size {
	uint8_t comparison; /* enum comparison */
	uint16_t size;      /* octets */
};

static int size_init(void *state, const struct arg *argv, struct err *err)
{
	struct size *s = state;
	int comparison =
		choice_of("comparison", argv[0].text, comparisons, ARRAY_LEN(comparisons), err);

	if (comparison < 0)
		return comparison;
	s->comparison = (uint8_t)comparison;
	s->size = (uint16_t)argv[1].integer;
	return 0;
}

static bool size_match(const void *state, struct rule_run *run)
{
	const struct size *s = state;

	switch (s->comparison) {
	case EQUAL:
		return run->len == s->size;
	case GREATER:
		return run->len > s->size;
	case GREATER_OR_EQUAL:
		return run->len >= s->size;
	case SMALLER:
		return run->len < s->size;
	default:
		return run->len <= s->size;
	}
}

static void size_text(const void *state, FILE *out)
{
	const struct size *s = state;

	fprintf(out, "payload size is %s %u", comparison_texts[s->comparison], s->size);
}

/* Of all records in a section, or of those of a type. */
struct count {
	uint8_t section; /* INSPECT_QUESTION … */
	uint16_t type;   /* when it counts */
	uint16_t least, most;
};

static int count_init(void *state, const struct arg *argv, struct err *err)
{
	struct count *s = state;

	s->section = (uint8_t)argv[0].integer;
	s->least = (uint16_t)argv[1].integer;
	s->most = (uint16_t)argv[2].integer;
	return 0;
}

static int type_count_init(void *state, const struct arg *argv, struct err *err)
{
	struct count *s = state;

	s->section = (uint8_t)argv[0].integer;
	s->type = (uint16_t)argv[1].integer;
	s->least = (uint16_t)argv[2].integer;
	s->most = (uint16_t)argv[3].integer;
	return 0;
}

static bool count_match(const void *state, struct rule_run *run)
{
	const struct count *s = state;
	unsigned n = msg_count(run->msg, s->section);

	return n >= s->least && n <= s->most;
}

/* What is malformed has no number of records, not even 0. */
static bool type_count_match(const void *state, struct rule_run *run)
{
	const struct count *s = state;
	int n;

	if (msg_count(run->msg, s->section) < s->least)
		return false;
	n = msg_count_type(run->msg, run->len, run_question(run), s->section, s->type);
	return n >= 0 && n >= s->least && n <= s->most;
}

static const char *const sections[] = {
	[INSPECT_QUESTION] = "QD",
	[INSPECT_ANSWER] = "AN",
	[INSPECT_AUTHORITY] = "NS",
	[INSPECT_ADDITIONAL] = "AR",
};

static void count_text(const void *state, FILE *out)
{
	const struct count *s = state;

	fprintf(out, "%u <= records in %s <= %u", s->least, sections[s->section], s->most);
}

static void type_count_text(const void *state, FILE *out)
{
	const struct count *s = state;
	char text[16];

	fprintf(out, "%u <= %s records in %s <= %u", s->least, type_text(s->type, text),
		sections[s->section], s->most);
}

static bool trailing_match(const void *state, struct rule_run *run)
{
	return msg_has_trailing(run->msg, run->len, run_question(run));
}

static void trailing_text(const void *state, FILE *out)
{
	fputs("trailing data", out);
}

static const struct arg_spec size_args[] = {
	{"comparison", ARG_TEXT, 0, 0, 0, NULL},
	{"size", ARG_INT, 0, 0, UINT16_MAX, NULL},
	{NULL, ARG_END, 0, 0, 0, NULL},
};

static const struct arg_spec count_args[] = {
	{"section", ARG_INT, 0, 0, INSPECT_END - 1, NULL},
	{"minCount", ARG_INT, 0, 0, UINT16_MAX, NULL},
	{"maxCount", ARG_INT, 0, 0, UINT16_MAX, NULL},
	{NULL, ARG_END, 0, 0, 0, NULL},
};

static const struct arg_spec type_count_args[] = {
	{"section", ARG_INT, 0, 0, INSPECT_END - 1, NULL},
	{"qtype", ARG_TYPE, 0, 0, UINT16_MAX, NULL},
	{"minCount", ARG_INT, 0, 0, UINT16_MAX, NULL},
	{"maxCount", ARG_INT, 0, 0, UINT16_MAX, NULL},
	{NULL, ARG_END, 0, 0, 0, NULL},
};

static const struct arg_spec no_args[] = {{NULL, ARG_END, 0, 0, 0, NULL}};

const struct selector_type message_selectors[] = {
	{.name = "PayloadSizeRule",
	 .args = size_args,
	 .help = "the message's octets are equal, greater, greaterOrEqual, smaller or "
		 "smallerOrEqual to size",
	 .state_size = sizeof(struct size),
	 .init = size_init,
	 .match = size_match,
	 .text = size_text},
	{.name = "RecordsCountRule",
	 .args = count_args,
	 .help = "the header counts minCount to maxCount records in the section, 0 (question) to "
		 "3 (additional)",
	 .state_size = sizeof(struct count),
	 .init = count_init,
	 .match = count_match,
	 .text = count_text},
	{.name = "RecordsTypeCountRule",
	 .args = type_count_args,
	 .help = "there are minCount to maxCount records of the type in the section, 0 (question) "
		 "to 3 (additional)",
	 .state_size = sizeof(struct count),
	 .init = type_count_init,
	 .match = type_count_match,
	 .text = type_count_text},
	{.name = "TrailingDataRule",
	 .args = no_args,
	 .help = "octets follow the end of the message",
	 .match = trailing_match,
	 .text = trailing_text},
	{.name = NULL},
};
