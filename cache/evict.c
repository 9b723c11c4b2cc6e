/*
 * Who goes when there is no room. Second chance with two segments: the hand moves over a shard's
 * slots; a new entry survives its first pass and goes at the second, unless it was read meanwhile.
 * That makes it protected, and protected entries are left alone while they are not more than their
 * share. So a flood of names that are asked once turns over the unprotected part and nothing else,
 * however long it lasts. Expired entries go first wherever the hand comes by.
 */
#include "cache/internal.h"

/*
 * Buckets looked at for one victim: in the worst mix (all read since the last pass) there is none
 * for a long way, and an insert should not take longer than some microseconds. Then the next best
 * goes.
 */
#define SWEEP_BUCKETS 32

/* In a flood every second to third bucket has a victim. */
#define BUCKETS_AHEAD 3

/* Victims picked by policy before room is made by force, and places where that is tried. */
#define ROOM_TRIES 16
#define ROOM_RUNS  4

/* Lower goes first. */
static unsigned slot_worth(const struct bucket *b, unsigned slot)
{
	unsigned level = slot_level(b, slot);

	if (slot_was_read(b, slot))
		return level == LEVEL_PROTECTED ? 4 : 3;
	return level;
}

/* What happens to an entry that the hand passes because it is no victim. */
static void hand_passes(struct shard *sh, struct bucket *b, unsigned slot)
{
	bool is_read = slot_was_read(b, slot);
	bool protected_full = sh->n_protected >= sh->protected_cap;

	if (slot_level(b, slot) != LEVEL_PROTECTED) {
		enum level wanted = protected_full ? LEVEL_NEW : LEVEL_PROTECTED;

		slot_set_level(sh, b, slot, is_read ? wanted : LEVEL_OLD);
	} else if (protected_full) {
		/* while there is room its bit stays set: not cleared, no reader has to set it again
		 */
		slot_set_level(sh, b, slot, is_read ? LEVEL_PROTECTED : LEVEL_NEW);
	}
}

static void hand_next(struct shard *sh)
{
	if (++sh->hand_slot < BUCKET_WAYS)
		return;
	sh->hand_slot = 0;
	if (++sh->hand_bucket == sh->n_buckets)
		sh->hand_bucket = 0;
}

static void evict_slot(struct cache *c, struct shard *sh, struct bucket *b, unsigned slot,
		       struct cache_worker *w)
{
	slot_clear(c, sh, b, slot, LEVEL_GHOST);
	counter_inc(&w->evictions);
}

/* The next best, should no slot be due to go. */
struct candidate {
	struct bucket *bucket;
	unsigned slot, worth;
};

static void candidate_see(struct candidate *best, struct bucket *b, unsigned slot)
{
	unsigned worth = slot_worth(b, slot);

	if (best->bucket == NULL || worth < best->worth)
		*best = (struct candidate){b, slot, worth};
}

static struct bucket *hand_bucket(const struct cache *c, const struct shard *sh)
{
	return &c->buckets[sh->first_bucket + sh->hand_bucket];
}

/* Whether the hand rests on an entry that is to go. */
static bool hand_on_victim(const struct cache *c, const struct shard *sh)
{
	const struct bucket *b = hand_bucket(c, sh);
	unsigned slot = sh->hand_slot;

	return load_relaxed(&b->at[slot]) != 0 && slot_level(b, slot) == LEVEL_OLD &&
	       !slot_was_read(b, slot);
}

/*
 * Moves the hand on until it rests on a victim; false when none is near. What has expired in the
 * buckets that it enters is removed on the way.
 */
static bool hand_seek(struct cache *c, struct shard *sh, uint32_t now_s, struct candidate *best)
{
	for (uint32_t entered = 0; entered <= SWEEP_BUCKETS || best->bucket == NULL;) {
		struct bucket *b = hand_bucket(c, sh);

		if (sh->hand_slot == 0) {
			if (bucket_is_due(b, now_s))
				bucket_expire(c, sh, b, now_s, SIZE_MAX);
			if (load_relaxed(&sh->n) == 0)
				return false;
			entered++;
		}
		if (load_relaxed(&b->at[sh->hand_slot]) != 0) {
			if (hand_on_victim(c, sh))
				return true;
			candidate_see(best, b, sh->hand_slot);
			hand_passes(sh, b, sh->hand_slot);
		}
		hand_next(sh);
	}
	return false;
}

/*
 * Finds the next victim now and starts loading what its removal will read, so that it is there by
 * the time of the shard's next insert: those lines are what an eviction costs.
 */
static void look_ahead(struct cache *c, struct shard *sh, uint32_t now_s)
{
	struct candidate unused = {0};

	if (!hand_seek(c, sh, now_s, &unused))
		return;

	const char *entry =
		(const char *)&c->words[load_relaxed(&hand_bucket(c, sh)->at[sh->hand_slot])];

	for (unsigned i = 1; i <= BUCKETS_AHEAD; i++)
		__builtin_prefetch(hand_bucket(c, sh) + i);
	__builtin_prefetch(entry);
	__builtin_prefetch(entry + CACHE_LINE);
	__builtin_prefetch(entry + 2 * CACHE_LINE);
}

bool evict_one(struct cache *c, struct shard *sh, struct cache_worker *w, uint32_t now_s)
{
	struct candidate best = {0};
	uint32_t n = load_relaxed(&sh->n);
	bool found = n != 0 && (hand_on_victim(c, sh) || hand_seek(c, sh, now_s, &best));

	if (load_relaxed(&sh->n) < n)
		return true; /* expired ones were in the way */
	if (n == 0)
		return false;
	if (!found) {
		evict_slot(c, sh, best.bucket, best.slot, w);
		return true;
	}
	evict_slot(c, sh, hand_bucket(c, sh), sh->hand_slot, w);
	hand_next(sh);
	look_ahead(c, sh, now_s);
	return true;
}

void evict_in_bucket(struct cache *c, struct shard *sh, struct bucket *b, struct cache_worker *w,
		     uint32_t now_s)
{
	struct candidate best = {0};

	if (bucket_is_due(b, now_s) && bucket_expire(c, sh, b, now_s, SIZE_MAX) > 0)
		return;
	for (unsigned s = 0; s < BUCKET_WAYS; s++)
		candidate_see(&best, b, s);
	evict_slot(c, sh, b, best.slot, w);
}

static void evict_at(struct cache *c, struct shard *sh, struct cache_worker *w, uint32_t at)
{
	struct cache_key key;
	struct bucket *b;

	entry_key(&c->words[at], &key);
	b = &c->buckets[bucket_index(c, key.hash)];
	for (unsigned s = 0; s < BUCKET_WAYS; s++) {
		if (load_relaxed(&b->at[s]) == at) {
			evict_slot(c, sh, b, s, w);
			return;
		}
	}
	assert(!"an entry is in the bucket of its key");
}

/*
 * Makes the block freed last so long by evicting the entries behind it. Among many short entries no
 * number of victims picked elsewhere makes room for a long one.
 */
static bool evict_run(struct cache *c, struct shard *sh, struct cache_worker *w, uint32_t words)
{
	uint32_t at = sh->freed_last;

	while (arena_free_words(c, at) < words) {
		uint32_t next = arena_neighbour(c, at);

		if (next == 0)
			return false;
		evict_at(c, sh, w, next);
	}
	return true;
}

uint32_t evict_for_room(struct cache *c, struct shard *sh, struct cache_worker *w, uint32_t now_s,
			uint32_t words)
{
	uint32_t at = arena_alloc(c, sh, words);

	for (unsigned i = 0; at == 0 && i < ROOM_TRIES; i++) {
		if (!evict_one(c, sh, w, now_s))
			return 0;
		at = arena_alloc(c, sh, words);
	}
	for (unsigned i = 0; at == 0 && i < ROOM_RUNS; i++) {
		if (evict_run(c, sh, w, words) || evict_one(c, sh, w, now_s))
			at = arena_alloc(c, sh, words);
	}
	return at;
}
