/* Rules without a worker: a query as selectors and actions see it, and selectors and chains in few
 * words. */
#ifndef TEST_CHAIN_FIXTURE_H
#define TEST_CHAIN_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "rules/chain.h"
#include "rules/counters.h"
#include "rules/index.h"
#include "rules/registry.h"

struct asked {
	struct query q;
	struct addr listener;
	uint8_t packet[1024];
	struct rule_scratch scratch;
	struct worker_stats stats;
	struct rule_run run;
};

static inline struct addr fixture_addr(const char *text)
{
	struct addr a;

	if (addr_parse(text, 53, &a, NULL) < 0)
		abort();
	return a;
}

/* Of all queries: chains are run one after the other. */
static uint32_t fixture_found[4096];

/* Rules see it from the begin, whatever they made of it before; by this worker. */
static inline struct rule_run *asked_run(struct asked *a, unsigned worker)
{
	a->scratch.found = fixture_found;
	a->scratch.found_room = ARRAY_LEN(fixture_found);
	a->run = (struct rule_run){
		.q = &a->q,
		.msg = a->packet,
		.len = a->q.len,
		.cap = a->q.cap,
		.worker = worker,
		.stats = &a->stats,
		.scratch = &a->scratch,
		.listener = &a->listener,
	};
	return &a->run;
}

/* A query over UDP from 192.0.2.1 to 192.0.2.53:53, class IN, RD. */
static inline void asked_wire(struct asked *a, const uint8_t *name, size_t len, uint16_t qtype)
{
	memset(a, 0, sizeof(*a));
	a->q.packet = a->packet;
	a->q.cap = sizeof(a->packet);
	a->q.len = (uint16_t)msg_make_query(a->packet, 1, DNS_RD, name, len, qtype, CLASS_IN);
	if (msg_question(a->packet, a->q.len, &a->q.question) < 0)
		abort();
	a->q.client = fixture_addr("192.0.2.1:5353");
	a->listener = fixture_addr("192.0.2.53");
	asked_run(a, 0);
}

static inline void asked_begin(struct asked *a, const char *name, uint16_t qtype)
{
	uint8_t wire[DNS_NAME_MAX];
	int len = name_parse(name, wire, NULL);

	if (len < 0)
		abort();
	asked_wire(a, wire, (size_t)len, qtype);
}

static inline const struct selector_type *fixture_logic(const char *name)
{
	const struct selector_type *t = logic_selectors;

	while (strcmp(t->name, name) != 0)
		t++;
	return t;
}

#define FIXTURE_LIST_MAX 64

/* Takes the selectors. NULL with err set when it is refused. */
static inline struct selector *fixture_list_or_err(const char *type, struct selector *const *of,
						   size_t n, struct err *err)
{
	struct arg list[FIXTURE_LIST_MAX], arg = {.given = true, .list = list, .n = n};
	struct selector *s;

	for (size_t i = 0; i < n; i++)
		list[i] = (struct arg){.given = true, .selector = of[i]};
	s = selector_new(fixture_logic(type), strcmp(type, "NotRule") == 0 ? list : &arg, err);
	for (size_t i = 0; i < n; i++)
		selector_unref(of[i]);
	return s;
}

static inline struct selector *fixture_list(const char *type, struct selector *const *of, size_t n)
{
	struct err err;
	struct selector *s = fixture_list_or_err(type, of, n, &err);

	if (s == NULL)
		abort();
	return s;
}

static inline struct selector *fixture_all(void)
{
	return fixture_list("AllRule", NULL, 0);
}

#define LIST(type, ...)                                        \
	fixture_list(type, (struct selector *[]){__VA_ARGS__}, \
		     sizeof((struct selector *[]){__VA_ARGS__}) / sizeof(struct selector *))
#define AND(...) LIST("AndRule", __VA_ARGS__)
#define OR(...)  LIST("OrRule", __VA_ARGS__)
#define NOT(s)   LIST("NotRule", s)
#define ALL()    fixture_all()

/* Takes both. */
static inline void fixture_add(struct chain *c, struct selector *s, struct action *a)
{
	static const struct uuid id;
	struct rule *r = rule_new(s, a, "", &id);

	chain_append(c, r);
	rule_unref(r);
	selector_unref(s);
	action_unref(a);
}

static inline struct action *fixture_action(const struct action_type *type)
{
	struct err err;
	struct action *a = action_new(type, NULL, &err);

	if (a == NULL)
		abort();
	return a;
}

/* "NoneAction" and its like. */
static inline struct action *fixture_verdict(const char *name)
{
	const struct action_type *t = verdict_actions;

	while (strcmp(t->name, name) != 0)
		t++;
	return fixture_action(t);
}

/* Sealed, with counters for workers 0 and 1. */
static inline void fixture_seal(struct chain *c)
{
	chain_seal(c);
	counters_join(0, counters_end());
	counters_join(1, counters_end());
}

static inline _Atomic uint64_t *fixture_counter(unsigned worker, const struct rule *r)
{
	uint32_t counter = r->selector->counter;

	return &counters_of[worker][counter / COUNTERS_CHUNK]->n[counter % COUNTERS_CHUNK];
}

/* Of one worker, since fixture_begin_counts. */
static inline uint64_t fixture_count(unsigned worker, const struct rule *r)
{
	return counter_get(fixture_counter(worker, r));
}

/* Counters that others had before begin at 0 for both workers; their sum is no longer right. */
static inline void fixture_begin_counts(const struct chain *c)
{
	for (unsigned i = 0; i < c->n; i++)
		for (unsigned worker = 0; worker < 2; worker++)
			atomic_store(fixture_counter(worker, c->rules[i]), 0);
}

#endif
