/* The pipeline's own parts, one subject a file: the way back (answer.c) and the books (record.c).
 */
#ifndef WORKERS_PIPELINE_H
#define WORKERS_PIPELINE_H

#include "workers/worker.h"

/* The key of q as it stands, in the scratch key that is its own. */
struct cache_key *pipeline_key(struct worker *w, struct query *q);

/*
 * workers/answer.c: what an answer goes through on its way back.
 */

/* A server's answer: cut to what the client can take, flags and case mended, ours taken out, kept
 * in the cache. */
void answer_mend(struct worker *w, struct query *q);

/* One from the cache or our own: only cut to what the client can take. */
void answer_fit(struct query *q);

/* Makes q its own answer, without records; cap of the packet suffices for any query that was
 * parsed. */
void answer_self(struct worker *w, struct query *q, unsigned rcode);

/*
 * workers/record.c: counters, latency, traffic ring.
 */

/* A query that the ACL let through. */
void record_query(struct worker *w, const struct frontend *f);

/* A query that is none. */
void record_noncompliant(struct worker *w, const struct frontend *f);

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
