#include "core/perworker.h"

#include <stdlib.h>

#include "core/mem.h"

void perworker_init(struct perworker *p, size_t size)
{
	p->size = size;
	for (unsigned i = 0; i <= WORKERS_MAX; i++)
		atomic_init(&p->block[i], NULL);
}

void perworker_fini(struct perworker *p)
{
	for (unsigned i = 0; i <= WORKERS_MAX; i++) {
		free(perworker_peek(p, i));
		atomic_store_explicit(&p->block[i], NULL, memory_order_relaxed);
	}
}

void *perworker_get(struct perworker *p, unsigned worker)
{
	void *block = atomic_load_explicit(&p->block[worker], memory_order_relaxed);

	if (likely(block != NULL))
		return block;
	block = mem_lines(p->size);
	atomic_store_explicit(&p->block[worker], block, memory_order_release);
	return block;
}

uint64_t perworker_sum(const struct perworker *p, size_t offset)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i <= WORKERS_MAX; i++) {
		const char *block = perworker_peek(p, i);

		if (block != NULL)
			sum += counter_get(
				(const _Atomic uint64_t *)(const void *)(block + offset));
	}
	return sum;
}
