/* Token buckets by client, on a clock of our own. Threads: test_mt_client_qps.c. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "core/hash.h"
#include "core/mem.h"
#include "rules/client_qps.h"

/* A sanitizer takes ten times as long for the same: what is shown does not depend on the number. */
#if defined(__SANITIZE_ADDRESS__) || defined(WITH_TSAN)
#define HONEST 100000
#else
#define HONEST 1000000
#endif

#define ABUSERS 10
#define SECOND  UINT64_C(1000000)
#define DAY     (86400 * SECOND)

static struct addr addr_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, 0, &a, NULL), 0);
	return a;
}

static struct addr nth(uint32_t n)
{
	return (struct addr){.v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(n)}};
}

static struct client_qps *limit(uint32_t qps, uint32_t burst)
{
	struct client_qps_options o = {.qps = qps, .burst = burst, .v4_bits = 32, .v6_bits = 64};
	struct err err;
	struct client_qps *l = client_qps_new(&o, &err);

	assert_non_null(l);
	return l;
}

static uint32_t take_all(struct client_qps *l, uint32_t client, uint64_t now_us, uint32_t most)
{
	struct addr a = nth(client);
	uint32_t n = 0;

	while (n < most && !client_qps_over(l, &a, now_us))
		n++;
	return n;
}

#define MOST 100000 /* more is not asked for */

static const struct {
	const char *label;
	uint32_t qps, burst;
	uint64_t begin_us, wait_us;
	uint32_t first, then; /* tokens at once, and after the wait */
} waits[] = {
	{"at once nothing more", 10, 20, SECOND, 0, 20, 0},
	{"a token short of a microsecond", 10, 10, SECOND, 99999, 10, 0},
	{"a token exactly", 10, 10, SECOND, 100000, 10, 1},
	{"a second", 10, 20, SECOND, SECOND, 20, 10},
	{"no more than the burst", 10, 3, SECOND, 100 * SECOND, 3, 3},
	{"burst 0 is qps", 7, 0, SECOND, 100 * SECOND, 7, 7},
	{"one a second", 1, 1, SECOND, SECOND - 1, 1, 0},
	{"one a second exactly", 1, 1, SECOND, SECOND, 1, 1},
	{"a clock just started", 1, 1, 1, SECOND, 1, 1},
	{"an old clock", 1000, 1000, UINT64_C(3000000000000000), SECOND, 1000, 1000},
	{"nothing at all", 0, 0, SECOND, DAY, 0, 0},
	{"never refilled", 0, 5, SECOND, DAY, 5, 0},
	{"the highest rate", UINT32_MAX, 5, SECOND, 1, 5, 5},
	{"the highest rate and burst", UINT32_MAX, 0, SECOND, 1, MOST, MOST},
	{"the highest burst", 1, UINT32_MAX, SECOND, 1, MOST, MOST},
	{"a high rate, in microseconds", 50000000, 1000, SECOND, 3, 1000, 150},
	{"a high burst, in days", 1, 90000, SECOND, DAY / 2, 90000, 43200},
};

static void bucket_starts_full_and_refills_at_its_rate(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
		struct client_qps *l = limit(waits[i].qps, waits[i].burst);
		uint64_t now_us = waits[i].begin_us;
		uint32_t first = take_all(l, 1, now_us, MOST);
		uint32_t then = take_all(l, 1, now_us + waits[i].wait_us, MOST);
		uint32_t other = take_all(l, 2, now_us, MOST);

		client_qps_free(l);
		if (first != waits[i].first || then != waits[i].then || other != first)
			fail_msg("%s: %u, then %u, another %u, want %u, then %u", waits[i].label,
				 first, then, other, waits[i].first, waits[i].then);
	}
}

static const struct {
	const char *label, *one, *two;
	unsigned v4_bits, v6_bits;
	bool same;
} pairs[] = {
	{"any port", "192.0.2.1:53", "192.0.2.1:5300", 32, 64, true},
	{"another address", "192.0.2.1", "192.0.2.2", 32, 64, false},
	{"the same /24", "192.0.2.1", "192.0.2.254", 24, 64, true},
	{"another /24", "192.0.3.1", "192.0.2.1", 24, 64, false},
	{"the same /31", "192.0.2.2", "192.0.2.3", 31, 64, true},
	{"another /31", "192.0.2.1", "192.0.2.2", 31, 64, false},
	{"everybody", "192.0.2.1", "10.1.1.1", 0, 64, true},
	{"the same /64", "2001:db8::1", "2001:db8::ffff:0:0:1", 32, 64, true},
	{"another /64", "2001:db8::1", "2001:db8:0:1::1", 32, 64, false},
	{"the same /60", "2001:db8:0:1::1", "2001:db8:0:f::1", 32, 60, true},
	{"another /60", "2001:db8:0:1::1", "2001:db8:0:10::1", 32, 60, false},
	{"the same /65", "2001:db8::1", "2001:db8::7fff:0:0:1", 32, 65, true},
	{"another /65", "2001:db8::1", "2001:db8::8000:0:0:1", 32, 65, false},
	{"another /128", "2001:db8::1", "2001:db8::2", 32, 128, false},
	{"everybody with IPv6", "2001:db8::1", "fe80::1", 32, 0, true},
	{"IPv4 and IPv6 are apart", "32.1.13.184", "2001:db8::", 32, 32, false},
	{"IPv4 in IPv6", "::ffff:192.0.2.1", "192.0.2.1", 32, 64, true},
	{"IPv4 in IPv6 has the mask of IPv4", "::ffff:192.0.2.1", "::ffff:192.0.2.2", 32, 64,
	 false},
};

static void clients_are_told_apart_under_the_masks(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		struct client_qps_options o = {
			.qps = 1, .v4_bits = pairs[i].v4_bits, .v6_bits = pairs[i].v6_bits};
		struct addr one = addr_of(pairs[i].one), two = addr_of(pairs[i].two);
		struct err err;
		struct client_qps *l = client_qps_new(&o, &err);
		bool first, second;

		assert_non_null(l);
		first = client_qps_over(l, &one, SECOND);
		second = client_qps_over(l, &two, SECOND);
		client_qps_free(l);
		if (first || second != pairs[i].same)
			fail_msg("%s", pairs[i].label);
	}
}

static void masks_that_are_too_long_are_refused(void **state)
{
	static const unsigned masks[][2] = {{33, 64}, {32, 129}, {UINT32_MAX, UINT32_MAX}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(masks); i++) {
		struct client_qps_options o = {
			.qps = 1, .v4_bits = masks[i][0], .v6_bits = masks[i][1]};
		struct err err = {0};

		assert_null(client_qps_new(&o, &err));
		assert_string_not_equal(err.text, "");
	}
}

static void small_limits_take_the_larger_tables(void **state)
{
	static const struct {
		uint32_t qps;
		size_t want;
	} sizes[] = {{0, 16 << 20},        {1, 16 << 20},          {8, 8 << 20},
		     {10, 8 << 20},        {100, 1 << 20},         {1000, 128 << 10},
		     {1000000, 128 << 10}, {UINT32_MAX, 128 << 10}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct client_qps *l = limit(sizes[i].qps, 5);
		size_t got = client_qps_memory(l);

		client_qps_free(l);
		if (got != sizes[i].want)
			fail_msg("%u qps: %zu octets", sizes[i].qps, got);
	}
}

/* In steps of a prime number of microseconds: what rounding loses or adds would come to the fore.
 */
static void nothing_is_lost_or_given_in_small_steps(void **state)
{
	static const uint32_t rates[] = {1, 3, 7, 1000, 7777, 65537, 76000};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
		struct client_qps *l = limit(rates[i], 5);
		struct addr a = nth(1);
		uint64_t us, want, n = 0;

		take_all(l, 1, SECOND, MOST);
		for (us = 0; us < 10 * SECOND; us += 13)
			n += !client_qps_over(l, &a, SECOND + us);
		client_qps_free(l);
		want = rates[i] * (us - 13) / SECOND;
		if (n != want)
			fail_msg("%u qps: %llu in 10 s, want %llu", rates[i], (unsigned long long)n,
				 (unsigned long long)want);
	}
}

/* Just at the limit, for longer than it takes the time in a slot to come round (65 s at this rate).
 */
static void one_at_the_limit_is_never_over(void **state)
{
	static const uint32_t rates[] = {1, 10, 1000, 65536000};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
		uint32_t each = rates[i] < 1000 ? 1 : rates[i] / 1000;
		struct client_qps *l = limit(rates[i], each);
		struct addr a = nth(1);
		uint64_t step_us = SECOND * each / rates[i];

		for (uint64_t n = 0, us = 12345; n < 200000; n++, us += step_us)
			if (client_qps_over(l, &a, us))
				fail_msg("%u qps: the %lluth is over", rates[i],
					 (unsigned long long)n);
		client_qps_free(l);
	}
}

/* 2^32 / qps seconds. */
#define TURN_US ((UINT64_C(1) << 32) * SECOND / 1000000)

static void time_that_comes_round_finds_the_bucket_full(void **state)
{
	struct client_qps *l = limit(1000000, 100);

	(void)state;
	for (uint64_t us = SECOND; us < 40 * TURN_US; us += TURN_US / 7)
		assert_int_equal(take_all(l, 1, us, MOST), 100);
	client_qps_free(l);
}

static void abuser_is_held_while_time_comes_round(void **state)
{
	struct client_qps *l = limit(1000000, 100);
	uint32_t n = 0;

	(void)state;
	for (uint64_t us = TURN_US - 1000; us <= TURN_US + 1000; us++)
		n += take_all(l, 1, us, MOST);
	client_qps_free(l);
	assert_int_equal(n, 2000 + 100);
}

static void clock_that_steps(void **state)
{
	struct client_qps *l = limit(10, 20);

	(void)state;
	assert_int_equal(take_all(l, 1, DAY, MOST), 20);
	assert_int_equal(take_all(l, 1, DAY - SECOND / 2, MOST), 0); /* another worker's clock */
	assert_int_equal(take_all(l, 1, DAY - SECOND, MOST), 0);
	assert_int_equal(take_all(l, 1, DAY + SECOND, MOST), 10);
	assert_int_equal(take_all(l, 1, DAY / 2, MOST), 20); /* nobody waits for half a day */
	assert_int_equal(take_all(l, 1, DAY / 2, MOST), 0);
	assert_int_equal(take_all(l, 1, 1000 * DAY, MOST), 20);
	client_qps_free(l);
}

/* ---- crowds ---- */

struct crowd {
	const char *label;
	uint32_t qps, burst;
	uint32_t honest_every_ms; /* each */
	uint32_t abuser_every_ms;
	uint32_t flood;  /* sources that ask once, to one query of the honest */
	uint32_t rounds; /* of all honest ones */
};

static const struct crowd crowds[] = {
	{"far from the limit", 10, 20, 1000, 2, 0, 2},
	{"at 80 % of the limit", 10, 20, 125, 2, 0, 3},
	{"no burst, at 80 % of the limit", 10, 1, 125, 2, 0, 2},
	{"one a second, at 80 %", 1, 1, 1250, 20, 0, 2},
	{"a flood of spoofed sources", 10, 20, 1000, 20, 3, 1},
	{"a flood, and one a second", 1, 5, 2000, 20, 3, 1},
};

struct crowd_outcome {
	uint64_t honest_over;
	uint64_t passed[ABUSERS];
	uint64_t span_us;
};

/* 0 … HONEST-1 in an order that looks random, each once: an odd factor and a prime to the number.
 */
static uint32_t shuffled(uint32_t i)
{
	return (uint32_t)(i * UINT64_C(619333481) % HONEST);
}

static void run_crowd(const struct crowd *c, struct client_qps *l, struct crowd_outcome *out)
{
	uint64_t n = (uint64_t)c->rounds * HONEST, next_abuse_us = SECOND;
	uint32_t spoofed = 0;

	*out = (struct crowd_outcome){.span_us = c->rounds * c->honest_every_ms * UINT64_C(1000)};
	for (uint64_t i = 0; i < n; i++) {
		uint64_t now_us = SECOND + i * c->honest_every_ms * 1000 / HONEST;
		struct addr a = nth(0x0a000000 + shuffled((uint32_t)(i % HONEST)));

		out->honest_over += client_qps_over(l, &a, now_us);
		for (uint32_t f = 0; f < c->flood; f++) {
			a = nth(0x40000000 + spoofed++);
			client_qps_over(l, &a, now_us);
		}
		for (; next_abuse_us <= now_us; next_abuse_us += c->abuser_every_ms * 1000)
			for (uint32_t b = 0; b < ABUSERS; b++) {
				a = nth(0x20000000 + b);
				out->passed[b] += !client_qps_over(l, &a, now_us);
			}
	}
}

static void abusers_are_held_and_nobody_else(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(crowds); i++) {
		const struct crowd *c = &crowds[i];
		struct client_qps *l = limit(c->qps, c->burst);
		size_t memory = client_qps_memory(l);
		struct crowd_outcome out;
		uint64_t most;

		run_crowd(c, l, &out);
		assert_int_equal(client_qps_memory(l), memory);
		client_qps_free(l);
		most = c->burst + c->qps * out.span_us / SECOND;
		if (out.honest_over != 0)
			fail_msg("%s: %llu honest ones over", c->label,
				 (unsigned long long)out.honest_over);
		for (uint32_t b = 0; b < ABUSERS; b++)
			if (out.passed[b] > most || out.passed[b] + 2 < most)
				fail_msg("%s: abuser passed %llu times, of %llu", c->label,
					 (unsigned long long)out.passed[b],
					 (unsigned long long)most);
	}
}

/* All of a small table's slots are wanted many times over in the time it takes a bucket to fill, by
 * sources whose buckets lack more than a burst of 1 by then. */
static void known_abuser_outlives_a_flood(void **state)
{
	static const uint32_t bursts[] = {1, 2, 10};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bursts); i++) {
		struct client_qps_options o = {
			.qps = 1, .burst = bursts[i], .v4_bits = 32, .v6_bits = 64, .slots = 1024};
		struct err err;
		struct client_qps *l = client_qps_new(&o, &err);
		uint64_t then_us = SECOND + SECOND / 2;

		assert_non_null(l);
		assert_int_equal(take_all(l, 1, SECOND, MOST), bursts[i]);
		for (uint32_t n = 0; n < 100000; n++) {
			struct addr a = nth(0x40000000 + n);

			assert_false(client_qps_over(l, &a, then_us));
		}
		assert_int_equal(take_all(l, 1, then_us, MOST), 0);
		assert_int_equal(take_all(l, 1, 2 * SECOND, MOST), 1);
		client_qps_free(l);
	}
}

/* Where abusers alone are too many for the table, some are let off; a newcomer never is refused. */
static void newcomer_passes_where_all_are_refused(void **state)
{
	struct client_qps_options o = {
		.qps = 1, .burst = 2, .v4_bits = 32, .v6_bits = 64, .slots = 256};
	struct err err;
	struct client_qps *l = client_qps_new(&o, &err);
	uint32_t held = 0;

	(void)state;
	assert_non_null(l);
	for (uint32_t i = 0; i < 10000; i++)
		assert_int_equal(take_all(l, i, SECOND, MOST), 2);
	for (uint32_t i = 0; i < 10000; i++) {
		struct addr a = nth(i);

		held += client_qps_over(l, &a, SECOND);
	}
	assert_in_range(held, 1, 256);
	client_qps_free(l);
}

/* Half as many abusers as slots: a line is often full of them, a group of lines is not. */
static void abusers_find_room_beside_a_full_line(void **state)
{
	struct client_qps_options o = {
		.qps = 1, .burst = 2, .v4_bits = 32, .v6_bits = 64, .slots = 16384};
	struct err err;
	struct client_qps *l = client_qps_new(&o, &err);
	uint32_t free_again = 0;

	(void)state;
	assert_non_null(l);
	for (uint32_t i = 0; i < 8192; i++)
		take_all(l, i, SECOND, MOST);
	for (uint32_t i = 0; i < 8192; i++) {
		struct addr a = nth(i);

		free_again += !client_qps_over(l, &a, SECOND);
	}
	client_qps_free(l);
	assert_int_equal(free_again, 0);
}

/* With newcomers all the time, and none of the abusers asks so fast that he is refused at once. */
static void slow_abusers_are_held_in_a_crowd(void **state)
{
	enum { SLOTS = 16384, MANY = 6250, EACH_PER_S = 30, SPAN_S = 8 };
	struct client_qps_options o = {
		.qps = 10, .burst = 20, .v4_bits = 32, .v6_bits = 64, .slots = SLOTS};
	uint16_t *passed = mem_zalloc(MANY, sizeof(*passed));
	uint32_t newcomer = 0x40000000, most = 0;
	struct err err;
	struct client_qps *l = client_qps_new(&o, &err);

	(void)state;
	assert_non_null(l);
	for (uint32_t i = 0; i < MANY * EACH_PER_S * SPAN_S; i++) {
		uint64_t now_us = SECOND + i * SECOND / (MANY * EACH_PER_S);
		struct addr abuser = nth(i % MANY);

		passed[i % MANY] += !client_qps_over(l, &abuser, now_us);
		if (i % 8 == 0) {
			struct addr a = nth(newcomer++);

			assert_false(client_qps_over(l, &a, now_us));
		}
	}
	client_qps_free(l);
	for (uint32_t i = 0; i < MANY; i++)
		most = passed[i] > most ? passed[i] : most;
	free(passed);
	assert_in_range(most, 20 + 10 * (SPAN_S - 1), 20 + 10 * SPAN_S + 40);
}

static int secrets(void **state)
{
	(void)state;
	hash_init(7);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bucket_starts_full_and_refills_at_its_rate),
		cmocka_unit_test(clients_are_told_apart_under_the_masks),
		cmocka_unit_test(masks_that_are_too_long_are_refused),
		cmocka_unit_test(small_limits_take_the_larger_tables),
		cmocka_unit_test(nothing_is_lost_or_given_in_small_steps),
		cmocka_unit_test(one_at_the_limit_is_never_over),
		cmocka_unit_test(time_that_comes_round_finds_the_bucket_full),
		cmocka_unit_test(abuser_is_held_while_time_comes_round),
		cmocka_unit_test(clock_that_steps),
		cmocka_unit_test(abusers_are_held_and_nobody_else),
		cmocka_unit_test(known_abuser_outlives_a_flood),
		cmocka_unit_test(newcomer_passes_where_all_are_refused),
		cmocka_unit_test(abusers_find_room_beside_a_full_line),
		cmocka_unit_test(slow_abusers_are_held_in_a_crowd),
	};

	return cmocka_run_group_tests(tests, secrets, NULL);
}
