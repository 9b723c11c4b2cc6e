/*
 * A worker's counts. A client stands in one of 8 slots, whose tags share a line; its counts are in
 * a line of their own. A client that is new where all 8 slots are taken by others that came of late
 * first leaves a mark of 16 bits at the door, and enters if it comes again before the mark is
 * overwritten: sources that come once, however many, pass at one in 65,536. Where even the coldest
 * of the 8 is busy, a newcomer gets its place with a chance of 2 in its heat, so that the busy do
 * not push each other out in turn.
 *
 * The rejected ways: space-saving over the same slots, whose counts are upper bounds that a
 * newcomer takes over, so that what is certain of a client is its count less what it took over; and
 * a count-min sketch, which only knows upper bounds. Neither can say that somebody surely was over
 * his limit while the flood is on.
 */
#include "rules/hitters_table.h"

#include <string.h>

_Atomic(const struct hitters *) hitters_live;
uint64_t hitters_secret[2];

static inline uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap64(v);
}

static inline struct hitter_key key_of(const struct hitters_set *s, const struct addr *a)
{
	const uint8_t *v6 = a->v6.sin6_addr.s6_addr;
	struct hitter_key k = {0, 0, ntohs(a->v4.sin_port)};

	if (likely(a->sa.sa_family == AF_INET)) {
		k.hi = (uint64_t)ntohl(a->v4.sin_addr.s_addr) << 32;
	} else if (IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr)) {
		k.hi = load64(v6 + 8) << 32;
	} else {
		k.hi = load64(v6) & s->v6_mask.hi;
		k.lo = load64(v6 + 8) & s->v6_mask.lo;
		k.tail = (k.tail & s->v6_mask.tail) | KEY_IS_V6;
		return k;
	}
	k.hi &= s->v4_mask.hi;
	k.tail &= s->v4_mask.tail;
	return k;
}

static inline bool is_excluded(const struct hitters_set *s, const struct addr *client)
{
	return unlikely(s->masks.ranges != NULL) &&
	       netmask_table_lookup(s->masks.ranges, client) == HITTERS_EXCLUDED;
}

/* Owner only, so plain reads would do; what another thread reads is written with release. */
static inline bool slot_has(const struct hitter_slot *slot, const struct hitter_key *k)
{
	return atomic_load_explicit(&slot->hi, memory_order_relaxed) == k->hi &&
	       atomic_load_explicit(&slot->lo, memory_order_relaxed) == k->lo &&
	       atomic_load_explicit(&slot->tail, memory_order_relaxed) == k->tail;
}

static inline void count(struct hitter_slot *slot, int i, uint32_t n)
{
	uint32_t now = atomic_load_explicit(&slot->count[i], memory_order_relaxed);

	atomic_store_explicit(&slot->count[i], now + n, memory_order_release);
}

/*
 * What was counted is to be read. Behind the counts, and looked at first: the reader takes the bit
 * and has each core let its stores out (fence_all_cores) before it reads, so whoever finds a bit
 * that is about to be taken has counted in time.
 */
static inline void note_news(struct hitter_table *t, size_t i)
{
	_Atomic uint64_t *word = &t->news[i / 64];
	uint64_t bit = UINT64_C(1) << i % 64;

	atomic_signal_fence(memory_order_seq_cst);
	if ((atomic_load_explicit(word, memory_order_relaxed) & bit) == 0)
		atomic_fetch_or_explicit(word, bit, memory_order_release);
}

/* The reader may be looking: it finds that seq has changed. */
static void slot_give(const struct hitters_set *s, struct hitter_slot *slot,
		      const struct hitter_key *k)
{
	uint32_t seq = atomic_load_explicit(&slot->seq, memory_order_relaxed);

	atomic_store_explicit(&slot->seq, seq + 1, memory_order_relaxed);
	atomic_store_explicit(&slot->hi, k->hi, memory_order_release);
	atomic_store_explicit(&slot->lo, k->lo, memory_order_release);
	atomic_store_explicit(&slot->tail, k->tail, memory_order_release);
	for (unsigned i = 0; i < s->n; i++)
		atomic_store_explicit(&slot->count[i], 0, memory_order_release);
	atomic_store_explicit(&slot->seq, seq + 2 != 0 ? seq + 2 : 2, memory_order_release);
}

static bool is_met_again(const struct hitters_set *s, struct hitter_table *t, uint64_t hash)
{
	uint16_t *door = &t->door[hash & (s->doors - 1)];
	uint16_t mark = (uint16_t)(hash >> 24);

	if (*door == mark)
		return true;
	*door = mark;
	return false;
}

static uint32_t next_random(struct hitter_table *t)
{
	t->random ^= t->random << 13;
	t->random ^= t->random >> 17;
	t->random ^= t->random << 5;
	return t->random;
}

/* Whether a newcomer may have the place of one of this heat. */
static bool may_enter(const struct hitters_set *s, struct hitter_table *t, uint64_t hash,
		      unsigned heat)
{
	if (heat == 0)
		return true;
	if (!is_met_again(s, t, hash))
		return false;
	return heat <= 2 || (uint64_t)next_random(t) * heat >> 32 < 2;
}

static inline bool is_last(const struct hitter_table *t, const struct hitter_key *k)
{
	return t->last.hi == k->hi && t->last.lo == k->lo && t->last.tail == k->tail;
}

/* The client's slot, one that it gets now, or NULL; at: its number. */
static struct hitter_slot *find(const struct hitters_set *s, struct hitter_table *t,
				const struct hitter_key *k, uint16_t now, bool enter, size_t *at)
{
	uint64_t hash;
	uint16_t tag;
	size_t line;
	struct ways *w;
	struct hitter_slot *slot = table_slot(s, t, t->last_at);
	unsigned heat, way;

	if (is_last(t, k) && slot_has(slot, k)) {
		*at = t->last_at;
		if (enter)
			way_warm(&t->ways[*at / WAYS], *at % WAYS, now, 1);
		return slot;
	}
	hash = hitter_hash(k);
	tag = hash_tag(hash);
	line = hash_line(hash, s->lines);
	w = &t->ways[line];
	for (unsigned m = ways_with(w, tag); m; m &= m - 1) {
		way = (unsigned)__builtin_ctz(m);
		*at = line * WAYS + way;
		slot = table_slot(s, t, *at);
		if (likely(slot_has(slot, k))) {
			if (enter)
				way_warm(w, way, now, 1);
			t->last = *k;
			t->last_at = *at;
			return slot;
		}
	}
	if (!enter)
		return NULL;
	way = ways_coldest(w, now, &heat);
	if (!may_enter(s, t, hash, heat))
		return NULL;
	*at = line * WAYS + way;
	slot = table_slot(s, t, *at);
	slot_give(s, slot, k);
	w->tag[way] = tag;
	w->heat[way] = heat ? 2 : 1; /* met twice where there was no room */
	w->at[way] = now;
	return slot;
}

void hitters_prefetch_client(const struct hitters *h, unsigned worker, const struct addr *client)
{
	for (unsigned i = 0; i < h->n; i++) {
		const struct hitters_set *s = h->set[i];
		struct hitter_key k = key_of(s, client);
		uint64_t hash = hitter_hash(&k);

		if (worker >= s->n_workers)
			continue;
		__builtin_prefetch(&s->tables[worker].ways[hash_line(hash, s->lines)], 1);
		__builtin_prefetch(&s->tables[worker].door[hash & (s->doors - 1)], 1);
	}
}

void hitters_prefetch_counts(const struct hitters *h, unsigned worker, const struct addr *client)
{
	for (unsigned i = 0; i < h->n; i++) {
		const struct hitters_set *s = h->set[i];
		struct hitter_key k = key_of(s, client);
		uint64_t hash = hitter_hash(&k);
		size_t line = hash_line(hash, s->lines);
		unsigned m;

		if (worker >= s->n_workers)
			continue;
		m = ways_with(&s->tables[worker].ways[line], hash_tag(hash));
		if (m != 0)
			__builtin_prefetch(table_slot(s, &s->tables[worker],
						      line * WAYS + (unsigned)__builtin_ctz(m)),
					   1);
	}
}

static inline void count_one_query(const struct hitters_set *s, struct hitter_slot *slot, int qtype)
{
	count(slot, s->all_queries, 1);
	for (unsigned j = 0; j < s->n_qtypes; j++)
		if (s->qtypes[j].qtype == qtype)
			count(slot, s->qtypes[j].at, 1);
}

void hitters_count_query(const struct hitters *h, unsigned worker, const struct addr *client,
			 uint16_t qtype, uint32_t now_s)
{
	for (unsigned i = 0; i < h->n; i++) {
		const struct hitters_set *s = h->set[i];
		struct hitter_key k = key_of(s, client);
		struct hitter_table *t;
		struct hitter_slot *slot;
		size_t at;

		if (!s->queries || worker >= s->n_workers || is_excluded(s, client))
			continue;
		t = &s->tables[worker];
		slot = find(s, t, &k, (uint16_t)(now_s / s->period_s), true, &at);
		if (slot == NULL)
			continue;
		count_one_query(s, slot, qtype);
		note_news(t, at);
	}
}

bool hitters_want_types(void)
{
	const struct hitters *h = rcu_get(hitters_live);
	bool wanted = false;

	for (unsigned i = 0; h != NULL && i < h->n; i++)
		wanted |= h->set[i]->n_qtypes > 0;
	return wanted;
}

/* It makes nobody warm, so that those who are blocked leave their slots to those who are not yet.
 */
void hitters_count_blocked(const struct hitters *h, unsigned worker, const struct addr *client,
			   int qtype)
{
	for (unsigned i = 0; i < h->n; i++) {
		const struct hitters_set *s = h->set[i];
		struct hitter_key k = key_of(s, client);
		struct hitter_table *t;
		struct hitter_slot *slot;
		size_t at;

		if (!s->queries || worker >= s->n_workers || is_excluded(s, client))
			continue;
		t = &s->tables[worker];
		slot = find(s, t, &k, 0, false, &at);
		if (slot == NULL)
			continue;
		count_one_query(s, slot, qtype);
		note_news(t, at);
	}
}

/* Where queries are counted they say who enters: a client would else be met twice by one query. */
void hitters_count_answer(const struct hitters *h, unsigned worker, const struct addr *client,
			  uint16_t rcode, uint32_t len, bool miss, uint32_t now_s)
{
	for (unsigned i = 0; i < h->n; i++) {
		const struct hitters_set *s = h->set[i];
		struct hitter_key k = key_of(s, client);
		struct hitter_table *t;
		struct hitter_slot *slot;
		size_t at;

		if (!s->answers || worker >= s->n_workers || is_excluded(s, client))
			continue;
		t = &s->tables[worker];
		slot = find(s, t, &k, (uint16_t)(now_s / s->period_s), !s->queries, &at);
		if (slot == NULL)
			continue;
		count(slot, s->all_answers, 1);
		if (s->octets >= 0)
			count(slot, s->octets, len);
		if (s->rcode[rcode & (RCODES - 1)] >= 0)
			count(slot, s->rcode[rcode & (RCODES - 1)], 1);
		for (unsigned j = 0; j < s->n_others; j++)
			if (!(s->others[j].codes >> (rcode & (RCODES - 1)) & 1))
				count(slot, s->others[j].at, 1);
		if (miss && s->misses >= 0)
			count(slot, s->misses, 1);
		note_news(t, at);
	}
}
