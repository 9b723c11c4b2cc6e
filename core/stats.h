/*
 * The table of statistics: name, kind, unit, help, one row each in stats.def. Counters are blocks of
 * a worker each, summed on read; the others are computed on read.
 */
#ifndef CORE_STATS_H
#define CORE_STATS_H

#include "core/base.h"

enum stat_id {
#define STAT_COUNTER(id, name, unit, help) STAT_##id,
#define STAT_COMPUTED(id, name, kind, unit, help)
#include "core/stats.def"
#undef STAT_COUNTER
#undef STAT_COMPUTED
	STAT_COUNT
};

/* Transports that have averages of their own, in the order of the reference. */
enum latency_kind { LATENCY_UDP, LATENCY_TCP, LATENCY_DOT, LATENCY_DOH, LATENCY_DOQ, LATENCY_DOH3, LATENCY_COUNT };

/* Upper bounds in µs of the histogram of plain UDP: 1, 10, 50, 100, 1000 ms, and slow. */
#define LATENCY_BUCKETS 6

struct worker_stats {
	_Atomic uint64_t counter[STAT_COUNT];
	_Atomic uint64_t latency_bucket[LATENCY_BUCKETS];
	_Atomic uint64_t latency_sum_us[LATENCY_COUNT];
	_Atomic uint64_t latency_count[LATENCY_COUNT];
};

/* Makes a worker's block known to the sums; control thread. Unregistering keeps what it counted. */
void stats_register(struct worker_stats *s);
void stats_unregister(struct worker_stats *s);

/* The control thread's own block. */
struct worker_stats *stats_control(void);

static inline void stat_inc(struct worker_stats *s, enum stat_id id)
{
	counter_inc(&s->counter[id]);
}

static inline void stat_add(struct worker_stats *s, enum stat_id id, uint64_t n)
{
	counter_add(&s->counter[id], n);
}

/* An answer left after this time. Owner only. */
void stat_latency(struct worker_stats *s, enum latency_kind kind, uint64_t us);

uint64_t stats_sum(enum stat_id id); /* control thread */

/*
 * Folds the latency sums since the last call into the moving averages (avg·(1-1/N) + x/N for each
 * sample, all samples of an interval taken at their mean). Control thread, once a second and before reading.
 */
void stats_tick(void);

enum stat_kind { STAT_KIND_COUNTER, STAT_KIND_GAUGE };

struct stat_value {
	const char *name, *unit, *help;
	enum stat_kind kind;
	bool is_double;
	union {
		uint64_t u;
		double d;
	};
};

/* Every row in the order of stats.def, with its present value. Control thread. Returns how many were written. */
unsigned stats_read(struct stat_value *out, unsigned max);

/* Called before each stats_read, by who counts elsewhere; NULL: nobody. One at a time. */
void stats_before_reading(void (*f)(void));

/* A row that another room computes (dyn-block-nmg-size …): called by stats_read on the control thread. */
void stats_provide(const char *name, uint64_t (*read)(void));

#endif
