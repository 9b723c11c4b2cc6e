/* The client subnet (RFC 7871) in queries to servers: whether, which, and how it gets in. */
#include "workers/pipeline.h"

/* Members of a consistent pool agree on it. */
bool subnet_is_wanted(const struct query *q)
{
	if (unlikely(q->ruled) && q->no_ecs)
		return false;
	return q->server != NULL ? q->server->fixed.use_client_subnet : q->pool->ecs;
}

bool subnet_may_be_left_out(const struct query *q)
{
	if (q->is_xfr || q->skip_cache || q->pool->cache == NULL || !cache_options(q->pool->cache)->parse_ecs)
		return false;
	return q->server != NULL ? !q->server->fixed.disable_zero_scope : q->pool->zero_scope;
}

struct subnet subnet_of(const struct worker *w, const struct query *q)
{
	bool v6 = q->client.sa.sa_family == AF_INET6;
	struct subnet s = {
		.bits = v6 ? w->settings->ecs_prefix_v6 : w->settings->ecs_prefix_v4,
		.override = w->settings->ecs_override,
	};

	s.addr = addr_bytes(&q->client, &s.len);
	if (likely(!q->ruled))
		return s;
	if (q->has_ecs_bits)
		s.bits = q->ecs_bits;
	if (q->has_ecs_override)
		s.override = q->ecs_override;
	if (q->ecs_addr_len > 0) {
		s.addr = q->ecs_addr;
		s.len = q->ecs_addr_len;
	}
	return s;
}

bool subnet_add(struct worker *w, struct query *q)
{
	enum ecs_added added = ECS_NONE;
	struct subnet s = subnet_of(w, q);
	size_t len = msg_add_ecs(q->packet, q->len, q->cap, &q->question, s.addr, s.len, s.bits,
				 s.override, &added);

	if (len == 0)
		return false;
	q->len = (uint16_t)len;
	q->ecs_added = (uint8_t)added;
	if (msg_opt(q->packet, q->len, &q->question, &q->opt) < 0)
		q->opt = (struct opt){0};
	return true;
}
