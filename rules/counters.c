#include "rules/counters.h"

#include <stdlib.h>

#include "core/mem.h"

struct counters_chunk *_Atomic *counters_of[WORKERS_MAX + 1];

/* All of the control thread, but for the chunks. */
static struct {
	uint64_t *base; /* what a counter stood at when it was taken */
	uint32_t *free; /* given back */
	uint32_t end, n_free, cap;
} all;

static uint64_t sum(uint32_t counter)
{
	uint64_t n = 0;

	for (unsigned w = 0; w <= WORKERS_MAX; w++) {
		struct counters_chunk *_Atomic *chunks =
			__atomic_load_n(&counters_of[w], __ATOMIC_ACQUIRE);
		const struct counters_chunk *c;

		if (chunks == NULL)
			continue;
		c = atomic_load_explicit(&chunks[counter / COUNTERS_CHUNK], memory_order_acquire);
		if (c != NULL)
			n += counter_get(&c->n[counter % COUNTERS_CHUNK]);
	}
	return n;
}

static void grow(void)
{
	all.cap = all.cap ? 2 * all.cap : COUNTERS_CHUNK;
	all.base = mem_realloc(all.base, all.cap, sizeof(*all.base));
	all.free = mem_realloc(all.free, all.cap, sizeof(*all.free));
}

uint32_t counters_take(void)
{
	uint32_t counter;

	if (all.n_free > 0) {
		counter = all.free[--all.n_free];
	} else {
		if (all.end > COUNTER_SHARED)
			return COUNTER_SHARED;
		if (all.end == all.cap)
			grow();
		counter = all.end++;
	}
	all.base[counter] = sum(counter);
	return counter;
}

void counters_give(uint32_t counter)
{
	if (counter != COUNTER_SHARED)
		all.free[all.n_free++] = counter;
}

uint64_t counters_sum(uint32_t counter)
{
	return sum(counter) - all.base[counter];
}

uint32_t counters_end(void)
{
	return all.end;
}

void counters_join(unsigned worker, uint32_t end)
{
	struct counters_chunk *_Atomic *chunks = counters_of[worker];

	if (end == 0)
		return;
	if (chunks == NULL) {
		chunks = mem_lines(COUNTERS_CHUNKS * sizeof(*chunks));
		__atomic_store_n(&counters_of[worker], chunks, __ATOMIC_RELEASE);
	}
	for (uint32_t i = 0; i <= (end - 1) / COUNTERS_CHUNK; i++)
		if (atomic_load_explicit(&chunks[i], memory_order_relaxed) == NULL)
			atomic_store_explicit(&chunks[i], mem_lines(sizeof(struct counters_chunk)),
					      memory_order_release);
}

void counters_fini(void)
{
	for (unsigned w = 0; w <= WORKERS_MAX; w++) {
		for (unsigned i = 0; counters_of[w] != NULL && i < COUNTERS_CHUNKS; i++)
			free(atomic_load_explicit(&counters_of[w][i], memory_order_relaxed));
		free((void *)counters_of[w]);
		counters_of[w] = NULL;
	}
	free(all.base);
	free(all.free);
	all.base = NULL;
	all.free = NULL;
	all.end = all.n_free = all.cap = 0;
}
