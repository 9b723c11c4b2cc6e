/*
 * How many queries and answers each client had in the last seconds, in fixed memory whatever the
 * number of clients, so that limits mean what they say when a ring of recent traffic wraps in
 * milliseconds.
 *
 * Each worker counts the clients it meets in a table of its own (rules/hitters_table.c); the
 * control thread reads all tables ten times a second without stopping anybody, and keeps by client
 * and second what was added since (rules/hitters_rates.c). Workers count only what was asked for;
 * when nothing was, that costs a load and a branch.
 *
 * How exact it is. A sum is never more than what the client did in the seconds asked for: all
 * errors are of omission, so that who is within his limit is never found over it.
 * - Time: what was added between two readings is taken to have happened at the first, and seconds
 *   leave the window as a whole. Of n seconds, between n - 1.1 and n are seen, and once a second
 * more than n - 0.1 as long as readings are 0.1 s apart.
 * - Room: a client counts from when it entered a table. While there is a free slot in the 8 where
 * it may stand that is its first query. Else a newcomer must be met twice before some hundred
 * thousand others, and takes the place of the client that came least of late: he loses a query or
 * two. Who is more active than most of those in his 8 slots stays.
 */
#ifndef RULES_HITTERS_H
#define RULES_HITTERS_H

#include "core/netmask.h"
#include "core/rcu.h"

/* What makes a client: bits of its address, and of its port where the address counts whole. */
struct hitters_masks {
	uint8_t v4, v6, port;
	/* Clients whose longest netmask has HITTERS_EXCLUDED are not counted; NULL: all are. Not
	 * changed any more; hitters_ask takes a reference of its own. */
	struct netmask_table *ranges;
};
enum { HITTERS_INCLUDED, HITTERS_EXCLUDED };

/* What can be counted. An answer is counted in ANSWERS before it is counted as anything else. */
enum hit_kind {
	HIT_QUERIES,
	HIT_ANSWERS,
	HIT_OCTETS, /* of answers */
	HIT_QTYPE,  /* queries of the type arg */
	HIT_RCODE,  /* answers of the code arg, 0 to 15 */
	HIT_OTHERS, /* answers with a code that is none of those whose bits arg has */
	HIT_MISSES, /* answers that a server gave */
};

struct hit {
	uint16_t kind; /* enum hit_kind */
	uint16_t arg;
};

#define HITTERS_SECONDS_MAX 60     /* a window: a client's history is 4 octets a second and tally */
#define HITTERS_TALLIES_MAX 58     /* for one set of masks: a worker's slot is at most 256 octets */
#define HITTERS_SETS_MAX    4      /* different masks at a time; each costs the path once more */
#define HITTERS_BEAT_US     100000 /* between two readings */

/*
 * Workers.
 */

struct hitters;
extern _Atomic(const struct hitters *) hitters_live; /* NULL: nothing is to be counted */

void hitters_count_query(const struct hitters *h, unsigned worker, const struct addr *client,
			 uint16_t qtype, uint32_t now_s);
void hitters_count_blocked(const struct hitters *h, unsigned worker, const struct addr *client,
			   int qtype);
void hitters_count_answer(const struct hitters *h, unsigned worker, const struct addr *client,
			  uint16_t rcode, uint32_t len, bool miss, uint32_t now_s);

/* Whether types of queries are counted: else a query that is dropped need not be read for it. */
bool hitters_want_types(void);

/*
 * Begin to load what counting this client reads: first for all queries of a batch where it may
 * stand, then for all its counts. Called only while something is counted.
 */
void hitters_prefetch_client(const struct hitters *h, unsigned worker, const struct addr *client);
void hitters_prefetch_counts(const struct hitters *h, unsigned worker, const struct addr *client);

/* A query with a question. now_s: monotonic seconds. */
static inline void hitters_query(unsigned worker, const struct addr *client, uint16_t qtype,
				 uint32_t now_s)
{
	const struct hitters *h = rcu_get(hitters_live);

	if (unlikely(h != NULL))
		hitters_count_query(h, worker, client, qtype, now_s);
}

/*
 * A query that a block dropped: counted as a query, if the client has a slot. qtype -1: its
 * question can't be read.
 */
static inline void hitters_blocked(unsigned worker, const struct addr *client, int qtype)
{
	const struct hitters *h = rcu_get(hitters_live);

	if (unlikely(h != NULL))
		hitters_count_blocked(h, worker, client, qtype);
}

/* An answer of len octets; miss: from a server, and not from the cache or ourselves. */
static inline void hitters_answer(unsigned worker, const struct addr *client, uint16_t rcode,
				  uint32_t len, bool miss, uint32_t now_s)
{
	const struct hitters *h = rcu_get(hitters_live);

	if (unlikely(h != NULL))
		hitters_count_answer(h, worker, client, rcode, len, miss, now_s);
}

/* Whether anything is counted. Any thread. */
static inline bool hitters_on(void)
{
	return rcu_get(hitters_live) != NULL;
}

/*
 * The control thread.
 */

/* For so many workers, before they run; and when all are gone. */
void hitters_start(unsigned n_workers);
void hitters_stop(void);

/*
 * Asks that all of these be counted for clients of these masks, and kept for so many seconds. Where
 * that is done already it only notes that somebody still asks; else counting begins anew for these
 * masks. 0, or -EINVAL with err set: more than is kept.
 */
int hitters_ask(const struct hitters_masks *masks, const struct hit *tallies, unsigned n,
		unsigned seconds, struct err *err);

/* Whether hitters_ask could do it; changes nothing. */
int hitters_can(const struct hit *tallies, unsigned n, unsigned seconds, struct err *err);

/* Reads what workers have counted. What nobody has asked for in a minute is given up. */
void hitters_read(void);

/* What is counted under these masks; NULL: nothing. Lent until the next hitters_ask or
 * hitters_read. */
struct hitters_set;
struct hitters_set *hitters_find(const struct hitters_masks *masks);

/* How long these are counted already. */
uint64_t hitters_age_us(const struct hitters_set *s);

/* The number of a tally in the set, or -1. */
int hitters_number(const struct hitters_set *s, struct hit t);

/* A client as it is visited. */
struct hitter {
	struct addr addr; /* a prefix, its port too */
	uint8_t bits, port_bits;
	const struct hitters_set *set;
	struct hitter_client *client; /* the set's own */
};

/* Visits the clients that were counted since the reading before the last one, or all. */
void hitters_visit(struct hitters_set *s, bool all, void (*visit)(void *ctx, struct hitter *h),
		   void *ctx);

/* What the client did in the last seconds; number is one of hitters_number. */
uint64_t hitter_sum(const struct hitter *h, int number, unsigned seconds);

/*
 * A note about the client: who has dealt with it when, and how. Kept as long as the client is. A
 * client whose note another one has taken over has none.
 */
void hitter_note(const struct hitter *h, uint16_t who, uint8_t how);
bool hitter_noted(const struct hitter *h, uint16_t who, uint8_t how, uint64_t within_us);

/* Octets of memory in all. */
size_t hitters_memory(void);

#endif
