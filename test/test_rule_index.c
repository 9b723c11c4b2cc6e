/* The index of a chain: a query meets the same rules by look-up as by asking each. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>

#include "core/regex.h"
#include "test/chain_selectors.h"

/* How many candidates a query has; UINT_MAX: all of the chain, because there are too many lists. */
static unsigned candidates(const struct chain *c, struct rule_run *run, uint32_t from)
{
	struct cursors cursors;
	uint32_t last = UINT32_MAX, at;
	unsigned n = 0;

	if (!index_find(c->index, run, from, &cursors))
		return UINT_MAX;
	while ((at = cursors_next(&cursors)) != UINT32_MAX) {
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

/* What is found through an automaton that was made for an earlier chain. */
static void expressions_are_ruled_out_through_edits(void **state)
{
	struct chain *c = chain_new();

	(void)state;
	for (unsigned i = 0; i < 16; i++)
		fixture_add(c, regex(i), fixture_verdict("NoneAction"));
	seal(c);
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

/* Selectors of random chains, with names, addresses and values of a small world, so that they meet.
 */
static uint64_t seed;

static unsigned below(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)((seed >> 32) * n >> 32);
}

static const char *random_name(char text[static 64])
{
	static const char *const tops[] = {"test", "Test", "com", "example.com", "eXample.org"};
	unsigned labels = below(5);
	size_t n = 0;

	if (below(12) == 0)
		return ".";
	for (unsigned i = 0; i < labels; i++) {
		text[n++] = (char)((below(4) == 0 ? 'A' : 'a') + (int)below(3));
		text[n++] = '.';
	}
	snprintf(text + n, 64 - n, "%s", tops[below(ARRAY_LEN(tops))]);
	return text;
}

static struct selector *random_names(unsigned n)
{
	const char *names[NAMES_MAX];
	char text[NAMES_MAX][64];

	for (unsigned i = 0; i < n; i++)
		names[i] = random_name(text[i]);
	return select_names(below(2), names, n);
}

static const char *const masks[] = {
	"0.0.0.0/0",     "10.0.0.0/8",    "10.1.0.0/16",         "10.1.2.0/24",
	"10.1.2.3",      "10.128.0.0/9",  "192.0.2.0/25",        "192.0.2.1",
	"::/0",          "2001:db8::/32", "2001:db8:0:1::/64",   "2001:db8:0:1::1",
	"2001:db8::/33", "fe80::/10",     "::ffff:10.1.0.0/112", "::ffff:192.0.2.1",
	"!10.1.2.0/24",  "!10.1.0.0/16",  "!192.0.2.1",          "!2001:db8:0:1::/64",
};

static const char *const addresses[] = {
	"10.0.0.1",        "10.1.0.1",        "10.1.2.3",
	"10.1.2.4",        "10.200.0.1",      "192.0.2.1",
	"192.0.2.200",     "203.0.113.1",     "::1",
	"2001:db8::1",     "fe80::1",         "2001:db8:0:1::1",
	"2001:db8:0:1::2", "::ffff:10.1.2.3",
};

static struct selector *random_masks(void)
{
	const char *of[MASKS_MAX];
	unsigned n = 1 + below(MASKS_MAX);

	if (below(2))
		n = 1;
	for (unsigned i = 0; i < n; i++)
		of[i] = masks[below(ARRAY_LEN(masks))];
	return select_masks(below(2) ? KEY_SOURCE : KEY_DESTINATION, of, n);
}

static uint32_t random_value(enum key_value of)
{
	static const unsigned most[VALUE_COUNT] = {
		[VALUE_QTYPE] = 6,  [VALUE_PORT] = 2,   [VALUE_OPCODE] = 3,    [VALUE_RCODE] = 3,
		[VALUE_QCLASS] = 2, [VALUE_LABELS] = 8, [VALUE_NAME_LEN] = 24, [VALUE_STREAM] = 2,
		[VALUE_RD] = 2,     [VALUE_PROTO] = 3,
	};

	return below(most[of]) + (of == VALUE_PORT ? 53 : of == VALUE_QCLASS ? 1 : 0);
}

static struct selector *random_range(void)
{
	enum key_value of = below(2) ? VALUE_NAME_LEN : VALUE_LABELS;
	uint32_t least = random_value(of);

	return select_value(of, least, least + below(of == VALUE_LABELS ? 4 : 300));
}

static struct selector *random_single(void)
{
	enum key_value of = (enum key_value)below(VALUE_COUNT);
	uint32_t value = random_value(of);

	return select_value(of, value, value);
}

/* What impure selectors of a round count. */
#define NTHS_MAX 2048
static unsigned nths[NTHS_MAX][2], n_nths;

/* Made once: expressions are dear. Rules share them. */
static const char *const expressions[] = {
	"^a\\.", "b\\.c", "example",      "test$", "^[ab]+\\.", "com|org",  "(a|b)\\.(b|c)\\.",
	"",      "^$",    "(.)\\.\\1\\.", "x",     "c\\.test$", "^b.*com$", "a.a",
};
static struct selector *regexes[ARRAY_LEN(expressions)];
static bool with_regexes; /* this round has them */

static void make_regexes(void)
{
	for (unsigned i = 0; i < ARRAY_LEN(expressions); i++) {
		struct arg arg = {
			.given = true, .text = expressions[i], .len = strlen(expressions[i])};
		struct err err;

		regexes[i] = selector_new(&regex_selectors[0], &arg, &err);
		if (regexes[i] == NULL)
			fail_msg("%s", err.text);
	}
}

static void free_regexes(void)
{
	for (unsigned i = 0; i < ARRAY_LEN(expressions); i++)
		selector_unref(regexes[i]);
}

static struct selector *random_leaf(void)
{
	if (with_regexes && below(3) > 0)
		return selector_ref(regexes[below(ARRAY_LEN(expressions))]);
	switch (below(12)) {
	case 0:
	case 1:
	case 2:
		return random_names(1);
	case 3:
		return random_names(below(10) ? below(8) : 200 + below(100));
	case 4:
	case 5:
		return random_masks();
	case 6:
		return random_range();
	case 7:
		if (n_nths == NTHS_MAX)
			return select_opaque();
		return select_nth(below(4), below(20) ? 0 : 1 + below(9), nths[n_nths++]);
	case 8:
		return below(2) ? select_opaque() : ALL();
	default:
		return random_single();
	}
}

static struct selector *random_selector(unsigned depth)
{
	struct selector *parts[4];
	unsigned n;

	if (depth == 0 || below(2))
		return random_leaf();
	if (below(3) == 0) {
		parts[0] = random_selector(depth - 1);
		return fixture_list("NotRule", parts, 1);
	}
	n = below(ARRAY_LEN(parts) + 1);
	for (unsigned i = 0; i < n; i++)
		parts[i] = random_selector(depth - 1);
	return fixture_list(below(3) ? "AndRule" : "OrRule", parts, n);
}

/* Changes what keys look at: header, type, name, and which memory the packet is in. */
struct edit_state {
	unsigned what;
};

static enum verdict edit(void *state, struct rule_run *run)
{
	const struct edit_state *s = state;
	uint16_t flags = msg_flags(run->msg);
	uint8_t *name = run->q->packet + DNS_HEADER_LEN;

	switch (s->what) {
	case 0:
		msg_set_flags(run->msg, flags ^ DNS_RD);
		break;
	case 1:
		msg_set_flags(run->msg, flags ^ 1u << DNS_OPCODE_SHIFT);
		break;
	case 2:
		msg_set_flags(run->msg, (uint16_t)((flags & ~DNS_RCODE_MASK) | (flags + 1) % 3));
		break;
	case 3:
		run->q->question.qtype = (uint16_t)((run->q->question.qtype + 1) % 6);
		break;
	case 4:
		if (name[0] == 1)
			name[1] = name[1] == 'a' ? 'b' : 'a';
		break;
	default: /* it is moved elsewhere, and the old place is used for something else */
		if (run->q->cap < sizeof(((struct asked *)NULL)->packet))
			break;
		run->q->cap /= 2;
		run->q->packet += run->q->cap;
		memcpy(run->q->packet, run->msg, run->len);
		memset(run->msg, 1, run->len);
		run->msg = run->q->packet;
	}
	run_edited(run, run->len);
	return VERDICT_NEXT;
}

static void edit_text(const void *state, FILE *out)
{
	fprintf(out, "edit %u", ((const struct edit_state *)state)->what);
}

static const struct action_type edit_type = {
	.name = "Edit",
	.state_size = sizeof(struct edit_state),
	.run = edit,
	.text = edit_text,
};

static struct action *random_action(unsigned n_rules)
{
	struct action *a;

	if (below(4 + n_rules / 2) == 0)
		return fixture_verdict(below(2) ? "AllowAction" : "DropAction");
	if (below(3) > 0)
		return fixture_verdict("NoneAction");
	a = fixture_action(&edit_type);
	((struct edit_state *)a->state)->what = below(6);
	return a;
}

static void add_random(struct chain *c, unsigned depth, unsigned n_rules)
{
	fixture_add(c, random_selector(depth), random_action(n_rules));
}

static struct chain *random_chain(unsigned depth)
{
	struct chain *c = chain_new();
	unsigned n = below(8) ? 1 + below(12) : 1 + below(300);

	for (unsigned i = 0; i < n; i++)
		add_random(c, depth, n);
	seal(c);
	return c;
}

/* As a user edits: of many rules, few. */
static struct chain *edited_chain(struct chain *old, unsigned depth)
{
	struct chain *c = chain_clone(old);
	unsigned edits = 1 + below(4);

	chain_unref(old);
	for (unsigned i = 0; i < edits; i++) {
		if (c->n == 0 || below(3) == 0)
			add_random(c, depth, c->n);
		else if (below(2))
			chain_remove(c, below(c->n));
		else
			chain_move(c, below(c->n), below(c->n + 1));
	}
	seal(c);
	return c;
}

static void random_asked(struct asked *a)
{
	char text[64];

	asked_begin(a, random_name(text), (uint16_t)random_value(VALUE_QTYPE));
	a->q.question.qclass = (uint16_t)random_value(VALUE_QCLASS);
	a->q.client = fixture_addr(addresses[below(ARRAY_LEN(addresses))]);
	a->listener = fixture_addr(addresses[below(ARRAY_LEN(addresses))]);
	addr_set_port(&a->listener, (uint16_t)random_value(VALUE_PORT));
	if (below(3) == 0)
		a->q.local = fixture_addr(addresses[below(ARRAY_LEN(addresses))]);
	else
		a->q.near_only = below(2);
	a->q.client_proto = (uint8_t)random_value(VALUE_PROTO);
	msg_set_flags(a->packet, (uint16_t)(random_value(VALUE_OPCODE) << DNS_OPCODE_SHIFT |
					    random_value(VALUE_RCODE) | (below(2) ? DNS_RD : 0)));
}

static void print_chain(const struct chain *c)
{
	for (unsigned i = 0; i < c->n; i++) {
		char *s = selector_text(c->rules[i]->selector),
		     *a = action_text(c->rules[i]->action);

		fprintf(stderr, "%u: %.500s -> %s (found %llu, plain %llu)\n", i, s, a,
			(unsigned long long)fixture_count(0, c->rules[i]),
			(unsigned long long)fixture_count(1, c->rules[i]));
		free(s);
		free(a);
	}
}

/* What differs between both walks; NULL: nothing. */
static const char *difference(const struct chain *c, const struct asked *found,
			      const struct asked *plain)
{
	for (unsigned i = 0; i < c->n; i++)
		if (fixture_count(0, c->rules[i]) != fixture_count(1, c->rules[i]))
			return "a rule's matches";
	for (unsigned i = 0; i < n_nths; i++)
		if (nths[i][0] != nths[i][1])
			return "how often an impure selector was asked";
	if (found->run.must_drop != plain->run.must_drop)
		return "whether it must be dropped";
	if (found->run.changed != plain->run.changed || found->run.len != plain->run.len ||
	    memcmp(found->packet, plain->packet, sizeof(found->packet)) != 0)
		return "the message";
	return found->q.question.qtype != plain->q.question.qtype ? "the type" : NULL;
}

static void copy_asked(struct asked *to, const struct asked *from)
{
	*to = *from;
	to->q.packet = to->packet;
}

static void check_query(const struct chain *c, uint64_t first_seed, unsigned *matched)
{
	static struct asked found, plain;
	enum verdict by_index, by_walk;
	const char *what;

	random_asked(&found);
	copy_asked(&plain, &found);
	by_index = chain_run(c, asked_run(&found, 0));
	by_walk = chain_run_plain(c, asked_run(&plain, 1));
	what = by_index != by_walk ? "the verdict" : difference(c, &found, &plain);
	*matched += by_walk != VERDICT_NEXT || plain.run.changed;
	if (what == NULL)
		return;
	print_chain(c);
	fail_msg("seed %llu: %s", (unsigned long long)first_seed, what);
}

#define ROUNDS      5000
#define QUERIES     8
#define GENERATIONS 3

static void found_rules_are_those_of_a_plain_walk(void **state)
{
	unsigned matched = 0, queries = 0;

	(void)state;
	make_regexes();
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned depth;
		struct chain *c;

		seed = round;
		n_nths = 0;
		with_regexes = round % 50 == 0;
		depth = below(4);
		c = random_chain(depth);
		for (unsigned i = 0; i < GENERATIONS; i++) {
			memset(nths, 0, sizeof(nths));
			for (unsigned k = 0; k < QUERIES; k++, queries++)
				check_query(c, round, &matched);
			c = edited_chain(c, depth);
		}
		chain_unref(c);
	}
	free_regexes();
	/* else the small world is too large to show anything */
	assert_in_range(matched, queries / 5, queries * 9 / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_say_who_is_a_candidate),
		cmocka_unit_test(lists_of_all_that_apply_are_found),
		cmocka_unit_test(rule_in_many_lists_comes_once),
		cmocka_unit_test(more_lists_than_cursors_ask_all),
		cmocka_unit_test(values_not_wanted_are_bounded),
		cmocka_unit_test(expressions_are_ruled_out_through_edits),
		cmocka_unit_test(thousands_of_rules_that_do_not_match_are_no_candidates),
		cmocka_unit_test(edits_are_seen_by_later_rules_only),
		cmocka_unit_test(another_name_is_seen_by_later_rules),
		cmocka_unit_test(empty_chain_says_next),
		cmocka_unit_test(found_rules_are_those_of_a_plain_walk),
	};
	int rc;

	hash_init(1);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	counters_fini();
	return rc;
}
