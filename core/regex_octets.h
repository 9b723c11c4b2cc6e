/* Sets of octets, as brackets of regular expressions name them, in the C locale. */
#ifndef CORE_REGEX_OCTETS_H
#define CORE_REGEX_OCTETS_H

#include <string.h>

#include "core/base.h"

struct regex_octets {
	uint64_t bits[4];
};

static inline void octets_add(struct regex_octets *s, unsigned octet)
{
	s->bits[octet / 64] |= UINT64_C(1) << octet % 64;
}

static inline bool octets_have(const struct regex_octets *s, unsigned octet)
{
	return s->bits[octet / 64] >> octet % 64 & 1;
}

/* Both ends count; nothing when from is above to. */
void octets_add_range(struct regex_octets *s, unsigned from, unsigned to);
void octets_add_all(struct regex_octets *s, const struct regex_octets *more);
void octets_invert(struct regex_octets *s);

/* With each ASCII letter its other case. */
void octets_fold(struct regex_octets *s);

static inline bool octets_equal(const struct regex_octets *a, const struct regex_octets *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* Adds the octets of a class, "digit" and its like, named by len octets. False when there is none.
 */
bool octets_add_class(struct regex_octets *s, const char *name, size_t len);

#endif
