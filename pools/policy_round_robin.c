#include "core/settings.h"
#include "pools/pool.h"

static unsigned count_usable(const struct pool *pool)
{
	unsigned n = 0;

	for (unsigned i = 0; i < pool->n; i++)
		n += member_is_usable(&pool->members[i]);
	return n;
}

/* The usable member that nth others stand before, or the last one when states have changed
 * meanwhile. */
static const struct pool_member *nth_usable(const struct pool *pool, uint64_t nth)
{
	const struct pool_member *last = NULL;

	for (unsigned i = 0; i < pool->n; i++) {
		if (!member_is_usable(&pool->members[i]))
			continue;
		last = &pool->members[i];
		if (nth-- == 0)
			break;
	}
	return last;
}

/*
 * The reference has one counter for the whole process. Here each worker has its own: the turns of
 * one worker are exact, the sum of all is even, and no line is fought over.
 */
static const struct pool_member *pick(const struct pool *pool, const struct query *q,
				      struct policy_ctx *ctx)
{
	uint64_t turn = ctx->round_robin++;
	const struct pool_member *m;
	unsigned usable;

	if (pool->n == 0)
		return NULL;
	m = &pool->members[turn % pool->n];
	if (member_is_usable(m))
		return m;
	usable = count_usable(pool);
	if (usable > 0)
		return nth_usable(pool, turn % usable);
	return ctx->settings->round_robin_fail ? NULL : m;
}

const struct policy policy_round_robin = {
	"roundrobin", pick,
	"each in its turn; a server that is down only when all are, see setRoundRobinFailOnNoServer"};
