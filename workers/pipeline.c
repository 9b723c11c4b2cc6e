/*
 * The life of a query, from top to bottom. Each stage is a function that does one thing, sets the
 * next stage and says what follows; the driver at the end runs them. The way back is in answer.c,
 * the books in record.c.
 */
#include "workers/pipeline.h"

#include "rules/acl.h"
#include "rules/hitters.h"
#include "rules/overload.h"
#include "workers/udp.h"

/* Silence over UDP, a closed connection over streams. */
static enum step drop(struct worker *w, struct query *q)
{
	if (q->pin != NULL && !q->more_coming)
		pin_drop(&w->pins, q->pin);
	q->transport->drop(w, q);
	return STEP_DONE;
}

static enum step drop_noncompliant(struct worker *w, struct query *q)
{
	record_noncompliant(w, q->frontend);
	return drop(w, q);
}

static enum step answer_ourselves(struct worker *w, struct query *q, unsigned rcode)
{
	answer_self(w, q, rcode);
	q->stage = STAGE_SELF;
	return STEP_NEXT;
}

static enum step empty_query(struct worker *w, struct query *q)
{
	stat_inc(&w->stats, STAT_EMPTY_QUERIES);
	if (w->settings->drop_empty_queries)
		return drop(w, q);
	if (q->flags & DNS_RD)
		stat_inc(&w->stats, STAT_RDQUERIES);
	q->udp_payload = 512; /* a header fits, whatever this record held before */
	return answer_ourselves(w, q, RCODE_NOTIMP);
}

/* What is malformed behind the question is forwarded as it is: the server may say what is wrong. */
static void find_opt(struct query *q)
{
	if (unlikely(msg_opt(q->packet, q->len, &q->question, &q->opt) < 0))
		q->opt = (struct opt){0};
}

/* EDNS, and whether octets follow that are no part of the message. */
static void parse_rest(struct query *q)
{
	find_opt(q);
	q->udp_payload = q->opt.payload > 512 ? q->opt.payload : 512;
	if (likely(q->opt.at == 0 ? q->len == q->question.end
				  : q->opt.is_last && q->len == q->opt.at + q->opt.len))
		return;
	q->has_trailing = msg_end(q->packet, q->len, &q->question) != q->len;
}

/* They are nobody's, and are not passed on. */
static void cut_trailing(struct query *q)
{
	size_t end = msg_end(q->packet, q->len, &q->question);

	if (end != 0)
		q->len = (uint16_t)end;
}

/* What comes of a query under dynamic blocks, of which there are some. */
static enum step run_blocks(struct worker *w, struct query *q,
			    const struct dynblock_hit *by_address)
{
	switch (blocks_apply(w, q, by_address)) {
	case BLOCKED_NOT:
		return STEP_NEXT;
	case BLOCKED_DROPPED:
		return drop(w, q);
	case BLOCKED_ANSWERED:
		q->stage = STAGE_SELF;
		return STEP_NEXT;
	case BLOCKED_UNRULED:
		if (unlikely(q->has_trailing))
			cut_trailing(q);
		q->stage = STAGE_POOL;
		return STEP_NEXT;
	}
	return STEP_NEXT;
}

static bool is_too_much(struct worker *w, const struct query *q)
{
	return w->settings->overload_protection &&
	       !overload_admits(w->overload, &q->client, w->now_us);
}

static enum step stage_parse(struct worker *w, struct query *q)
{
	struct dynblock_hit hit = {0};
	bool blocks = dynblocks_present_now();

	if (q->client_proto == PROTO_UDP && unlikely(!acl_allows(w->t->acl->table, &q->client))) {
		stat_inc(&w->stats, STAT_ACL_DROPS);
		return drop(w, q);
	}
	record_query(w, q->frontend);
	if (unlikely(q->len < DNS_HEADER_LEN))
		return drop_noncompliant(w, q);
	q->id = msg_id(q->packet);
	q->flags = msg_flags(q->packet);
	if (unlikely(q->flags & (DNS_QR | DNS_TC)))
		return drop_noncompliant(w, q);
	if (unlikely(msg_qdcount(q->packet) == 0))
		return empty_query(w, q);
	if (q->flags & DNS_RD)
		stat_inc(&w->stats, STAT_RDQUERIES);
	if (unlikely(blocks) && dynblocks_any(DYNBLOCK_ADDRESS) && blocks_drop(w, q, &hit))
		return drop(w, q);
	if (q->client_proto == PROTO_UDP && unlikely(is_too_much(w, q))) {
		note_dropped(w, q);
		stat_inc(&w->stats, STAT_OVERLOAD_DROPS);
		return drop(w, q);
	}
	if (unlikely(msg_question(q->packet, q->len, &q->question) < 0))
		return drop_noncompliant(w, q);
	parse_rest(q);
	record_question(w, q);
	if (unlikely(w->settings->verbose))
		verbose_query(q);
	q->is_xfr = q->question.qtype == TYPE_AXFR || q->question.qtype == TYPE_IXFR;
	q->stage = STAGE_RULES;
	return unlikely(blocks) ? run_blocks(w, q, &hit) : STEP_NEXT;
}

/* Runs a chain; next is the stage of a query that is still one. */
static enum step run_rules(struct worker *w, struct query *q, enum chain_id id, enum stage next)
{
	q->stage = next;
	if (likely(!has_rules(w, id)))
		return STEP_NEXT;
	if (chain_of_query(w, q, id) == VERDICT_DROP)
		return drop(w, q);
	if (q->self_made)
		q->stage = STAGE_SELF;
	return STEP_NEXT;
}

/* Rules see the datagram as it came. */
static enum step stage_rules(struct worker *w, struct query *q)
{
	enum step step = run_rules(w, q, CHAIN_QUERY, STAGE_POOL);

	if (step == STEP_NEXT && unlikely(q->has_trailing) && !q->self_made)
		cut_trailing(q);
	return step;
}

static struct server *pick_server(struct worker *w, struct query *q)
{
	const struct policy *policy = pool_policy(w->t->pools, q->pool);
	const struct pool_member *m = policy->pick(q->pool, q, &w->policy);

	q->near_only = false;
	return m != NULL ? m->server : NULL;
}

struct cache_key *pipeline_key(struct worker *w, struct query *q)
{
	struct cache_key *key = &w->keys[q->key_slot].key;

	cache_key(q->pool->cache, q->packet, q->len, &q->question, &q->opt,
		  q->client_proto == PROTO_UDP, key);
	return key;
}

/* Into room that the answer may stay in. */
static bool look_up(struct worker *w, struct query *q, const struct cache_key *key, bool count)
{
	uint32_t stale_s = w->settings->stale_ttl_s;
	size_t cap, len;
	uint8_t *room = udp_room(w, &cap);
	struct cache_ask ask = {
		.now_s = w->now_s,
		.stale_s = unlikely(stale_s > 0) && pool_is_down(q->pool) ? stale_s : 0,
		.id = q->id,
		.flags = q->flags,
		.name = q->packet + DNS_HEADER_LEN,
		.count = count,
	};

	if (cache_lookup(q->pool->cache, w->id, key, &ask, room, cap, &len) == CACHE_MISS)
		return false;
	q->answer = room;
	q->answer_len = (uint32_t)len;
	q->answer_stays = true;
	w->answer_cap = (uint32_t)cap;
	answer_fit(q);
	return true;
}

/*
 * What is good for everybody (RFC 7871 7.3.1, scope 0) is kept without a subnet: asked for first,
 * and stored so unless the client came with a subnet of its own. Then the subnet is put into the
 * query.
 */
static enum step add_subnet(struct worker *w, struct query *q)
{
	uint16_t option_len;

	if (subnet_may_be_left_out(q)) {
		if (look_up(w, q, pipeline_key(w, q), false)) {
			q->stage = STAGE_HIT;
			return STEP_NEXT;
		}
		q->zero_scope_asked = q->opt.at == 0 ||
				      opt_find(q->packet, &q->opt, EDNS_ECS, &option_len) == NULL;
	}
	return likely(subnet_add(w, q)) ? STEP_NEXT : drop(w, q);
}

/*
 * Which servers, which cache. Where the servers of the pool differ in what a query must carry, one
 * is picked now, as the key depends on it; else only after a miss, as policies may have side
 * effects.
 */
static enum step stage_pool(struct worker *w, struct query *q)
{
	if (likely(q->pool == NULL))
		q->pool = w->t->pools->list[0];
	if (unlikely(q->no_pool))
		return drop(w, q);
	q->stage = STAGE_LOOKUP;
	if (q->pool->cache == NULL || unlikely(!q->pool->consistent)) {
		q->server_first = true;
		q->server = pick_server(w, q);
	}
	if (unlikely(subnet_is_wanted(q)) && add_subnet(w, q) == STEP_DONE)
		return STEP_DONE;
	if (q->pool->cache != NULL && q->stage == STAGE_LOOKUP)
		cache_prefetch(q->pool->cache, pipeline_key(w, q)->hash);
	return STEP_NEXT;
}

static enum step stage_lookup(struct worker *w, struct query *q)
{
	const struct cache_key *key = &w->keys[q->key_slot].key;

	q->stage = STAGE_SERVER;
	if (q->pool->cache == NULL || unlikely(q->skip_cache))
		return STEP_NEXT;
	if (likely(!q->is_xfr && key->len > 0)) {
		if (look_up(w, q, key, true)) {
			q->stage = STAGE_HIT;
			return STEP_NEXT;
		}
		q->cache_asked = true;
		q->stage = STAGE_MISS;
	}
	stat_inc(&w->stats, STAT_CACHE_MISSES);
	return STEP_NEXT;
}

/* Rules may send it to another pool, whose cache is not asked but keeps the answer. */
static enum step stage_miss(struct worker *w, struct query *q)
{
	const struct pool *pool = q->pool;
	enum step step = run_rules(w, q, CHAIN_CACHE_MISS, STAGE_SERVER);

	if (step == STEP_NEXT && q->pool != pool)
		q->server_first = false; /* one of the other pool is picked */
	return step == STEP_NEXT && unlikely(q->no_pool && !q->self_made) ? drop(w, q) : step;
}

/* Counted as such whether it is answered or not, and not as one that was meant to be answered here.
 */
static enum step no_server(struct worker *w, struct query *q)
{
	enum step next;

	stat_inc(&w->stats, STAT_NO_POLICY);
	if (!w->settings->servfail_when_no_server)
		return drop(w, q);
	next = answer_ourselves(w, q, RCODE_SERVFAIL);
	answer_own(q);
	q->self_made = false;
	q->stage = STAGE_RESPOND;
	return next;
}

static enum step stage_server(struct worker *w, struct query *q)
{
	if (!q->server_first)
		q->server = pick_server(w, q);
	if (unlikely(q->server == NULL))
		return no_server(w, q);
	q->stage = STAGE_FORWARD;
	return STEP_NEXT;
}

/* From here on the query outlives the turn. */
static enum step stage_forward(struct worker *w, struct query *q)
{
	struct upstream *up = upstream_get(w, q->server);

	if (unlikely(up->def->qps > 0))
		server_take_qps(q->server, up->def, w->now_us);
	q->start_us = w->now_us;
	q->pin = pin_take(&w->pins);
	if (likely(upstream_send(w, up, q) == 0))
		return STEP_PARK;
	stat_inc(&w->stats, STAT_DOWNSTREAM_SEND_ERRORS);
	counter_inc(&up->counters->send_errors);
	return drop(w, q);
}

/* Runs a chain over the answer, if it has rules. */
static bool answer_passes(struct worker *w, struct query *q, enum chain_id id)
{
	return likely(!has_rules(w, id)) || chain_of_answer(w, q, id) != VERDICT_DROP;
}

/* What rules do before the answer is kept is kept with it; what those for kept answers do is not.
 */
static enum step stage_answer(struct worker *w, struct query *q)
{
	answer_receive(w, q);
	if (!answer_passes(w, q, q->is_xfr ? CHAIN_XFR : CHAIN_RESPONSE))
		return drop(w, q);
	if (answer_mend(w, q) && !answer_passes(w, q, CHAIN_CACHE_INSERTED))
		return drop(w, q);
	q->stage = STAGE_RESPOND;
	return STEP_NEXT;
}

/* A hit counts as one that was answered from the cache: not if a rule drops it. */
static enum step stage_hit(struct worker *w, struct query *q)
{
	q->stage = STAGE_RESPOND;
	if (!answer_passes(w, q, CHAIN_CACHE_HIT))
		return drop(w, q);
	stat_inc(&w->stats, STAT_CACHE_HITS);
	return STEP_NEXT;
}

static enum step stage_self(struct worker *w, struct query *q)
{
	answer_own(q);
	q->stage = STAGE_RESPOND;
	return answer_passes(w, q, CHAIN_SELF_ANSWERED) ? STEP_NEXT : drop(w, q);
}

static enum step stage_respond(struct worker *w, struct query *q)
{
	if (unlikely(q->ruled))
		answer_finish(w, q);
	record_answer(w, q);
	if (q->pin != NULL && !q->more_coming) {
		pin_drop(&w->pins, q->pin);
		q->pin = NULL;
	}
	if (unlikely(q->ruled) && delay_holds(w, q))
		return STEP_PARK;
	q->transport->respond(w, q);
	return STEP_DONE;
}

static enum step step(struct worker *w, struct query *q)
{
	switch ((enum stage)q->stage) {
	case STAGE_PARSE:
		return stage_parse(w, q);
	case STAGE_RULES:
		return stage_rules(w, q);
	case STAGE_POOL:
		return stage_pool(w, q);
	case STAGE_LOOKUP:
		return stage_lookup(w, q);
	case STAGE_MISS:
		return stage_miss(w, q);
	case STAGE_SERVER:
		return stage_server(w, q);
	case STAGE_FORWARD:
		return stage_forward(w, q);
	case STAGE_ANSWER:
		return stage_answer(w, q);
	case STAGE_HIT:
		return stage_hit(w, q);
	case STAGE_SELF:
		return stage_self(w, q);
	case STAGE_RESPOND:
		return stage_respond(w, q);
	case STAGE_END:
		break;
	}
	return STEP_DONE;
}

/* Runs a query up to the stage until: true when it got there, false when it parked or ended before.
 */
static bool advance(struct worker *w, struct query *q, enum stage until)
{
	while (q->stage < until)
		if (step(w, q) != STEP_NEXT)
			return false;
	return true;
}

void pipeline_query(struct worker *w, struct query *q)
{
	advance(w, q, STAGE_END);
}

/* With a million blocks each look-up would wait for memory by itself. */
static void prefetch_blocks(struct query *const *q, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		dynblocks_prefetch(&q[i]->client);
	for (unsigned i = 0; i < n; i++)
		dynblocks_prefetch_block(&q[i]->client);
}

/* Of IPv4, where it is one load. */
static inline bool is_same_client(const struct query *a, const struct query *b)
{
	return a->client.sa.sa_family == AF_INET && b->client.sa.sa_family == AF_INET &&
	       a->client.v4.sin_addr.s_addr == b->client.v4.sin_addr.s_addr;
}

/* A flood comes from as many clients as it has datagrams, or all of it from one. */
static void prefetch_hitters(const struct worker *w, const struct hitters *h,
			     struct query *const *q, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (i == 0 || !is_same_client(q[i], q[i - 1]))
			hitters_prefetch_client(h, w->id, &q[i]->client);
	for (unsigned i = 0; i < n; i++)
		if (i == 0 || !is_same_client(q[i], q[i - 1]))
			hitters_prefetch_counts(h, w->id, &q[i]->client);
}

static void prefetch_entry(const struct worker *w, const struct query *q)
{
	if (q->pool->cache != NULL)
		cache_prefetch_entry(q->pool->cache, w->keys[q->key_slot].key.hash);
}

/* Parses all and begins to load what their rules will need. Those that ended are left out. */
static unsigned parse_batch(struct worker *w, struct query **q, unsigned n)
{
	const struct chain *rules = w->t->rules->chain[CHAIN_QUERY];
	unsigned left = 0;

	for (unsigned i = 0; i < n; i++) {
		if (!advance(w, q[i], STAGE_RULES))
			continue;
		chain_prefetch(rules, q[i]);
		q[left++] = q[i];
	}
	return left;
}

/*
 * Three passes, so that what the cache will read is on its way before anybody waits for it: which
 * buckets, which entries, and only then the look-ups. With a million names that hides some 300 ns a
 * query.
 */
void pipeline_batch(struct worker *w, struct query **q, unsigned n)
{
	const struct hitters *h = rcu_get(hitters_live);
	unsigned left = 0;

	if (h != NULL && n > 1)
		prefetch_hitters(w, h, q, n);
	if (unlikely(dynblocks_are_many()))
		prefetch_blocks(q, n);
	if (unlikely(w->t->rules->chain[CHAIN_QUERY]->n_prefetchers > 0))
		n = parse_batch(w, q, n);
	for (unsigned i = 0; i < n; i++) {
		q[i]->key_slot = (uint8_t)i;
		if (!advance(w, q[i], STAGE_LOOKUP))
			continue;
		/* one that has its answer leaves now: the next look-up writes where that lies */
		if (unlikely(q[i]->stage > STAGE_LOOKUP))
			advance(w, q[i], STAGE_END);
		else
			q[left++] = q[i];
	}
	if (left > 1)
		for (unsigned i = 0; i < left; i++)
			prefetch_entry(w, q[i]);
	for (unsigned i = 0; i < left; i++)
		advance(w, q[i], STAGE_END);
}

static bool counts_as_bad(const struct upstream *up, uint16_t flags)
{
	return up->def->health.lazy_counts == LAZY_TIMEOUT_OR_SERVFAIL &&
	       (flags & DNS_RCODE_MASK) == RCODE_SERVFAIL;
}

static bool is_lazy(const struct upstream *up)
{
	return up->def->health.mode == HEALTH_LAZY && up->def->force == SERVER_AUTO;
}

void pipeline_answer(struct worker *w, struct query *q, uint8_t *answer, size_t len, size_t cap)
{
	struct upstream *up = q->upstream;

	assert(len <= cap);
	q->answer = answer;
	q->answer_len = (uint32_t)len;
	w->answer_cap = (uint32_t)cap;
	record_server_answer(w, q, msg_flags(answer));
	if (unlikely(is_lazy(up)))
		probe_query_result(w, up, counts_as_bad(up, msg_flags(answer)));
	if (likely(!q->more_coming))
		upstream_done(w, q);
	q->stage = STAGE_ANSWER;
	advance(w, q, STAGE_END);
}

void pipeline_failed(struct worker *w, struct query *q, enum failure why)
{
	struct upstream *up = q->upstream;

	q->failure = (uint8_t)why;
	upstream_done(w, q);
	if (why == FAILURE_TIMEOUT)
		record_timeout(w, q, up->counters);
	if (unlikely(is_lazy(up)))
		probe_query_result(w, up, true);
	if (unlikely(has_rules(w, CHAIN_TIMEOUT)))
		chain_of_failure(w, q);
	drop(w, q);
}
