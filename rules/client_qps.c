#include "rules/client_qps.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/hash.h"
#include "core/mem.h"
#include "pools/limiter.h"

/*
 * A slot is one word: 27 to 35 bits of the client's hash, a bit that says it was refused since its
 * bucket was last full, and the time at which it will be full again, on the clock of the rate
 * (pools/limiter.h). So each change is one compare-and-swap, and a word always belongs to one
 * client.
 *
 * A newcomer takes the slot worth least: one that is full again, else of those never refused the
 * one that lacks least, else the refused one that lacks least. Whoever loses his slot starts full:
 * the honest lose nothing by it, and sources that ask once, however many, take the slots of each
 * other. To push out a known abuser, a group of lines must hold no others than refused ones.
 *
 * Time is modulo: 36 bits come round after 2^32 / qps seconds (50 days at 1000), when a slot that
 * nobody needed for just so long, to within 1 s and the time to fill, would seem as it was left. A
 * limit that does not need them for a year leaves them to the hash, since it is at low limits that
 * many clients can be near theirs.
 */
#define TIME_BITS_MIN 28
#define TIME_BITS_MAX 36
#define YEAR_S        (UINT64_C(1) << 25)

/* A worker that slept so long since it read the clock may let an abuser have another burst; a
 * larger figure would be the longer for whom the time comes round. */
#define SKEW_S 1

#define WAYS 8

/*
 * Where a line has no free slot its neighbours, so many lines in all, are searched as well: clients
 * that take turns in too few slots would push each other out before any could be seen to be an
 * abuser.
 */
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
	unsigned coarse;    /* a tick is 2^coarse of limiter_ticks */
	unsigned tag_shift; /* above the time and the bit of the refused */
	uint64_t refused, time_mask;
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

static inline uint64_t tag_of(const struct client_qps *l, uint64_t word)
{
	return word >> l->tag_shift;
}

/* What the bucket lacks. More than the depth: another worker has read a later clock. */
static inline uint64_t lack_at(const struct client_qps *l, uint64_t word, uint64_t now)
{
	uint64_t lack = (word - now) & l->time_mask;

	return word == 0 || lack > l->depth + l->skew ? 0 : lack;
}

/* How much is lost when the bucket is forgotten. */
static inline uint64_t worth(const struct client_qps *l, uint64_t word, uint64_t now)
{
	uint64_t lack = lack_at(l, word, now);

	return lack != 0 ? lack | (word & l->refused) : 0;
}

struct choice {
	_Atomic uint64_t *slot;
	uint64_t word, worth; /* as it was read */
};

/* c becomes the client's slot if it is in this line, else the one worth least of c and the line. */
static void look(const struct client_qps *l, struct line *line, const struct visit *v,
		 struct choice *c)
{
	uint64_t words[WAYS];

	for (size_t i = 0; i < WAYS; i++) {
		words[i] = atomic_load_explicit(&line->slot[i], memory_order_relaxed);
		if (tag_of(l, words[i]) == v->tag) {
			*c = (struct choice){&line->slot[i], words[i], 0};
			return;
		}
	}
	for (size_t i = 0; i < WAYS; i++) {
		uint64_t w = worth(l, words[i], v->now);

		if (w < c->worth)
			*c = (struct choice){&line->slot[i], words[i], w};
	}
}

static struct choice place(const struct client_qps *l, const struct visit *v)
{
	struct choice c = {.worth = UINT64_MAX};

	for (size_t i = 0; i < GROUP && c.worth != 0; i++)
		look(l, &l->lines[v->line ^ i], v, &c);
	return c;
}

/* Once only: an abuser costs no more writes, wherever his queries arrive. A lost race is made up
 * for by his next query. */
static void mark_refused(const struct client_qps *l, _Atomic uint64_t *slot, uint64_t word)
{
	if (!(word & l->refused))
		atomic_compare_exchange_strong_explicit(slot, &word, word | l->refused,
							memory_order_relaxed, memory_order_relaxed);
}

static struct visit visit_of(const struct client_qps *l, const struct addr *client, uint64_t now_us)
{
	uint64_t hash = client_hash(l, client), tag = tag_of(l, hash);

	return (struct visit){.line = hash & l->line_mask,
			      .tag = tag != 0 ? tag : 1, /* a word of 0 is an empty slot */
			      .now = limiter_ticks(l->qps, now_us) >> l->coarse};
}

bool client_qps_over(struct client_qps *l, const struct addr *client, uint64_t now_us)
{
	struct visit v = visit_of(l, client, now_us);
	struct choice c;
	uint64_t next;

	if (l->depth == 0)
		return true;
	do {
		uint64_t lack = 0;

		c = place(l, &v);
		if (tag_of(l, c.word) == v.tag)
			lack = lack_at(l, c.word, v.now);
		if (lack + l->token > l->depth) {
			mark_refused(l, c.slot, c.word);
			return true;
		}
		next = v.tag << l->tag_shift | ((v.now + lack + l->token) & l->time_mask);
		if (lack != 0)
			next |= c.word & l->refused;
	} while (!atomic_compare_exchange_strong_explicit(
		c.slot, &c.word, next, memory_order_relaxed, memory_order_relaxed));
	return false;
}

void client_qps_prefetch(const struct client_qps *l, const struct addr *client)
{
	__builtin_prefetch(&l->lines[client_hash(l, client) & l->line_mask], 1);
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

/* So much longer than a bucket can lack must time be before it comes round. */
#define TURN_MIN 8

/* Where a sixteenth of a token is too fine for the deepest bucket in 36 bits, a larger part of it
 * is a tick; a whole token serves the highest rate and burst. */
static void set_rate(struct client_qps *l, uint32_t qps, uint32_t burst)
{
	uint64_t span = ((uint64_t)burst + (uint64_t)qps * SKEW_S) * TURN_MIN;
	uint64_t turn = (uint64_t)qps * YEAR_S;
	unsigned bits = TIME_BITS_MIN;

	turn = turn > span ? turn : span;
	l->qps = qps;
	l->token = LIMITER_TOKEN;
	while (span * l->token > UINT64_C(1) << TIME_BITS_MAX && l->token > 1) {
		l->token /= 2;
		l->coarse++;
	}
	while (bits < TIME_BITS_MAX && turn * l->token > UINT64_C(1) << bits)
		bits++;
	l->depth = burst * l->token;
	l->skew = (uint64_t)qps * SKEW_S * l->token;
	l->refused = UINT64_C(1) << bits;
	l->time_mask = l->refused - 1;
	l->tag_shift = bits + 1;
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
