/* Datagrams, from some sockets, or from as many addresses as --clients says. */
#include <poll.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/dns/message.h"
#include "tools/cli.h"
#include "tools/loadgen/load.h"

#define CLIENTS_FROM 0x7f100000u /* 127.16.0.0; the servers of a benchmark are on 127.0.0.1 */

struct port {
	int fd;
	uint16_t next_id;
	unsigned in_flight;
	uint64_t last_us; /* last answer, or sending after silence */
	uint64_t sent_us[65536];
};

/* One datagram to send. With --clients its source is in the control message. */
struct outgoing {
	uint8_t query[QUERY_MAX];
	struct iovec iov;
	alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(struct in_pktinfo))];
};

static struct outgoing out[BATCH];
static struct mmsghdr out_msg[BATCH];

static void outgoing_init(void)
{
	static const struct in_pktinfo any;

	for (unsigned i = 0; i < BATCH; i++) {
		struct msghdr *m = &out_msg[i].msg_hdr;
		struct cmsghdr *c;

		*m = (struct msghdr){.msg_iov = &out[i].iov, .msg_iovlen = 1};
		if (how.clients == 0)
			continue;
		m->msg_name = &how.to;
		m->msg_namelen = addr_len(&how.to);
		m->msg_control = out[i].control;
		m->msg_controllen = sizeof(out[i].control);
		c = CMSG_FIRSTHDR(m);
		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(any));
		memcpy(CMSG_DATA(c), &any, sizeof(any));
	}
}

static void outgoing_from(struct outgoing *o, uint32_t client)
{
	struct in_addr from = {htonl(CLIENTS_FROM + client)};

	memcpy(o->control + CMSG_LEN(offsetof(struct in_pktinfo, ipi_spec_dst)), &from,
	       sizeof(from));
}

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
	if (p->fd < 0 || (how.clients == 0 && connect(p->fd, &how.to.sa, addr_len(&how.to)) < 0))
		die("--to", strerror(errno));
}

static unsigned port_send(struct port *p, unsigned n, uint64_t now_us)
{
	int sent;

	n = n < BATCH ? n : BATCH;
	for (unsigned i = 0; i < n; i++) {
		uint16_t id = (uint16_t)(p->next_id + i);

		out[i].iov = (struct iovec){out[i].query, query_fill(out[i].query, id)};
		p->sent_us[id] = now_us;
		if (how.clients)
			outgoing_from(&out[i], query_client());
	}
	sent = sendmmsg(p->fd, out_msg, n, 0);
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
		query_answered(buf[i], p->sent_us[msg_id(buf[i])], now_us);
		if (p->in_flight > 0)
			p->in_flight--;
	}
	p->last_us = now_us;
	return (unsigned)n;
}

/* What a port may have in flight more; in the open loop a few at a time, so that ports take turns.
 */
static unsigned port_room(const struct port *p)
{
	unsigned each = how.window / how.sockets ? how.window / how.sockets : 1;

	if (how.qps > 0)
		return 8;
	return each > p->in_flight ? each - p->in_flight : 0;
}

void udp_run(void)
{
	struct port *ports = calloc(how.sockets, sizeof(*ports));
	struct pollfd *polls = calloc(how.sockets, sizeof(*polls));
	unsigned waiting = 0;
	uint64_t start_us, end_us, now_us;

	if (ports == NULL || polls == NULL)
		die("load", "out of memory");
	outgoing_init();
	for (unsigned i = 0; i < how.sockets; i++) {
		port_open(&ports[i], i);
		polls[i] = (struct pollfd){.fd = ports[i].fd, .events = POLLIN};
	}
	start_us = clock_mono_us();
	end_us = start_us + (uint64_t)(how.duration_s * 1e6);
	while ((now_us = clock_mono_us()) < end_us + (waiting ? DRAIN_US : 0)) {
		unsigned moved = 0, budget = query_allowed(now_us, start_us);

		waiting = 0;
		for (unsigned k = 0; k < how.sockets; k++) {
			struct port *p = &ports[k];
			unsigned room = port_room(p);

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
	free(polls);
	free(ports);
}
