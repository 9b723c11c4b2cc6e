/*
 * The health state machine: plain code without sockets or clock. Whoever owns one tells it what
 * happened and when, and asks when to probe. Driven by the worker that probes the server.
 */
#ifndef POOLS_HEALTH_H
#define POOLS_HEALTH_H

#include "core/base.h"

enum health_mode { HEALTH_ACTIVE, HEALTH_LAZY };
enum lazy_counts { LAZY_TIMEOUT_ONLY, LAZY_TIMEOUT_OR_SERVFAIL };

struct health_params {
	enum health_mode mode;
	enum lazy_counts lazy_counts;
	uint8_t max_failures, rise; /* consecutive; >= 1 */
	uint16_t timeout_ms;
	uint32_t interval_s;
	uint16_t lazy_sample_size, lazy_min_samples;
	uint8_t lazy_threshold_percent;
	uint32_t lazy_failed_interval_s, lazy_max_backoff_s;
	bool lazy_backoff;
};

void health_params_default(struct health_params *p);

enum lazy_state { LAZY_HEALTHY, LAZY_POTENTIAL_FAILURE, LAZY_FAILED };

struct health {
	bool up;
	bool first;          /* the next result decides alone */
	uint8_t failures, successes; /* in a row */
	bool in_flight;      /* a probe was sent and has no result yet */
	enum health_mode mode; /* the mode this state belongs to */
	uint64_t next_us;    /* when the next probe is due; UINT64_MAX: none, or one is in flight */
	uint64_t due_us;     /* when the last one was due: periods are counted from there */
	enum lazy_state lazy;
	uint32_t lazy_failed_tests; /* for the back-off */
	uint8_t *sample;     /* ring of outcomes of real queries, lazy_sample_size; owned */
	uint16_t sample_size, sample_pos, sample_n, sample_bad;
};

/* What a call changed. */
enum health_change { HEALTH_SAME, HEALTH_WENT_UP, HEALTH_WENT_DOWN };

/*
 * now_us: the first probe of an active server is due at once; a lazy one starts up, without. Allocates
 * the sample of a lazy one, as health_retune does; nothing else here allocates.
 */
void health_init(struct health *h, const struct health_params *p, uint64_t now_us);
void health_fini(struct health *h);

/*
 * The parameters were changed while it runs (mode included); keeps up and down, and counts so far. Only
 * a server that turns lazy before its first check has ended goes up: the caller looks at up afterwards.
 */
void health_retune(struct health *h, const struct health_params *p, uint64_t now_us);

/* The operator says so (setAuto(status)), until the next check; counters and sample start anew. */
void health_set(struct health *h, const struct health_params *p, bool up, uint64_t now_us);

bool health_is_due(const struct health *h, uint64_t now_us);

/* A probe was sent: none is due until its result. */
void health_probe_sent(struct health *h);

/* It could not be sent, for a reason that is ours and not the server's: says nothing, due again in a second. */
void health_probe_unsent(struct health *h, uint64_t now_us);

/* The probe's result. The first one is always a change: it decides alone, and says which way. */
enum health_change health_probe_result(struct health *h, const struct health_params *p, bool ok, uint64_t now_us);

/* A real query's outcome, for lazy servers: timeouts and errors are bad, SERVFAIL too if so counted. */
enum health_change health_query_result(struct health *h, const struct health_params *p, bool bad, uint64_t now_us);

#endif
