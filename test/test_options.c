/* The command line: what is read, and what is refused with which words. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "console/options.h"

#define ARGS(...)                            \
	{                                    \
		"dnsdist", __VA_ARGS__, NULL \
	}

static int count(const char *const *argv)
{
	int n = 0;

	while (argv[n])
		n++;
	return n;
}

/* getopt wants argv writable, since it sorts it. */
static int parse(enum program program, const char *const *argv, struct options *o, struct err *err)
{
	static char *words[16];
	int n = count(argv);

	for (int i = 0; i <= n; i++)
		words[i] = (char *)(uintptr_t)argv[i];
	return options_parse(program, n, words, o, err);
}

static const struct {
	const char *label;
	enum program program;
	const char *argv[8];
	const char *text; /* NULL: accepted; else part of the error */
} cases[] = {
	{"nothing", PROGRAM_DAEMON, {"dnsdist", NULL}, NULL},
	{"letters", PROGRAM_DAEMON, ARGS("-v", "-C", "f", "-l", "127.0.0.1"), NULL},
	{"long with a sign", PROGRAM_DAEMON, ARGS("--config=f", "--supervised"), NULL},
	{"unknown letter", PROGRAM_DAEMON, ARGS("-z"), "unknown option '-z'"},
	{"a slip", PROGRAM_DAEMON, ARGS("--superviced"), "did you mean '--supervised'"},
	{"nothing near", PROGRAM_DAEMON, ARGS("--qqqqqqqqqq"), "unknown option '--qqqqqqqqqq'"},
	{"value missing", PROGRAM_DAEMON, ARGS("--config"), "option '--config' needs a value"},
	{"letter's value missing", PROGRAM_DAEMON, ARGS("-C"), "option '-C' needs a value"},
	{"backend", PROGRAM_DAEMON, ARGS("--structured-logging-backend", "jason"),
	 "did you mean 'json'"},
	{"console has no listeners", PROGRAM_CONSOLE, ARGS("-l", "127.0.0.1"),
	 "unknown option '-l'"},
	{"console has a key", PROGRAM_CONSOLE, ARGS("-k", "x"), NULL},
};

static void an_option_is_read_or_refused(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *const *argv = cases[i].argv;
		struct err err = {""};
		struct options o;
		int rc = parse(cases[i].program, argv, &o, &err);

		if ((rc == 0) != (cases[i].text == NULL))
			fail_msg("%s: returned %d, '%s'", cases[i].label, rc, err.text);
		if (cases[i].text && strstr(err.text, cases[i].text) == NULL)
			fail_msg("%s: '%s' lacks '%s'", cases[i].label, err.text, cases[i].text);
		if (rc == 0)
			options_fini(&o);
	}
}

static void repeated_and_positional_words_are_kept_in_order(void **state)
{
	const char *argv[] = {"dnsdist", "-a",         "10.0.0.0/8",   "192.0.2.1", "-l",
			      "::1",     "--acl=::/0", "192.0.2.2:54", NULL};
	struct err err = {""};
	struct options o;

	assert_int_equal(parse(PROGRAM_DAEMON, argv, &o, &err), 0);
	assert_int_equal(o.acl.n, 2);
	assert_string_equal(o.acl.list[0], "10.0.0.0/8");
	assert_string_equal(o.acl.list[1], "::/0");
	assert_int_equal(o.local.n, 1);
	assert_int_equal(o.positional.n, 2);
	assert_string_equal(o.positional.list[1], "192.0.2.2:54");
	assert_true(o.structured);
	assert_false(o.client);
	options_fini(&o);
}

static void a_command_makes_a_client(void **state)
{
	const char *argv[] = {"dnsdist", "-e", "showVersion()", "--structured-logging",
			      "FALSE",   NULL};
	struct err err = {""};
	struct options o;

	assert_int_equal(parse(PROGRAM_DAEMON, argv, &o, &err), 0);
	assert_true(o.client);
	assert_false(o.structured);
	assert_string_equal(o.command, "showVersion()");
	options_fini(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_option_is_read_or_refused),
		cmocka_unit_test(repeated_and_positional_words_are_kept_in_order),
		cmocka_unit_test(a_command_makes_a_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
