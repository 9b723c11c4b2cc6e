#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/rand.h"

#define DRAWS 20000

/* A fair draw misses none of 16 values in 20000 turns, nor gives one twice its share. */
static void below_spreads_over_its_range(void **state)
{
	unsigned count[16] = {0};

	for (unsigned i = 0; i < DRAWS; i++) {
		uint32_t n = rand_below(ARRAY_LEN(count));

		assert_true(n < ARRAY_LEN(count));
		count[n]++;
	}
	for (unsigned i = 0; i < ARRAY_LEN(count); i++)
		assert_in_range(count[i], DRAWS / 32, DRAWS / 8);
	assert_int_equal(rand_below(1), 0);
}

/* Over several stocks: a refill that gave the old octets again would show as a long repetition. */
static void stock_is_not_given_twice(void **state)
{
	static uint32_t drawn[4096];

	for (unsigned i = 0; i < ARRAY_LEN(drawn); i++)
		drawn[i] = i % 2 != 0 ? rand_u32() : (uint32_t)rand_u16() << 16 | rand_u16();
	for (unsigned i = 0; i + 8 < ARRAY_LEN(drawn); i++) {
		for (unsigned j = i + 8; j < ARRAY_LEN(drawn) && j < i + 600; j++) {
			if (drawn[i] == drawn[j] && drawn[i + 1] == drawn[j + 1])
				fail_msg("draws %u and %u repeat", i, j);
		}
	}
}

static void *draw(void *out)
{
	for (unsigned i = 0; i < 4; i++)
		((uint32_t *)out)[i] = rand_u32();
	return NULL;
}

static void threads_draw_apart(void **state)
{
	uint32_t here[4], there[4];
	pthread_t thread;

	pthread_create(&thread, NULL, draw, there);
	pthread_join(thread, NULL);
	draw(here);
	assert_memory_not_equal(here, there, sizeof(here));
}

static void uuid_is_random_version_4_and_reads_back(void **state)
{
	char text[UUID_TEXT_MAX];
	struct uuid id = uuid_random(), other = uuid_random(), again;

	uuid_text(&id, text);
	assert_int_equal(strlen(text), UUID_TEXT_MAX - 1);
	assert_int_equal(text[14], '4');
	assert_non_null(strchr("89ab", text[19]));
	assert_int_equal(uuid_parse(text, &again), 0);
	assert_memory_equal(&id, &again, sizeof(id));
	assert_memory_not_equal(&id, &other, sizeof(id));
}

static const struct {
	const char *label, *text, *want; /* want NULL: refused */
} uuids[] = {
	{"lower case", "01234567-89ab-cdef-0123-456789abcdef",
	 "01234567-89ab-cdef-0123-456789abcdef"},
	{"upper case", "01234567-89AB-CDEF-0123-456789ABCDEF",
	 "01234567-89ab-cdef-0123-456789abcdef"},
	{"empty", "", NULL},
	{"cut", "01234567-89ab-cdef-0123-456789abcde", NULL},
	{"cut between digits", "01234567-89ab-cdef-0123-456789abcd", NULL},
	{"one too many", "01234567-89ab-cdef-0123-456789abcdef0", NULL},
	{"no dashes", "0123456789abcdef0123456789abcdef", NULL},
	{"dash at the wrong place", "0123456-789ab-cdef-0123-456789abcdef", NULL},
	{"not hexadecimal", "0123456g-89ab-cdef-0123-456789abcdef", NULL},
};

static void uuid_text_is_read_or_refused(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(uuids); i++) {
		char text[UUID_TEXT_MAX] = "";
		struct uuid id;
		int rc = uuid_parse(uuids[i].text, &id);

		if (uuids[i].want == NULL
			    ? rc != -EINVAL
			    : rc != 0 || strcmp(uuid_text(&id, text), uuids[i].want) != 0)
			fail_msg("%s: %d, '%s'", uuids[i].label, rc, text);
	}
}

static int setup(void **state)
{
	return rand_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(below_spreads_over_its_range),
		cmocka_unit_test(stock_is_not_given_twice),
		cmocka_unit_test(threads_draw_apart),
		cmocka_unit_test(uuid_is_random_version_4_and_reads_back),
		cmocka_unit_test(uuid_text_is_read_or_refused),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
