#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "core/err.h"

static void set_formats_and_returns_einval(void **state)
{
	struct err err = {""};

	assert_int_equal(err_set(&err, "%s is %d", "port", 7), -EINVAL);
	assert_string_equal(err.text, "port is 7");
	assert_int_equal(err_set(NULL, "nobody listens"), -EINVAL);
}

static void long_sentence_is_cut(void **state)
{
	struct err err;
	char text[2000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	err_set(&err, "%s", text);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

static void prefix_goes_in_front(void **state)
{
	struct err err;

	err_set(&err, "no such pool");
	err_prefix(&err, "line %d", 3);
	assert_string_equal(err.text, "line 3: no such pool");
}

static void prefix_that_does_not_fit_keeps_the_end(void **state)
{
	struct err err;
	char text[1020];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 2] = '!';
	text[sizeof(text) - 1] = '\0';
	err_set(&err, "%s", text);
	err_prefix(&err, "a long prefix");
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	assert_memory_equal(err.text, "ix: xxx", 7);
	assert_int_equal(err.text[sizeof(err.text) - 2], '!');
}

static const char *const words[] = {"newServer", "addLocal", "setACL", "addACL", "id"};

static const struct {
	const char *label, *word, *want;
} slips[] = {
	{"letter missing", "newServr", "newServer"},
	{"neighbours swapped", "newSevrer", "newServer"},
	{"case costs nothing", "NEWSERVER", "newServer"},
	{"the nearer of two", "adACL", "addACL"},
	{"one letter wrong", "addLocel", "addLocal"},
	{"something else", "getStatistics", NULL},
	{"two letters, both wrong", "xy", NULL},
	{"empty", "", NULL},
	{"longer than any name",
	 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL},
};

static void nearest_is_a_likely_slip(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(slips); i++) {
		const char *got = err_nearest(slips[i].word, words, ARRAY_LEN(words));

		if (got != slips[i].want &&
		    (got == NULL || slips[i].want == NULL || strcmp(got, slips[i].want) != 0))
			fail_msg("%s: got %s", slips[i].label, got ? got : "none");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_formats_and_returns_einval),
		cmocka_unit_test(long_sentence_is_cut),
		cmocka_unit_test(prefix_goes_in_front),
		cmocka_unit_test(prefix_that_does_not_fit_keeps_the_end),
		cmocka_unit_test(nearest_is_a_likely_slip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
