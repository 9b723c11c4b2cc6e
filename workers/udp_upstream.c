/* Servers over UDP: connected sockets, IDs nobody can guess, matching, timeouts. */
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/rand.h"
#include "workers/udp.h"
#include "workers/udp_socket.h"
#include "workers/worker.h"

/*
 * A table has a slot for each value of the low bits of an ID, is never more than half full while it
 * can still double, and an ID keeps its place in it, modulo the new size. 2^10 slots are two pages,
 * which most servers never leave.
 */
#define TABLE_BITS_FIRST 10
#define TABLE_BITS_MAX   16

/* Draws before an occupant must go: a half-full table defeats that many once in 2^32 queries. */
#define DRAWS_MAX 32

/* A server that can't be reached is not tried with new sockets more often. */
#define RECONNECT_US 1000000

struct udp_socket {
	struct source source;
	struct upstream *up;
	struct udp_socket *next;       /* of the upstream's retired ones */
	struct udp_socket *next_dirty; /* of those with something to send */
	bool is_retired, is_dirty, has_broken;
	unsigned in_flight, limit;
	unsigned bits, bits_max;
	struct query **table;
	unsigned n_tx;
	struct query *tx[BATCH_MAX]; /* in the table, not sent yet */
};

struct udp_upstream {
	struct udp_socket **sockets; /* NULL where none could be opened yet */
	unsigned n, turn;
	struct udp_socket *retired;
	struct timer_queue *timeout;
	uint64_t reconnected_us;
	uint64_t failed_us; /* when a socket could not be opened, and why */
	int failed;
};

static void answers_ready(struct worker *w, struct source *src, uint32_t events);

static size_t table_len(const struct udp_socket *s)
{
	return sizeof(struct query *) << s->bits_max;
}

/* The smallest table that holds as many: full, every other draw at least meets an occupant. */
static unsigned bits_for(unsigned limit)
{
	unsigned bits = 0;

	while (bits < TABLE_BITS_MAX && limit > 1u << bits)
		bits++;
	return bits;
}

/* The table's whole range is mapped at once and touched as it grows: growing allocates nothing. */
static struct udp_socket *socket_new(struct worker *w, struct upstream *up, int *rc)
{
	struct udp_socket *s = mem_lines(sizeof(*s));

	s->up = up;
	s->limit = w->settings->udp_max_outstanding;
	s->bits_max = bits_for(s->limit);
	s->bits = s->bits_max < TABLE_BITS_FIRST ? s->bits_max : TABLE_BITS_FIRST;
	s->table = mmap(NULL, table_len(s), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (s->table == MAP_FAILED) {
		*rc = -ENOMEM;
		goto no_table;
	}
	*rc = udp_socket_connect(&up->server->fixed, w->settings);
	if (*rc < 0)
		goto no_socket;
	s->source = (struct source){answers_ready, *rc};
	*rc = worker_watch(w, &s->source, EPOLLIN);
	if (*rc < 0)
		goto no_watch;
	return s;
no_watch:
	close(s->source.fd);
no_socket:
	munmap(s->table, table_len(s));
no_table:
	free(s);
	return NULL;
}

static void socket_free(struct worker *w, struct udp_socket *s)
{
	worker_unwatch(w, &s->source);
	close(s->source.fd);
	munmap(s->table, table_len(s));
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

static void table_grow(struct udp_socket *s)
{
	unsigned n = 1u << s->bits;

	s->bits++;
	for (unsigned i = 0; i < n; i++) {
		struct query *q = s->table[i];

		if (q == NULL || (q->upstream_id & n) == 0)
			continue;
		s->table[i] = NULL;
		s->table[i + n] = q;
	}
}

/* Out of the table and off its clock: whoever calls says what becomes of it. */
static void take_out(struct worker *w, struct udp_socket *s, struct query *q)
{
	s->table[q->upstream_id & ((1u << s->bits) - 1)] = NULL;
	timer_stop(&q->timer);
	s->in_flight--;
	if (unlikely(s->is_retired && s->in_flight == 0)) {
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

/* Room for a new query in the slot of an old one, which is lost, as the reference has it. */
static void evict(struct worker *w, struct udp_socket *s, struct query **slot)
{
	struct query *old = *slot;

	if (s->n_tx > 0)
		udp_socket_flush(w, s); /* it may be among those */
	if (*slot != old)
		return;
	take_out(w, s, old);
	pipeline_failed(w, old, FAILURE_TIMEOUT);
}

/*
 * A uniformly random ID whose slot is free, or has been made so: with as many in flight as the
 * server may have, the first occupant drawn goes; with a table that full, the last one.
 */
static uint16_t draw_id(struct worker *w, struct udp_socket *s)
{
	bool is_full = s->in_flight >= s->limit;
	struct query **slot;
	uint16_t id;

	for (unsigned i = 0; i < DRAWS_MAX; i++) {
		id = rand_u16();
		slot = &s->table[id & ((1u << s->bits) - 1)];
		if (likely((*slot != NULL) == is_full))
			break;
	}
	if (unlikely(*slot != NULL))
		evict(w, s, slot);
	return id;
}

static struct timer_queue *timeout_of(struct worker *w, const struct upstream *up,
				      const struct query *q)
{
	if (likely(!q->is_probe))
		return up->udp->timeout;
	return timers_queue(&w->timers, up->def->health.timeout_ms * UINT64_C(1000));
}

static void make_dirty(struct worker *w, struct udp_socket *s)
{
	if (s->is_dirty)
		return;
	s->is_dirty = true;
	s->next_dirty = w->udp->dirty_sockets;
	w->udp->dirty_sockets = s;
}

int udp_upstream_send(struct worker *w, struct upstream *up, struct query *q)
{
	struct udp_socket *s;
	int rc = 0;

	if (unlikely(up->udp == NULL))
		up->udp = udp_new(w, &up->server->fixed);
	s = next_socket(w, up, &rc);
	if (unlikely(s == NULL))
		return rc;
	if (unlikely(2 * s->in_flight >= 1u << s->bits && s->bits < s->bits_max))
		table_grow(s);
	q->upstream_id = draw_id(w, s);
	msg_set_id(q->packet, q->upstream_id);
	s->table[q->upstream_id & ((1u << s->bits) - 1)] = q;
	s->in_flight++;
	q->upconn = s;
	q->timer.fire = timed_out;
	timer_start(timeout_of(w, up, q), &q->timer, w->now_us);
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
		s->has_broken = true;
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
	if (unlikely(s->has_broken)) {
		s->has_broken = false;
		if (w->now_us - s->up->udp->reconnected_us >= RECONNECT_US)
			udp_upstream_reconnect(w, s->up);
	}
}

static struct query *find(const struct udp_socket *s, const uint8_t *answer, size_t len)
{
	struct query *q;

	if (len < 2)
		return NULL;
	q = s->table[msg_id(answer) & ((1u << s->bits) - 1)];
	return q != NULL && q->upstream_id == msg_id(answer) ? q : NULL;
}

/* Queries of a long round trip have left the caches: fetched together, they cost one wait. */
static void prefetch_queries(const struct udp_socket *s, const struct mmsghdr *hdr, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *answer = hdr[i].msg_hdr.msg_iov->iov_base;
		const char *q = (const char *)s->table[msg_id(answer) & ((1u << s->bits) - 1)];

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
	struct query *q = find(s, answer, len);

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

	if (io->answers_lent)
		udp_flush(w);
	n = recvmmsg(src->fd, io->answer_hdr, BATCH_MAX, MSG_DONTWAIT, NULL);
	if (unlikely(n <= 0))
		return; /* an ICMP error is consumed by this; the query waits on, as another answer
			   may come */
	w->received += (unsigned)n;
	io->answers_lent = true;
	prefetch_queries(s, io->answer_hdr, (unsigned)n);
	for (int i = 0; i < n; i++)
		answer_came(w, s, io->answer_iov[i].iov_base, io->answer_hdr[i].msg_len);
}

static void retire(struct worker *w, struct upstream *up, struct udp_socket *s)
{
	if (s->n_tx > 0)
		udp_socket_flush(w, s);
	if (s->in_flight == 0) {
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
	s->is_retired = false; /* it is freed by whoever called */
	for (size_t i = 0; i < (size_t)1 << s->bits; i++) {
		struct query *q = s->table[i];

		if (q == NULL)
			continue;
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
