/* Regular expressions: what they mean, against the system's own; what is refused; names as texts.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <regex.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/dns/name.h"
#include "core/regex_dfa.h"
#include "core/regex_re2.h"
#include "core/regex_sim.h"
#include "test/regex_fixture.h"

static const struct {
	const char *label, *expression, *text;
	bool want;
} posix[] = {
	{"anywhere in the text", "[0-9]{5,}", "p1234567.example.com", true},
	{"too few", "[0-9]{5,}", "p1234.example.com", false},
	{"an escaped dot, and the end", "[0-9]{4,}\\.example$", "x1234.example", true},
	{"not at the end", "[0-9]{4,}\\.example$", "x1234.example.com", false},
	{"an escaped dot is no other", "[0-9]{4,}\\.example$", "x1234-example", false},
	{"case counts for nothing", "^WWW[.]Example", "www.eXAMPLE.com", true},
	{"nor in brackets", "^[A-C]{3}$", "abc", true},
	{"nor in classes", "^[[:upper:]]+$", "abc", true},
	{"nor where they are negated", "[^[:upper:]]", "abc", false},
	{"the root is empty", "^$", "", true},
	{"an empty expression matches all", "", "example.com", true},
	{"the end is the very end", "com$", "com\n", false},
	{"a dot is any octet", "a.b", "a\nb", true},
	{"a backslash in brackets is itself", "^[\\d]+$", "d\\", true},
	{"and no escape", "^[\\d]+$", "1", false},
	{"so that the bracket ends before it", "^[a\\]b$", "ab", true},
	{"a bracket that comes first", "^[]a]+$", "a]", true},
	{"a hyphen that comes last", "^[a-]+$", "a-a", true},
	{"a range to a hyphen", "^[+--]+$", "+,-", true},
	{"a collating element", "^[[.-.]]$", "-", true},
	{"an equivalence class", "^[[=a=]b]+$", "ab", true},
	{"a class and more", "^[[:digit:]x]+$", "1x2", true},
	{"an open bracket within", "^[[a]+$", "[a", true},
	{"a dot in brackets", "[.]", "a", false},
	{"an unmatched parenthesis is itself", "^a)$", "a)", true},
	{"a brace that begins nothing", "a{b", "xa{b", true},
	{"no minimum means none", "^a{,2}b$", "b", true},
	{"but a maximum", "^a{,2}b$", "aaab", false},
	{"begin within alternatives", "(^|\\.)example\\.com$", "www.example.com", true},
	{"on a boundary", "(^|\\.)example\\.com$", "myexample.com", false},
	{"a back-reference", "^(.+)\\.\\1$", "abc.abc", true},
	{"a back-reference that fails", "^(.+)\\.\\1$", "abc.abd", false},
	{"digits by PCRE2", "^\\d+$", "123", true},
	{"a case that counts, by PCRE2", "(?-i)abc", "ABC", false},
	{"look-ahead", "^(?!www\\.)", "www.example", false},
	{"the begin of a word", "\\<net", "my-net", true},
	{"not within one", "\\<net", "mynet", false},
	{"the end of a word", "net\\>", "net-1", true},
	{"the begin by GNU", "\\`a", "ba", false},
	{"the end by GNU", "a\\'", "ab", false},
	{"what is quoted", "\\Q[a]\\E", "x[A]", true},
	{"a comment", "a(?#[(])b", "ab", true},
	{"octets beyond ASCII", "\344[\300-\366]", "\344\344", true},
	{"which have no case", "\344", "\304", false},
	{"without the compiler", "(*NO_JIT)^(foo|bar)[0-9]+\\.", "bar12.example", true},
	{"without it, no match", "(*NO_JIT)^(foo|bar)[0-9]+\\.", "bar.example", false},
};

static const struct {
	const char *label, *expression, *text;
	bool want;
} re2[] = {
	{"all of the text", "[0-9]+", "123", true},
	{"and not a part", "[0-9]+", "a123", false},
	{"alternatives, all of the text", "a|bc", "bcd", false},
	{"case counts", "www\\..*", "WWW.example", false},
	{"unless it says so", "(?i)www\\..*", "WWW.example", true},
	{"an escape in brackets", "[\\d]+", "12", true},
	{"not one-pass", ".*foo.*", "a.food.example", true},
	{"the root is empty", "", "", true},
	{"quoted to the end", "a\\Q.*", "a.*", true},
	{"longer than the short way", "([a-z]+\\.)*com", "aaaaaaaaaaaa.bbbbbbbbbbbb.com", true},
};

static void check(enum regex_kind kind, const char *label, const char *expression, const char *text,
		  bool want)
{
	struct err err = {""};
	struct regex *re = regex_new(kind, expression, &err);
	bool got;

	if (re == NULL)
		fail_msg("%s: %s", label, err.text);
	got = regex_match(re, text, strlen(text));
	assert_string_equal(regex_text(re), expression);
	assert_int_equal(regex_kind(re), kind);
	regex_free(re);
	if (got != want)
		fail_msg("%s: %s %s %s", label, expression, got ? "matches" : "does not match",
			 text);
}

static void posix_expressions_mean_what_posix_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(posix); i++)
		check(REGEX_POSIX, posix[i].label, posix[i].expression, posix[i].text,
		      posix[i].want);
}

static void re2_expressions_match_whole_names(void **state)
{
	(void)state;
	if (!regex_has_re2())
		skip();
	for (size_t i = 0; i < ARRAY_LEN(re2); i++)
		check(REGEX_RE2, re2[i].label, re2[i].expression, re2[i].text, re2[i].want);
}

static const struct {
	const char *expression, *want;
} bad[] = {
	{"(foo", "'(foo' is not a regular expression: missing closing parenthesis at offset 4"},
	{"[[:digit:]](x", "missing closing parenthesis at offset 13"},
	{"[[:digit:]]a{3,2}x", "numbers out of order in {} quantifier at offset 16"},
	{"ab[cd", "missing closing bracket of the one at offset 2"},
	{"a[]", "missing closing bracket of the one at offset 1"},
	{"[[:digits:]]", "unknown class at offset 1"},
	{"[[:digit]", "missing end of a [: :], [. .] or [= =] at offset 1"},
	{"[[.hyphen.]]", "unknown collating element at offset 1"},
	{"[z-a]", "range out of order at offset 1"},
	{"[a-[:digit:]]", "a class ends a range at offset 1"},
	{"*a", "quantifier does not follow a repeatable item at offset 0"},
	{"a\\", "\\ at end of pattern at offset 2"},
	{"(?<=a+)b", "lookbehind assertion is not fixed length at offset 0"},
	{"(*UTF)a", "using UTF is disabled by the application at offset 6"},
};

static void bad_expressions_are_refused_by_place(void **state)
{
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_null(regex_new(REGEX_POSIX, bad[i].expression, &err));
		if (strstr(err.text, bad[i].want) == NULL)
			fail_msg("%s: %s", bad[i].expression, err.text);
	}
	assert_null(regex_new(REGEX_RE2, "a(b", &err));
	assert_non_null(strstr(err.text, regex_has_re2() ? "missing ): a(b" : "built without RE2"));
	assert_null(regex_new(REGEX_RE2, "a)(b", &err));
}

/* The system's matcher knows neither octets of zero nor an expression longer than its patience. */
static void random_expressions_mean_what_the_system_says(void **state)
{
	unsigned compared = 0, matched = 0;
	struct expression e;
	char text[40];

	(void)state;
	regex_seed = 1;
	for (unsigned round = 0; round < 6000; round++) {
		struct err err = {""};
		struct regex *re;
		regex_t posix_re;

		random_expression(&e, DIALECT_ERE, 2);
		re = regex_new(REGEX_POSIX, e.text, &err);
		if (regcomp(&posix_re, e.text, REG_EXTENDED | REG_ICASE | REG_NOSUB) != 0) {
			if (re != NULL)
				fail_msg("'%s' is refused by the system", e.text);
			continue;
		}
		if (re == NULL)
			fail_msg("%s", err.text);
		for (unsigned i = 0; i < 20; i++) {
			size_t len = random_text(text, sizeof(text));
			bool want = regexec(&posix_re, text, 0, NULL, 0) == 0;

			if (regex_match(re, text, len) != want)
				fail_msg("'%s' on '%s': want %d", e.text, text, want);
			compared++;
			matched += want;
		}
		regfree(&posix_re);
		regex_free(re);
	}
	/* the comparison is worth something */
	assert_true(compared > 100000);
	assert_in_range(matched, compared / 10, compared * 9 / 10);
}

/* PCRE2 and RE2 themselves, without what core/regex.c has beside them. */
static bool library_match(const struct regex *re, const char *text, size_t len)
{
#ifdef HAVE_RE2
	if (regex_kind(re) == REGEX_RE2) {
		char why[100];
		struct regex_re2 *own = regex_re2_new(regex_text(re), why, sizeof(why));
		bool match = regex_re2_match(own, text, len);

		regex_re2_free(own);
		return match;
	}
#endif
	return regex_match(re, text, len);
}

/* In as many ways as the expression has. */
static unsigned compare_ways(const struct regex *re)
{
	struct regex_piece piece = {.tree = regex_tree(re)};
	uint64_t vain = 1u << 20;
	struct regex_sim *sim = regex_sim_new(piece.tree);
	struct regex_dfa *dfa;
	unsigned compared = 0;
	char text[40];

	if (sim == NULL)
		return 0;
	piece.to = piece.tree->items_n;
	dfa = regex_dfa_new(&piece, 1, false, &vain);
	for (unsigned i = 0; i < 20; i++) {
		size_t len = random_text(text, sizeof(text));
		bool want = library_match(re, text, len);

		if (regex_match(re, text, len) != want)
			fail_msg("'%s' on '%s'", regex_text(re), text);
		if (regex_sim_match(sim, text, len) != want)
			fail_msg("'%s' on '%s' by simulation", regex_text(re), text);
		if (dfa != NULL && dfa->exact && regex_dfa_match(dfa, text, len) != want)
			fail_msg("'%s' on '%s' by table", regex_text(re), text);
		compared += 1 + (dfa != NULL && dfa->exact);
	}
	regex_sim_free(sim);
	regex_dfa_free(dfa);
	return compared;
}

static void automata_say_what_pcre2_and_re2_say(void **state)
{
	static const enum regex_dialect dialects[] = {DIALECT_ERE, DIALECT_PCRE2, DIALECT_RE2};
	unsigned compared[ARRAY_LEN(dialects)] = {0};
	struct expression e;

	(void)state;
	regex_seed = 3;
	for (unsigned round = 0; round < 4000; round++) {
		struct err err;
		struct regex *re;
		unsigned d = round % ARRAY_LEN(dialects);

		random_expression(&e, dialects[d], 3);
		re = regex_new(dialects[d] == DIALECT_RE2 ? REGEX_RE2 : REGEX_POSIX, e.text, &err);
		if (re != NULL && regex_tree(re) != NULL)
			compared[d] += compare_ways(re);
		regex_free(re);
	}
	assert_true(compared[0] > 40000);
	assert_true(compared[1] > 5000);
	assert_true(compared[2] > 5000 || !regex_has_re2());
}

/* So many words that RE2 itself would take a lock. */
static void long_expressions_of_re2_match(void **state)
{
	char text[4096] = ".*\\.(", name[32];
	struct regex *re;
	struct err err;

	(void)state;
	if (!regex_has_re2())
		skip();
	for (unsigned i = 0; i < 300; i++)
		snprintf(text + strlen(text), 16, "%sWord%u", i == 0 ? "" : "|", i * 37);
	strcat(text, ")\\..*");
	re = regex_new(REGEX_RE2, text, &err);
	assert_non_null(re);
	for (unsigned i = 0; i < 37 * 300; i++) {
		int len = snprintf(name, sizeof(name), "www.Word%u.example", i);

		if (regex_match(re, name, (size_t)len) != (i % 37 == 0))
			fail_msg("%s", name);
	}
	assert_false(regex_match(re, "www.word37.example", 18));
	regex_free(re);
}

/* Without a bound these would take longer than the world exists. All match a text with a b at its
 * end. */
static void endless_expressions_end(void **state)
{
	static const char *const endless[] = {"(a+)+[bc]$",
					      "(a|aa)+[bc]$",
					      "^(a*)*[bc]$",
					      "([a-z]+|[a-z0-9]+)+[-b]$",
					      "(.*)(.*)(.*)(.*)(.*)[xyb]$",
					      "^(.?){60}.*(.?){60}[^a]"};
	char text[253];
	struct err err;

	(void)state;
	memset(text, 'a', sizeof(text));
	for (size_t i = 0; i < ARRAY_LEN(endless); i++) {
		struct regex *re = regex_new(REGEX_POSIX, endless[i], &err);

		assert_non_null(re);
		text[sizeof(text) - 1] = 'a';
		if (regex_match(re, text, sizeof(text)))
			fail_msg("%s matches", endless[i]);
		text[sizeof(text) - 1] = 'b';
		if (!regex_match(re, text, sizeof(text)))
			fail_msg("%s does not match", endless[i]);
		regex_free(re);
	}
}

/* Of what is not regular there is no automaton: at the bound it counts as no match. */
static void endless_references_end(void **state)
{
	static const char *const endless[] = {"(x?)(a+)+\\1[bc]$", "(?!b)(a|aa)+[bc]$",
					      "(*NO_JIT)(a+)+[bc]$"};
	char text[253];
	struct err err;

	(void)state;
	memset(text, 'a', sizeof(text));
	for (size_t i = 0; i < ARRAY_LEN(endless); i++) {
		struct regex *re = regex_new(REGEX_POSIX, endless[i], &err);

		assert_non_null(re);
		if (regex_match(re, text, sizeof(text)))
			fail_msg("%s matches", endless[i]);
		assert_true(regex_match(re, "aab", 3));
		regex_free(re);
	}
}

/* The shortest of some, of this thread alone. */
static double match_ms(const struct regex *re, const char *text, size_t len)
{
	double least = 1e9;

	for (unsigned i = 0; i < 8; i++) {
		struct timespec a, b;
		double ms;

		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
		regex_match(re, text, len);
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
		ms = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
		least = ms < least ? ms : least;
	}
	return least;
}

/* A name of 250 octets that each take four as text: what a reference compares is long too. It took
 * 11 ms, and takes 0.3. */
static void references_in_long_texts_end_soon(void **state)
{
	char text[991];
	struct err err;
	struct regex *re = regex_new(REGEX_POSIX, "((a|0|[.\\])*)\\1\\1[zq]", &err);
	double ms;

	(void)state;
	assert_non_null(re);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = "\\000"[i % 4];
	ms = match_ms(re, text, sizeof(text));
	regex_free(re);
	if (ms > 5)
		fail_msg("%.1f ms", ms);
}

/* Deep, but honest: a step for each octet. */
static void long_texts_match(void **state)
{
	static const char *const deep[] = {"^(a|b|(c|d)+)*\\.$", "^((a)|(b))*\\.$",
					   "(*NO_JIT)^(a|b|(c|d)+)*\\.$", "^(.)+\\.$"};
	char text[253];
	struct err err;

	(void)state;
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '.';
	for (size_t i = 0; i < ARRAY_LEN(deep); i++) {
		struct regex *re = regex_new(REGEX_POSIX, deep[i], &err);

		assert_non_null(re);
		if (!regex_match(re, text, sizeof(text)))
			fail_msg("%s", deep[i]);
		regex_free(re);
	}
}

/* 0: as it should be, 1: the system can't forbid it, 2: it is forbidden and something is wrong. */
static int match_without_new_code(void)
{
	struct err err;
	struct regex *re;

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif
	if (prctl(PR_SET_MDWE, 1, 0, 0, 0) != 0)
		return 1;
	re = regex_new(REGEX_POSIX, "[0-9]{4,}\\.example$", &err);
	if (re == NULL || regex_jit_is_available() || !regex_match(re, "1234.example", 12) ||
	    regex_match(re, "1234.exampl", 11))
		return 2;
	return 0;
}

static void expressions_match_where_no_code_may_be_made(void **state)
{
	pid_t child;
	int status = 0;

	(void)state;
	child = fork();
	if (child == 0)
		_exit(match_without_new_code());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_true(regex_jit_is_available());
	if (WEXITSTATUS(status) == 1)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static const struct {
	const char *name, *want;
} bare[] = {
	{".", ""},
	{"com", "com"},
	{"www.Example.com.", "www.Example.com"},
	{"a\\.b.c", "a\\.b.c"},
	{"a\\\\b", "a\\\\b"},
	{"a\\032b.c", "a\\032b.c"},
	{"a\\127.c", "a\\127.c"},
	{"\\228\\255.c", "\\228\\255.c"},
	{"!~.c", "!~.c"},
	{"a\\046", "a\\."},
};

static void names_are_texts_without_the_final_dot(void **state)
{
	uint8_t name[DNS_NAME_MAX];
	char text[DNS_NAME_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bare); i++) {
		int len = name_parse(bare[i].name, name, NULL);

		assert_true(len > 0);
		assert_int_equal(name_text_bare(name, (size_t)len, text), strlen(bare[i].want));
		assert_string_equal(text, bare[i].want);
	}
}

/* Labels of random lengths, of octets that are mostly letters. */
static size_t random_name(uint8_t name[static DNS_NAME_MAX])
{
	size_t at = 0, end = 1 + draw(DNS_NAME_MAX - 1);
	bool odd = draw(2) == 0;

	while (at + 2 < end) {
		size_t n = 1 + draw(draw(8) == 0 ? 63 : 12);

		n = n < end - at - 2 ? n : end - at - 2;
		if (n == 0)
			break;
		name[at++] = (uint8_t)n;
		for (; n > 0; n--)
			name[at++] = (uint8_t)(odd && draw(16) == 0 ? draw(256) : 'a' + draw(26));
	}
	name[at] = 0;
	return at + 1;
}

static void all_names_are_texts_as_in_the_slow_way(void **state)
{
	uint8_t name[DNS_NAME_MAX];
	char text[DNS_NAME_TEXT_MAX], want[DNS_NAME_TEXT_MAX];

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		size_t len = random_name(name), got = name_text_bare(name, len, text);

		name_text(name, len, want);
		want[strlen(want) - 1] = '\0';
		assert_string_equal(text, want);
		assert_int_equal(got, strlen(want));
	}
	/* the longest text there is */
	memset(name, 0xff, sizeof(name));
	name[0] = name[64] = name[128] = 63;
	name[192] = 61;
	name[254] = 0;
	assert_int_equal(name_text_bare(name, 255, text), 250 * 4 + 3);
}

int main(void)
{
	/* first, while there is no memory yet that code could be put in */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(expressions_match_where_no_code_may_be_made),
		cmocka_unit_test(posix_expressions_mean_what_posix_says),
		cmocka_unit_test(re2_expressions_match_whole_names),
		cmocka_unit_test(bad_expressions_are_refused_by_place),
		cmocka_unit_test(random_expressions_mean_what_the_system_says),
		cmocka_unit_test(automata_say_what_pcre2_and_re2_say),
		cmocka_unit_test(long_expressions_of_re2_match),
		cmocka_unit_test(endless_expressions_end),
		cmocka_unit_test(endless_references_end),
		cmocka_unit_test(references_in_long_texts_end_soon),
		cmocka_unit_test(long_texts_match),
		cmocka_unit_test(names_are_texts_without_the_final_dot),
		cmocka_unit_test(all_names_are_texts_as_in_the_slow_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
