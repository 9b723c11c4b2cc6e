/* Sets of names by suffix, against a plain walk over all of their names. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/dns/suffix.h"
#include "core/hash.h"

struct name {
	uint8_t wire[DNS_NAME_MAX];
	size_t len;
};

static struct name name(const char *text)
{
	struct name n;
	int len = name_parse(text, n.wire, NULL);

	if (len < 0)
		fail_msg("%s is no name", text);
	n.len = (size_t)len;
	return n;
}

/* The deepest there is, and the longest: 127 labels of one octet; three of 63 and one of 61. */
static struct name many_labels(void)
{
	struct name n = {.len = DNS_NAME_MAX};

	for (size_t i = 0; i + 1 < n.len; i += 2) {
		n.wire[i] = 1;
		n.wire[i + 1] = (uint8_t)('a' + i % 26);
	}
	return n;
}

static struct name long_labels(void)
{
	struct name n = {.len = DNS_NAME_MAX};

	for (size_t i = 0; i + 1 < n.len; i += 64) {
		n.wire[i] = i == 192 ? 61 : 63;
		memset(n.wire + i + 1, 'x', n.wire[i]);
	}
	n.wire[254] = 0;
	return n;
}

static struct name without_labels(struct name n, unsigned labels)
{
	while (labels-- > 0) {
		size_t label = n.wire[0] + 1u;

		n.len -= label;
		memmove(n.wire, n.wire + label, n.len);
	}
	return n;
}

static const struct {
	const char *label, *entry, *asked;
	bool below, exact;
} cases[] = {
	{"the name itself", "example.com", "example.com", true, true},
	{"a name below", "example.com", "www.example.com", true, false},
	{"far below", "example.com", "a.b.c.d.e.f.example.com", true, false},
	{"the name above", "www.example.com", "example.com", false, false},
	{"a label that ends alike", "example.com", "myexample.com", false, false},
	{"a label that begins alike", "example.com", "example.co", false, false},
	{"another case", "Example.COM", "WWW.eXAMPLE.com", true, false},
	{"another case, exactly", "Example.COM", "eXAMPLE.com", true, true},
	{"what is no letter has no case", "a@b", "a`b", false, false},
	{"the root above all", ".", "www.example.com", true, false},
	{"the root above itself", ".", ".", true, true},
	{"the root below nothing", "com", ".", false, false},
	{"a dot in a label is no boundary", "example.com", "www\\.example.com", false, false},
	{"nor in the entry", "a\\.b.com", "a.b.com", false, false},
	{"a dot in both", "a\\.b.com", "x.a\\046b.com", true, false},
	{"octets of zero", "\\000.com", "\\000\\000.com", false, false},
	{"octets beyond ASCII", "\\228\\196.com", "x.\\228\\196.com", true, false},
	{"which have no case", "\\228.com", "\\196.com", false, false},
	{"a label of 7 octets", "seven77", "x.SEVEN77", true, false},
	{"of 8", "eight888", "x.EIGHT888", true, false},
	{"of 8, other in the middle", "eight888", "x.eigHx888", false, false},
	{"of 17", "seventeen-octets1", "x.SEVENTEEN-OCTETS1", true, false},
};

static void names_match_on_label_boundaries(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct suffix_table *t = suffix_table_new();
		struct name entry = name(cases[i].entry), asked = name(cases[i].asked);
		uint32_t below, exact;

		assert_int_equal(suffix_table_add(t, entry.wire, entry.len, 7), 0);
		below = suffix_table_lookup(t, asked.wire, asked.len);
		exact = suffix_table_exact(t, asked.wire, asked.len);
		suffix_table_unref(t);
		if (below != (cases[i].below ? 7 : SUFFIX_NONE))
			fail_msg("%s: below gives %u", cases[i].label, below);
		if (exact != (cases[i].exact ? 7 : SUFFIX_NONE))
			fail_msg("%s: exact gives %u", cases[i].label, exact);
	}
}

static void check_ends(struct name whole, unsigned labels)
{
	struct suffix_table *t = suffix_table_new();
	struct suffix_hashes hashes;
	struct suffix_walk walk;
	struct suffix_match match;

	assert_int_equal(name_labels(whole.wire), labels);
	assert_int_equal(suffix_table_lookup(t, whole.wire, whole.len), SUFFIX_NONE);
	for (unsigned i = 0; i <= labels; i++) {
		struct name n = without_labels(whole, i);

		assert_int_equal(suffix_table_add(t, n.wire, n.len, i), 0);
	}
	suffix_hashes_make(&hashes, whole.wire, whole.len);
	suffix_walk_start(&walk, t, &hashes);
	for (unsigned i = 0; i <= labels; i++) {
		struct name n = without_labels(whole, i);

		assert_true(suffix_walk_next(&walk, &match));
		assert_int_equal(match.value, i);
		assert_int_equal(match.len, n.len);
		assert_memory_equal(match.name, n.wire, n.len);
		assert_int_equal(suffix_table_exact(t, n.wire, n.len), i);
	}
	assert_false(suffix_walk_next(&walk, &match));
	suffix_table_unref(t);
}

static void deepest_and_longest_names_match_at_every_label(void **state)
{
	(void)state;
	check_ends(many_labels(), 127);
	check_ends(long_labels(), 4);
	check_ends(name("."), 0);
}

static void spelling_stays_and_value_is_replaced(void **state)
{
	struct suffix_table *t = suffix_table_new();
	struct name first = name("Www.Example"), second = name("wWW.eXAMPLE");
	struct suffix_match entry;
	size_t at = 0;

	(void)state;
	suffix_table_add(t, first.wire, first.len, 1);
	suffix_table_add(t, second.wire, second.len, 2);
	assert_int_equal(suffix_table_len(t), 1);
	assert_true(suffix_table_next(t, &at, &entry));
	assert_int_equal(entry.value, 2);
	assert_memory_equal(entry.name, first.wire, first.len);
	assert_false(suffix_table_next(t, &at, &entry));
	suffix_table_unref(t);
}

/* The model: names in the order they were added. */
#define MODEL_MAX 4000
static struct {
	struct name name[MODEL_MAX];
	uint32_t value[MODEL_MAX];
	size_t len;
} model;

static size_t model_find(const struct name *n)
{
	size_t i = 0;

	while (i < model.len &&
	       (model.name[i].len != n->len || !name_equal(model.name[i].wire, n->wire, n->len)))
		i++;
	return i;
}

static void model_add(const struct name *n, uint32_t value)
{
	size_t i = model_find(n);

	if (i == model.len)
		model.name[model.len++] = *n;
	model.value[i] = value;
}

static bool model_remove(const struct name *n)
{
	size_t i = model_find(n);

	if (i == model.len)
		return false;
	model.len--;
	memmove(&model.name[i], &model.name[i + 1], (model.len - i) * sizeof(model.name[0]));
	memmove(&model.value[i], &model.value[i + 1], (model.len - i) * sizeof(model.value[0]));
	return true;
}

/* Few labels from a small stock, so that names nest, repeat, and differ in case alone. */
static struct name random_name(void)
{
	static const char *const labels[] = {
		"a",
		"A",
		"b",
		"aa",
		"com",
		"COM",
		"example",
		"Example0",
		"examp1e",
		"\\000",
		"x-label-of-some-length",
		"X-label-of-some-lengtH",
		"\\228",
	};
	char text[256] = "";
	unsigned n = (unsigned)rand() % 6;

	for (unsigned i = 0; i < n; i++) {
		strcat(text, labels[(size_t)rand() % ARRAY_LEN(labels)]);
		strcat(text, ".");
	}
	return name(text);
}

/* All that match, from the longest: the walk of the table against a walk over the model for each
 * suffix. */
static void compare_walk(const struct suffix_table *t, const char *when)
{
	struct name asked = random_name();
	struct suffix_hashes hashes;
	struct suffix_walk walk;
	struct suffix_match match;
	uint32_t best = SUFFIX_NONE;

	suffix_hashes_make(&hashes, asked.wire, asked.len);
	suffix_walk_start(&walk, t, &hashes);
	for (unsigned labels = name_labels(asked.wire), i = 0; i <= labels; i++) {
		struct name n = without_labels(asked, i);
		size_t at = model_find(&n);

		if (at == model.len)
			continue;
		if (best == SUFFIX_NONE)
			best = model.value[at];
		if (!suffix_walk_next(&walk, &match) || match.value != model.value[at] ||
		    match.len != n.len || memcmp(match.name, model.name[at].wire, n.len) != 0)
			fail_msg("%s: the walk does not stop where it should", when);
	}
	if (suffix_walk_next(&walk, &match))
		fail_msg("%s: the walk finds what is not there", when);
	if (suffix_table_lookup(t, asked.wire, asked.len) != best)
		fail_msg("%s: not the longest suffix", when);
}

static void compare(const struct suffix_table *t, const char *when)
{
	struct suffix_match entry;
	size_t at = 0, n = 0;

	if (suffix_table_len(t) != model.len)
		fail_msg("%s: %zu names, want %zu", when, suffix_table_len(t), model.len);
	for (; suffix_table_next(t, &at, &entry); n++)
		if (n == model.len || entry.len != model.name[n].len ||
		    entry.value != model.value[n] ||
		    memcmp(entry.name, model.name[n].wire, entry.len) != 0)
			fail_msg("%s: the %zu-th name is not the %zu-th added", when, n, n);
	assert_int_equal(n, model.len);
	for (size_t i = 0; i < model.len; i++)
		if (suffix_table_exact(t, model.name[i].wire, model.name[i].len) != model.value[i])
			fail_msg("%s: the %zu-th name is not found", when, i);
	for (unsigned i = 0; i < 500; i++)
		compare_walk(t, when);
}

static void change_at_random(struct suffix_table *t, unsigned adds, unsigned removals)
{
	for (unsigned i = 0; i < adds; i++) {
		struct name n = random_name();

		assert_int_equal(suffix_table_add(t, n.wire, n.len, i), 0);
		model_add(&n, i);
	}
	for (unsigned i = 0; i < removals; i++) {
		struct name n = rand() % 2 || model.len == 0
					? random_name()
					: model.name[(size_t)rand() % model.len];

		if (suffix_table_remove(t, n.wire, n.len) != model_remove(&n))
			fail_msg("removal disagrees");
	}
}

static void table_agrees_with_a_plain_walk(void **state)
{
	struct suffix_table *t = suffix_table_new(), *copy;

	(void)state;
	srand(1);
	model.len = 0;
	compare(t, "empty");
	for (unsigned round = 0; round < 40; round++) {
		change_at_random(t, (unsigned)rand() % (round + 2), (unsigned)rand() % 20);
		compare(t, "a small table");
	}
	for (unsigned round = 0; round < 6; round++) {
		change_at_random(t, 400, 150);
		compare(t, "a larger table");
	}
	copy = suffix_table_clone(t);
	while (model.len > 0) {
		struct name n = model.name[(size_t)rand() % model.len];

		assert_true(suffix_table_remove(t, n.wire, n.len));
		model_remove(&n);
		if (model.len % 100 == 0)
			compare(t, "while it is emptied");
	}
	suffix_table_unref(t);
	assert_true(suffix_table_len(copy) > 500);
	suffix_table_unref(copy);
}

static void clone_stands_alone(void **state)
{
	struct suffix_table *t = suffix_table_new(), *copy;
	struct name n = name("example.com");

	(void)state;
	copy = suffix_table_clone(t);
	assert_int_equal(suffix_table_lookup(copy, n.wire, n.len), SUFFIX_NONE);
	suffix_table_unref(copy);
	srand(2);
	model.len = 0;
	change_at_random(t, 300, 100);
	copy = suffix_table_clone(t);
	while (suffix_table_len(t) > 0) {
		struct suffix_match entry;
		size_t at = 0;
		struct name first;

		assert_true(suffix_table_next(t, &at, &entry));
		memcpy(first.wire, entry.name, entry.len);
		assert_true(suffix_table_remove(t, first.wire, entry.len));
	}
	suffix_table_unref(t);
	compare(copy, "a clone whose original is gone");
	change_at_random(copy, 300, 100);
	compare(copy, "a clone that went on");
	suffix_table_unref(copy);
}

/* A domain of 18 octets on the wire: what the target of 32 octets a name counts on. */
static struct name nth(uint32_t i)
{
	char text[40];

	snprintf(text, sizeof(text), "host%08x.net", i * 2654435761u);
	return name(text);
}

static void memory_is_modest_at_every_size(void **state)
{
	struct suffix_table *t = suffix_table_new();

	(void)state;
	for (uint32_t n = 1; n <= 200000; n++) {
		struct name added = nth(n);

		assert_int_equal(suffix_table_add(t, added.wire, added.len, n), 0);
		if (n == 10 && suffix_table_memory(t) > 1024)
			fail_msg("ten names take %zu octets", suffix_table_memory(t));
		if (n > 1000 && suffix_table_memory(t) > 32 * (size_t)n)
			fail_msg("%u names take %zu octets", n, suffix_table_memory(t));
	}
	for (uint32_t n = 1; n <= 200000; n++) {
		struct name there = nth(n);

		if (suffix_table_exact(t, there.wire, there.len) != n)
			fail_msg("name %u is not found", n);
	}
	suffix_table_unref(t);
}

/* As many names come as go, for long: what is dead does not pile up. */
static void removed_names_give_their_memory_back(void **state)
{
	struct suffix_table *t = suffix_table_new();
	size_t most = 0;

	(void)state;
	for (uint32_t n = 0; n < 60000; n++) {
		struct name added = nth(n), removed = nth(n - 1000);

		suffix_table_add(t, added.wire, added.len, n);
		if (n >= 1000 && !suffix_table_remove(t, removed.wire, removed.len))
			fail_msg("name %u is gone", n - 1000);
		if (suffix_table_memory(t) > most)
			most = suffix_table_memory(t);
	}
	assert_int_equal(suffix_table_len(t), 1000);
	if (most > 60 * 1000)
		fail_msg("a thousand names took %zu octets", most);
	suffix_table_unref(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_match_on_label_boundaries),
		cmocka_unit_test(deepest_and_longest_names_match_at_every_label),
		cmocka_unit_test(spelling_stays_and_value_is_replaced),
		cmocka_unit_test(table_agrees_with_a_plain_walk),
		cmocka_unit_test(clone_stands_alone),
		cmocka_unit_test(memory_is_modest_at_every_size),
		cmocka_unit_test(removed_names_give_their_memory_back),
	};

	hash_init(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
