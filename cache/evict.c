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
#define SWEEP_BUCKETS 64

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

/* What happens to an entry that the hand passes; true: it goes. */
static bool hand_passes(struct shard *sh, struct bucket *b, unsigned slot)
{
	bool is_read = slot_was_read(b, slot);
	bool protected_full = sh->n_protected >= sh->protected_cap;

	switch (slot_level(b, slot)) {
	case LEVEL_OLD:
		if (!is_read)
			return true;
		slot_set_level(sh, b, slot, protected_full ? LEVEL_NEW : LEVEL_PROTECTED);
		return false;
	case LEVEL_NEW:
		if (!is_read)
			slot_set_level(sh, b, slot, LEVEL_OLD);
		else
			slot_set_level(sh, b, slot, protected_full ? LEVEL_NEW : LEVEL_PROTECTED);
		return false;
	case LEVEL_PROTECTED:
		/* while there is room its bit stays set: not cleared, no reader has to set it again
		 */
		if (protected_full)
			slot_set_level(sh, b, slot, is_read ? LEVEL_PROTECTED : LEVEL_NEW);
		return false;
	case LEVEL_GHOST:
		break;
	}
	assert(!"the hand passes entries only");
	return false;
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

/* Moves the hand to the end of its bucket or to a victim; true when something was removed. */
static bool sweep_bucket(struct cache *c, struct shard *sh, struct cache_worker *w, uint32_t now_s,
			 struct candidate *best)
{
	struct bucket *b = &c->buckets[sh->first_bucket + sh->hand_bucket];

	if (sh->hand_slot == 0 && bucket_is_due(b, now_s) &&
	    bucket_expire(c, sh, b, now_s, SIZE_MAX) > 0)
		return true;
	do {
		unsigned slot = sh->hand_slot;

		hand_next(sh);
		if (load_relaxed(&b->at[slot]) == 0)
			continue;
		candidate_see(best, b, slot);
		if (hand_passes(sh, b, slot)) {
			evict_slot(c, sh, b, slot, w);
			return true;
		}
	} while (sh->hand_slot != 0);
	return false;
}

bool evict_one(struct cache *c, struct shard *sh, struct cache_worker *w, uint32_t now_s)
{
	struct candidate best = {0};

	if (load_relaxed(&sh->n) == 0)
		return false;
	for (uint32_t i = 0; i < SWEEP_BUCKETS || best.bucket == NULL; i++) {
		if (sweep_bucket(c, sh, w, now_s, &best))
			return true;
	}
	evict_slot(c, sh, best.bucket, best.slot, w);
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
