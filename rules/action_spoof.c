/* Actions that answer with records of the operator's. They write the answer where the worker has
 * room for any, so that the query stays as it came. */
#include <stdlib.h>

#include "core/dns/spoof.h"
#include "core/mem.h"
#include "core/rand.h"
#include "rules/answer_form.h"
#include "rules/registry.h"
#include "rules/svc.h"

#define SPOOF_TTL_S 60

#define SPOOF_ARGS                                                             \
	ANSWER_BIT_ARGS,                                                       \
	{                                                                      \
		"ttl", ARG_INT, ARG_OPTION, 0, INT32_MAX,                      \
			"seconds that the records are good for, 60 by default" \
	}

struct spoof_common {
	struct answer_bits bits;
	uint32_t ttl_s;
};

static void common_init(struct spoof_common *c, const struct arg *argv)
{
	const struct arg *ttl = &argv[ANSWER_BITS];

	answer_bits_init(&c->bits, argv);
	c->ttl_s = ttl->given ? (uint32_t)ttl->integer : SPOOF_TTL_S;
}

static struct spoof spoof_of(const struct rule_run *run, const struct spoof_common *c)
{
	return (struct spoof){
		.form = answer_form(run, &c->bits),
		.ttl_s = c->ttl_s,
		.below = rand_below,
	};
}

/* Where there is no value that fits the question, the next rule has its turn. */
static enum verdict spoofed(struct rule_run *run, uint8_t *answer, size_t len, size_t cap)
{
	if (len == 0)
		return VERDICT_NEXT;
	run_answered(run, answer, len, cap);
	return VERDICT_STOP;
}

/* Values of the operator, their octets behind them. */
struct values {
	struct spoof_value *list;
	size_t n;
};

static uint8_t *values_alloc(struct values *v, size_t n, size_t octets)
{
	v->list = mem_alloc(n * sizeof(*v->list) + octets + 1);
	v->n = n;
	return (uint8_t *)(v->list + n);
}

static void values_put(struct values *v, size_t i, uint8_t **to, const void *data, size_t len)
{
	memcpy(*to, data, len);
	v->list[i] = (struct spoof_value){*to, (uint16_t)len};
	*to += len;
}

struct spoof_addrs {
	struct spoof_common common;
	struct values addrs;
};

static const struct arg_spec addrs_args[] = {
	{"ip", ARG_ADDRESSES, 0, 0, 0, NULL},
	SPOOF_ARGS,
	{.name = NULL},
};

static int addrs_init(void *state, const struct arg *argv, struct err *err)
{
	struct spoof_addrs *s = state;
	size_t n = argv[0].n;
	uint8_t *to = values_alloc(&s->addrs, n, n * 16);

	for (size_t i = 0; i < n; i++) {
		size_t len;
		const uint8_t *data = addr_bytes(&argv[0].list[i].addr, &len);

		values_put(&s->addrs, i, &to, data, len);
	}
	common_init(&s->common, argv + 1);
	return 0;
}

static void addrs_fini(void *state)
{
	struct spoof_addrs *s = state;

	free(s->addrs.list);
}

static enum verdict spoof_addrs(void *state, struct rule_run *run)
{
	const struct spoof_addrs *s = state;
	struct spoof how = spoof_of(run, &s->common);
	size_t cap;
	uint8_t *room = run->services->room(run->w, &cap);

	return spoofed(run, room,
		       msg_spoof_addrs(room, cap, run->msg, run_question(run), &how, s->addrs.list,
				       s->addrs.n),
		       cap);
}

static void addrs_text(const void *state, FILE *out)
{
	const struct spoof_addrs *s = state;
	char text[ADDR_TEXT_MAX];

	fputs("spoof", out);
	for (size_t i = 0; i < s->addrs.n; i++) {
		const struct spoof_value *v = &s->addrs.list[i];
		struct addr a = {.sa.sa_family = v->len == 4 ? AF_INET : AF_INET6};

		if (v->len == 4)
			memcpy(&a.v4.sin_addr, v->data, 4);
		else
			memcpy(&a.v6.sin6_addr, v->data, 16);
		fprintf(out, " %s %s", v->len == 4 ? "A" : "AAAA", addr_text(&a, text));
	}
}

struct spoof_cname {
	struct spoof_common common;
	size_t len;
	uint8_t target[DNS_NAME_MAX];
};

static const struct arg_spec cname_args[] = {
	{"cname", ARG_NAME, 0, 0, 0, NULL},
	SPOOF_ARGS,
	{.name = NULL},
};

static int cname_init(void *state, const struct arg *argv, struct err *err)
{
	struct spoof_cname *s = state;

	s->len = argv[0].name_len;
	memcpy(s->target, argv[0].name, s->len);
	common_init(&s->common, argv + 1);
	return 0;
}

static enum verdict spoof_cname(void *state, struct rule_run *run)
{
	const struct spoof_cname *s = state;
	struct spoof how = spoof_of(run, &s->common);
	size_t cap;
	uint8_t *room = run->services->room(run->w, &cap);

	return spoofed(
		run, room,
		msg_spoof_cname(room, cap, run->msg, run_question(run), &how, s->target, s->len),
		cap);
}

static void cname_text(const void *state, FILE *out)
{
	const struct spoof_cname *s = state;
	char text[DNS_NAME_TEXT_MAX];

	fprintf(out, "spoof CNAME %s", name_text(s->target, s->len, text));
}

struct spoof_raw {
	struct spoof_common common;
	uint16_t type_for_any;
	struct values values;
};

enum { RAW_VALUES, RAW_TYPE, RAW_COMMON };

static const struct arg_spec raw_args[] = {
	{"raw", ARG_TEXTS, 0, 0, 0, NULL},
	{"typeForAny", ARG_TYPE, ARG_OPTION, 0, 0,
	 "the type of the records where ANY is asked for, by default ANY itself"},
	SPOOF_ARGS,
	{.name = NULL},
};

static int raw_init(void *state, const struct arg *argv, struct err *err)
{
	struct spoof_raw *s = state;
	const struct arg *raw = &argv[RAW_VALUES];
	size_t octets = 0;
	uint8_t *to;

	for (size_t i = 0; i < raw->n; i++) {
		if (raw->list[i].len > UINT16_MAX)
			return err_set(err,
				       "the data of a record can't have more than %d octets, "
				       "number %zu has %zu",
				       UINT16_MAX, i + 1, raw->list[i].len);
		octets += raw->list[i].len;
	}
	to = values_alloc(&s->values, raw->n, octets);
	for (size_t i = 0; i < raw->n; i++)
		values_put(&s->values, i, &to, raw->list[i].text, raw->list[i].len);
	s->type_for_any = argv[RAW_TYPE].given ? (uint16_t)argv[RAW_TYPE].integer : 0;
	common_init(&s->common, argv + RAW_COMMON);
	return 0;
}

static void raw_fini(void *state)
{
	struct spoof_raw *s = state;

	free(s->values.list);
}

static enum verdict spoof_raw(void *state, struct rule_run *run)
{
	const struct spoof_raw *s = state;
	struct spoof how = spoof_of(run, &s->common);
	size_t cap;
	uint8_t *room = run->services->room(run->w, &cap);

	return spoofed(run, room,
		       msg_spoof_raw(room, cap, run->msg, run_question(run), &how, s->type_for_any,
				     s->values.list, s->values.n),
		       cap);
}

static void raw_text(const void *state, FILE *out)
{
	fputs("spoof raw bytes", out);
}

struct spoof_svc {
	struct spoof_common common;
	struct values rdatas;
};

static const struct arg_spec svc_args[] = {
	{"params", ARG_SVCS, 0, 0, 0, NULL},
	SPOOF_ARGS,
	{.name = NULL},
};

static int svc_init(void *state, const struct arg *argv, struct err *err)
{
	struct spoof_svc *s = state;
	size_t octets = 0;
	uint8_t *to;

	for (size_t i = 0; i < argv[0].n; i++)
		octets += argv[0].list[i].svc->len;
	to = values_alloc(&s->rdatas, argv[0].n, octets);
	for (size_t i = 0; i < argv[0].n; i++)
		values_put(&s->rdatas, i, &to, argv[0].list[i].svc->rdata,
			   argv[0].list[i].svc->len);
	common_init(&s->common, argv + 1);
	return 0;
}

static void svc_fini(void *state)
{
	struct spoof_svc *s = state;

	free(s->rdatas.list);
}

static enum verdict spoof_svc(void *state, struct rule_run *run)
{
	const struct spoof_svc *s = state;
	struct spoof how = spoof_of(run, &s->common);
	size_t cap;
	uint8_t *room = run->services->room(run->w, &cap);

	return spoofed(run, room,
		       msg_spoof_svc(room, cap, run->msg, run_question(run), &how, s->rdatas.list,
				     s->rdatas.n),
		       cap);
}

static void svc_text(const void *state, FILE *out)
{
	fputs("spoof SVC record", out);
}

struct spoof_packet {
	uint8_t *packet;
	size_t len;
};

static const struct arg_spec packet_args[] = {
	{"packet", ARG_TEXT, 0, 0, 0, NULL},
	{"len", ARG_INT, 0, 0, DNS_MESSAGE_MAX, NULL},
	{.name = NULL},
};

static int packet_init(void *state, const struct arg *argv, struct err *err)
{
	struct spoof_packet *s = state;
	size_t len = (size_t)argv[1].integer;

	if (len < DNS_HEADER_LEN)
		return err_set(err,
			       "len is %zu, and a message has at least the %d octets of its header",
			       len, DNS_HEADER_LEN);
	if (len > argv[0].len)
		return err_set(err, "len is %zu, and packet has only %zu octets", len, argv[0].len);
	s->len = len;
	s->packet = mem_alloc(len);
	memcpy(s->packet, argv[0].text, len);
	return 0;
}

static void packet_fini(void *state)
{
	struct spoof_packet *s = state;

	free(s->packet);
}

static enum verdict spoof_packet(void *state, struct rule_run *run)
{
	const struct spoof_packet *s = state;
	uint16_t id = msg_id(run->msg);
	size_t cap;
	uint8_t *room = run->services->room(run->w, &cap);

	memcpy(room, s->packet, s->len);
	msg_set_id(room, id);
	return spoofed(run, room, s->len, cap);
}

static void packet_text(const void *state, FILE *out)
{
	fputs("spoof", out);
}

const struct action_type spoof_actions[] = {
	{.name = "SpoofAction",
	 .args = addrs_args,
	 .help = "answers with those of these addresses that the question asks for, if any",
	 .state_size = sizeof(struct spoof_addrs),
	 .init = addrs_init,
	 .fini = addrs_fini,
	 .run = spoof_addrs,
	 .text = addrs_text},
	{.name = "SpoofCNAMEAction",
	 .args = cname_args,
	 .help = "answers with a CNAME record to this name",
	 .state_size = sizeof(struct spoof_cname),
	 .init = cname_init,
	 .run = spoof_cname,
	 .text = cname_text},
	{.name = "SpoofRawAction",
	 .args = raw_args,
	 .help = "answers with this data in records of the type that is asked for",
	 .state_size = sizeof(struct spoof_raw),
	 .init = raw_init,
	 .fini = raw_fini,
	 .run = spoof_raw,
	 .text = raw_text},
	{.name = "SpoofSVCAction",
	 .args = svc_args,
	 .help = "answers SVCB and HTTPS questions with these parameters and their address hints",
	 .state_size = sizeof(struct spoof_svc),
	 .init = svc_init,
	 .fini = svc_fini,
	 .run = spoof_svc,
	 .text = svc_text},
	{.name = "SpoofPacketAction",
	 .args = packet_args,
	 .help = "answers with the first len octets of packet; only the ID is the query's",
	 .state_size = sizeof(struct spoof_packet),
	 .init = packet_init,
	 .fini = packet_fini,
	 .run = spoof_packet,
	 .text = packet_text},
	{.name = NULL},
};
