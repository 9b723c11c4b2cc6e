#include "rules/client_qps.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/hash.h"
#include "core/mem.h"
#include "pools/limiter.h"

/*
 * A slot is one word: 27 bits of the client's hash, a bit that says it was refused since its bucket
 * was last full, and 36 bits of the time at which it will be full again, on the clock of the rate
 * (pools/limiter.h). So each change is one compare-and-swap, and a word always belongs to one
 * client.
 *
 * A newcomer takes the slot worth least: one that is full again, else of those never refused the
 * one that lacks least, else the refused one that lacks least. Whoever loses his slot starts full,
 * so the honest gain what they seldom need, and an abuser loses his only to as many other abusers
 * as a group of lines has slots. Sources that ask once, however many, take the slots of each other.
 *
 * Time is modulo: it comes round after 2^32 / qps seconds (13 years at 10, 50 days at 1000), when a
 * slot that nobody needed for just so long, to within 1 s and the time to fill, would seem as it
 * was left.
 */
#define TIME_BITS 36
#define REFUSED   (UINT64_C(1) << TIME_BITS)
#define TIME_MASK (REFUSED - 1)
#define TAG_SHIFT (TIME_BITS + 1)

/* Slots of a line, and lines that are tried when all slots of one hold refused clients: with half
 * of the table taken by abusers, a line is full of them in 1 of 20 cases, and a group never. */
#define WAYS  8
#define GROUP 4

/*
 * A bucket is taken only while it is not full, so that there are no more of them than queries a
 * second / qps. Half of a table is taken at 4 million queries a second, whatever qps is; beyond the
 * maximum, 16 MiB, at 1 million × qps. The minimum is 128 KiB.
 */
#define SLOTS_BY_QPS (UINT32_C(1) << 23)
#define SLOTS_MIN    (UINT32_C(1) << 14)
#define SLOTS_MAX    (UINT32_C(1) << 21)

/* What a test may ask for: 32 GiB. */
#define SLOTS_ASKED_MAX (UINT64_C(1) << 32)

struct line {
	alignas(CACHE_LINE) _Atomic uint64_t slot[WAYS];
};
static_assert(sizeof(struct line) == CACHE_LINE, "a client's place is one line");

/* Nobody writes here once it is made. */
struct client_qps {
	struct line *lines;
	size_t line_mask;
	uint64_t token, depth, skew; /* ticks */
	uint64_t v6_mask[2];         /* network order, like v4_mask */
	uint32_t v4_mask;
	uint32_t qps;
	unsigned coarse; /* a tick is 2^coarse of limiter_ticks */
};

struct visit {
	size_t line;
	uint64_t tag, now;
};

static uint64_t client_hash(const struct client_qps *l, const struct addr *client)
{
	uint64_t key[2];
	uint32_t v4;

	if (client->sa.sa_family != AF_INET6) {
		v4 = client->v4.sin_addr.s_addr;
	} else if (IN6_IS_ADDR_V4MAPPED(&client->v6.sin6_addr)) {
		memcpy(&v4, &client->v6.sin6_addr.s6_addr[12], sizeof(v4));
	} else {
		memcpy(key, &client->v6.sin6_addr, sizeof(key));
		key[0] &= l->v6_mask[0];
		key[1] &= l->v6_mask[1];
		return hash_keyed(key, sizeof(key));
	}
	v4 &= l->v4_mask;
	return hash_keyed(&v4, sizeof(v4));
}

static inline uint64_t tag_of(uint64_t word)
{
	return word >> TAG_SHIFT;
}

/* What the bucket lacks. More than the depth: another worker has read a later clock. */
static inline uint64_t lack_at(const struct client_qps *l, uint64_t word, uint64_t now)
{
	uint64_t lack = (word - now) & TIME_MASK;

	return word == 0 || lack > l->depth + l->skew ? 0 : lack;
}

/* How much is lost when the bucket is forgotten. */
static inline uint64_t worth(const struct client_qps *l, uint64_t word, uint64_t now)
{
	uint64_t lack = lack_at(l, word, now);

	return lack != 0 ? lack | (word & REFUSED) : 0;
}

/* The client's slot, or the one worth least; word as it was read. */
static _Atomic uint64_t *place_in(const struct client_qps *l, struct line *line,
				  const struct visit *v, uint64_t *word)
{
	uint64_t words[WAYS], least = UINT64_MAX;
	size_t best = 0;

	for (size_t i = 0; i < WAYS; i++) {
		words[i] = atomic_load_explicit(&line->slot[i], memory_order_relaxed);
		if (tag_of(words[i]) == v->tag) {
			*word = words[i];
			return &line->slot[i];
		}
	}
	for (size_t i = 0; i < WAYS; i++) {
		uint64_t w = worth(l, words[i], v->now);

		if (w < least) {
			least = w;
			best = i;
		}
	}
	*word = words[best];
	return &line->slot[best];
}

static _Atomic uint64_t *place(const struct client_qps *l, const struct visit *v, uint64_t *word)
{
	_Atomic uint64_t *slot;

	for (size_t i = 0; i < GROUP; i++) {
		slot = place_in(l, &l->lines[v->line ^ i], v, word);
		if (tag_of(*word) == v->tag || worth(l, *word, v->now) < REFUSED)
			break;
	}
	return slot;
}

/* Once only: an abuser costs no more writes, wherever his queries arrive. A lost race is made up
 * for by his next query. */
static void mark_refused(_Atomic uint64_t *slot, uint64_t word)
{
	if (!(word & REFUSED))
		atomic_compare_exchange_strong_explicit(slot, &word, word | REFUSED,
							memory_order_relaxed, memory_order_relaxed);
}

static struct visit visit_of(const struct client_qps *l, const struct addr *client, uint64_t now_us)
{
	uint64_t hash = client_hash(l, client), tag = tag_of(hash);

	return (struct visit){.line = hash & l->line_mask,
			      .tag = tag != 0 ? tag : 1, /* a word of 0 is an empty slot */
			      .now = limiter_ticks(l->qps, now_us) >> l->coarse};
}

bool client_qps_over(struct client_qps *l, const struct addr *client, uint64_t now_us)
{
	struct visit v = visit_of(l, client, now_us);
	uint64_t word, next;
	_Atomic uint64_t *slot;

	if (l->depth == 0)
		return true;
	do {
		uint64_t lack = 0;

		slot = place(l, &v, &word);
		if (tag_of(word) == v.tag)
			lack = lack_at(l, word, v.now);
		if (lack + l->token > l->depth) {
			mark_refused(slot, word);
			return true;
		}
		next = v.tag << TAG_SHIFT | ((v.now + lack + l->token) & TIME_MASK);
		if (lack != 0)
			next |= word & REFUSED;
	} while (!atomic_compare_exchange_strong_explicit(slot, &word, next, memory_order_relaxed,
							  memory_order_relaxed));
	return false;
}

static size_t slots_for(const struct client_qps_options *o)
{
	uint64_t want = o->slots, n = GROUP * WAYS;

	if (want == 0) {
		want = o->qps != 0 ? SLOTS_BY_QPS / o->qps : SLOTS_MAX;
		want = want < SLOTS_MIN ? SLOTS_MIN : want > SLOTS_MAX ? SLOTS_MAX : want;
	}
	while (n < want && n < SLOTS_ASKED_MAX)
		n *= 2;
	return n;
}

static void set_masks(struct client_qps *l, unsigned v4_bits, unsigned v6_bits)
{
	l->v4_mask = htonl(v4_bits == 0 ? 0 : UINT32_MAX << (32 - v4_bits));
	for (unsigned i = 0; i < 2; i++) {
		unsigned bits = v6_bits > 64 * i ? v6_bits - 64 * i : 0;

		if (bits > 64)
			bits = 64;
		l->v6_mask[i] = htobe64(bits == 0 ? 0 : UINT64_MAX << (64 - bits));
	}
}

/* Where a sixteenth of a token is too fine for the deepest bucket in 36 bits, a larger part of it
 * is a tick; a whole token serves the highest rate and burst. */
static void set_rate(struct client_qps *l, uint32_t qps, uint32_t burst)
{
	uint64_t span = (uint64_t)burst + (uint64_t)qps * LIMITER_SKEW_S;

	l->qps = qps;
	l->token = LIMITER_TOKEN;
	while (span * l->token > TIME_MASK / 8 && l->token > 1) {
		l->token /= 2;
		l->coarse++;
	}
	l->depth = burst * l->token;
	l->skew = (uint64_t)qps * LIMITER_SKEW_S * l->token;
}

struct client_qps *client_qps_new(const struct client_qps_options *o, struct err *err)
{
	size_t len = slots_for(o) * sizeof(uint64_t);
	struct client_qps *l;
	void *mem;

	if (o->v4_bits > 32 || o->v6_bits > 128) {
		err_set(err, "a mask has at most 32 bits for IPv4 and 128 for IPv6, not %u and %u",
			o->v4_bits, o->v6_bits);
		return NULL;
	}
	mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		   -1, 0);
	if (mem == MAP_FAILED) {
		err_set(err, "no %zu octets of address space for the limits of clients", len);
		return NULL;
	}
	madvise(mem, len, MADV_HUGEPAGE); /* where it is not taken all works as well */
	l = mem_zalloc(1, sizeof(*l));
	l->lines = mem;
	l->line_mask = len / sizeof(struct line) - 1;
	set_masks(l, o->v4_bits, o->v6_bits);
	set_rate(l, o->qps, o->burst != 0 ? o->burst : o->qps);
	return l;
}

void client_qps_free(struct client_qps *l)
{
	if (l == NULL)
		return;
	munmap(l->lines, client_qps_memory(l));
	free(l);
}

size_t client_qps_memory(const struct client_qps *l)
{
	return (l->line_mask + 1) * sizeof(struct line);
}
