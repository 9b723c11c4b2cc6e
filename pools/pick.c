#include "pools/pick.h"

#include "core/hash.h"
#include "core/query_extra.h"

uint32_t pick_name_hash(const struct pool *pool, const struct query *q)
{
	static const uint8_t root[1];

	if (q == NULL)
		return hash_lookup2_lower(root, sizeof(root), pool->hash_seed);
	return hash_lookup2_lower(q->packet + DNS_HEADER_LEN, q->question.name_len,
				  pool->hash_seed);
}

bool pick_is_tagged(const struct query *q, const struct pool_member *m)
{
	size_t len;

	if (q == NULL || likely(!q->ruled))
		return false;
	return tag_get(q, m->def->tag, m->def->tag_len, &len) != NULL;
}

static bool stands(const struct pool_member *m, const struct pick_group *group)
{
	if (group != NULL && (m->order != group->order || pick_is_tagged(group->q, m)))
		return false;
	return member_is_usable(m);
}

double pick_target(const struct pool *pool, const struct pick_group *group, double factor)
{
	uint64_t outstanding = 1, weights = 0;

	if (factor <= 0)
		return INFINITY;
	for (unsigned i = 0; i < pool->n; i++) {
		const struct pool_member *m = &pool->members[i];

		if (!stands(m, group))
			continue;
		outstanding += server_outstanding(m->server);
		weights += (uint64_t)m->weight;
	}
	return weights > 0 ? (double)outstanding / (double)weights * factor : INFINITY;
}

static uint32_t add_weight(uint32_t sum, int weight)
{
	uint64_t all = (uint64_t)sum + (uint64_t)weight;

	return all < INT32_MAX ? (uint32_t)all : INT32_MAX;
}

const struct pool_member *pick_slice(const struct pool *pool, uint32_t number)
{
	unsigned low = 0, high = pool->n - 1;

	number %= pool->weight_to[high];
	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (pool->weight_to[middle] > number)
			high = middle;
		else
			low = middle + 1;
	}
	return &pool->members[low];
}

static const struct pool_member *draw(const struct pool *pool, const struct pick_group *group,
				      double target, uint32_t number)
{
	const struct pool_member *last = NULL;
	uint32_t all = 0, sum = 0;
	unsigned n = 0;

	for (unsigned i = 0; i < pool->n; i++) {
		const struct pool_member *m = &pool->members[i];

		if (!stands(m, group) || !pick_has_room(m, target))
			continue;
		all = add_weight(all, m->weight);
		n++;
	}
	if (n == 0)
		return NULL;
	if (n == pool->n)
		return pick_slice(pool, number);
	number %= all;
	for (unsigned i = 0; i < pool->n; i++) {
		const struct pool_member *m = &pool->members[i];

		if (!stands(m, group) || !pick_has_room(m, target))
			continue;
		last = m;
		sum = add_weight(sum, m->weight);
		if (sum > number)
			break;
	}
	return last; /* not the one meant when other threads changed a state in between, but a
			usable one */
}

const struct pool_member *pick_by_weight(const struct pool *pool, const struct pick_group *group,
					 double factor, uint32_t number)
{
	double target = pick_target(pool, group, factor);
	const struct pool_member *m = draw(pool, group, target, number);

	/*
	 * With a factor from 1 on, somebody is always below the mean. Nobody is only when other
	 * workers have sent meanwhile; that must not cost the query its answer.
	 */
	if (m == NULL && factor > 0)
		m = draw(pool, group, INFINITY, number);
	return m;
}
