/* What a full cache keeps, and how much memory it takes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "test/cache_packets.h"

#define T0  1000000u
#define TTL 3600u

static unsigned count_hits(struct cache *c, const char *prefix, unsigned from, unsigned n,
			   uint32_t now_s)
{
	unsigned hits = 0;

	for (unsigned i = 0; i < n; i++)
		hits += hits_numbered(c, prefix, from + i, now_s);
	return hits;
}

static const uint32_t sizes[] = {1, 2, 10, 100, 1000, 10000, 100000};

static void as_many_fit_as_were_asked_for(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		uint32_t n = sizes[i];
		struct cache *c = new_default_cache(n);
		unsigned hits;

		for (uint32_t k = 0; k < n; k++)
			insert_numbered(c, "n", k, TTL, T0);
		hits = count_hits(c, "n", 0, n, T0);
		if (hits < n - n / 50)
			fail_msg("of %u entries %u are left", n, hits);
		assert_int_equal(hits, cache_size(c));
		cache_unref(c);
	}
}

static void never_more_than_were_asked_for(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(sizes) - 1; i++) {
		uint32_t n = sizes[i];
		struct cache *c = new_default_cache(n);

		for (uint32_t k = 0; k < 3 * n; k++) {
			insert_numbered(c, "n", k, TTL, T0);
			assert_true(cache_size(c) <= n);
		}
		/* nor much less once it is full; the last one in is there */
		assert_true(cache_size(c) >= n - n / 50);
		assert_true(hits_numbered(c, "n", 3 * n - 1, T0));
		cache_unref(c);
	}
}

/* Hot names, asked once more after they came; then, or meanwhile, ten times the cache of names
 * asked once. */
static const struct {
	const char *label;
	uint32_t max_entries;
	unsigned asked_every; /* hot query each so many of the flood; 0: not one */
} floods[] = {
	{"hot names rest while the flood lasts", 10000, 0},
	{"hot names are asked now and then", 10000, 20},
	{"hot names are half of the traffic", 10000, 1},
	{"small cache", 100, 0},
	{"several shards", 40000, 0},
};

static void a_flood_of_names_leaves_the_hot_ones(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(floods); i++) {
		uint32_t n = floods[i].max_entries, hot = n / 10, hits;
		struct cache *c = new_default_cache(n);

		/* the cache is warm: full of other names */
		for (uint32_t k = 0; k < n; k++)
			insert_numbered(c, "old", k, TTL, T0);
		for (uint32_t k = 0; k < hot; k++)
			insert_numbered(c, "hot", k, TTL, T0);
		count_hits(c, "hot", 0, hot, T0);
		for (uint32_t k = 0; k < 10 * n; k++) {
			insert_numbered(c, "f", k, TTL, T0);
			if (floods[i].asked_every != 0 && k % floods[i].asked_every == 0)
				hits_numbered(c, "hot", k / floods[i].asked_every % hot, T0);
		}
		hits = count_hits(c, "hot", 0, hot, T0);
		cache_unref(c);
		if (hits * 100 < hot * 95)
			fail_msg("%s: %u of %u hot names are left", floods[i].label, hits, hot);
	}
}

/* Yesterday's hot names must give way to today's. */
static void new_hot_names_replace_old_ones(void **state)
{
	enum { N = 10000 };
	struct cache *c = new_default_cache(N);
	unsigned hits;

	for (unsigned k = 0; k < N; k++)
		insert_numbered(c, "old", k, TTL, T0);
	for (unsigned round = 0; round < 3; round++)
		count_hits(c, "old", 0, N, T0);
	/* a working set of 0.8 N, asked for in turn; what misses is inserted, and strangers come
	 * too */
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned k = 0; k < N * 8 / 10; k++) {
			if (!hits_numbered(c, "new", k, T0))
				insert_numbered(c, "new", k, TTL, T0);
			if (k % 10 == 0)
				insert_numbered(c, "one", round * N + k, TTL, T0);
		}
	}
	hits = count_hits(c, "new", 0, N * 8 / 10, T0);
	cache_unref(c);
	if (hits < N * 7 / 10)
		fail_msg("%u of %u are in", hits, N * 8 / 10);
}

static void expired_entries_go_before_valid_ones(void **state)
{
	enum { N = 1000 };
	struct cache *c = new_default_cache(N);
	struct cache_stats stats;
	unsigned hits;

	for (unsigned k = 0; k < N / 2; k++)
		insert_numbered(c, "long", k, TTL, T0);
	for (unsigned k = 0; k < N / 2; k++)
		insert_numbered(c, "short", k, 10, T0);
	/* somewhat fewer than there are expired ones: the hand meets these in no order */
	for (unsigned k = 0; k < N / 4; k++)
		insert_numbered(c, "new", k, TTL, T0 + 20);
	hits = count_hits(c, "long", 0, N / 2, T0 + 20);
	cache_stats(c, &stats);
	cache_unref(c);
	if (hits < N / 2 - N / 50)
		fail_msg("%u of %u valid ones are left", hits, N / 2);
	assert_true(stats.evictions < N / 50);
}

static struct packet long_answer(const struct packet *query, unsigned records)
{
	struct packet p = make_answer(query, 0);

	for (unsigned i = 0; i < records; i++)
		add_address(&p, TTL, i);
	return p;
}

/* The arena is bounded; long answers push out others rather than being refused. */
static void octets_are_bounded_too(void **state)
{
	static struct {
		struct packet head;
		uint8_t more[65536];
	} big;
	enum { N = 2000, LEN = 30000 };
	struct cache_options o;
	struct err err;
	struct cache *c;
	char text[64];
	unsigned hits = 0;

	cache_options_default(&o, N);
	o.max_entry_octets = 65535;
	c = cache_new(&o, &err);
	assert_non_null(c);
	for (unsigned k = 0; k < N; k++)
		insert_numbered(c, "n", k, TTL, T0);
	for (unsigned k = 0; k < 400; k++) {
		struct packet query = make_query(numbered(text, "big", k), TYPE_A, false);
		struct packet answer = make_answer(&query, 0);
		struct cache_key key;
		uint8_t *wire = big.head.bytes;
		struct wire_wr w = {.pos = wire, .end = wire + LEN + 1000};

		/* one TXT record of LEN octets */
		wr_bytes(&w, answer.bytes, answer.len);
		wr_bytes(&w, "\xc0\x0c\0\x10\0\1\0\0\x0e\x10", 10);
		wr_u16(&w, LEN);
		wr_room(&w, LEN);
		put_u16(wire + 6, 1);
		make_key(c, &query, true, &key);
		cache_insert(c, 0, &key, wire, (size_t)(w.pos - wire), T0, UINT32_MAX);

		const struct cache_ask ask = {.now_s = T0};
		size_t len;

		hits += cache_lookup(c, 0, &key, &ask, wire, 65536, &len) == CACHE_HIT;
	}
	assert_true(cache_memory(c) < 2 * N * 1024);
	cache_unref(c);
	assert_int_equal(hits, 400);
}

/* Any mix of sizes, over and over: nothing is lost in the arena, and it ends as one free block a
 * chunk. */
static void memory_comes_back(void **state)
{
	enum { N = 3000 };
	struct cache *c = new_default_cache(N);
	size_t after_first = 0;
	char text[64];

	for (unsigned round = 0; round < 12; round++) {
		for (unsigned k = 0; k < N; k++) {
			struct packet query =
				make_query(numbered(text, "n", k), TYPE_A, k % 3 == 0);
			struct packet answer = long_answer(&query, 1 + (k * 7 + round * 13) % 40);
			struct cache_key key;

			make_key(c, &query, true, &key);
			cache_insert(c, 0, &key, answer.bytes, answer.len, T0 + round, UINT32_MAX);
		}
		if (round % 4 == 3)
			assert_true(cache_expunge(c, 0) > 0);
		if (round == 3)
			after_first = cache_memory(c);
	}
	assert_true(cache_memory(c) <= after_first + 256 * 1024);
	assert_int_equal(cache_size(c), 0);
	cache_unref(c);
}

static void an_entry_takes_64_octets_beyond_its_own(void **state)
{
	enum { N = 200000 };
	struct packet query, answer;
	struct cache *c = new_default_cache(N);
	char text[64];
	size_t payload, memory;

	/* a query of 40 octets and its answer of 56 */
	query = make_query(numbered(text, "n", 1), TYPE_A, false);
	answer = long_answer(&query, 1);
	payload = query.len + answer.len;
	for (unsigned k = 0; k < N; k++)
		insert_numbered(c, "n", k, TTL, T0);
	memory = cache_memory(c) / N;
	cache_unref(c);
	if (memory > payload + 64)
		fail_msg("%zu octets for %zu of payload", memory, payload);
}

static void a_small_cache_is_small(void **state)
{
	struct cache *c = new_default_cache(10);

	for (unsigned k = 0; k < 10; k++)
		insert_numbered(c, "n", k, TTL, T0);
	assert_true(cache_memory(c) < 64 * 1024);
	cache_unref(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_many_fit_as_were_asked_for),
		cmocka_unit_test(never_more_than_were_asked_for),
		cmocka_unit_test(a_flood_of_names_leaves_the_hot_ones),
		cmocka_unit_test(new_hot_names_replace_old_ones),
		cmocka_unit_test(expired_entries_go_before_valid_ones),
		cmocka_unit_test(octets_are_bounded_too),
		cmocka_unit_test(memory_comes_back),
		cmocka_unit_test(an_entry_takes_64_octets_beyond_its_own),
		cmocka_unit_test(a_small_cache_is_small),
	};

	hash_init(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
