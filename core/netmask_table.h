/*
 * What a netmask table is made of: core/netmask_table.c keeps the netmasks and their order,
 * core/netmask_index.c finds them. Nobody else includes this.
 */
#ifndef CORE_NETMASK_TABLE_H
#define CORE_NETMASK_TABLE_H

#include <string.h>

#include "core/netmask.h"

enum kind { V4, V6_SHORT, V6_LONG, KIND_COUNT };

/* Bits from the top; IPv4 has the upper half of hi. */
struct key {
	uint64_t hi, lo;
};

/*
 * How a kind is kept. Lengths from masked on are noted in the masks, as bit (length - masked):
 * those from far_bits on under the first far_bits of the prefix, shorter ones under the first
 * near_bits. Lengths below are few, and may match anywhere.
 */
struct shape {
	uint8_t masked, near_bits, far_bits;
	uint8_t octets; /* of a stored key */
	uint8_t width;
};
extern const struct shape netmask_shapes[KIND_COUNT];

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
	unsigned refs;
	struct prefixes of[KIND_COUNT];
	uint64_t secret[2]; /* clients choose what dynamic blocks hold, so they must not know the
			       hash */
	uint8_t *kinds;     /* [cap] */
	struct rank *ranks; /* [cap / RANK_EVERY + 1] */
	size_t len, cap;
};

/* The key of an address; *v6 tells the family. A mapped IPv4 address is IPv4. */
struct key netmask_key_of(const struct addr *a, bool *v6);

static inline struct key netmask_key_load(const struct prefixes *p, enum kind kind, uint32_t i)
{
	const uint8_t *at = p->keys + (size_t)i * netmask_shapes[kind].octets;
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

/* The position of a prefix whose host bits are clear, or UINT32_MAX. */
uint32_t netmask_index_find(const struct netmask_table *t, enum kind kind, struct key k,
			    unsigned bits);

/* Makes the last prefix of a kind known to look-ups. Grows what must grow. */
void netmask_index_add(struct netmask_table *t, enum kind kind);

/* Does that for all of a kind anew: positions have moved. */
void netmask_index_rebuild(struct netmask_table *t, enum kind kind);

#endif
