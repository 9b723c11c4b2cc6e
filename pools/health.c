#include "pools/health.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

/* What the reference calls a round: its health thread wakes once a second. */
#define ROUND_US 1000000ull

#define NEVER UINT64_MAX

void health_params_default(struct health_params *p)
{
	*p = (struct health_params){
		.mode = HEALTH_ACTIVE,
		.lazy_counts = LAZY_TIMEOUT_OR_SERVFAIL,
		.max_failures = 1,
		.rise = 1,
		.timeout_ms = 1000,
		.interval_s = 1,
		.lazy_sample_size = 100,
		.lazy_min_samples = 1,
		.lazy_threshold_percent = 20,
		.lazy_failed_interval_s = 30,
		.lazy_max_backoff_s = 3600,
	};
}

/* An interval of 0 would probe at each turn of the loop. */
static uint64_t seconds_us(uint64_t s)
{
	return (s == 0 ? 1 : s) * 1000000ull;
}

static void sample_clear(struct health *h)
{
	h->sample_pos = h->sample_n = h->sample_bad = 0;
}

/* Counts the outcome; the oldest one makes room. */
static void sample_add(struct health *h, bool bad)
{
	if (h->sample_n < h->sample_size)
		h->sample_n++;
	else
		h->sample_bad -= h->sample[h->sample_pos];
	h->sample[h->sample_pos] = bad;
	h->sample_bad += bad;
	h->sample_pos = (uint16_t)(h->sample_pos + 1 == h->sample_size ? 0 : h->sample_pos + 1);
}

static bool sample_is_bad(const struct health *h, const struct health_params *p)
{
	return h->sample_n >= p->lazy_min_samples &&
	       100u * h->sample_bad >= (unsigned)p->lazy_threshold_percent * h->sample_n;
}

static void sample_resize(struct health *h, const struct health_params *p)
{
	uint16_t size = p->mode != HEALTH_LAZY    ? 0
			: p->lazy_sample_size > 0 ? p->lazy_sample_size
						  : 1;

	if (size == h->sample_size)
		return;
	free(h->sample);
	h->sample = size > 0 ? mem_zalloc(size, 1) : NULL;
	h->sample_size = size;
	sample_clear(h);
}

static void enter_lazy(struct health *h, enum lazy_state state)
{
	h->lazy = state;
	h->failures = h->successes = 0;
	h->lazy_failed_tests = state == LAZY_FAILED ? 1 : 0;
	sample_clear(h);
}

/* Due then; while a probe is in flight its result will say when instead. */
static void due_at(struct health *h, uint64_t when_us)
{
	h->next_us = h->in_flight ? NEVER : when_us;
}

/* A period after the last probe was due, not after its result: timeouts must not stretch it. */
static void due_after(struct health *h, uint64_t period_us, uint64_t now_us)
{
	uint64_t when_us = h->due_us + period_us;

	due_at(h, when_us > now_us ? when_us : now_us);
}

/* interval × 2^(n−1), where n failed tests in a row have been seen: the one that failed it is the
 * first. */
static uint64_t failed_period_us(const struct health *h, const struct health_params *p)
{
	uint64_t s = p->lazy_failed_interval_s;

	if (p->lazy_backoff && h->lazy_failed_tests > 1) {
		unsigned doublings = h->lazy_failed_tests - 1;

		/* 32 doublings of a second are above any cap, and 32 more still fit */
		s <<= doublings < 32 ? doublings : 32;
	}
	if (p->lazy_backoff && s > p->lazy_max_backoff_s)
		s = p->lazy_max_backoff_s;
	return seconds_us(s);
}

void health_init(struct health *h, const struct health_params *p, uint64_t now_us)
{
	memset(h, 0, sizeof(*h));
	h->mode = p->mode;
	h->up = p->mode == HEALTH_LAZY;
	h->first = !h->up;
	h->next_us = h->up ? NEVER : now_us;
	h->due_us = now_us;
	sample_resize(h, p);
}

void health_fini(struct health *h)
{
	free(h->sample);
	h->sample = NULL;
	h->sample_size = 0;
}

void health_retune(struct health *h, const struct health_params *p, uint64_t now_us)
{
	bool other_mode = h->mode != p->mode;

	h->mode = p->mode;
	sample_resize(h, p);
	if (p->mode == HEALTH_ACTIVE) {
		uint64_t latest_us = now_us + seconds_us(p->interval_s);

		if (other_mode)
			due_at(h, now_us);
		else if (h->next_us > latest_us)
			due_at(h, latest_us);
		return;
	}
	if (!other_mode)
		return;
	/* a server whose first check is still to come is taken at its word, like any lazy one */
	h->up = h->up || h->first;
	h->first = false;
	enter_lazy(h, h->up ? LAZY_HEALTHY : LAZY_FAILED);
	due_at(h, h->up ? NEVER : now_us);
}

void health_set(struct health *h, const struct health_params *p, bool up, uint64_t now_us)
{
	h->first = false;
	h->up = up;
	enter_lazy(h, up ? LAZY_HEALTHY : LAZY_FAILED);
	if (h->mode == HEALTH_ACTIVE)
		due_at(h, now_us + ROUND_US);
	else
		due_at(h, up ? NEVER : now_us + failed_period_us(h, p));
}

bool health_is_due(const struct health *h, uint64_t now_us)
{
	return now_us >= h->next_us;
}

void health_probe_sent(struct health *h)
{
	h->due_us = h->next_us;
	h->next_us = NEVER;
	h->in_flight = true;
}

void health_probe_unsent(struct health *h, uint64_t now_us)
{
	h->in_flight = false;
	due_at(h, now_us + ROUND_US);
}

static enum health_change turn(struct health *h, bool up)
{
	h->up = up;
	h->failures = h->successes = 0;
	return up ? HEALTH_WENT_UP : HEALTH_WENT_DOWN;
}

/* The rule of thresholds: consecutive results against the present state turn it. */
static enum health_change weigh(struct health *h, const struct health_params *p, bool ok)
{
	if (ok) {
		h->failures = 0;
		if (!h->up && ++h->successes >= p->rise)
			return turn(h, true);
	} else {
		h->successes = 0;
		if (h->up && ++h->failures >= p->max_failures)
			return turn(h, false);
	}
	return HEALTH_SAME;
}

static enum health_change active_result(struct health *h, const struct health_params *p, bool ok,
					uint64_t now_us)
{
	due_after(h, seconds_us(p->interval_s), now_us);
	if (h->first) {
		h->first = false;
		return turn(h, ok);
	}
	return weigh(h, p, ok);
}

static enum health_change lazy_suspect_result(struct health *h, const struct health_params *p,
					      bool ok, uint64_t now_us)
{
	enum health_change change = weigh(h, p, ok);

	if (ok) {
		enter_lazy(h, LAZY_HEALTHY);
		due_at(h, NEVER);
	} else if (change == HEALTH_WENT_DOWN) {
		enter_lazy(h, LAZY_FAILED);
		due_after(h, failed_period_us(h, p), now_us);
	} else {
		due_after(h, ROUND_US, now_us);
	}
	return change;
}

static enum health_change lazy_failed_result(struct health *h, const struct health_params *p,
					     bool ok, uint64_t now_us)
{
	enum health_change change = weigh(h, p, ok);

	if (change == HEALTH_WENT_UP) {
		enter_lazy(h, LAZY_HEALTHY);
		due_at(h, NEVER);
		return change;
	}
	if (ok)
		h->lazy_failed_tests = 0;
	else if (h->lazy_failed_tests < UINT32_MAX)
		h->lazy_failed_tests++;
	due_after(h, failed_period_us(h, p), now_us);
	return change;
}

enum health_change health_probe_result(struct health *h, const struct health_params *p, bool ok,
				       uint64_t now_us)
{
	h->in_flight = false;
	if (h->mode == HEALTH_ACTIVE)
		return active_result(h, p, ok, now_us);

	switch (h->lazy) {
	case LAZY_POTENTIAL_FAILURE:
		return lazy_suspect_result(h, p, ok, now_us);
	case LAZY_FAILED:
		return lazy_failed_result(h, p, ok, now_us);
	case LAZY_HEALTHY: /* sent before the operator said otherwise: nobody asks any more */
		break;
	}
	return HEALTH_SAME;
}

enum health_change health_query_result(struct health *h, const struct health_params *p, bool bad,
				       uint64_t now_us)
{
	if (h->mode != HEALTH_LAZY || h->lazy != LAZY_HEALTHY)
		return HEALTH_SAME;
	sample_add(h, bad);
	if (sample_is_bad(h, p)) {
		enter_lazy(h, LAZY_POTENTIAL_FAILURE);
		due_at(h, now_us);
	}
	return HEALTH_SAME;
}
