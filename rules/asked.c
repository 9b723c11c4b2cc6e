#include "rules/asked.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

/*
 * Entries are of the length that they need, so that a queue holds some 18,000 queries of usual
 * length: at a reading each 100 ms that is 180,000 queries a second, above which the wake at half
 * of it makes readings more frequent. A message of 64 KiB fits, too. 2 MiB a worker, touched as
 * it is first used and given back when counting ends; half as much is lost sooner when the control
 * thread is busy, more is only a longer delay when it can't keep up.
 */
#define ROOM ASKED_ROOM
static_assert((ROOM & (ROOM - 1)) == 0, "a position's place is not its lowest bits");

#define STEP alignof(struct entry)

struct entry {
	uint32_t octets;    /* of the entry, a multiple of STEP; 0: the next one is at the start */
	struct asked asked; /* but for packet */
	uint8_t packet[];
};

struct queue {
	alignas(CACHE_LINE) _Atomic uint64_t tail; /* producer */
	uint64_t head_seen;                        /* producer: head when it last looked */
	_Atomic uint64_t lost;                     /* producer */
	alignas(CACHE_LINE) _Atomic uint64_t head; /* consumer */
	alignas(CACHE_LINE) uint8_t octets[ROOM];
};

struct asked_queues {
	void (*wake)(void);
	atomic_bool whole; /* control thread sets */
	unsigned n;
	struct queue *queue[WORKERS_MAX];
};

_Atomic(struct asked_queues *) asked_live;

static struct {
	unsigned n_workers;
	void (*wake)(void);
	struct asked_queues *queues; /* NULL: off, and all was read */
	uint64_t lost;               /* of queues that are gone */
} state;

/* The room for one more, or NULL; *tail is where it begins. Owner only. */
static struct entry *reserve(struct queue *q, uint32_t octets, uint64_t *tail)
{
	size_t at = *tail & (ROOM - 1);
	size_t skip = ROOM - at < octets ? ROOM - at : 0;

	if (unlikely(*tail + skip + octets - q->head_seen > ROOM)) {
		q->head_seen = atomic_load_explicit(&q->head, memory_order_acquire);
		if (*tail + skip + octets - q->head_seen > ROOM)
			return NULL;
	}
	if (skip > 0)
		((struct entry *)(void *)(q->octets + at))->octets = 0;
	*tail += skip;
	return (struct entry *)(void *)(q->octets + (*tail & (ROOM - 1)));
}

void asked_put(struct asked_queues *a, unsigned worker, const struct query *q,
	       const struct addr *local, uint64_t now_us)
{
	struct queue *to = a->queue[worker];
	bool whole = atomic_load_explicit(&a->whole, memory_order_relaxed);
	uint16_t len = whole ? q->len : q->question.end;
	uint64_t before = atomic_load_explicit(&to->tail, memory_order_relaxed), tail = before;
	uint32_t octets = (uint32_t)((sizeof(struct entry) + len + STEP - 1) & ~(STEP - 1));
	struct entry *e = reserve(to, octets, &tail);

	if (unlikely(e == NULL)) {
		counter_inc(&to->lost);
		return;
	}
	e->octets = octets;
	e->asked.when_us = now_us;
	e->asked.client = q->client;
	e->asked.local = q->near_only || q->local.sa.sa_family == AF_UNSPEC ? *local : q->local;
	e->asked.question = q->question;
	e->asked.size = q->len;
	e->asked.len = len;
	e->asked.proto = q->client_proto;
	memcpy(e->packet, q->packet, len);
	atomic_store_explicit(&to->tail, tail + octets, memory_order_release);
	if (unlikely((before ^ (tail + octets)) & (ROOM / 2)) && a->wake != NULL)
		a->wake(); /* each half is told once, however slow the reader is */
}

void asked_start(unsigned n_workers, void (*wake)(void))
{
	state.n_workers = n_workers;
	state.wake = wake;
}

static void give_back(void)
{
	struct asked_queues *a = state.queues;

	if (a == NULL)
		return;
	state.lost = asked_lost();
	for (unsigned i = 0; i < a->n; i++)
		mem_pages_free(a->queue[i], sizeof(*a->queue[i]));
	state.queues = NULL;
	free(a);
}

void asked_stop(void)
{
	atomic_store_explicit(&asked_live, NULL, memory_order_relaxed);
	give_back();
	state.n_workers = 0;
	state.lost = 0;
}

static struct asked_queues *queues_new(void)
{
	struct asked_queues *a = mem_lines(sizeof(*a));

	a->n = state.n_workers;
	a->wake = state.wake;
	for (unsigned i = 0; i < a->n; i++)
		a->queue[i] = mem_pages(sizeof(struct queue));
	return a;
}

void asked_follow(bool on, bool whole)
{
	bool was = rcu_get(asked_live) != NULL;

	if (state.n_workers == 0)
		return;
	if (on && state.queues == NULL)
		state.queues = queues_new();
	if (on)
		atomic_store_explicit(&state.queues->whole, whole, memory_order_relaxed);
	if (on == was)
		return;
	rcu_publish(asked_live, on ? state.queues : NULL);
	if (!on)
		rcu_wait(); /* nobody writes any more */
}

bool asked_on(void)
{
	return state.queues != NULL;
}

/* False: visit did not want more. */
static bool read_queue(struct queue *q, bool (*visit)(void *ctx, const struct asked *a), void *ctx)
{
	uint64_t head = atomic_load_explicit(&q->head, memory_order_relaxed);
	uint64_t tail = atomic_load_explicit(&q->tail, memory_order_acquire);
	bool more = true;

	while (more && head != tail) {
		size_t at = head & (ROOM - 1);
		const struct entry *e = (const struct entry *)(const void *)(q->octets + at);
		uint32_t octets = e->octets;

		if (octets > 0) {
			struct asked a = e->asked;

			a.packet = e->packet;
			more = visit(ctx, &a);
		}
		head += octets > 0 ? octets : ROOM - at;
		atomic_store_explicit(&q->head, head, memory_order_release);
	}
	return more;
}

void asked_read(bool (*visit)(void *ctx, const struct asked *a), void *ctx)
{
	struct asked_queues *a = state.queues;
	static unsigned first; /* so that one that is always full does not keep others waiting */
	bool more = true;

	if (a == NULL)
		return;
	first++;
	for (unsigned i = 0; i < a->n && more; i++)
		more = read_queue(a->queue[(first + i) % a->n], visit, ctx);
	if (more && rcu_get(asked_live) == NULL)
		give_back();
}

uint64_t asked_lost(void)
{
	uint64_t lost = state.lost;

	for (unsigned i = 0; state.queues != NULL && i < state.queues->n; i++)
		lost += counter_get(&state.queues->queue[i]->lost);
	return lost;
}
