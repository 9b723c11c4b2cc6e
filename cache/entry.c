/* The layout of an entry: putting one together and reading it back. */
#include "cache/match.h"
#include "core/hash.h"

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
