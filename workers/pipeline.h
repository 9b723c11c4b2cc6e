/* The pipeline's own parts, one subject a file: the way back (answer.c) and the books (record.c).
 */
#ifndef WORKERS_PIPELINE_H
#define WORKERS_PIPELINE_H

#include "rules/dynblocks.h"
#include "rules/rules.h"
#include "workers/worker.h"

/* The key of q as it stands, in the scratch key that is its own. */
struct cache_key *pipeline_key(struct worker *w, struct query *q);

/*
 * workers/blocks.c: dynamic blocks.
 */

/*
 * Whether the client is blocked and nothing but a drop is wanted; then it is counted, and the question
 * is read for the ring of queries at most. Else *by_address is the client's block, whose block is NULL
 * for none.
 */
bool blocks_drop(struct worker *w, struct query *q, struct dynblock_hit *by_address);

/* A query that is dropped unread: it is counted for its client, and in the ring of queries, all the same. */
void note_dropped(struct worker *w, struct query *q);

enum blocked {
	BLOCKED_NOT, /* goes on as ever */
	BLOCKED_DROPPED,
	BLOCKED_ANSWERED, /* is its own answer now */
	BLOCKED_UNRULED,  /* goes on, but past the rules */
};

/* A parsed query under the block of its client, which blocks_drop has found, and under those of
 * names. */
enum blocked blocks_apply(struct worker *w, struct query *q, const struct dynblock_hit *by_address);

/*
 * workers/subnet.c: the client subnet (RFC 7871) in queries to servers.
 */

/* Whether q's server is to be told it. */
bool subnet_is_wanted(const struct query *q);

/* Whether the cache may hold an answer without one that is good for every subnet. */
bool subnet_may_be_left_out(const struct query *q);

/* What is sent: as the settings say, or as rules do. */
struct subnet {
	const uint8_t *addr; /* lent by q */
	size_t len;
	unsigned bits;
	bool override;
};
struct subnet subnet_of(const struct worker *w, const struct query *q);

/* Puts it into q; false when there is no room. */
bool subnet_add(struct worker *w, struct query *q);

/*
 * workers/answer.c: what an answer goes through on its way back.
 */

/* A server's answer before rules see it: the client's ID, cut to what the client can take. */
void answer_receive(struct worker *w, struct query *q);

/* After rules: flags and case mended, what was added to the query taken out. Whether it was offered
 * to a cache. */
bool answer_mend(struct worker *w, struct query *q);

/* The last step of a query that rules asked something for: what the client gets and the cache does
 * not. */
void answer_finish(struct worker *w, struct query *q);

/* Our own before rules see it: flags mended, cut to what the client can take. */
void answer_own(struct query *q);

/* One from the cache: only cut to what the client can take. */
void answer_fit(struct query *q);

/* Makes q its own answer, without records; cap of the packet suffices for any query that was
 * parsed. */
void answer_self(struct worker *w, struct query *q, unsigned rcode);

/*
 * workers/chains.c: rules. Each runs a chain that has rules over the query or its answer.
 */

/* The query's message, of a chain of query actions; q->self_made is set when it became an answer.
 */
enum verdict chain_of_query(struct worker *w, struct query *q, enum chain_id id);

/* The answer's, of a chain of response actions. */
enum verdict chain_of_answer(struct worker *w, struct query *q, enum chain_id id);

/* Sees to it that the answer can grow. */
void answer_make_room(struct worker *w, struct query *q);

/* A query that was not answered: its own message, of the chain of timeouts. */
void chain_of_failure(struct worker *w, struct query *q);

static inline bool has_rules(const struct worker *w, enum chain_id id)
{
	return w->t->rules->chain[id]->n != 0;
}

/*
 * workers/delay.c: answers that a rule wants held.
 */

/* Whether q is held now: it leaves when its time has come. */
bool delay_holds(struct worker *w, struct query *q);

/*
 * workers/record.c: counters, latency, traffic rings.
 */

/* A query that the ACL let through. */
void record_query(struct worker *w, const struct frontend *f);

/* A query that was parsed: into the ring of queries, and counted for its client. */
void record_question(struct worker *w, const struct query *q);

/* A query that is none. */
void record_noncompliant(struct worker *w, const struct frontend *f);

/* A dynamic block was applied. */
void record_blocked(struct worker *w);

/* An answer leaves. Latency is 0 for those from the cache and our own. */
void record_answer(struct worker *w, const struct query *q);

/* The server with these counters did not answer in time. */
void record_timeout(struct worker *w, const struct query *q, struct server_counters *c);

/* q->upstream has answered, with these header flags. */
void record_server_answer(struct worker *w, const struct query *q, uint16_t flags);

/*
 * workers/verbose.c: a line each, for callers that have found w->settings->verbose set.
 */
void verbose_query(const struct query *q); /* parsed */
void verbose_answer(const struct query *q, uint32_t latency_us);
void verbose_timeout(const struct query *q);

#endif
