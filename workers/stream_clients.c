/*
 * Clients' connections. Input is read ahead, but of one connection only as many queries are in the
 * pipeline as its listener's maxInFlight allows, at least one: the rest waits in what was kept.
 * With one at a time answers leave in the order of the queries, as the reference has it; queries
 * that the cache answers pass through without waiting for anything, so the limit costs them
 * nothing. With more, answers leave as they come (RFC 7766 6.2.1.1).
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "workers/stream_client.h"

/* Reads of one connection and turn; then the others have their turn. */
#define READS_A_TURN 4

/* Output above which a client that does not read gets no more of its queries answered. */
#define OUT_HIGH (256 * 1024)

/* What is thrown away while we wait for a client to take its last answer. */
#define LINGER_READS 64

/* A connection under the overload threshold: one query, half a second of silence, five in all. */
#define RESTRICTED_IDLE_US 500000
#define RESTRICTED_LIFE_US 5000000

static void client_ready(struct worker *w, struct source *source, uint32_t events);
static const struct transport stream_transport;

static void mark_dirty(struct streams *ss, struct client *c)
{
	if (c->dirty)
		return;
	c->dirty = true;
	c->next_dirty = ss->dirty_clients;
	ss->dirty_clients = c;
}

static void client_free_when_done(struct worker *w, struct client *c)
{
	if (c->dead && c->in_flight == 0 && !c->dirty)
		worker_free_later(w, c);
}

void client_close(struct worker *w, struct client *c)
{
	struct streams *ss = w->streams;

	if (c->dead)
		return;
	timer_stop(&c->wait);
	timer_stop(&c->life);
	stream_close(w, &ss->io, &c->stream);
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		ss->clients = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	atomic_fetch_sub_explicit(&c->frontend->tcp_connections, 1, memory_order_relaxed);
	client_leave(c->slot);
	counter_inc(&c->counters->tcp_conns);
	counter_add(&c->counters->tcp_conn_queries, c->queries);
	counter_add(&c->counters->tcp_conn_ms, (w->now_us - c->opened_us) / 1000);
	counter_add(&c->counters->tcp_read_ios, c->reads);
	c->dead = true;
	ss->clients_moved = true;
	client_free_when_done(w, c);
}

static void wait_over(struct timer *timer, void *ctx)
{
	struct client *c = container_of(timer, struct client, wait);

	if (!c->lingering)
		counter_inc(&c->counters->tcp_client_timeouts);
	client_close(ctx, c);
}

static void life_over(struct timer *timer, void *ctx)
{
	client_close(ctx, container_of(timer, struct client, life));
}

static void start_timer(struct worker *w, struct timer *timer, uint64_t delay_us)
{
	timer_start(timers_queue(&w->timers, delay_us), timer, w->now_us);
}

static void start_idle(struct worker *w, struct client *c)
{
	start_timer(w, &c->wait,
		    c->restricted ? RESTRICTED_IDLE_US
				  : w->settings->tcp_recv_timeout_s * UINT64_C(1000000));
}

/* Which local address was asked: the listener's, unless that is a wildcard. */
static void set_local(struct client *c)
{
	socklen_t len = sizeof(c->local);

	c->local = c->frontend->addr;
	if (addr_is_any(&c->local) && getsockname(c->stream.source.fd, &c->local.sa, &len) < 0)
		c->local = c->frontend->addr;
}

static struct client *client_new(struct worker *w, int fd)
{
	struct client *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->stream.source = (struct source){.ready = client_ready, .fd = fd};
	/* Not yet for output: a new connection is always writable, and would wake us to say so. */
	if (worker_watch(w, &c->stream.source, STREAM_INPUT) < 0) {
		free(c);
		return NULL;
	}
	return c;
}

static void start_timers(struct worker *w, struct client *c)
{
	uint64_t life_us = w->settings->tcp_max_duration_s * UINT64_C(1000000);

	c->wait.fire = wait_over;
	c->life.fire = life_over;
	if (c->restricted && (life_us == 0 || life_us > RESTRICTED_LIFE_US))
		life_us = RESTRICTED_LIFE_US;
	if (life_us > 0)
		start_timer(w, &c->life, life_us);
	start_idle(w, c);
}

void client_begin(struct worker *w, struct frontend *f, int fd, const struct addr *from,
		  struct client_slot *slot, bool restricted)
{
	struct streams *ss = streams_get(w);
	struct client *c = client_new(w, fd);

	if (c == NULL) {
		close(fd);
		client_leave(slot);
		atomic_fetch_sub_explicit(&f->tcp_connections, 1, memory_order_relaxed);
		return;
	}
	c->frontend = f;
	c->counters = perworker_get(&f->counters, w->id);
	c->slot = slot;
	c->restricted = restricted;
	c->opened_us = w->now_us;
	c->max_in_flight =
		restricted || f->options.max_in_flight == 0 ? 1 : f->options.max_in_flight;
	c->addr = *from;
	set_local(c);
	c->next = ss->clients;
	if (c->next != NULL)
		c->next->prev = c;
	ss->clients = c;
	start_timers(w, c);
}

/* Whether another query of it may enter the pipeline. */
static bool may_go_on(const struct client *c)
{
	return !c->dead && !c->closing && c->in_flight < c->max_in_flight &&
	       c->stream.out_len < OUT_HIGH;
}

static struct query *query_of(struct worker *w, struct client *c, const uint8_t *msg, size_t len)
{
	struct query *q = query_new(w, len);

	if (q == NULL)
		return NULL;
	memcpy(q->packet, msg, len);
	q->len = (uint16_t)len;
	q->transport = &stream_transport;
	q->frontend = c->frontend;
	q->conn = c;
	q->client_proto = PROTO_TCP;
	q->client = c->addr;
	q->local = c->local;
	return q;
}

/* The reference tests after counting: one query more than the setting says. */
static bool was_last(const struct worker *w, const struct client *c)
{
	uint32_t most = w->settings->tcp_max_queries;

	return c->restricted || (most > 0 && c->queries > most);
}

/* As many whole messages as may enter the pipeline together; returns the octets they took. */
static size_t take_queries(struct worker *w, struct client *c, const uint8_t *buf, size_t len)
{
	uint32_t room = c->max_in_flight - c->in_flight;
	struct query *batch[BATCH_MAX];
	size_t at = 0, msg_len;
	const uint8_t *msg;
	unsigned n = 0;

	while (n < room && n < BATCH_MAX && !c->closing &&
	       (msg = stream_message(buf + at, len - at, &msg_len)) != NULL) {
		struct query *q = query_of(w, c, msg, msg_len);

		if (q == NULL) {
			c->closing =
				true; /* the bound of what waits for servers: as a query dropped */
			break;
		}
		batch[n++] = q;
		at += 2 + msg_len;
		c->queries++;
		c->closing = was_last(w, c);
	}
	c->in_flight += n;
	if (n == 1)
		pipeline_query(w, batch[0]);
	else if (n > 1)
		pipeline_batch(w, batch, n);
	return at;
}

/* Runs what may run of len octets in the worker's buffer and keeps the rest. */
static void consume(struct worker *w, struct client *c, size_t len)
{
	const uint8_t *in = w->streams->io.in;
	size_t at = 0, n;

	do {
		n = may_go_on(c) ? take_queries(w, c, in + at, len - at) : 0;
		at += n;
	} while (n > 0);
	if (at > 0)
		c->message_reads = 0;
	if (c->dead)
		return;
	if (c->closing)
		at = len; /* it will not be asked */
	if (!stream_keep(&c->stream, in + at, len - at))
		client_close(w, c);
}

/* A client that feeds a query by single octets keeps us busier than itself. */
static bool reads_too_often(const struct worker *w, const struct client *c)
{
	uint32_t most = w->settings->tcp_max_read_ios;

	return most > 0 && c->message_reads > most;
}

static void ban(struct worker *w, struct client *c)
{
	char text[ADDR_TEXT_MAX];

	client_ban(&client_limits, w->settings, &c->addr, w->settings->tcp_ban_read_ios_s,
		   w->now_us);
	if (log_is_verbose())
		log_debug("tcp", "client %s banned for %u s: more than %u reads for a query",
			  addr_text(&c->addr, text), w->settings->tcp_ban_read_ios_s,
			  w->settings->tcp_max_read_ios);
	client_close(w, c);
}

/* One read and what follows from it. */
static void read_once(struct worker *w, struct client *c)
{
	size_t len;
	enum stream_result r = stream_read(&w->streams->io, &c->stream, &len);

	c->reads++;
	c->message_reads++;
	c->readable = r == STREAM_OK;
	c->eof = r == STREAM_CLOSED || r == STREAM_FAILED;
	consume(w, c, len);
	if (c->dead)
		return;
	if (r == STREAM_FAILED) {
		/* It is gone, answers can't reach it. */
		if (c->in_flight > 0 || c->stream.kept_len > 0)
			counter_inc(&c->counters->tcp_died_reading);
		client_close(w, c);
	} else if (!c->eof && reads_too_often(w, c)) {
		ban(w, c);
	}
}

static void read_more(struct worker *w, struct client *c)
{
	for (unsigned i = 0; i < READS_A_TURN && c->readable && !c->eof && may_go_on(c); i++)
		read_once(w, c);
	/* An edge is told once: ask for it again. */
	if (!c->dead && c->readable && !c->eof && may_go_on(c))
		worker_rewatch(w, &c->stream.source, STREAM_INPUT | STREAM_OUTPUT);
}

static void linger(struct worker *w, struct client *c)
{
	struct streams *ss = w->streams;

	for (unsigned i = 0; i < LINGER_READS; i++) {
		ssize_t n = recv(c->stream.source.fd, ss->io.in, STREAM_READ_MAX, 0);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			break;
	}
	client_close(w, c);
}

/*
 * Our end of a connection: what we have written must arrive, which a close with unread input behind
 * it would undo (RFC 9293 3.10.4). So we say that we are done, and wait a little for the client to
 * be.
 */
static void finish(struct worker *w, struct client *c)
{
	if (c->eof || c->queries == 0 || shutdown(c->stream.source.fd, SHUT_WR) < 0) {
		client_close(w, c);
		return;
	}
	c->lingering = true;
	start_timer(w, &c->wait, w->settings->tcp_recv_timeout_s * UINT64_C(1000000));
	linger(w, c);
}

/*
 * The client takes less than we have for it: from now on epoll says when it takes more. The time it
 * has for that starts anew only when something was written, or input would prolong it.
 */
static void wait_for_room(struct worker *w, struct client *c, bool wrote)
{
	if (!c->blocked)
		worker_rewatch(w, &c->stream.source, STREAM_INPUT | STREAM_OUTPUT);
	if (!c->blocked || wrote)
		start_timer(w, &c->wait, w->settings->tcp_send_timeout_s * UINT64_C(1000000));
	c->blocked = true;
}

/* After anything happened: whom does it wait for now, and is it over? */
static void settle(struct worker *w, struct client *c, bool wrote)
{
	bool idle = c->in_flight == 0 && c->stream.out_len == 0;

	if (c->dead || c->lingering)
		return;
	if (idle && (c->closing || c->eof)) {
		if (c->eof && c->stream.kept_len > 0)
			counter_inc(&c->counters->tcp_died_reading);
		finish(w, c);
		return;
	}
	if (c->stream.out_len > 0) {
		wait_for_room(w, c, wrote);
		return;
	}
	c->blocked = false;
	if (idle)
		start_idle(w, c);
	else
		timer_stop(&c->wait);
}

static void client_ready(struct worker *w, struct source *source, uint32_t events)
{
	struct client *c = container_of(source, struct client, stream.source);

	if (c->lingering) {
		linger(w, c);
		return;
	}
	if (c->eof && (events & (EPOLLERR | EPOLLHUP))) {
		if (c->in_flight > 0 || c->stream.out_len > 0)
			counter_inc(&c->counters->tcp_died_sending);
		client_close(w, c);
		return;
	}
	c->stream.ended |= (events & STREAM_END) != 0;
	if (events & ~(uint32_t)EPOLLOUT)
		c->readable = true;
	read_more(w, c);
	/* The rest when the turn's output is written. */
	if (!c->dead)
		mark_dirty(w->streams, c);
}

/* Writes, then goes on with queries that waited for what has been answered. */
static void work_off(struct worker *w, struct client *c)
{
	struct streams *ss = w->streams;
	size_t before = c->stream.out_len;
	bool wrote;

	if (stream_flush(&ss->io, &c->stream) == STREAM_FAILED) {
		counter_inc(&c->counters->tcp_died_sending);
		client_close(w, c);
		return;
	}
	wrote = c->stream.out_len < before;
	if (wrote && c->stream.out_len < OUT_HIGH)
		ss->clients_moved = true;
	if (c->stream.kept_len > 0 && may_go_on(c))
		consume(w, c, stream_unkeep(&ss->io, &c->stream));
	read_more(w, c);
	settle(w, c, wrote);
}

void stream_clients_flush(struct worker *w, struct streams *ss)
{
	while (ss->dirty_clients != NULL) {
		struct client *c = ss->dirty_clients;

		ss->dirty_clients = c->next_dirty;
		c->dirty = false;
		if (c->dead)
			client_free_when_done(w, c);
		else if (!c->lingering)
			work_off(w, c);
	}
}

/* A query has left the pipeline. */
static void query_done(struct worker *w, struct query *q)
{
	struct client *c = q->conn;

	query_free(w, q);
	c->in_flight--;
	if (c->dead)
		client_free_when_done(w, c);
	else
		mark_dirty(w->streams, c);
}

static void stream_respond(struct worker *w, struct query *q)
{
	struct client *c = q->conn;

	if (!c->dead &&
	    !stream_put(&w->streams->io, &c->stream, q->answer, q->answer_len, msg_id(q->answer)))
		c->closing = true;
	if (!q->more_coming)
		query_done(w, q);
	else if (!c->dead)
		mark_dirty(w->streams, c);
}

/* What the reference does with a query that is not answered: the connection ends. */
static void stream_drop(struct worker *w, struct query *q)
{
	struct client *c = q->conn;

	if (q->failure == FAILURE_TIMEOUT)
		counter_inc(&c->counters->tcp_downstream_timeouts);
	else if (q->failure == FAILURE_NETWORK)
		counter_inc(&c->counters->tcp_gave_up);
	c->closing = true;
	query_done(w, q);
}

static const struct transport stream_transport = {
	.proto = PROTO_TCP,
	.respond = stream_respond,
	.drop = stream_drop,
};

enum xfr_client stream_client_state(const struct query *q)
{
	const struct client *c = q->conn;

	if (q->transport != &stream_transport)
		return XFR_CLIENT_READY;
	if (c->dead || c->closing)
		return XFR_CLIENT_GONE;
	return c->stream.out_len < OUT_HIGH ? XFR_CLIENT_READY : XFR_CLIENT_SLOW;
}

void stream_clients_reconcile(struct worker *w)
{
	const struct frontends *f = w->t->frontends;

	for (unsigned i = 0; w->serving && i < f->n; i++) {
		if (f->list[i]->proto == PROTO_TCP && f->list[i]->fd[w->id] >= 0)
			listener_open(w, f->list[i]);
	}
}

void stream_clients_fini(struct worker *w)
{
	struct streams *ss = w->streams;

	if (ss == NULL)
		return;
	listeners_close(w);
	while (ss->clients != NULL)
		client_close(w, ss->clients);
	/* Nobody will work it off any more; what is still in flight frees its client at its end. */
	stream_clients_flush(w, ss);
}
