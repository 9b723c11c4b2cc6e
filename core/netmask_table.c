/*
 * The table: a hash of (length, prefix), probed from the longest length down.
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
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/mem.h"
#include "core/netmask.h"

enum kind { V4, V6_SHORT, V6_LONG, KIND_COUNT };

/* Bits from the top; IPv4 has the upper half of hi. */
struct key {
	uint64_t hi, lo;
};

/*
 * Lengths from masked on are noted in the masks, as bit (length - masked): those from far_bits on
 * under the first far_bits of the prefix, shorter ones under the first near_bits. Lengths below are
 * few, and may match anywhere.
 */
static const struct shape {
	uint8_t masked, near_bits, far_bits;
	uint8_t octets; /* of a stored key */
	uint8_t width;
} shapes[KIND_COUNT] = {
	[V4] = {8, 8, 16, 4, 32},
	[V6_SHORT] = {16, 16, 32, 8, 64},
	[V6_LONG] = {65, 64, 64, 16, 128},
};

/* Masks of lengths. Prefixes that share a slot share its mask: a probe more, never a wrong answer.
 */
struct lengths {
	uint64_t *mask;
	uint64_t multiplier; /* of the first bits; the top bits of the product are the slot */
	unsigned shift, slots;
	uint32_t noted; /* prefixes */
};

/* Prefixes of a kind in the order they were added, and the hash that finds them. */
struct prefixes {
	uint8_t *keys;    /* [cap], shape->octets each */
	uint32_t *values; /* [cap] */
	uint8_t *bits;    /* [cap] */
	uint32_t len, cap;
	uint32_t *index; /* position + 1 in the low bits, the rest of the hash above; 0: empty */
	uint32_t slots;
	unsigned position_bits;
	uint64_t everywhere; /* lengths below shape->masked */
	struct lengths near, far;
};

/* at() finds the i-th of all kinds: one octet says its kind, and every so often how many came
 * before. */
#define RANK_EVERY 256
struct rank {
	uint32_t before[KIND_COUNT];
};

struct netmask_table {
	struct prefixes of[KIND_COUNT];
	uint64_t secret[2]; /* clients choose what dynamic blocks hold, so they must not know the
			       hash */
	uint8_t *kinds;     /* [cap] */
	struct rank *ranks; /* [cap / RANK_EVERY + 1] */
	size_t len, cap;
};

/* Grown by an eighth: large tables are to stay under 24 octets a prefix, and small ones are small.
 */
static size_t grown(size_t cap)
{
	return cap + cap / 8 + 8;
}

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

/* The key of an address; *v6 tells the family. A mapped IPv4 address is IPv4. */
static struct key key_of(const struct addr *a, bool *v6)
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

static struct key key_load(const struct prefixes *p, enum kind kind, uint32_t i)
{
	const uint8_t *at = p->keys + (size_t)i * shapes[kind].octets;
	struct key k = {0, 0};
	uint32_t v4;

	switch (kind) {
	case V4:
		memcpy(&v4, at, sizeof(v4));
		k.hi = (uint64_t)v4 << 32;
		break;
	case V6_SHORT:
		memcpy(&k.hi, at, sizeof(k.hi));
		break;
	default:
		memcpy(&k, at, sizeof(k));
	}
	return k;
}

static void key_store(struct prefixes *p, enum kind kind, uint32_t i, struct key k)
{
	uint8_t *at = p->keys + (size_t)i * shapes[kind].octets;
	uint32_t v4 = (uint32_t)(k.hi >> 32);

	if (kind == V4)
		memcpy(at, &v4, sizeof(v4));
	else
		memcpy(at, &k, shapes[kind].octets);
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

/* The position of a prefix whose host bits are clear, or UINT32_MAX. */
static inline uint32_t find(const struct netmask_table *t, enum kind kind, struct key k,
			    unsigned bits)
{
	const struct prefixes *p = &t->of[kind];
	uint64_t h = hash(t, k, bits);
	uint32_t tag = tag_of(p, h), low = (UINT32_C(1) << p->position_bits) - 1;

	for (uint32_t slot = first_slot(p, h); p->index[slot];) {
		uint32_t i = (p->index[slot] & low) - 1;

		if ((p->index[slot] & ~low) == tag && p->bits[i] == bits) {
			struct key have = key_load(p, kind, i);

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
 * So few are compared one by one: a usual ACL has half a dozen, and hashing for each length that may
 * match takes three times as many instructions.
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
	const struct shape *s = &shapes[kind];
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
	struct key k = key_of(a, &v6);
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
	uint64_t h = hash(t, key_load(p, kind, i), p->bits[i]);
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
	lengths_note(l, first, key_load(p, kind, i), bits - s->masked);
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
	const struct shape *s = &shapes[kind];
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

/* The prefix as the table has it: IPv4-mapped ones are IPv4. Host bits are clear already. */
static enum kind kind_of(const struct netmask *nm, struct key *k, unsigned *bits)
{
	bool v6;

	*k = key_of(&nm->base, &v6);
	*bits = nm->bits;
	if (!v6 && nm->base.sa.sa_family == AF_INET6)
		*bits -= 96; /* a shorter one has lost bits of the ffff, and is no mapped address */
	return !v6 ? V4 : *bits <= 64 ? V6_SHORT : V6_LONG;
}

static void order_append(struct netmask_table *t, enum kind kind)
{
	if (t->len == t->cap) {
		t->cap = grown(t->cap);
		t->kinds = mem_realloc(t->kinds, t->cap, sizeof(*t->kinds));
		t->ranks = mem_realloc(t->ranks, t->cap / RANK_EVERY + 1, sizeof(*t->ranks));
	}
	if (t->len % RANK_EVERY == 0) /* kinds before this one: all there are so far */
		for (unsigned i = 0; i < KIND_COUNT; i++)
			t->ranks[t->len / RANK_EVERY].before[i] = t->of[i].len;
	t->kinds[t->len++] = (uint8_t)kind;
}

static uint32_t append(struct prefixes *p, enum kind kind, struct key k, unsigned bits,
		       uint32_t value)
{
	if (p->len == p->cap) {
		p->cap = (uint32_t)grown(p->cap);
		p->keys = mem_realloc(p->keys, p->cap, shapes[kind].octets);
		p->values = mem_realloc(p->values, p->cap, sizeof(*p->values));
		p->bits = mem_realloc(p->bits, p->cap, sizeof(*p->bits));
	}
	key_store(p, kind, p->len, k);
	p->values[p->len] = value;
	p->bits[p->len] = (uint8_t)bits;
	return p->len++;
}

void netmask_table_add(struct netmask_table *t, const struct netmask *nm, uint32_t value)
{
	struct key k;
	unsigned bits;
	enum kind kind = kind_of(nm, &k, &bits);
	struct prefixes *p = &t->of[kind];
	uint32_t i = p->len ? find(t, kind, k, bits) : UINT32_MAX;

	assert(value < NETMASK_NONE);
	if (i != UINT32_MAX) {
		p->values[i] = value;
		return;
	}
	order_append(t, kind);
	i = append(p, kind, k, bits, value);
	if (index_is_full(p))
		index_rebuild(t, kind);
	else
		index_put(t, kind, i);
	if (!note(p, &shapes[kind], kind, i))
		lengths_rebuild(t, kind);
}

/* Takes the at-th of kind out of the order, and counts anew from there on. */
static void order_remove(struct netmask_table *t, enum kind kind, uint32_t at)
{
	size_t i = 0;

	for (uint32_t seen = 0; t->kinds[i] != kind || seen < at; i++)
		seen += t->kinds[i] == kind;
	memmove(t->kinds + i, t->kinds + i + 1, t->len - i - 1);
	t->len--;
	for (i = i / RANK_EVERY + 1; i * RANK_EVERY < t->len; i++) {
		t->ranks[i] = t->ranks[i - 1];
		for (size_t j = (i - 1) * RANK_EVERY; j < i * RANK_EVERY; j++)
			t->ranks[i].before[t->kinds[j]]++;
	}
}

bool netmask_table_remove(struct netmask_table *t, const struct netmask *nm)
{
	struct key k;
	unsigned bits;
	enum kind kind = kind_of(nm, &k, &bits);
	struct prefixes *p = &t->of[kind];
	const size_t octets = shapes[kind].octets;
	uint32_t i = p->len ? find(t, kind, k, bits) : UINT32_MAX;
	size_t after;

	if (i == UINT32_MAX)
		return false;
	order_remove(t, kind, i);
	after = p->len - i - 1;
	memmove(p->keys + i * octets, p->keys + (i + 1) * octets, after * octets);
	memmove(p->values + i, p->values + i + 1, after * sizeof(*p->values));
	memmove(p->bits + i, p->bits + i + 1, after);
	p->len--;
	index_rebuild(t, kind); /* all positions behind it have moved */
	lengths_rebuild(t, kind);
	return true;
}

size_t netmask_table_len(const struct netmask_table *t)
{
	return t->len;
}

static void netmask_from(struct netmask *nm, enum kind kind, struct key k, unsigned bits)
{
	*nm = (struct netmask){.bits = (uint8_t)bits};
	if (kind == V4) {
		nm->base.v4.sin_family = AF_INET;
		nm->base.v4.sin_addr.s_addr = htonl((uint32_t)(k.hi >> 32));
		return;
	}
	nm->base.v6.sin6_family = AF_INET6;
	k = (struct key){__builtin_bswap64(k.hi), __builtin_bswap64(k.lo)};
	memcpy(&nm->base.v6.sin6_addr, &k, sizeof(k));
}

const struct netmask *netmask_table_at(const struct netmask_table *t, size_t i, uint32_t *value)
{
	static _Thread_local struct netmask lent; /* stored, it would take 32 octets a prefix */
	enum kind kind;
	uint32_t at;

	assert(i < t->len);
	kind = (enum kind)t->kinds[i];
	at = t->ranks[i / RANK_EVERY].before[kind];
	for (size_t j = i / RANK_EVERY * RANK_EVERY; j < i; j++)
		at += t->kinds[j] == kind;
	netmask_from(&lent, kind, key_load(&t->of[kind], kind, at), t->of[kind].bits[at]);
	if (value)
		*value = t->of[kind].values[at];
	return &lent;
}

struct netmask_table *netmask_table_new(void)
{
	struct netmask_table *t = mem_zalloc(1, sizeof(*t));

	for (unsigned i = 0; i < ARRAY_LEN(t->secret); i++)
		t->secret[i] = hash_keyed(&i, sizeof(i));
	return t;
}

void netmask_table_free(struct netmask_table *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < KIND_COUNT; i++) {
		struct prefixes *p = &t->of[i];

		free(p->keys);
		free(p->values);
		free(p->bits);
		free(p->index);
		free(p->near.mask);
		free(p->far.mask);
	}
	free(t->kinds);
	free(t->ranks);
	free(t);
}

/* n elements in memory of their own with room for cap; NULL for none. */
static void *copy(const void *from, size_t n, size_t cap, size_t size)
{
	void *to;

	if (!from)
		return NULL;
	to = mem_alloc(cap * size);
	memcpy(to, from, n * size);
	return to;
}

struct netmask_table *netmask_table_clone(const struct netmask_table *from)
{
	struct netmask_table *t = copy(from, 1, 1, sizeof(*from));

	for (unsigned i = 0; i < KIND_COUNT; i++) {
		struct prefixes *p = &t->of[i];

		p->keys = copy(p->keys, p->len, p->cap, shapes[i].octets);
		p->values = copy(p->values, p->len, p->cap, sizeof(*p->values));
		p->bits = copy(p->bits, p->len, p->cap, sizeof(*p->bits));
		p->index = copy(p->index, p->slots, p->slots, sizeof(*p->index));
		p->near.mask = copy(p->near.mask, p->near.slots, p->near.slots, sizeof(uint64_t));
		p->far.mask = copy(p->far.mask, p->far.slots, p->far.slots, sizeof(uint64_t));
	}
	t->kinds = copy(t->kinds, t->len, t->cap, sizeof(*t->kinds));
	t->ranks =
		copy(t->ranks, t->cap / RANK_EVERY + 1, t->cap / RANK_EVERY + 1, sizeof(*t->ranks));
	return t;
}

size_t netmask_table_memory(const struct netmask_table *t)
{
	size_t sum = sizeof(*t) + t->cap + (t->cap / RANK_EVERY + 1) * sizeof(*t->ranks);

	for (unsigned i = 0; i < KIND_COUNT; i++) {
		const struct prefixes *p = &t->of[i];

		sum += (size_t)p->cap * (shapes[i].octets + sizeof(*p->values) + sizeof(*p->bits)) +
		       (size_t)p->slots * sizeof(*p->index) +
		       (p->near.slots + p->far.slots) * sizeof(uint64_t);
	}
	return sum;
}
