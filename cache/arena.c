/*
 * Where entries live: two-level segregated fit over chunks of one mapping. Blocks are multiples of
 * 8 octets and carry no header of their own: an entry's length says how long its block is, and two
 * bits of it belong to us. Slab pages of one size would be simpler, but memory that was once given
 * to a size stays with it when the mix of answers changes; here neighbours merge, and any size can
 * come out of it again.
 *
 * A free block: word 0 the places of the next and the previous one in its list, word 1 INFO_FREE
 * and its words, last word its words again for the block behind. All atomics, because a reader who
 * lost a race may still be looking at what was an entry.
 */
#include "cache/internal.h"

#define BLOCK_MIN 3u /* words a free block needs for the above */
#define SENTINEL  2u /* words at the end of a chunk that look like a block in use */

/* Rounded down: blocks in the list have at least the size of the list. */
static unsigned bin_of(uint32_t words)
{
	if (words < BIN_EXACT)
		return words;

	unsigned exponent = 31 - (unsigned)__builtin_clz(words);

	return BIN_EXACT + (exponent - 7) * 8 + (words >> (exponent - 3) & 7);
}
static_assert(CHUNK_WORDS == 1u << 15, "the last list is for the doubling from 2^14 words");

static void list_put(struct cache *c, struct shard *sh, uint32_t at, uint32_t words)
{
	unsigned bin = bin_of(words);
	uint32_t next = sh->bin[bin];

	store_relaxed(&c->words[at], (uint64_t)next);
	store_relaxed(&c->words[at + 1], INFO_FREE | words);
	store_relaxed(&c->words[at + words - 1], (uint64_t)words);
	if (next != 0) {
		uint64_t links = load_relaxed(&c->words[next]);

		store_relaxed(&c->words[next], (links & UINT32_MAX) | (uint64_t)at << 32);
	}
	sh->bin[bin] = at;
	sh->bin_map[bin / 64] |= 1ull << bin % 64;
}

static void list_take(struct cache *c, struct shard *sh, uint32_t at, uint32_t words)
{
	uint64_t links = load_relaxed(&c->words[at]);
	uint32_t next = (uint32_t)links, prev = (uint32_t)(links >> 32);
	unsigned bin = bin_of(words);

	if (next != 0) {
		uint64_t theirs = load_relaxed(&c->words[next]);

		store_relaxed(&c->words[next], (theirs & UINT32_MAX) | (uint64_t)prev << 32);
	}
	if (prev != 0) {
		uint64_t theirs = load_relaxed(&c->words[prev]);

		store_relaxed(&c->words[prev], (theirs & ~(uint64_t)UINT32_MAX) | next);
		return;
	}
	sh->bin[bin] = next;
	if (next == 0)
		sh->bin_map[bin / 64] &= ~(1ull << bin % 64);
}

uint32_t arena_free_words(const struct cache *c, uint32_t at)
{
	return (uint32_t)load_relaxed(&c->words[at + 1]);
}

static void set_prev_free(struct cache *c, uint32_t at, bool is_free)
{
	uint64_t info = load_relaxed(&c->words[at + 1]);

	store_relaxed(&c->words[at + 1], is_free ? info | INFO_PREV_FREE : info & ~INFO_PREV_FREE);
}

/* The first list from this one on that is not empty, or BINS. */
static unsigned bin_from(const struct shard *sh, unsigned bin)
{
	for (unsigned i = bin / 64; i < BINS / 64; i++) {
		uint64_t map = sh->bin_map[i];

		if (i == bin / 64)
			map &= ~0ull << bin % 64;
		if (map != 0)
			return i * 64 + (unsigned)__builtin_ctzll(map);
	}
	return BINS;
}

/* A free block of at least so many words, still in its list; 0: none. */
static uint32_t find_fit(const struct cache *c, const struct shard *sh, uint32_t words)
{
	unsigned bin = bin_of(words);

	/* A list of several sizes: its head may do; if not, every block of the next list does. */
	if (bin >= BIN_EXACT) {
		uint32_t head = sh->bin[bin];

		if (head != 0 && arena_free_words(c, head) >= words)
			return head;
		if (++bin == BINS)
			return 0;
	}
	bin = bin_from(sh, bin);
	return bin == BINS ? 0 : sh->bin[bin];
}

/* One more chunk for the shard, as one free block. */
static bool add_chunk(struct cache *c, struct shard *sh)
{
	if (sh->chunks == c->chunks_each)
		return false;
	sh->chunks++;

	/* chunks_each × shards is what was mapped, so this can't run past the end */
	uint32_t i = atomic_fetch_add_explicit(&c->chunks_used, 1, memory_order_relaxed);
	uint32_t at = ARENA_FIRST + i * CHUNK_WORDS;

	assert(i < c->chunks_total);
	store_relaxed(&c->words[at + CHUNK_WORDS - SENTINEL + 1], INFO_PREV_FREE);
	list_put(c, sh, at, CHUNK_WORDS - SENTINEL);
	return true;
}

uint32_t arena_alloc(struct cache *c, struct shard *sh, uint32_t words)
{
	uint32_t at = find_fit(c, sh, words);

	if (at == 0) {
		if (words > CHUNK_WORDS - SENTINEL || !add_chunk(c, sh))
			return 0;
		at = find_fit(c, sh, words);
	}

	uint32_t have = arena_free_words(c, at), rest = have - words;

	list_take(c, sh, at, have);
	if (rest >= BLOCK_MIN) {
		list_put(c, sh, at + words, rest);
		rest = 0;
	} else {
		set_prev_free(c, at + have, false);
	}
	/* two free blocks never touch, so what lies before this one is in use */
	store_relaxed(&c->words[at + 1], (uint64_t)rest << INFO_SLACK_SHIFT);
	return at;
}

uint32_t arena_free(struct cache *c, struct shard *sh, uint32_t at)
{
	uint64_t info = load_relaxed(&c->words[at + 1]);
	uint32_t words = info_words(info) + (uint32_t)((info & INFO_SLACK) >> INFO_SLACK_SHIFT);
	uint64_t behind = load_relaxed(&c->words[at + words + 1]);

	if (behind & INFO_FREE) {
		list_take(c, sh, at + words, (uint32_t)behind);
		words += (uint32_t)behind;
	}
	if (info & INFO_PREV_FREE) {
		uint32_t before = (uint32_t)load_relaxed(&c->words[at - 1]);

		at -= before;
		list_take(c, sh, at, before);
		words += before;
	}
	list_put(c, sh, at, words);
	set_prev_free(c, at + words, true);
	return at;
}

uint32_t arena_neighbour(const struct cache *c, uint32_t at)
{
	uint32_t next = at + arena_free_words(c, at);

	/* no answer is shorter than its header: a length of 0 is the sentinel's */
	return info_answer_len(load_relaxed(&c->words[next + 1])) == 0 ? 0 : next;
}
