/* How a client's connection begins, waits and ends. */
#include <stdlib.h>
#include <unistd.h>

#include "workers/stream_client.h"

/* What is thrown away while we wait for a client to take its last answer. */
#define LINGER_READS 64

/* How far to look for an idle connection, from the one that was idle longest ago. */
#define EVICT_LOOKS 16

/* A connection under the overload threshold: one query, half a second of silence, five in all. */
#define RESTRICTED_IDLE_US 500000
#define RESTRICTED_LIFE_US 5000000

void client_free_when_done(struct worker *w, struct client *c)
{
	if (c->dead && c->in_flight == 0 && !c->dirty)
		worker_free_later(w, c);
}

static void list_push(struct streams *ss, struct client *c)
{
	c->prev = NULL;
	c->next = ss->clients;
	if (c->next != NULL)
		c->next->prev = c;
	else
		ss->last_client = c;
	ss->clients = c;
}

static void list_remove(struct streams *ss, struct client *c)
{
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		ss->clients = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	else
		ss->last_client = c->prev;
}

void client_close(struct worker *w, struct client *c)
{
	struct streams *ss = w->streams;

	if (c->dead)
		return;
	timer_stop(&c->wait);
	timer_stop(&c->life);
	stream_close(w, &ss->io, &c->stream);
	list_remove(ss, c);
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
	list_push(ss, c);
	start_timers(w, c);
}

static bool is_idle(const struct client *c)
{
	return c->in_flight == 0 && c->stream.out_len == 0;
}

bool client_evict(struct worker *w)
{
	struct client *c = streams_get(w)->last_client;

	for (unsigned i = 0; i < EVICT_LOOKS && c != NULL; i++, c = c->prev) {
		if (is_idle(c)) {
			client_close(w, c);
			return true;
		}
	}
	return false;
}

void client_linger(struct worker *w, struct client *c)
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
	client_linger(w, c);
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
void client_settle(struct worker *w, struct client *c, bool wrote)
{
	bool idle = is_idle(c);

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
	if (!idle) {
		timer_stop(&c->wait);
		return;
	}
	start_idle(w, c);
	if (w->streams->clients != c) {
		list_remove(w->streams, c);
		list_push(w->streams, c);
	}
}
