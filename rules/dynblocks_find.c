/*
 * Looking up: one probe for each length that occurs, the longest first. Blocks of one
 * configuration have one or two lengths (setMasks), and a batch of queries has its probes loaded
 * together, so nothing is gained by noting which lengths occur where, as an ACL needs it.
 */
#include "core/dns/suffix.h"
#include "core/hash.h"
#include "rules/dynblocks_table.h"

struct block_table dynblock_tables[BLOCK_KINDS];

/* Clients choose what is blocked and who asks, so they must not know the hash. */
static uint64_t secret[2];

void block_keys_start(void)
{
	secret[0] = hash_keyed("block 0", 7);
	secret[1] = hash_keyed("block 1", 7);
	suffix_table_unref(suffix_table_new()); /* draws the secrets of names */
}

static uint64_t hash_of(const struct block_key *k)
{
	uint64_t tail = (uint64_t)k->length << 16 | k->port;
	unsigned __int128 product =
		(unsigned __int128)(k->hi ^ secret[0] ^ tail << 8) * (k->lo ^ secret[1] ^ tail);

	return (uint64_t)(product >> 64) ^ (uint64_t)product;
}

static uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap64(v);
}

/* The whole address and port; IPv4-mapped IPv6 is IPv4. */
static inline enum block_kind whole_key(const struct addr *a, struct block_key *k)
{
	const uint8_t *bytes = a->v6.sin6_addr.s6_addr;

	*k = (struct block_key){.port = addr_port(a)};
	if (likely(a->sa.sa_family == AF_INET)) {
		k->hi = (uint64_t)ntohl(a->v4.sin_addr.s_addr) << 32;
		return BLOCK_V4;
	}
	if (unlikely(IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr))) {
		k->hi = load64(bytes + 8) << 32;
		return BLOCK_V4;
	}
	k->hi = load64(bytes);
	k->lo = load64(bytes + 8);
	return BLOCK_V6;
}

static uint64_t upper_bits(uint64_t v, unsigned bits)
{
	return bits ? v & ~UINT64_C(0) << (64 - bits) : 0;
}

/* Cut to a length and hashed. */
static inline void cut_key(const struct block_key *whole, enum block_kind kind, unsigned length,
			   struct block_key *k)
{
	unsigned width = kind == BLOCK_V4 ? 32 : 128;
	unsigned bits = length < width ? length : width;

	k->length = (uint8_t)length;
	k->port = (uint16_t)(whole->port & 0xffff0000u >> (length - bits));
	k->hi = bits < 64 ? upper_bits(whole->hi, bits) : whole->hi;
	k->lo = bits > 64 ? upper_bits(whole->lo, bits - 64) : 0;
	k->hash = hash_of(k);
}

enum block_kind block_key_address(const struct addr *a, unsigned length, struct block_key *k)
{
	struct block_key whole;
	enum block_kind kind = whole_key(a, &whole);

	*k = (struct block_key){0};
	cut_key(&whole, kind, length, k);
	return kind;
}

void block_key_name(const uint8_t *name, size_t len, struct block_key *k)
{
	struct suffix_hashes h;

	suffix_hashes_make(&h, name, len);
	*k = (struct block_key){
		.lo = len, .name = name, .length = (uint8_t)h.labels, .hash = h.hash[h.labels]};
}

struct block_key block_key_of(const struct dynblock *b)
{
	struct block_key k = {.lo = b->lo, .hash = b->hash, .port = b->port, .length = b->length};

	if (b->table == BLOCK_NAME)
		k.name = b->name;
	else
		k.hi = b->hi;
	return k;
}

/* For each length that occurs. */
static inline void prefetch(const struct addr *client,
			    void (*load)(const struct block_table *t, uint64_t hash))
{
	struct block_key whole, k;
	enum block_kind kind = whole_key(client, &whole);
	const struct block_table *t = &dynblock_tables[kind];

	for (unsigned word = 0; word < LENGTH_WORDS; word++) {
		uint64_t mask = atomic_load_explicit(&t->lengths[word], memory_order_relaxed);

		for (; mask; mask &= mask - 1) {
			cut_key(&whole, kind, word * 64 + (unsigned)__builtin_ctzll(mask), &k);
			load(t, k.hash);
		}
	}
}

void dynblocks_prefetch(const struct addr *client)
{
	prefetch(client, block_table_prefetch);
}

void dynblocks_prefetch_block(const struct addr *client)
{
	prefetch(client, block_table_prefetch_block);
}

/* The block of a key, if it is in force: its time is read first, since it is written last. */
static bool in_force(const struct block_table *t, const struct block_key *k, uint64_t now_us,
		     struct dynblock_hit *hit)
{
	struct dynblock *b = block_table_find(t, k);

	if (b == NULL || atomic_load_explicit(&b->expires_us, memory_order_acquire) <= now_us)
		return false;
	hit->block = b;
	hit->cause = atomic_load_explicit(&b->cause, memory_order_acquire);
	return true;
}

/* The next shorter length of a mask; false: there is none. */
static bool take_longest(uint64_t *mask, unsigned *bit)
{
	if (*mask == 0)
		return false;
	*bit = 63 - (unsigned)__builtin_clzll(*mask);
	*mask ^= UINT64_C(1) << *bit;
	return true;
}

bool dynblocks_find_address(const struct addr *client, uint64_t now_us, struct dynblock_hit *hit)
{
	struct block_key whole, k = {0};
	enum block_kind kind = whole_key(client, &whole);
	const struct block_table *t = &dynblock_tables[kind];
	unsigned bit;

	for (unsigned word = LENGTH_WORDS; word-- > 0;) {
		uint64_t mask = atomic_load_explicit(&t->lengths[word], memory_order_acquire);

		while (take_longest(&mask, &bit)) {
			cut_key(&whole, kind, word * 64 + bit, &k);
			if (in_force(t, &k, now_us, hit))
				return true;
		}
	}
	return false;
}

static bool find_suffix(const struct block_table *t, const struct suffix_hashes *h, unsigned depth,
			uint64_t now_us, struct dynblock_hit *hit)
{
	size_t from = h->start[h->labels - depth];
	struct block_key k = {
		.lo = h->len - from,
		.hash = h->hash[depth],
		.name = h->name + from,
		.length = (uint8_t)depth,
	};

	return in_force(t, &k, now_us, hit);
}

bool dynblocks_find_name(const uint8_t *name, size_t len, uint64_t now_us, struct dynblock_hit *hit)
{
	const struct block_table *t = &dynblock_tables[BLOCK_NAME];
	struct suffix_hashes h;
	unsigned bit;

	suffix_hashes_make(&h, name, len);
	for (unsigned word = LENGTH_WORDS; word-- > 0;) {
		uint64_t mask = atomic_load_explicit(&t->lengths[word], memory_order_acquire);

		if (h.labels / 64 < word)
			continue;
		if (h.labels / 64 == word && h.labels % 64 < 63)
			mask &= (UINT64_C(2) << h.labels % 64) - 1;
		while (take_longest(&mask, &bit))
			if (find_suffix(t, &h, word * 64 + bit, now_us, hit))
				return true;
	}
	return false;
}
