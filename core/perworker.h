/*
 * A block for each worker, of which only its worker writes: counters without shared lines. Blocks
 * are made when a worker first meets the object (not per packet), and summed by the control thread.
 */
#ifndef CORE_PERWORKER_H
#define CORE_PERWORKER_H

#include "core/base.h"

/* The control thread's own slot in every per-worker array. */
#define WORKER_CONTROL WORKERS_MAX

struct perworker {
	size_t size; /* octets a block */
	_Atomic(void *) block[WORKERS_MAX + 1];
};

void perworker_init(struct perworker *p, size_t size);
void perworker_fini(struct perworker *p);

/* The worker's block, zeroed and on lines of its own, made when missing. Only that worker calls. */
void *perworker_get(struct perworker *p, unsigned worker);

/* The worker's block, or NULL when it never made one. Any thread. */
static inline void *perworker_peek(const struct perworker *p, unsigned worker)
{
	return atomic_load_explicit(&p->block[worker], memory_order_acquire);
}

/* Sum over all blocks of the _Atomic uint64_t at this offset. Any thread. */
uint64_t perworker_sum(const struct perworker *p, size_t offset);

#endif
