/*
 * How often a block was applied. Under attack one block meets a million queries a second on all
 * cores, so that a counter in the block would be a line that all of them write; a counter for each
 * block and worker would be more memory than the blocks on a machine with many cores.
 *
 * So each worker has counters for some thousand blocks, whichever it meets often. A query whose
 * block has none is counted in the block itself, with an atomic add to the line that was just read,
 * and one such query in ADMIT_EVERY takes a counter for its block. A block that is hot on several
 * cores is therefore written to some ADMIT_EVERY times, and then no more; many cold ones are lines
 * that cores seldom write at the same time, whatever the rate of all together.
 */
#include <stdlib.h>
#include <string.h>

#include "core/perworker.h"
#include "rules/dynblocks_table.h"

#define WAYS        4 /* counters of a line: one of them gives way */
#define SETS_LOG    10
#define ADMIT_EVERY 32

/* Which block it counts for: 0, none. Its count is valid while that is the same before and after.
 */
struct way {
	_Atomic uint64_t key;
	_Atomic uint64_t count;
};

struct counts {
	struct {
		alignas(CACHE_LINE) struct way way[WAYS];
	} set[1 << SETS_LOG];
	uint32_t misses; /* owner only */
};

static struct perworker counts = {.size = sizeof(struct counts)};
static uint32_t last_serial;

/* No worker of this number or above has begun: a look at all blocks asks each that has. */
static _Atomic unsigned n_workers;

static uint64_t key_of(const struct dynblock *b)
{
	return (uint64_t)atomic_load_explicit(&b->serial, memory_order_relaxed) << 28 |
	       (uint64_t)b->id << 2 | b->table;
}
static_assert(BLOCKS_MAX < 1 << 26 && BLOCK_KINDS <= 4, "a key has 26 bits for the block");

static struct way *set_of(struct counts *c, uint64_t key)
{
	return c->set[key * UINT64_C(0x9e3779b97f4a7c15) >> (64 - SETS_LOG)].way;
}

void dynblocks_worker_begin(unsigned worker)
{
	unsigned n = atomic_load_explicit(&n_workers, memory_order_relaxed);

	perworker_get(&counts, worker);
	while (n <= worker && !atomic_compare_exchange_weak(&n_workers, &n, worker + 1))
		;
}

/* To the block it counted for, if that is still the same one. */
static void give_back(uint64_t key, uint64_t count)
{
	struct dynblock *b;

	if (key == 0)
		return;
	b = block_at(&dynblock_tables[key & 3], (uint32_t)(key >> 2) & ((1u << 26) - 1));
	if (b != NULL && atomic_load_explicit(&b->serial, memory_order_relaxed) == key >> 28)
		atomic_fetch_add_explicit(&b->hits, count, memory_order_relaxed);
}

/* The count begins at 0. Without a key in between, a reader can't take one block's count for
 * another's. */
static void take_over(struct way *way, uint64_t key)
{
	uint64_t old = counter_get(&way->key), count = counter_get(&way->count);

	atomic_store_explicit(&way->key, 0, memory_order_relaxed);
	atomic_store_explicit(&way->count, 0, memory_order_release);
	atomic_store_explicit(&way->key, key, memory_order_release);
	give_back(old, count);
}

void dynblocks_hit(const struct dynblock_hit *hit, unsigned worker)
{
	struct counts *c = perworker_peek(&counts, worker);
	uint64_t key = key_of(hit->block);
	struct way *set;

	if (unlikely(c == NULL))
		goto in_block;
	set = set_of(c, key);
	for (unsigned i = 0; i < WAYS; i++) {
		if (counter_get(&set[i].key) != key)
			continue;
		counter_inc(&set[i].count);
		return;
	}
	if (++c->misses % ADMIT_EVERY == 0)
		take_over(&set[c->misses / ADMIT_EVERY % WAYS], key);
in_block:
	atomic_fetch_add_explicit(&hit->block->hits, 1, memory_order_relaxed);
}

static uint64_t count_of(const struct way *set, uint64_t key)
{
	for (unsigned i = 0; i < WAYS; i++) {
		uint64_t count;

		if (atomic_load_explicit(&set[i].key, memory_order_acquire) != key)
			continue;
		count = atomic_load_explicit(&set[i].count, memory_order_acquire);
		if (counter_get(&set[i].key) == key)
			return count;
	}
	return 0;
}

uint64_t block_hits(const struct dynblock *b)
{
	uint64_t key = key_of(b), sum = counter_get(&b->hits);

	for (unsigned w = 0, n = atomic_load_explicit(&n_workers, memory_order_acquire); w < n;
	     w++) {
		struct counts *c = perworker_peek(&counts, w);

		if (c != NULL)
			sum += count_of(set_of(c, key), key);
	}
	return sum;
}

/* Counts that stand with workers are of another serial from now on. */
void block_hits_reset(struct dynblock *b)
{
	atomic_store_explicit(&b->serial, ++last_serial, memory_order_relaxed);
	atomic_store_explicit(&b->hits, 0, memory_order_relaxed);
	block_top_forget(b);
}

/*
 * A client's queries are spread over the workers by their port, so each has about an equal share;
 * the counters say what came since the last look, of which they keep one copy.
 */
static struct perworker seen = {.size = sizeof(struct counts)};

static void see_way(const struct way *way, struct way *before, uint64_t limit,
		    void (*see)(void *ctx, struct dynblock *b), void *ctx)
{
	uint64_t key = atomic_load_explicit(&way->key, memory_order_acquire);
	uint64_t count = atomic_load_explicit(&way->count, memory_order_acquire), n = count;
	struct dynblock *b;

	if (key == counter_get(&before->key))
		n -= counter_get(&before->count);
	atomic_store_explicit(&before->key, key, memory_order_relaxed);
	atomic_store_explicit(&before->count, count, memory_order_relaxed);
	if (key == 0 || counter_get(&way->key) != key || n > count || n < limit)
		return;
	b = block_at(&dynblock_tables[key & 3], (uint32_t)(key >> 2) & ((1u << 26) - 1));
	if (b != NULL && b->next == BLOCK_LINKED &&
	    atomic_load_explicit(&b->serial, memory_order_relaxed) == key >> 28)
		see(ctx, b);
}

void block_hits_hot(uint64_t rate, void (*see)(void *ctx, struct dynblock *b), void *ctx)
{
	unsigned n = atomic_load_explicit(&n_workers, memory_order_acquire);

	for (unsigned w = 0; w < n; w++) {
		struct counts *c = perworker_peek(&counts, w), *before;

		if (c == NULL)
			continue;
		before = perworker_get(&seen, w);
		for (unsigned i = 0; i < (1u << SETS_LOG) * WAYS; i++)
			see_way(&c->set[i / WAYS].way[i % WAYS],
				&before->set[i / WAYS].way[i % WAYS], (rate + n - 1) / n, see, ctx);
	}
}

size_t block_hits_memory(void)
{
	size_t len = 0;

	for (unsigned w = 0; w <= WORKERS_MAX; w++)
		len += ((perworker_peek(&counts, w) != NULL) + (perworker_peek(&seen, w) != NULL)) *
		       sizeof(struct counts);
	return len;
}

void block_hits_stop(void)
{
	perworker_fini(&counts);
	perworker_fini(&seen);
	atomic_store_explicit(&n_workers, 0, memory_order_relaxed);
}
