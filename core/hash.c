#include "core/hash.h"

#include <endian.h>
#include <sodium.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Written by hash_init only, before there are threads. */
static alignas(CACHE_LINE) uint8_t secret[XXH3_SECRET_DEFAULT_SIZE];
static uint64_t key[2];

void hash_init(uint64_t seed)
{
	uint8_t material[32];

	if (seed == 0) {
		randombytes_buf(material, sizeof(material));
		randombytes_buf(key, sizeof(key));
	} else {
		for (size_t i = 0; i < sizeof(material); i += sizeof(seed))
			memcpy(material + i, &seed, sizeof(seed));
		key[0] = seed;
		key[1] = ~seed;
	}
	XXH3_generateSecret(secret, sizeof(secret), material, sizeof(material));
	sodium_memzero(material, sizeof(material));
}

uint64_t hash_bytes(const void *data, size_t len)
{
	return XXH3_64bits_withSecret(data, len, secret, sizeof(secret));
}

static inline uint64_t rotl(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static inline void sip_round(uint64_t v[static 4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] = rotl(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] = rotl(v[2], 32);
}

static inline uint64_t load64(const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return le64toh(word);
}

/* SipHash-1-3 (Aumasson and Bernstein, 2012): one round a word, three at the end. Inline it takes
 * half of what libsodium's 2-4 does through a call. */
uint64_t hash_keyed(const void *data, size_t len)
{
	uint64_t v[4] = {
		key[0] ^ 0x736f6d6570736575,
		key[1] ^ 0x646f72616e646f6d,
		key[0] ^ 0x6c7967656e657261,
		key[1] ^ 0x7465646279746573,
	};
	const uint8_t *p = data;
	uint8_t tail[8] = {0};
	uint64_t word;
	size_t left = len;

	for (; left >= 8; left -= 8, p += 8) {
		word = load64(p);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	if (left != 0)
		memcpy(tail, p, left);
	tail[7] = (uint8_t)len;
	word = load64(tail);
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static inline uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

struct jenkins {
	uint32_t a, b, c;
};

static inline void jenkins_mix(struct jenkins *s)
{
	s->a = (s->a - s->b - s->c) ^ s->c >> 13;
	s->b = (s->b - s->c - s->a) ^ s->a << 8;
	s->c = (s->c - s->a - s->b) ^ s->b >> 13;
	s->a = (s->a - s->b - s->c) ^ s->c >> 12;
	s->b = (s->b - s->c - s->a) ^ s->a << 16;
	s->c = (s->c - s->a - s->b) ^ s->b >> 5;
	s->a = (s->a - s->b - s->c) ^ s->c >> 3;
	s->b = (s->b - s->c - s->a) ^ s->a << 10;
	s->c = (s->c - s->a - s->b) ^ s->b >> 15;
}

static inline uint32_t load32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint32_t lookup2(const uint8_t *p, size_t len, uint32_t seed, bool fold)
{
	struct jenkins s = {0x9e3779b9, 0x9e3779b9, seed};
	uint8_t block[12];

	for (size_t left = len;; left -= sizeof(block), p += sizeof(block)) {
		size_t n = left < sizeof(block) ? left : sizeof(block);

		memset(block, 0, sizeof(block));
		for (size_t i = 0; i < n; i++)
			block[i] = fold ? lower(p[i]) : p[i];
		s.a += load32(block);
		s.b += load32(block + 4);
		if (n < sizeof(block)) {
			/* The lowest octet of c is for the length, so the tail begins at the next.
			 */
			s.c += (uint32_t)len + (load32(block + 8) << 8);
			jenkins_mix(&s);
			return s.c;
		}
		s.c += load32(block + 8);
		jenkins_mix(&s);
	}
}

uint32_t hash_lookup2(const void *data, size_t len, uint32_t seed)
{
	return lookup2(data, len, seed, false);
}

uint32_t hash_lookup2_lower(const void *data, size_t len, uint32_t seed)
{
	return lookup2(data, len, seed, true);
}
