/*
 * What a look-up does for every query: finding tags in a bucket and comparing an entry with a key.
 * In a header because calls in between cost a third of it.
 */
#ifndef CACHE_MATCH_H
#define CACHE_MATCH_H

#include "cache/internal.h"

#define LANES 0x0001000100010001ull

/* Bit 15 of each 16-bit lane that equals tag; exact, so that no borrow runs into the next lane. */
static inline uint64_t lanes_equal(uint64_t tags, uint16_t tag)
{
	const uint64_t low = 0x7fff * LANES;
	uint64_t x = tags ^ tag * LANES;

	return ~(((x & low) + low) | x | low);
}

/* From bits 15, 31, 47, 63 to bits 0-3. */
static inline unsigned lanes_mask(uint64_t hits)
{
	return (unsigned)((hits >> 15) * 0x0001000200040008ull >> 48) & 15;
}

/* Bit s set: slot s has this tag (and may be empty). Any thread. */
static inline unsigned slots_with_tag(const struct bucket *b, uint16_t tag)
{
	uint64_t low = lanes_equal(load_relaxed(&b->tags[0]), tag);
	uint64_t high = lanes_equal(load_relaxed(&b->tags[1]), tag);
	unsigned last = (uint16_t)load_relaxed(&b->last) == tag;

	return lanes_mask(low) | lanes_mask(high) << 4 | last << 8;
}

static inline uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return v;
}

/* The octets of a word from the n-th in memory on, and before it. */
static inline uint64_t mask_from(unsigned n)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return ~0ull << 8 * n;
#else
	return ~0ull >> 8 * n;
#endif
}

static inline uint64_t mask_before(unsigned n)
{
	return ~mask_from(n);
}

/*
 * Whether octets from … to of the entry are bytes. Whole words in the entry's alignment, the ends
 * masked, so up to 7 octets on either side of bytes are read: the key has them, see cache_key.
 */
static inline bool octets_equal(const _Atomic uint64_t *w, uint32_t from, uint32_t to,
				const uint8_t *bytes)
{
	const uint8_t *p = bytes - from % 8;
	uint32_t i = from / 8, last = to / 8;
	uint64_t mask = mask_from(from % 8), diff = 0;

	for (; i < last; i++, p += 8) {
		diff |= (load_relaxed(&w[i]) ^ load64(p)) & mask;
		mask = ~0ull;
	}
	if (to % 8 != 0)
		diff |= (load_relaxed(&w[i]) ^ load64(p)) & mask & mask_before(to % 8);
	return diff == 0;
}

static inline uint64_t key_info_bits(const struct cache_key *key)
{
	return (uint64_t)key->bytes[key->len - 1] << INFO_HOW_SHIFT;
}

static inline uint32_t key_question_len(const struct cache_key *key)
{
	return key->name_len + 4u;
}

static inline uint32_t key_tail_len(const struct cache_key *key)
{
	return key->len - CACHE_KEY_NAME - key_question_len(key) - 1;
}

/* The first ten octets of the key: word 2 and the beginning of word 3. */
static inline bool head_equal(const _Atomic uint64_t *w, const struct cache_key *key)
{
	return ((load_relaxed(&w[2]) ^ load64(key->bytes)) |
		((load_relaxed(&w[3]) ^ load64(key->bytes + 8)) &
		 mask_before(CACHE_KEY_NAME - 8))) == 0;
}

/* Whether the entry at w, whose word 1 is info, is the one of this key. Any thread; says nonsense
 * of a torn one. */
static inline bool entry_is(const _Atomic uint64_t *w, uint64_t info, const struct cache_key *key)
{
	uint32_t tail_len = key_tail_len(key);
	uint64_t want =
		(uint64_t)tail_len << 16 | (uint64_t)key->name_len << 48 | key_info_bits(key);
	const uint64_t fields = 0xffffull << 16 | 0xffull << 48 | INFO_HOW;
	uint32_t question_at = ENTRY_ANSWER + DNS_HEADER_LEN, question_len = key_question_len(key);
	uint32_t tail_at = ENTRY_ANSWER + info_answer_len(info);

	if ((info & fields) != want)
		return false;
	return head_equal(w, key) &&
	       octets_equal(w, question_at, question_at + question_len,
			    key->bytes + CACHE_KEY_NAME) &&
	       (tail_len == 0 || octets_equal(w, tail_at, tail_at + tail_len,
					      key->bytes + CACHE_KEY_NAME + question_len));
}

#endif
