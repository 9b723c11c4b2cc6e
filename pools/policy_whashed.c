#include "core/settings.h"
#include "pools/pick.h"

static const struct pool_member *pick(const struct pool *pool, const struct query *q,
				      struct policy_ctx *ctx)
{
	return pick_by_weight(pool, NULL, ctx->settings->weighted_factor, pick_name_hash(pool, q));
}

const struct policy policy_whashed = {
	"whashed", pick,
	"by hash of the query name and weight; load bounded by setWeightedBalancingFactor"};
