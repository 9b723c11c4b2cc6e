/* benchRule: how fast a selector is, measured on the control thread, beside the path of queries. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/lua/registry.h"
#include "console/lua/rules.h"
#include "core/clock.h"
#include "core/mem.h"
#include "core/perworker.h"

#define QUERIES   1000 /* different ones, asked in turn */
#define TIMES_DEF 100000
#define TIMES_MAX 100000000 /* nothing else happens on this thread meanwhile */

struct bench_query {
	struct query q;
	uint8_t packet[512];
};

/* Number, as a label, and the suffix; its length, 0 when it is no name. */
static size_t make_name(uint8_t out[static DNS_NAME_MAX], const uint8_t *suffix, size_t suffix_len)
{
	char label[16];
	size_t len = (size_t)snprintf(label, sizeof(label), "%u", rand_u32());

	if (1 + len + suffix_len > DNS_NAME_MAX)
		return 0;
	out[0] = (uint8_t)len;
	memcpy(out + 1, label, len);
	memcpy(out + 1 + len, suffix, suffix_len);
	return 1 + len + suffix_len;
}

/* A UDP query for an address of a name below the suffix; false when there is no such name. */
static bool make_query(struct bench_query *b, const uint8_t *suffix, size_t suffix_len,
		       const struct addr *from, uint64_t now_us)
{
	static const struct transport udp = {.proto = PROTO_UDP};
	uint8_t name[DNS_NAME_MAX];
	size_t len = make_name(name, suffix, suffix_len);
	struct query *q = &b->q;

	if (len == 0)
		return false;
	*q = (struct query){.transport = &udp, .packet = b->packet, .cap = sizeof(b->packet)};
	q->len = (uint16_t)msg_make_query(b->packet, rand_u16(), 0x0100, name, len, 1, 1);
	q->client_proto = PROTO_UDP;
	q->client = q->local = *from;
	q->udp_payload = 512;
	q->flags = 0x0100;
	q->start_us = now_us;
	return msg_question(b->packet, q->len, &q->question) == 0;
}

static struct rule_run begin(struct query *q, struct rule_scratch *scratch, const struct tables *t,
			     uint64_t now_us)
{
	return (struct rule_run){
		.q = q,
		.msg = q->packet,
		.len = q->len,
		.cap = q->cap,
		.worker = WORKER_CONTROL,
		.now_us = now_us,
		.t = t,
		.listener = &q->local,
		.scratch = scratch,
	};
}

/* How often it matched. */
static uint64_t measure(const struct selector *s, struct bench_query *queries, uint64_t times,
			const struct tables *t)
{
	struct rule_scratch *scratch = mem_zalloc(1, sizeof(*scratch));
	uint64_t matches = 0, now_us = clock_mono_us();

	for (uint64_t i = 0; i < times; i++) {
		struct rule_run run = begin(&queries[i % QUERIES].q, scratch, t, now_us);

		matches += selector_match(s, &run);
	}
	free(scratch);
	return matches;
}

/* The suffix at index 3, or what it is when left out; its length. */
static size_t read_suffix(lua_State *L, uint8_t suffix[static DNS_NAME_MAX])
{
	if (lua_arg_missing(L, 3))
		return (size_t)name_parse("powerdns.com", suffix, NULL);
	return lua_arg_name(L, 3, "suffix", suffix);
}

/* Gives; NULL: the suffix leaves no room for a label. */
static struct bench_query *make_queries(const uint8_t *suffix, size_t suffix_len)
{
	struct bench_query *queries = mem_lines(QUERIES * sizeof(*queries));
	struct addr from;

	addr_parse("127.0.0.1", 53, &from, NULL);
	for (size_t i = 0; i < QUERIES; i++) {
		if (!make_query(&queries[i], suffix, suffix_len, &from, clock_mono_us())) {
			free(queries);
			return NULL;
		}
	}
	return queries;
}

static int bench_rule(lua_State *L)
{
	uint64_t times = TIMES_DEF, began_us, took_us, matches;
	uint8_t suffix[DNS_NAME_MAX];
	const struct selector *s;
	struct bench_query *queries;

	lua_settop(L, 3);
	s = lua_arg_selector(L, 1, "rule");
	if (!lua_arg_missing(L, 2))
		times = (uint64_t)lua_arg_integer(L, 2, "times", 1, TIMES_MAX);
	if (rcu_get(tables_live) == NULL)
		return lua_fail(L, "needs a configuration that runs: measure on the console");
	queries = make_queries(suffix, read_suffix(L, suffix));
	if (queries == NULL)
		return lua_fail(L, "suffix is too long for a label in front of it");
	began_us = clock_mono_us();
	matches = measure(s, queries, times, rcu_get(tables_live));
	took_us = clock_mono_us() - began_us;
	free(queries);
	lua_host_printf("Had %llu matches out of %llu, %.1f qps, in %llu us\n",
			(unsigned long long)matches, (unsigned long long)times,
			took_us ? (double)times * 1e6 / (double)took_us : 0,
			(unsigned long long)took_us);
	return 0;
}

const struct lua_function rule_bench_functions[] = {
	{"benchRule", bench_rule, ROW_READS | ROW_NOT_CLIENT, "rule [, times [, suffix]]",
	 "measures a rule with queries for names below the suffix; 100000 times, powerdns.com"},
	{NULL, NULL, 0, NULL, NULL},
};
