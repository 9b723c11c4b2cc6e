/* Statistics: names in order, sums over blocks, the histogram, moving averages. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/stats.h"
#include "core/stats_latency.h"

#define VALUES_MAX 128

static const struct stat_value *find(const struct stat_value *v, unsigned n, const char *name)
{
	for (unsigned i = 0; i < n; i++)
		if (strcmp(v[i].name, name) == 0)
			return &v[i];
	fail_msg("no statistic %s", name);
	return NULL;
}

static uint64_t value(const char *name)
{
	struct stat_value v[VALUES_MAX];
	unsigned n = stats_read(v, VALUES_MAX);

	return find(v, n, name)->u;
}

static double average(const char *name)
{
	struct stat_value v[VALUES_MAX];
	unsigned n = stats_read(v, VALUES_MAX);

	assert_true(find(v, n, name)->is_double);
	return find(v, n, name)->d;
}

static void every_name_is_there_once(void **state)
{
	struct stat_value v[VALUES_MAX];
	unsigned n = stats_read(v, VALUES_MAX);

	(void)state;
	assert_int_equal(n, 89); /* the 86 of dnsdist, and ours */
	assert_string_equal(v[0].name, "responses");
	assert_string_equal(v[2].name, "queries");
	assert_string_equal(v[85].name, "latency-count");
	assert_string_equal(v[n - 1].name, "overload-drops");
	for (unsigned i = 0; i < n; i++)
		for (unsigned j = 0; j < i; j++)
			if (strcmp(v[i].name, v[j].name) == 0)
				fail_msg("%s is there twice", v[i].name);
	assert_int_equal(stats_read(v, 3), 3);
}

static void counters_are_summed_and_outlive_their_block(void **state)
{
	static struct worker_stats one, two;
	uint64_t before = value("queries");

	(void)state;
	stats_register(&one);
	stats_register(&two);
	stat_inc(&one, STAT_QUERIES);
	stat_add(&two, STAT_QUERIES, 40);
	stat_inc(stats_control(), STAT_QUERIES);
	assert_int_equal(stats_sum(STAT_QUERIES) - before, 42);
	stats_unregister(&two);
	memset(&two, 0xff, sizeof(two)); /* gone */
	assert_int_equal(value("queries") - before, 42);
	stats_unregister(&one);
	stats_unregister(&one); /* a second time is nothing */
	assert_int_equal(value("queries") - before, 42);
}

static const struct {
	uint64_t us;
	const char *name;
} buckets[] = {
	{0, "latency0-1"},           {999, "latency0-1"},
	{1000, "latency1-10"},       {9999, "latency1-10"},
	{10000, "latency10-50"},     {50000, "latency50-100"},
	{100000, "latency100-1000"}, {999999, "latency100-1000"},
	{1000000, "latency-slow"},   {UINT32_MAX, "latency-slow"},
};

static void latency_falls_into_its_bucket(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(buckets); i++) {
		uint64_t before = value(buckets[i].name), sum_ms = value("latency-sum");

		stat_latency(stats_control(), LATENCY_UDP, buckets[i].us);
		if (value(buckets[i].name) != before + 1)
			fail_msg("%lu us do not count in %s", (unsigned long)buckets[i].us,
				 buckets[i].name);
		if (value("latency-sum") - sum_ms - buckets[i].us / 1000 > 1)
			fail_msg("%lu us are not summed", (unsigned long)buckets[i].us);
	}
}

static void other_transports_have_averages_but_no_histogram(void **state)
{
	uint64_t slow = value("latency-slow"), count = value("latency-count");

	(void)state;
	stat_latency(stats_control(), LATENCY_DOT, 2000000);
	assert_int_equal(value("latency-slow"), slow);
	assert_int_equal(value("latency-count"), count);
	assert_true(fabs(average("latency-dot-avg100") - 20000) < 1e-6);
	assert_true(fabs(average("latency-dot-avg1000000") - 2) < 1e-6);
	assert_true(average("latency-doq-avg100") == 0);
}

static void average_of_many_equals_one_by_one(void **state)
{
	(void)state;
	for (unsigned w = 0; w < LATENCY_WINDOWS; w++) {
		uint32_t window = latency_windows[w];
		double by_one = 123;

		for (unsigned i = 0; i < 5000; i++)
			by_one = by_one * (window - 1) / window + 777.0 / window;
		if (fabs(latency_average(123, window, 5000, 777) - by_one) > 1e-6)
			fail_msg("window %u: %.9f, one by one %.9f", window,
				 latency_average(123, window, 5000, 777), by_one);
	}
}

static uint64_t seven(void)
{
	return 7;
}

static void another_room_provides_a_row(void **state)
{
	(void)state;
	assert_int_equal(value("dyn-block-nmg-size"), 0);
	stats_provide("dyn-block-nmg-size", seven);
	assert_int_equal(value("dyn-block-nmg-size"), 7);
	assert_int_equal(value("security-status"), 0);
}

static void the_process_is_described(void **state)
{
	(void)state;
	clock_fake(1000000, 1700000000);
	stats_tick();
	assert_true(value("real-memory-usage") > 100000);
	assert_in_range(value("special-memory-usage"), 1, value("real-memory-usage"));
	assert_in_range(value("fd-usage"), 3, 1000);
	clock_fake_end();
}

static void uptime_counts_seconds(void **state)
{
	uint64_t before;

	(void)state;
	clock_fake(clock_mono_us(), 1700000000);
	before = value("uptime");
	clock_fake_advance(61000000);
	assert_int_equal(value("uptime"), before + 61);
	clock_fake_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_name_is_there_once),
		cmocka_unit_test(counters_are_summed_and_outlive_their_block),
		cmocka_unit_test(latency_falls_into_its_bucket),
		cmocka_unit_test(other_transports_have_averages_but_no_histogram),
		cmocka_unit_test(average_of_many_equals_one_by_one),
		cmocka_unit_test(another_room_provides_a_row),
		cmocka_unit_test(the_process_is_described),
		cmocka_unit_test(uptime_counts_seconds),
	};

	stats_tick(); /* the start */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
