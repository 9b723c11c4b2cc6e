/* Clients over UDP: batches of queries in, batches of answers out. */
#include "workers/udp.h"

#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "core/mem.h"
#include "rules/overload.h"
#include "workers/pipeline.h"

/* The address that was asked, for listeners on a wildcard. */
static void read_local(struct query *q, struct msghdr *mh, const struct frontend *f)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c != NULL; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			q->local.v4 = (struct sockaddr_in){.sin_family = AF_INET,
							   .sin_port = f->addr.v4.sin_port,
							   .sin_addr = info.ipi_addr};
			q->ifindex = info.ipi_ifindex;
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			q->local.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
							    .sin6_port = f->addr.v6.sin6_port,
							    .sin6_addr = info.ipi6_addr};
			q->ifindex = (int)info.ipi6_ifindex;
		}
	}
}

/* Has the kernel send the answer from there. */
static void write_local(const struct query *q, struct msghdr *mh, union udp_control *control)
{
	struct cmsghdr *c = &control->header;

	mh->msg_control = control;
	if (q->local.sa.sa_family == AF_INET) {
		/* no interface: the answer's way is the routes' business */
		struct in_pktinfo info = {.ipi_spec_dst = q->local.v4.sin_addr};

		mh->msg_controllen = CMSG_SPACE(sizeof(info));
		*c = (struct cmsghdr){CMSG_LEN(sizeof(info)), IPPROTO_IP, IP_PKTINFO};
		memcpy(CMSG_DATA(c), &info, sizeof(info));
	} else {
		struct in6_pktinfo info = {.ipi6_addr = q->local.v6.sin6_addr};

		if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
			info.ipi6_ifindex = (unsigned)q->ifindex;
		mh->msg_controllen = CMSG_SPACE(sizeof(info));
		*c = (struct cmsghdr){CMSG_LEN(sizeof(info)), IPPROTO_IPV6, IPV6_PKTINFO};
		memcpy(CMSG_DATA(c), &info, sizeof(info));
	}
}

/* Puts fresh queries where the last batch took them. False when the slab is at its bound. */
static bool fill_slots(struct worker *w, struct udp_io *io)
{
	while (io->rx_used > 0) {
		struct query *q = query_new(w, QUERY_UDP_MAX);
		unsigned i = io->rx_used - 1;

		if (unlikely(q == NULL))
			return false;
		io->rx[i] = q;
		io->rx_iov[i] = (struct iovec){q->packet, QUERY_UDP_MAX};
		io->rx_hdr[i].msg_hdr.msg_name = &q->client;
		io->rx_hdr[i].msg_hdr.msg_namelen = sizeof(q->client);
		io->rx_hdr[i].msg_hdr.msg_control = &io->rx_control[i];
		io->rx_hdr[i].msg_hdr.msg_controllen = io->rx_control_len;
		io->rx_used--;
	}
	return true;
}

static void set_control_len(struct udp_io *io, const struct udp_listener *l)
{
	size_t len = l->is_wildcard ? sizeof(union udp_control) : 0;

	if (likely(io->rx_control_len == len))
		return;
	io->rx_control_len = len;
	for (unsigned i = 0; i < BATCH_MAX; i++)
		io->rx_hdr[i].msg_hdr.msg_controllen = len;
}

/* What the kernel has filled in, made a query; NULL when it was too long to be one. */
static struct query *accept_slot(struct worker *w, struct udp_listener *l, unsigned i)
{
	struct udp_io *io = w->udp;
	struct msghdr *mh = &io->rx_hdr[i].msg_hdr;
	struct query *q = io->rx[i];

	if (unlikely(mh->msg_flags & MSG_TRUNC)) {
		record_noncompliant(w, l->frontend);
		query_free(w, q);
		return NULL;
	}
	q->len = (uint16_t)io->rx_hdr[i].msg_len;
	q->transport = &udp_transport;
	q->frontend = l->frontend;
	q->conn = l;
	q->near_only = !l->is_wildcard;
	if (l->is_wildcard)
		read_local(q, mh, l->frontend);
	return q;
}

/* No room for queries at all: what waits is thrown away, as the kernel would when its buffer is
 * full. */
static void shed(int fd)
{
	for (unsigned i = 0; i < BATCH_MAX; i++)
		if (recv(fd, NULL, 0, MSG_DONTWAIT | MSG_TRUNC) < 0)
			return;
}

/* The kernel is asked so often at most: it takes some hundred nanoseconds. */
#define ASK_US 250

/* What is left in the buffer says whether we fall behind. Since Linux 4.12. */
static bool is_behind(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = {0};
	socklen_t len = sizeof(info);

	return getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) == 0 &&
	       info[SK_MEMINFO_RMEM_ALLOC] > info[SK_MEMINFO_RCVBUF] / 2;
}

static void watch_pressure(struct worker *w, struct udp_listener *l, int got)
{
	if (likely(got < BATCH_MAX)) {
		l->behind_us = 0;
		return;
	}
	if (w->now_us - l->asked_us < ASK_US || !w->settings->overload_protection)
		return;
	l->asked_us = w->now_us;
	if (!is_behind(l->source.fd)) {
		l->behind_us = 0;
		return;
	}
	l->behind_us = l->behind_us ? l->behind_us : w->now_us;
	overload_pressed(w->overload, l->behind_us, w->now_us);
}

static void listener_ready(struct worker *w, struct source *s, uint32_t events)
{
	struct udp_listener *l = container_of(s, struct udp_listener, source);
	struct udp_io *io = w->udp;
	struct query *batch[BATCH_MAX];
	unsigned n = 0;
	int got;

	if (unlikely(!fill_slots(w, io))) {
		shed(s->fd);
		return;
	}
	set_control_len(io, l);
	got = recvmmsg(s->fd, io->rx_hdr, BATCH_MAX, MSG_DONTWAIT, NULL);
	if (unlikely(got <= 0))
		return; /* nothing, or an error that is now consumed */
	io->rx_used = (unsigned)got;
	w->received += (unsigned)got;
	watch_pressure(w, l, got);
	overload_batch(w->overload, (unsigned)got);
	for (int i = 0; i < got; i++) {
		struct query *q = accept_slot(w, l, (unsigned)i);

		if (likely(q != NULL))
			batch[n++] = q;
	}
	pipeline_batch(w, batch, n);
}

/* Headers for what the listener holds. */
static void write_headers(struct udp_io *io, const struct udp_listener *l)
{
	for (unsigned i = 0; i < l->n_tx; i++) {
		struct query *q = l->tx[i];
		struct msghdr *mh = &io->tx_hdr[i].msg_hdr;

		mh->msg_name = &q->client;
		mh->msg_namelen = addr_len(&q->client);
		io->tx_iov[i] = (struct iovec){q->answer, q->answer_len};
		mh->msg_controllen = 0;
		if (l->is_wildcard && q->local.sa.sa_family != AF_UNSPEC)
			write_local(q, mh, &io->tx_control[i]);
	}
}

/*
 * One call sends all. A datagram that the kernel refuses (no route back, spoofed port 0) is left
 * out and the rest tried again; with its buffer full the rest is lost, as it would be further on.
 */
static void listener_flush(struct worker *w, struct udp_listener *l)
{
	struct udp_io *io = w->udp;
	/* Muted: all is done but the sending. */
	unsigned done = unlikely(atomic_load_explicit(&l->frontend->muted, memory_order_relaxed))
				? l->n_tx
				: 0;

	write_headers(io, l);
	while (done < l->n_tx) {
		int sent = sendmmsg(l->source.fd, io->tx_hdr + done, l->n_tx - done, MSG_DONTWAIT);

		if (unlikely(sent < 0 && (errno == EAGAIN || errno == ENOBUFS)))
			break;
		done += sent > 0 ? (unsigned)sent : 1;
	}
	for (unsigned i = 0; i < l->n_tx; i++)
		query_free(w, l->tx[i]);
	l->n_tx = 0;
}

/* What is lent only until respond returns is copied; there is always room, see udp_room. */
static void keep_answer(struct worker *w, struct query *q)
{
	struct udp_io *io = w->udp;

	if (unlikely(!q->answer_stays)) {
		size_t cap;
		uint8_t *room = udp_room(w, &cap);

		memcpy(room, q->answer, q->answer_len);
		q->answer = room;
	}
	if (q->answer == io->arena + io->arena_used)
		io->arena_used += (q->answer_len + 15) & ~(size_t)15;
}

static void udp_respond(struct worker *w, struct query *q)
{
	struct udp_listener *l = q->conn;

	keep_answer(w, q);
	if (l->n_tx == 0 && !l->is_dirty) {
		l->is_dirty = true;
		l->next_dirty = w->udp->dirty_listeners;
		w->udp->dirty_listeners = l;
	}
	l->tx[l->n_tx++] = q;
	if (l->n_tx == BATCH_MAX)
		listener_flush(w, l);
}

static void udp_drop(struct worker *w, struct query *q)
{
	query_free(w, q);
}

const struct transport udp_transport = {PROTO_UDP, udp_respond, udp_drop};

/* Servers first: a query that can't be sent may still become an answer. */
void udp_flush(struct worker *w)
{
	struct udp_io *io = w->udp;

	while (io->dirty_sockets != NULL)
		udp_socket_flush(w, io->dirty_sockets);
	while (io->dirty_listeners != NULL) {
		struct udp_listener *l = io->dirty_listeners;

		io->dirty_listeners = l->next_dirty;
		l->is_dirty = false;
		listener_flush(w, l);
	}
	io->arena_used = 0;
	io->answers_lent = false;
}

void udp_listeners_open(struct worker *w)
{
	const struct frontends *f = w->t->frontends;
	struct udp_io *io = w->udp;

	for (unsigned i = 0; i < f->n; i++) {
		const struct frontend *fe = f->list[i];
		struct udp_listener *l;

		if (fe->proto != PROTO_UDP || fe->fd[w->id] < 0)
			continue;
		l = mem_lines(sizeof(*l));
		l->source = (struct source){listener_ready, fe->fd[w->id]};
		l->frontend = fe;
		l->is_wildcard = addr_is_any(&fe->addr);
		l->next = io->listeners;
		io->listeners = l;
		worker_watch(w, &l->source, EPOLLIN);
	}
}

void udp_listeners_close(struct worker *w)
{
	for (struct udp_listener *l = w->udp->listeners; l != NULL; l = l->next)
		worker_unwatch(w, &l->source);
}
