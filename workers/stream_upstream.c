/*
 * Servers over TCP and TLS. A query goes on a connection that has room, an open one without
 * queries, or a new one, in this order; none is opened ahead of need. With maxInFlight 0 or 1 a
 * connection has one query at a time. A connection that dies takes no query with it: each is sent
 * again on a new one, until it has had as many attempts as the server's retries.
 */
#include <stdlib.h>

#include "core/mem.h"
#include "workers/server_conn.h"

static void list_push(struct conn_list *l, struct server_conn *c)
{
	c->list = l;
	c->prev = NULL;
	c->next = l->first;
	if (l->first != NULL)
		l->first->prev = c;
	else
		l->last = c;
	l->first = c;
	l->n++;
}

static void list_remove(struct server_conn *c)
{
	struct conn_list *l = c->list;

	if (l == NULL)
		return;
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		l->first = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	else
		l->last = c->prev;
	c->list = NULL;
	l->n--;
}

static struct stream_upstream *stream_of(struct worker *w, struct upstream *up)
{
	if (up->stream == NULL) {
		up->stream = mem_zalloc(1, sizeof(*up->stream));
		if (up->server->fixed.tls != NULL)
			up->stream->sessions = tls_sessions_new(0, 0);
	}
	/* The settings may have changed since the last connection. */
	if (up->stream->sessions != NULL)
		tls_sessions_limit(up->stream->sessions, w->settings->tls_sessions_per_server,
				   w->settings->tls_session_validity_s);
	return up->stream;
}

/*
 * An open connection for q, or NULL. A query whose connection has died is not put on one of the
 * same age, which most likely is as dead: only on one that was opened since.
 */
static struct server_conn *pick(const struct stream_upstream *su, const struct query *q)
{
	if (q->retries > 0)
		return q->is_xfr || su->busy.first == NULL || su->busy.first->answered
			       ? NULL
			       : su->busy.first;
	if (su->busy.first != NULL && !q->is_xfr)
		return su->busy.first;
	return su->idle.first;
}

/* Where a connection belongs. */
static struct conn_list *list_for(struct stream_upstream *su, const struct server_conn *c)
{
	if (c->retired || c->in_flight >= c->max_in_flight)
		return &su->full;
	return c->in_flight > 0 ? &su->busy : &su->idle;
}

static void go_idle(struct worker *w, struct stream_upstream *su, struct server_conn *c)
{
	uint64_t life_s = w->settings->tcp_idle_max_s;

	if (su->idle.n > w->settings->tcp_idle_per_server) {
		struct server_conn *oldest = su->idle.last;

		list_remove(oldest);
		server_conn_close(w, oldest);
		if (oldest == c)
			return;
	}
	timer_start(timers_queue(&w->timers, life_s * 1000000), &c->timer, w->now_us);
}

void upstream_conn_moved(struct worker *w, struct server_conn *c)
{
	struct stream_upstream *su = c->up->stream;
	struct conn_list *to = list_for(su, c);

	/*
	 * Nothing waits for it: not worth opening, or not fit for another query, as is one whose
	 * server answered what it has not been sent yet.
	 */
	if (c->in_flight == 0 &&
	    (c->retired || c->stream.phase != STREAM_OPEN || c->stream.out_len > 0)) {
		list_remove(c);
		server_conn_close(w, c);
		return;
	}
	if (c->list == to)
		return;
	if (c->list == &su->idle)
		timer_stop(&c->timer);
	list_remove(c);
	list_push(to, c);
	if (to == &su->idle)
		go_idle(w, su, c);
}

static int send_on_stream(struct worker *w, struct upstream *up, struct query *q)
{
	struct stream_upstream *su = stream_of(w, up);
	struct server_conn *c = pick(su, q);
	int rc;

	if (c == NULL) {
		c = server_conn_new(w, up, q->is_xfr, &rc);
		if (c == NULL)
			return rc;
	}
	rc = server_conn_put(w, c, q);
	if (unlikely(rc < 0)) {
		upstream_conn_failed(w, c, CONN_DIED);
		return rc;
	}
	if (q->is_xfr)
		c->retired = true; /* a transfer has its connection for itself */
	upstream_conn_moved(w, c);
	return 0;
}

int stream_upstream_send(struct worker *w, struct upstream *up, struct query *q)
{
	q->retries = 0;
	return send_on_stream(w, up, q);
}

static bool may_try_again(const struct server_conn *c, const struct query *q, enum conn_failure why)
{
	if (why == CONN_UNTRUSTED || why == CONN_TIMEOUT || why == CONN_GIVEN_UP)
		return false;
	/* What the client has of a transfer can't be taken back. */
	if (q->is_xfr && c->xfr.messages > 0)
		return false;
	return q->retries + 1 < c->up->server->fixed.retries;
}

void upstream_conn_failed(struct worker *w, struct server_conn *c, enum conn_failure why)
{
	struct upstream *up = c->up;
	struct query *q, *again = NULL, *lost = NULL;

	while ((q = server_conn_any(c)) != NULL) {
		struct query **to = may_try_again(c, q, why) ? &again : &lost;

		server_conn_take(c, q);
		q->next = *to;
		*to = q;
	}
	list_remove(c);
	server_conn_close(w, c);
	while ((q = again) != NULL) {
		again = q->next;
		q->next = NULL;
		q->retries++;
		if (send_on_stream(w, up, q) < 0) {
			q->next = lost;
			lost = q;
		}
	}
	while ((q = lost) != NULL) {
		lost = q->next;
		q->next = NULL;
		q->more_coming = false;
		if (why != CONN_TIMEOUT)
			counter_inc(&up->counters->tcp_gave_up);
		pipeline_failed(w, q, why == CONN_TIMEOUT ? FAILURE_TIMEOUT : FAILURE_NETWORK);
	}
}

static void close_all(struct worker *w, struct conn_list *l)
{
	while (l->first != NULL)
		upstream_conn_failed(w, l->first, CONN_GIVEN_UP);
}

void stream_upstream_close(struct worker *w, struct upstream *up)
{
	struct stream_upstream *su = up->stream;

	if (su == NULL)
		return;
	close_all(w, &su->idle);
	close_all(w, &su->busy);
	close_all(w, &su->full);
	/* The last query's end may have brought us here a second time. */
	if (up->stream == NULL)
		return;
	tls_sessions_free(su->sessions);
	up->stream = NULL;
	worker_free_later(w, su);
}

static void resume_paused(struct worker *w, struct streams *ss)
{
	struct server_conn *c = ss->paused_servers;

	ss->paused_servers = NULL;
	ss->clients_moved = false;
	while (c != NULL) {
		struct server_conn *next = c->next_paused;
		struct query *q = c->dead ? NULL : server_conn_any(c);

		if (q != NULL && stream_client_state(q) == XFR_CLIENT_SLOW) {
			c->next_paused = ss->paused_servers;
			ss->paused_servers = c;
		} else if (!c->dead) {
			server_conn_resume(w, c);
		}
		c = next;
	}
}

void stream_upstreams_flush(struct worker *w, struct streams *ss)
{
	if (ss->clients_moved)
		resume_paused(w, ss);
	while (ss->dirty_servers != NULL) {
		struct server_conn *c = ss->dirty_servers;

		ss->dirty_servers = c->next_dirty;
		c->dirty = false;
		if (!c->dead)
			server_conn_flush(w, c);
	}
}
