/* TCP and TLS: connections that stay, with some queries in flight each, or one for each query. */
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/dns/message.h"
#include "core/tls/tls.h"
#include "tools/cli.h"
#include "tools/loadgen/load.h"

struct conn {
	int fd;
	struct tls_conn *tls;
	uint16_t next_id;
	size_t have;
	uint64_t sent_us[65536];
	uint8_t in[65536];
};

static struct tls_client *tls;

static void conn_handshake(struct conn *c)
{
	enum tls_result r;

	c->tls = tls_conn_new(tls, c->fd, NULL, clock_mono_us() / 1000000);
	while (c->tls && (r = tls_handshake(c->tls)) != TLS_OK) {
		struct pollfd p = {.fd = c->fd, .events = r == TLS_WANT_READ ? POLLIN : POLLOUT};

		if (r != TLS_WANT_READ && r != TLS_WANT_WRITE)
			die("TLS", tls_conn_error(c->tls));
		poll(&p, 1, 1000);
	}
}

static bool conn_open(struct conn *c)
{
	static const int on = 1;
	int rc;

	c->fd = socket(how.to.sa.sa_family, SOCK_STREAM, 0);
	c->have = 0;
	rc = connect(c->fd, &how.to.sa, addr_len(&how.to));
	if (rc < 0) {
		run.refused++;
		close(c->fd);
		c->fd = -1;
		return false;
	}
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (tls) {
		fcntl(c->fd, F_SETFL, O_NONBLOCK);
		conn_handshake(c);
	}
	return true;
}

/* n queries in one write. */
static void conn_send(struct conn *c, unsigned n)
{
	static uint8_t out[1024 * (QUERY_MAX + 2)];
	uint64_t now_us = clock_mono_us();
	size_t len = 0, done;

	n = n < query_left() ? n : query_left();
	for (unsigned i = 0; i < n && i < 1024; i++) {
		size_t query_len = query_fill(out + len + 2, c->next_id);

		put_u16(out + len, (uint16_t)query_len);
		c->sent_us[c->next_id++] = now_us;
		len += query_len + 2;
		run.sent++;
	}
	for (size_t sent = 0; sent < len; sent += done) {
		if (c->tls == NULL) {
			ssize_t rc = send(c->fd, out + sent, len - sent, MSG_NOSIGNAL);

			done = rc > 0 ? (size_t)rc : len;
		} else if (tls_write(c->tls, out + sent, len - sent, &done) != TLS_OK) {
			done = 0;
		}
	}
}

static ssize_t conn_read(struct conn *c)
{
	size_t done = 0;
	enum tls_result r;

	if (c->tls == NULL)
		return recv(c->fd, c->in + c->have, sizeof(c->in) - c->have, MSG_DONTWAIT);
	r = tls_read(c->tls, c->in + c->have, sizeof(c->in) - c->have, &done);
	if (r == TLS_OK)
		return (ssize_t)done;
	errno = EAGAIN;
	return r == TLS_WANT_READ || r == TLS_WANT_WRITE ? -1 : 0;
}

/* Answers of one read: how many, or -1 when the connection is over. */
static int conn_receive(struct conn *c)
{
	ssize_t n = conn_read(c);
	uint64_t now_us = clock_mono_us();
	size_t at = 0;
	int answers = 0;

	if (n <= 0)
		return n < 0 && errno == EAGAIN ? 0 : -1;
	c->have += (size_t)n;
	while (c->have - at >= 2 && c->have - at - 2 >= get_u16(c->in + at)) {
		size_t len = get_u16(c->in + at);

		if (len >= DNS_HEADER_LEN) {
			query_answered(c->in + at + 2, c->sent_us[msg_id(c->in + at + 2)], now_us);
			answers++;
		}
		at += len + 2;
	}
	c->have -= at;
	memmove(c->in, c->in + at, c->have);
	return answers;
}

static void conn_close(struct conn *c)
{
	if (c->tls)
		tls_conn_free(c->tls);
	c->tls = NULL;
	close(c->fd);
	c->fd = -1;
}

static void conn_start(struct conn *c, int epoll_fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};

	if (!conn_open(c))
		return;
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &ev);
	conn_send(c, how.in_flight);
}

static void start_tls(void)
{
	struct tls_client_options o = {.validate = false, .alpn = "dot"};
	struct err err = {""};

	if (tls_init() < 0 || (tls = tls_client_new(&o, &err)) == NULL)
		die("TLS", err.text);
}

void stream_run(void)
{
	struct conn *conns = calloc(how.sockets, sizeof(*conns));
	int epoll_fd = epoll_create1(0);
	uint64_t end_us, now_us;

	if (conns == NULL)
		die("load", "out of memory");
	if (how.tls)
		start_tls();
	end_us = clock_mono_us() + (uint64_t)(how.duration_s * 1e6);
	for (unsigned i = 0; i < how.sockets; i++)
		conn_start(&conns[i], epoll_fd);
	while (run.answered < how.count && (now_us = clock_mono_us()) < end_us + DRAIN_US) {
		struct epoll_event ev[BATCH];
		int n = epoll_wait(epoll_fd, ev, BATCH, 10);

		if (now_us >= end_us && (run.answered >= run.sent || how.reconnect))
			break;

		for (int i = 0; i < n; i++) {
			struct conn *c = ev[i].data.ptr;
			int answers = conn_receive(c);

			if (now_us >= end_us && answers >= 0)
				continue; /* only collecting what is on its way */
			if (answers < 0 || (how.reconnect && answers > 0)) {
				conn_close(c);
				conn_start(c, epoll_fd);
			} else if (answers > 0) {
				conn_send(c, (unsigned)answers);
			}
		}
	}
	for (unsigned i = 0; i < how.sockets; i++)
		conn_close(&conns[i]);
	close(epoll_fd);
	free(conns);
}
