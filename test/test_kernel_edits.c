/* Edits of the kernel filter: a transaction that fails takes them back. Where the kernel lets us. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "rules/dyn_filter.h"
#include "rules/kernel_edits.h"
#include "rules/kernel_filters.h"

static struct kfilter *filter;

#define RANGES 20000
#define MANY   200000

static struct addr address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, 0, &a, NULL), 0);
	return a;
}

static int fresh(void **state)
{
	const struct kfilter_options o = {.map[KFILTER_V4].max = 2,
					  .map[KFILTER_V6].max = MANY,
					  .map[KFILTER_CIDR4].max = RANGES,
					  .map[KFILTER_CIDR6].max = 2,
					  .map[KFILTER_NAMES].max = 2};
	struct err err;

	if (kfilter_open(&o, &filter, &err) < 0) {
		printf("no kernel filter here: %s\n", err.text);
		filter = NULL;
	}
	return 0;
}

static int over(void **state)
{
	kernel_filters_stop();
	kfilter_unref(filter);
	return 0;
}

static int put(const char *text, uint64_t counter, uint64_t until_ns)
{
	struct kfilter_value v = {
		.counter = counter, .until_ns = until_ns, .action = KFILTER_DROP};
	struct kfilter_key k;
	struct addr a = address(text);

	kfilter_key_address(&a, &k);
	return kernel_edit_put(filter, &k, v);
}

static int take_out(const char *text)
{
	struct kfilter_key k;
	struct addr a = address(text);

	kfilter_key_address(&a, &k);
	return kernel_edit_remove(filter, &k);
}

static void add_text(void *ctx, const char *text, uint64_t packets)
{
	snprintf((char *)ctx + strlen(ctx), 200, "%s=%u ", text, (unsigned)packets);
}

/* All entries that are in force, as the web interface will have them. */
static const char *entries(void)
{
	static char all[1024];

	*all = '\0';
	kernel_filter_entries(filter, add_text, all);
	return all;
}

static unsigned undone, released;

static void undo(void *what, void *before)
{
	assert_string_equal(what, "what");
	assert_string_equal(before, "before");
	undone++;
}

static void release(void *what, void *before)
{
	released++;
}

static void what_fails_has_changed_nothing(void **state)
{
	static char what[] = "what", before[] = "before";

	if (filter == NULL)
		skip();
	undone = released = 0;
	assert_int_equal(put("192.0.2.1", 7, 0), 0);
	kernel_edits_begin();
	assert_int_equal(put("192.0.2.1", 0, UINT64_MAX), 0);
	assert_int_equal(put("192.0.2.2", 0, 0), 0);
	assert_int_equal(put("192.0.2.3", 0, 0), -ENOSPC);
	assert_int_equal(take_out("192.0.2.1"), 0);
	assert_int_equal(take_out("192.0.2.1"), -ENOENT);
	assert_int_equal(put("192.0.2.3", 0, 0), 0);
	kernel_edit_note(undo, release, what, before);
	kernel_edits_end(false);
	assert_string_equal(entries(), "192.0.2.1=7 ");
	assert_int_equal(undone, 1);
	assert_int_equal(released, 1);

	kernel_edits_begin();
	assert_int_equal(take_out("192.0.2.1"), 0);
	assert_int_equal(put("192.0.2.2", 0, 0), 0);
	kernel_edit_note(undo, release, what, before);
	kernel_edits_end(true);
	assert_string_equal(entries(), "192.0.2.2=0 ");
	kernel_edit_note(undo, release, what, before); /* in none: nothing can fail any more */
	assert_int_equal(undone, 1);
	assert_int_equal(released, 3);
}

static int put_range(const char *text, unsigned action)
{
	struct kfilter_value v = {.action = (uint16_t)action};
	struct kfilter_key k;
	struct netmask nm;

	assert_int_equal(netmask_parse(text, &nm, NULL), 0);
	kfilter_key_range(&nm, &k);
	return kernel_edit_put(filter, &k, v);
}

/* One in another, and one beside it that differs in its last bit alone. */
static void ranges_that_fail_are_as_they_were(void **state)
{
	struct kfilter_value v = {.counter = 5, .action = KFILTER_DROP};
	struct kfilter_key k;
	struct netmask nm;

	if (filter == NULL)
		skip();
	assert_int_equal(netmask_parse("10.0.0.0/8", &nm, NULL), 0);
	kfilter_key_range(&nm, &k);
	assert_int_equal(kfilter_put(filter, &k, &v), 0);
	kernel_edits_begin();
	assert_int_equal(put_range("10.1.2.0/24", KFILTER_PASS), 0);
	assert_int_equal(put_range("10.1.3.0/24", KFILTER_DROP), 0);
	assert_int_equal(put_range("10.0.0.0/8", KFILTER_PASS), 0);
	assert_true(kfilter_covering(filter, &k, &v));
	assert_int_equal(v.action, KFILTER_PASS);
	assert_int_equal(v.counter, 5);
	kernel_edits_end(false);
	assert_string_equal(entries(), "10.0.0.0/8=5 ");
	assert_true(kfilter_covering(filter, &k, &v));
	assert_int_equal(v.action, KFILTER_DROP);
}

/* What is there already does not make an edit slower: a walk for each would take minutes. */
static void many_ranges(void **state)
{
	struct kfilter_value v = {.action = KFILTER_DROP};
	struct netmask nm = {.bits = 32};
	struct kfilter_key k;
	uint64_t begin_us = clock_mono_us();

	if (filter == NULL)
		skip();
	nm.base.v4.sin_family = AF_INET;
	for (uint32_t pass = 0; pass < 3; pass++)
		for (uint32_t i = 0; i < RANGES; i++) {
			nm.base.v4.sin_addr.s_addr = htonl(0x0a000000 | i);
			kfilter_key_range(&nm, &k);
			if (pass < 2)
				assert_int_equal(kernel_edit_put(filter, &k, v), 0);
			else
				assert_int_equal(kernel_edit_remove(filter, &k), 0);
		}
	assert_true(clock_mono_us() - begin_us < 10000000);
}

static void a_count_goes_on_while_its_entry_is_in_force(void **state)
{
	uint64_t now_ns = kfilter_ns(clock_mono_us());

	if (filter == NULL)
		skip();
	assert_int_equal(put("192.0.2.1", 7, now_ns + UINT64_C(60000000000)), 0);
	assert_int_equal(put("192.0.2.1", 0, now_ns - 1), 0);
	assert_string_equal(entries(), "");
	assert_int_equal(put("192.0.2.1", 0, 0), 0);
	assert_string_equal(entries(), "192.0.2.1=0 ");
}

static void what_is_past_its_time_makes_room(void **state)
{
	if (filter == NULL)
		skip();
	assert_int_equal(put("192.0.2.1", 0, 1), 0);
	assert_int_equal(put("192.0.2.2", 0, 1), 0);
	/* the first test may have looked for room less than a second ago */
	if (put("192.0.2.3", 0, 0) == -ENOSPC) {
		assert_int_equal(kfilter_purge(filter, KFILTER_V4, UINT64_MAX), 2);
		assert_int_equal(put("192.0.2.3", 0, 0), 0);
	}
	assert_string_equal(entries(), "192.0.2.3=0 ");
}

static void entries_of_all_filters(void **state)
{
	struct dyn_filter *d;
	struct addr a = address("192.0.2.9");
	struct kfilter_key k;
	char all[256] = "";
	struct err err;

	if (filter == NULL)
		skip();
	kernel_filters_add(filter);
	assert_int_equal(put("192.0.2.1", 3, 0), 0);
	kfilter_key_name((const uint8_t *)"\1A", 3, 28, &k);
	assert_int_equal(kernel_edit_put(filter, &k, (struct kfilter_value){.counter = 2}), 0);
	d = dyn_filter_new(filter);
	assert_int_equal(dyn_filter_block(d, &a, 60, "test", true, &err), 0);
	kernel_filters_entries(add_text, all);
	assert_non_null(strstr(all, "192.0.2.1=3 "));
	assert_non_null(strstr(all, "192.0.2.9=0 "));
	assert_non_null(strstr(all, "a. AAAA=2 "));
	dyn_filter_purge(d, clock_mono_us());
	assert_int_equal(take_out("192.0.2.9"), 0);
	dyn_filter_unref(d);
}

static void count_one(void *ctx, const struct kfilter_key *k, const struct kfilter_value *v)
{
	++*(size_t *)ctx;
}

static size_t count_entries(void)
{
	size_t n = 0;

	kfilter_visit(filter, KFILTER_V6, count_one, &n);
	return n;
}

static void block_many(struct dyn_filter *d, uint32_t from, uint32_t n, uint32_t seconds)
{
	struct addr a = address("2001:db8::");
	struct err err;

	for (uint32_t i = from; i < from + n; i++) {
		uint32_t low = htonl(i);

		memcpy(&a.v6.sin6_addr.s6_addr[12], &low, sizeof(low));
		assert_int_equal(dyn_filter_block(d, &a, seconds, "test", true, &err), 0);
	}
}

/* Purging a registered one of many is done in parts, and misses none; also not those that are
 * blocked again or anew in between. */
static void many_blocks_are_purged_in_parts(void **state)
{
	uint64_t now_us = clock_mono_us();
	struct dyn_filter *d;
	size_t before;

	if (filter == NULL)
		skip();
	d = dyn_filter_new(filter);
	dyn_filter_register(d);
	block_many(d, 0, MANY / 2, 1);
	dyn_filters_tick(now_us);
	block_many(d, MANY / 2, MANY / 4, 1);
	block_many(d, 0, 10, 600);
	assert_int_equal(count_entries(), MANY / 4 * 3);
	now_us += 30000000;
	before = count_entries();
	for (unsigned i = 0; i < 14; i++) {
		size_t n;

		dyn_filters_tick(now_us);
		n = count_entries();
		assert_true(before - n <= 16384);
		before = n;
	}
	assert_int_equal(before, 10);
	dyn_filter_unregister(d);
	block_many(d, 10, 5, 1);
	dyn_filter_purge(d, now_us + 30000000);
	assert_int_equal(count_entries(), 10);
	dyn_filter_purge(d, now_us + 700000000);
	assert_int_equal(count_entries(), 0);
	dyn_filter_unref(d);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, over)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_fails_has_changed_nothing),
		TEST(ranges_that_fail_are_as_they_were),
		TEST(many_ranges),
		TEST(a_count_goes_on_while_its_entry_is_in_force),
		TEST(what_is_past_its_time_makes_room),
		TEST(entries_of_all_filters),
		TEST(many_blocks_are_purged_in_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
