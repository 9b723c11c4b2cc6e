/* Actions that answer a query, or empty an answer, without records of their own. */
#include <stdlib.h>

#include "core/dns/spoof.h"
#include "core/mem.h"
#include "rules/answer_form.h"
#include "rules/registry.h"

/* Turns the message of the run into an answer without records, in its place. */
static void answer_empty(struct rule_run *run, unsigned rcode, const struct answer_bits *bits)
{
	struct answer_form form = answer_form(run, bits);
	size_t len =
		msg_answer_empty(run->msg, run->len, run->cap, run_question(run), rcode, &form);

	run_answered(run, run->msg, len, run->cap);
}

struct rcode {
	unsigned rcode;
	struct answer_bits bits;
};

static const struct arg_spec rcode_args[] = {
	{"rcode", ARG_RCODE, 0, 0, 15, NULL},
	ANSWER_BIT_ARGS,
	{.name = NULL},
};

/* Of the larger ones the upper bits are in OPT. */
static const struct arg_spec ercode_args[] = {
	{"rcode", ARG_RCODE, 0, 0, 255, NULL},
	ANSWER_BIT_ARGS,
	{.name = NULL},
};

static int rcode_init(void *state, const struct arg *argv, struct err *err)
{
	struct rcode *r = state;

	r->rcode = (unsigned)argv[0].integer;
	answer_bits_init(&r->bits, argv + 1);
	return 0;
}

static enum verdict rcode(void *state, struct rule_run *run)
{
	const struct rcode *r = state;

	answer_empty(run, r->rcode, &r->bits);
	return VERDICT_STOP;
}

static void rcode_text_of(const void *state, FILE *out)
{
	const struct rcode *r = state;

	fprintf(out, "set rcode %u", r->rcode);
}

static void ercode_text_of(const void *state, FILE *out)
{
	const struct rcode *r = state;
	char text[24];

	fprintf(out, "set ercode %s", rcode_text(r->rcode, text));
}

static const struct arg_spec no_args[] = {{.name = NULL}};

/* Over streams there is nothing that a longer answer would not fit in. */
static enum verdict cut(void *state, struct rule_run *run)
{
	static const struct answer_bits usual;

	if (run->q->client_proto != PROTO_UDP)
		return VERDICT_NEXT;
	stat_inc(run->stats, STAT_RULE_TRUNCATED);
	answer_empty(run, RCODE_NOERROR, &usual);
	msg_set_flags(run->msg, (uint16_t)(msg_flags(run->msg) | DNS_TC));
	return VERDICT_STOP;
}

static enum verdict cut_response(void *state, struct rule_run *run)
{
	if (run->q->client_proto != PROTO_UDP)
		return VERDICT_NEXT;
	stat_inc(run->stats, STAT_RULE_TRUNCATED);
	run_edited(run, msg_truncate(run->msg, run->len, run_question(run), run_opt(run)));
	return VERDICT_STOP;
}

static void cut_text(const void *state, FILE *out)
{
	fputs("tc=1 answer", out);
}

struct negative {
	unsigned rcode;
	enum section section;
	struct answer_bits bits;
	uint32_t ttl_s;
	uint8_t zone[DNS_NAME_MAX];
	size_t zone_len, soa_len;
	uint8_t soa[SOA_RDATA_MAX];
};

enum { NEG_NXD, NEG_ZONE, NEG_TTL, NEG_MNAME, NEG_RNAME, NEG_SERIAL, NEG_SECTION = 10, NEG_BITS };

static const struct arg_spec negative_args[] = {
	{"nxd", ARG_BOOL, 0, 0, 0, NULL},
	{"zone", ARG_NAME, 0, 0, 0, NULL},
	{"ttl", ARG_INT, 0, 0, INT32_MAX, NULL},
	{"mname", ARG_NAME, 0, 0, 0, NULL},
	{"rname", ARG_NAME, 0, 0, 0, NULL},
	{"serial", ARG_INT, 0, 0, UINT32_MAX, NULL},
	{"refresh", ARG_INT, 0, 0, UINT32_MAX, NULL},
	{"retry", ARG_INT, 0, 0, UINT32_MAX, NULL},
	{"expire", ARG_INT, 0, 0, UINT32_MAX, NULL},
	{"minimum", ARG_INT, 0, 0, UINT32_MAX, NULL},
	{"soaInAuthoritySection", ARG_BOOL, ARG_OPTION, 0, 0,
	 "the SOA record stands in the authority section, by default in the additional one"},
	ANSWER_BIT_ARGS,
	{.name = NULL},
};

static int negative_init(void *state, const struct arg *argv, struct err *err)
{
	struct negative *n = state;
	const struct arg *times = argv + NEG_SERIAL, *section = &argv[NEG_SECTION];
	struct soa_times t = {
		.serial = (uint32_t)times[0].integer,
		.refresh_s = (uint32_t)times[1].integer,
		.retry_s = (uint32_t)times[2].integer,
		.expire_s = (uint32_t)times[3].integer,
		.minimum_s = (uint32_t)times[4].integer,
	};

	n->rcode = argv[NEG_NXD].boolean ? RCODE_NXDOMAIN : RCODE_NOERROR;
	n->section = section->given && section->boolean ? SECTION_AUTHORITY : SECTION_ADDITIONAL;
	n->ttl_s = (uint32_t)argv[NEG_TTL].integer;
	n->zone_len = argv[NEG_ZONE].name_len;
	memcpy(n->zone, argv[NEG_ZONE].name, n->zone_len);
	n->soa_len = soa_rdata(n->soa, argv[NEG_MNAME].name, argv[NEG_MNAME].name_len,
			       argv[NEG_RNAME].name, argv[NEG_RNAME].name_len, &t);
	answer_bits_init(&n->bits, argv + NEG_BITS);
	return 0;
}

static enum verdict negative(void *state, struct rule_run *run)
{
	const struct negative *n = state;
	struct answer_form form = answer_form(run, &n->bits);
	struct answer_record soa = {n->zone, n->zone_len, TYPE_SOA, n->ttl_s, n->soa, n->soa_len};
	size_t cap, len;
	uint8_t *room = run->services->room(run->w, &cap);

	len = msg_spoof_negative(room, cap, run->msg, run_question(run), &form, n->rcode,
				 n->section, &soa);
	if (len == 0)
		return VERDICT_NEXT;
	run_answered(run, room, len, cap);
	return VERDICT_STOP;
}

static void negative_text(const void *state, FILE *out)
{
	const struct negative *n = state;

	fprintf(out, "%s with SOA", n->rcode == RCODE_NXDOMAIN ? "NXD" : "NODATA");
}

const struct action_type answer_actions[] = {
	{.name = "RCodeAction",
	 .args = rcode_args,
	 .help = "answers with this rcode and no records",
	 .state_size = sizeof(struct rcode),
	 .init = rcode_init,
	 .run = rcode,
	 .text = rcode_text_of},
	{.name = "ERCodeAction",
	 .args = ercode_args,
	 .help = "answers with this extended rcode, whose upper bits only clients with EDNS see",
	 .state_size = sizeof(struct rcode),
	 .init = rcode_init,
	 .run = rcode,
	 .text = ercode_text_of},
	{.name = "TCAction",
	 .args = no_args,
	 .help = "answers with TC set, so that the client comes again over TCP",
	 .run = cut,
	 .text = cut_text},
	{.name = "TCResponseAction",
	 .is_response = true,
	 .args = no_args,
	 .help = "takes the records out of the answer and sets TC, over UDP",
	 .run = cut_response,
	 .text = cut_text},
	{.name = "NegativeAndSOAAction",
	 .args = negative_args,
	 .help = "answers that the name, or only the type, does not exist, with an SOA record",
	 .state_size = sizeof(struct negative),
	 .init = negative_init,
	 .run = negative,
	 .text = negative_text},
	{.name = NULL},
};
