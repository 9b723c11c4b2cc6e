#include "core/timers.h"

#include <limits.h>
#include <stdlib.h>

#include "core/mem.h"

void timers_fini(struct timers *ts)
{
	for (unsigned i = 0; i < ts->n; i++)
		free(ts->queues[i]);
	free(ts->queues);
	*ts = (struct timers){0};
}

struct timer_queue *timers_queue(struct timers *ts, uint64_t delay_us)
{
	struct timer_queue *q;

	/* At least 1, so that a fire() that starts itself again ends timers_run all the same. */
	if (delay_us == 0)
		delay_us = 1;
	for (unsigned i = 0; i < ts->n; i++) {
		if (ts->queues[i]->delay_us == delay_us)
			return ts->queues[i];
	}
	q = mem_zalloc(1, sizeof(*q));
	q->delay_us = delay_us;
	ts->queues = mem_realloc(ts->queues, ts->n + 1, sizeof(struct timer_queue *));
	ts->queues[ts->n++] = q;
	return q;
}

void timers_trim(struct timers *ts)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ts->n; i++) {
		struct timer_queue *q = ts->queues[i];

		if (q->first != NULL || q->kept)
			ts->queues[n++] = q;
		else
			free(q);
	}
	ts->n = n;
}

void timer_start(struct timer_queue *q, struct timer *t, uint64_t now_us)
{
	timer_stop(t);
	t->queue = q;
	t->due_us = now_us + q->delay_us;
	t->prev = q->last;
	t->next = NULL;
	if (q->last != NULL)
		q->last->next = t;
	else
		q->first = t;
	q->last = t;
}

void timer_stop(struct timer *t)
{
	struct timer_queue *q = t->queue;

	if (q == NULL)
		return;
	if (t->prev != NULL)
		t->prev->next = t->next;
	else
		q->first = t->next;
	if (t->next != NULL)
		t->next->prev = t->prev;
	else
		q->last = t->prev;
	t->prev = t->next = NULL;
	t->queue = NULL;
}

void timers_run(struct timers *ts, uint64_t now_us, void *ctx)
{
	/* By index: a fire() may add a queue and so move the array. */
	for (unsigned i = 0; i < ts->n; i++) {
		struct timer_queue *q = ts->queues[i];

		while (q->first != NULL && q->first->due_us <= now_us) {
			struct timer *t = q->first;

			timer_stop(t);
			t->fire(t, ctx);
		}
	}
}

int timers_next_ms(const struct timers *ts, uint64_t now_us, int limit_ms)
{
	uint64_t due_us = UINT64_MAX, ms;

	for (unsigned i = 0; i < ts->n; i++) {
		const struct timer *first = ts->queues[i]->first;

		if (first != NULL && first->due_us < due_us)
			due_us = first->due_us;
	}
	if (due_us == UINT64_MAX)
		return limit_ms;
	if (due_us <= now_us)
		return 0;
	ms = (due_us - now_us + 999) / 1000;
	if (limit_ms >= 0 && ms > (uint64_t)limit_ms)
		return limit_ms;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}
