/*
 * Queries of one worker: equal slots in one mapped range, each a struct query with room for a
 * packet behind it. Memory is touched as it is first used, the last one freed is the next one
 * taken, so a worker with little in flight stays within few cache lines.
 */
#include <stdlib.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(addr, size)   ((void)(addr), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(addr, size) ((void)(addr), (void)(size))
#endif

#include "core/mem.h"
#include "workers/worker.h"
#include "workers/slab.h"

/* Room for a datagram with what ECS adds; with the struct an odd number of lines, so that slots
 * spread over all sets. */
#define SLOT_LINES 31
#define SLOT_LEN   (SLOT_LINES * CACHE_LINE)
#define SLOT_ROOM  (SLOT_LEN - sizeof(struct query))
static_assert(SLOT_ROOM >= QUERY_UDP_MAX + QUERY_HEADROOM, "a datagram does not fit its slot");

/* A query that the cache answers is written no further, see near_only. */
#define NEAR_LEN offsetof(struct query, local)
static_assert(NEAR_LEN == 2 * CACHE_LINE, "what a hit needs has grown");

struct slab {
	uint8_t *base;
	size_t n; /* slots ever used */
	struct query *free;
};

struct slab *slab_new(void)
{
	struct slab *s = mem_zalloc(1, sizeof(*s));

	s->base = mmap(NULL, (size_t)SLOTS_MAX * SLOT_LEN, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (s->base == MAP_FAILED) {
		free(s);
		return NULL;
	}
	return s;
}

void slab_free(struct slab *s)
{
	if (s == NULL)
		return;
	ASAN_UNPOISON_MEMORY_REGION(s->base, s->n * SLOT_LEN);
	munmap(s->base, (size_t)SLOTS_MAX * SLOT_LEN);
	free(s);
}

static struct query *slot_take(struct slab *s)
{
	struct query *q = s->free;

	if (likely(q != NULL)) {
		ASAN_UNPOISON_MEMORY_REGION(q, SLOT_LEN);
		s->free = q->conn;
		return q;
	}
	if (s->n == SLOTS_MAX)
		return NULL;
	return (struct query *)(s->base + s->n++ * SLOT_LEN);
}

struct query *query_new(struct worker *w, size_t len)
{
	size_t room = SLOT_ROOM;
	struct query *q;

	if (likely(len + QUERY_HEADROOM <= SLOT_ROOM)) {
		q = slot_take(w->queries);
	} else {
		/* only a stream brings queries of this size, and it is bounded by its connections
		 */
		room = len + QUERY_HEADROOM <= UINT16_MAX ? len + QUERY_HEADROOM : UINT16_MAX;
		q = aligned_alloc(CACHE_LINE,
				  (sizeof(*q) + room + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1));
		if (q != NULL)
			memset((uint8_t *)q + NEAR_LEN, 0, sizeof(*q) - NEAR_LEN);
	}
	if (unlikely(q == NULL))
		return NULL;
	memset(q, 0,
	       NEAR_LEN); /* the rest was cleared when it was freed, or is fresh from the system */
	q->packet = (uint8_t *)(q + 1);
	q->cap = (uint16_t)room;
	return q;
}

void query_free(struct worker *w, struct query *q)
{
	struct slab *s = w->queries;

	if (!q->near_only) {
		assert(!timer_is_running(&q->timer));
		if (unlikely(q->extra != NULL))
			extra_clear(w->extras, q);
		memset((uint8_t *)q + NEAR_LEN, 0, sizeof(*q) - NEAR_LEN);
	}
	if (unlikely((size_t)((uint8_t *)q - s->base) >= (size_t)SLOTS_MAX * SLOT_LEN)) {
		free(q);
		return;
	}
	q->conn = s->free; /* in a line that is warm */
	s->free = q;
	ASAN_POISON_MEMORY_REGION(q, SLOT_LEN);
}
