#include "console/tally.h"

#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/mem.h"

struct row {
	uint64_t count, hash;
	size_t key; /* where in keys */
	uint16_t len;
	size_t came;
};

struct tally {
	struct row *rows;
	size_t n, cap;
	uint8_t *keys;
	size_t keys_len, keys_cap;
	size_t *places; /* row + 1; 0: free. Open addressing, at most half full */
	size_t mask;
	uint64_t total;
};

#define PLACES_FIRST 64

struct tally *tally_new(void)
{
	struct tally *t = mem_zalloc(1, sizeof(*t));

	t->mask = PLACES_FIRST - 1;
	t->places = mem_zalloc(PLACES_FIRST, sizeof(*t->places));
	return t;
}

void tally_free(struct tally *t)
{
	if (t == NULL)
		return;
	free(t->rows);
	free(t->keys);
	free(t->places);
	free(t);
}

static bool is_key(const struct tally *t, const struct row *r, const void *key, size_t len)
{
	return r->len == len && memcmp(t->keys + r->key, key, len) == 0;
}

static size_t *place_of(const struct tally *t, const void *key, size_t len, uint64_t hash)
{
	size_t at = hash & t->mask;

	for (; t->places[at] != 0; at = (at + 1) & t->mask) {
		const struct row *r = &t->rows[t->places[at] - 1];

		if (r->hash == hash && is_key(t, r, key, len))
			break;
	}
	return &t->places[at];
}

static void place_all(struct tally *t)
{
	memset(t->places, 0, (t->mask + 1) * sizeof(*t->places));
	for (size_t i = 0; i < t->n; i++) {
		size_t at = t->rows[i].hash & t->mask;

		while (t->places[at] != 0)
			at = (at + 1) & t->mask;
		t->places[at] = i + 1;
	}
}

static void grow_places(struct tally *t)
{
	t->mask = 2 * t->mask + 1;
	t->places = mem_realloc(t->places, t->mask + 1, sizeof(*t->places));
	place_all(t);
}

static size_t keep_key(struct tally *t, const void *key, size_t len)
{
	size_t at = t->keys_len;

	if (at + len >= t->keys_cap) {
		t->keys_cap = 2 * (t->keys_cap + len + 1);
		t->keys = mem_realloc(t->keys, t->keys_cap, 1);
	}
	memcpy(t->keys + at, key, len);
	t->keys_len = at + len;
	return at;
}

static void add_row(struct tally *t, const void *key, size_t len, uint64_t hash, uint64_t n)
{
	if (t->n == t->cap) {
		t->cap = 2 * (t->cap + PLACES_FIRST);
		t->rows = mem_realloc(t->rows, t->cap, sizeof(*t->rows));
	}
	t->rows[t->n] = (struct row){n, hash, keep_key(t, key, len), (uint16_t)len, t->n};
	t->n++;
	if (2 * t->n > t->mask)
		grow_places(t);
}

bool tally_add_within(struct tally *t, const void *key, size_t len, uint64_t n, size_t max_keys,
		      size_t max_octets)
{
	uint64_t hash = hash_keyed(key, len);
	size_t *place;

	assert(len <= TALLY_KEY_MAX);
	place = place_of(t, key, len, hash);
	if (*place != 0) {
		t->total += n;
		t->rows[*place - 1].count += n;
		return true;
	}
	if (t->n >= max_keys || len > max_octets || t->keys_len > max_octets - len)
		return false;
	t->total += n;
	*place = t->n + 1;
	add_row(t, key, len, hash, n);
	return true;
}

void tally_add(struct tally *t, const void *key, size_t len, uint64_t n)
{
	tally_add_within(t, key, len, n, SIZE_MAX, SIZE_MAX);
}

size_t tally_len(const struct tally *t)
{
	return t->n;
}

uint64_t tally_total(const struct tally *t)
{
	return t->total;
}

static int compare(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return x->came < y->came ? -1 : x->came > y->came;
}

void tally_sort(struct tally *t)
{
	if (t->n > 0)
		qsort(t->rows, t->n, sizeof(*t->rows), compare);
	place_all(t);
}

uint64_t tally_at(const struct tally *t, size_t i, const uint8_t **key, size_t *len)
{
	*len = t->rows[i].len;
	*key = t->keys + t->rows[i].key;
	return t->rows[i].count;
}
