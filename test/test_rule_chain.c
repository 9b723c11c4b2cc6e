/* Chains: edits of them, what counts survive, and selectors made of selectors. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "test/chain_selectors.h"

/* Rules that match a type each, 1 for 'a' and so on: what is in the chain reads as a word. */
static void add_letter(struct chain *c, char letter)
{
	uint32_t qtype = (uint32_t)(letter - 'a' + 1);

	fixture_add(c, select_value(VALUE_QTYPE, qtype, qtype), fixture_verdict("NoneAction"));
}

static struct chain *chain_of_letters(const char *letters)
{
	struct chain *c = chain_new();

	for (; *letters != '\0'; letters++)
		add_letter(c, *letters);
	return c;
}

static const char *letters_of(const struct chain *c)
{
	static char letters[32];
	unsigned i;

	for (i = 0; i < c->n; i++) {
		const struct value_state *s = (const void *)c->rules[i]->selector->state;

		letters[i] = (char)('a' + (int)s->least - 1);
	}
	letters[i] = '\0';
	return letters;
}

static const struct {
	const char *label;
	unsigned from, to;
	const char *want;
} moves[] = {
	{"the first behind the second", 0, 2, "bacde"}, {"the first to the end", 0, 5, "bcdea"},
	{"the last to the top", 4, 0, "eabcd"},         {"one up", 2, 1, "acbde"},
	{"in front of itself", 2, 2, "abcde"},          {"in front of the next", 2, 3, "abcde"},
	{"the last to the end", 4, 5, "abcde"},         {"over two", 1, 4, "acdbe"},
};

static void rules_move_to_where_they_are_sent(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(moves); i++) {
		struct chain *c = chain_of_letters("abcde");
		const char *got;

		chain_move(c, moves[i].from, moves[i].to);
		got = letters_of(c);
		chain_unref(c);
		if (strcmp(got, moves[i].want) != 0)
			fail_msg("%s: %s", moves[i].label, got);
	}
}

static void removed_rules_are_gone(void **state)
{
	struct chain *c = chain_of_letters("abcde");

	(void)state;
	chain_remove(c, 4);
	chain_remove(c, 0);
	chain_remove(c, 1);
	assert_string_equal(letters_of(c), "bd");
	add_letter(c, 'f');
	assert_string_equal(letters_of(c), "bdf");
	chain_remove(c, 0);
	chain_remove(c, 0);
	chain_remove(c, 0);
	assert_int_equal(c->n, 0);
	chain_unref(c);
}

static void ask_letter(struct chain *c, char letter, unsigned worker, unsigned times)
{
	struct asked a;

	asked_begin(&a, "a.test", (uint16_t)(letter - 'a' + 1));
	while (times-- > 0)
		assert_int_equal(chain_run(c, asked_run(&a, worker)), VERDICT_NEXT);
}

static uint64_t matches(const struct chain *c, unsigned at)
{
	return selector_matches(c->rules[at]->selector);
}

/* Two generations have the same rules, and count together. */
static void counts_survive_edits(void **state)
{
	struct chain *old = chain_of_letters("abcd"), *c;

	(void)state;
	fixture_seal(old);
	ask_letter(old, 'a', 0, 3);
	ask_letter(old, 'b', 1, 5);
	ask_letter(old, 'd', 0, 1);
	c = chain_clone(old);
	chain_remove(c, 2);
	chain_move(c, 0, 3);
	add_letter(c, 'e');
	fixture_seal(c);
	assert_string_equal(letters_of(c), "bdae");
	assert_string_equal(letters_of(old), "abcd");
	ask_letter(c, 'a', 1, 2);
	ask_letter(old, 'a', 0, 1);
	ask_letter(old, 'e', 0, 1);
	chain_unref(old);
	ask_letter(c, 'e', 0, 7);
	assert_int_equal(matches(c, 0), 5);
	assert_int_equal(matches(c, 1), 1);
	assert_int_equal(matches(c, 2), 6);
	assert_int_equal(matches(c, 3), 7);
	chain_unref(c);
}

/* A counter that had a use before begins at zero. */
static void counts_begin_at_zero(void **state)
{
	uint32_t first;

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		struct chain *c = chain_of_letters("abc");

		assert_int_equal(matches(c, 1), 0);
		fixture_seal(c);
		if (round == 0)
			first = counters_end();
		assert_int_equal(counters_end(), first);
		assert_int_equal(matches(c, 1), 0);
		ask_letter(c, 'b', round % 2, 4);
		assert_int_equal(matches(c, 1), 4);
		chain_unref(c);
	}
}

/* Whoever holds a selector has its count, and may use it again. */
static void selector_keeps_its_count_without_a_chain(void **state)
{
	struct chain *c = chain_of_letters("ab");
	struct selector *s = selector_ref(c->rules[0]->selector);

	(void)state;
	fixture_seal(c);
	ask_letter(c, 'a', 0, 2);
	chain_unref(c);
	assert_int_equal(selector_matches(s), 2);
	c = chain_of_letters("b");
	fixture_add(c, s, fixture_verdict("NoneAction"));
	fixture_seal(c);
	ask_letter(c, 'a', 0, 1);
	assert_int_equal(matches(c, 1), 3);
	chain_unref(c);
}

static void counters_that_run_out_are_shared(void **state)
{
	uint32_t first = counters_take(), last = first, n = 0;

	(void)state;
	while (last != COUNTER_SHARED) {
		last = counters_take();
		n++;
	}
	assert_int_equal(counters_take(), COUNTER_SHARED);
	assert_int_equal(counters_end(), COUNTER_SHARED + 1);
	counters_give(COUNTER_SHARED);
	assert_int_equal(counters_take(), COUNTER_SHARED);
	counters_give(first);
	assert_int_equal(counters_take(), first);
	assert_in_range(n, COUNTER_SHARED - 100, COUNTER_SHARED);
	counters_fini();
}

static unsigned asked[4][2];

static struct selector *nth(unsigned which, unsigned n, unsigned fails_every)
{
	return select_nth(n, fails_every, asked[which]);
}

static const struct {
	const char *label;
	const char *actions[3];
	enum verdict verdict;
	unsigned asked;
} verdicts[] = {
	{"next and next", {"NoneAction", "NoneAction", "NoneAction"}, VERDICT_NEXT, 3},
	{"stop ends the chain", {"NoneAction", "AllowAction", "DropAction"}, VERDICT_STOP, 2},
	{"so does drop", {"DropAction", "AllowAction", "NoneAction"}, VERDICT_DROP, 1},
};

static void verdicts_end_a_chain(void **state)
{
	struct asked a;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(verdicts); i++) {
		struct chain *c = chain_new();
		enum verdict got;
		unsigned n = 0;

		memset(asked, 0, sizeof(asked));
		for (unsigned k = 0; k < 3; k++)
			fixture_add(c, nth(k, 1, 0), fixture_verdict(verdicts[i].actions[k]));
		fixture_seal(c);
		asked_begin(&a, "a.test", TYPE_A);
		got = chain_run(c, &a.run);
		for (unsigned k = 0; k < 3; k++)
			n += asked[k][0] + (unsigned)matches(c, k);
		chain_unref(c);
		if (got != verdicts[i].verdict || n != 2 * verdicts[i].asked)
			fail_msg("%s: verdict %d, %u", verdicts[i].label, got, n);
	}
}

#define YES   nth(0, 1, 0)
#define NO    nth(1, 0, 0)
#define BAD   nth(2, 0, 1)
#define LATER nth(3, 1, 0)

static struct selector *s_and(void)
{
	return AND(YES, NO, LATER);
}

static struct selector *s_and_all(void)
{
	return AND(YES, LATER);
}

static struct selector *s_or(void)
{
	return OR(NO, YES, LATER);
}

static struct selector *s_or_none(void)
{
	return OR(NO, NO);
}

static struct selector *s_not(void)
{
	return NOT(NO);
}

static struct selector *s_not_not(void)
{
	return NOT(NOT(NO));
}

static struct selector *s_and_empty(void)
{
	return fixture_list("AndRule", NULL, 0);
}

static struct selector *s_or_empty(void)
{
	return fixture_list("OrRule", NULL, 0);
}

static struct selector *s_and_bad(void)
{
	return AND(YES, BAD, LATER);
}

static struct selector *s_and_unreached(void)
{
	return AND(NO, BAD, LATER);
}

static struct selector *s_or_bad(void)
{
	return OR(NO, BAD, LATER);
}

static struct selector *s_or_unreached(void)
{
	return OR(YES, BAD);
}

static struct selector *s_not_bad(void)
{
	return NOT(BAD);
}

static struct selector *s_not_deep_bad(void)
{
	return OR(NOT(AND(YES, NOT(OR(BAD, LATER)))), LATER);
}

static const struct {
	const char *label;
	struct selector *(*make)(void);
	bool match, must_drop;
	bool later; /* LATER was asked */
	const char *text;
} logic[] = {
	{"And stops at the first that does not match", s_and, false, false, false,
	 "(every 1, fails every 0) && (every 0, fails every 0) && (every 1, fails every 0)"},
	{"And of all", s_and_all, true, false, true,
	 "(every 1, fails every 0) && (every 1, fails every 0)"},
	{"Or stops at the first that matches", s_or, true, false, false,
	 "(every 0, fails every 0) || (every 1, fails every 0) || (every 1, fails every 0)"},
	{"Or of none", s_or_none, false, false, false,
	 "(every 0, fails every 0) || (every 0, fails every 0)"},
	{"Not", s_not, true, false, false, "!(every 0, fails every 0)"},
	{"Not Not", s_not_not, false, false, false, "!(!(every 0, fails every 0))"},
	{"All", fixture_all, true, false, false, "All"},
	{"And of nothing", s_and_empty, true, false, false, ""},
	{"Or of nothing", s_or_empty, false, false, false, ""},
	{"And with one that can't say", s_and_bad, false, true, false, NULL},
	{"that is not reached", s_and_unreached, false, false, false, NULL},
	{"Or with one that can't say", s_or_bad, false, true, false, NULL},
	{"that is not reached", s_or_unreached, true, false, false, NULL},
	{"Not of one that can't say", s_not_bad, false, true, false, NULL},
	{"deep in others", s_not_deep_bad, false, true, false, NULL},
};

static void selectors_of_selectors_ask_no_more_than_needed(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(logic); i++) {
		struct selector *s;
		struct asked a;
		bool match, later, text_is_right;
		char *text;

		memset(asked, 0, sizeof(asked));
		asked_begin(&a, "a.test", TYPE_A);
		s = logic[i].make();
		match = selector_match(s, &a.run);
		later = asked[3][0] != 0;
		text = selector_text(s);
		text_is_right = logic[i].text == NULL || strcmp(text, logic[i].text) == 0;
		free(text);
		selector_unref(s);
		if (match != logic[i].match || later != logic[i].later ||
		    a.run.must_drop != logic[i].must_drop || !text_is_right)
			fail_msg("%s: match %d, drop %d, later %d, text right %d", logic[i].label,
				 match, a.run.must_drop, later, text_is_right);
	}
}

/* It can't say: the query is dropped, and later rules are not asked. */
static void query_is_dropped_where_a_selector_can_not_say(void **state)
{
	struct chain *c = chain_new();
	struct asked a;

	(void)state;
	memset(asked, 0, sizeof(asked));
	fixture_add(c, NOT(BAD), fixture_verdict("AllowAction"));
	fixture_add(c, LATER, fixture_verdict("AllowAction"));
	fixture_seal(c);
	asked_begin(&a, "a.test", TYPE_A);
	assert_int_equal(chain_run(c, &a.run), VERDICT_DROP);
	assert_int_equal(matches(c, 0), 0);
	assert_int_equal(asked[3][0], 0);
	chain_unref(c);
}

/* Takes s: n times Not around it; NULL when that is refused. */
static struct selector *wrapped(struct selector *s, unsigned n, struct err *err)
{
	while (n-- > 0 && s != NULL)
		s = fixture_list_or_err("NotRule", &s, 1, err);
	return s;
}

static void nesting_is_bounded(void **state)
{
	struct err err = {""};
	struct selector *s = wrapped(ALL(), 200, &err), *more;
	struct asked a;

	(void)state;
	assert_non_null(s);
	asked_begin(&a, "a.test", TYPE_A);
	assert_true(selector_match(s, &a.run));
	more = wrapped(selector_ref(s), 1, &err);
	assert_null(more);
	assert_string_equal(err.text, "rules are nested more than 200 deep");
	more = fixture_list_or_err("OrRule", (struct selector *[]){ALL(), s}, 2, &err);
	assert_null(more);
}

/* Few selectors, each in the next twice, would ask the first a million times. */
static void repetition_is_bounded(void **state)
{
	struct err err = {""};
	struct selector *s = ALL();
	unsigned n = 0;

	(void)state;
	while (s != NULL && n++ < 100)
		s = fixture_list_or_err("AndRule", (struct selector *[]){selector_ref(s), s}, 2,
					&err);
	assert_null(s);
	assert_int_equal(n, 19); /* 2^20 - 2 */
	assert_string_equal(err.text, "a rule is made of more than 1000000 others");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_move_to_where_they_are_sent),
		cmocka_unit_test(removed_rules_are_gone),
		cmocka_unit_test(counts_survive_edits),
		cmocka_unit_test(counts_begin_at_zero),
		cmocka_unit_test(selector_keeps_its_count_without_a_chain),
		cmocka_unit_test(counters_that_run_out_are_shared),
		cmocka_unit_test(verdicts_end_a_chain),
		cmocka_unit_test(selectors_of_selectors_ask_no_more_than_needed),
		cmocka_unit_test(query_is_dropped_where_a_selector_can_not_say),
		cmocka_unit_test(nesting_is_bounded),
		cmocka_unit_test(repetition_is_bounded),
	};
	int rc;

	hash_init(1);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	counters_fini();
	return rc;
}
