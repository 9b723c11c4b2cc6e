/* Servers over UDP: connected sockets, IDs nobody can guess, matching, timeouts. */
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/rand.h"
#include "workers/udp.h"
#include "workers/udp_ids.h"
#include "workers/udp_socket.h"
#include "workers/worker.h"

/* A server that can't be reached is not tried with new sockets more often. */
#define RECONNECT_US 1000000

struct udp_socket {
	struct source source;
	struct upstream *up;
	struct udp_socket *next;       /* of the upstream's retired ones */
	struct udp_socket *next_dirty; /* of those with something to send */
	bool is_retired, is_dirty;
	struct udp_ids ids;
	unsigned n_tx;
	struct query *tx[BATCH_MAX]; /* have their IDs, and are not sent yet */
};

struct udp_upstream {
	struct udp_socket **sockets; /* NULL where none could be opened yet */
	unsigned n, turn;
	struct udp_socket *retired;
	struct timer_queue *timeout;
	bool is_broken; /* a send said so: the next query gets new sockets */
	uint64_t reconnected_us;
	uint64_t failed_us; /* when a socket could not be opened, and why */
	int failed;
};

static void answers_ready(struct worker *w, struct source *src, uint32_t events);

static struct udp_socket *socket_new(struct worker *w, struct upstream *up, int *rc)
{
	struct udp_socket *s = mem_lines(sizeof(*s));

	s->up = up;
	*rc = udp_ids_init(&s->ids, w->settings->udp_max_outstanding);
	if (*rc < 0)
		goto no_ids;
	*rc = udp_socket_connect(&up->server->fixed);
	if (*rc < 0)
		goto no_socket;
	udp_socket_buffers(*rc, w->settings->udp_recv_buffer, w->settings->udp_send_buffer);
	s->source = (struct source){answers_ready, *rc};
	*rc = worker_watch(w, &s->source, EPOLLIN);
	if (*rc < 0)
		goto no_watch;
	return s;
no_watch:
	close(s->source.fd);
no_socket:
	udp_ids_fini(&s->ids);
no_ids:
	free(s);
	return NULL;
}

static void socket_free(struct worker *w, struct udp_socket *s)
{
	worker_unwatch(w, &s->source);
	close(s->source.fd);
	s->source.fd = -1;
	udp_ids_fini(&s->ids);
	worker_free_later(w, s);
}

static struct udp_upstream *udp_new(struct worker *w, const struct server_fixed *fixed)
{
	struct udp_upstream *u = mem_zalloc(1, sizeof(*u));
	unsigned timeout_s =
		fixed->udp_timeout_s ? fixed->udp_timeout_s : w->settings->udp_timeout_s;

	u->n = fixed->sockets;
	u->sockets = mem_zalloc(u->n, sizeof(struct udp_socket *));
	u->timeout = timers_queue(&w->timers, timeout_s * UINT64_C(1000000));
	u->timeout->kept = true;
	return u;
}

static struct udp_socket *open_socket(struct worker *w, struct upstream *up, int *rc)
{
	struct udp_upstream *u = up->udp;
	struct udp_socket *s;

	if (u->failed < 0 && w->now_us - u->failed_us < RECONNECT_US) {
		*rc = u->failed;
		return NULL;
	}
	s = socket_new(w, up, rc);
	u->failed = s == NULL ? *rc : 0;
	u->failed_us = w->now_us;
	return s;
}

/* The socket whose turn it is, opened when it is not; NULL with *rc set when it can't be. */
static struct udp_socket *next_socket(struct worker *w, struct upstream *up, int *rc)
{
	struct udp_upstream *u = up->udp;
	unsigned i = 0;

	if (u->n > 1) {
		i = w->settings->random_sockets ? rand_below(u->n) : u->turn;
		u->turn = u->turn + 1 < u->n ? u->turn + 1 : 0;
	}
	if (unlikely(u->sockets[i] == NULL))
		u->sockets[i] = open_socket(w, up, rc);
	return u->sockets[i];
}

/* Without an ID and off its clock: whoever calls says what becomes of it. */
static void take_out(struct worker *w, struct udp_socket *s, struct query *q)
{
	udp_ids_remove(&s->ids, q);
	timer_stop(&q->timer);
	if (unlikely(s->is_retired && s->ids.n == 0)) {
		struct udp_socket **at = &s->up->udp->retired;

		while (*at != s)
			at = &(*at)->next;
		*at = s->next;
		socket_free(w, s);
	}
}

static void timed_out(struct timer *timer, void *ctx)
{
	struct query *q = container_of(timer, struct query, timer);
	struct worker *w = ctx;

	take_out(w, q->upconn, q);
	pipeline_failed(w, q, FAILURE_TIMEOUT);
}

/* An old query is lost to a new one, as the reference has it. */
static void evict(struct worker *w, struct udp_socket *s, struct query *old)
{
	uint16_t id = old->upstream_id;

	if (s->n_tx > 0)
		udp_socket_flush(w, s); /* it may be among those, and fail there */
	if (udp_ids_find(&s->ids, id) != old)
		return;
	take_out(w, s, old);
	pipeline_failed(w, old, FAILURE_TIMEOUT);
}

static uint16_t new_id(struct worker *w, struct udp_socket *s)
{
	struct query *old;
	uint16_t id;

	do {
		id = udp_ids_draw(&s->ids, &old);
		if (unlikely(old != NULL))
			evict(w, s, old);
	} while (unlikely(*udp_ids_slot(&s->ids, id) != NULL));
	return id;
}

static void make_dirty(struct worker *w, struct udp_socket *s)
{
	if (s->is_dirty)
		return;
	s->is_dirty = true;
	s->next_dirty = w->udp->dirty_sockets;
	w->udp->dirty_sockets = s;
}

/* Not while a socket is in use: this may close it. */
static void reconnect_broken(struct worker *w, struct upstream *up)
{
	if (w->now_us - up->udp->reconnected_us < RECONNECT_US)
		return;
	up->udp->is_broken = false;
	udp_upstream_reconnect(w, up);
}

int udp_upstream_send(struct worker *w, struct upstream *up, struct query *q)
{
	struct udp_socket *s;
	int rc = 0;

	if (unlikely(up->udp == NULL))
		up->udp = udp_new(w, &up->server->fixed);
	if (unlikely(up->udp->is_broken))
		reconnect_broken(w, up);
	s = next_socket(w, up, &rc);
	if (unlikely(s == NULL))
		return rc;
	q->upstream_id = new_id(w, s);
	msg_set_id(q->packet, q->upstream_id);
	udp_ids_add(&s->ids, q);
	q->upconn = s;
	q->timer.fire = timed_out;
	timer_start(up->udp->timeout, &q->timer, w->now_us);
	make_dirty(w, s);
	s->tx[s->n_tx++] = q;
	if (s->n_tx == BATCH_MAX)
		udp_socket_flush(w, s);
	return 0;
}

static bool is_broken(int error)
{
	return error == EINVAL || error == ENODEV || error == ENETUNREACH ||
	       error == EHOSTUNREACH || error == EBADF;
}

static void send_failed(struct worker *w, struct udp_socket *s, struct query *q, int error)
{
	struct upstream *up = s->up;

	if (is_broken(error))
		up->udp->is_broken = true;
	counter_inc(&up->counters->send_errors);
	stat_inc(&w->stats, STAT_DOWNSTREAM_SEND_ERRORS);
	take_out(w, s, q);
	pipeline_failed(w, q, FAILURE_NETWORK);
}

static void undirty(struct worker *w, struct udp_socket *s)
{
	struct udp_socket **at = &w->udp->dirty_sockets;

	while (*at != s)
		at = &(*at)->next_dirty;
	*at = s->next_dirty;
	s->is_dirty = false;
}

/* One call for all; an ICMP error of an earlier datagram is reported once in place of a send, and
 * tried again. */
static void send_all(struct worker *w, struct udp_socket *s, struct query **tx, unsigned n)
{
	struct udp_io *io = w->udp;
	bool refused = false;
	unsigned done = 0;

	for (unsigned i = 0; i < n; i++)
		io->up_iov[i] = (struct iovec){tx[i]->packet, tx[i]->len};
	while (done < n) {
		int sent = sendmmsg(s->source.fd, io->up_hdr + done, n - done, MSG_DONTWAIT);

		if (likely(sent > 0)) {
			done += (unsigned)sent;
			refused = false;
		} else if (errno == ECONNREFUSED && !refused) {
			refused = true;
		} else {
			send_failed(w, s, tx[done++], errno);
			refused = false;
		}
	}
}

void udp_socket_flush(struct worker *w, struct udp_socket *s)
{
	struct query *tx[BATCH_MAX];
	unsigned n = s->n_tx;

	memcpy(tx, s->tx, n * sizeof(tx[0]));
	s->n_tx = 0;
	if (s->is_dirty)
		undirty(w, s);
	send_all(w, s, tx, n);
}

/* Queries of a long round trip have left the caches: fetched together, they cost one wait. */
static void prefetch_queries(const struct udp_socket *s, const struct mmsghdr *hdr, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *answer = hdr[i].msg_hdr.msg_iov->iov_base;
		const char *q = (const char *)udp_ids_hint(&s->ids, msg_id(answer));

		if (q == NULL)
			continue;
		for (unsigned line = 0; line < 5; line++)
			__builtin_prefetch(q + line * CACHE_LINE, 1);
	}
}

/* From the connected address; the ID and the question decide. What does not fit leaves the query
 * waiting. */
static void answer_came(struct worker *w, struct udp_socket *s, uint8_t *answer, size_t len)
{
	struct query *q = len >= 2 ? udp_ids_find(&s->ids, msg_id(answer)) : NULL;

	if (unlikely(q == NULL || !upstream_answer_fits(w, q, answer, len)))
		return;
	take_out(w, s, q);
	q->answer_stays = true;
	pipeline_answer(w, q, answer, len, DNS_MESSAGE_MAX);
}

static void answers_ready(struct worker *w, struct source *src, uint32_t events)
{
	struct udp_socket *s = container_of(src, struct udp_socket, source);
	struct udp_io *io = w->udp;
	int n;

	/* Either may fail queries, and with the last of an old socket close it. */
	if (io->answers_lent)
		udp_flush(w);
	if (s->n_tx > 0)
		udp_socket_flush(w, s); /* or a guessed answer could end what is still to be sent */
	n = recvmmsg(src->fd, io->answer_hdr, BATCH_MAX, MSG_DONTWAIT, NULL);
	if (unlikely(n <= 0))
		return; /* an ICMP error is consumed by this; the query waits on, as another answer
			   may come */
	w->received += (unsigned)n;
	io->answers_lent = true;
	prefetch_queries(s, io->answer_hdr, (unsigned)n);
	/* an old socket is closed by the last answer that it waited for, and more may have come */
	for (int i = 0; i < n && likely(s->source.fd >= 0); i++)
		answer_came(w, s, io->answer_iov[i].iov_base, io->answer_hdr[i].msg_len);
}

static void retire(struct worker *w, struct upstream *up, struct udp_socket *s)
{
	if (s->n_tx > 0)
		udp_socket_flush(w, s);
	if (s->ids.n == 0) {
		socket_free(w, s);
		return;
	}
	s->is_retired = true;
	s->next = up->udp->retired;
	up->udp->retired = s;
}

void udp_upstream_reconnect(struct worker *w, struct upstream *up)
{
	struct udp_upstream *u = up->udp;

	if (u == NULL)
		return;
	u->reconnected_us = w->now_us;
	for (unsigned i = 0; i < u->n; i++) {
		struct udp_socket *s = u->sockets[i];

		u->sockets[i] = NULL;
		if (s != NULL)
			retire(w, up, s);
	}
}

static void fail_all(struct worker *w, struct udp_socket *s)
{
	struct query *q;

	s->is_retired = false; /* it is freed by whoever called */
	while ((q = udp_ids_any(&s->ids)) != NULL) {
		take_out(w, s, q);
		pipeline_failed(w, q, FAILURE_NETWORK);
	}
}

void udp_upstream_close(struct worker *w, struct upstream *up)
{
	struct udp_upstream *u = up->udp;

	if (u == NULL)
		return;
	udp_upstream_reconnect(w, up); /* all are retired now, or gone */
	while (u->retired != NULL) {
		struct udp_socket *s = u->retired;

		u->retired = s->next;
		fail_all(w, s);
		socket_free(w, s);
	}
	free(u->sockets);
	free(u);
	up->udp = NULL;
}
