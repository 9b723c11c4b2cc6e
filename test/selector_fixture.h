/* Selectors made from arguments in text, and queries and answers to ask them about. */
#ifndef TEST_SELECTOR_FIXTURE_H
#define TEST_SELECTOR_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/rand.h"
#include "core/regex.h"
#include "rules/acl.h"
#include "rules/registry.h"
#include "test/packet.h"

/* A message. What is left out is www.example.com A IN, over UDP, from 192.0.2.1:1053 to
 * 192.0.2.53:53. */
struct sample {
	const char *name;
	uint16_t qtype, qclass;
	uint16_t flags; /* of the header, QR left out */
	const uint8_t *more;
	size_t more_len;     /* octets after the question */
	unsigned an, ns, ar; /* records in them, as the header says */
	size_t cut;          /* octets missing at the end */
	const char *client, *asked;
	enum proto proto;
	bool is_answer;   /* the rule is one for answers */
	bool no_question; /* of the message: that of a query it answers stays */
	bool empty;       /* nor is there one in the query */
};

struct subject {
	struct query q;
	struct addr listener;
	uint8_t packet[2048], answer[2048];
	struct worker_stats stats;
	struct rule_run run;
};

/* As a worker has it: one for all queries. */
static struct rule_scratch subject_scratch;

static inline struct addr addr_of(const char *text)
{
	struct addr a;

	if (addr_parse(text, 53, &a, NULL) < 0)
		abort();
	return a;
}

static inline struct packet packet_of(const struct sample *s, bool has_question)
{
	struct packet p = packet_begin(s->name != NULL ? s->name : "www.example.com.",
				       s->qtype != 0 ? s->qtype : TYPE_A);

	if (s->qclass != 0)
		put_u16(p.msg + p.q.end - 2, p.q.qclass = s->qclass);
	msg_set_flags(p.msg, s->flags);
	if (!has_question) {
		p.len = DNS_HEADER_LEN;
		put_u16(p.msg + 4, 0);
	}
	return p;
}

/* Makes it anew. */
static inline struct rule_run *subject_of(struct subject *to, const struct sample *s)
{
	struct packet p = packet_of(s, !s->empty), m = packet_of(s, !s->empty && !s->no_question);

	memset(to, 0xee, sizeof(*to)); /* beyond the message lies nothing that helps */
	memset(&to->q, 0, sizeof(to->q));
	packet_add(&m, s->an, s->ns, s->ar, s->more != NULL ? s->more : m.msg, s->more_len);
	m.len -= s->cut;
	if (!s->empty)
		to->q.question = p.q;
	to->q.packet = to->packet;
	to->q.client_proto = (uint8_t)s->proto;
	to->q.client = addr_of(s->client != NULL ? s->client : "192.0.2.1:1053");
	to->listener = addr_of(s->asked != NULL ? s->asked : "192.0.2.53");
	if (s->is_answer)
		msg_set_flags(m.msg, (uint16_t)(s->flags | DNS_QR));
	memcpy(to->packet, s->is_answer ? p.msg : m.msg, s->is_answer ? p.len : m.len);
	to->q.len = (uint16_t)(s->is_answer ? p.len : m.len);
	memcpy(to->answer, m.msg, m.len);
	to->run = (struct rule_run){
		.q = &to->q,
		.msg = s->is_answer ? to->answer : to->packet,
		.len = m.len,
		.cap = sizeof(to->answer),
		.is_response = s->is_answer,
		.now_us = 1000000,
		.scratch = &subject_scratch,
		.stats = &to->stats,
		.listener = &to->listener,
	};
	return &to->run;
}

static inline const struct selector_type *type_of(const char *name)
{
	for (unsigned i = 0; selector_families[i] != NULL; i++)
		for (const struct selector_type *t = selector_families[i]; t->name != NULL; t++)
			if (strcmp(t->name, name) == 0)
				return t;
	fprintf(stderr, "no selector %s\n", name);
	abort();
}

/* The texts of a list: at '|'. Each is lent until the next. */
static inline const char *next_text(const char **list)
{
	static char text[512];
	size_t len = strcspn(*list, "|");

	memcpy(text, *list, len);
	text[len] = '\0';
	*list += len + ((*list)[len] == '|');
	return text;
}

static inline struct suffix_table *names_of(const char *list)
{
	struct suffix_table *t = suffix_table_new();
	uint8_t name[DNS_NAME_MAX];

	while (*list != '\0')
		suffix_table_add(t, name, (size_t)name_parse(next_text(&list), name, NULL), 0);
	return t;
}

static inline struct netmask_table *netmasks_of(const char *list)
{
	struct netmask_table *t = netmask_table_new();

	while (*list != '\0')
		if (acl_add(t, next_text(&list), NULL) < 0)
			abort();
	return t;
}

/* As the configuration language converts it. What has a count is for arg_free. */
static inline struct arg arg_of(enum arg_kind kind, const char *text,
				uint8_t room[static DNS_NAME_MAX])
{
	struct arg a = {.given = text != NULL};
	uint16_t type;

	if (text == NULL)
		return a;
	switch (kind) {
	case ARG_BOOL:
		a.boolean = strcmp(text, "true") == 0;
		break;
	case ARG_INT:
	case ARG_RCODE:
		a.integer = strtoll(text, NULL, 10);
		break;
	case ARG_NUMBER:
		a.number = strtod(text, NULL);
		break;
	case ARG_TEXT:
		a.text = text;
		a.len = strlen(text);
		break;
	case ARG_TYPE:
		a.integer = type_parse(text, &type) == 0 ? type : strtol(text, NULL, 10);
		break;
	case ARG_NAME:
		a.name = room;
		a.name_len = (size_t)name_parse(text, room, NULL);
		break;
	case ARG_NAMES:
	case ARG_NAME_SET:
		a.names = names_of(text);
		a.is_list = kind == ARG_NAMES;
		break;
	case ARG_NETMASKS:
		a.netmasks = netmasks_of(text);
		break;
	default:
		abort();
	}
	return a;
}

static inline void arg_free(enum arg_kind kind, const struct arg *a)
{
	if ((kind == ARG_NAMES || kind == ARG_NAME_SET) && a->given)
		suffix_table_unref(a->names);
	if (kind == ARG_NETMASKS && a->given)
		netmask_table_unref(a->netmasks);
}

/* NULL with err set, as selector_new. args is ended by NULL. */
static inline struct selector *selector_of(const char *name, const char *const *args,
					   struct err *err)
{
	const struct selector_type *type = type_of(name);
	struct arg argv[ARGS_MAX] = {{0}};
	uint8_t room[DNS_NAME_MAX];
	struct selector *s;
	unsigned n = 0;

	for (const struct arg_spec *spec = type->args; spec->kind != ARG_END; spec++, n++)
		argv[n] = arg_of(spec->kind, *args != NULL ? *args++ : NULL, room);
	s = selector_new(type, argv, err);
	for (unsigned i = 0; i < n; i++)
		arg_free(type->args[i].kind, &argv[i]);
	return s;
}

static inline bool key_is_met(const struct key *k, struct rule_run *run)
{
	const struct query *q = run->q;
	const uint8_t *name = q->packet + DNS_HEADER_LEN;
	const char *text;
	struct netmask nm = {.bits = k->bits};
	size_t len = q->question.name_len;

	switch (k->kind) {
	case KEY_NAME:
		return len != 0 &&
		       (k->below ? name_is_under(name, len, k->name, k->name_len)
				 : len == k->name_len && name_equal(name, k->name, len));
	case KEY_SOURCE:
	case KEY_DESTINATION:
		nm.base.sa.sa_family = k->v6 ? AF_INET6 : AF_INET;
		memcpy((uint8_t *)addr_bytes(&nm.base, &len), k->addr, k->v6 ? 16 : 4);
		return netmask_has(&nm, k->kind == KEY_SOURCE ? &q->client : run_destination(run));
	case KEY_REGEX:
		text = run_name_text(run, &len);
		return regex_match(k->regex, text, len);
	default:
		return (key_value_of(k->value_of, run) == k->value) != k->is_not;
	}
}

/* Whether the selector's keys, if it has any, allow the answer that it gave. */
static inline bool keys_allow(const struct selector *s, struct rule_run *run, bool matched)
{
	struct key_list *keys = calloc(1, sizeof(*keys));
	bool allowed = !selector_keys(s, !matched, keys);

	for (unsigned i = 0; i < keys->n && !allowed; i++)
		allowed = key_is_met(&keys->keys[i], run);
	free(keys);
	return allowed;
}

/* Lent arguments, and a selector that has to be. */
#define NO_ARGS               \
	(const char *const[]) \
	{                     \
		NULL          \
	}
#define ARGS(...)                 \
	(const char *const[])     \
	{                         \
		__VA_ARGS__, NULL \
	}

static inline struct selector *must(const char *rule, const char *const *args)
{
	struct err err = {""};
	struct selector *s = selector_of(rule, args, &err);

	if (s == NULL) {
		fprintf(stderr, "%s: %s\n", rule, err.text);
		abort();
	}
	return s;
}

/* SIZE_MAX: it can't say. */
static inline size_t n_keys(const struct selector *s, bool negated)
{
	static struct key_list keys;

	keys.n = 0;
	return selector_keys(s, negated, &keys) ? keys.n : SIZE_MAX;
}

#endif
