/*
 * What counting clients is made of: rules/hitters_table.c is the workers' part,
 * rules/hitters_rates.c the control thread's, rules/hitters.c makes and publishes both. Nobody else
 * includes this.
 */
#ifndef RULES_HITTERS_TABLE_H
#define RULES_HITTERS_TABLE_H

#include <string.h>

#include "rules/hitters.h"

#define RCODES 16

/* A client: IPv4 in the upper half of hi; tail is IS_V6 and the bits of the port. */
struct hitter_key {
	uint64_t hi, lo;
	uint32_t tail;
};
#define KEY_IS_V6 0x10000u

/*
 * Which 8 clients stand where. One line, so that a client that has no slot costs no other line.
 * heat is how often one came, halved with each period that passed since: who has the least gives
 * way.
 */
#define WAYS 8
struct ways {
	alignas(CACHE_LINE) uint16_t tag[WAYS]; /* of the hash; 0: free */
	uint16_t heat[WAYS];
	uint16_t at[WAYS]; /* period */
};
static_assert(sizeof(struct ways) == CACHE_LINE, "ways are not a line");

/* Of one 64-bit hash: the line, the tag, and what the door knows a newcomer by. */
static inline size_t hash_line(uint64_t hash, size_t lines)
{
	return (size_t)((unsigned __int128)hash * lines >> 64);
}

static inline uint16_t hash_tag(uint64_t hash)
{
	return (uint16_t)(hash >> 8) | 1;
}

/* Bit 15 of each 16-bit lane that equals tag; exact, no borrow runs into the next lane. */
static inline uint64_t lanes_with(uint64_t lanes, uint16_t tag)
{
	const uint64_t low = 0x7fff7fff7fff7fffu;
	uint64_t x = lanes ^ tag * UINT64_C(0x0001000100010001);

	return ~(((x & low) + low) | x | low);
}

/* The ways that have the tag, a bit each. */
static inline unsigned ways_with(const struct ways *w, uint16_t tag)
{
	uint64_t four[2];

	memcpy(four, w->tag, sizeof(four));
	four[0] = lanes_with(four[0], tag);
	four[1] = lanes_with(four[1], tag);
	if (likely((four[0] | four[1]) == 0))
		return 0;
	return (unsigned)((four[0] >> 15) * UINT64_C(0x0001000200040008) >> 48 & 15) |
	       (unsigned)((four[1] >> 15) * UINT64_C(0x0001000200040008) >> 48 & 15) << 4;
}

static inline unsigned way_heat(const struct ways *w, unsigned i, uint16_t now)
{
	unsigned age = (uint16_t)(now - w->at[i]);

	return age < 16 ? (unsigned)w->heat[i] >> age : 0;
}

static inline void way_warm(struct ways *w, unsigned i, uint16_t now, unsigned by)
{
	unsigned heat = way_heat(w, i, now) + by;

	w->heat[i] = (uint16_t)(heat < UINT16_MAX ? heat : UINT16_MAX);
	w->at[i] = now;
}

/* The way that is worth least: free, coldest, or the one that did not come for longest. */
static inline unsigned ways_coldest(const struct ways *w, uint16_t now, unsigned *heat)
{
	unsigned best = 0;
	uint32_t least = UINT32_MAX;

	for (unsigned i = 0; i < WAYS; i++) {
		unsigned h = w->tag[i] ? way_heat(w, i, now) : 0;
		uint32_t worth = (uint32_t)h << 16 |
				 (w->tag[i] ? UINT16_MAX - (uint16_t)(now - w->at[i]) : 0);

		if (worth < least) {
			least = worth;
			best = i;
		}
	}
	*heat = least >> 16;
	return best;
}

/*
 * A worker's count of one client. seq is even and changes with the client, so that the reader knows
 * whose the counts are; 0: never used. Only its worker writes.
 */
struct hitter_slot {
	_Atomic uint32_t seq;
	_Atomic uint32_t tail;
	_Atomic uint64_t hi, lo;
	_Atomic uint32_t count[]; /* by tally, since the client has the slot; they come round */
};

struct hitter_table {
	alignas(CACHE_LINE) struct ways *ways; /* [lines]; its line is the worker's alone */
	uint8_t *slots;    /* [lines * WAYS], stride octets each */
	uint16_t *door;    /* [doors]: newcomers that found no room */
	/* [news_words()] a bit for each slot that was counted in since the last reading */
	_Atomic uint64_t *news;
	uint32_t random;
	/* who was found last, and where it stood: a flood has one client for thousands of packets */
	struct hitter_key last;
	size_t last_at;
};
#define KEY_IS_NONE UINT32_MAX /* the tail of a key that nobody has */

static inline size_t news_words(size_t lines)
{
	return (lines * WAYS + 63) / 64;
}

/* A client's history: the last seconds, a bucket each. */
struct hitter_client {
	struct hitter_key key;
	uint32_t newest; /* the last bucket that it has */
	uint32_t beat;   /* the last reading with something new */
	uint64_t note_us;
	uint16_t note_who;
	uint8_t note_how;
	uint32_t sums[]; /* [buckets][n] */
};

/* What the control thread has seen of a slot. */
struct hitter_seen {
	uint32_t seq;
	uint32_t waits; /* bucket from which on counts were left for later; 0: none were */
	uint32_t count[];
};

struct hitters_set {
	struct hitters_masks masks;
	struct hitter_key v4_mask, v6_mask;
	unsigned n, seconds;
	struct hit tally[HITTERS_TALLIES_MAX];

	/* for workers: where each thing is counted; -1: nowhere */
	bool queries, answers; /* whether any tally is of these */
	int8_t octets, misses, all_answers, all_queries, rcode[RCODES];
	unsigned n_qtypes;
	struct {
		uint16_t qtype;
		int8_t at;
	} qtypes[HITTERS_TALLIES_MAX];
	unsigned n_others;
	struct {
		uint16_t codes;
		int8_t at;
	} others[HITTERS_TALLIES_MAX];
	unsigned period_s;
	unsigned n_workers;
	size_t lines, stride, doors; /* of each worker's table; doors is a power of two */
	struct hitter_table *tables; /* [n_workers] */

	/* the control thread's */
	uint8_t *seen; /* [n_workers * lines * WAYS], seen_stride each */
	size_t seen_stride;
	uint64_t *news;           /* [n_workers][news_words(lines)], of this reading */
	struct ways *client_ways; /* [client_lines] */
	uint8_t *clients;         /* [client_lines * WAYS], client_stride each */
	size_t client_lines, client_stride;
	uint32_t *touched; /* clients of the last reading */
	size_t n_touched;
	uint64_t *start_us; /* [buckets] when each began, at number % buckets */
	unsigned buckets;
	uint32_t open;    /* number of the newest, from 1 */
	uint32_t beat;    /* readings */
	size_t newcomers; /* of this reading */
	bool crowded; /* more newcomers than is good for what we have: those of one query wait */
	uint64_t began_us, asked_us, read_us;
	uint32_t first[HITTERS_SECONDS_MAX + 1]; /* bucket of a window; of the running visit */
	unsigned size_class;
	size_t memory;
};

struct hitters {
	unsigned n;
	struct hitters_set *set[HITTERS_SETS_MAX];
};

/* The process's secret, drawn before the first set: clients choose their addresses. */
extern uint64_t hitters_secret[2];

static inline uint64_t hitter_hash(const struct hitter_key *k)
{
	unsigned __int128 p = (unsigned __int128)(k->hi ^ hitters_secret[0]) *
			      (k->lo ^ hitters_secret[1] ^ k->tail);
	unsigned __int128 q;

	q = (unsigned __int128)((uint64_t)(p >> 64) ^ (uint64_t)p ^ k->tail) *
	    UINT64_C(0x9e3779b97f4a7c15);
	return (uint64_t)(q >> 64) ^ (uint64_t)q;
}

static inline struct hitter_slot *table_slot(const struct hitters_set *s,
					     const struct hitter_table *t, size_t i)
{
	return (struct hitter_slot *)(t->slots + i * s->stride);
}

/* rules/hitters_rates.c: reads all tables of a set. */
void hitters_read_set(struct hitters_set *s);

#endif
