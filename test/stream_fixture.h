/*
 * A server over TCP that is a thread here, and does by the first label of the name what servers
 * should not do; and clients' side of a stream.
 */
#ifndef TEST_STREAM_FIXTURE_H
#define TEST_STREAM_FIXTURE_H

#include <fcntl.h>
#include <netinet/tcp.h>

#include "test/path_fixture.h"

#define STREAM_CONNS 64

/* A transfer is so many messages of so many records: 4 MB, more than any socket takes unread. */
#define XFR_MESSAGES 200
#define XFR_RECORDS  1200

struct stream_conn {
	int fd;
	unsigned queries; /* read on it */
	size_t len;
	uint8_t in[4096];
	uint8_t held[512]; /* a query that waits for its pair */
	size_t held_len;
};

struct stream_server {
	int fd;
	struct addr addr;
	pthread_t thread;
	atomic_uint connections, queries, open;
	atomic_bool stop;
	struct stream_conn conn[STREAM_CONNS];
};

static inline void send_all(int fd, const uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		data += n;
		len -= (size_t)n;
	}
}

static inline void send_message(int fd, const uint8_t *m, size_t len)
{
	uint8_t framed[65537];

	put_u16(framed, (uint16_t)len);
	memcpy(framed + 2, m, len);
	send_all(fd, framed, len + 2);
}

static inline void conn_close(struct stream_server *s, struct stream_conn *c)
{
	close(c->fd);
	c->fd = -1;
	atomic_fetch_sub(&s->open, 1);
}

static inline size_t put_record(uint8_t *m, size_t at, uint16_t type, const uint8_t *rdata,
				uint16_t len)
{
	put_u16(m + at, 0xc00c);
	put_u16(m + at + 2, type);
	put_u16(m + at + 4, CLASS_IN);
	put_u32(m + at + 6, 60);
	put_u16(m + at + 10, len);
	memcpy(m + at + 12, rdata, len);
	return at + 12 + len;
}

static inline void send_transfer(struct stream_conn *c, uint8_t *query, size_t len)
{
	static const uint8_t soa[22] = {0, 0, 0, 0, 0, 9};
	static const uint8_t a[4] = {192, 0, 2, 1};
	static uint8_t m[65535];

	for (unsigned i = 0; i < XFR_MESSAGES && c->fd >= 0; i++) {
		unsigned n = 0;
		size_t at = resolver_answer(query, len, 0);

		memcpy(m, query, at);
		if (i == 0) {
			at = put_record(m, at, TYPE_SOA, soa, sizeof(soa));
			n++;
		}
		for (unsigned k = 0; k < XFR_RECORDS; k++, n++)
			at = put_record(m, at, TYPE_A, a, sizeof(a));
		if (i == XFR_MESSAGES - 1) {
			at = put_record(m, at, TYPE_SOA, soa, sizeof(soa));
			n++;
		}
		put_u16(m + 6, (uint16_t)n);
		send_message(c->fd, m, at);
	}
}

static inline void send_in_octets(int fd, const uint8_t *m, size_t len)
{
	uint8_t framed[600];

	put_u16(framed, (uint16_t)len);
	memcpy(framed + 2, m, len);
	for (size_t i = 0; i < len + 2; i++) {
		send_all(fd, framed + i, 1);
		usleep(100);
	}
}

/* The second of two is answered first. */
static inline void answer_pair(struct stream_conn *c, uint8_t *m, size_t len)
{
	if (c->held_len == 0) {
		memcpy(c->held, m, len);
		c->held_len = len;
		return;
	}
	send_message(c->fd, m, resolver_answer(m, len, 1));
	send_message(c->fd, c->held, resolver_answer(c->held, c->held_len, 1));
	c->held_len = 0;
}

static inline void stream_reply(struct stream_server *s, struct stream_conn *c, uint8_t *m,
				size_t len)
{
	struct question q;

	if (label_is(m, "hold"))
		return;
	if (label_is(m, "hangup") || (label_is(m, "fresh") && c->queries > 1)) {
		conn_close(s, c);
	} else if (label_is(m, "pair")) {
		answer_pair(c, m, len);
	} else if (msg_question(m, len, &q) == 0 && q.qtype == TYPE_AXFR) {
		send_transfer(c, m, len);
	} else {
		len = resolver_answer(m, len, label_is(m, "big") ? 100 : 1);
		if (label_is(m, "wrongid"))
			m[1] ^= 1;
		if (label_is(m, "wrongname"))
			m[DNS_HEADER_LEN + 1] ^= 1;
		if (label_is(m, "octets"))
			send_in_octets(c->fd, m, len);
		else
			send_message(c->fd, m, len);
		if (label_is(m, "last"))
			conn_close(s, c);
	}
}

static inline void stream_conn_ready(struct stream_server *s, struct stream_conn *c)
{
	ssize_t n = recv(c->fd, c->in + c->len, sizeof(c->in) - c->len, 0);

	if (n <= 0) {
		conn_close(s, c);
		return;
	}
	c->len += (size_t)n;
	while (c->fd >= 0 && c->len >= 2 && c->len >= 2u + get_u16(c->in)) {
		uint8_t m[2048];
		size_t len = get_u16(c->in);

		memcpy(m, c->in + 2, len);
		c->len -= len + 2;
		memmove(c->in, c->in + len + 2, c->len);
		c->queries++;
		atomic_fetch_add(&s->queries, 1);
		stream_reply(s, c, m, len);
	}
}

static inline void stream_accept(struct stream_server *s)
{
	int fd = accept(s->fd, NULL, NULL);

	for (unsigned i = 0; i < STREAM_CONNS; i++) {
		if (s->conn[i].fd >= 0)
			continue;
		s->conn[i] = (struct stream_conn){.fd = fd};
		atomic_fetch_add(&s->connections, 1);
		atomic_fetch_add(&s->open, 1);
		return;
	}
	close(fd);
}

static inline void *stream_server_main(void *arg)
{
	struct stream_server *s = arg;

	while (!atomic_load(&s->stop)) {
		struct pollfd p[STREAM_CONNS + 1] = {{s->fd, POLLIN, 0}};

		for (unsigned i = 0; i < STREAM_CONNS; i++)
			p[i + 1] = (struct pollfd){s->conn[i].fd, POLLIN, 0};
		if (poll(p, STREAM_CONNS + 1, 20) <= 0)
			continue;
		for (unsigned i = 0; i < STREAM_CONNS; i++)
			if (p[i + 1].revents != 0)
				stream_conn_ready(s, &s->conn[i]);
		if (p[0].revents != 0)
			stream_accept(s);
	}
	return NULL;
}

static inline void stream_server_start(struct stream_server *s)
{
	socklen_t len = sizeof(s->addr.v4);

	memset(s, 0, sizeof(*s));
	for (unsigned i = 0; i < STREAM_CONNS; i++)
		s->conn[i].fd = -1;
	s->addr.v4.sin_family = AF_INET;
	s->addr.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(s->fd, &s->addr.sa, len) < 0 || listen(s->fd, 64) < 0 ||
	    getsockname(s->fd, &s->addr.sa, &len) < 0)
		abort();
	pthread_create(&s->thread, NULL, stream_server_main, s);
}

static inline void stream_server_stop(struct stream_server *s)
{
	atomic_store(&s->stop, true);
	pthread_join(s->thread, NULL);
	for (unsigned i = 0; i < STREAM_CONNS; i++)
		if (s->conn[i].fd >= 0)
			close(s->conn[i].fd);
	close(s->fd);
}

/* A client's connection to the listener, which workers open a moment after workers_serve. */
static inline int client_open(const struct path *p)
{
	int fd, on = 1;

	for (unsigned i = 0; i < 5000; i++) {
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (connect(fd, &p->listen.sa, sizeof(p->listen.v4)) == 0)
			return fd;
		close(fd);
		usleep(1000);
	}
	abort();
}

static inline void client_ask(int fd, uint16_t id, const char *name, uint16_t qtype)
{
	uint8_t m[512];

	send_message(fd, m, path_query(m, id, name, qtype));
}

static inline bool receive_all(int fd, uint8_t *out, size_t len, int wait_ms)
{
	while (len > 0) {
		struct pollfd p = {fd, POLLIN, 0};
		ssize_t n = poll(&p, 1, wait_ms) > 0 ? recv(fd, out, len, 0) : -1;

		if (n <= 0)
			return false;
		out += n;
		len -= (size_t)n;
	}
	return true;
}

/* One message: its length; 0: closed or nothing within wait_ms. */
static inline size_t client_receive(int fd, uint8_t *out, int wait_ms)
{
	uint8_t head[2];

	if (!receive_all(fd, head, 2, wait_ms) || !receive_all(fd, out, get_u16(head), wait_ms))
		return 0;
	return get_u16(head);
}

/* Whether the other side closes within wait_ms, sending nothing more. */
static inline bool is_closed(int fd, int wait_ms)
{
	struct pollfd p = {fd, POLLIN, 0};
	uint8_t octet;

	return poll(&p, 1, wait_ms) > 0 && recv(fd, &octet, 1, 0) <= 0;
}

#endif
