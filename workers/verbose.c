/*
 * Lines about single queries, for setVerbose: each goes through the worker's queue of lines, and
 * what does not fit there is counted instead. Nothing of this runs unless the operator asked for
 * it.
 */
#include "core/log.h"
#include "workers/pipeline.h"

static const char *over(const struct query *q)
{
	static const char *const names[PROTO_COUNT] = {"UDP", "TCP", "TLS", "HTTPS"};

	return names[q->client_proto];
}

struct texts {
	char client[ADDR_TEXT_MAX], server[ADDR_TEXT_MAX], name[DNS_NAME_TEXT_MAX], type[16],
		rcode[24];
};

/* "www.example. A"; an empty query has neither. */
static const char *name_of(const struct query *q, struct texts *t)
{
	return q->question.name_len == 0
		       ? "nothing"
		       : name_text(q->packet + DNS_HEADER_LEN, q->question.name_len, t->name);
}

static const char *type_of(const struct query *q, struct texts *t)
{
	return q->question.name_len == 0 ? "" : type_text(q->question.qtype, t->type);
}

void verbose_query(const struct query *q)
{
	struct texts t;

	log_debug("query", "query from %s over %s for %s %s, %u octets",
		  addr_text_port(&q->client, t.client), over(q), name_of(q, &t), type_of(q, &t),
		  (unsigned)q->len);
}

static const char *source_of(const struct query *q, struct texts *t)
{
	if (q->pin != NULL)
		return addr_text_port(&q->server->fixed.addr, t->server);
	return q->self_made || q->answer == q->packet ? "us" : "the cache";
}

void verbose_answer(const struct query *q, uint32_t latency_us)
{
	struct texts t;

	log_debug("query", "answer to %s over %s for %s %s: %s, %u octets from %s after %u us",
		  addr_text_port(&q->client, t.client), over(q), name_of(q, &t), type_of(q, &t),
		  rcode_text(msg_flags(q->answer) & DNS_RCODE_MASK, t.rcode),
		  (unsigned)q->answer_len, source_of(q, &t), latency_us);
}

void verbose_timeout(const struct query *q)
{
	struct texts t;

	log_debug("query", "no answer from %s to %s over %s for %s %s",
		  addr_text_port(&q->server->fixed.addr, t.server),
		  addr_text_port(&q->client, t.client), over(q), name_of(q, &t), type_of(q, &t));
}
