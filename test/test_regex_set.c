/* Sets of regular expressions: no candidate is missing, few are too many, and none make them
 * explode. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "core/mem.h"
#include "core/regex_set.h"
#include "test/regex_fixture.h"

#define SET_MAX 400

static struct regex *re[SET_MAX];
static uint32_t out[SET_MAX + SET_MAX / 32 + 1];

static struct regex *compile(enum regex_kind kind, const char *text)
{
	struct err err;
	struct regex *r = regex_new(kind, text, &err);

	if (r == NULL)
		fail_msg("%s", err.text);
	return r;
}

static void free_all(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		regex_free(re[i]);
}

/* Whether position is in the answer, which has to be in order. */
static bool is_in(uint32_t position, uint32_t n)
{
	bool found = false;

	for (uint32_t i = 0; i < n; i++) {
		assert_true(i == 0 || out[i - 1] < out[i]);
		found |= out[i] == position;
	}
	return found;
}

/* Beside the one that is asked about. */
static const char *const others[] = {"zzzzzz1", "zzzzzz2", "zzzzzz3", "zzzzzz4", "zzzzzz5"};

static const struct {
	const char *expression, *text;
	bool want;
} cases[] = {
	{"[0-9]{5,}", "p1234567.example.com", true},
	{"[0-9]{5,}", "p1234.56789a.com", true},
	{"[0-9]{5,}", "p1234.5678.com", false},
	{"[0-9]{4,}\\.example$", "x1234.example", true},
	{"[0-9]{4,}\\.example$", "x1234.example.com", false},
	{"[0-9]{4,}\\.example$", "x123.example", false},
	{"(^|\\.)example\\.com$", "example.com", true},
	{"(^|\\.)example\\.com$", "www.example.com", true},
	{"(^|\\.)example\\.com$", "myexample.com", false},
	{"^xn--", "xn--abc.com", true},
	{"^xn--", "www.xn--abc.com", false},
	{"^[a-z0-9]{20,}\\.", "a1b2c3d4e5f6g7h8i9j0.com", true},
	{"^[a-z0-9]{20,}\\.", "a1b2c3d4e5f6g7h8i9j.com", false},
	{"[a-z0-9]{20,}", "www.a1b2c3d4e5f6g7h8i9j0x.com", true},
	{"[a-z0-9]{20,}", "www.a1b2c3d4e5-6g7h8i9j0x.com", false},
	{"^foo.*bar$", "foo.x.bar", true},
	{"^foo.*bar$", "foo.x.baz", false},
	{"^foo.*bar$", "xfoo.x.bar", false},
	{"tracker.*metrics", "my-TRACKER.metrics.com", true},
	/* "tracker" alone is looked for, or "metrics" */
	{"tracker.*metrics", "my.example.com", false},
	{"^.*ads.*$", "x.ads.com", true},
	{"^.*ads.*$", "x.ad-s.com", false},
	{"^(www|mail)[0-9]*\\.(com|net)$", "mail12.net", true},
	{"^(www|mail)[0-9]*\\.(com|net)$", "mail12.org", false},
	{"^$", "", true},
	{"^$", "a", false},
	{"a|^$", "", true},
	{"x*$", "abc", true},
	{"(foo|bar)?", "abc", true},
	{"^a", "", false},
	{"c|\\.$|^b", "a", false},
	{"c|\\.$|^b", "b", true},
	{"c|\\.$|^b", "a.", true},
	{"\\zcom|2(\\.|$)", "comx", false},
	/* what it refers to is not looked at */
	{"^(.+)\\.\\1\\.com$", "abc.abd.com", true},
	{"^(.+)\\.\\1\\.com$", "abc.abc.org", false},
	{"(?<!x)[0-9]{5}y", "x12345y", true},
	{"(?<!x)[0-9]{5}y", "x1234y", false},
	/* beyond what a tree can say */
	{"(?x) a b", "nothing of it", true},
	{"(a)(?1)(?1)", "nothing of it", true},
};

static void candidates_are_those_that_may_match(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct regex_set *set;
		uint32_t n;
		bool got;

		re[0] = compile(REGEX_POSIX, cases[i].expression);
		for (uint32_t k = 0; k < ARRAY_LEN(others); k++)
			re[1 + k] = compile(REGEX_POSIX, others[k]);
		set = regex_set_new((const struct regex *const *)re, 1 + ARRAY_LEN(others));
		n = regex_set_find(set, cases[i].text, strlen(cases[i].text), out);
		got = is_in(0, n);
		regex_set_free(set);
		free_all(1 + ARRAY_LEN(others));
		if (got != cases[i].want || n > 1)
			fail_msg("%s on %s: %u candidates", cases[i].expression, cases[i].text, n);
	}
}

static void what_is_not_known_is_always_a_candidate(void **state)
{
	struct regex_set *set = regex_set_new(NULL, 0);

	(void)state;
	assert_int_equal(regex_set_find(set, "abc", 3, out), 0);
	regex_set_free(set);
	re[0] = compile(REGEX_POSIX, "x");
	re[1] = NULL;
	set = regex_set_new((const struct regex *const *)re, 2);
	assert_int_equal(regex_set_find(set, "abc", 3, out), 1);
	assert_int_equal(out[0], 1);
	assert_int_equal(regex_set_find(set, "x", 1, out), 2);
	assert_int_equal(regex_set_facts(set).always, 1);
	regex_set_free(set);
	free_all(2);
}

static const struct {
	const char *expression, *text;
	bool want;
} re2_cases[] = {
	{".*[0-9]{5,}.*", "p1234567.example.com", true},
	{".*[0-9]{5,}.*", "p1234.example.com", false},
	{"www\\..*", "WWW.example", false},
	{"(?i)www\\..*", "WWW.example", true},
	{"[^.]+\\.com", "example.com", true},
	{"[^.]+\\.com", "www.example.com", false},
};

static void candidates_of_re2_are_those_that_may_match(void **state)
{
	(void)state;
	if (!regex_has_re2())
		skip();
	for (size_t i = 0; i < ARRAY_LEN(re2_cases); i++) {
		const char *text = re2_cases[i].text;
		struct regex_set *set;
		uint32_t n;

		re[0] = compile(REGEX_RE2, re2_cases[i].expression);
		set = regex_set_new((const struct regex *const *)re, 1);
		n = regex_set_find(set, text, strlen(text), out);
		regex_set_free(set);
		free_all(1);
		if (n != re2_cases[i].want)
			fail_msg("%s on %s: %u", re2_cases[i].expression, text, n);
	}
}

static struct regex *random_regex(unsigned kind)
{
	static const enum regex_dialect dialects[] = {DIALECT_ERE, DIALECT_PCRE2, DIALECT_RE2};
	struct expression e;
	struct regex *r = NULL;
	struct err err;

	while (r == NULL) {
		random_expression(&e, dialects[kind], 3);
		r = regex_new(kind == 2 ? REGEX_RE2 : REGEX_POSIX, e.text, &err);
	}
	return r;
}

struct tally {
	unsigned matches, candidates, asked;
};

static void ask(const struct regex_set *set, uint32_t n, struct tally *t)
{
	char text[48];
	size_t len = random_text(text, 8 + draw(40));
	uint32_t found = regex_set_find(set, text, len, out), at = 0;

	assert_in_range(found, 0, n);
	is_in(0, found);
	t->candidates += found;
	t->asked += n;
	for (uint32_t i = 0; i < n; i++) {
		bool candidate = at < found && out[at] == i;
		bool matches = re[i] == NULL || regex_match(re[i], text, len);

		at += candidate;
		t->matches += matches;
		if (matches && !candidate)
			fail_msg("'%s' matches '%s' and is no candidate",
				 re[i] == NULL ? "none" : regex_text(re[i]), text);
	}
}

static void no_candidate_is_missing(void **state)
{
	struct tally t = {0};

	(void)state;
	regex_seed = 2;
	for (unsigned round = 0; round < 300; round++) {
		unsigned kinds = regex_has_re2() ? 3 : 2, only = draw(kinds + 2);
		uint32_t n = 5 + draw(round % 10 == 0 ? SET_MAX - 5 : 40);
		struct regex_set *set;

		for (uint32_t i = 0; i < n; i++) {
			re[i] = NULL;
			if (draw(100) != 0)
				re[i] = random_regex(only < kinds ? only : draw(kinds));
		}
		set = regex_set_new((const struct regex *const *)re, n);
		assert_true(regex_set_room(set) <= ARRAY_LEN(out));
		for (unsigned i = 0; i < 60; i++)
			ask(set, n, &t);
		regex_set_free(set);
		free_all(n);
	}
	/* expressions of few octets match often; still, most that do not are no candidates */
	assert_in_range(t.matches, t.asked / 20, t.asked / 2);
	assert_in_range(t.candidates, t.matches, t.matches + t.asked / 4);
}

static const struct {
	const char *label, *before, *between, *after;
	uint32_t always_max; /* of SET_MAX */
	double candidates_max;
} families[] = {
	{"words", "", "", "", 0, 0.1},
	{"ends", "[0-9]+\\.", "-", "\\.example$", 0, 0.1},
	{"begins", "^[a-z0-9]{20,}\\.", "\\.", "\\.", 0, 0.1},
	{"a gap within words", "", ".*", "", 0, 2},
	{"two gaps", "x-", "[^.]*-", "[a-z]{8}y", 0, 2},
	{"a gap, tied to the end", "", ".*", "\\.com$", 0, 0.1},
	{"a gap, tied to both", "^", ".*", "\\.com$", 0, 0.1},
	{"a common end", "^mail-", "[0-9]*-", "\\.mail\\.example\\.com$", 0, 0.1},
	{"common octets, and tied to nothing", "p[0-9]{3}", "", "\\.example\\.com", 0, 0.1},
	{"gaps, tied to the begin", "^", ".*", ".*x", SET_MAX, SET_MAX},
};

static void number(char out_text[static 8], unsigned n)
{
	char *o = out_text;

	for (n += 30; n > 0; n /= 20)
		*o++ = "bcdfghjklmnpqrstvwxz"[n % 20];
	*o = '\0';
}

static void families_of_expressions_stay_small(void **state)
{
	static const char *const names[] = {"www.example.com", "p123456.mail.example.com",
					    "mail-3.example", "a.b.c.d.example.org",
					    "static.cdn-7.images.example.co.uk"};

	(void)state;
	for (size_t f = 0; f < ARRAY_LEN(families); f++) {
		struct regex_set *set;
		struct regex_set_facts facts;
		uint32_t candidates = 0;

		for (uint32_t i = 0; i < SET_MAX; i++) {
			char a[8], b[8], text[128];

			number(a, i);
			number(b, i * 7 + 400);
			snprintf(text, sizeof(text), "%s%s%s%s%s", families[f].before, a,
				 families[f].between, b, families[f].after);
			re[i] = compile(REGEX_POSIX, text);
		}
		set = regex_set_new((const struct regex *const *)re, SET_MAX);
		facts = regex_set_facts(set);
		for (size_t i = 0; i < ARRAY_LEN(names); i++)
			candidates += regex_set_find(set, names[i], strlen(names[i]), out);
		regex_set_free(set);
		free_all(SET_MAX);
		if (facts.always > families[f].always_max || facts.memory > 4u << 20 ||
		    facts.automata > 4 ||
		    candidates > families[f].candidates_max * ARRAY_LEN(names))
			fail_msg("%s: %u always, %zu KiB, %u tables with %u states, %u candidates",
				 families[f].label, facts.always, facts.memory >> 10,
				 facts.automata, facts.states, candidates);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(candidates_are_those_that_may_match),
		cmocka_unit_test(candidates_of_re2_are_those_that_may_match),
		cmocka_unit_test(what_is_not_known_is_always_a_candidate),
		cmocka_unit_test(no_candidate_is_missing),
		cmocka_unit_test(families_of_expressions_stay_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
