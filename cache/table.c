/* Buckets: changing slots under the sequence number, and the hint of what has
 * expired. */
#include "cache/match.h"

unsigned slots_empty(const struct bucket *b)
{
	unsigned mask = 0;

	for (unsigned s = 0; s < BUCKET_WAYS; s++)
		mask |= (unsigned)(load_relaxed(&b->at[s]) == 0) << s;
	return mask;
}

unsigned slot_of_ghost(const struct bucket *b, uint16_t tag)
{
	for (unsigned slots = slots_with_tag(b, tag) & slots_empty(b); slots != 0;
	     slots &= slots - 1) {
		unsigned slot = (unsigned)__builtin_ctz(slots);

		if (slot_level(b, slot) == LEVEL_GHOST)
			return slot;
	}
	return BUCKET_WAYS;
}

unsigned slot_empty(const struct bucket *b)
{
	unsigned empty = slots_empty(b), found = BUCKET_WAYS;
	/* the sequence moves with each change, so no ghost stays for ever because of its place */
	unsigned start = load_relaxed(&b->seq) / 2 % BUCKET_WAYS;

	for (unsigned i = 0; i < BUCKET_WAYS; i++) {
		unsigned slot = (start + i) % BUCKET_WAYS;

		if (!(empty & 1u << slot))
			continue;
		if (slot_level(b, slot) != LEVEL_GHOST)
			return slot;
		if (found == BUCKET_WAYS)
			found = slot;
	}
	return found;
}

/*
 * The writer's side of the sequence number (after Boehm, "Can seqlocks get along with programming
 * language memory models?"): odd before anything changes, even when all has; who reads a word that
 * was changed after change_begin also reads the number that it left.
 */
static uint32_t change_begin(struct bucket *b)
{
	uint32_t seq = load_relaxed(&b->seq);

	store_relaxed(&b->seq, seq + 1);
	fence_release();
	return seq + 2;
}

static void change_end(struct bucket *b, uint32_t seq)
{
	atomic_store_explicit(&b->seq, seq, memory_order_release);
}

static void set_tag(struct bucket *b, unsigned slot, uint16_t tag)
{
	if (slot == BUCKET_WAYS - 1) {
		store_relaxed(&b->last, (load_relaxed(&b->last) & 0xffff0000u) | tag);
		return;
	}

	_Atomic uint64_t *word = &b->tags[slot / 4];
	unsigned shift = slot % 4 * 16;

	store_relaxed(word, (load_relaxed(word) & ~(0xffffull << shift)) | (uint64_t)tag << shift);
}

/*
 * The hint: 16 seconds a unit, so that 16 bits with a sign reach six days. Entries that live longer
 * are put down as due then, which costs one look at them. A bucket that is due and that nobody
 * looks at for six days more seems not to be due for a while: an expired entry then waits for the
 * hand, or for a purge, which looks everywhere.
 */
#define DUE_SHIFT 4
#define DUE_MAX_S (30000 << DUE_SHIFT)

static void set_due(struct bucket *b, uint32_t due_s)
{
	uint32_t last = load_relaxed(&b->last);

	store_relaxed(&b->last, (last & 0xffff) | due_s >> DUE_SHIFT << 16);
}

bool bucket_is_due(const struct bucket *b, uint32_t now_s)
{
	uint16_t due = (uint16_t)(load_relaxed(&b->last) >> 16);

	return (int16_t)((uint16_t)(now_s >> DUE_SHIFT) - due) >= 0;
}

static void due_by(struct bucket *b, uint32_t now_s, uint32_t expires_s, bool first)
{
	int32_t in_s = (int32_t)(expires_s - now_s); /* negative: is due already */
	uint32_t due_s = in_s < DUE_MAX_S ? expires_s : now_s + DUE_MAX_S;
	uint16_t due = (uint16_t)(due_s >> DUE_SHIFT),
		 have = (uint16_t)(load_relaxed(&b->last) >> 16);

	if (first || (int16_t)(uint16_t)(due - have) < 0)
		set_due(b, due_s);
}

enum level slot_level(const struct bucket *b, unsigned slot)
{
	return load_relaxed(&b->meta) >> meta_level_shift(slot) & 3;
}

void slot_set_level(struct shard *sh, struct bucket *b, unsigned slot, enum level level)
{
	unsigned shift = meta_level_shift(slot);

	if (slot_level(b, slot) == LEVEL_PROTECTED)
		sh->n_protected--;
	if (level == LEVEL_PROTECTED)
		sh->n_protected++;
	/*
	 * Readers set their bits meanwhile, so no plain store; but the levels are ours alone, and
	 * nobody else clears a bit that is set, so one exclusive-or does it all.
	 */
	uint32_t meta = load_relaxed(&b->meta);
	uint32_t change = ((meta >> shift & 3) ^ level) << shift | (meta & meta_ref(slot));

	if (change != 0)
		atomic_fetch_xor_explicit(&b->meta, change, memory_order_relaxed);
}

void slot_fill(struct cache *c, struct shard *sh, struct bucket *b, unsigned slot, uint16_t tag,
	       uint32_t at, enum level level)
{
	uint64_t times = load_relaxed(&c->words[at]);
	bool first = slots_empty(b) == (1u << BUCKET_WAYS) - 1;
	uint32_t seq = change_begin(b);

	set_tag(b, slot, tag);
	store_relaxed(&b->at[slot], at);
	due_by(b, entry_added_s(times), entry_expires_s(times), first);
	change_end(b, seq);
	slot_set_level(sh, b, slot, level);
	store_relaxed(&sh->n, load_relaxed(&sh->n) + 1);
}

void slot_clear(struct cache *c, struct shard *sh, struct bucket *b, unsigned slot, enum level as)
{
	uint32_t at = load_relaxed(&b->at[slot]);
	uint32_t seq = change_begin(b);

	store_relaxed(&b->at[slot], 0);
	change_end(b, seq);
	/* whatever is written to the entry's memory from here on comes after the number above */
	fence_release();
	slot_set_level(sh, b, slot, as);
	store_relaxed(&sh->n, load_relaxed(&sh->n) - 1);
	sh->freed_last = arena_free(c, sh, at);
}

/* Whose time was up although he was wanted; a name that nobody asked for twice is not worth a
 * ghost. */
static bool earned_return(const struct bucket *b, unsigned slot)
{
	return slot_was_read(b, slot) || slot_level(b, slot) == LEVEL_PROTECTED;
}

unsigned bucket_expire(struct cache *c, struct shard *sh, struct bucket *b, uint32_t now_s,
		       size_t max)
{
	unsigned removed = 0;
	bool first = true;

	for (unsigned s = 0; s < BUCKET_WAYS; s++) {
		uint32_t at = load_relaxed(&b->at[s]);

		if (at == 0)
			continue;

		uint32_t expires_s = entry_expires_s(load_relaxed(&c->words[at]));

		if ((int32_t)(now_s - expires_s) >= 0 && removed < max) {
			slot_clear(c, sh, b, s, earned_return(b, s) ? LEVEL_GHOST : LEVEL_OLD);
			removed++;
			continue;
		}
		due_by(b, now_s, expires_s, first);
		first = false;
	}
	return removed;
}
