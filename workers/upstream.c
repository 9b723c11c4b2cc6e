/* The worker's side of a server: found or made, sent to, checked against, and let go. */
#include <stdlib.h>

#include "core/mem.h"
#include "workers/slab.h"
#include "workers/upstream.h"
#include "workers/worker.h"

/*
 * def is that of the worker's present generation, NULL when the server is in none. The copy is for
 * then: by the time a worker learns that a server is gone, the generation that had it may be too.
 */
static void upstream_follow(struct worker *w, struct upstream *up, const struct server_def *def)
{
	static char no_name[] = "";

	if (def != NULL) /* field by field: the count of references is the control thread's */
		up->last_def = (struct server_def){
			.name = no_name,
			.weight = def->weight,
			.order = def->order,
			.qps = def->qps,
			.force = def->force,
			.health = def->health,
		};
	up->def = def ? def : &up->last_def;
	up->removed = def == NULL;
	if (up->removed && up->in_flight == 0)
		w->upstreams_ended = true;
}

void upstreams_reconcile(struct worker *w)
{
	const struct pools *pools = w->t->pools;

	for (unsigned i = 0; i < w->n_upstreams; i++)
		if (w->upstreams[i] != NULL)
			w->upstreams[i]->removed = true;
	for (unsigned i = 0; i < pools->n_rows; i++) {
		const struct server_row *row = &pools->rows[i];
		unsigned slot = row->server->slot;

		if (slot < w->n_upstreams && w->upstreams[slot] != NULL)
			upstream_follow(w, w->upstreams[slot], row->def);
	}
	for (unsigned i = 0; i < w->n_upstreams; i++)
		if (w->upstreams[i] != NULL && w->upstreams[i]->removed)
			upstream_follow(w, w->upstreams[i], NULL);
}

/* Not per packet: at a server's first use by this worker. */
static struct upstream *upstream_new(struct worker *w, struct server *s)
{
	struct upstream *up = mem_lines(sizeof(*up));
	const struct server_row *row = pools_row(w->t->pools, s);

	if (s->slot >= w->n_upstreams) {
		unsigned n = s->slot + 1;

		w->upstreams = mem_realloc(w->upstreams, n, sizeof(struct upstream *));
		memset(w->upstreams + w->n_upstreams, 0,
		       (n - w->n_upstreams) * sizeof(struct upstream *));
		w->n_upstreams = n;
	}
	up->server = s;
	up->counters = perworker_get(&s->counters, w->id);
	upstream_follow(w, up, row ? row->def : NULL);
	up->watched_up = atomic_load_explicit(&s->up, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->users, 1, memory_order_relaxed);
	w->upstreams[s->slot] = up;
	return up;
}

struct upstream *upstream_get(struct worker *w, struct server *s)
{
	if (likely(s->slot < w->n_upstreams && w->upstreams[s->slot] != NULL))
		return w->upstreams[s->slot];
	return upstream_new(w, s);
}

static bool wants_stream(const struct server *s, const struct query *q)
{
	return s->fixed.tcp_only || q->client_proto != PROTO_UDP;
}

/* reconnectOnUp: a server that comes back is met on new sockets. */
static void follow_state(struct worker *w, struct upstream *up)
{
	bool is_up = atomic_load_explicit(&up->server->up, memory_order_relaxed);

	if (likely(up->watched_up == is_up))
		return;
	up->watched_up = is_up;
	if (is_up && up->server->fixed.reconnect_on_up)
		udp_upstream_reconnect(w, up);
}

int upstream_send(struct worker *w, struct upstream *up, struct query *q)
{
	struct server *s = up->server;
	int rc;

	if (unlikely(w->in_flight + w->held >= IN_FLIGHT_MAX)) /* also those that a rule delays */
		return -ENOBUFS;
	follow_state(w, up);
	q->upstream = up;
	q->sent_us = w->now_us;
	q->over_stream = wants_stream(s, q);
	up->in_flight++;
	w->in_flight++;
	atomic_fetch_add_explicit(&s->outstanding, 1, memory_order_relaxed);
	rc = q->over_stream ? stream_upstream_send(w, up, q) : udp_upstream_send(w, up, q);
	if (unlikely(rc < 0)) {
		upstream_done(w, q);
		return rc;
	}
	counter_inc(&up->counters->queries);
	return 0;
}

void upstream_done(struct worker *w, struct query *q)
{
	struct upstream *up = q->upstream;

	q->upstream = NULL;
	w->in_flight--;
	atomic_fetch_sub_explicit(&up->server->outstanding, 1, memory_order_relaxed);
	if (--up->in_flight == 0 && unlikely(up->removed))
		w->upstreams_ended = true;
}

static bool is_empty_but_allowed(const struct worker *w, const uint8_t *answer)
{
	unsigned rcode = msg_flags(answer) & DNS_RCODE_MASK;

	return (rcode != RCODE_NOERROR && rcode != RCODE_NXDOMAIN) ||
	       w->settings->allow_empty_response;
}

static bool count_noncompliant(struct worker *w, const struct query *q)
{
	stat_inc(&w->stats, STAT_NONCOMPLIANT_RESPONSES);
	counter_inc(&q->upstream->counters->noncompliant_responses);
	return false;
}

bool upstream_answer_fits(struct worker *w, const struct query *q, const uint8_t *answer,
			  size_t len)
{
	struct question asked;

	if (len < DNS_HEADER_LEN || !(msg_flags(answer) & DNS_QR))
		return count_noncompliant(w, q);
	if (msg_qdcount(answer) == 0)
		return is_empty_but_allowed(w, answer) || count_noncompliant(w, q);
	if (likely(msg_question_equal(answer, len, q->packet, &q->question)))
		return true;
	if (msg_question(answer, len, &asked) < 0)
		return count_noncompliant(w, q);
	return false; /* somebody else's question: not counted, the right answer may still come */
}

static void upstream_release(struct worker *w, struct upstream *up)
{
	struct server *s = up->server;

	probe_close(w, up);
	udp_upstream_close(w, up);
	stream_upstream_close(w, up);
	w->upstreams[s->slot] = NULL;
	free(up);
	atomic_fetch_sub_explicit(&s->users, 1, memory_order_release);
}

void upstreams_release_ended(struct worker *w)
{
	w->upstreams_ended = false;
	for (unsigned i = 0; i < w->n_upstreams; i++) {
		struct upstream *up = w->upstreams[i];

		if (up != NULL && up->removed && up->in_flight == 0)
			upstream_release(w, up);
	}
}

void upstreams_fini(struct worker *w)
{
	for (unsigned i = 0; i < w->n_upstreams; i++)
		if (w->upstreams[i] != NULL)
			upstream_release(w, w->upstreams[i]);
	free(w->upstreams);
	w->upstreams = NULL;
	w->n_upstreams = 0;
}
