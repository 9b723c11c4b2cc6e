/*
 * Readers race with writers, cleaners and an operator: every answer that is read is whole and
 * belongs to its key. Built for ThreadSanitizer this also shows that all sharing is by atomics or
 * under a lock.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>

#include "test/cache_packets.h"

#define NAMES       600 /* in a cache of so many entries that buckets change all the time */
#define MAX_ENTRIES 100
#define READERS     3
#define WRITERS     2
#define ROUNDS      30000

struct race {
	struct cache *c;
	struct packet query[NAMES];
	struct cache_key key[NAMES];
	atomic_uint now_s;
	atomic_uint writers_left;
	atomic_uint wrong;
	atomic_uint hits;
};

struct runner {
	struct race *race;
	pthread_t thread;
	unsigned worker;
	uint64_t seed;
};

static uint32_t draw(struct runner *r, uint32_t n)
{
	r->seed = r->seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((r->seed >> 32) * n >> 32);
}

/*
 * The answer to name k, of generation g: 1-12 addresses, all of them k and g, so that a mix of two
 * answers or of two names shows.
 */
static void answer_for(const struct packet *query, unsigned k, unsigned g, struct packet *answer)
{
	unsigned n = 1 + (k + g) % 12;

	*answer = make_answer(query, 0);
	for (unsigned i = 0; i < n; i++)
		add_address(answer, 50 + g % 50, k << 16 | g);
}

static bool is_whole(const struct packet *query, const struct packet *out, unsigned k, uint16_t id)
{
	struct packet want;
	unsigned g;

	if (out->len < query->len + 16)
		return false;
	g = get_u16(out->bytes + out->len - 2);
	answer_for(query, k, g, &want);
	if (out->len != want.len || msg_id(out->bytes) != id)
		return false;
	if (memcmp(out->bytes + 2, want.bytes + 2, query->len - 2) != 0)
		return false;
	for (size_t at = query->len; at < want.len; at += 16) {
		/* TTLs may have aged, all by the same */
		if (memcmp(out->bytes + at, want.bytes + at, 6) != 0 ||
		    memcmp(out->bytes + at + 10, want.bytes + at + 10, 6) != 0 ||
		    memcmp(out->bytes + at + 6, out->bytes + query->len + 6, 4) != 0)
			return false;
	}
	return true;
}

static void *read_names(void *arg)
{
	struct runner *r = arg;
	struct race *race = r->race;

	for (uint16_t id = 0; atomic_load(&race->writers_left) > 0; id++) {
		unsigned k = draw(r, NAMES);
		struct packet out;
		const struct cache_ask ask = {
			.now_s = atomic_load_explicit(&race->now_s, memory_order_relaxed),
			.id = id,
			.flags = DNS_RD,
			.name = race->query[k].bytes + DNS_HEADER_LEN,
			.count = true,
		};

		cache_prefetch(race->c, race->key[k].hash);
		cache_prefetch_entry(race->c, race->key[k].hash);
		if (cache_lookup(race->c, r->worker, &race->key[k], &ask, out.bytes,
				 sizeof(out.bytes), &out.len) == CACHE_MISS)
			continue;
		atomic_fetch_add_explicit(&race->hits, 1, memory_order_relaxed);
		if (!is_whole(&race->query[k], &out, k, id))
			atomic_fetch_add(&race->wrong, 1);
	}
	return NULL;
}

static void *write_names(void *arg)
{
	struct runner *r = arg;
	struct race *race = r->race;

	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned k = draw(r, NAMES);
		struct packet answer;
		uint32_t now_s = atomic_load_explicit(&race->now_s, memory_order_relaxed);

		answer_for(&race->query[k], k, i & 0xffff, &answer);
		cache_insert(race->c, r->worker, &race->key[k], answer.bytes, answer.len, now_s,
			     UINT32_MAX);
		if (i % 64 == 0)
			atomic_fetch_add_explicit(&race->now_s, 1, memory_order_relaxed);
		if (i % 1024 == 0)
			cache_clean(race->c, r->worker, WRITERS, now_s, 0, SIZE_MAX);
	}
	atomic_fetch_sub(&race->writers_left, 1);
	return NULL;
}

static bool count_entry(void *ctx, const struct cache_entry_view *e)
{
	unsigned *n = ctx;

	*n += e->len > 0;
	return true;
}

static void operate(struct race *race)
{
	while (atomic_load(&race->writers_left) > 0) {
		struct cache_stats stats;
		unsigned n = 0;
		const uint8_t *name = race->query[0].bytes + DNS_HEADER_LEN;

		cache_visit(race->c, count_entry, &n);
		cache_expunge_name(race->c, name, race->key[0].name_len, TYPE_ANY, false);
		cache_expunge(race->c, MAX_ENTRIES / 2);
		cache_stats(race->c, &stats);
		cache_memory(race->c);
	}
}

static void prepare(struct race *race, bool wait_for_lock)
{
	struct cache_options o;
	struct err err;
	char text[64];

	cache_options_default(&o, MAX_ENTRIES);
	o.deferrable_insert_lock = !wait_for_lock;
	race->c = cache_new(&o, &err);
	race->writers_left = WRITERS;
	race->now_s = 1;
	for (unsigned k = 0; k < NAMES; k++) {
		race->query[k] = make_query(numbered(text, "n", k), TYPE_A, false);
		make_key(race->c, &race->query[k], true, &race->key[k]);
	}
}

static void answers_read_in_a_race_are_whole(void **state)
{
	static struct race race;
	struct runner runner[READERS + WRITERS];
	struct cache_stats stats;

	for (unsigned waits = 0; waits < 2; waits++) {
		prepare(&race, waits);
		for (unsigned i = 0; i < READERS + WRITERS; i++) {
			runner[i] = (struct runner){&race, 0, i, i + 1};
			if (pthread_create(&runner[i].thread, NULL,
					   i < WRITERS ? write_names : read_names, &runner[i]) != 0)
				abort();
		}
		operate(&race);
		for (unsigned i = 0; i < READERS + WRITERS; i++)
			pthread_join(runner[i].thread, NULL);
		cache_stats(race.c, &stats);
		cache_unref(race.c);
		assert_int_equal(race.wrong, 0);
		assert_true(race.hits > 0);
		assert_int_equal(stats.hits, race.hits);
		assert_true(stats.entries <= MAX_ENTRIES);
		if (waits)
			assert_int_equal(stats.deferred_inserts, 0);
		race.hits = 0;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_read_in_a_race_are_whole),
	};

	hash_init(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
