#include "core/settings.h"
#include "pools/pick.h"

static const struct pool_member *pick(const struct pool *pool, const struct query *q,
				      struct policy_ctx *ctx)
{
	const struct pool_member *lowest = NULL;
	struct pick_group group = {.q = q};

	for (unsigned i = 0; i < pool->n; i++) {
		const struct pool_member *m = &pool->members[i];

		if (member_is_usable(m) && !pick_is_tagged(q, m) &&
		    (lowest == NULL || m->order < lowest->order))
			lowest = m;
	}
	if (lowest == NULL)
		return NULL;
	group.order = lowest->order;
	return pick_by_weight(pool, &group, ctx->settings->weighted_factor, rand_u32());
}

const struct policy policy_ordered_wrand_untag = {
	"orderedWrandUntag", pick,
	"wrandom among the servers of the lowest order that the query is not tagged with"};
