#include "core/log_queue.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/mem.h"

/*
 * 128 lines of half a kilobyte: the control thread looks several times a second, and a worker with
 * more to say than that repeats itself. A power of two.
 */
#define SLOTS 128

struct slot {
	int64_t when_ms;
	const char *subsystem;
	enum log_level level;
	char text[LOG_QUEUED_MAX];
};
static_assert(sizeof(struct slot) == 512, "a slot is whole lines");

struct log_queue {
	alignas(CACHE_LINE) _Atomic uint64_t tail; /* producer */
	_Atomic uint64_t refused;                  /* producer */
	alignas(CACHE_LINE) _Atomic uint64_t head; /* consumer */
	uint64_t refused_told;                     /* consumer */
	alignas(CACHE_LINE) struct slot slots[SLOTS];
};

struct log_queue *log_queue_new(void)
{
	return mem_lines(sizeof(struct log_queue));
}

void log_queue_free(struct log_queue *q)
{
	free(q);
}

void log_queue_put(struct log_queue *q, enum log_level level, const char *subsystem,
		   int64_t when_ms, const char *fmt, va_list args)
{
	uint64_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed);
	struct slot *s = &q->slots[tail % SLOTS];

	if (tail - atomic_load_explicit(&q->head, memory_order_acquire) == SLOTS) {
		counter_inc(&q->refused);
		return;
	}
	s->when_ms = when_ms;
	s->level = level;
	s->subsystem = subsystem;
	vsnprintf(s->text, sizeof(s->text), fmt, args);
	atomic_store_explicit(&q->tail, tail + 1, memory_order_release);
}

uint64_t log_queue_drain(struct log_queue *q, void (*write)(const struct log_record *r))
{
	uint64_t head = atomic_load_explicit(&q->head, memory_order_relaxed);
	uint64_t tail = atomic_load_explicit(&q->tail, memory_order_acquire);
	uint64_t before = q->refused_told;

	for (; head != tail; head++) {
		const struct slot *s = &q->slots[head % SLOTS];
		struct log_record r = {s->level, s->subsystem, s->text, s->when_ms};

		write(&r);
		atomic_store_explicit(&q->head, head + 1, memory_order_release);
	}
	q->refused_told = counter_get(&q->refused);
	return q->refused_told - before;
}
