/*
 * The path of a hit: one line of the table, the lines of the entry, nothing written but a bit that
 * says the entry was read, and that only when it is not yet set.
 */
#include "cache/match.h"

/*
 * How often a bucket may change under a look-up: a change takes some ten nanoseconds, so that even
 * the second try rarely fails; a writer that was put to sleep in the middle would hold us up for a
 * time slice.
 */
#define TRIES 4

/* Addresses of one answer that shuffling moves; more stay where they are. */
#define ROTATED_MAX 64

void cache_prefetch(const struct cache *c, uint64_t hash)
{
	__builtin_prefetch(&c->buckets[bucket_index(c, hash)]);
}

void cache_prefetch_entry(const struct cache *c, uint64_t hash)
{
	const struct bucket *b = &c->buckets[bucket_index(c, hash)];
	unsigned slots = slots_with_tag(b, hash_tag(hash));

	if (slots == 0)
		return;

	const char *entry = (const char *)&c->words[load_relaxed(&b->at[__builtin_ctz(slots)])];

	__builtin_prefetch(entry);
	__builtin_prefetch(entry + CACHE_LINE);
}

/* What one reading of a bucket found; to be believed only if the bucket did not change meanwhile.
 */
struct reading {
	enum cache_result result;
	size_t len;
	unsigned slot;
	bool collision; /* another key with our tag */
};

/* Copies octets of the entry from a word on; writes at most 7 octets more than len, never beyond
 * cap. */
static void copy_words(const _Atomic uint64_t *w, uint8_t *out, size_t len, size_t cap)
{
	size_t whole = cap - len >= 7 ? (len + 7) / 8 : len / 8, i;

	for (i = 0; i < whole; i++) {
		uint64_t word = load_relaxed(&w[i]);

		memcpy(out + 8 * i, &word, 8);
	}
	if (8 * i < len) {
		uint64_t word = load_relaxed(&w[i]);

		memcpy(out + 8 * i, &word, len - 8 * i);
	}
}

static uint16_t read_u16(const _Atomic uint64_t *w, uint32_t octet)
{
	uint64_t word = load_relaxed(&w[octet / 8]);
	uint16_t v;

	memcpy(&v, (const uint8_t *)&word + octet % 8, 2);
	return v;
}

/* How TTLs change on the way out. */
struct ageing {
	uint32_t minus_s;
	bool is_fixed; /* all become fixed_s */
	uint32_t fixed_s;
};

static inline uint32_t aged(const struct ageing *a, uint32_t ttl_s)
{
	if (a->is_fixed)
		return a->fixed_s;
	return ttl_s > a->minus_s ? ttl_s - a->minus_s : 0;
}

/* Offsets are checked, because those of a torn entry point anywhere. */
static void age(const _Atomic uint64_t *w, uint64_t info, const struct ageing *a, uint8_t *out)
{
	uint32_t at = info_ttl_octet(info), n = info_ttls(info), len = info_answer_len(info);

	for (uint32_t i = 0; i < n; i++) {
		uint32_t offset = read_u16(w, at + 2 * i);

		if (unlikely(offset + 4 > len))
			return;
		put_u32(out + offset, aged(a, get_u32(out + offset)));
	}
}

static void rotate(const _Atomic uint64_t *w, uint64_t info, struct cache_worker *worker,
		   uint8_t *out)
{
	uint16_t ttl_at[ROTATED_MAX];
	uint32_t n = info_ttls(info);

	if (n > msg_ancount(out))
		n = msg_ancount(out);
	if (n > ROTATED_MAX)
		n = ROTATED_MAX;
	for (uint32_t i = 0; i < n; i++)
		ttl_at[i] = read_u16(w, info_ttl_octet(info) + 2 * i);
	answer_rotate(out, info_answer_len(info), DNS_HEADER_LEN + info_name_len(info) + 4, ttl_at,
		      n, worker->turn++);
}

/* Makes the copy the answer to this client's query. */
static void address(uint8_t *out, const struct cache_key *key, const struct cache_ask *ask)
{
	const uint16_t clients = DNS_RD | DNS_CD;

	msg_set_id(out, ask->id);
	msg_set_flags(out, (uint16_t)((msg_flags(out) & ~clients) | (ask->flags & clients)));
	if (ask->name != NULL)
		memcpy(out + DNS_HEADER_LEN, ask->name, key->name_len);
}

/* The entry of our key: fresh, stale or of no use, and the copy of it. */
static void read_entry(const struct cache *c, struct cache_worker *worker,
		       const _Atomic uint64_t *w, uint64_t info, const struct cache_ask *ask,
		       uint8_t *out, size_t cap, struct reading *r)
{
	uint64_t times = load_relaxed(&w[0]);
	int32_t left_s = (int32_t)(entry_expires_s(times) - ask->now_s);
	int32_t age_s = (int32_t)(ask->now_s - entry_added_s(times));
	/* whoever kept it may have read the clock later than we did for our batch */
	struct ageing a = {.minus_s = age_s > 0 ? (uint32_t)age_s : 0};
	uint32_t len = info_answer_len(info);

	if (len > cap || len < DNS_HEADER_LEN + info_name_len(info) + 4)
		return;
	if (left_s <= 0) {
		if ((int64_t)left_s + ask->stale_s <= 0)
			return;
		a = (struct ageing){.is_fixed = true, .fixed_s = c->options.stale_ttl_s};
	}
	copy_words(w + ENTRY_ANSWER / 8, out, len, cap);
	if (a.is_fixed || (a.minus_s != 0 && !c->options.dont_age))
		age(w, info, &a, out);
	if (unlikely(c->options.shuffle))
		rotate(w, info, worker, out);
	r->result = left_s > 0 ? CACHE_HIT : CACHE_STALE;
	r->len = len;
}

static void read_bucket(const struct cache *c, struct cache_worker *worker, const struct bucket *b,
			const struct cache_key *key, const struct cache_ask *ask, uint8_t *out,
			size_t cap, struct reading *r)
{
	*r = (struct reading){.result = CACHE_MISS};
	for (unsigned slots = slots_with_tag(b, hash_tag(key->hash)); slots != 0;
	     slots &= slots - 1) {
		unsigned slot = (unsigned)__builtin_ctz(slots);
		uint32_t at = load_relaxed(&b->at[slot]);
		const _Atomic uint64_t *w = &c->words[at];

		if (at == 0)
			continue;

		uint64_t info = load_relaxed(&w[1]);

		if (unlikely(!entry_is(w, info, key))) {
			r->collision = true;
			continue;
		}
		r->slot = slot;
		read_entry(c, worker, w, info, ask, out, cap, r);
		return;
	}
}

static bool read_whole(const struct cache *c, struct cache_worker *worker, const struct bucket *b,
		       const struct cache_key *key, const struct cache_ask *ask, uint8_t *out,
		       size_t cap, struct reading *r)
{
	for (unsigned i = 0; i < TRIES; i++) {
		uint32_t seq = atomic_load_explicit(&b->seq, memory_order_acquire);

		if (unlikely(seq & 1)) {
			cpu_relax();
			continue;
		}
		read_bucket(c, worker, b, key, ask, out, cap, r);
		fence_acquire();
		if (likely(load_relaxed(&b->seq) == seq))
			return true;
	}
	return false;
}

enum cache_result cache_lookup(struct cache *c, unsigned worker, const struct cache_key *key,
			       const struct cache_ask *ask, uint8_t *out, size_t cap, size_t *len)
{
	struct cache_worker *w = worker_block(c, worker);
	struct bucket *b = &c->buckets[bucket_index(c, key->hash)];
	struct reading r = {.result = CACHE_MISS};

	if (key->len != 0 && !read_whole(c, w, b, key, ask, out, cap, &r)) {
		counter_inc(&w->deferred_lookups);
		return CACHE_MISS;
	}
	if (unlikely(r.collision))
		counter_inc(&w->lookup_collisions);
	if (r.result == CACHE_MISS) {
		if (ask->count)
			counter_inc(&w->misses);
		return CACHE_MISS;
	}
	address(out, key, ask);
	*len = r.len;
	counter_inc(&w->hits);
	if (unlikely(!slot_was_read(b, r.slot)))
		atomic_fetch_or_explicit(&b->meta, meta_ref(r.slot), memory_order_relaxed);
	return r.result;
}
