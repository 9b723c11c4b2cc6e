/* The books: counters, latencies, and the rings of recent traffic. Each writes only what its worker
 * owns. */
#include "workers/pipeline.h"

#include "rules/asked.h"
#include "rules/hitters.h"

static struct frontend_counters *counters_of(struct worker *w, const struct frontend *f)
{
	return perworker_peek(&f->counters, w->id);
}

void record_query(struct worker *w, const struct frontend *f)
{
	stat_inc(&w->stats, STAT_QUERIES);
	counter_inc(&counters_of(w, f)->queries);
}

void record_noncompliant(struct worker *w, const struct frontend *f)
{
	stat_inc(&w->stats, STAT_NONCOMPLIANT_QUERIES);
	counter_inc(&counters_of(w, f)->noncompliant);
}

void record_blocked(struct worker *w)
{
	stat_inc(&w->stats, STAT_DYN_BLOCKED);
}

void record_question(struct worker *w, const struct query *q)
{
	if (likely(w->query_ring != NULL))
		traffic_note_query(w->query_ring, q, w->now_us);
	hitters_query(w->id, &q->client, q->question.qtype, w->now_s);
	asked_note(w->id, q, &q->frontend->addr, w->now_us);
}

static void count_self_made(struct worker_stats *s, unsigned rcode)
{
	stat_inc(s, STAT_SELF_ANSWERED);
	if (rcode == RCODE_NXDOMAIN)
		stat_inc(s, STAT_RULE_NXDOMAIN);
	else if (rcode == RCODE_REFUSED)
		stat_inc(s, STAT_RULE_REFUSED);
	else if (rcode == RCODE_SERVFAIL)
		stat_inc(s, STAT_RULE_SERVFAIL);
}

static void count_rcode(struct worker_stats *s, unsigned rcode, bool self_made)
{
	if (likely(rcode == RCODE_NOERROR)) {
		stat_inc(s, STAT_FRONTEND_NOERROR);
	} else if (rcode == RCODE_NXDOMAIN) {
		stat_inc(s, STAT_FRONTEND_NXDOMAIN);
	} else if (rcode == RCODE_SERVFAIL) {
		stat_inc(s, STAT_FRONTEND_SERVFAIL);
	}
	if (unlikely(self_made))
		count_self_made(s, rcode);
}

static enum latency_kind latency_kind(const struct query *q)
{
	static const uint8_t kinds[PROTO_COUNT] = {
		[PROTO_UDP] = LATENCY_UDP,
		[PROTO_TCP] = LATENCY_TCP,
		[PROTO_DOT] = LATENCY_DOT,
		[PROTO_DOH] = LATENCY_DOH,
	};

	return (enum latency_kind)kinds[q->client_proto];
}

void record_answer(struct worker *w, const struct query *q)
{
	uint16_t flags = msg_flags(q->answer);
	uint32_t latency_us = q->pin ? (uint32_t)(w->now_us - q->start_us) : 0;

	stat_inc(&w->stats, STAT_RESPONSES);
	counter_inc(&counters_of(w, q->frontend)->responses);
	count_rcode(&w->stats, flags & DNS_RCODE_MASK, q->self_made);
	stat_latency(&w->stats, latency_kind(q), latency_us);
	if (likely(w->answer_ring != NULL))
		traffic_note_answer(w->answer_ring, q, q->pin ? &q->server->fixed.addr : NULL,
				    latency_us, w->now_us);
	hitters_answer(w->id, &q->client, flags & DNS_RCODE_MASK, q->answer_len, q->pin != NULL,
		       w->now_s);
	if (unlikely(w->settings->verbose))
		verbose_answer(q, latency_us);
}

void record_timeout(struct worker *w, const struct query *q, struct server_counters *c)
{
	stat_inc(&w->stats, STAT_DOWNSTREAM_TIMEOUTS);
	counter_inc(&c->drops);
	if (w->answer_ring != NULL)
		traffic_note_timeout(w->answer_ring, q, &q->server->fixed.addr, w->now_us);
	if (unlikely(w->settings->verbose))
		verbose_timeout(q);
}

void record_server_answer(struct worker *w, const struct query *q, uint16_t flags)
{
	struct upstream *up = q->upstream;

	counter_inc(&up->counters->responses);
	if (unlikely((flags & DNS_RCODE_MASK) == RCODE_SERVFAIL))
		stat_inc(&w->stats, STAT_SERVFAIL_RESPONSES);
	server_count_latency(up->server, up->counters, q->over_stream,
			     (uint32_t)(w->now_us - q->sent_us));
}
