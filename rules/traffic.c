#include "rules/traffic.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

/* Every worker, and what a test or a bench adds. */
#define RINGS_MAX (WORKERS_MAX + 8)

#define RECORD_WORDS ((sizeof(struct response_record) + 7) / 8)
#define NAME_OFFSET  offsetof(struct response_record, name)

/*
 * A record as words, because the reader copies it while the owner may be writing: every word is
 * an atomic, ordered by release and acquire instead of fences (which cost the same on x86, nothing,
 * and which the thread sanitizer does not understand). The n-th record of the ring leaves seq at 2n
 * + 2.
 */
struct slot {
	_Atomic uint64_t seq; /* odd: being written */
	_Atomic uint64_t word[RECORD_WORDS];
};

struct traffic_ring {
	alignas(CACHE_LINE) union {
		struct response_record record; /* owner only: what begin lends */
		uint64_t word[RECORD_WORDS];
	} next;
	alignas(CACHE_LINE) _Atomic uint64_t written; /* records so far; owner writes */
	uint64_t mask;
	alignas(CACHE_LINE) struct slot slots[];
};

static struct traffic_ring *rings[RINGS_MAX];
static unsigned ring_count;

struct traffic_ring *traffic_new(size_t entries)
{
	size_t n = 1;
	struct traffic_ring *r;

	while (n < entries)
		n *= 2;
	r = mem_lines(sizeof(*r) + n * sizeof(r->slots[0]));
	r->mask = n - 1;
	return r;
}

void traffic_free(struct traffic_ring *r)
{
	free(r);
}

struct response_record *traffic_begin(struct traffic_ring *r)
{
	return &r->next.record;
}

/* Words that hold something: the name is mostly short, and what is behind it need not travel. */
static size_t words_used(const struct response_record *rec)
{
	return (NAME_OFFSET + rec->name_len + 7) / 8;
}

void traffic_commit(struct traffic_ring *r)
{
	uint64_t n = atomic_load_explicit(&r->written, memory_order_relaxed);
	struct slot *s = &r->slots[n & r->mask];
	size_t words = words_used(&r->next.record);

	atomic_store_explicit(&s->seq, 2 * n + 1, memory_order_relaxed);
	for (size_t i = 0; i < words; i++)
		atomic_store_explicit(&s->word[i], r->next.word[i], memory_order_release);
	atomic_store_explicit(&s->seq, 2 * n + 2, memory_order_release);
	atomic_store_explicit(&r->written, n + 1, memory_order_release);
}

void traffic_register(struct traffic_ring *r)
{
	assert(ring_count < RINGS_MAX);
	rings[ring_count++] = r;
}

void traffic_unregister(struct traffic_ring *r)
{
	unsigned i = 0;

	while (i < ring_count && rings[i] != r)
		i++;
	if (i < ring_count)
		rings[i] = rings[--ring_count];
}

/* Copies words from..to of the slot. */
static void copy_words(uint64_t *copy, const struct slot *s, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		copy[i] = atomic_load_explicit(&s->word[i], memory_order_acquire);
}

/* The n-th record, or false when its owner has written over it meanwhile. */
static bool read_record(const struct traffic_ring *r, uint64_t n, struct response_record *out)
{
	const struct slot *s = &r->slots[n & r->mask];
	uint64_t copy[RECORD_WORDS] = {0};

	if (atomic_load_explicit(&s->seq, memory_order_acquire) != 2 * n + 2)
		return false;
	copy_words(copy, s, 0, NAME_OFFSET / 8 + 1);
	memcpy(out, copy, sizeof(*out));
	/* name_len may be torn, but whatever it says is inside the record */
	copy_words(copy, s, NAME_OFFSET / 8 + 1, words_used(out));
	memcpy(out, copy, sizeof(*out));
	return atomic_load_explicit(&s->seq, memory_order_relaxed) == 2 * n + 2;
}

static size_t visit_ring(const struct traffic_ring *r,
			 void (*visit)(void *, const struct response_record *), void *ctx)
{
	uint64_t end = atomic_load_explicit(&r->written, memory_order_acquire);
	uint64_t n = end > r->mask + 1 ? end - r->mask - 1 : 0;
	size_t seen = 0;

	for (; n < end; n++) {
		struct response_record rec;

		if (!read_record(r, n, &rec))
			continue;
		visit(ctx, &rec);
		seen++;
	}
	return seen;
}

size_t traffic_visit(void (*visit)(void *ctx, const struct response_record *r), void *ctx)
{
	size_t seen = 0;

	for (unsigned i = 0; i < ring_count; i++)
		seen += visit_ring(rings[i], visit, ctx);
	return seen;
}
