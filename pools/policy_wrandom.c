#include "core/settings.h"
#include "pools/pick.h"

static const struct pool_member *pick(const struct pool *pool, const struct query *q,
				      struct policy_ctx *ctx)
{
	return pick_by_weight(pool, NULL, ctx->settings->weighted_factor, rand_u32());
}

const struct policy policy_wrandom = {
	"wrandom", pick, "at random, by weight; load bounded by setWeightedBalancingFactor"};
