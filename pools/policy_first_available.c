#include "pools/pool.h"

/* Whoever sends the query takes the token: one that is picked and not sent must cost none. */
static const struct pool_member *pick(const struct pool *pool, const struct query *q,
				      struct policy_ctx *ctx)
{
	for (unsigned i = 0; i < pool->n; i++) {
		const struct pool_member *m = &pool->members[i];

		if (member_is_usable(m) && server_has_qps(m->server, m->def, ctx->now_us))
			return m;
	}
	return policy_least_outstanding.pick(pool, q, ctx);
}

const struct policy policy_first_available = {
	"firstAvailable", pick,
	"the first that is up and within its qps limit; leastOutstanding when there is none"};
