/* The way back: what an answer goes through before it leaves. */
#include "workers/pipeline.h"

#include "core/dns/answer.h"
#include "core/dns/option.h"
#include "core/dns/ttl.h"

/* The answer's question: the query's, none, or in an answer that a rule was given whole any. */
static const struct question *question_of(const struct query *q, struct question *own)
{
	*own = (struct question){0};
	if (msg_qdcount(q->answer) == 0)
		return own;
	if (likely(!q->self_made))
		return &q->question;
	if (msg_question(q->answer, q->answer_len, own) < 0)
		*own = (struct question){0};
	return own;
}

/* Without its records, TC set; an answer that has no question is left with its header. */
static void truncate(struct query *q)
{
	struct question own;
	const struct question *question = question_of(q, &own);
	struct opt opt;
	bool has_opt = msg_opt(q->answer, q->answer_len, question, &opt) == 0 && opt.at != 0;

	q->answer_len =
		(uint32_t)msg_truncate(q->answer, q->answer_len, question, has_opt ? &opt : NULL);
}

void answer_fit(struct query *q)
{
	if (q->client_proto == PROTO_UDP && unlikely(q->answer_len > q->udp_payload))
		truncate(q);
}

static void restore_flags(struct query *q)
{
	uint16_t clients = DNS_RD | DNS_CD;

	msg_set_flags(q->answer,
		      (uint16_t)((msg_flags(q->answer) & ~clients) | (q->flags & clients)));
}

/* The question of an answer that fits is as long as the query's, see upstream_answer_fits. */
static void restore_case(struct query *q)
{
	if (msg_qdcount(q->answer) == 1)
		memcpy(q->answer + DNS_HEADER_LEN, q->packet + DNS_HEADER_LEN,
		       q->question.name_len);
}

/* Whether the server says that its answer is good for every subnet. */
static bool is_for_everybody(const struct query *q)
{
	struct opt opt;
	struct ecs ecs;

	if (!q->zero_scope_asked || msg_qdcount(q->answer) != 1)
		return false;
	if (msg_opt(q->answer, q->answer_len, &q->question, &opt) < 0 || opt.at == 0)
		return false;
	return msg_ecs(q->answer, &opt, &ecs) == 0 && ecs.present && ecs.scope_bits == 0;
}

/* The query as it was before the subnet: what the look-up without one had as its key. */
static void take_subnet_out(struct query *q)
{
	q->len = (uint16_t)msg_remove_ecs(q->packet, q->len, q->ecs_added);
	if (msg_opt(q->packet, q->len, &q->question, &q->opt) < 0)
		q->opt = (struct opt){0};
}

/* An answer over UDP that is longer was not meant for many. */
#define INSERT_UDP_MAX 4096

static uint32_t temp_failure_ttl(const struct query *q)
{
	return unlikely(q->ruled) && q->has_temp_failure_ttl ? q->temp_failure_ttl_s : UINT32_MAX;
}

/* What rules for cache misses made of the query is not what the cache was asked for. */
static void take_edits_out(struct query *q)
{
	struct extra_item original;

	if (!extra_find(q, EXTRA_ORIGINAL, NULL, 0, &original))
		return;
	memcpy(q->packet, original.value, original.value_len);
	q->len = (uint16_t)original.value_len;
	if (msg_opt(q->packet, q->len, &q->question, &q->opt) < 0)
		q->opt = (struct opt){0};
}

static bool keep(struct worker *w, struct query *q, bool for_everybody)
{
	struct cache *c = q->pool->cache;
	const struct cache_key *key;

	if (!q->cache_asked || c == NULL || q->skip_cache ||
	    (!q->over_stream && q->answer_len > INSERT_UDP_MAX))
		return false;
	if (unlikely(q->ruled))
		take_edits_out(q);
	if (unlikely(for_everybody))
		take_subnet_out(q);
	key = pipeline_key(w, q);
	if (likely(key->len > 0))
		cache_insert(c, w->id, key, q->answer, q->answer_len, w->now_s,
			     temp_failure_ttl(q));
	return true;
}

void answer_receive(struct worker *w, struct query *q)
{
	msg_set_id(q->answer, q->id);
	answer_fit(q);
	if (unlikely(w->settings->truncate_tc) && q->client_proto == PROTO_UDP &&
	    (msg_flags(q->answer) & DNS_TC))
		truncate(q);
}

bool answer_mend(struct worker *w, struct query *q)
{
	bool for_everybody = is_for_everybody(q);
	enum ecs_added added = q->opt_ours ? ECS_ADDED_OPT : (enum ecs_added)q->ecs_added;

	restore_flags(q);
	if (w->settings->fixup_case)
		restore_case(q);
	if (unlikely(added != ECS_NONE))
		q->answer_len = (uint32_t)msg_remove_ecs(q->answer, q->answer_len, added);
	return keep(w, q, for_everybody);
}

void answer_own(struct query *q)
{
	restore_flags(q);
	answer_fit(q);
}

/*
 * As many as fit in what the client takes; the first takes the place of those that are there, if a
 * rule wants that.
 */
static void add_errors(struct worker *w, struct query *q, const struct question *question)
{
	size_t cap, at = 0, len, text_len;
	bool clear = q->clear_errors;
	const char *text;
	uint16_t code;

	answer_make_room(w, q);
	cap = w->answer_cap;
	if (q->client_proto == PROTO_UDP && cap > q->udp_payload)
		cap = q->udp_payload;
	while (error_next(q, &at, &code, &text, &text_len)) {
		len = msg_add_ede(q->answer, q->answer_len, cap, question, code, text, text_len,
				  clear);
		if (len == 0)
			continue;
		q->answer_len = (uint32_t)len;
		clear = false;
	}
}

void answer_finish(struct worker *w, struct query *q)
{
	struct question own;
	const struct question *question = question_of(q, &own);

	if (q->has_max_ttl)
		msg_cap_ttls(q->answer, q->answer_len, question, q->max_ttl_s);
	if (q->extra != NULL && query_has_edns(q))
		add_errors(w, q, question);
}

void answer_self(struct worker *w, struct query *q, unsigned rcode)
{
	const struct settings *s = w->settings;
	struct answer_form form = {
		.opt = query_has_edns(q) && s->add_edns_to_self_generated ? &q->opt : NULL,
		.payload = (uint16_t)s->payload_size_self_generated,
	};

	q->self_made = true;
	q->answer = q->packet;
	q->answer_stays = true;
	w->answer_cap = q->cap;
	if (msg_qdcount(q->packet) == 0) {
		memset(q->packet + 6, 0, DNS_HEADER_LEN - 6);
		msg_set_flags(q->packet,
			      (uint16_t)(DNS_QR | (q->flags & (DNS_OPCODE_MASK | DNS_RD | DNS_CD)) |
					 (q->flags & DNS_RD ? DNS_RA : 0) | rcode));
		q->answer_len = DNS_HEADER_LEN;
		return;
	}
	msg_set_id(q->packet, q->id);
	q->answer_len =
		(uint32_t)msg_answer_empty(q->packet, q->len, q->cap, &q->question, rcode, &form);
}
