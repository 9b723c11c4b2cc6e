/* The index of a chain: a query meets the same rules by look-up as by asking each. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>

#include "core/regex.h"
#include "rules/places.h"
#include "test/chain_selectors.h"

/* How many candidates a query has; UINT_MAX: all of the chain, because there are too many lists. */
static unsigned candidates(const struct chain *c, struct rule_run *run, uint32_t from)
{
	struct candidates found;
	uint32_t last = UINT32_MAX, at;
	unsigned n = 0;

	if (!candidates_find(&found, c->index, c->places, run, from))
		return UINT_MAX;
	while ((at = candidates_next(&found)) != UINT32_MAX) {
		if (last != UINT32_MAX && at <= last)
			fail_msg("%u comes after %u", at, last);
		if (at < from || at >= c->n)
			fail_msg("%u is none of %u … %u", at, from, c->n - 1);
		last = at;
		n++;
	}
	return n;
}

static void seal(struct chain *c)
{
	fixture_seal(c);
	fixture_begin_counts(c);
}

static struct chain *chain_of(struct selector *const *selectors, size_t n)
{
	struct chain *c = chain_new();

	for (size_t i = 0; i < n; i++)
		fixture_add(c, selectors[i], fixture_verdict("NoneAction"));
	seal(c);
	return c;
}

static unsigned dummy[2];

#define NTH() select_nth(2, 0, dummy)

static struct selector *set_of(unsigned n)
{
	const char *names[NAMES_MAX];
	char text[NAMES_MAX][16];

	for (unsigned i = 0; i < n; i++) {
		snprintf(text[i], sizeof(text[i]), "n%u.test", i);
		names[i] = text[i];
	}
	return select_names(false, names, n);
}

static struct selector *name_a(void)
{
	return select_below("a.test");
}

static struct selector *from_net(void)
{
	return select_from("192.0.2.0/24");
}

static struct selector *aaaa(void)
{
	return select_value(VALUE_QTYPE, TYPE_AAAA, TYPE_AAAA);
}

static struct selector *type_a(void)
{
	return select_value(VALUE_QTYPE, TYPE_A, TYPE_A);
}

static struct selector *s_root(void)
{
	return select_below(".");
}

static struct selector *s_root_alone(void)
{
	return select_name(".");
}

static struct selector *s_set_full(void)
{
	return set_of(KEYS_MAX);
}

static struct selector *s_set_beyond(void)
{
	return set_of(KEYS_MAX + 1);
}

static struct selector *s_and_of_full_sets(void)
{
	return AND(set_of(KEYS_MAX), aaaa());
}

static struct selector *s_or_beyond(void)
{
	return OR(set_of(KEYS_MAX), aaaa());
}

static struct selector *s_or_of_kinds(void)
{
	return OR(name_a(), aaaa(), select_from("10.0.0.0/8"));
}

static struct selector *s_or_with_opaque(void)
{
	return OR(name_a(), select_opaque());
}

static struct selector *s_and_pure_impure(void)
{
	return AND(name_a(), NTH());
}

static struct selector *s_and_impure_pure(void)
{
	return AND(NTH(), name_a());
}

static struct selector *s_and_behind_or_of_impure(void)
{
	return AND(OR(aaaa(), NTH()), name_a());
}

static struct selector *s_and_in_and(void)
{
	return AND(AND(name_a(), NTH()), aaaa());
}

static struct selector *s_or_of_guarded(void)
{
	return OR(AND(name_a(), NTH()), aaaa());
}

static struct selector *s_and_takes_name(void)
{
	return AND(type_a(), from_net(), name_a());
}

static struct selector *s_and_passes_over_root(void)
{
	return AND(s_root(), aaaa());
}

static struct selector *s_and_passes_over_not(void)
{
	return AND(NOT(aaaa()), select_value(VALUE_RD, 0, 0));
}

static struct selector *s_and_empty(void)
{
	return fixture_list("AndRule", NULL, 0);
}

static struct selector *s_or_empty(void)
{
	return fixture_list("OrRule", NULL, 0);
}

static struct selector *s_not_all(void)
{
	return NOT(ALL());
}

static struct selector *s_not_and_empty(void)
{
	return NOT(s_and_empty());
}

static struct selector *s_not_or_empty(void)
{
	return NOT(s_or_empty());
}

static struct selector *s_or_with_never(void)
{
	return OR(s_or_empty(), s_not_all(), aaaa());
}

static struct selector *s_not_type(void)
{
	return NOT(type_a());
}

static struct selector *s_not_name(void)
{
	return NOT(name_a());
}

static struct selector *s_not_not(void)
{
	return NOT(NOT(name_a()));
}

static struct selector *s_not_or(void)
{
	return NOT(OR(name_a(), type_a()));
}

static struct selector *s_not_or_behind_impure(void)
{
	return NOT(OR(NTH(), type_a()));
}

static struct selector *s_not_or_before_impure(void)
{
	return NOT(OR(type_a(), NTH()));
}

static struct selector *s_not_and(void)
{
	return NOT(AND(type_a(), select_value(VALUE_RD, 1, 1)));
}

static struct selector *s_not_and_opaque(void)
{
	return NOT(AND(type_a(), select_opaque()));
}

static struct selector *s_impure(void)
{
	return NTH();
}

static struct selector *s_not_impure(void)
{
	return NOT(NTH());
}

static struct selector *s_only_excluded(void)
{
	return select_masks(KEY_SOURCE, (const char *[]){"!192.0.2.0/24"}, 1);
}

static struct selector *s_destination(void)
{
	return select_masks(KEY_DESTINATION, (const char *[]){"192.0.2.53", "!192.0.2.0/24"}, 2);
}

static struct selector *s_mapped(void)
{
	return select_from("::ffff:192.0.2.0/120");
}

static struct selector *s_port(void)
{
	return select_value(VALUE_PORT, 53, 53);
}

/* A query for x.other.test, A, RD, from 192.0.2.1 to 192.0.2.53:53. */
static const struct {
	const char *label;
	struct selector *(*make)(void);
	bool is_candidate, always; /* for that query; for all */
} kinds[] = {
	{"a name that is not it", name_a, false, false},
	{"the root and all below", s_root, true, false},
	{"the root alone", s_root_alone, false, false},
	{"as many keys as there may be", s_set_full, false, false},
	{"one key more", s_set_beyond, true, true},
	{"that many beside one that fits", s_and_of_full_sets, false, false},
	{"or one key more by Or", s_or_beyond, true, true},
	{"Or across kinds", s_or_of_kinds, false, false},
	{"Or with what has no keys", s_or_with_opaque, true, true},
	{"And, an impure one last", s_and_pure_impure, false, false},
	{"And, an impure one first", s_and_impure_pure, true, true},
	{"And, first an Or that may ask one", s_and_behind_or_of_impure, true, true},
	{"And, first an And that may not", s_and_in_and, false, false},
	{"Or of such", s_or_of_guarded, false, false},
	{"And takes the best", s_and_takes_name, false, false},
	{"And does not take the root", s_and_passes_over_root, false, false},
	{"nor what is wanted not to be", s_and_passes_over_not, false, false},
	{"And of nothing", s_and_empty, true, true},
	{"Or of nothing", s_or_empty, false, false},
	{"Not All", s_not_all, false, false},
	{"Not And of nothing", s_not_and_empty, false, false},
	{"Not Or of nothing", s_not_or_empty, true, true},
	{"Or with what never matches", s_or_with_never, false, false},
	{"Not a value", s_not_type, false, false},
	{"Not a name", s_not_name, true, true},
	{"Not Not", s_not_not, false, false},
	{"Not Or", s_not_or, false, false},
	{"Not Or, an impure one first", s_not_or_behind_impure, true, true},
	{"Not Or, an impure one last", s_not_or_before_impure, false, false},
	{"Not And", s_not_and, false, false},
	{"Not And with what has no keys", s_not_and_opaque, true, true},
	{"impure, though it names keys", s_impure, true, true},
	{"Not impure", s_not_impure, true, true},
	{"netmasks excluded and no other", s_only_excluded, false, false},
	{"a destination", s_destination, true, false},
	{"a mapped netmask", s_mapped, true, false},
	{"a port", s_port, true, false},
};

static void keys_say_who_is_a_candidate(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct selector *s = kinds[i].make();
		struct chain *c = chain_of(&s, 1);
		struct asked a;
		unsigned n, always = index_always(c->index);

		asked_begin(&a, "x.other.test", TYPE_A);
		n = candidates(c, &a.run, 0);
		chain_unref(c);
		if (n != kinds[i].is_candidate)
			fail_msg("%s: %u candidates", kinds[i].label, n);
		if (always != kinds[i].always)
			fail_msg("%s: %u always", kinds[i].label, always);
	}
}

static const struct {
	const char *label, *name, *client;
	uint16_t qtype;
	unsigned n;
} nested[] = {
	{"nothing of all", "x.org", "203.0.113.1", TYPE_A, 0},
	{"the top", "x.test", "203.0.113.1", TYPE_A, 1},
	{"the middle and the top", "x.b.test", "203.0.113.1", TYPE_A, 2},
	{"an exact name between does not count below it", "x.c.b.test", "203.0.113.1", TYPE_A, 2},
	{"but at it", "c.b.test", "203.0.113.1", TYPE_A, 3},
	{"below an exact name", "d.c.b.test", "203.0.113.1", TYPE_A, 3},
	{"over a name without others below", "x.g.f.test", "203.0.113.1", TYPE_A, 2},
	{"both of one name", "B.Test", "203.0.113.1", TYPE_A, 3},
	{"a short prefix", "x.org", "10.9.0.1", TYPE_A, 1},
	{"nested prefixes", "x.org", "10.1.2.3", TYPE_A, 3},
	{"a mapped client", "x.org", "::ffff:10.1.2.3", TYPE_A, 3},
	{"another family", "x.org", "2001:db8::1", TYPE_A, 1},
	{"both families' widest", "x.org", "2002::1", TYPE_A, 0},
	{"a value", "x.org", "203.0.113.1", TYPE_AAAA, 1},
	{"all of them", "c.b.test", "10.1.2.3", TYPE_AAAA, 7},
};

static void lists_of_all_that_apply_are_found(void **state)
{
	struct selector *all[] = {
		select_below("test"),         select_from("10.1.0.0/16"),
		select_below("b.test"),       select_name("b.test"),
		select_name("c.b.test"),      select_below("d.c.b.test"),
		select_below("g.f.test"),     select_name("f.test"),
		select_from("10.0.0.0/8"),    select_from("10.1.2.0/24"),
		select_from("2001:db8::/32"), aaaa(),
	};
	struct chain *c = chain_of(all, ARRAY_LEN(all));

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(nested); i++) {
		struct asked a;
		unsigned n;

		asked_begin(&a, nested[i].name, nested[i].qtype);
		a.q.client = fixture_addr(nested[i].client);
		n = candidates(c, &a.run, 0);
		if (n != nested[i].n)
			fail_msg("%s: %u candidates", nested[i].label, n);
	}
	chain_unref(c);
}

/* In all its lists it is one candidate. */
static void rule_in_many_lists_comes_once(void **state)
{
	struct selector *s = OR(select_below("test"), select_below("a.test"),
				select_below("A.test"), type_a(), select_from("192.0.2.0/24"),
				select_from("192.0.2.1"), NOT(select_value(VALUE_RD, 0, 0)));
	struct selector *all[] = {type_a(), s, type_a()};
	struct chain *c = chain_of(all, ARRAY_LEN(all));
	struct asked a;

	(void)state;
	asked_begin(&a, "a.test", TYPE_A);
	assert_int_equal(candidates(c, &a.run, 0), 3);
	assert_int_equal(candidates(c, &a.run, 1), 2);
	assert_int_equal(candidates(c, &a.run, 2), 1);
	assert_int_equal(candidates(c, &a.run, 3), 0);
	chain_unref(c);
}

/* n names, each below the one before it. */
static struct chain *deep_chain(unsigned n, char *deepest, size_t size)
{
	struct chain *c = chain_new();

	snprintf(deepest, size, "test");
	for (unsigned i = 0; i < n; i++) {
		fixture_add(c, select_below(deepest), fixture_verdict("NoneAction"));
		memmove(deepest + 2, deepest, strlen(deepest) + 1);
		memcpy(deepest, "x.", 2);
	}
	seal(c);
	return c;
}

static void more_lists_than_cursors_ask_all(void **state)
{
	(void)state;
	for (unsigned n = CURSORS_MAX - 1; n < CURSORS_MAX + 3; n++) {
		char name[256];
		struct chain *c = deep_chain(n, name, sizeof(name));
		struct asked a;

		asked_begin(&a, name, TYPE_A);
		assert_int_equal(candidates(c, &a.run, 0), n > CURSORS_MAX ? UINT_MAX : n);
		assert_int_equal(candidates(c, &a.run, n - 5), 5); /* those before are no lists */
		asked_run(&a, 0);
		assert_int_equal(chain_run(c, &a.run), VERDICT_NEXT);
		for (unsigned i = 0; i < n; i++)
			assert_int_equal(fixture_count(0, c->rules[i]), 1);
		chain_unref(c);
	}
}

/* Rules that say no to one of few values are found; to many, they are asked. */
static void values_not_wanted_are_bounded(void **state)
{
	struct chain *c = chain_new();
	struct asked a;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		fixture_add(c, NOT(select_value(VALUE_QTYPE, 1 + i % 10, 1 + i % 10)),
			    fixture_verdict("NoneAction"));
	seal(c);
	asked_begin(&a, "a.test", 2);
	assert_int_equal(index_always(c->index), 600);
	assert_int_equal(candidates(c, &a.run, 0), 900);
	asked_begin(&a, "a.test", 10);
	assert_int_equal(candidates(c, &a.run, 0), 1000);
	chain_unref(c);
}

static struct selector *regex(unsigned i)
{
	char text[32];
	struct arg arg = {.given = true, .text = text};
	struct selector *s;
	struct err err;

	snprintf(text, sizeof(text), "^w%u\\.x[0-9]+", i);
	arg.len = strlen(text);
	s = selector_new(&regex_selectors[0], &arg, &err);
	if (s == NULL)
		fail_msg("%s", err.text);
	return s;
}

/* Takes old; of its copy the index has most from it. */
static struct chain *next_of(struct chain *old)
{
	struct chain *c = chain_clone(old);

	chain_unref(old);
	return c;
}

static unsigned candidates_for(const struct chain *c, const char *name)
{
	struct asked a;

	asked_begin(&a, name, TYPE_A);
	return candidates(c, &a.run, 0);
}

static struct chain *expressions_chain(void)
{
	struct chain *c = chain_new();

	for (unsigned i = 0; i < 16; i++)
		fixture_add(c, regex(i), fixture_verdict("NoneAction"));
	seal(c);
	return c;
}

/* What is found through an automaton that was made for an earlier chain. */
static void automata_outlive_the_index(void **state)
{
	struct chain *c = expressions_chain();

	(void)state;
	c = next_of(c);
	fixture_add(c, regex(16), fixture_verdict("NoneAction"));
	chain_move(c, 3, 9);
	chain_remove(c, 0);
	chain_renumber(c);
	seal(c);
	assert_null(c->places);
	assert_int_equal(index_always(c->index), 0);
	assert_int_equal(candidates_for(c, "w99.x1.test"), 2); /* the new one, the moved one */
	assert_int_equal(candidates_for(c, "w0.x1.test"), 2);
	assert_int_equal(candidates_for(c, "w1.x1.test"), 3);
	assert_int_equal(candidates_for(c, "w15.x1.test"), 3);
	chain_unref(c);
}

static void few_edits_take_over_the_index(void **state)
{
	struct chain *c = chain_new(), *edited;

	(void)state;
	for (unsigned i = 0; i < 16; i++)
		fixture_add(c, i == 8 ? ALL() : type_a(), fixture_verdict("NoneAction"));
	seal(c);
	edited = next_of(chain_ref(c));
	fixture_add(edited, select_name("b.test"), fixture_verdict("NoneAction"));
	chain_move(edited, 8, 2);
	chain_remove(edited, 5);
	seal(edited);
	assert_ptr_equal(edited->index, c->index);
	assert_int_equal(edited->places->n_strays, 2);
	assert_int_equal(candidates_for(edited, "a.test"), 16);
	edited = next_of(edited);
	chain_remove(edited, 15); /* both are gone, and what is left stands in order */
	chain_remove(edited, 2);
	seal(edited);
	assert_ptr_equal(edited->index, c->index);
	assert_int_equal(edited->places->n_strays, 0);
	assert_int_equal(candidates_for(edited, "a.test"), 14);
	edited = next_of(edited);
	chain_renumber(edited);
	seal(edited);
	assert_ptr_not_equal(edited->index, c->index);
	assert_null(edited->places);
	assert_int_equal(candidates_for(edited, "a.test"), 14);
	chain_unref(edited);
	edited = next_of(chain_ref(c));
	for (unsigned i = 0; i < 5; i++)
		fixture_add(edited, type_a(), fixture_verdict("NoneAction"));
	seal(edited);
	assert_null(edited->places); /* too many */
	chain_unref(edited);
	edited = next_of(chain_ref(c));
	while (edited->n > 7)
		chain_remove(edited, 0);
	seal(edited);
	assert_null(edited->places);
	chain_unref(edited);
	chain_unref(c);
}

static void expressions_are_ruled_out_through_edits(void **state)
{
	struct chain *c = expressions_chain();

	(void)state;
	assert_int_equal(candidates_for(c, "w3.x1.test"), 1);
	assert_int_equal(candidates_for(c, "w99.x1.test"), 0);
	c = next_of(c);
	fixture_add(c, regex(16), fixture_verdict("NoneAction"));
	chain_move(c, 3, 9);
	chain_remove(c, 0);
	seal(c);
	assert_int_equal(index_always(c->index), 0);
	assert_int_equal(candidates_for(c, "w99.x1.test"), 2); /* the new one, the moved one */
	assert_int_equal(candidates_for(c, "w0.x1.test"), 2);
	assert_int_equal(candidates_for(c, "w1.x1.test"), 3);
	assert_int_equal(candidates_for(c, "w15.x1.test"), 3);
	c = next_of(c);
	for (unsigned i = 17; i < 32; i++)
		fixture_add(c, regex(i), fixture_verdict("NoneAction"));
	seal(c);
	assert_int_equal(candidates_for(c, "w99.x1.test"), 0); /* it was made anew */
	assert_int_equal(candidates_for(c, "w3.x1.test"), 1);
	c = next_of(c);
	while (c->n > 2)
		chain_remove(c, 0);
	seal(c);
	assert_int_equal(candidates_for(c, "w99.x1.test"), 0); /* nor do two cost any asking */
	chain_unref(c);
}

/* What this test is for: rules that can't match cost no asking. */
static void thousands_of_rules_that_do_not_match_are_no_candidates(void **state)
{
	struct chain *c = chain_new();
	char text[64];
	struct asked a;

	(void)state;
	for (unsigned i = 0; i < 10000; i++) {
		struct selector *s;

		snprintf(text, sizeof(text), "d%u.test", i);
		if (i % 5 == 0)
			s = select_below(text);
		else if (i % 5 == 1)
			s = AND(type_a(), select_name(text), NTH());
		else if (i % 5 == 2)
			s = select_value(VALUE_QTYPE, i, i);
		else if (i % 5 == 3)
			s = AND(ALL(), NOT(OR(type_a(), select_opaque())));
		else {
			snprintf(text, sizeof(text), "10.%u.%u.0/24", i / 256, i % 256);
			s = select_from(text);
		}
		fixture_add(c, s, fixture_verdict("DropAction"));
	}
	seal(c);
	asked_begin(&a, "d.test", TYPE_A);
	assert_int_equal(candidates(c, &a.run, 0), 0);
	assert_int_equal(chain_run(c, &a.run), VERDICT_NEXT);
	chain_unref(c);
}

/* An action changes what the rules behind it look at. */
static enum verdict clear_rd(void *state, struct rule_run *run)
{
	msg_set_flags(run->msg, msg_flags(run->msg) & ~DNS_RD);
	run_edited(run, run->len);
	return VERDICT_NEXT;
}

static void no_text(const void *state, FILE *out)
{
	fputs("edit", out);
}

static const struct action_type clear_rd_type = {
	.name = "ClearRD", .run = clear_rd, .text = no_text};

static void edits_are_seen_by_later_rules_only(void **state)
{
	struct chain *c = chain_new();
	static const unsigned counts[] = {0, 1, 1, 1, 0, 1};
	struct asked a;

	(void)state;
	fixture_add(c, select_value(VALUE_RD, 0, 0), fixture_verdict("DropAction"));
	fixture_add(c, select_value(VALUE_RD, 1, 1), fixture_verdict("NoneAction"));
	fixture_add(c, select_below("test"), fixture_action(&clear_rd_type));
	fixture_add(c, select_value(VALUE_RD, 0, 0), fixture_verdict("NoneAction"));
	fixture_add(c, select_value(VALUE_RD, 1, 1), fixture_verdict("DropAction"));
	fixture_add(c, NOT(select_value(VALUE_RD, 1, 1)), fixture_verdict("AllowAction"));
	seal(c);
	asked_begin(&a, "a.test", TYPE_A);
	assert_int_equal(chain_run(c, &a.run), VERDICT_STOP);
	for (unsigned i = 0; i < c->n; i++)
		assert_int_equal(fixture_count(0, c->rules[i]), counts[i]);
	chain_unref(c);
}

static enum verdict rename_to_b(void *state, struct rule_run *run)
{
	run->q->packet[DNS_HEADER_LEN + 1] = 'b';
	run_edited(run, run->len);
	return VERDICT_NEXT;
}

static const struct action_type rename_type = {
	.name = "Rename", .run = rename_to_b, .text = no_text};

static void another_name_is_seen_by_later_rules(void **state)
{
	struct selector *match_b = selector_new(
		&regex_selectors[0], &(struct arg){.given = true, .text = "^b", .len = 2}, NULL);
	struct chain *c = chain_new();
	static const unsigned counts[] = {0, 1, 0, 1, 0, 1};
	struct asked a;

	(void)state;
	fixture_add(c, selector_ref(match_b), fixture_verdict("DropAction"));
	fixture_add(c, select_below("a.test"), fixture_action(&rename_type));
	fixture_add(c, select_below("a.test"), fixture_verdict("DropAction"));
	fixture_add(c, select_name("b.test"), fixture_verdict("NoneAction"));
	fixture_add(c, NOT(selector_ref(match_b)), fixture_verdict("DropAction"));
	fixture_add(c, OR(match_b, select_name("a.test")), fixture_verdict("AllowAction"));
	seal(c);
	asked_begin(&a, "a.test", TYPE_A);
	assert_int_equal(chain_run(c, &a.run), VERDICT_STOP);
	for (unsigned i = 1; i < c->n; i++)
		assert_int_equal(fixture_count(0, c->rules[i]), counts[i]);
	chain_unref(c);
}

static void empty_chain_says_next(void **state)
{
	struct chain *c = chain_of(NULL, 0);
	struct asked a;

	(void)state;
	asked_begin(&a, "a.test", TYPE_A);
	assert_int_equal(candidates(c, &a.run, 0), 0);
	assert_int_equal(chain_run(c, &a.run), VERDICT_NEXT);
	chain_unref(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_say_who_is_a_candidate),
		cmocka_unit_test(lists_of_all_that_apply_are_found),
		cmocka_unit_test(rule_in_many_lists_comes_once),
		cmocka_unit_test(more_lists_than_cursors_ask_all),
		cmocka_unit_test(values_not_wanted_are_bounded),
		cmocka_unit_test(automata_outlive_the_index),
		cmocka_unit_test(few_edits_take_over_the_index),
		cmocka_unit_test(expressions_are_ruled_out_through_edits),
		cmocka_unit_test(thousands_of_rules_that_do_not_match_are_no_candidates),
		cmocka_unit_test(edits_are_seen_by_later_rules_only),
		cmocka_unit_test(another_name_is_seen_by_later_rules),
		cmocka_unit_test(empty_chain_says_next),
	};
	int rc;

	hash_init(1);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	counters_fini();
	return rc;
}
