#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/rand.h"
#include "workers/server_conn.h"

/* Reads of one connection and turn; then the others have their turn. */
#define READS_A_TURN 4

/* Chains of queries by ID: with this many a full connection of 1,000 still finds its query in a few
 * steps. */
#define BUCKETS_MAX 256

static void conn_ready(struct worker *w, struct source *source, uint32_t events);
static void conn_timer(struct timer *timer, void *ctx);

static unsigned buckets_for(uint32_t max_in_flight)
{
	unsigned n = 1;

	while (n < max_in_flight && n < BUCKETS_MAX)
		n *= 2;
	return n;
}

/* One connection more, over all workers; false: the server has as many as it may. */
static bool count_in(struct server *s, struct server_counters *counters)
{
	uint32_t n = atomic_fetch_add_explicit(&s->tcp_connections, 1, memory_order_relaxed) + 1;
	uint32_t most = atomic_load_explicit(&s->tcp_connections_max, memory_order_relaxed);

	if (s->fixed.max_tcp_connections > 0 && n > s->fixed.max_tcp_connections) {
		atomic_fetch_sub_explicit(&s->tcp_connections, 1, memory_order_relaxed);
		counter_inc(&counters->tcp_too_many);
		return false;
	}
	while (n > most &&
	       !atomic_compare_exchange_weak_explicit(&s->tcp_connections_max, &most, n,
						      memory_order_relaxed, memory_order_relaxed))
		;
	return true;
}

static void count_out(struct server *s)
{
	atomic_fetch_sub_explicit(&s->tcp_connections, 1, memory_order_relaxed);
}

/* timeout_s 0: waits for ever. */
static void wait_for(struct worker *w, struct server_conn *c, uint64_t timeout_s)
{
	if (timeout_s == 0)
		timer_stop(&c->timer);
	else
		timer_start(timers_queue(&w->timers, timeout_s * 1000000), &c->timer, w->now_us);
}

struct server_conn *server_conn_new(struct worker *w, struct upstream *up, bool is_xfr, int *rc)
{
	const struct server_fixed *to = &up->server->fixed;
	uint32_t max = is_xfr || to->max_in_flight == 0 ? 1 : to->max_in_flight;
	unsigned buckets = buckets_for(max);
	struct server_conn *c;

	*rc = -EBUSY;
	if (!count_in(up->server, up->counters))
		return NULL;
	*rc = -ENOMEM;
	c = calloc(1, sizeof(*c) + buckets * sizeof(struct query *));
	if (c == NULL)
		goto fail;
	c->up = up;
	c->max_in_flight = max;
	c->id_mask = buckets - 1;
	c->opened_us = w->now_us;
	c->timer.fire = conn_timer;
	c->stream.source.ready = conn_ready;
	*rc = stream_connect(w, &c->stream, to, up->stream->sessions);
	if (*rc < 0)
		goto fail;
	counter_inc(&up->counters->tcp_new);
	wait_for(w, c, to->tcp_connect_timeout_s);
	return c;
fail:
	count_out(up->server);
	free(c);
	return NULL;
}

/* Out of the lists of this turn and of transfers at rest: the next turn must not find it there. */
static void forget(struct streams *ss, const struct server_conn *c)
{
	struct server_conn **at;

	for (at = &ss->dirty_servers; *at != NULL; at = &(*at)->next_dirty) {
		if (*at == c) {
			*at = c->next_dirty;
			break;
		}
	}
	for (at = &ss->paused_servers; *at != NULL; at = &(*at)->next_paused) {
		if (*at == c) {
			*at = c->next_paused;
			break;
		}
	}
}

void server_conn_close(struct worker *w, struct server_conn *c)
{
	struct server_counters *counters = c->up->counters;

	assert(c->in_flight == 0 && !c->dead);
	timer_stop(&c->timer);
	if (c->dirty || c->paused)
		forget(streams_get(w), c);
	stream_close(w, &streams_get(w)->io, &c->stream);
	count_out(c->up->server);
	counter_inc(&counters->tcp_closed_conns);
	counter_add(&counters->tcp_queries, c->queries);
	counter_add(&counters->tcp_duration_ms, (w->now_us - c->opened_us) / 1000);
	c->dead = true;
	worker_free_later(w, c);
}

static struct query **bucket(struct server_conn *c, uint16_t id)
{
	return &c->by_id[id & c->id_mask];
}

static struct query *find(struct server_conn *c, uint16_t id)
{
	struct query *q = *bucket(c, id);

	while (q != NULL && q->upstream_id != id)
		q = q->next;
	return q;
}

struct query *server_conn_any(const struct server_conn *c)
{
	for (unsigned i = 0; c->in_flight > 0 && i <= c->id_mask; i++) {
		if (c->by_id[i] != NULL)
			return c->by_id[i];
	}
	return NULL;
}

void server_conn_take(struct server_conn *c, struct query *q)
{
	if (q->prev != NULL)
		q->prev->next = q->next;
	else
		*bucket(c, q->upstream_id) = q->next;
	if (q->next != NULL)
		q->next->prev = q->prev;
	q->next = q->prev = NULL;
	q->upconn = NULL;
	timer_stop(&q->timer);
	c->in_flight--;
}

/*
 * No answer in time. The connection takes no query more: a late answer would meet an ID that may be
 * another's by then. The others on it have their own time.
 */
static void query_timeout(struct timer *timer, void *ctx)
{
	struct query *q = container_of(timer, struct query, timer);
	struct server_conn *c = q->upconn;
	struct worker *w = ctx;

	counter_inc(&c->up->counters->tcp_read_timeouts);
	c->retired = true;
	server_conn_take(c, q);
	upstream_conn_moved(w, c);
	pipeline_failed(w, q, FAILURE_TIMEOUT);
}

static void start_query_timer(struct worker *w, const struct server_conn *c, struct query *q)
{
	uint64_t timeout_s = c->up->server->fixed.tcp_recv_timeout_s;

	q->timer.fire = query_timeout;
	if (timeout_s > 0)
		timer_start(timers_queue(&w->timers, timeout_s * 1000000), &q->timer, w->now_us);
}

static void mark_dirty(struct worker *w, struct server_conn *c)
{
	struct streams *ss = streams_get(w);

	if (c->dirty)
		return;
	c->dirty = true;
	c->next_dirty = ss->dirty_servers;
	ss->dirty_servers = c;
}

int server_conn_put(struct worker *w, struct server_conn *c, struct query *q)
{
	struct query **at;
	uint16_t id;

	do
		id = rand_u16();
	while (find(c, id) != NULL);
	if (!stream_put(&streams_get(w)->io, &c->stream, q->packet, q->len, id))
		return -ENOMEM;
	at = bucket(c, id);
	q->upstream_id = id;
	q->upconn = c;
	q->prev = NULL;
	q->next = *at;
	if (*at != NULL)
		(*at)->prev = q;
	*at = q;
	c->in_flight++;
	if (c->queries++ > 0)
		counter_inc(&c->up->counters->tcp_reused);
	start_query_timer(w, c, q);
	if (q->is_xfr)
		xfr_begin(&c->xfr, q->packet, q->len, &q->question);
	if (c->stream.phase == STREAM_OPEN)
		mark_dirty(w, c);
	return 0;
}

/* A message with an ID that is in flight; whether it is an answer to that query. */
static bool fits(struct worker *w, const struct server_conn *c, const struct query *q,
		 const uint8_t *msg, size_t len)
{
	/* Only the first message of a transfer must repeat the question (RFC 5936 2.2.1). */
	if (q->is_xfr && c->xfr.messages > 0 && msg_qdcount(msg) == 0)
		return (msg_flags(msg) & DNS_QR) != 0;
	return upstream_answer_fits(w, q, msg, len);
}

static void pause_for_client(struct worker *w, struct server_conn *c, struct query *q)
{
	struct streams *ss = w->streams;

	timer_stop(&q->timer);
	c->paused = true;
	c->next_paused = ss->paused_servers;
	ss->paused_servers = c;
}

/* A message of a transfer that is not the last. */
static bool transfer_goes_on(struct worker *w, struct server_conn *c, struct query *q)
{
	switch (stream_client_state(q)) {
	case XFR_CLIENT_GONE:
		upstream_conn_failed(w, c, CONN_GIVEN_UP);
		return false;
	case XFR_CLIENT_SLOW:
		pause_for_client(w, c, q);
		return false;
	default:
		start_query_timer(w, c, q);
		return true;
	}
}

/* Passes an answer on. False: nothing more can be read from c, for now or ever. */
static bool pass_on(struct worker *w, struct server_conn *c, struct query *q, uint8_t *msg,
		    size_t len, size_t cap)
{
	enum xfr_step step = q->is_xfr ? xfr_message(&c->xfr, msg, len) : XFR_DONE;

	if (step == XFR_BAD) {
		upstream_conn_failed(w, c, CONN_GARBAGE);
		return false;
	}
	c->answered = true;
	/* Over UDP a client gets one message; what follows would be unasked for. */
	if (step == XFR_MORE && q->client_proto != PROTO_UDP) {
		q->more_coming = true;
		pipeline_answer(w, q, msg, len, cap);
		return !c->dead && transfer_goes_on(w, c, q);
	}
	c->retired |= step == XFR_MORE;
	q->more_coming = false;
	server_conn_take(c, q);
	pipeline_answer(w, q, msg, len, cap);
	return !c->dead;
}

/* What to do with len octets in the worker's buffer; returns how many are used up. */
static size_t consume(struct worker *w, struct server_conn *c, size_t len)
{
	struct stream_buffers *io = &w->streams->io;
	size_t at = 0, msg_len, cap;

	while (stream_message(io->in + at, len - at, &msg_len) != NULL) {
		uint8_t *msg = io->in + at + 2;
		struct query *q = msg_len >= DNS_HEADER_LEN ? find(c, msg_id(msg)) : NULL;

		at += 2 + msg_len;
		/* Only behind the last one is room: before it begins the next. */
		cap = at == len ? io->in_room - (at - msg_len) : msg_len;
		if (q == NULL && c->retired && msg_len >= DNS_HEADER_LEN)
			continue; /* too late */
		if (q == NULL || !fits(w, c, q, msg, msg_len)) {
			upstream_conn_failed(w, c, CONN_GARBAGE);
			break;
		}
		if (!pass_on(w, c, q, msg, msg_len, cap))
			break;
	}
	return at;
}

static void consume_and_keep(struct worker *w, struct server_conn *c, size_t len)
{
	size_t used = consume(w, c, len);

	if (!c->dead && !stream_keep(&c->stream, w->streams->io.in + used, len - used))
		upstream_conn_failed(w, c, CONN_DIED);
}

static void closed_by_server(struct worker *w, struct server_conn *c)
{
	if (c->in_flight > 0)
		counter_inc(&c->up->counters->tcp_died_reading);
	upstream_conn_failed(w, c, CONN_DIED);
}

static void read_more(struct worker *w, struct server_conn *c)
{
	enum stream_result r = STREAM_OK;

	for (unsigned i = 0; i < READS_A_TURN && r == STREAM_OK && !c->paused; i++) {
		size_t len;

		r = stream_read(&w->streams->io, &c->stream, &len);
		consume_and_keep(w, c, len);
		if (c->dead)
			return;
	}
	c->readable = r == STREAM_OK;
	/* A pause hides the end as it hides the rest: it is met again afterwards. */
	if (c->paused) {
		c->readable |= r != STREAM_AGAIN;
		return;
	}
	if (r == STREAM_CLOSED || r == STREAM_FAILED) {
		closed_by_server(w, c);
		return;
	}
	if (c->readable) /* an edge is told once: ask for it again */
		worker_rewatch(w, &c->stream.source, STREAM_INPUT | STREAM_OUTPUT);
	upstream_conn_moved(w, c);
}

void server_conn_resume(struct worker *w, struct server_conn *c)
{
	struct query *q = server_conn_any(c);

	c->paused = false;
	if (q == NULL || stream_client_state(q) == XFR_CLIENT_GONE) {
		upstream_conn_failed(w, c, CONN_GIVEN_UP);
		return;
	}
	start_query_timer(w, c, q);
	consume_and_keep(w, c, stream_unkeep(&w->streams->io, &c->stream));
	if (c->dead || c->paused)
		return;
	/* Next turn: with both sides fast enough, this one would last as long as the transfer. */
	if (c->readable)
		worker_rewatch(w, &c->stream.source, STREAM_INPUT | STREAM_OUTPUT);
	upstream_conn_moved(w, c);
}

static void opened(struct worker *w, struct server_conn *c)
{
	timer_stop(&c->timer);
	if (c->stream.tls != NULL && tls_conn_resumed(c->stream.tls))
		counter_inc(&c->up->counters->tls_resumptions);
	mark_dirty(w, c);
}

/* True when it is open. */
static bool step(struct worker *w, struct server_conn *c)
{
	switch (stream_step(&c->stream)) {
	case STREAM_OK:
		opened(w, c);
		return true;
	case STREAM_AGAIN:
		return false;
	case STREAM_CLOSED:
		upstream_conn_failed(w, c, CONN_DIED);
		return false;
	default:
		upstream_conn_failed(
			w, c, c->stream.phase == STREAM_CONNECTING ? CONN_DIED : CONN_UNTRUSTED);
		return false;
	}
}

static void conn_ready(struct worker *w, struct source *source, uint32_t events)
{
	struct server_conn *c = container_of(source, struct server_conn, stream.source);

	c->stream.ended |= (events & STREAM_END) != 0;
	if (c->stream.phase != STREAM_OPEN && !step(w, c))
		return;
	c->readable |= (events & ~(uint32_t)EPOLLOUT) != 0;
	/* Also when epoll knows of nothing: TLS may hold what the last turn left. */
	if (c->readable && !c->paused)
		read_more(w, c);
	if (!c->dead && c->stream.out_len > 0)
		mark_dirty(w, c);
}

void server_conn_flush(struct worker *w, struct server_conn *c)
{
	size_t before = c->stream.out_len;

	switch (stream_flush(&w->streams->io, &c->stream)) {
	case STREAM_OK:
		if (c->blocked)
			timer_stop(&c->timer);
		c->blocked = false;
		break;
	case STREAM_AGAIN:
		if (!c->blocked || c->stream.out_len < before)
			wait_for(w, c, c->up->server->fixed.tcp_send_timeout_s);
		c->blocked = true;
		break;
	default:
		counter_inc(&c->up->counters->tcp_died_sending);
		upstream_conn_failed(w, c, CONN_DIED);
	}
}

/* What it waited for has not come: the connection, room to write, or a query. */
static void conn_timer(struct timer *timer, void *ctx)
{
	struct server_conn *c = container_of(timer, struct server_conn, timer);
	struct worker *w = ctx;

	if (c->stream.phase != STREAM_OPEN)
		counter_inc(&c->up->counters->tcp_connect_timeouts);
	else if (c->blocked)
		counter_inc(&c->up->counters->tcp_write_timeouts);
	upstream_conn_failed(w, c, CONN_TIMEOUT);
}
