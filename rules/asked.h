/*
 * Queries on their way to whoever counts them by name (setQueryCount). Each worker leaves a copy of
 * what it parsed in a queue of its own: one producer, one consumer, bounded. What does not fit is
 * counted and never waited for. While nobody counts, that costs a query a load and a branch.
 */
#ifndef RULES_ASKED_H
#define RULES_ASKED_H

#include "core/query.h"
#include "core/rcu.h"

/* A query as its reader gets it; all is lent for the call. */
struct asked {
	uint64_t when_us; /* monotonic */
	struct addr client;
	struct addr local; /* the address that was asked */
	struct question question;
	uint16_t size; /* octets of the message as it came */
	uint16_t len;  /* octets of it that are here: all, or those up to the question's end */
	uint8_t proto; /* enum proto */
	const uint8_t *packet;
};

/*
 * Workers.
 */

struct asked_queues;
extern _Atomic(struct asked_queues *) asked_live; /* NULL: nobody counts */

/* local: the address of the listener, for when the query has none of its own. */
void asked_put(struct asked_queues *a, unsigned worker, const struct query *q,
	       const struct addr *local, uint64_t now_us);

static inline bool asked_are_noted(void)
{
	return unlikely(rcu_get(asked_live) != NULL);
}

/* Notes a query whose question is known, before anything has changed it. Owner only. */
static inline void asked_note(unsigned worker, const struct query *q, const struct addr *local,
			      uint64_t now_us)
{
	struct asked_queues *a = rcu_get(asked_live);

	if (unlikely(a != NULL))
		asked_put(a, worker, q, local, now_us);
}

/*
 * The control thread.
 */

/*
 * For so many workers, before they run; and when all are gone. wake is called by a worker when half
 * of its queue is taken; it must do what a worker may, and asks for asked_read soon.
 */
void asked_start(unsigned n_workers, void (*wake)(void));
void asked_stop(void);

/*
 * Whether queries are noted, and if so whether whole messages are. What was noted before it went
 * off is still read. Costs a grace period when it goes off. Without workers: nothing.
 */
void asked_follow(bool on, bool whole);

/* Whether there may be something to read. */
bool asked_on(void);

/*
 * Hands over what is there, each queue oldest first, until visit says false, which is asked again
 * after each query. Queues that are off and empty are given back.
 */
void asked_read(bool (*visit)(void *ctx, const struct asked *a), void *ctx);

/* How many queries found no room, ever. */
uint64_t asked_lost(void);

/* Octets of a worker's queue: what a test fills. */
#define ASKED_ROOM (2u << 20)

#endif
