/*
 * The load generator of the benchmarks. Closed loop (a window of queries in flight) or open loop
 * (--qps); prints one line of JSON. load --to 127.0.0.1:5300 [--mode udp|tcp|tcp-connect|dot]
 * [--names N] [--unique 1] [--duration S]
 *        [--count N] [--window N] [--sockets N] [--in-flight N] [--sources N] [--qps N] [--prefix
 * C]
 *        [--first N] [--seed N] [--core N]
 *
 * udp: --sockets source ports with --window queries in flight over all; --sources spreads them over
 * 127.0.x.y. tcp, dot: --sockets connections with --in-flight queries each. tcp-connect: a
 * connection for each query, --sockets at a time. Names are c0000000.example and on; --unique never
 * asks one twice and begins at --first. --count ends the run after so many queries, when --duration
 * has not before.
 */
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/dns/message.h"
#include "core/rand.h"
#include "core/tls/tls.h"
#include "tools/cli.h"

#define BATCH     64
#define QUERY_LEN 34
#define DIGITS_AT 14 /* in the message: after the header, the label's length and its first letter \
		      */
#define LATENCY_MAX   200000 /* µs; what took longer is in the last bucket */
#define LOST_AFTER_US 1000000
#define DRAIN_US      200000 /* after the end, for answers on their way */

static struct {
	struct addr to;
	unsigned names, sockets, window, in_flight, sources;
	bool unique;
	uint64_t count; /* queries to send; UINT64_MAX: as many as --duration allows */
	double duration_s, qps;
	char prefix;
} how;

static struct {
	uint64_t sent, answered, refused, sum_us, last_us;
	uint64_t rcode[16];
	uint32_t latency[LATENCY_MAX + 1];
	uint64_t next_name;
	uint32_t random;
} run;

/* Enough randomness to spread names; no system call, no cost that would show beside the server. */
static uint32_t next_random(void)
{
	run.random ^= run.random << 13;
	run.random ^= run.random >> 17;
	run.random ^= run.random << 5;
	return run.random;
}

static void fill_query(uint8_t *msg, uint16_t id)
{
	static const uint8_t shape[QUERY_LEN] =
		"\0\0\1\0\0\1\0\0\0\0\0\0\10n0000000\7example\0\0\1\0";
	uint64_t n = how.unique ? run.next_name++ : next_random() % how.names;

	memcpy(msg, shape, sizeof(shape));
	msg[QUERY_LEN - 1] = CLASS_IN;
	msg[DIGITS_AT - 1] = (uint8_t)how.prefix;
	for (int i = 6; i >= 0; i--, n /= 10)
		msg[DIGITS_AT + i] = (uint8_t)('0' + n % 10);
	msg_set_id(msg, id);
}

static void count_answer(const uint8_t *msg, uint64_t sent_us, uint64_t now_us)
{
	uint64_t us = now_us - sent_us;

	run.answered++;
	run.last_us = now_us;
	run.rcode[msg_flags(msg) & DNS_RCODE_MASK]++;
	run.sum_us += us;
	run.latency[us < LATENCY_MAX ? us : LATENCY_MAX]++;
}

static unsigned left_of_count(void)
{
	uint64_t left = how.count - run.sent;

	return left < UINT32_MAX ? (unsigned)left : UINT32_MAX;
}

/* Queries that may leave now: what --count leaves, and in the open loop what is due. */
static unsigned allowed(uint64_t now_us, uint64_t start_us)
{
	double due = how.qps * (double)(now_us - start_us) / 1e6 - (double)run.sent;
	unsigned left = left_of_count();

	if (how.qps <= 0)
		return left;
	return due <= 0 ? 0 : due < left ? (unsigned)due : left;
}

/* ---- UDP ---- */

struct port {
	int fd;
	uint16_t next_id;
	unsigned in_flight;
	uint64_t last_us; /* last answer, or sending after silence */
	uint64_t sent_us[65536];
};

static void port_open(struct port *p, unsigned i)
{
	struct addr from = how.to;
	int size = 4 << 20;

	p->fd = socket(how.to.sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	setsockopt(p->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	addr_set_port(&from, 0);
	if (how.sources > 1) {
		unsigned n = i % how.sources;

		from.v4.sin_addr.s_addr = htonl(0x7f000000u | (1 + n / 250) << 8 | (1 + n % 250));
		if (bind(p->fd, &from.sa, addr_len(&from)) < 0)
			die("--sources", strerror(errno));
	}
	if (p->fd < 0 || connect(p->fd, &how.to.sa, addr_len(&how.to)) < 0)
		die("--to", strerror(errno));
}

static unsigned port_send(struct port *p, unsigned n, uint64_t now_us)
{
	static uint8_t buf[BATCH][QUERY_LEN];
	static struct iovec iov[BATCH];
	static struct mmsghdr msg[BATCH];
	int sent;

	n = n < BATCH ? n : BATCH;
	for (unsigned i = 0; i < n; i++) {
		fill_query(buf[i], (uint16_t)(p->next_id + i));
		p->sent_us[(uint16_t)(p->next_id + i)] = now_us;
		iov[i] = (struct iovec){buf[i], QUERY_LEN};
		msg[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
	}
	sent = sendmmsg(p->fd, msg, n, 0);
	if (sent <= 0)
		return 0;
	if (p->in_flight == 0)
		p->last_us = now_us;
	p->next_id = (uint16_t)(p->next_id + sent);
	p->in_flight += (unsigned)sent;
	run.sent += (uint64_t)sent;
	return (unsigned)sent;
}

static unsigned port_receive(struct port *p)
{
	static uint8_t buf[BATCH][4096];
	static struct iovec iov[BATCH];
	static struct mmsghdr msg[BATCH];
	uint64_t now_us;
	int n;

	for (int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){buf[i], sizeof(buf[i])};
		msg[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
	}
	n = recvmmsg(p->fd, msg, BATCH, MSG_DONTWAIT, NULL);
	if (n <= 0)
		return 0;
	now_us = clock_mono_us();
	for (int i = 0; i < n; i++) {
		if (msg[i].msg_len < DNS_HEADER_LEN)
			continue;
		count_answer(buf[i], p->sent_us[msg_id(buf[i])], now_us);
		if (p->in_flight > 0)
			p->in_flight--;
	}
	p->last_us = now_us;
	return (unsigned)n;
}

static void run_udp(void)
{
	struct port *ports = calloc(how.sockets, sizeof(*ports));
	struct pollfd *polls = calloc(how.sockets, sizeof(*polls));
	unsigned each = how.window / how.sockets ? how.window / how.sockets : 1;
	unsigned waiting = 0;
	uint64_t start_us, end_us, now_us;

	if (ports == NULL || polls == NULL)
		die("load", "out of memory");
	for (unsigned i = 0; i < how.sockets; i++) {
		port_open(&ports[i], i);
		polls[i] = (struct pollfd){.fd = ports[i].fd, .events = POLLIN};
	}
	start_us = clock_mono_us();
	end_us = start_us + (uint64_t)(how.duration_s * 1e6);
	while ((now_us = clock_mono_us()) < end_us + (waiting ? DRAIN_US : 0)) {
		unsigned moved = 0, budget = allowed(now_us, start_us);

		waiting = 0;
		for (unsigned k = 0; k < how.sockets; k++) {
			struct port *p = &ports[k];
			unsigned room = how.qps > 0           ? 8
					: each > p->in_flight ? each - p->in_flight
							      : 0;

			moved += port_receive(p);
			if (p->in_flight && now_us > p->last_us + LOST_AFTER_US)
				p->in_flight = 0; /* lost: the window opens again */
			if (room > budget)
				room = budget;
			if (room && now_us < end_us) {
				room = port_send(p, room, now_us);
				moved += room;
				budget -= room;
			}
			waiting += p->in_flight;
		}
		if (run.answered >= how.count)
			break;
		if (run.sent >= how.count && end_us > now_us + LOST_AFTER_US)
			end_us = now_us + LOST_AFTER_US; /* time for the last answers */
		if (moved == 0)
			poll(polls, how.sockets, how.qps > 0 ? 0 : 1);
	}
}

/* ---- streams ---- */

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
	static uint8_t out[1024 * (QUERY_LEN + 2)];
	uint64_t now_us = clock_mono_us();
	size_t len = 0, done;

	n = n < left_of_count() ? n : left_of_count();
	for (unsigned i = 0; i < n && i < 1024; i++) {
		put_u16(out + len, QUERY_LEN);
		c->sent_us[c->next_id] = now_us;
		fill_query(out + len + 2, c->next_id++);
		len += QUERY_LEN + 2;
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
			count_answer(c->in + at + 2, c->sent_us[msg_id(c->in + at + 2)], now_us);
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

static void run_streams(bool reconnect)
{
	struct conn *conns = calloc(how.sockets, sizeof(*conns));
	int epoll_fd = epoll_create1(0);
	uint64_t end_us, now_us;

	if (conns == NULL)
		die("load", "out of memory");
	end_us = clock_mono_us() + (uint64_t)(how.duration_s * 1e6);
	for (unsigned i = 0; i < how.sockets; i++)
		conn_start(&conns[i], epoll_fd);
	while (run.answered < how.count && (now_us = clock_mono_us()) < end_us + DRAIN_US) {
		struct epoll_event ev[BATCH];
		int n = epoll_wait(epoll_fd, ev, BATCH, 10);

		if (now_us >= end_us && (run.answered >= run.sent || reconnect))
			break;

		for (int i = 0; i < n; i++) {
			struct conn *c = ev[i].data.ptr;
			int answers = conn_receive(c);

			if (now_us >= end_us && answers >= 0)
				continue; /* only collecting what is on its way */
			if (answers < 0 || (reconnect && answers > 0)) {
				conn_close(c);
				conn_start(c, epoll_fd);
			} else if (answers > 0) {
				conn_send(c, (unsigned)answers);
			}
		}
	}
}

static unsigned percentile(double share)
{
	uint64_t want = (uint64_t)(share * (double)run.answered), seen = 0;

	for (unsigned us = 0; us <= LATENCY_MAX; us++) {
		seen += run.latency[us];
		if (seen > want)
			return us;
	}
	return 0;
}

static void report(double elapsed_s)
{
	uint64_t other = run.answered - run.rcode[RCODE_NOERROR] - run.rcode[RCODE_SERVFAIL] -
			 run.rcode[RCODE_NXDOMAIN] - run.rcode[RCODE_REFUSED];

	printf("{\"sent\": %llu, \"answered\": %llu, \"lost\": %lld, \"refused_connections\": %llu, "
	       "\"qps\": %.0f, \"p50_us\": %u, \"p99_us\": %u, \"mean_us\": %.1f, \"noerror\": %llu, "
	       "\"servfail\": %llu, \"nxdomain\": %llu, \"refused\": %llu, \"other\": %llu}\n",
	       (unsigned long long)run.sent, (unsigned long long)run.answered,
	       (long long)(run.sent - run.answered), (unsigned long long)run.refused,
	       (double)run.answered / elapsed_s, percentile(0.5), percentile(0.99),
	       run.answered ? (double)run.sum_us / (double)run.answered : 0,
	       (unsigned long long)run.rcode[RCODE_NOERROR],
	       (unsigned long long)run.rcode[RCODE_SERVFAIL],
	       (unsigned long long)run.rcode[RCODE_NXDOMAIN],
	       (unsigned long long)run.rcode[RCODE_REFUSED], (unsigned long long)other);
}

static void start_tls(void)
{
	struct tls_client_options o = {.validate = false, .alpn = "dot"};
	struct err err = {""};

	if (tls_init() < 0 || (tls = tls_client_new(&o, &err)) == NULL)
		die("TLS", err.text);
}

int main(int argc, char **argv)
{
	const char *mode = cli_text(argc, argv, "mode", "udp");
	uint64_t start_us;

	rand_init();
	how.to = cli_addr(argc, argv, "to", "127.0.0.1:5300");
	how.names = (unsigned)cli_number(argc, argv, "names", 10000);
	how.unique = cli_number(argc, argv, "unique", 0) != 0;
	how.duration_s = cli_number(argc, argv, "duration", 5);
	how.window = (unsigned)cli_number(argc, argv, "window", 1024);
	how.sockets =
		(unsigned)cli_number(argc, argv, "sockets", strcmp(mode, "udp") == 0 ? 32 : 64);
	how.in_flight = (unsigned)cli_number(argc, argv, "in-flight", 1);
	how.sources = (unsigned)cli_number(argc, argv, "sources", 1);
	how.qps = cli_number(argc, argv, "qps", 0);
	how.count = (uint64_t)cli_number(argc, argv, "count", 0);
	if (how.count == 0)
		how.count = UINT64_MAX;
	how.prefix = *cli_text(argc, argv, "prefix", "n");
	run.random = (uint32_t)cli_number(argc, argv, "seed", 2463534242);
	run.next_name = (uint64_t)cli_number(argc, argv, "first", 0);
	pin_to((int)cli_number(argc, argv, "core", -1));
	start_us = clock_mono_us();
	if (strcmp(mode, "udp") == 0) {
		run_udp();
	} else {
		if (strcmp(mode, "dot") == 0)
			start_tls();
		else if (strcmp(mode, "tcp") != 0 && strcmp(mode, "tcp-connect") != 0)
			die("--mode", "none of udp, tcp, tcp-connect, dot");
		run_streams(strcmp(mode, "tcp-connect") == 0);
	}
	report(run.answered ? (double)(run.last_us - start_us) / 1e6 : how.duration_s);
	return 0;
}
