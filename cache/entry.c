/* The layout of an entry: putting one together, comparing it with a key, and reading it back. */
#include "cache/internal.h"
#include "core/hash.h"

static uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return v;
}

/* The octets of a word from the n-th in memory on, and before it. */
static uint64_t mask_from(unsigned n)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return ~0ull << 8 * n;
#else
	return ~0ull >> 8 * n;
#endif
}

static uint64_t mask_before(unsigned n)
{
	return ~mask_from(n);
}

/*
 * Whether octets from … to of the entry are bytes. Whole words in the entry's alignment, the ends
 * masked, so up to 7 octets on either side of bytes are read: the key has them, see cache_key.
 */
static bool octets_equal(const _Atomic uint64_t *w, uint32_t from, uint32_t to,
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

static uint64_t key_info_bits(const struct cache_key *key)
{
	return (uint64_t)key->bytes[key->len - 1] << INFO_HOW_SHIFT;
}

static uint32_t key_question_len(const struct cache_key *key)
{
	return key->name_len + 4u;
}

static uint32_t key_tail_len(const struct cache_key *key)
{
	return key->len - CACHE_KEY_NAME - key_question_len(key) - 1;
}

bool entry_is(const _Atomic uint64_t *w, uint64_t info, const struct cache_key *key)
{
	uint64_t want = (uint64_t)key_tail_len(key) << 16 | (uint64_t)key->name_len << 48 |
			key_info_bits(key);
	const uint64_t fields = 0xffffull << 16 | 0xffull << 48 | INFO_HOW;
	uint32_t question_at = ENTRY_ANSWER + DNS_HEADER_LEN, question_len = key_question_len(key);
	uint32_t tail_at = ENTRY_ANSWER + info_answer_len(info);

	if ((info & fields) != want)
		return false;
	return octets_equal(w, ENTRY_HEAD, ENTRY_HEAD + CACHE_KEY_NAME, key->bytes) &&
	       octets_equal(w, question_at, question_at + question_len,
			    key->bytes + CACHE_KEY_NAME) &&
	       octets_equal(w, tail_at, tail_at + key_tail_len(key),
			    key->bytes + CACHE_KEY_NAME + question_len);
}

uint32_t entry_build(const struct entry_parts *p, uint64_t *out)
{
	const struct cache_key *key = p->key;
	uint32_t tail_len = key_tail_len(key), question_len = key_question_len(key);
	uint64_t info = p->len | (uint64_t)tail_len << 16 | (uint64_t)p->n_ttls << 32 |
			(uint64_t)key->name_len << 48 | key_info_bits(key) |
			(key->dnssec_ok ? INFO_DO : 0);
	uint32_t words = info_words(info);
	uint8_t *octets = (uint8_t *)out;

	out[0] = p->added_s | (uint64_t)p->expires_s << 32;
	out[1] = info;
	out[words - 1] = 0;
	memcpy(octets + ENTRY_ANSWER, p->answer, p->len);
	memcpy(octets + ENTRY_HEAD, key->bytes, CACHE_KEY_NAME);
	memcpy(octets + ENTRY_ANSWER + DNS_HEADER_LEN, key->bytes + CACHE_KEY_NAME, key->name_len);
	memcpy(octets + ENTRY_ANSWER + p->len, key->bytes + CACHE_KEY_NAME + question_len,
	       tail_len);
	memcpy(octets + info_ttl_octet(info), p->ttl_at, 2 * p->n_ttls);
	return words;
}

void entry_octets(const _Atomic uint64_t *w, uint32_t from, uint8_t *out, uint32_t len)
{
	for (uint32_t i = from; i < from + len;) {
		uint64_t word = load_relaxed(&w[i / 8]);
		uint32_t skip = i % 8, n = 8 - skip;

		if (n > from + len - i)
			n = from + len - i;
		memcpy(out, (const uint8_t *)&word + skip, n);
		out += n;
		i += n;
	}
}

void entry_key(const _Atomic uint64_t *w, struct cache_key *key)
{
	uint64_t info = load_relaxed(&w[1]);
	uint32_t tail_len = info_tail_len(info);
	uint8_t *p = key->bytes;

	key->name_len = (uint8_t)info_name_len(info);
	key->dnssec_ok = (info & INFO_DO) != 0;
	key->len = (uint16_t)(CACHE_KEY_NAME + key_question_len(key) + tail_len + 1);
	entry_octets(w, ENTRY_HEAD, p, CACHE_KEY_NAME);
	p += CACHE_KEY_NAME;
	entry_octets(w, ENTRY_ANSWER + DNS_HEADER_LEN, p, key_question_len(key));
	p += key_question_len(key);
	entry_octets(w, ENTRY_ANSWER + info_answer_len(info), p, tail_len);
	p[tail_len] = (uint8_t)((info & INFO_HOW) >> INFO_HOW_SHIFT);
	key->hash = hash_bytes(key->bytes, key->len);
}
