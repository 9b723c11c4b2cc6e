#include "rules/log_sink.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "rules/run.h"

/*
 * A power of two. Half of it is some 4 ms of a worker that logs half a million queries a second:
 * the time that the control thread has to wake. 1.3 MB, touched as it is first used.
 */
#define SLOTS 4096

/* Losses are told no more often. */
#define TELL_US 10000000

struct log_sink {
	alignas(CACHE_LINE) _Atomic uint64_t tail; /* producer */
	_Atomic uint64_t lost;                     /* producer */
	void (*wake)(void);
	alignas(CACHE_LINE) _Atomic uint64_t head; /* consumer */
	uint64_t at, end;                          /* consumer: of what is being written */
	uint64_t lost_told, told_us;               /* consumer */
	struct log_sink *next;
	alignas(CACHE_LINE) struct log_entry slots[SLOTS];
};

static struct log_sink *sinks; /* control thread */

struct log_sink *log_sink_new(void (*wake)(void))
{
	struct log_sink *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (s == MAP_FAILED)
		return NULL;
	s->wake = wake;
	s->next = sinks;
	sinks = s;
	return s;
}

static void fill(struct log_entry *e, struct log_file *to, const struct rule_run *run)
{
	const struct query *q = run->q;

	e->to = to;
	e->when_us = run->now_us;
	e->client = q->client;
	e->id = q->id;
	e->qtype = q->question.qtype;
	e->rcode = msg_flags(run->msg) & DNS_RCODE_MASK;
	e->name_len = (uint8_t)q->question.name_len;
	memcpy(e->name, q->packet + DNS_HEADER_LEN, e->name_len);
}

void log_sink_put(struct log_sink *s, struct log_file *to, const struct rule_run *run)
{
	uint64_t tail = atomic_load_explicit(&s->tail, memory_order_relaxed);
	uint64_t used = tail - atomic_load_explicit(&s->head, memory_order_acquire);

	if (used == SLOTS) {
		counter_inc(&s->lost);
		return;
	}
	fill(&s->slots[tail % SLOTS], to, run);
	atomic_store_explicit(&s->tail, tail + 1, memory_order_release);
	if (used + 1 == SLOTS / 2)
		s->wake();
}

/* Of what is there to be written, the sink with the entry that happened first; NULL: all is. */
static struct log_sink *oldest(void)
{
	struct log_sink *found = NULL;
	uint64_t when_us = UINT64_MAX;

	for (struct log_sink *s = sinks; s != NULL; s = s->next) {
		const struct log_entry *e = &s->slots[s->at % SLOTS];

		if (s->at == s->end || (found != NULL && e->when_us >= when_us))
			continue;
		found = s;
		when_us = e->when_us;
	}
	return found;
}

/* Workers take turns at a client's queries: its lines are to stand in the order of its queries. */
static void drain(int64_t offset_us)
{
	struct log_sink *s;

	for (s = sinks; s != NULL; s = s->next) {
		s->at = atomic_load_explicit(&s->head, memory_order_relaxed);
		s->end = atomic_load_explicit(&s->tail, memory_order_acquire);
	}
	while ((s = oldest()) != NULL) {
		const struct log_entry *e = &s->slots[s->at % SLOTS];

		log_file_write(e->to, e, offset_us);
		atomic_store_explicit(&s->head, ++s->at, memory_order_release);
	}
}

static void tell_lost(struct log_sink *s, uint64_t now_us)
{
	uint64_t lost = counter_get(&s->lost);

	if (lost == s->lost_told || (s->told_us != 0 && now_us - s->told_us < TELL_US))
		return;
	log_warning("rules", "%llu queries or answers were not logged, a worker's queue was full",
		    (unsigned long long)(lost - s->lost_told));
	s->lost_told = lost;
	s->told_us = now_us;
}

void log_sinks_drain(void)
{
	uint64_t now_us = clock_mono_us();
	int64_t offset_us = clock_real_us() - (int64_t)now_us;

	drain(offset_us);
	for (struct log_sink *s = sinks; s != NULL; s = s->next)
		tell_lost(s, now_us);
	log_files_flush();
}

void log_sink_free(struct log_sink *s)
{
	struct log_sink **at = &sinks;

	if (s == NULL)
		return;
	log_sinks_drain();
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	munmap(s, sizeof(*s));
}
