/* The index of a chain, also of one that is edited again and again: random rules and queries meet
 * as by asking each. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "test/chain_selectors.h"

static void seal(struct chain *c)
{
	fixture_seal(c);
	fixture_begin_counts(c);
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
	if (below(4) == 0)
		chain_renumber(c);
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
#define GENERATIONS 4

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
		cmocka_unit_test(found_rules_are_those_of_a_plain_walk),
	};
	int rc;

	hash_init(1);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	counters_fini();
	return rc;
}
