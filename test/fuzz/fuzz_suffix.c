/*
 * Sets of names: the input is a script of names, each behind an octet that says what is done with
 * it. The table must say what a plain list of the same names says.
 */
#include <stdlib.h>

#include "core/dns/suffix.h"
#include "core/hash.h"

#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Enough for the table to grow and to be cleaned up; more is slow. */
#define NAMES_MAX 128

static struct {
	uint8_t name[DNS_NAME_MAX];
	size_t len;
	uint32_t value;
} list[NAMES_MAX];
static size_t list_len;

static size_t list_find(const uint8_t *name, size_t len)
{
	size_t i = 0;

	while (i < list_len && (list[i].len != len || !name_equal(list[i].name, name, len)))
		i++;
	return i;
}

static void add(struct suffix_table *t, const uint8_t *name, size_t len, uint32_t value)
{
	size_t i = list_find(name, len);

	if (i == NAMES_MAX)
		return;
	CHECK(suffix_table_add(t, name, len, value) == 0);
	if (i == list_len) {
		memcpy(list[i].name, name, len);
		list[i].len = len;
		list_len++;
	}
	list[i].value = value;
}

static void take_out(struct suffix_table *t, const uint8_t *name, size_t len)
{
	size_t i = list_find(name, len);

	CHECK(suffix_table_remove(t, name, len) == (i < list_len));
	if (i == list_len)
		return;
	list_len--;
	memmove(list + i, list + i + 1, (list_len - i) * sizeof(list[0]));
}

/* All suffixes of a name, from the longest. */
static void ask(const struct suffix_table *t, const uint8_t *name, size_t len)
{
	struct suffix_hashes hashes;
	struct suffix_walk walk;
	struct suffix_match match;
	uint32_t longest = SUFFIX_NONE;
	size_t at = 0;

	suffix_hashes_make(&hashes, name, len);
	suffix_walk_start(&walk, t, &hashes);
	for (bool more = true; more; at += name[at] + 1u) {
		size_t i = list_find(name + at, len - at);

		more = name[at] != 0;
		if (i == list_len)
			continue;
		CHECK(suffix_walk_next(&walk, &match));
		CHECK(match.value == list[i].value && match.len == len - at);
		CHECK(name_equal(match.name, name + at, match.len));
		longest = longest == SUFFIX_NONE ? match.value : longest;
		CHECK(at != 0 || suffix_table_exact(t, name, len) == match.value);
	}
	CHECK(!suffix_walk_next(&walk, &match));
	CHECK(suffix_table_lookup(t, name, len) == longest);
}

static void compare(const struct suffix_table *t)
{
	struct suffix_match entry;
	size_t at = 0, n = 0;

	CHECK(suffix_table_len(t) == list_len);
	for (; suffix_table_next(t, &at, &entry); n++) {
		CHECK(n < list_len && entry.len == list[n].len && entry.value == list[n].value);
		CHECK(memcmp(entry.name, list[n].name, entry.len) == 0);
		ask(t, entry.name, entry.len);
	}
	CHECK(n == list_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct wire_rd r = {.pos = data, .end = data + len};
	struct suffix_table *t, *copy;

	hash_init(1);
	t = suffix_table_new();
	list_len = 0;
	for (uint32_t step = 0; rd_left(&r) > 1; step++) {
		uint8_t what = rd_u8(&r);
		const uint8_t *name = r.pos;
		size_t name_len = rd_name_len(&r);

		if (r.bad)
			break;
		if (what % 4 == 0)
			take_out(t, name, name_len);
		else if (what % 4 == 1)
			ask(t, name, name_len);
		else
			add(t, name, name_len, step);
	}
	compare(t);
	copy = suffix_table_clone(t);
	suffix_table_unref(t);
	compare(copy);
	suffix_table_unref(copy);
	return 0;
}
