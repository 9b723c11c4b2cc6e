/* Counting clients: what is found amid noise, and that nothing is found that was not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/rand.h"
#include "rules/hitters.h"

#define SECOND_US 1000000
#define WORKERS   2

static const struct hitters_masks whole = {32, 128, 0, NULL};
static const struct hit queries = {HIT_QUERIES, 0};

static struct addr v4(uint32_t host)
{
	struct addr a = {.v4 = {.sin_family = AF_INET, .sin_addr = {htonl(host)}}};

	return a;
}

static int begin(void **state)
{
	clock_fake(1000 * (uint64_t)SECOND_US, 1000);
	hitters_start(WORKERS);
	return rand_init();
}

static int end(void **state)
{
	hitters_stop();
	clock_fake_end();
	return 0;
}

static uint32_t now_s(void)
{
	return (uint32_t)(clock_mono_us() / SECOND_US);
}

static void ask(unsigned worker, const struct addr *a)
{
	hitters_query(worker, a, 1, now_s());
}

/* A client's sum is looked for by address. */
struct wanted {
	struct addr addr;
	struct hit hit;
	unsigned seconds;
	uint64_t sum;
	bool met;
};

static void look(void *ctx, struct hitter *h)
{
	struct wanted *w = ctx;

	if (!addr_equal(&h->addr, &w->addr))
		return;
	w->met = true;
	w->sum = hitter_sum(h, hitters_number(h->set, w->hit), w->seconds);
}

static uint64_t sum_of(const struct hitters_masks *m, struct addr a, struct hit hit,
		       unsigned seconds)
{
	struct wanted w = {.addr = a, .hit = hit, .seconds = seconds};

	hitters_visit(hitters_find(m), true, look, &w);
	return w.sum;
}

static void ask_for(const struct hitters_masks *m, const struct hit *list, unsigned n,
		    unsigned seconds)
{
	struct err err = {""};

	if (hitters_ask(m, list, n, seconds, &err) < 0)
		fail_msg("%s", err.text);
}

/* Everything over the limit is noted. */
struct finding {
	uint64_t limit;
	unsigned seconds;
	struct addr abuser;
	bool found;
	unsigned others;
};

static void judge(void *ctx, struct hitter *h)
{
	struct finding *f = ctx;

	if (hitter_sum(h, hitters_number(h->set, queries), f->seconds) <= f->limit)
		return;
	if (addr_equal(&h->addr, &f->abuser))
		f->found = true;
	else
		f->others++;
}

#define STEPS 1000 /* a second */

/*
 * An abuser at 200 a second against a limit of 100 over 10 s, 100 honest clients at 95, and so much
 * noise: the definition is met by his 1001st query, after 5.005 s.
 */
static double seconds_to_find(unsigned noise, uint32_t sources, unsigned *others)
{
	struct finding f = {.limit = 1000, .seconds = 10, .abuser = v4(0xc0000201)};
	uint64_t random = 88172645463325252u;
	unsigned step = 0;

	*others = 0;
	ask_for(&whole, &queries, 1, 10);
	for (; step < 30 * STEPS && !f.found; step++) {
		clock_fake_advance(SECOND_US / STEPS);
		for (unsigned i = 0; i < noise / STEPS; i++) {
			struct addr a;

			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			a = v4(0x0a000000 + (uint32_t)(random >> 32) % sources);
			ask(random >> 20 & 1, &a);
		}
		if (step % 5 == 0)
			ask(step / 5 % WORKERS, &f.abuser);
		for (unsigned i = step % 20; i < 100; i += 20) {
			struct addr a = v4(0xc6336400 + i);

			for (unsigned n = 0; n < (step / 20 % 10 == 0 ? 1 : 2); n++)
				ask(i % WORKERS, &a); /* 95 a second */
		}
		if (step % (STEPS / 10) == STEPS / 10 - 1) {
			hitters_read();
			hitters_visit(hitters_find(&whole), false, judge, &f);
		}
		*others = f.others;
	}
	return (double)step / STEPS;
}

static void an_abuser_is_found_amid_noise(void **state)
{
	static const struct {
		const char *label;
		unsigned noise;
		uint32_t sources;
	} cases[] = {
		{"none", 0, 1},
		{"300,000 a second from a million", 300000, 1000000},
		{"300,000 a second from 250 million", 300000, 250000000},
		{"a million a second from 15 million", 1000000, 15000000},
		{"a million a second from 250 million", 1000000, 250000000},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned others;
		double s;

		hitters_start(WORKERS);
		s = seconds_to_find(cases[i].noise, cases[i].sources, &others);
		hitters_stop();
		if (s < 5.005 || s > 5.2)
			fail_msg("%s: found after %.3f s, the 1001st query comes after 5.005",
				 cases[i].label, s);
		if (others)
			fail_msg("%s: %u within their limit were found over it", cases[i].label,
				 others);
	}
}

/* What is asked for is counted, and each thing as itself. */
static void each_thing_is_counted_as_itself(void **state)
{
	static const struct hit list[] = {{HIT_QTYPE, 255},
					  {HIT_OCTETS, 0},
					  {HIT_RCODE, 3},
					  {HIT_MISSES, 0},
					  {HIT_OTHERS, 1u | 8u}};
	static const struct {
		const char *label;
		struct hit hit;
		uint64_t want;
	} cases[] = {
		{"queries", {HIT_QUERIES, 0}, 5},
		{"of type ANY", {HIT_QTYPE, 255}, 2},
		{"answers", {HIT_ANSWERS, 0}, 4},
		{"octets", {HIT_OCTETS, 0}, 1000},
		{"NXDOMAIN", {HIT_RCODE, 3}, 2},
		{"misses", {HIT_MISSES, 0}, 1},
		{"neither NOERROR nor NXDOMAIN", {HIT_OTHERS, 1u | 8u}, 1},
		{"not asked for", {HIT_RCODE, 2}, 0},
	};
	struct addr a = v4(0xc0000201);

	ask_for(&whole, list, sizeof(list) / sizeof(list[0]), 10);
	for (unsigned i = 0; i < 5; i++)
		hitters_query(i % WORKERS, &a, i < 2 ? 255 : 1, now_s());
	hitters_answer(0, &a, 0, 100, true, now_s());
	hitters_answer(1, &a, 3, 200, false, now_s());
	hitters_answer(0, &a, 3, 300, false, now_s());
	hitters_answer(0, &a, 2, 400, false, now_s());
	clock_fake_advance(HITTERS_BEAT_US);
	hitters_read();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t got = sum_of(&whole, a, cases[i].hit, 10);

		if (got != cases[i].want)
			fail_msg("%s: %llu, want %llu", cases[i].label, (unsigned long long)got,
				 (unsigned long long)cases[i].want);
	}
}

/* A window forgets what is older, and a reading that comes late adds nothing to it. */
static void seconds_leave_the_window(void **state)
{
	struct addr a = v4(0xc0000201);

	ask_for(&whole, &queries, 1, 10);
	for (unsigned i = 0; i < 100; i++) {
		ask(0, &a);
		clock_fake_advance(HITTERS_BEAT_US);
		hitters_read();
	}
	assert_int_equal(sum_of(&whole, a, queries, 10), 100);
	assert_int_equal(sum_of(&whole, a, queries, 3), 30);
	clock_fake_advance(5 * SECOND_US + 1);
	assert_in_range(sum_of(&whole, a, queries, 10), 40, 50);
	assert_int_equal(sum_of(&whole, a, queries, 4), 0);
	for (unsigned i = 0; i < 450; i++)
		ask(0, &a); /* 90 a second, and nobody read for five */
	hitters_read();
	assert_int_equal(sum_of(&whole, a, queries, 1), 0);
	clock_fake_advance(20 * (uint64_t)SECOND_US);
	hitters_read();
	assert_int_equal(sum_of(&whole, a, queries, 10), 0);
}

static void masks_make_clients(void **state)
{
	static const struct {
		const char *label;
		struct hitters_masks masks;
		const char *from[3];
		const char *prefix;
		uint64_t want;
	} cases[] = {
		{"a host",
		 {32, 128, 0, NULL},
		 {"192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1"},
		 "192.0.2.1",
		 2},
		{"a network",
		 {24, 128, 0, NULL},
		 {"192.0.2.1", "192.0.2.9", "192.0.3.1"},
		 "192.0.2.0",
		 2},
		{"all of IPv4", {0, 128, 0, NULL}, {"192.0.2.1", "10.1.1.1", "::1"}, "0.0.0.0", 2},
		{"half the ports",
		 {32, 128, 1, NULL},
		 {"192.0.2.1:1", "192.0.2.1:40000", "192.0.2.1:50000"},
		 "192.0.2.1:32768",
		 2},
		{"mapped",
		 {32, 128, 0, NULL},
		 {"::ffff:192.0.2.1", "192.0.2.1", "::1"},
		 "192.0.2.1",
		 2},
		{"an IPv6 network",
		 {32, 64, 0, NULL},
		 {"2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"},
		 "2001:db8::",
		 2},
		{"an IPv6 host",
		 {32, 128, 0, NULL},
		 {"2001:db8::1", "2001:db8::2", "2001:db8::1"},
		 "2001:db8::1",
		 2},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct addr a, prefix;
		uint64_t got;

		hitters_start(WORKERS);
		ask_for(&cases[i].masks, &queries, 1, 10);
		for (unsigned j = 0; j < 3; j++) {
			assert_int_equal(addr_parse(cases[i].from[j], 0, &a, NULL), 0);
			ask(0, &a);
		}
		clock_fake_advance(HITTERS_BEAT_US);
		hitters_read();
		assert_int_equal(addr_parse(cases[i].prefix, 0, &prefix, NULL), 0);
		got = sum_of(&cases[i].masks, prefix, queries, 10);
		hitters_stop();
		if (got != cases[i].want)
			fail_msg("%s: %llu", cases[i].label, (unsigned long long)got);
	}
}

static void more_than_is_kept_is_refused(void **state)
{
	struct hit many[HITTERS_TALLIES_MAX];
	struct err err = {""};

	assert_int_equal(hitters_ask(&whole, &queries, 1, HITTERS_SECONDS_MAX, &err), 0);
	assert_int_equal(hitters_ask(&whole, &queries, 1, HITTERS_SECONDS_MAX + 1, &err), -EINVAL);
	assert_string_equal(err.text,
			    "an interval of 61 seconds can't be measured: 1 to 60 are kept");
	for (unsigned i = 0; i < HITTERS_TALLIES_MAX; i++)
		many[i] = (struct hit){HIT_QTYPE, (uint16_t)i};
	assert_int_equal(hitters_can(many, HITTERS_TALLIES_MAX - 1, 10, &err), 0);
	assert_int_equal(hitters_can(many, HITTERS_TALLIES_MAX, 10, &err), -EINVAL);
	for (uint8_t bits = 8; bits < 8 + HITTERS_SETS_MAX - 1; bits++)
		ask_for(&(struct hitters_masks){bits, 64, 0, NULL}, &queries, 1, 10);
	assert_int_equal(
		hitters_ask(&(struct hitters_masks){20, 64, 0, NULL}, &queries, 1, 10, &err),
		-EINVAL);
	assert_in_range(hitters_memory(), 1 << 20, 32 << 20);
	clock_fake_advance(3 * SECOND_US); /* nobody asks for those any more */
	ask_for(&(struct hitters_masks){20, 64, 0, NULL}, &queries, 1, 10);
	assert_in_range(hitters_memory(), 1 << 20, 32 << 20);
}

static void what_nobody_asks_for_is_not_counted(void **state)
{
	struct addr a = v4(1);

	ask(0, &a); /* nothing there */
	assert_null(hitters_find(&whole));
	ask_for(&whole, &queries, 1, 10);
	assert_non_null(hitters_find(&whole));
	clock_fake_advance(59 * (uint64_t)SECOND_US);
	hitters_read();
	assert_non_null(hitters_find(&whole));
	clock_fake_advance(2 * (uint64_t)SECOND_US);
	hitters_read();
	assert_null(hitters_find(&whole));
	assert_int_equal(hitters_memory(), 0);
}

/* Excluded hosts do not count for the network that they are in. */
static void the_excluded_do_not_count(void **state)
{
	struct netmask_table *t = netmask_table_new();
	struct hitters_masks m = {24, 64, 0, t};
	struct addr one = v4(0xc0000201), two = v4(0xc0000202);
	struct netmask nm;

	assert_int_equal(netmask_parse("192.0.2.1/32", &nm, NULL), 0);
	netmask_table_add(t, &nm, HITTERS_EXCLUDED);
	ask_for(&m, &queries, 1, 10);
	for (unsigned i = 0; i < 10; i++) {
		ask(0, &one);
		ask(1, &two);
	}
	clock_fake_advance(HITTERS_BEAT_US);
	hitters_read();
	assert_int_equal(sum_of(&m, v4(0xc0000200), queries, 10), 10);
	hitters_stop();
	netmask_table_unref(t);
}

/* The blocked are counted on, but do not hold their slots. */
static void the_blocked_count_as_queries(void **state)
{
	struct hit both[] = {queries, {HIT_QTYPE, 255}};
	struct addr a = v4(0xc0000201);

	assert_false(hitters_want_types());
	ask_for(&whole, both, 1, 10);
	assert_false(hitters_want_types());
	ask_for(&whole, both, 2, 10);
	assert_true(hitters_want_types());
	hitters_blocked(0, &a, 255); /* not met before */
	ask(0, &a);
	hitters_blocked(0, &a, 255);
	hitters_blocked(0, &a, 1);
	hitters_blocked(0, &a, -1);
	clock_fake_advance(HITTERS_BEAT_US);
	hitters_read();
	assert_int_equal(sum_of(&whole, a, queries, 10), 4);
	assert_int_equal(sum_of(&whole, a, both[1], 10), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_abuser_is_found_amid_noise, begin, end),
		cmocka_unit_test_setup_teardown(each_thing_is_counted_as_itself, begin, end),
		cmocka_unit_test_setup_teardown(seconds_leave_the_window, begin, end),
		cmocka_unit_test_setup_teardown(masks_make_clients, begin, end),
		cmocka_unit_test_setup_teardown(more_than_is_kept_is_refused, begin, end),
		cmocka_unit_test_setup_teardown(what_nobody_asks_for_is_not_counted, begin, end),
		cmocka_unit_test_setup_teardown(the_excluded_do_not_count, begin, end),
		cmocka_unit_test_setup_teardown(the_blocked_count_as_queries, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
