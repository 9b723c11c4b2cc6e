/* Addresses that are in a set until their time. Readers beside the writer: test_mt_timed_set.c. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/hash.h"
#include "rules/timed_set.h"

#define SECOND UINT64_C(1000000)
#define NOW    (1000 * SECOND)
#define MANY   10000

static struct addr addr_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, 0, &a, NULL), 0);
	return a;
}

static struct addr nth(uint32_t n)
{
	return (struct addr){
		.v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000000 + n)}};
}

static int fresh(void **state)
{
	hash_init(7);
	*state = timed_set_new();
	return 0;
}

static int over(void **state)
{
	timed_set_unref(*state);
	return 0;
}

static const struct {
	const char *label, *added, *asked;
	bool want;
} pairs[] = {
	{"the address itself", "192.0.2.1", "192.0.2.1", true},
	{"any port", "192.0.2.1:53", "192.0.2.1:5300", true},
	{"another address", "192.0.2.1", "192.0.2.2", false},
	{"IPv6", "2001:db8::1", "2001:db8::1", true},
	{"IPv6, any port", "[2001:db8::1]:1", "[2001:db8::1]:2", true},
	{"the last bit counts", "2001:db8::1", "2001:db8::2", false},
	{"the first half counts", "2001:db8::1", "2001:db9::1", false},
	{"any scope", "fe80::1%1", "fe80::1%2", true},
	{"IPv4 in IPv6", "::ffff:192.0.2.1", "192.0.2.1", true},
	{"the same octets in IPv6", "192.0.2.1", "::c000:201", false},
};

static void addresses_are_told_apart(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		struct addr added = addr_of(pairs[i].added), asked = addr_of(pairs[i].asked);

		timed_set_add(*state, &added, NOW + 1, NOW);
		if (timed_set_has(*state, &asked, NOW) != pairs[i].want)
			fail_msg("%s", pairs[i].label);
		timed_set_clear(*state);
		if (timed_set_has(*state, &asked, NOW))
			fail_msg("%s: still there", pairs[i].label);
	}
}

static void the_later_time_counts(void **state)
{
	struct addr a = nth(1);

	timed_set_add(*state, &a, NOW + 5, NOW);
	assert_true(timed_set_has(*state, &a, NOW + 4));
	assert_false(timed_set_has(*state, &a, NOW + 5));
	timed_set_add(*state, &a, NOW + 3, NOW);
	assert_true(timed_set_has(*state, &a, NOW + 4));
	timed_set_add(*state, &a, NOW + 7, NOW);
	assert_true(timed_set_has(*state, &a, NOW + 6));
	assert_false(timed_set_has(*state, &a, NOW + 7));
	timed_set_add(*state, &a, NOW + 20, NOW + 10); /* past, and back */
	assert_true(timed_set_has(*state, &a, NOW + 19));
	assert_int_equal(timed_set_size(*state), 1);
}

static void a_time_that_is_past_adds_nothing(void **state)
{
	struct addr a = nth(1);

	timed_set_add(*state, &a, NOW, NOW);
	timed_set_add(*state, &a, 0, NOW);
	assert_int_equal(timed_set_size(*state), 0);
	assert_false(timed_set_has(*state, &a, 1));
	assert_false(timed_set_remove(*state, &a));
}

static void removed_is_gone_and_may_come_back(void **state)
{
	struct addr a = nth(1), b = nth(2);

	timed_set_add(*state, &a, NOW + 10, NOW);
	timed_set_add(*state, &b, NOW + 10, NOW);
	assert_true(timed_set_remove(*state, &a));
	assert_false(timed_set_remove(*state, &a));
	assert_false(timed_set_has(*state, &a, NOW));
	assert_true(timed_set_has(*state, &b, NOW));
	assert_int_equal(timed_set_size(*state), 1);
	timed_set_add(*state, &a, NOW + 2, NOW);
	assert_true(timed_set_has(*state, &a, NOW + 1));
	assert_false(timed_set_has(*state, &a, NOW + 2)); /* of its first time nothing is left */
	assert_int_equal(timed_set_size(*state), 2);
}

/* Every third is removed, every second of the rest is past its time at NOW + 10. */
static void fill(struct timed_set *s)
{
	for (uint32_t i = 0; i < MANY; i++) {
		struct addr a = nth(i);

		timed_set_add(s, &a, NOW + (i % 2 == 0 ? 10 : 20), NOW);
	}
	for (uint32_t i = 0; i < MANY; i += 3) {
		struct addr a = nth(i);

		assert_true(timed_set_remove(s, &a));
	}
}

static size_t count(const struct timed_set *s, uint64_t now_us)
{
	size_t n = 0;

	for (uint32_t i = 0; i < MANY; i++) {
		struct addr a = nth(i);
		bool has = timed_set_has(s, &a, now_us);

		if (has && (i % 3 == 0 || (i % 2 == 0 && now_us >= NOW + 10)))
			fail_msg("%u is there", i);
		n += has;
	}
	return n;
}

static void many_come_and_go(void **state)
{
	size_t kept = MANY - (MANY + 2) / 3, alive = MANY / 3;

	fill(*state);
	assert_int_equal(timed_set_size(*state), kept);
	assert_int_equal(count(*state, NOW), kept);
	assert_in_range(count(*state, NOW + 10), alive - 1, alive + 1);
	timed_set_cleanup(*state, NOW + 10);
	assert_int_equal(timed_set_size(*state), count(*state, NOW + 10));
	assert_in_range(timed_set_size(*state), alive - 1, alive + 1);
	timed_set_cleanup(*state, NOW + 20);
	assert_int_equal(timed_set_size(*state), 0);
	assert_int_equal(count(*state, NOW), 0);
}

static void memory_is_given_back(void **state)
{
	size_t empty = timed_set_memory(*state);

	fill(*state);
	assert_in_range(timed_set_memory(*state), MANY * 24, MANY * 64 + (256 << 10));
	timed_set_cleanup(*state, NOW + 10);
	assert_in_range(timed_set_memory(*state), MANY / 3 * 24, MANY / 3 * 64);
	timed_set_cleanup(*state, NOW + 20);
	assert_int_equal(timed_set_memory(*state), empty);
	fill(*state);
	timed_set_clear(*state);
	assert_int_equal(timed_set_memory(*state), empty);
	assert_int_equal(timed_set_size(*state), 0);
}

/* Ever new addresses for ten seconds each, and nobody calls cleanup. */
static void what_is_past_makes_room(void **state)
{
	for (uint32_t i = 0; i < 100 * MANY; i++) {
		struct addr a = nth(i);
		uint64_t now_us = NOW + i * SECOND / 100;

		timed_set_add(*state, &a, now_us + 10 * SECOND, now_us);
		if (i >= 1000 && timed_set_size(*state) > 4000)
			fail_msg("%zu addresses, of which 1000 are alive", timed_set_size(*state));
	}
	assert_in_range(timed_set_memory(*state), 1000 * 24, 4000 * 64 + (256 << 10));
}

static void the_last_reference_frees(void **state)
{
	struct addr a = nth(1);
	struct timed_set *s = timed_set_ref(*state);

	timed_set_add(s, &a, NOW + 1, NOW);
	timed_set_unref(s);
	assert_true(timed_set_has(*state, &a, NOW));
	timed_set_unref(NULL);
}

int main(void)
{
#define SET_TEST(name) cmocka_unit_test_setup_teardown(name, fresh, over)
	const struct CMUnitTest tests[] = {
		SET_TEST(addresses_are_told_apart),
		SET_TEST(the_later_time_counts),
		SET_TEST(a_time_that_is_past_adds_nothing),
		SET_TEST(removed_is_gone_and_may_come_back),
		SET_TEST(many_come_and_go),
		SET_TEST(memory_is_given_back),
		SET_TEST(what_is_past_makes_room),
		SET_TEST(the_last_reference_frees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
