#include "pools/ring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/mem.h"
#include "pools/pool.h"

struct ring_owner {
	struct uuid id;
	int weight;
};

static bool is_ring_of(const struct ring *r, const struct pool_member *members, unsigned n,
		       uint32_t seed)
{
	if (r == NULL || r->seed != seed || r->n_owners != n)
		return false;
	for (unsigned i = 0; i < n; i++) {
		const struct ring_owner *o = &r->owners[i];

		if (o->weight != members[i].weight ||
		    memcmp(&o->id, &members[i].server->fixed.id, sizeof(o->id)) != 0)
			return false;
	}
	return true;
}

/* Numbers run from the weight down to 1, as the reference has it. */
static struct ring_point *hash_points(struct ring_point *out, const struct pool_member *m,
				      uint32_t index, uint32_t seed)
{
	char text[UUID_TEXT_MAX + sizeof("-2147483647")];
	size_t prefix_len;

	uuid_text(&m->server->fixed.id, text);
	prefix_len = strlen(text);
	for (int i = m->weight; i > 0; i--) {
		int len = snprintf(text + prefix_len, sizeof(text) - prefix_len, "-%d", i);

		out->hash = hash_lookup2_lower(text, prefix_len + (size_t)len, seed);
		out->member = index;
		out++;
	}
	return out;
}

/*
 * Hashes spread evenly, so that shares of the circle, about one for each point, sort and find them
 * in constant time each: unsorted goes to its share by counting, and a share holds a handful.
 */
static void sort_points(struct ring *r, const struct ring_point *unsorted)
{
	uint32_t n_shares = UINT32_MAX >> r->shift;
	uint32_t *first = r->first;

	for (uint32_t i = 0; i < r->n_points; i++)
		first[(unsorted[i].hash >> r->shift) + 1]++;
	for (uint32_t i = 0; i <= n_shares; i++)
		first[i + 1] += first[i];
	for (uint32_t i = r->n_points; i-- > 0;) {
		uint32_t at = first[unsorted[i].hash >> r->shift]++;

		r->points[at] = unsorted[i];
	}
	/* each entry has moved on to where the next share begins */
	memmove(first + 1, first, (n_shares + 1) * sizeof(*first));
	first[0] = 0;
}

static bool is_before(const struct ring_point *a, const struct ring_point *b)
{
	return a->hash < b->hash || (a->hash == b->hash && a->member < b->member);
}

static void sort_shares(struct ring *r)
{
	for (uint32_t i = 1; i < r->n_points; i++) {
		struct ring_point p = r->points[i];
		uint32_t at = i;

		for (; at > 0 && is_before(&p, &r->points[at - 1]); at--)
			r->points[at] = r->points[at - 1];
		r->points[at] = p;
	}
}

/* As many shares as points, rounded up to a power of two; at least two, since shift must be
 * below 32. */
static unsigned shift_for(uint32_t n_points)
{
	unsigned bits = 1;

	while (1u << bits < n_points)
		bits++;
	return 32 - bits;
}

static struct ring *ring_new(const struct pool_member *members, unsigned n, uint32_t n_points,
			     uint32_t seed)
{
	struct ring *r = mem_zalloc(1, sizeof(*r));
	struct ring_point *unsorted = mem_alloc(n_points * sizeof(*unsorted));
	struct ring_point *end = unsorted;

	r->refs = 1;
	r->seed = seed;
	r->n_points = n_points;
	r->shift = shift_for(n_points);
	r->first = mem_zalloc((UINT32_MAX >> r->shift) + 2, sizeof(*r->first));
	r->points = mem_alloc(n_points * sizeof(*r->points));
	r->owners = mem_alloc(n * sizeof(*r->owners));
	r->n_owners = n;
	for (unsigned i = 0; i < n; i++) {
		r->owners[i] = (struct ring_owner){members[i].server->fixed.id, members[i].weight};
		end = hash_points(end, &members[i], i, seed);
	}
	sort_points(r, unsorted);
	sort_shares(r);
	free(unsorted);
	return r;
}

struct ring *ring_make(struct ring *old, const struct pool_member *members, unsigned n,
		       uint32_t seed, struct err *err)
{
	uint64_t n_points = 0;

	if (is_ring_of(old, members, n, seed))
		return ring_ref(old);
	for (unsigned i = 0; i < n; i++)
		n_points += (uint64_t)members[i].weight;
	if (n_points > RING_POINTS_MAX) {
		err_set(err,
			"chashed takes a point for each unit of weight: the weights of its servers sum up "
			"to %llu, %u at most can be used",
			(unsigned long long)n_points, RING_POINTS_MAX);
		return NULL;
	}
	return ring_new(members, n, (uint32_t)n_points, seed);
}

struct ring *ring_ref(struct ring *r)
{
	if (r != NULL)
		r->refs++;
	return r;
}

void ring_unref(struct ring *r)
{
	if (r == NULL || --r->refs > 0)
		return;
	free(r->first);
	free(r->points);
	free(r->owners);
	free(r);
}

uint32_t ring_find(const struct ring *r, uint32_t hash)
{
	uint32_t i = r->first[hash >> r->shift];

	while (i < r->n_points && r->points[i].hash < hash)
		i++;
	return i < r->n_points ? i : 0;
}
