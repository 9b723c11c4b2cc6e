/* What policies have in common: the query's hash, bounded load, and the draw by weight. Any worker.
 */
#ifndef POOLS_PICK_H
#define POOLS_PICK_H

#include <math.h>

#include "core/query.h"
#include "pools/pool.h"

/* Of the query's name, letter case apart, under the pool's perturbation; without a query, of the
 * root. */
uint32_t pick_name_hash(const struct pool *pool, const struct query *q);

/* Which of the usable members stand for election; all of them when the pointer to it is NULL. */
struct pick_group {
	int order;             /* only those of this order */
	const struct query *q; /* and not those whose name this query carries as a tag */
};

/* Whether a rule has tagged q with this member's name-with-address, which is how a retry avoids it.
 */
bool pick_is_tagged(const struct query *q, const struct pool_member *m);

/*
 * The load that a member may have for each unit of its weight: (1 + all outstanding) / all weights
 * × factor, over usable members of the group. A factor of 0 sets no bound.
 */
double pick_target(const struct pool *pool, const struct pick_group *group, double factor);

static inline bool pick_has_room(const struct pool_member *m, double target)
{
	/* without a bound the line that every sender writes is left alone */
	return target == INFINITY || server_outstanding(m->server) <= target * m->weight;
}

/* Lays all members side by side, usable or not, and returns the one that number falls on. pool->n >
 * 0. */
const struct pool_member *pick_slice(const struct pool *pool, uint32_t number);

/*
 * Lays the usable members of the group that have room side by side, as wide as their weights
 * (2^31-1 in all), and returns the one that number, modulo the whole, falls on; NULL when none is
 * usable.
 */
const struct pool_member *pick_by_weight(const struct pool *pool, const struct pick_group *group,
					 double factor, uint32_t number);

#endif
