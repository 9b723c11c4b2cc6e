#include "core/settings.h"
#include "pools/pick.h"
#include "pools/ring.h"

/* The owner of the first point from the hash on, around the ring, that is usable and has room. */
static const struct pool_member *walk(const struct pool *pool, uint32_t hash, double target)
{
	const struct ring *r = pool->ring;
	uint32_t at = ring_find(r, hash);

	for (uint32_t n = 0; n < r->n_points; n++) {
		const struct pool_member *m = &pool->members[r->points[at].member];

		if (member_is_usable(m) && pick_has_room(m, target))
			return m;
		at = at + 1 < r->n_points ? at + 1 : 0;
	}
	return NULL;
}

static const struct pool_member *pick(const struct pool *pool, const struct query *q,
				      struct policy_ctx *ctx)
{
	double factor = ctx->settings->consistent_factor;
	const struct pool_member *m;
	uint32_t hash;

	/* a ring can be long: no walk all around it for nothing */
	if (pool->ring == NULL || pool_is_down(pool))
		return NULL;
	hash = pick_name_hash(pool, q);
	m = walk(pool, hash, pick_target(pool, NULL, factor));
	if (m == NULL && factor > 0) /* see pick_by_weight */
		m = walk(pool, hash, INFINITY);
	return m;
}

const struct policy policy_chashed = {
	"chashed", pick,
	"by consistent hash of the query name; load bounded by setConsistentHashingBalancingFactor"};
