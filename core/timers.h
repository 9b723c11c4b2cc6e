/*
 * Timers that are exact to a turn of the loop and O(1): one FIFO for each length, since with a
 * constant delay the order of arrival is the order of expiry.
 */
#ifndef CORE_TIMERS_H
#define CORE_TIMERS_H

#include "core/base.h"

struct timer_queue;

/* Embedded in what waits. Zeroed: not running. */
struct timer {
	struct timer *prev, *next;
	struct timer_queue *queue; /* NULL: not running */
	uint64_t due_us;
	/* ctx is what timers_run was given; the timer has been stopped already. */
	void (*fire)(struct timer *timer, void *ctx);
};

struct timer_queue {
	struct timer *first, *last;
	uint64_t delay_us;
	bool kept; /* somebody has its pointer while nothing waits in it */
};

/* Lengths in use by one worker: settings, server options, delays of rules; some dozens, found one by one. */
struct timers {
	struct timer_queue **queues;
	unsigned n;
};

void timers_fini(struct timers *ts);

/*
 * The queue for this length, made when missing: that allocates, once after each timers_trim. The
 * pointer is good until then, or where kept is set until timers_fini.
 */
struct timer_queue *timers_queue(struct timers *ts, uint64_t delay_us);

/* Frees queues in which nothing waits, but those that are kept: lengths that nobody asks for any more. Not while timers_run runs. */
void timers_trim(struct timers *ts);

/* Starts, or starts anew. now_us may not go back between calls on one queue. */
void timer_start(struct timer_queue *q, struct timer *t, uint64_t now_us);
void timer_stop(struct timer *t); /* harmless when it does not run */

static inline bool timer_is_running(const struct timer *t)
{
	return t->queue != NULL;
}

/* Fires all that are due. A fire() may start and stop any timer. */
void timers_run(struct timers *ts, uint64_t now_us, void *ctx);

/* Milliseconds until the next is due, rounded up, at most limit_ms; limit_ms may be -1 for no limit. */
int timers_next_ms(const struct timers *ts, uint64_t now_us, int limit_ms);

#endif
