/* How a worker follows the tables: on each new generation, when it begins to serve, and at its end.
 */
#include "core/clock.h"
#include "rules/counters.h"
#include "workers/pipeline.h"
#include "workers/reconcile.h"
#include "workers/tee.h"
#include "workers/udp.h"
#include "workers/upstream.h"
#include "workers/worker.h"

/* Whether a pool that uses this cache has no server: keepStaleData then keeps what has expired. */
static bool is_needed_stale(const struct pools *pools, const struct cache *c)
{
	if (!cache_options(c)->keep_stale)
		return false;
	for (unsigned i = 0; i < pools->n_list; i++)
		if (pools->list[i]->cache == c && pool_is_down(pools->list[i]))
			return true;
	return false;
}

/* Pools may share a cache: it is cleaned at the first of them. */
static bool is_first_with_cache(const struct pools *pools, unsigned i)
{
	for (unsigned k = 0; k < i; k++)
		if (pools->list[k]->cache == pools->list[i]->cache)
			return false;
	return pools->list[i]->cache != NULL;
}

/*
 * Entries removed in one turn, some 0.2 ms, and the pause until the next such turn. A million that
 * expire together took 80 ms at once, and every query that came in that time waited.
 */
#define CLEAN_MAX      2048
#define CLEAN_PAUSE_US 1000

static uint64_t cleaning_delay_us(const struct worker *w)
{
	return w->settings->cache_cleaning_delay_s * UINT64_C(1000000);
}

static void start_clean_timer(struct worker *w, uint64_t delay_us)
{
	timer_start(timers_queue(&w->timers, delay_us), &w->clean_timer, w->now_us);
}

static void clean_caches(struct timer *timer, void *ctx)
{
	struct worker *w = ctx;
	const struct pools *pools = w->t->pools;
	unsigned i = w->clean_pool;
	size_t max = CLEAN_MAX;

	for (; i < pools->n_list; i++) {
		struct cache *c = pools->list[i]->cache;
		uint64_t keep_percent = 100 - w->settings->cache_cleaning_percent;

		if (!is_first_with_cache(pools, i) || is_needed_stale(pools, c))
			continue;
		max -= cache_clean(c, w->id, w->n_workers, w->now_s,
				   cache_options(c)->max_entries * keep_percent / 100, max);
		if (max == 0)
			break;
	}
	w->clean_pool = max > 0 ? 0 : i;
	start_clean_timer(w, max > 0 ? cleaning_delay_us(w) : CLEAN_PAUSE_US);
}

static void follow_cleaning_delay(struct worker *w)
{
	const struct timer_queue *now = w->clean_timer.queue;
	uint64_t delay_us = cleaning_delay_us(w);

	w->clean_timer.fire = clean_caches;
	if (now == NULL || (now->delay_us != delay_us && now->delay_us != CLEAN_PAUSE_US))
		start_clean_timer(w, delay_us);
}

void worker_reconcile(struct worker *w)
{
	const struct pools *pools = w->t->pools;
	const struct frontends *f = w->t->frontends;

	for (unsigned i = 0; i < pools->n_list; i++)
		if (pools->list[i]->cache != NULL)
			cache_join(pools->list[i]->cache, w->id);
	for (unsigned i = 0; i < f->n; i++)
		perworker_get(&f->list[i]->counters, w->id);
	counters_join(w->id, w->t->rules->counters_end);
	rule_scratch_join(w->scratch, w->t->rules->found_room);
	timers_trim(&w->timers); /* delays of rules that are gone */
	follow_cleaning_delay(w);
	upstreams_reconcile(w);
	tees_follow(w);
	probe_reconcile(w);
	stream_clients_reconcile(w);
}

void worker_begin_serving(struct worker *w)
{
	w->serving = true;
	udp_listeners_open(w);
	stream_clients_reconcile(w);
}

void worker_end_serving(struct worker *w)
{
	udp_listeners_close(w);
	stream_clients_fini(w);
	upstreams_fini(w);
	tees_fini(w);
	streams_fini(w);
	udp_flush(w);
	timer_stop(&w->clean_timer);
}
