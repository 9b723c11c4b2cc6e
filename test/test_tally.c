/* Counts by key. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "console/tally.h"
#include "core/hash.h"

static void expect(const struct tally *t, size_t i, const char *key, uint64_t n)
{
	const uint8_t *got;
	size_t len;
	uint64_t count = tally_at(t, i, &got, &len);

	if (count != n || len != strlen(key) || memcmp(got, key, len) != 0)
		fail_msg("place %zu: '%.*s' with %llu, not '%s' with %llu", i, (int)len,
			 (const char *)got, (unsigned long long)count, key, (unsigned long long)n);
}

static void most_counted_come_first_and_those_alike_as_they_came(void **state)
{
	struct tally *t = tally_new();

	(void)state;
	tally_sort(t);
	assert_int_equal(tally_len(t), 0);
	assert_int_equal(tally_total(t), 0);
	tally_add(t, "b", 1, 1);
	tally_add(t, "a", 1, 1);
	tally_add(t, "ab", 2, 3);
	tally_add(t, "", 0, 2);
	tally_add(t, "c", 1, 0);
	tally_sort(t);
	assert_int_equal(tally_len(t), 5);
	assert_int_equal(tally_total(t), 7);
	expect(t, 0, "ab", 3);
	expect(t, 1, "", 2);
	expect(t, 2, "b", 1);
	expect(t, 3, "a", 1);
	expect(t, 4, "c", 0);
	tally_add(t, "a", 1, 5); /* it goes on after it was sorted */
	tally_sort(t);
	expect(t, 0, "a", 6);
	tally_free(t);
	tally_free(NULL);
}

static void many_keys_are_kept_apart(void **state)
{
	struct tally *t = tally_new();
	char key[256];

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 20000; i++) {
			int len = snprintf(key, sizeof(key), "%0*u", (int)(5 + i % 251), i);

			tally_add(t, key, (size_t)len, i);
		}
	}
	assert_int_equal(tally_len(t), 20000);
	tally_sort(t);
	for (unsigned i = 0; i < 20000; i++) {
		unsigned n = 19999 - i;

		snprintf(key, sizeof(key), "%0*u", (int)(5 + n % 251), n);
		expect(t, i, key, 3u * n);
	}
	tally_free(t);
}

static int setup(void **state)
{
	(void)state;
	hash_init(1);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(most_counted_come_first_and_those_alike_as_they_came),
		cmocka_unit_test(many_keys_are_kept_apart),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
