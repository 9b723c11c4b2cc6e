/*
 * The ring of chashed: as many points a server as it has weight, each the hash of its identity and
 * a number. Immutable; one serves every generation in which the pool has the same servers and
 * weights.
 */
#ifndef POOLS_RING_H
#define POOLS_RING_H

#include "core/err.h"

struct pool_member;

/* 12 octets of memory a point, and a second of start-up for all: more than that is a slip. */
#define RING_POINTS_MAX (4u << 20)

struct ring_point {
	uint32_t hash;
	uint32_t member; /* index into the pool's members */
};

struct ring_owner;

struct ring {
	unsigned refs; /* control thread only */
	uint32_t seed;
	uint32_t n_points;
	unsigned shift;  /* hash >> shift is an index of first */
	uint32_t *first; /* the first point of that share of the circle, or of a later one */
	struct ring_point *points; /* ascending by hash, then by member */
	struct ring_owner *owners; /* whose points these are, in order of members */
	unsigned n_owners;
};

/*
 * The ring of these members: old with one reference more when that is it, else a new one with refs
 * 1; NULL with err set when the weights sum up to more than RING_POINTS_MAX. old may be NULL. n >
 * 0.
 */
struct ring *ring_make(struct ring *old, const struct pool_member *members, unsigned n,
		       uint32_t seed, struct err *err);
struct ring *ring_ref(struct ring *r); /* NULL stays NULL */
void ring_unref(struct ring *r);       /* NULL is harmless */

/* Index of the first point at or after this hash, around the circle. Any worker. */
uint32_t ring_find(const struct ring *r, uint32_t hash);

#endif
