/*
 * Honest clients: an open loop in which each query has its time, kept whatever became of those
 * before, and latency counts from that time. Half of the names are asked again and again
 * (n0000000.ZONE, --names of them), the others once (u0000000.ZONE from --first).
 *   honest --to 127.0.0.1:5300 [--mode udp|tcp] [--clients N] [--qps N] [--duration S] [--names N]
 *          [--first N] [--zone NAME] [--core N]
 *
 * Clients take turns; each has its own /24 of 127.16.0.0 on. Over TCP every query has a
 * connection of its own. Prints a line for each query: when it was due (µs, CLOCK_MONOTONIC), how
 * much later it was sent, and then how long after its time it was answered with NOERROR: -1, never;
 * -2, answered with something else.
 */
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/dns/message.h"
#include "core/dns/name.h"
#include "tools/cli.h"

#define BATCH        64
#define QUERY_MAX    (12 + 9 + DNS_NAME_MAX + 4)
#define DIGITS       7
#define CLIENTS_FROM 0x7f100001u /* 127.16.0.1, 127.16.1.1, ... */
#define CLIENTS_MAX  4096
#define DRAIN_US     2000000 /* after the last, for answers on their way */
#define UNANSWERED   (-1)
#define WRONG        (-2)

static struct {
	struct addr to;
	unsigned clients, names, first;
	double qps;
	size_t n; /* queries in all */
	bool tcp;
} how;

static struct query {
	int64_t took_us;
	uint32_t late_us;
	int fd; /* of its connection */
	uint8_t in[512];
	uint16_t have;
} * queries;

static uint8_t draft[QUERY_MAX];
static size_t draft_len;
static uint64_t begin_us;
static size_t next; /* query to be sent */

static uint64_t time_of(size_t i)
{
	return begin_us + (uint64_t)((double)i * 1e6 / how.qps);
}

static void draft_query(const char *zone)
{
	uint8_t *at = draft + DNS_HEADER_LEN, name[DNS_NAME_MAX];
	struct err err = {""};
	int len = name_parse(zone, name, &err);

	if (len < 0 || len + DIGITS + 2 > DNS_NAME_MAX)
		die("--zone", len < 0 ? err.text : "too long");
	msg_set_flags(draft, DNS_RD);
	put_u16(draft + 4, 1);
	*at = DIGITS + 1;
	at += DIGITS + 2;
	memcpy(at, name, (size_t)len);
	put_u16(at + len, TYPE_A);
	put_u16(at + len + 2, CLASS_IN);
	draft_len = (size_t)(at + len + 4 - draft);
}

static void fill(uint8_t *msg, size_t i)
{
	bool again = i % 2 == 0;
	size_t n = again ? i / 2 % how.names : how.first + i / 2;

	memcpy(msg, draft, draft_len);
	msg_set_id(msg, (uint16_t)i);
	msg[DNS_HEADER_LEN + 1] = again ? 'n' : 'u';
	for (int k = DIGITS - 1; k >= 0; k--, n /= 10)
		msg[DNS_HEADER_LEN + 2 + k] = (uint8_t)('0' + n % 10);
}

static struct in_addr client_of(size_t i)
{
	return (struct in_addr){htonl(CLIENTS_FROM + ((uint32_t)(i % how.clients) << 8))};
}

/* An answer to query i came. */
static void answered(size_t i, const uint8_t *msg)
{
	unsigned rcode = msg_flags(msg) & DNS_RCODE_MASK;

	if (queries[i].took_us == UNANSWERED)
		queries[i].took_us =
			rcode == RCODE_NOERROR ? (int64_t)(clock_mono_us() - time_of(i)) : WRONG;
}

/* ---- UDP ---- */

static void udp_send(int fd, size_t i)
{
	uint8_t msg[QUERY_MAX];
	alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(struct in_pktinfo))] = {0};
	struct in_pktinfo info = {.ipi_spec_dst = client_of(i)};
	struct iovec iov = {msg, draft_len};
	struct msghdr m = {.msg_name = &how.to,
			   .msg_namelen = addr_len(&how.to),
			   .msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(c), &info, sizeof(info));
	fill(msg, i);
	sendmsg(fd, &m, 0);
}

/* The query that has this ID is the last before next: 65,536 take longer than an answer may. */
static void udp_receive(int fd)
{
	uint8_t buf[4096];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) >= DNS_HEADER_LEN) {
		size_t back = (uint16_t)(next - 1 - msg_id(buf));

		if (back < next)
			answered(next - 1 - back, buf);
	}
}

/* ---- TCP: a connection a query ---- */

static void tcp_start(int epoll_fd, size_t i)
{
	static const int on = 1;
	struct epoll_event ev = {.events = EPOLLOUT, .data.u64 = i};
	struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = client_of(i)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
	    (connect(fd, &how.to.sa, addr_len(&how.to)) < 0 && errno != EINPROGRESS)) {
		close(fd);
		return;
	}
	queries[i].fd = fd;
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

static void tcp_connected(int epoll_fd, size_t i)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = i};
	uint8_t msg[2 + QUERY_MAX];

	fill(msg + 2, i);
	put_u16(msg, (uint16_t)draft_len);
	send(queries[i].fd, msg, draft_len + 2, MSG_NOSIGNAL);
	epoll_ctl(epoll_fd, EPOLL_CTL_MOD, queries[i].fd, &ev);
}

static void tcp_receive(size_t i)
{
	struct query *q = &queries[i];
	ssize_t n = recv(q->fd, q->in + q->have, sizeof(q->in) - q->have, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	q->have = (uint16_t)(q->have + (n > 0 ? n : 0));
	if (n > 0 && (q->have < 2 || q->have < 2 + get_u16(q->in)))
		return;
	if (n > 0)
		answered(i, q->in + 2);
	close(q->fd);
	q->fd = -1;
}

static void tcp_ready(int epoll_fd)
{
	struct epoll_event ev[BATCH];
	int n = epoll_wait(epoll_fd, ev, BATCH, 0);

	for (int k = 0; k < n; k++) {
		if (ev[k].events & EPOLLOUT)
			tcp_connected(epoll_fd, ev[k].data.u64);
		else
			tcp_receive(ev[k].data.u64);
	}
}

/* ---- */

static int open_udp(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 4 << 20;

	if (fd < 0)
		die("honest", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return fd;
}

static void wait_until(int fd, uint64_t at_us)
{
	uint64_t now_us = clock_mono_us();
	uint64_t us = at_us > now_us ? at_us - now_us : 0;
	struct timespec pause = {(time_t)(us / 1000000), (long)(us % 1000000 * 1000)};
	struct pollfd p = {.fd = fd, .events = POLLIN};

	ppoll(&p, 1, &pause, NULL);
}

static void ask_all(int fd)
{
	uint64_t end_us = time_of(how.n) + DRAIN_US;
	uint64_t now_us;

	while ((now_us = clock_mono_us()) < end_us) {
		for (; next < how.n && time_of(next) <= now_us; next++) {
			queries[next].late_us = (uint32_t)(now_us - time_of(next));
			if (how.tcp)
				tcp_start(fd, next);
			else
				udp_send(fd, next);
		}
		if (how.tcp)
			tcp_ready(fd);
		else
			udp_receive(fd);
		wait_until(fd, next < how.n ? time_of(next) : end_us);
	}
}

int main(int argc, char **argv)
{
	how.to = cli_addr(argc, argv, "to", "127.0.0.1:5300");
	if (how.to.sa.sa_family != AF_INET)
		die("--to", "over IPv4 only");
	how.tcp = strcmp(cli_text(argc, argv, "mode", "udp"), "tcp") == 0;
	how.clients = (unsigned)cli_number(argc, argv, "clients", 200);
	how.names = (unsigned)cli_number(argc, argv, "names", 1000);
	how.first = (unsigned)cli_number(argc, argv, "first", 0);
	how.qps = cli_number(argc, argv, "qps", 1000);
	how.n = (size_t)(how.qps * cli_number(argc, argv, "duration", 5));
	if (how.clients < 1 || how.clients > CLIENTS_MAX || how.names < 1 || how.qps <= 0)
		die("honest", "--clients 1 to 4096, --names and --qps above 0");
	draft_query(cli_text(argc, argv, "zone", "example"));
	queries = calloc(how.n + 1, sizeof(*queries));
	if (queries == NULL)
		die("honest", "out of memory");
	for (size_t i = 0; i < how.n; i++)
		queries[i].took_us = UNANSWERED;
	pin_to((int)cli_number(argc, argv, "core", -1));
	begin_us = clock_mono_us() + 1000;
	ask_all(how.tcp ? epoll_create1(0) : open_udp());
	for (size_t i = 0; i < how.n; i++)
		printf("%llu %u %lld\n", (unsigned long long)time_of(i), queries[i].late_us,
		       (long long)queries[i].took_us);
	return 0;
}
