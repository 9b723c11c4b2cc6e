/*
 * A minimal DNS answerer over UDP and TCP: what stands behind the server in a benchmark, and for
 * `make run` on a machine without a network. A queries get one address, others an empty answer.
 * Below the name --absent, if there is one, nothing exists. With --large only answers below that name
 * have --size.
 *   answer --listen 127.0.0.1:5301 [--ttl S] [--rcode N] [--size OCTETS] [--delay-ms N] [--core N]
 *          [--absent NAME] [--large NAME]
 */
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/dns/message.h"
#include "core/dns/name.h"
#include "tools/cli.h"

#define BATCH 64
#define DATAGRAM_MAX 4096
#define STREAM_MAX 65536
#define ANSWER_ROOM 4200
#define HELD_MAX 65536 /* answers that wait for --delay-ms */

static struct {
	uint32_t ttl_s;
	unsigned rcode, size;
	uint64_t delay_us;
	struct zone {
		uint8_t name[DNS_NAME_MAX];
		size_t len; /* 0: none */
	} absent, large;
} how;

/* A datagram answer held back; a ring in order of due time, since the delay is constant. */
struct held {
	uint64_t due_us;
	struct sockaddr_storage to;
	socklen_t to_len;
	uint16_t len;
	uint8_t *data;
};

static struct held held[HELD_MAX];
static unsigned held_first, held_n;

struct stream {
	int fd;
	size_t have;
	uint8_t in[STREAM_MAX];
};

/* Whether the name that begins the question is the zone's or below it; letter case counts. */
static bool is_below(const uint8_t *name, size_t len, const struct zone *z)
{
	while (z->len > 0 && len > z->len) {
		len -= *name + 1u;
		name += *name + 1u;
	}
	return z->len > 0 && len == z->len && memcmp(name, z->name, len) == 0;
}

static struct zone zone_of(const char *option, const char *text)
{
	struct zone z = {.len = 0};
	struct err err = {""};
	int len = *text ? name_parse(text, z.name, &err) : 0;

	if (len < 0)
		die(option, err.text);
	z.len = (size_t)len;
	return z;
}

/* Writes the answer to a query of len octets in msg, in place; 0: none. */
static size_t answer(uint8_t *msg, size_t len, size_t cap, bool udp)
{
	struct question q;
	struct opt opt;
	struct wire_wr w;
	unsigned rcode, size;

	if (len < DNS_HEADER_LEN || (msg_flags(msg) & DNS_QR) || msg_qdcount(msg) == 0 ||
	    msg_question(msg, len, &q) < 0 || msg_opt(msg, len, &q, &opt) < 0)
		return 0;
	rcode = is_below(msg + DNS_HEADER_LEN, q.name_len, &how.absent) ? RCODE_NXDOMAIN : how.rcode;
	size = how.large.len == 0 || is_below(msg + DNS_HEADER_LEN, q.name_len, &how.large) ? how.size : 0;
	msg_set_flags(msg, (uint16_t)((msg_flags(msg) & (DNS_RD | DNS_CD | DNS_OPCODE_MASK)) | DNS_QR | DNS_RA |
				      rcode));
	put_u16(msg + 6, 0);
	put_u16(msg + 8, 0);
	put_u16(msg + 10, 0);
	w = (struct wire_wr){.pos = msg + q.end, .end = msg + cap};
	if (q.qtype == TYPE_A && rcode == 0) {
		wr_u16(&w, 0xc00c);
		wr_u16(&w, TYPE_A);
		wr_u16(&w, q.qclass);
		wr_u32(&w, how.ttl_s);
		wr_u16(&w, 4);
		wr_u32(&w, 0xc0000201); /* 192.0.2.1, RFC 5737 */
		put_u16(msg + 6, 1);
	}
	/* More text records until the answer has the size asked for. */
	while ((size_t)(w.pos - msg) + 20 < size && (!udp || size <= DATAGRAM_MAX)) {
		size_t text = size - (size_t)(w.pos - msg) - 13;

		if (text > 200)
			text = 200;
		wr_u16(&w, 0xc00c);
		wr_u16(&w, 16);
		wr_u16(&w, q.qclass);
		wr_u32(&w, how.ttl_s);
		wr_u16(&w, (uint16_t)(text + 1));
		wr_room(&w, 1)[0] = (uint8_t)text;
		memset(wr_room(&w, text), 'x', text);
		put_u16(msg + 6, (uint16_t)(msg_ancount(msg) + 1));
	}
	return w.full ? 0 : (size_t)(w.pos - msg);
}

static void hold(const uint8_t *data, size_t len, const struct msghdr *h)
{
	struct held *x = &held[(held_first + held_n) % HELD_MAX];

	if (held_n == HELD_MAX)
		return; /* lost, as on a network that is full */
	x->due_us = clock_mono_us() + how.delay_us;
	memcpy(&x->to, h->msg_name, h->msg_namelen);
	x->to_len = h->msg_namelen;
	x->len = (uint16_t)len;
	x->data = realloc(x->data, ANSWER_ROOM);
	if (x->data == NULL)
		die("answer", "out of memory");
	memcpy(x->data, data, len);
	held_n++;
}

/* Sends what is due; milliseconds until the next, -1 for none. */
static int release(int fd)
{
	uint64_t now_us = clock_mono_us();

	while (held_n > 0) {
		struct held *x = &held[held_first];

		if (x->due_us > now_us)
			return (int)((x->due_us - now_us) / 1000 + 1);
		sendto(fd, x->data, x->len, 0, (struct sockaddr *)&x->to, x->to_len);
		held_first = (held_first + 1) % HELD_MAX;
		held_n--;
	}
	return -1;
}

static void serve_datagrams(int fd)
{
	static uint8_t buf[BATCH][ANSWER_ROOM + 40];
	static struct sockaddr_storage from[BATCH];
	static struct iovec iov[BATCH];
	static struct mmsghdr msg[BATCH];
	int n, out = 0;

	for (int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){buf[i], DATAGRAM_MAX};
		msg[i].msg_hdr = (struct msghdr){.msg_name = &from[i],
						 .msg_namelen = sizeof(from[i]),
						 .msg_iov = &iov[i],
						 .msg_iovlen = 1};
	}
	n = recvmmsg(fd, msg, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		size_t len = answer(buf[i], msg[i].msg_len, ANSWER_ROOM, true);

		if (len == 0)
			continue;
		if (how.delay_us) {
			hold(buf[i], len, &msg[i].msg_hdr);
			continue;
		}
		msg[out].msg_hdr = msg[i].msg_hdr;
		iov[i].iov_len = len;
		out++;
	}
	for (int sent = 0; sent < out;) {
		int rc = sendmmsg(fd, msg + sent, (unsigned)(out - sent), 0);

		sent += rc > 0 ? rc : 1;
	}
}

/* All complete queries of one read are answered with one write. False: the connection is over. */
static bool serve_stream(struct stream *s)
{
	static uint8_t out[STREAM_MAX * 4];
	ssize_t n = recv(s->fd, s->in + s->have, sizeof(s->in) - s->have, MSG_DONTWAIT);
	size_t at = 0, used = 0;

	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	s->have += (size_t)n;
	while (s->have - at >= 2 && s->have - at - 2 >= get_u16(s->in + at)) {
		size_t len = get_u16(s->in + at);

		if (used + 2 + ANSWER_ROOM <= sizeof(out) && len <= ANSWER_ROOM) {
			memcpy(out + used + 2, s->in + at + 2, len);
			len = answer(out + used + 2, len, ANSWER_ROOM, false);
			put_u16(out + used, (uint16_t)len);
			used += len ? len + 2 : 0;
			len = get_u16(s->in + at);
		}
		at += len + 2;
	}
	s->have -= at;
	memmove(s->in, s->in + at, s->have);
	if (how.delay_us && used)
		usleep((useconds_t)how.delay_us);
	for (size_t sent = 0; sent < used;) {
		n = send(s->fd, out + sent, used - sent, MSG_NOSIGNAL);
		if (n < 0)
			return false;
		sent += (size_t)n;
	}
	return true;
}

static struct stream *stream_new(int listener)
{
	static const int on = 1;
	struct stream *s;
	int fd = accept4(listener, NULL, NULL, 0);

	if (fd < 0)
		return NULL;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	s = malloc(sizeof(*s));
	if (s == NULL)
		die("answer", "out of memory");
	s->fd = fd;
	s->have = 0;
	return s;
}

static int open_socket(const struct addr *at, int type)
{
	static const int on = 1;
	int size = 4 << 20;
	int fd = socket(at->sa.sa_family, type, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	if (fd < 0 || bind(fd, &at->sa, addr_len(at)) < 0)
		die("--listen", strerror(errno));
	return fd;
}

static void watch(int epoll_fd, int fd, void *ptr)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = ptr};

	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

int main(int argc, char **argv)
{
	struct addr at = cli_addr(argc, argv, "listen", "127.0.0.1:5301");
	int udp = open_socket(&at, SOCK_DGRAM | SOCK_NONBLOCK), tcp = open_socket(&at, SOCK_STREAM);
	int epoll_fd = epoll_create1(0);

	how.ttl_s = (uint32_t)cli_number(argc, argv, "ttl", 3600);
	how.rcode = (unsigned)cli_number(argc, argv, "rcode", 0);
	how.size = (unsigned)cli_number(argc, argv, "size", 0);
	how.absent = zone_of("--absent", cli_text(argc, argv, "absent", ""));
	how.large = zone_of("--large", cli_text(argc, argv, "large", ""));
	how.delay_us = (uint64_t)(cli_number(argc, argv, "delay-ms", 0) * 1000);
	pin_to((int)cli_number(argc, argv, "core", -1));
	if (listen(tcp, SOMAXCONN) < 0)
		die("--listen", strerror(errno));
	watch(epoll_fd, udp, &udp);
	watch(epoll_fd, tcp, &tcp);
	for (;;) {
		struct epoll_event ev[BATCH];
		int n = epoll_wait(epoll_fd, ev, BATCH, release(udp));

		for (int i = 0; i < n; i++) {
			struct stream *s = ev[i].data.ptr;

			if (ev[i].data.ptr == &udp) {
				serve_datagrams(udp);
			} else if (ev[i].data.ptr == &tcp) {
				s = stream_new(tcp);
				if (s)
					watch(epoll_fd, s->fd, s);
			} else if (!serve_stream(s)) {
				close(s->fd);
				free(s);
			}
		}
	}
}
