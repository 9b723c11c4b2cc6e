#include "core/settings.h"
#include "pools/pick.h"

/* After so many draws of servers that are down it is time to see who is up. */
#define DRAWS 4

/*
 * Without a bound, drawing among all and throwing away who is down comes to the same shares as
 * drawing among the usable, and looks at one server in place of all.
 */
static const struct pool_member *draw_blindly(const struct pool *pool)
{
	/* not so when the sum was cut: who lies beyond would have no share though others are down
	 */
	if (pool->n == 0 || pool->weight_to[pool->n - 1] >= INT32_MAX)
		return NULL;
	for (unsigned i = 0; i < DRAWS; i++) {
		const struct pool_member *m = pick_slice(pool, rand_u32());

		if (member_is_usable(m))
			return m;
	}
	return NULL;
}

static const struct pool_member *pick(const struct pool *pool, const struct query *q,
				      struct policy_ctx *ctx)
{
	if (ctx->settings->weighted_factor <= 0) {
		const struct pool_member *m = draw_blindly(pool);

		if (m != NULL)
			return m;
	}
	return pick_by_weight(pool, NULL, ctx->settings->weighted_factor, rand_u32());
}

const struct policy policy_wrandom = {
	"wrandom", pick, "at random, by weight; load bounded by setWeightedBalancingFactor"};
