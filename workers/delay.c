/* Answers that a rule wants held for some milliseconds, over UDP: they wait in their query's slot.
 */
#include <stdlib.h>

#include "workers/pipeline.h"
#include "workers/slab.h"

/* A flood of delayed queries leaves as many slots to those that are not; what is above leaves at
 * once. */
#define HELD_MAX (IN_FLIGHT_MAX / 2)

static void delay_over(struct timer *timer, void *ctx)
{
	struct query *q = container_of(timer, struct query, timer);
	struct worker *w = ctx;
	uint8_t *held = q->held;

	w->held--;
	q->held = NULL;
	q->answer_stays = false; /* the transport copies what is not in its own memory */
	q->transport->respond(w, q);
	free(held);
}

/* Where the answer lies still: the query's packet has done its work. Larger ones are rare. */
static bool keep_answer(struct query *q)
{
	uint8_t *to = q->packet;

	if (q->answer_len > q->cap) {
		to = q->held = malloc(q->answer_len);
		if (to == NULL)
			return false;
	}
	memmove(to, q->answer, q->answer_len);
	q->answer = to;
	return true;
}

bool delay_holds(struct worker *w, struct query *q)
{
	if (q->delay_ms == 0 || q->client_proto != PROTO_UDP || w->held >= HELD_MAX ||
	    !keep_answer(q))
		return false;
	w->held++;
	q->timer.fire = delay_over;
	timer_start(timers_queue(&w->timers, q->delay_ms * UINT64_C(1000)), &q->timer, w->now_us);
	return true;
}
