#include "pools/pool.h"

/*
 * The latency that this worker has seen itself: its own counters are the only ones that can be read
 * without pulling a line out of the cache of a core that writes it for every answer.
 */
static double own_latency_us(const struct pool_member *m, const struct policy_ctx *ctx)
{
	return server_worker_latency_us(m->server, ctx->worker, m->server->fixed.tcp_only);
}

static bool is_better(const struct pool_member *m, uint32_t outstanding,
		      const struct pool_member *best, uint32_t best_outstanding,
		      const struct policy_ctx *ctx)
{
	if (outstanding != best_outstanding)
		return outstanding < best_outstanding;
	if (m->order != best->order)
		return m->order < best->order;
	return own_latency_us(m, ctx) < own_latency_us(best, ctx);
}

static const struct pool_member *pick(const struct pool *pool, const struct query *q,
				      struct policy_ctx *ctx)
{
	const struct pool_member *best = NULL;
	uint32_t best_outstanding = 0;

	for (unsigned i = 0; i < pool->n; i++) {
		const struct pool_member *m = &pool->members[i];
		uint32_t outstanding;

		if (!member_is_usable(m))
			continue;
		/* read once: it moves, and the comparison must be with what was compared before */
		outstanding = server_outstanding(m->server);
		if (best == NULL || is_better(m, outstanding, best, best_outstanding, ctx)) {
			best = m;
			best_outstanding = outstanding;
		}
	}
	return best;
}

const struct policy policy_least_outstanding = {
	"leastOutstanding", pick,
	"the fewest queries in flight; then the lowest order; then the lowest latency"};
