/* Keys of selectors: met wherever they must be, and a chain of rules finds by them what it must. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "test/chain_fixture.h"
#include "test/selector_fixture.h"

/* Those that have keys, for queries made of few parts, so that all of them are met now and then. */
static const struct {
	const char *rule;
	const char *args[4];
} keyed[] = {
	{"QNameRule", {"a.b."}},
	{"QNameRule", {"."}},
	{"QNameSuffixRule", {"b."}},
	{"QNameSuffixRule", {"a.b.|A."}},
	{"QNameSuffixRule", {"."}},
	{"QNameSetRule", {"a.|b.a.|."}},
	{"QNameLabelsCountRule", {"1", "2"}},
	{"QNameLabelsCountRule", {"0", "127"}},
	{"QNameLabelsCountRule", {"3", "1"}},
	{"QNameWireLengthRule", {"2", "5"}},
	{"QNameWireLengthRule", {"0", "255"}},
	{"RegexRule", {"^a\\.b$"}},
	{"RegexRule", {"^$"}},
	{"QTypeRule", {"A"}},
	{"QTypeRule", {"0"}},
	{"QClassRule", {"1"}},
	{"QClassRule", {"0"}},
	{"OpcodeRule", {"0"}},
	{"OpcodeRule", {"4"}},
	{"RCodeRule", {"0"}},
	{"RCodeRule", {"3"}},
	{"ERCodeRule", {"3"}},
	{"RDRule", {NULL}},
	{"NetmaskGroupRule", {"192.0.2.0/24|!192.0.2.1|2001:db8::/32"}},
	{"NetmaskGroupRule", {"::1|192.0.2.53", "false"}},
	{"DSTPortRule", {"53"}},
	{"TCPRule", {"true"}},
	{"TCPRule", {"false"}},
	{"IncomingProtocolRule", {"DoTCP"}},
	{"IncomingProtocolRule", {"DoQ"}},
};

static struct sample random_sample(void)
{
	static const char *const sample_names[] = {".",    "a.",     "B.", "a.b.",
						   "b.A.", "A.a.B.", "ab."};
	static const char *const clients[] = {"192.0.2.1", "192.0.2.2", "::ffff:192.0.2.2",
					      "2001:db8::1", "198.51.100.1"};
	static const char *const asked[] = {"192.0.2.53", "[::1]:5353"};
	static const uint16_t types[] = {TYPE_A, TYPE_AAAA}, classes[] = {CLASS_IN, 3};
	static const uint16_t flags[] = {0, DNS_RD, 3, 4 << DNS_OPCODE_SHIFT, DNS_RD | 5};
	struct sample s = {
		.name = sample_names[rand_below(ARRAY_LEN(sample_names))],
		.client = clients[rand_below(ARRAY_LEN(clients))],
		.asked = asked[rand_below(ARRAY_LEN(asked))],
		.qtype = types[rand_below(ARRAY_LEN(types))],
		.qclass = classes[rand_below(ARRAY_LEN(classes))],
		.flags = flags[rand_below(ARRAY_LEN(flags))],
		.proto = (enum proto)rand_below(PROTO_COUNT),
		.is_answer = rand_below(2),
		.no_question = rand_below(4) == 0,
		.more = (const uint8_t *)OPT_EMPTY,
	};

	s.no_question = s.no_question && s.is_answer;
	s.empty = s.is_answer && rand_below(8) == 0;
	s.ar = rand_below(2);
	s.more_len = s.ar * (sizeof(OPT_EMPTY) - 1);
	return s;
}

static void keys_are_met_wherever_they_must_be(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(keyed); i++) {
		struct selector *s = must(keyed[i].rule, keyed[i].args);

		if (n_keys(s, false) == SIZE_MAX)
			fail_msg("%s %s has no keys", keyed[i].rule, keyed[i].args[0]);
		for (unsigned k = 0; k < 3000; k++) {
			struct sample sample = random_sample();
			struct subject subject;
			struct rule_run *run = subject_of(&subject, &sample);
			bool matched = selector_match(s, run);

			if (!keys_allow(s, run, matched))
				fail_msg(
					"%s %s: %s of %s from %s, answer %d, empty %d: %d without a key",
					keyed[i].rule, keyed[i].args[0],
					sample.qtype == TYPE_A ? "A" : "AAAA", sample.name,
					sample.client, sample.is_answer, sample.empty, matched);
		}
		selector_unref(s);
	}
}

/* Keys that say nothing would pass the test above. */
static void numbers_have_keys_for_the_opposite_too(void **state)
{
	static const char *const both[] = {"QNameLabelsCountRule", "QNameWireLengthRule"};
	static const struct {
		const char *rule, *arg;
	} single[] = {
		{"QTypeRule", "A"},  {"QClassRule", "1"},
		{"OpcodeRule", "4"}, {"RCodeRule", "3"},
		{"RDRule", NULL},    {"DSTPortRule", "53"},
		{"TCPRule", "true"}, {"IncomingProtocolRule", "DoT"},
	};

	for (size_t i = 0; i < ARRAY_LEN(single); i++) {
		struct selector *s = must(single[i].rule, ARGS(single[i].arg));

		assert_int_equal(n_keys(s, true), 1);
		selector_unref(s);
	}
	for (size_t i = 0; i < ARRAY_LEN(both); i++) {
		struct selector *s = must(both[i], ARGS("2", "4"));

		assert_int_equal(n_keys(s, true), 4); /* 2 to 4, and 0 for no question */
		selector_unref(s);
	}
}

#define RULES 48

/* A selector of the table, or one made of a few. Gives. */
static struct selector *random_selector(unsigned depth)
{
	unsigned i = rand_below(ARRAY_LEN(keyed));

	switch (depth > 0 ? rand_below(5) : 4) {
	case 0:
		return AND(random_selector(depth - 1), random_selector(depth - 1));
	case 1:
		return OR(random_selector(depth - 1), random_selector(depth - 1));
	case 2:
		return NOT(random_selector(depth - 1));
	default:
		return must(keyed[i].rule, keyed[i].args);
	}
}

static struct chain *random_chain(void)
{
	struct chain *c = chain_new();

	for (unsigned i = 0; i < RULES; i++)
		fixture_add(c, random_selector(2), fixture_verdict("NoneAction"));
	fixture_seal(c);
	rule_scratch_join(&subject_scratch, index_room(c->index));
	fixture_begin_counts(c);
	return c;
}

/* By index for worker 0, by asking each rule for worker 1. */
static void run_both(const struct chain *c)
{
	struct sample sample = random_sample();
	struct subject subject;
	struct rule_run *run = subject_of(&subject, &sample);

	chain_run(c, run);
	run = subject_of(&subject, &sample);
	run->worker = 1;
	chain_run_plain(c, run);
	for (unsigned i = 0; i < c->n; i++) {
		if (fixture_count(0, c->rules[i]) == fixture_count(1, c->rules[i]))
			continue;
		fail_msg("%s: %s, answer %d, empty %d: by index %d, by itself %d",
			 selector_text(c->rules[i]->selector), sample.name, sample.is_answer,
			 sample.empty, (int)fixture_count(0, c->rules[i]),
			 (int)fixture_count(1, c->rules[i]));
	}
}

static void a_chain_finds_what_asking_each_finds(void **state)
{
	for (unsigned i = 0; i < 60; i++) {
		struct chain *c = random_chain();

		for (unsigned k = 0; k < 200; k++)
			run_both(c);
		chain_unref(c);
	}
	free(subject_scratch.found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_met_wherever_they_must_be),
		cmocka_unit_test(numbers_have_keys_for_the_opposite_too),
		cmocka_unit_test(a_chain_finds_what_asking_each_finds),
	};

	if (rand_init() < 0)
		return 1;
	hash_init(0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
