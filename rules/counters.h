/*
 * Match counters of rules: a number for each worker and counter, in chunks that each worker makes
 * for itself, so that a match writes only to lines of its worker, and a rule costs 8 octets a
 * worker.
 */
#ifndef RULES_COUNTERS_H
#define RULES_COUNTERS_H

#include "core/base.h"
#include "core/perworker.h"

#define COUNTERS_CHUNK  512
#define COUNTERS_CHUNKS 4096 /* two million rules */

struct counters_chunk {
	_Atomic uint64_t n[COUNTERS_CHUNK];
};

/* By worker. The array belongs to its worker, as do the chunks. */
extern struct counters_chunk *_Atomic *counters_of[WORKERS_MAX + 1];

/* Of all that come when the others are taken: they count together. */
#define COUNTER_SHARED (COUNTERS_CHUNK * COUNTERS_CHUNKS - 1)

/* A counter that nobody has, at zero; COUNTER_SHARED when there is none. Control thread. */
uint32_t counters_take(void);

/* Nobody counts on it any more. Control thread. */
void counters_give(uint32_t counter);

/* Over all workers, since it was taken. Control thread. */
uint64_t counters_sum(uint32_t counter);

/* Counters below this one are in use. Control thread. */
uint32_t counters_end(void);

/* Makes a worker's chunks for all counters below end: on meeting a generation, not per packet. */
void counters_join(unsigned worker, uint32_t end);

/* Frees all, when no worker runs and no rule is left. */
void counters_fini(void);

/* Owner only. */
static inline void counters_inc(unsigned worker, uint32_t counter)
{
	struct counters_chunk *c = atomic_load_explicit(
		&counters_of[worker][counter / COUNTERS_CHUNK], memory_order_relaxed);

	counter_inc(&c->n[counter % COUNTERS_CHUNK]);
}

#endif
