/* Keeping an answer: whether, for how long, and the way into the table. */
#include "cache/match.h"

/*
 * A shard's lock is held for some hundred nanoseconds. So long it is worth to try again; after that
 * the answer is not kept (deferred), and the next one for that name will be.
 */
#define LOCK_TRIES 64

/* Ages are compared as signed differences. */
#define LIFETIME_MAX_S 0x3fffffffu

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* How long the answer may be kept; 0: not at all. RFC 2308 for negative answers and failures. */
static uint32_t lifetime_s(const struct cache_options *o, struct cache_worker *w,
			   const uint8_t *answer, const struct answer_info *info,
			   uint32_t temp_failure_ttl_s)
{
	unsigned flags = msg_flags(answer), rcode = flags & DNS_RCODE_MASK;
	bool negative =
		rcode == RCODE_NXDOMAIN || (rcode == RCODE_NOERROR && info->soa_in_authority);
	uint32_t ttl_s = info->min_ttl_s;

	if (rcode == RCODE_SERVFAIL || rcode == RCODE_REFUSED)
		return temp_failure_ttl_s == UINT32_MAX ? o->temp_failure_ttl_s
							: temp_failure_ttl_s;
	if (info->n_ttls == 0)
		return (flags & DNS_TC) && info->records == 0 ? o->truncated_ttl_s : 0;
	ttl_s = min_u32(ttl_s, negative ? o->max_negative_ttl_s : o->max_ttl_s);
	if (ttl_s < o->min_ttl_s || ttl_s == 0) {
		counter_inc(&w->ttl_too_shorts);
		return 0;
	}
	return ttl_s;
}

/* The question is stored once, so it must be the same; whatever else came is no answer to this
 * query. */
static bool answers_key(const struct cache_key *key, const uint8_t *answer,
			const struct question *q)
{
	const uint8_t *name = key->bytes + CACHE_KEY_NAME, *type = name + key->name_len;

	return q->name_len == key->name_len && q->qtype == get_u16(type) &&
	       q->qclass == get_u16(type + 2) &&
	       name_equal(answer + DNS_HEADER_LEN, name, key->name_len);
}

static bool lock_shard(const struct cache *c, struct shard *sh)
{
	for (unsigned i = 0; i < LOCK_TRIES; i++) {
		if (likely(pthread_mutex_trylock(&sh->lock) == 0))
			return true;
		cpu_relax();
	}
	if (c->options.deferrable_insert_lock)
		return false;
	pthread_mutex_lock(&sh->lock);
	return true;
}

/* The slot with this key, or BUCKET_WAYS. */
static unsigned find_slot(const struct cache *c, struct cache_worker *w, const struct bucket *b,
			  const struct cache_key *key)
{
	for (unsigned slots = slots_with_tag(b, hash_tag(key->hash)); slots != 0;
	     slots &= slots - 1) {
		unsigned slot = (unsigned)__builtin_ctz(slots);
		uint32_t at = load_relaxed(&b->at[slot]);

		if (at == 0)
			continue;
		if (entry_is(&c->words[at], load_relaxed(&c->words[at + 1]), key))
			return slot;
		counter_inc(&w->insert_collisions);
	}
	return BUCKET_WAYS;
}

/* An answer that is there stays while it is valid at least as long. */
static bool is_kept(const struct cache *c, const struct bucket *b, unsigned slot, uint32_t now_s,
		    uint32_t expires_s)
{
	uint32_t have_s = entry_expires_s(load_relaxed(&c->words[load_relaxed(&b->at[slot])]));

	return (int32_t)(have_s - now_s) > 0 && (int32_t)(expires_s - have_s) <= 0;
}

/* Sees to it that the bucket has an empty slot and the shard no more entries than it may. */
static void make_slot(struct cache *c, struct shard *sh, struct bucket *b, struct cache_worker *w,
		      uint32_t now_s)
{
	if (slots_empty(b) == 0) {
		evict_in_bucket(c, sh, b, w, now_s);
		return;
	}
	while (load_relaxed(&sh->n) >= sh->cap)
		evict_one(c, sh, w, now_s);
}

static void copy_in(struct cache *c, uint32_t at, const uint64_t *entry, uint32_t words)
{
	_Atomic uint64_t *w = &c->words[at];
	uint64_t arena_bits = load_relaxed(&w[1]) & INFO_ARENA;

	store_relaxed(&w[0], entry[0]);
	store_relaxed(&w[1], entry[1] | arena_bits);
	for (uint32_t i = 2; i < words; i++)
		store_relaxed(&w[i], entry[i]);
}

/* Lock held. */
static void place(struct cache *c, struct shard *sh, struct cache_worker *w,
		  const struct cache_key *key, uint32_t words, uint32_t now_s)
{
	struct bucket *b = &c->buckets[bucket_index(c, key->hash)];
	unsigned slot = find_slot(c, w, b, key);
	enum level level = LEVEL_NEW;

	if (slot < BUCKET_WAYS) {
		if (is_kept(c, b, slot, now_s, entry_expires_s(w->scratch[0])))
			return;
		/* who was read before is known to be wanted */
		if (slot_was_read(b, slot) || slot_level(b, slot) == LEVEL_PROTECTED)
			level = LEVEL_PROTECTED;
		slot_clear(c, sh, b, slot, LEVEL_OLD);
	}

	make_slot(c, sh, b, w, now_s);

	uint32_t at = evict_for_room(c, sh, w, now_s, words);

	if (unlikely(at == 0))
		return;
	slot = slot_of_ghost(b, hash_tag(key->hash));
	if (slot < BUCKET_WAYS)
		level = LEVEL_PROTECTED;
	else
		slot = slot_empty(b);
	copy_in(c, at, w->scratch, words);
	slot_fill(c, sh, b, slot, hash_tag(key->hash), at, level);
	counter_inc(&w->inserts);
}

void cache_insert(struct cache *c, unsigned worker, const struct cache_key *key,
		  const uint8_t *answer, size_t len, uint32_t now_s, uint32_t temp_failure_ttl_s)
{
	struct cache_worker *w = worker_block(c, worker);
	struct shard *sh = shard_of(c, key->hash);
	uint16_t *ttl_at = (uint16_t *)(w->scratch + c->scratch_words);
	struct answer_info info;
	uint32_t ttl_s;

	if (key->len == 0 || len < DNS_HEADER_LEN || len > c->options.max_entry_octets)
		return;
	cache_prefetch(c, key->hash); /* there by the time the answer is read */
	if (msg_answer_info(answer, len, &info, ttl_at, c->max_ttls) < 0 ||
	    !answers_key(key, answer, &info.question))
		return;
	ttl_s = min_u32(lifetime_s(&c->options, w, answer, &info, temp_failure_ttl_s),
			LIFETIME_MAX_S);
	if (ttl_s == 0)
		return;

	uint32_t words = entry_build(&(struct entry_parts){key, answer, (uint32_t)len, ttl_at,
							   info.n_ttls, now_s, now_s + ttl_s},
				     w->scratch);

	if (!lock_shard(c, sh)) {
		counter_inc(&w->deferred_inserts);
		return;
	}
	/*
	 * Another thread may have freed what we write over now: who reads our words must also see
	 * the sequence numbers that it left, and the lock orders those for us alone.
	 */
	fence_release();
	place(c, sh, w, key, words, now_s);
	pthread_mutex_unlock(&sh->lock);
}
