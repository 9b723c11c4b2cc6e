/* Answers that are held for a rule: what is bounded while they are, and that they leave as they
 * came. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "workers/delay.h"
#include "workers/pipeline.h"
#include "workers/slab.h"

#define NOW_US   UINT64_C(5000000)
#define DELAY_MS 20

/* What has left. */
static struct {
	unsigned n;
	size_t len;
	uint8_t octets[DNS_MESSAGE_MAX];
} sent;

static void respond(struct worker *w, struct query *q)
{
	sent.n++;
	sent.len = q->answer_len;
	memcpy(sent.octets, q->answer, q->answer_len);
	assert_false(q->answer_stays);
	query_free(w, q);
}

static const struct transport transport = {.proto = PROTO_UDP, .respond = respond};

static struct worker *start(void)
{
	struct worker *w = mem_lines(sizeof(*w));

	w->queries = slab_new();
	w->extras = extra_pool_new(1);
	w->delay_rooms = delay_rooms_new();
	w->now_us = NOW_US;
	sent.n = 0;
	return w;
}

static void stop(struct worker *w)
{
	timers_fini(&w->timers);
	slab_free(w->queries);
	extra_pool_free(w->extras);
	delay_rooms_free(w->delay_rooms);
	free(w);
}

/* Its answer lies elsewhere; each octet of it is fill. */
static struct query *answered(struct worker *w, size_t len, uint8_t fill)
{
	static uint8_t arena[DNS_MESSAGE_MAX];
	struct query *q = query_new(w, QUERY_UDP_MAX);

	query_mark(q);
	q->transport = &transport;
	q->client_proto = PROTO_UDP;
	q->delay_ms = DELAY_MS;
	memset(arena, fill, len);
	q->answer = arena;
	q->answer_len = (uint32_t)len;
	q->answer_stays = true;
	return q;
}

static bool is_filled(uint8_t fill)
{
	for (size_t i = 0; i < sent.len; i++)
		if (sent.octets[i] != fill)
			return false;
	return true;
}

static void run_until(struct worker *w, uint64_t now_us)
{
	w->now_us = now_us;
	timers_run(&w->timers, now_us, w);
}

static void answers_of_any_length_leave_in_time_as_they_came(void **state)
{
	static const size_t lengths[] = {12, 1500, 1700, 4096, DNS_MESSAGE_MAX};

	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		struct worker *w = start();
		uint8_t fill = (uint8_t)('a' + i);
		bool held = delay_holds(w, answered(w, lengths[i], fill));
		unsigned early;

		answered(w, DNS_MESSAGE_MAX, 'z'); /* the next one lies where this one lay */
		run_until(w, NOW_US + DELAY_MS * 1000 - 1);
		early = sent.n;
		run_until(w, NOW_US + DELAY_MS * 1000);
		if (!held || early != 0 || sent.n != 1 || sent.len != lengths[i] ||
		    !is_filled(fill) || w->held != 0)
			fail_msg("%zu octets: held %d, %u too early, %u sent, of %zu octets",
				 lengths[i], held, early, sent.n, sent.len);
		stop(w);
	}
}

/* A client that asks for the largest answers must not make the worker take gigabytes. */
static void long_answers_are_held_in_bounded_memory(void **state)
{
	struct worker *w = start();
	struct query *above, *small;

	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < DELAY_ROOMS; i++)
			if (!delay_holds(w, answered(w, 4096, 'a')))
				fail_msg("round %u: %u were held", round, i);
		above = answered(w, 4096, 'b');
		small = answered(w, 1000, 'c');
		assert_false(delay_holds(w, above));
		assert_true(delay_holds(w, small));
		query_free(w, above);
		run_until(w, w->now_us + DELAY_MS * 1000);
		assert_int_equal(sent.n, (round + 1) * (DELAY_ROOMS + 1));
	}
	stop(w);
}

/* Held answers and queries in flight have their slots of one slab: others must find some left. */
static void held_answers_and_queries_in_flight_are_bounded_together(void **state)
{
	static const struct {
		const char *label;
		unsigned in_flight, held;
		bool holds;
	} cases[] = {
		{"nothing", 0, 0, true},
		{"half are held", 0, IN_FLIGHT_MAX / 2, false},
		{"one less than half", 0, IN_FLIGHT_MAX / 2 - 1, true},
		{"all are in flight", IN_FLIGHT_MAX, 0, false},
		{"together all", IN_FLIGHT_MAX - 100, 100, false},
		{"one less", IN_FLIGHT_MAX - 101, 100, true},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct worker *w = start();
		struct query *q = answered(w, 100, 'a');

		w->in_flight = cases[i].in_flight;
		w->held = cases[i].held;
		if (delay_holds(w, q) != cases[i].holds)
			fail_msg("%s", cases[i].label);
		stop(w);
	}
}

/* There is one block in this test's pool. */
static void what_is_held_has_given_back_its_tags(void **state)
{
	struct worker *w = start();
	struct query *first = answered(w, 100, 'a'), *second = answered(w, 100, 'b');

	assert_true(tag_set(w->extras, first, "t", 1, "v", 1));
	assert_false(tag_set(w->extras, second, "t", 1, "v", 1));
	assert_true(delay_holds(w, first));
	assert_true(tag_set(w->extras, second, "t", 1, "v", 1));
	stop(w);
}

static void streams_and_no_delay_are_not_held(void **state)
{
	struct worker *w = start();
	struct query *stream = answered(w, 100, 'a'), *none = answered(w, 100, 'b');

	stream->client_proto = PROTO_TCP;
	none->delay_ms = 0;
	assert_false(delay_holds(w, stream));
	assert_false(delay_holds(w, none));
	stop(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_of_any_length_leave_in_time_as_they_came),
		cmocka_unit_test(long_answers_are_held_in_bounded_memory),
		cmocka_unit_test(held_answers_and_queries_in_flight_are_bounded_together),
		cmocka_unit_test(what_is_held_has_given_back_its_tags),
		cmocka_unit_test(streams_and_no_delay_are_not_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
