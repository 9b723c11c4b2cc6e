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

static const struct transport stream_transport;

static void mark_dirty(struct streams *ss, struct client *c)
{
	if (c->dirty)
		return;
	c->dirty = true;
	c->next_dirty = ss->dirty_clients;
	ss->dirty_clients = c;
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
	w->received += n;
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

/* What was kept, as far as it may go on now. What is left then is cut short, or may not go on. */
static void use_kept(struct worker *w, struct client *c)
{
	if (c->stream.kept_len > 0 && may_go_on(c))
		consume(w, c, stream_unkeep(&w->streams->io, &c->stream));
}

/* Kept input first: each read would add to it, and no buffer is large enough for that. */
static void read_more(struct worker *w, struct client *c)
{
	use_kept(w, c);
	for (unsigned i = 0; i < READS_A_TURN && c->readable && !c->eof && may_go_on(c); i++)
		read_once(w, c);
}

void client_ready(struct worker *w, struct source *source, uint32_t events)
{
	struct client *c = container_of(source, struct client, stream.source);

	if (c->lingering) {
		client_linger(w, c);
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
	use_kept(w, c);
	/*
	 * An edge is told once: ask for it again. To read here instead would let a client that
	 * sends as fast as it is answered keep us in this turn for ever.
	 */
	if (c->readable && !c->eof && may_go_on(c))
		worker_rewatch(w, &c->stream.source, STREAM_INPUT | STREAM_OUTPUT);
	client_settle(w, c, wrote);
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
	if (!q->more_coming) /* else the server's side sees the client gone, and ends the transfer */
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
