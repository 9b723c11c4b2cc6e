/* A cache as a whole: how large its parts are, making it, and letting go of it. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cache/internal.h"
#include "core/mem.h"

/*
 * The hash spreads entries over shards and buckets unevenly, and what does not fit its shard or
 * bucket is evicted before the cache is full. With 4,096 entries a shard at least, 0.6 % of as many
 * random keys as there is room for find their shard full; with 4.5 entries to a bucket of 9, 0.6 %
 * find their bucket full.
 */
#define SHARD_ENTRIES_MIN  4096
#define SHARDS_MAX         1024
#define BUCKET_ENTRIES_X10 45
#define BUCKETS_SPARE      8 /* a shard: small numbers are more uneven */

/*
 * The bound in octets: a mean of 1 KiB for query, answer and ours. Measured means are 150 (plain
 * answers) to 500 (all signed), so it is met only by a cache stuffed with long answers, which then
 * holds fewer of them; half of it would cost signed zones entries, twice of it gives an attacker
 * twice the memory. 32 bits of words set the end at 32 GiB.
 */
#define ENTRY_MEAN_OCTETS 1024
#define CHUNKS_MAX        (UINT32_MAX / CHUNK_WORDS - 16)

/* Two for each shard, so that a few of the longest entries fit at once whatever the number of
 * entries. */
#define CHUNKS_EACH_MIN 2

/* Two thirds of the misses of a random walk over 150 MB are those of the TLB. Where less is
 * expected, whole huge pages would make a small cache large. */
#define HUGE_FROM (32u << 20)

static void *map_lazy(size_t len, bool huge)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	/* advice: where it is not taken all works as well */
	madvise(p, len, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	return p;
}

/* The number asked for is a hint: enough for two inserts a core to rarely meet, few enough to stay
 * even. */
static uint32_t shards_for(const struct cache_options *o)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	uint32_t want = cores > 1 ? 2 * (uint32_t)cores : 2, n = 1;

	if (want < o->shards)
		want = o->shards;
	while (n < want && n < SHARDS_MAX && o->max_entries / (2 * n) >= SHARD_ENTRIES_MIN)
		n *= 2;
	return n;
}

static void size_shards(struct cache *c)
{
	uint32_t max = c->options.max_entries, n = c->n_shards;
	uint32_t cap = max / n + (max % n != 0);
	uint32_t n_buckets = (uint32_t)((uint64_t)cap * 10 / BUCKET_ENTRIES_X10) + BUCKETS_SPARE;

	c->shards = mem_lines(n * sizeof(c->shards[0]));
	c->n_buckets = n * n_buckets;
	for (uint32_t i = 0; i < n; i++) {
		struct shard *sh = &c->shards[i];

		pthread_mutex_init(&sh->lock, NULL);
		sh->cap = max / n + (i < max % n);
		sh->protected_cap = sh->cap - sh->cap / PROBATION_SHARE;
		sh->first_bucket = i * n_buckets;
		sh->n_buckets = n_buckets;
	}
}

static void size_arena(struct cache *c)
{
	uint64_t octets = (uint64_t)c->options.max_entries * ENTRY_MEAN_OCTETS;
	uint64_t each = octets / (CHUNK_WORDS * 8) / c->n_shards + 1;

	if (each < CHUNKS_EACH_MIN)
		each = CHUNKS_EACH_MIN;
	if (each > CHUNKS_MAX / c->n_shards)
		each = CHUNKS_MAX / c->n_shards;
	c->chunks_each = (uint32_t)each;
	c->chunks_total = c->chunks_each * c->n_shards;
	c->arena_octets =
		((size_t)c->chunks_total * CHUNK_WORDS + ARENA_FIRST) * 8 + ENTRY_OCTETS_MAX;
	c->table_octets = (size_t)c->n_buckets * sizeof(c->buckets[0]);
}

/* The longest entry there can be, in words, and its TTLs: a record has 11 octets at least. */
static void size_scratch(struct cache *c)
{
	uint32_t len = c->options.max_entry_octets;

	c->max_ttls = len / 11 + 1;
	c->scratch_words = (ENTRY_ANSWER + len + CACHE_KEY_MAX + 2 * c->max_ttls) / 8 + 2;
	perworker_init(&c->workers,
		       sizeof(struct cache_worker) + 8 * c->scratch_words + 2 * c->max_ttls);
}

static void index_skipped(struct cache *c)
{
	const struct cache_options *o = &c->options;

	c->key_plain = o->n_skip_options == 0 && o->n_payload_ranks == 0;
	for (unsigned i = 0; i < o->n_skip_options; i++) {
		if (o->skip_options[i] < 64)
			c->skip_low |= 1ull << o->skip_options[i];
	}
}

struct cache *cache_new(const struct cache_options *o, struct err *err)
{
	struct cache *c = mem_lines(sizeof(*c));

	c->options = *o;
	c->refs = 1;
	if (options_check(&c->options, err) < 0)
		goto fail;
	c->n_shards = shards_for(&c->options);
	size_arena(c);
	size_shards(c);
	c->table_octets = (size_t)c->n_buckets * sizeof(c->buckets[0]);
	c->buckets = map_lazy(c->table_octets, c->table_octets >= HUGE_FROM / 8);
	c->words = map_lazy(c->arena_octets, c->arena_octets >= HUGE_FROM * 8ull);
	if (c->buckets == NULL || c->words == NULL) {
		err_set(err, "maxEntries %u: cannot map %zu MiB", o->max_entries,
			(c->table_octets + c->arena_octets) >> 20);
		goto fail_maps;
	}
	size_scratch(c);
	index_skipped(c);
	return c;
fail_maps:
	if (c->buckets != NULL)
		munmap(c->buckets, c->table_octets);
	if (c->words != NULL)
		munmap(c->words, c->arena_octets);
	free(c->shards);
fail:
	free(c);
	return NULL;
}

struct cache *cache_ref(struct cache *c)
{
	c->refs++;
	return c;
}

void cache_unref(struct cache *c)
{
	if (c == NULL || --c->refs > 0)
		return;
	for (uint32_t i = 0; i < c->n_shards; i++)
		pthread_mutex_destroy(&c->shards[i].lock);
	perworker_fini(&c->workers);
	munmap(c->buckets, c->table_octets);
	munmap(c->words, c->arena_octets);
	free(c->shards);
	free(c);
}

const struct cache_options *cache_options(const struct cache *c)
{
	return &c->options;
}

void cache_join(struct cache *c, unsigned worker)
{
	perworker_get(&c->workers, worker);
}
