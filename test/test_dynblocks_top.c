/* Which dynamic blocks meet the most queries: looked at each ten seconds, averaged over a minute.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/hash.h"
#include "rules/dynblocks.h"

#define SECOND UINT64_C(1000000)

static int fresh(void **state)
{
	clock_fake(1000 * SECOND, 1000);
	hash_init(1);
	dynblocks_start();
	dynblocks_worker_begin(0);
	dynblocks_worker_begin(1);
	dynblocks_tick(clock_mono_us(), 0);
	return 0;
}

static int over(void **state)
{
	dynblocks_stop();
	clock_fake_end();
	return 0;
}

static struct addr client(uint32_t i)
{
	return (struct addr){.v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(i)}};
}

static void block(uint32_t i, const char *reason)
{
	struct dynblock_new new = {.addr = client(i),
				   .bits = 32,
				   .reason = reason,
				   .seconds = 6000,
				   .action = DNS_ACTION_DROP,
				   .quiet = true};

	assert_true(dynblocks_add(&new, NULL) >= 0);
}

static void meet(uint32_t i, unsigned n)
{
	struct addr a = client(i);
	struct dynblock_hit hit;

	for (unsigned k = 0; k < n; k++) {
		assert_true(dynblocks_find_address(&a, clock_mono_us(), &hit));
		dynblocks_hit(&hit, k & 1);
	}
}

/* Ten seconds, a tick each. */
static void look(void)
{
	for (unsigned i = 0; i < 10; i++) {
		clock_fake_advance(SECOND);
		dynblocks_tick(clock_mono_us(), 0);
	}
}

static char text[4096];

static void write_one(void *ctx, const struct dynblock_offender *o)
{
	size_t at = strlen(text);

	snprintf(text + at, sizeof(text) - at, "%s %s %.2f\n", o->reason, o->what, o->hits_per_s);
}

static const char *offenders(enum dynblock_kind kind)
{
	text[0] = '\0';
	dynblocks_top(kind, write_one, NULL);
	return text;
}

static void they_are_averaged_over_a_minute(void **state)
{
	block(1, "r");
	block(2, "r");
	block(3, "other");
	meet(1, 100);
	assert_string_equal(offenders(DYNBLOCK_ADDRESS), "");
	look();
	assert_string_equal(offenders(DYNBLOCK_ADDRESS), "r 0.0.0.1/32 10.00\n");
	meet(1, 50);
	meet(2, 400);
	meet(3, 20);
	look();
	assert_string_equal(offenders(DYNBLOCK_ADDRESS),
			    "other 0.0.0.3/32 1.00\nr 0.0.0.2/32 20.00\n"
			    "r 0.0.0.1/32 7.50\n");
	assert_string_equal(offenders(DYNBLOCK_NAME), "");
	for (unsigned i = 0; i < 4; i++)
		look();
	assert_string_equal(offenders(DYNBLOCK_ADDRESS),
			    "other 0.0.0.3/32 0.33\nr 0.0.0.2/32 6.67\n"
			    "r 0.0.0.1/32 2.50\n");
	look(); /* the first look is over a minute old */
	assert_string_equal(offenders(DYNBLOCK_ADDRESS),
			    "other 0.0.0.3/32 0.33\nr 0.0.0.2/32 6.67\n"
			    "r 0.0.0.1/32 0.83\n");
	look();
	assert_string_equal(offenders(DYNBLOCK_ADDRESS), "");
}

static void names_are_of_their_own(void **state)
{
	static const uint8_t name[] = "\4evil\4test";
	struct dynblock_new new = {.name = name,
				   .name_len = sizeof(name),
				   .reason = "n",
				   .seconds = 6000,
				   .quiet = true};
	struct dynblock_hit hit;

	assert_true(dynblocks_add(&new, NULL) >= 0);
	assert_true(dynblocks_find_name(name, sizeof(name), clock_mono_us(), &hit));
	for (unsigned i = 0; i < 20; i++)
		dynblocks_hit(&hit, 0);
	look();
	assert_string_equal(offenders(DYNBLOCK_NAME), "n evil.test. 2.00\n");
	assert_string_equal(offenders(DYNBLOCK_ADDRESS), "");
}

static void twenty_of_each_reason(void **state)
{
	unsigned lines = 0;

	for (uint32_t i = 1; i <= 100; i++) {
		block(i, i % 2 ? "odd" : "even");
		meet(i, 10 * i);
	}
	look();
	offenders(DYNBLOCK_ADDRESS);
	for (const char *s = text; *s != '\0'; s++)
		lines += *s == '\n';
	assert_int_equal(lines, 40);
	assert_ptr_equal(strstr(text, "even 0.0.0.100/32 100.00\neven 0.0.0.98/32 98.00\n"), text);
	assert_non_null(strstr(text, "\nodd 0.0.0.99/32 99.00\nodd 0.0.0.97/32 97.00\n"));
	assert_non_null(strstr(text, "\nodd 0.0.0.61/32 61.00\n"));
	assert_null(strstr(text, "0.0.0.59/32"));
}

static void reasons_without_end_are_bounded(void **state)
{
	unsigned lines = 0;
	char reason[16];

	for (uint32_t i = 1; i <= 100; i++) {
		snprintf(reason, sizeof(reason), "r%u", (unsigned)i);
		block(i, reason);
		meet(i, 10);
	}
	look();
	offenders(DYNBLOCK_ADDRESS);
	for (const char *s = text; *s != '\0'; s++)
		lines += *s == '\n';
	assert_int_equal(lines, 64);
}

/* More than are looked at in one tick; none is looked at twice or left out. */
static void many_blocks_take_some_ticks(void **state)
{
	enum { BLOCKS = 300000 };

	for (uint32_t i = 1; i <= BLOCKS; i++)
		block(i, "r");
	meet(1, 1000);
	meet(BLOCKS / 2, 2000);
	meet(BLOCKS, 3000);
	look();
	assert_string_equal(offenders(DYNBLOCK_ADDRESS), ""); /* it has just begun */
	clock_fake_advance(SECOND);
	dynblocks_tick(clock_mono_us(), 0);
	clock_fake_advance(SECOND);
	dynblocks_tick(clock_mono_us(), 0);
	assert_string_equal(offenders(DYNBLOCK_ADDRESS),
			    "r 0.4.147.224/32 300.00\n"
			    "r 0.2.73.240/32 200.00\nr 0.0.0.1/32 100.00\n");
}

static void a_block_that_begins_anew_counts_anew(void **state)
{
	block(1, "r");
	meet(1, 1000);
	look();
	dynblocks_clear();
	assert_string_equal(offenders(DYNBLOCK_ADDRESS), "");
	block(7, "r");
	meet(7, 10);
	dynblocks_tick(clock_mono_us(), 0);
	look();
	assert_string_equal(offenders(DYNBLOCK_ADDRESS), "r 0.0.0.7/32 1.00\n");
	/* what a transaction has collected has the same numbers and is not the same block */
	dynblocks_begin();
	block(9, "draft");
	dynblocks_end(false);
	look();
	assert_string_equal(offenders(DYNBLOCK_ADDRESS), "r 0.0.0.7/32 0.50\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, over)
		TEST(they_are_averaged_over_a_minute), TEST(names_are_of_their_own),
		TEST(twenty_of_each_reason),           TEST(reasons_without_end_are_bounded),
		TEST(many_blocks_take_some_ticks),     TEST(a_block_that_begins_anew_counts_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
