/* The token bucket, on a clock of our own. Threads: test_mt_limiter.c. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "pools/limiter.h"

#define SECOND UINT64_C(1000000)

#define MOST 1000000 /* more is not asked for */

static uint32_t take_all(_Atomic uint64_t *bucket, uint32_t rate, uint32_t burst, uint64_t now_us)
{
	uint32_t n = 0;

	while (n < MOST && limiter_take(bucket, rate, burst, now_us))
		n++;
	return n;
}

static const struct {
	const char *label;
	uint32_t rate, burst;
	uint64_t begin_us, wait_us;
	uint32_t want; /* tokens after the wait; the burst comes first, always */
} waits[] = {
	{"at once nothing more", 10, 10, 1, 0, 0},
	{"a token short of a microsecond", 10, 10, SECOND, 99999, 0},
	{"a token exactly", 10, 10, SECOND, 100000, 1},
	{"a second", 10, 10, SECOND, SECOND, 10},
	{"no more than the burst", 10, 3, SECOND, 100 * SECOND, 3},
	{"burst larger than rate", 10, 50, SECOND, 2 * SECOND, 20},
	{"a clock just started", 1, 1000000, 1, SECOND, 1},
	{"an old clock", 1000, 1000, UINT64_C(3000000000000000), SECOND, 1000},
	{"the highest rate", 1000000, 1000000, SECOND, 1, 1},
	{"a rate near a million", 999999, 1000, SECOND, 5001, 1000},
	{"a rate in microseconds", 50000000, 1000, SECOND, 3, 150},
	{"the highest rate of all", UINT32_MAX, 100000, SECOND, 10, 42949},
	{"the highest burst", 1, UINT32_MAX, SECOND, SECOND, MOST},
	{"the highest rate and burst", UINT32_MAX, UINT32_MAX, SECOND, 1, MOST},
	{"a deep bucket, in days", 1, 100000, SECOND, 43200 * SECOND, 43200},
	{"burst without a rate", 0, 5, SECOND, 1000 * SECOND, 0},
	{"nothing at all", 0, 0, SECOND, 1000 * SECOND, 0},
	{"a rate that does not divide a second", 3, 3, SECOND, SECOND + 1, 3},
};

static void bucket_starts_full_and_refills_at_its_rate(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
		_Atomic uint64_t bucket = 0;
		uint32_t first =
			take_all(&bucket, waits[i].rate, waits[i].burst, waits[i].begin_us);
		uint32_t then = take_all(&bucket, waits[i].rate, waits[i].burst,
					 waits[i].begin_us + waits[i].wait_us);

		uint32_t full = waits[i].burst < MOST ? waits[i].burst : MOST;

		if (first != full || then != waits[i].want)
			fail_msg("%s: %u, then %u, want %u", waits[i].label, first, then,
				 waits[i].want);
	}
}

static void looking_takes_nothing(void **state)
{
	_Atomic uint64_t bucket = 0;

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		assert_true(limiter_has(&bucket, 1, 1, SECOND));
	assert_true(limiter_take(&bucket, 1, 1, SECOND));
	assert_false(limiter_has(&bucket, 1, 1, SECOND));
	assert_false(limiter_has(&bucket, 1, 1, 2 * SECOND - 1));
	assert_true(limiter_has(&bucket, 1, 1, 2 * SECOND));
}

/* In steps of a prime number of microseconds: what rounding loses or adds would come to the fore.
 */
static void nothing_is_lost_or_given_in_small_steps(void **state)
{
	static const uint32_t rates[] = {1, 7, 7777, 65537, 76000};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
		_Atomic uint64_t bucket = 0;
		uint64_t us, n = 0;

		take_all(&bucket, rates[i], 100, SECOND);
		for (us = 0; us < 10 * SECOND; us += 13)
			n += limiter_take(&bucket, rates[i], 100, SECOND + us);
		assert_int_equal(n, rates[i] * (us - 13) / SECOND);
	}
}

static void another_rate_begins_full(void **state)
{
	static const uint32_t rates[] = {1000, 999, 1001, 2000, 1, 4000000000, 1000};
	_Atomic uint64_t bucket = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
		assert_true(limiter_has(&bucket, rates[i], 10, SECOND));
		assert_int_equal(take_all(&bucket, rates[i], 10, SECOND), 10);
	}
	assert_false(limiter_has(&bucket, 1000, 10, SECOND));
	assert_int_equal(take_all(&bucket, 1000, 30, SECOND), 20); /* another burst does not */
}

static void an_earlier_clock_gives_nothing(void **state)
{
	_Atomic uint64_t bucket = 0;

	(void)state;
	assert_int_equal(take_all(&bucket, 1000, 10, 500 * SECOND), 10);
	assert_int_equal(take_all(&bucket, 1000, 10, 499 * SECOND), 0);
	assert_int_equal(take_all(&bucket, 1000, 10, 440 * SECOND), 0);
	assert_int_equal(take_all(&bucket, 1000, 10, 500 * SECOND + 3000), 3);
	assert_int_equal(take_all(&bucket, 1000, 10, SECOND), 10); /* no other thread's: set back */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bucket_starts_full_and_refills_at_its_rate),
		cmocka_unit_test(looking_takes_nothing),
		cmocka_unit_test(nothing_is_lost_or_given_in_small_steps),
		cmocka_unit_test(another_rate_begins_full),
		cmocka_unit_test(an_earlier_clock_gives_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
