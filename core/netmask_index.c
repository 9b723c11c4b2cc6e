/*
 * Finding netmasks: a hash of (length, prefix), probed from the longest length down.
 *
 * Why no trie: with a million random /32 a popcount trie of stride 6 takes some 70 octets a prefix,
 * since each has a tail of nodes of its own; a hash takes 18, and adding is constant time, with no
 * rebuild and nothing to seal. What a hash costs is a probe for each length that may match. So it
 * is noted which lengths exist where: two small arrays of bit masks, keyed by the first bits of an
 * address, say which lengths occur below those bits. An address outside all ranges meets an empty
 * mask and no probe at all; in a dense table a long length matches at once. The bound is the number
 * of lengths.
 *
 * IPv6 prefixes up to /64 need 8 octets and longer ones 16, hence three kinds with arrays of their
 * own.
 */
#include "core/netmask_table.h"

#include <stdlib.h>

#include "core/mem.h"

const struct shape netmask_shapes[KIND_COUNT] = {
	[V4] = {8, 8, 16, 4, 32},
	[V6_SHORT] = {16, 16, 32, 8, 64},
	[V6_LONG] = {65, 64, 64, 16, 128},
};

static struct key key_mask(struct key k, unsigned bits)
{
	if (bits <= 64)
		return (struct key){bits ? k.hi & ~UINT64_C(0) << (64 - bits) : 0, 0};
	return (struct key){k.hi, k.lo & ~UINT64_C(0) << (128 - bits)};
}

static uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap64(v);
}

struct key netmask_key_of(const struct addr *a, bool *v6)
{
	const uint8_t *bytes = a->v6.sin6_addr.s6_addr;

	*v6 = a->sa.sa_family == AF_INET6;
	if (!*v6)
		return (struct key){(uint64_t)ntohl(a->v4.sin_addr.s_addr) << 32, 0};
	if (unlikely(IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr))) {
		*v6 = false;
		return (struct key){load64(bytes + 8) << 32, 0};
	}
	return (struct key){load64(bytes), load64(bytes + 8)};
}

static uint64_t hash(const struct netmask_table *t, struct key k, unsigned bits)
{
	unsigned __int128 product =
		(unsigned __int128)(k.hi ^ t->secret[0] ^ bits) * (k.lo ^ t->secret[1]);

	return (uint64_t)(product >> 64) ^ (uint64_t)product;
}

/* Where a hash begins to look, and what it leaves beside the position: independent halves. */
static uint32_t first_slot(const struct prefixes *p, uint64_t h)
{
	return (uint32_t)((h >> 32) * p->slots >> 32);
}

static uint32_t tag_of(const struct prefixes *p, uint64_t h)
{
	return (uint32_t)h >> p->position_bits << p->position_bits;
}

static inline uint32_t find(const struct netmask_table *t, enum kind kind, struct key k,
			    unsigned bits)
{
	const struct prefixes *p = &t->of[kind];
	uint64_t h = hash(t, k, bits);
	uint32_t tag = tag_of(p, h), low = (UINT32_C(1) << p->position_bits) - 1;

	for (uint32_t slot = first_slot(p, h); p->index[slot];) {
		uint32_t i = (p->index[slot] & low) - 1;

		if ((p->index[slot] & ~low) == tag && p->bits[i] == bits) {
			struct key have = netmask_key_load(p, kind, i);

			if (have.hi == k.hi && have.lo == k.lo)
				return i;
		}
		slot = slot + 1 == p->slots ? 0 : slot + 1;
	}
	return UINT32_MAX;
}

static uint64_t lengths_below(const struct lengths *l, unsigned first_bits, struct key k)
{
	return l->slots ? l->mask[(k.hi >> (64 - first_bits)) * l->multiplier >> l->shift] : 0;
}

/* Tries the lengths of a mask, longest first; bit 0 is the length first. */
static inline uint32_t try_lengths(const struct netmask_table *t, enum kind kind, struct key k,
				   uint64_t mask, unsigned first)
{
	while (mask) {
		unsigned bit = 63 - (unsigned)__builtin_clzll(mask);
		uint32_t i = find(t, kind, key_mask(k, first + bit), first + bit);

		if (i != UINT32_MAX)
			return t->of[kind].values[i];
		mask ^= UINT64_C(1) << bit;
	}
	return NETMASK_NONE;
}

/*
 * So few are compared one by one: a usual ACL has half a dozen, and hashing for each length that
 * may match takes three times as many instructions.
 */
#define FEW 16

static uint32_t scan_v4(const struct prefixes *p, uint32_t addr)
{
	uint32_t value = NETMASK_NONE;
	unsigned longest = 0;

	for (uint32_t i = 0; i < p->len; i++) {
		unsigned bits = p->bits[i];
		uint32_t prefix;

		memcpy(&prefix, p->keys + (size_t)i * sizeof(prefix), sizeof(prefix));
		if ((uint64_t)(addr ^ prefix) >> (32 - bits) == 0 && bits >= longest) {
			longest = bits;
			value = p->values[i];
		}
	}
	return value;
}

static uint32_t scan_v6_short(const struct prefixes *p, uint64_t addr)
{
	uint32_t value = NETMASK_NONE;
	unsigned longest = 0;

	for (uint32_t i = 0; i < p->len; i++) {
		unsigned bits = p->bits[i];
		uint64_t prefix;

		memcpy(&prefix, p->keys + (size_t)i * sizeof(prefix), sizeof(prefix));
		if ((bits == 0 || (addr ^ prefix) >> (64 - bits) == 0) && bits >= longest) {
			longest = bits;
			value = p->values[i];
		}
	}
	return value;
}

static inline uint32_t lookup_kind(const struct netmask_table *t, enum kind kind, struct key k)
{
	const struct prefixes *p = &t->of[kind];
	const struct shape *s = &netmask_shapes[kind];
	uint32_t value;

	if (p->len == 0)
		return NETMASK_NONE;
	if (p->len <= FEW && kind == V4)
		return scan_v4(p, (uint32_t)(k.hi >> 32));
	if (p->len <= FEW && kind == V6_SHORT)
		return scan_v6_short(p, k.hi);
	value = try_lengths(t, kind, k,
			    lengths_below(&p->near, s->near_bits, k) |
				    lengths_below(&p->far, s->far_bits, k),
			    s->masked);
	return value != NETMASK_NONE ? value : try_lengths(t, kind, k, p->everywhere, 0);
}

uint32_t netmask_table_lookup(const struct netmask_table *t, const struct addr *a)
{
	bool v6;
	struct key k = netmask_key_of(a, &v6);
	uint32_t value;

	if (!v6)
		return lookup_kind(t, V4, k);
	value = lookup_kind(t, V6_LONG, k);
	return value != NETMASK_NONE ? value : lookup_kind(t, V6_SHORT, k);
}

/* Puts position i into a free slot of the index. */
static void index_put(struct netmask_table *t, enum kind kind, uint32_t i)
{
	struct prefixes *p = &t->of[kind];
	uint64_t h = hash(t, netmask_key_load(p, kind, i), p->bits[i]);
	uint32_t slot = first_slot(p, h);

	while (p->index[slot])
		slot = slot + 1 == p->slots ? 0 : slot + 1;
	p->index[slot] = tag_of(p, h) | (i + 1);
}

/* At most 3/4 full, or runs get long; made 3/5 full, so that the next time is far. */
static bool index_is_full(const struct prefixes *p)
{
	return p->len > p->slots / 4 * 3;
}

static void index_rebuild(struct netmask_table *t, enum kind kind)
{
	struct prefixes *p = &t->of[kind];

	p->slots = (uint32_t)((uint64_t)p->len * 5 / 3) + 8;
	p->position_bits = 32 - (unsigned)__builtin_clz(p->slots);
	free(p->index);
	p->index = mem_zalloc(p->slots, sizeof(*p->index));
	for (uint32_t i = 0; i < p->len; i++)
		index_put(t, kind, i);
}

/*
 * Prefixes for each slot before there are more slots. Fewer of them, fewer vain probes; but in
 * large tables, where memory counts, a slot for eight is an octet a prefix.
 */
static uint32_t per_slot(uint32_t slots)
{
	return slots < 65536 ? 1 : 8;
}

static void lengths_note(struct lengths *l, unsigned first_bits, struct key k, unsigned bit)
{
	l->mask[(k.hi >> (64 - first_bits)) * l->multiplier >> l->shift] |= UINT64_C(1) << bit;
}

static struct lengths *lengths_of(struct prefixes *p, const struct shape *s, unsigned bits,
				  uint8_t *first)
{
	*first = bits >= s->far_bits ? s->far_bits : s->near_bits;
	return bits >= s->far_bits ? &p->far : &p->near;
}

/* Notes position i; false when that needs more slots first: eight prefixes a slot, at most
 * 2^first_bits. */
static bool note(struct prefixes *p, const struct shape *s, enum kind kind, uint32_t i)
{
	uint8_t first;
	unsigned bits = p->bits[i];
	struct lengths *l = lengths_of(p, s, bits, &first);

	if (bits < s->masked) {
		p->everywhere |= UINT64_C(1) << bits;
		return true;
	}
	if (l->noted >= l->slots * per_slot(l->slots) && (first > 31 || l->slots < 1u << first))
		return false;
	lengths_note(l, first, netmask_key_load(p, kind, i), bits - s->masked);
	l->noted++;
	return true;
}

/* Empties the masks and gives them room for twice what they note now; never less than they had. */
static void lengths_resize(struct lengths *l, unsigned first_bits, uint64_t secret)
{
	unsigned log2 = 6;

	while (((per_slot(1u << log2) << log2) < l->noted * 2 || 1u << log2 < l->slots) &&
	       log2 < first_bits)
		log2++;
	free(l->mask);
	l->slots = 1u << log2;
	l->mask = mem_zalloc(l->slots, sizeof(*l->mask));
	l->shift = 64 - log2;
	/* with a slot for each value of the first bits, the slot is that value */
	l->multiplier = log2 == first_bits ? UINT64_C(1) << (64 - first_bits) : secret | 1;
	l->noted = 0;
}

static void lengths_rebuild(struct netmask_table *t, enum kind kind)
{
	struct prefixes *p = &t->of[kind];
	const struct shape *s = &netmask_shapes[kind];
	bool fits = false;

	while (!fits) {
		lengths_resize(&p->near, s->near_bits, t->secret[1]);
		lengths_resize(&p->far, s->far_bits, t->secret[1]);
		p->everywhere = 0;
		fits = true;
		for (uint32_t i = 0; i < p->len && fits; i++)
			fits = note(p, s, kind, i);
	}
}

uint32_t netmask_index_find(const struct netmask_table *t, enum kind kind, struct key k,
			    unsigned bits)
{
	return t->of[kind].len ? find(t, kind, k, bits) : UINT32_MAX;
}

void netmask_index_add(struct netmask_table *t, enum kind kind)
{
	struct prefixes *p = &t->of[kind];
	uint32_t i = p->len - 1;

	if (index_is_full(p))
		index_rebuild(t, kind);
	else
		index_put(t, kind, i);
	if (!note(p, &netmask_shapes[kind], kind, i))
		lengths_rebuild(t, kind);
}

void netmask_index_rebuild(struct netmask_table *t, enum kind kind)
{
	index_rebuild(t, kind);
	lengths_rebuild(t, kind);
}
