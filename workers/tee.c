#include "workers/tee.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/mem.h"
#include "rules/tee.h"
#include "workers/pipeline.h"
#include "workers/udp_socket.h"

/* A socket that could not be opened is not tried again sooner. */
#define REOPEN_US 1000000

struct tee_socket {
	struct source source; /* fd is -1 while it could not be opened */
	struct tee *tee;
	struct tee_worker *counts;
	struct tee_socket *next;
	uint64_t failed_us;
};

static void count_answer(struct tee_worker *counts, const uint8_t *header)
{
	counter_inc(&counts->responses);
	switch (msg_flags(header) & DNS_RCODE_MASK) {
	case RCODE_NOERROR:
		counter_inc(&counts->noerrors);
		break;
	case RCODE_NXDOMAIN:
		counter_inc(&counts->nxdomains);
		break;
	case RCODE_REFUSED:
		counter_inc(&counts->refuseds);
		break;
	case RCODE_SERVFAIL:
		counter_inc(&counts->servfails);
		break;
	default:
		counter_inc(&counts->other_rcode);
	}
}

/* The header is all that is looked at. What is left over is there in the next turn. */
static void answers_ready(struct worker *w, struct source *src, uint32_t events)
{
	struct tee_socket *s = container_of(src, struct tee_socket, source);
	uint8_t header[DNS_HEADER_LEN];

	for (unsigned i = 0; i < BATCH_MAX; i++) {
		ssize_t n = recv(src->fd, header, sizeof(header), MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < (ssize_t)sizeof(header))
			counter_inc(&s->counts->recv_errors);
		else
			count_answer(s->counts, header);
		if (n < 0)
			return;
	}
}

static int connect_to(const struct tee *tee)
{
	int fd = socket(tee->remote.sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -errno;
	if (tee->local.sa.sa_family != AF_UNSPEC &&
	    bind(fd, &tee->local.sa, addr_len(&tee->local)) < 0)
		goto fail;
	if (connect(fd, &tee->remote.sa, addr_len(&tee->remote)) == 0)
		return fd;
fail:
	rc = -errno;
	close(fd);
	return rc;
}

static void socket_open(struct worker *w, struct tee_socket *s)
{
	int fd = connect_to(s->tee);

	s->failed_us = w->now_us;
	if (fd < 0)
		return;
	udp_socket_buffers(fd, w->settings->udp_recv_buffer, w->settings->udp_send_buffer);
	s->source = (struct source){answers_ready, fd};
	if (worker_watch(w, &s->source, EPOLLIN) == 0)
		return;
	close(fd);
	s->source.fd = -1;
}

/* Not per packet: at the first query that this worker has for it. */
static struct tee_socket *socket_new(struct worker *w, struct tee *tee, struct tee_worker *counts)
{
	struct tee_socket *s = mem_zalloc(1, sizeof(*s));

	s->source.fd = -1;
	s->tee = tee;
	s->counts = counts;
	s->next = w->tees;
	w->tees = s;
	atomic_fetch_add_explicit(&tee->users, 1, memory_order_relaxed);
	counts->socket = s;
	socket_open(w, s);
	return s;
}

static void socket_free(struct worker *w, struct tee_socket *s)
{
	struct tee *tee = s->tee;

	if (s->source.fd >= 0) {
		worker_unwatch(w, &s->source);
		close(s->source.fd);
	}
	s->counts->socket = NULL;
	free(s);
	atomic_fetch_sub_explicit(&tee->users, 1, memory_order_release);
}

/* A refusal of an earlier datagram is reported in place of a send: that is tried again. */
static bool send_copy(int fd, const uint8_t *msg, size_t len)
{
	for (unsigned i = 0; i < 2; i++) {
		if (send(fd, msg, len, MSG_DONTWAIT) >= 0)
			return true;
		if (errno != ECONNREFUSED)
			return false;
	}
	return false;
}

/* With the client's subnet, where that fits; without it otherwise. */
static bool send_with_subnet(struct worker *w, int fd, const struct rule_run *run)
{
	uint8_t copy[QUERY_UDP_MAX + QUERY_HEADROOM];
	struct subnet subnet = subnet_of(w, run->q);
	enum ecs_added added;
	size_t len = 0;

	if (run->len <= sizeof(copy)) {
		memcpy(copy, run->msg, run->len);
		len = msg_add_ecs(copy, run->len, sizeof(copy), &run->q->question, subnet.addr,
				  subnet.len, subnet.bits, subnet.override, &added);
	}
	return len > 0 ? send_copy(fd, copy, len) : send_copy(fd, run->msg, run->len);
}

void tee_query(struct worker *w, struct tee *tee, const struct rule_run *run)
{
	struct tee_worker *counts = perworker_get(&tee->counters, w->id);
	struct tee_socket *s = counts->socket;
	bool sent;

	if (run->q->client_proto != PROTO_UDP) {
		counter_inc(&counts->tcp_drops);
		return;
	}
	counter_inc(&counts->queries);
	if (unlikely(s == NULL))
		s = socket_new(w, tee, counts);
	else if (unlikely(s->source.fd < 0) && w->now_us - s->failed_us >= REOPEN_US)
		socket_open(w, s);
	sent = s->source.fd >= 0 && (tee->add_ecs ? send_with_subnet(w, s->source.fd, run)
						  : send_copy(s->source.fd, run->msg, run->len));
	if (unlikely(!sent))
		counter_inc(&counts->send_errors);
}

void tees_follow(struct worker *w)
{
	struct tee_socket **at = &w->tees;

	while (*at != NULL) {
		struct tee_socket *s = *at;

		if (!atomic_load_explicit(&s->tee->gone, memory_order_relaxed)) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		socket_free(w, s);
	}
}

void tees_fini(struct worker *w)
{
	while (w->tees != NULL) {
		struct tee_socket *s = w->tees;

		w->tees = s->next;
		socket_free(w, s);
	}
}
