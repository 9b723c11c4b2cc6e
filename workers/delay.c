/* Answers that a rule wants held for some milliseconds, over UDP: they wait in their query's slot.
 */
#include "workers/delay.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "core/mem.h"
#include "workers/pipeline.h"
#include "workers/slab.h"

/* A flood of delayed queries leaves as many slots to those that are not; what is above leaves at
 * once. */
#define HELD_MAX (IN_FLIGHT_MAX / 2)

union room {
	union room *next; /* while it is free */
	uint8_t octets[DNS_MESSAGE_MAX + 1];
};

struct delay_rooms {
	union room *base, *free;
	unsigned used; /* rooms ever used: the last one freed is the next one taken */
};

#define ROOMS_LEN (DELAY_ROOMS * sizeof(union room))

struct delay_rooms *delay_rooms_new(void)
{
	struct delay_rooms *r = mem_zalloc(1, sizeof(*r));

	r->base = mmap(NULL, ROOMS_LEN, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (r->base == MAP_FAILED) {
		free(r);
		return NULL;
	}
	return r;
}

void delay_rooms_free(struct delay_rooms *r)
{
	if (r == NULL)
		return;
	munmap(r->base, ROOMS_LEN);
	free(r);
}

static uint8_t *room_take(struct delay_rooms *r)
{
	union room *room = r->free;

	if (room != NULL)
		r->free = room->next;
	else if (r->used < DELAY_ROOMS)
		room = &r->base[r->used++];
	else
		return NULL;
	return room->octets;
}

static void room_give(struct delay_rooms *r, uint8_t *octets)
{
	union room *room = (union room *)(void *)octets;

	room->next = r->free;
	r->free = room;
}

static void delay_over(struct timer *timer, void *ctx)
{
	struct query *q = container_of(timer, struct query, timer);
	struct worker *w = ctx;
	uint8_t *held = q->held;

	w->held--;
	q->held = NULL;
	q->answer_stays = false; /* the transport copies what is not in its own memory */
	q->transport->respond(w, q);
	if (held != NULL)
		room_give(w->delay_rooms, held);
}

/* Where the answer lies still: the query's packet has done its work. Larger ones are rare. */
static bool keep_answer(struct worker *w, struct query *q)
{
	uint8_t *to = q->packet;

	if (q->answer_len > q->cap) {
		to = q->held = room_take(w->delay_rooms);
		if (to == NULL)
			return false;
	}
	memmove(to, q->answer, q->answer_len);
	q->answer = to;
	return true;
}

/* Those that wait for servers and those that wait here are slots of one slab. */
static bool may_hold(const struct worker *w)
{
	return w->held < HELD_MAX && w->held + w->in_flight < IN_FLIGHT_MAX;
}

bool delay_holds(struct worker *w, struct query *q)
{
	if (q->delay_ms == 0 || q->client_proto != PROTO_UDP || !may_hold(w) || !keep_answer(w, q))
		return false;
	w->held++;
	extra_clear(w->extras, q); /* no rule will ask for it, and others can have the room */
	q->timer.fire = delay_over;
	timer_start(timers_queue(&w->timers, q->delay_ms * UINT64_C(1000)), &q->timer, w->now_us);
	return true;
}
