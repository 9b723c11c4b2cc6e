#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <string.h>

#include "core/timers.h"

struct named {
	struct timer timer;
	char name;
	struct timer *stops;        /* stopped when this one fires */
	struct timer_queue *starts; /* queue in which this one starts anew when it fires */
	uint64_t now_us;
};

static void fire(struct timer *timer, void *ctx)
{
	struct named *n = container_of(timer, struct named, timer);
	char *fired = ctx;

	strncat(fired, &n->name, 1);
	if (n->stops != NULL)
		timer_stop(n->stops);
	if (n->starts != NULL)
		timer_start(n->starts, &n->timer, n->now_us);
}

static struct named named(char name)
{
	return (struct named){.timer = {.fire = fire}, .name = name};
}

static void one_queue_for_each_length(void **state)
{
	struct timers ts = {0};
	struct timer_queue *second = timers_queue(&ts, 1000000);

	for (uint64_t us = 1; us < 100; us++)
		timers_queue(&ts, us);
	assert_ptr_equal(timers_queue(&ts, 1000000), second);
	assert_int_equal(second->delay_us, 1000000);
	timers_fini(&ts);
}

static void lengths_that_nobody_waits_for_are_forgotten(void **state)
{
	struct timers ts = {0};
	struct named a = named('a'), b = named('b');
	struct timer_queue *kept = timers_queue(&ts, 7);
	char fired[8] = "";

	kept->kept = true;
	timer_start(timers_queue(&ts, 2000), &a.timer, 10000);
	for (uint64_t us = 10; us < 100; us++)
		timers_queue(&ts, us);
	timers_trim(&ts);
	assert_int_equal(ts.n, 2);
	assert_ptr_equal(timers_queue(&ts, 7), kept);
	timer_start(timers_queue(&ts, 10), &b.timer, 10000);
	timers_run(&ts, 12000, fired);
	assert_string_equal(fired, "ab");
	timers_trim(&ts);
	assert_int_equal(ts.n, 1);
	timers_fini(&ts);
}

static void fires_when_due_and_not_before(void **state)
{
	struct timers ts = {0};
	struct named a = named('a'), b = named('b'), c = named('c');
	char fired[8] = "";

	timer_start(timers_queue(&ts, 2000), &a.timer, 10000);
	timer_start(timers_queue(&ts, 2000), &b.timer, 10500);
	timer_start(timers_queue(&ts, 500), &c.timer, 10000);
	timers_run(&ts, 10499, fired);
	assert_string_equal(fired, "");
	timers_run(&ts, 10500, fired);
	assert_string_equal(fired, "c");
	timers_run(&ts, 12000, fired);
	assert_string_equal(fired, "ca");
	assert_false(timer_is_running(&a.timer));
	assert_true(timer_is_running(&b.timer));
	timers_run(&ts, 99999, fired);
	assert_string_equal(fired, "cab");
	timers_fini(&ts);
}

static void stopped_ones_stay_silent(void **state)
{
	struct timers ts = {0};
	struct timer_queue *q = timers_queue(&ts, 100);
	struct named n[] = {named('0'), named('1'), named('2'), named('3')};
	char fired[8] = "";

	for (size_t i = 0; i < ARRAY_LEN(n); i++)
		timer_start(q, &n[i].timer, i);
	timer_stop(&n[1].timer);
	timer_stop(&n[1].timer);
	timer_stop(&n[3].timer);
	timer_stop(&n[0].timer);
	timers_run(&ts, 1000, fired);
	assert_string_equal(fired, "2");
	assert_int_equal(timers_next_ms(&ts, 1000, -1), -1);
	timers_fini(&ts);
}

static void starting_anew_goes_to_the_end(void **state)
{
	struct timers ts = {0};
	struct timer_queue *q = timers_queue(&ts, 100);
	struct named a = named('a'), b = named('b');
	char fired[8] = "";

	timer_start(q, &a.timer, 0);
	timer_start(q, &b.timer, 10);
	timer_start(q, &a.timer, 20);
	timers_run(&ts, 110, fired);
	assert_string_equal(fired, "b");
	timers_run(&ts, 120, fired);
	assert_string_equal(fired, "ba");
	timers_fini(&ts);
}

static void fire_may_stop_others_and_start_itself(void **state)
{
	static const uint64_t delays[] = {0, 1, 100};

	for (size_t i = 0; i < ARRAY_LEN(delays); i++) {
		struct timers ts = {0};
		struct timer_queue *q = timers_queue(&ts, delays[i]);
		struct named a = named('a'), b = named('b'), c = named('c');
		char fired[8] = "";

		a.stops = &b.timer;
		c.starts = q;
		c.now_us = 1000;
		timer_start(q, &a.timer, 0);
		timer_start(q, &b.timer, 0);
		timer_start(q, &c.timer, 0);
		timers_run(&ts, 1000, fired);
		if (strcmp(fired, "ac") != 0 || !timer_is_running(&c.timer))
			fail_msg("delay %u: fired '%s'", (unsigned)delays[i], fired);
		timers_fini(&ts);
	}
}

static void next_is_rounded_up_and_limited(void **state)
{
	static const struct {
		const char *label;
		uint64_t delay_us, now_us;
		int limit_ms, want;
	} cases[] = {
		{"rounded up", 1001, 0, -1, 2},
		{"a whole millisecond", 1000, 0, -1, 1},
		{"due now", 1000, 1000, -1, 0},
		{"overdue", 1000, 5000, 10, 0},
		{"limited", 1000000, 0, 10, 10},
		{"limit 0", 1000000, 0, 0, 0},
		{"more than an int", UINT64_MAX / 4, 0, -1, INT_MAX},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct timers ts = {0};
		struct named a = named('a');
		int got;

		timer_start(timers_queue(&ts, cases[i].delay_us), &a.timer, 0);
		got = timers_next_ms(&ts, cases[i].now_us, cases[i].limit_ms);
		if (got != cases[i].want)
			fail_msg("%s: got %d", cases[i].label, got);
		timers_fini(&ts);
	}
}

static void next_without_timers_is_the_limit(void **state)
{
	struct timers ts = {0};

	timers_queue(&ts, 5);
	assert_int_equal(timers_next_ms(&ts, 0, 250), 250);
	assert_int_equal(timers_next_ms(&ts, 0, -1), -1);
	timers_fini(&ts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_queue_for_each_length),
		cmocka_unit_test(lengths_that_nobody_waits_for_are_forgotten),
		cmocka_unit_test(fires_when_due_and_not_before),
		cmocka_unit_test(stopped_ones_stay_silent),
		cmocka_unit_test(starting_anew_goes_to_the_end),
		cmocka_unit_test(fire_may_stop_others_and_start_itself),
		cmocka_unit_test(next_is_rounded_up_and_limited),
		cmocka_unit_test(next_without_timers_is_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
