/* Actions made from arguments in text, and queries and answers to run them on. */
#ifndef TEST_ACTION_FIXTURE_H
#define TEST_ACTION_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/rand.h"
#include "core/settings.h"
#include "rules/registry.h"
#include "test/packet.h"
#include "test/pool_fixture.h"

#define LIST_MAX 16

/* What a query or an answer is made of. Left out: www.example.com A IN, over UDP, from 192.0.2.1,
 * RD set. */
struct message {
	const char *name;
	uint16_t qtype;
	uint16_t flags;      /* in place of RD; with QR an answer */
	const uint8_t *more; /* octets after the question */
	size_t more_len;
	unsigned an, ns, ar;
	size_t cut; /* octets missing at the end */
	bool no_question;
	bool with_opt; /* the query's, whatever the message is: payload 1232, DO */
	const char *client;
	enum proto proto;
};

/* All that an action needs. One for each test. */
struct scene {
	struct query q;
	struct fixture pools;
	struct tables t;
	struct settings *settings;
	struct extra_pool *extras;
	struct rule_scratch scratch;
	struct worker_stats stats;
	struct rule_run run;
	uint8_t packet[2048], answer[4096], room[DNS_MESSAGE_MAX];
	uint8_t before[4096]; /* the message as it was */
	size_t before_len;
};

static inline uint8_t *scene_room(struct worker *w, size_t *cap)
{
	struct scene *s = (struct scene *)w;

	*cap = sizeof(s->room);
	return s->room;
}

/* Pools "" and "other" are there. */
static inline void scene_start(struct scene *s)
{
	struct err err = {""};

	memset(s, 0, sizeof(*s));
	if (rand_init() < 0)
		abort();
	hash_init(0);
	fixture_start(&s->pools);
	pools_pool(s->pools.pools, "other");
	if (fixture_seal(&s->pools, &err) < 0)
		abort();
	if (tables_owner(PART_SETTINGS) == NULL)
		settings_register();
	s->settings = (struct settings *)tables_owner(PART_SETTINGS)->create();
	s->t.pools = s->pools.pools;
	s->t.settings = s->settings;
	s->extras = extra_pool_new(64);
}

static inline void scene_end(struct scene *s)
{
	extra_clear(s->extras, &s->q);
	extra_pool_free(s->extras);
	tables_owner(PART_SETTINGS)->free(&s->settings->part);
	fixture_end(&s->pools);
}

static inline struct packet packet_of(const struct message *m, bool is_query)
{
	struct packet p =
		packet_begin(m->name ? m->name : "www.example.com.", m->qtype ? m->qtype : TYPE_A);

	msg_set_flags(p.msg, is_query ? DNS_RD : m->flags);
	if (is_query && m->with_opt)
		packet_add(&p, 0, 0, 1, BYTES(OPT_EMPTY));
	return p;
}

static inline size_t answer_of(const struct message *m, uint8_t *out)
{
	struct packet p = packet_of(m, false);

	if (m->no_question) {
		p.len = DNS_HEADER_LEN;
		put_u16(p.msg + 4, 0);
	}
	packet_add(&p, m->an, m->ns, m->ar, m->more != NULL ? m->more : p.msg, m->more_len);
	memcpy(out, p.msg, p.len - m->cut);
	return p.len - m->cut;
}

/* A new query, and with QR in flags its answer, is before the run. */
static inline struct rule_run *scene_set(struct scene *s, const struct message *m)
{
	static const struct rule_services services = {.room = scene_room};
	bool is_answer = m->flags & DNS_QR;
	struct message query = *m;
	struct packet p;

	extra_clear(s->extras, &s->q);
	memset(&s->q, 0, sizeof(s->q));
	memset(&s->stats, 0, sizeof(s->stats));
	memset(s->room, 0xee, sizeof(s->room));
	p = packet_of(&query, true);
	if (!is_answer && (m->more_len > 0 || m->cut > 0 || m->no_question)) {
		query.flags = m->flags ? m->flags : DNS_RD;
		p.len = answer_of(&query, p.msg);
	}
	memcpy(s->packet, p.msg, p.len);
	s->q.packet = s->packet;
	s->q.len = (uint16_t)p.len;
	s->q.cap = sizeof(s->packet);
	s->q.id = msg_id(s->packet);
	s->q.flags = msg_flags(s->packet);
	s->q.near_only = true;
	if (!m->no_question || is_answer)
		s->q.question = p.q;
	if (msg_opt(s->packet, s->q.len, &s->q.question, &s->q.opt) < 0)
		s->q.opt = (struct opt){0};
	s->q.udp_payload = s->q.opt.payload > 512 ? s->q.opt.payload : 512;
	s->q.client_proto = (uint8_t)m->proto;
	addr_parse(m->client ? m->client : "192.0.2.1", 1053, &s->q.client, NULL);
	s->run = (struct rule_run){
		.q = &s->q,
		.msg = s->packet,
		.len = s->q.len,
		.cap = s->q.cap,
		.is_response = is_answer,
		.now_us = 1000000,
		.t = &s->t,
		.stats = &s->stats,
		.extras = s->extras,
		.scratch = &s->scratch,
		.services = &services,
		.w = (struct worker *)s,
	};
	if (is_answer) {
		s->q.answer = s->run.msg = s->answer;
		s->run.len = answer_of(m, s->answer);
		s->run.cap = sizeof(s->answer);
	}
	s->before_len = s->run.len;
	memcpy(s->before, s->run.msg, s->run.len);
	return &s->run;
}

static inline const struct action_type *action_type_of(const char *name)
{
	for (unsigned i = 0; action_families[i] != NULL; i++)
		for (const struct action_type *t = action_families[i]; t->name != NULL; t++)
			if (strcmp(t->name, name) == 0)
				return t;
	fprintf(stderr, "no action %s\n", name);
	abort();
}

/* Arguments, what they point to, and how many of it are used. */
struct args {
	struct arg argv[ARGS_MAX];
	struct arg list[LIST_MAX];
	uint8_t names[4][DNS_NAME_MAX];
	char text[2048];
	size_t n_names, n_text;
};

static inline const char *keep_text(struct args *a, const char *text, size_t len)
{
	char *to = a->text + a->n_text;

	memcpy(to, text, len);
	to[len] = '\0';
	a->n_text += len + 1;
	return to;
}

static inline struct arg arg_of(struct args *a, enum arg_kind kind, const char *text, size_t len);

/* The parts of a list stand at '|'. */
static inline struct arg list_of(struct args *a, enum arg_kind kind, const char *text, size_t len)
{
	struct arg list = {.given = true, .list = a->list};
	const char *end = text + len;

	while (text < end) {
		const char *bar = memchr(text, '|', (size_t)(end - text));
		size_t n = bar != NULL ? (size_t)(bar - text) : (size_t)(end - text);

		a->list[list.n++] = arg_of(a, kind, text, n);
		text += n + 1;
	}
	return list;
}

static inline struct arg arg_of(struct args *a, enum arg_kind kind, const char *text, size_t len)
{
	struct arg arg = {.given = true};
	const char *copy = keep_text(a, text, len);
	uint16_t type;
	bool ok = true;

	switch (kind) {
	case ARG_BOOL:
		arg.boolean = strcmp(copy, "true") == 0;
		break;
	case ARG_INT:
	case ARG_RCODE:
		arg.integer = strtoll(copy, NULL, 0);
		break;
	case ARG_TEXT:
		arg.text = copy;
		arg.len = len;
		break;
	case ARG_NAME:
		arg.name = a->names[a->n_names];
		arg.name_len = (size_t)name_parse(copy, a->names[a->n_names++], NULL);
		break;
	case ARG_TYPE:
		ok = type_parse(copy, &type) == 0;
		arg.integer = type;
		break;
	case ARG_NETMASK:
		ok = netmask_parse(copy, &arg.netmask, NULL) == 0;
		break;
	case ARG_ADDRESS:
		ok = addr_parse(copy, 53, &arg.addr, NULL) == 0;
		break;
	case ARG_TEXTS:
		return list_of(a, ARG_TEXT, text, len);
	case ARG_TYPES:
		return list_of(a, ARG_TYPE, text, len);
	case ARG_ADDRESSES:
		return list_of(a, ARG_ADDRESS, text, len);
	default:
		ok = false;
	}
	if (!ok)
		abort();
	return arg;
}

static inline unsigned row_of(const struct action_type *t, const char *name, size_t len)
{
	for (unsigned i = 0; t->args[i].name != NULL; i++)
		if (strlen(t->args[i].name) == len && memcmp(t->args[i].name, name, len) == 0)
			return i;
	fprintf(stderr, "%s has no %.*s\n", t->name, (int)len, name);
	abort();
}

/* "key=value; key=value"; a value has no semicolon. The type's rows may be fewer than a's. */
static inline const struct arg *args_of(struct args *a, const struct action_type *t,
					const char *text)
{
	memset(a, 0, sizeof(*a));
	while (text != NULL && *text != '\0') {
		size_t key = strcspn(text, "="), len = strcspn(text + key, ";") - 1;
		unsigned row = row_of(t, text, key);

		a->argv[row] = arg_of(a, t->args[row].kind, text + key + 1, len);
		text += key + 1 + len;
		text += strspn(text, "; ");
	}
	return a->argv;
}

/* Gives; NULL with err set when it is refused. */
static inline struct action *action_of(const char *name, const char *text, struct err *err)
{
	const struct action_type *t = action_type_of(name);
	struct args a;

	return action_new(t, args_of(&a, t, text), err);
}

/* Runs it once on what scene_set has made. */
static inline enum verdict act(struct scene *s, const char *name, const char *text)
{
	struct err err = {""};
	struct action *a = action_of(name, text, &err);
	enum verdict v;

	if (a == NULL) {
		fprintf(stderr, "%s(%s): %s\n", name, text ? text : "", err.text);
		abort();
	}
	v = action_run(a, &s->run);
	action_unref(a);
	return v;
}

/* Whether the message is as scene_set has made it. */
static inline bool is_untouched(const struct scene *s)
{
	return s->run.len == s->before_len && memcmp(s->run.msg, s->before, s->before_len) == 0;
}

#endif
