/*
 * A flood of queries whose answers nobody waits for: what a server under attack is measured with.
 *   attack --to 127.0.0.1:5300 [--qps N] [--duration S] [--from A] [--sources N] [--stride N]
 *          [--zone NAME] [--names N] [--type N] [--edns OCTETS] [--together N] [--seed N] [--core
 * N]
 *
 * Each query comes from one of --sources addresses from --from on, --stride apart (at random, one
 * socket for all),
 * and asks x0000000.ZONE, x below --names at random; with --names 0, ZONE itself. --together gives
 * the kernel so many datagrams at once, all of one source, which it takes apart again before they
 * reach the server: a call for each would cost more than what is measured. Without --qps it
 * sends as fast as it can; what it can't send in time it leaves out, so the rate is told at the
 * end, with the time of the first datagram (CLOCK_MONOTONIC) and how many were sent after each
 * tenth of a second. A socket filter throws answers away before they wake or fill anything.
 */
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/dns/message.h"
#include "core/dns/name.h"
#include "tools/cli.h"

#define BATCH        64 /* datagrams a system call, or a few times more where some go together */
#define TOGETHER_MAX 16
#define BURST        16 /* wakes up when so many are due */
#define QUERY_MAX    (12 + 9 + DNS_NAME_MAX + 4 + 11)
#define DIGITS       7
#define TICK_US      100000
#define TICKS_MAX    6000
#define LATE_US \
	20000 /* what is due for longer is left out: a pause is not made up for by a burst */

static struct {
	struct addr to;
	uint32_t from;
	unsigned sources, stride, names, together;
	double qps;
	uint64_t duration_us;
} how;

static struct {
	uint8_t query[QUERY_MAX];
	size_t len, digits_at; /* 0: none */
	uint32_t random;
} draft;

static struct {
	uint64_t first_us, sent, refused;
	uint64_t ticks[TICKS_MAX]; /* sent until the end of each */
	unsigned n_ticks;
} run;

/* What the kernel is told of some datagrams: where they come from, and how long each is. */
struct control {
	alignas(struct cmsghdr) uint8_t source[CMSG_SPACE(sizeof(struct in_pktinfo))];
	alignas(struct cmsghdr) uint8_t segment[CMSG_SPACE(sizeof(uint16_t))];
};

static struct outgoing {
	uint8_t queries[TOGETHER_MAX * QUERY_MAX];
	struct iovec iov;
	struct control control;
} out[BATCH];
static struct mmsghdr out_msg[BATCH];

/* xorshift: enough to spread names and addresses. */
static uint32_t next_random(void)
{
	draft.random ^= draft.random << 13;
	draft.random ^= draft.random >> 17;
	draft.random ^= draft.random << 5;
	return draft.random;
}

static void draft_query(const char *zone, unsigned type, unsigned edns)
{
	uint8_t *at = draft.query + DNS_HEADER_LEN, name[DNS_NAME_MAX];
	struct err err = {""};
	int len = name_parse(zone, name, &err);

	if (len < 0 || len + DIGITS + 2 > DNS_NAME_MAX)
		die("--zone", len < 0 ? err.text : "too long");
	msg_set_flags(draft.query, DNS_RD);
	put_u16(draft.query + 4, 1); /* one question */
	if (how.names > 0) {
		*at++ = DIGITS + 1;
		*at++ = 'x';
		draft.digits_at = (size_t)(at - draft.query);
		at += DIGITS;
	}
	memcpy(at, name, (size_t)len);
	at += len;
	put_u16(at, (uint16_t)type);
	put_u16(at + 2, CLASS_IN);
	at += 4;
	if (edns > 0) { /* an OPT record without options, RFC 6891 6.1.2 */
		put_u16(draft.query + 10, 1);
		memset(at, 0, 11);
		put_u16(at + 1, 41);
		put_u16(at + 3, (uint16_t)edns);
		at += 11;
	}
	draft.len = (size_t)(at - draft.query);
}

static void prepare_control(struct control *c)
{
	static const struct in_pktinfo any;
	struct cmsghdr *source = (struct cmsghdr *)c->source;
	struct cmsghdr *segment = (struct cmsghdr *)c->segment;
	uint16_t len = (uint16_t)draft.len;

	*source = (struct cmsghdr){CMSG_LEN(sizeof(any)), IPPROTO_IP, IP_PKTINFO};
	memcpy(CMSG_DATA(source), &any, sizeof(any));
	*segment = (struct cmsghdr){CMSG_LEN(sizeof(len)), SOL_UDP, UDP_SEGMENT};
	memcpy(CMSG_DATA(segment), &len, sizeof(len));
}

static void prepare_headers(void)
{
	for (unsigned i = 0; i < BATCH; i++) {
		struct outgoing *o = &out[i];

		for (unsigned k = 0; k < how.together; k++)
			memcpy(o->queries + k * draft.len, draft.query, draft.len);
		o->iov = (struct iovec){o->queries, how.together * draft.len};
		prepare_control(&o->control);
		out_msg[i].msg_hdr = (struct msghdr){
			.msg_name = &how.to,
			.msg_namelen = addr_len(&how.to),
			.msg_iov = &o->iov,
			.msg_iovlen = 1,
			.msg_control = &o->control,
			.msg_controllen =
				how.together > 1 ? sizeof(o->control) : sizeof(o->control.source)};
	}
}

static void fill(struct outgoing *o)
{
	uint32_t client = how.sources > 1 ? next_random() % how.sources : 0;
	struct in_addr from = {htonl(how.from + client * how.stride)};

	memcpy(o->control.source + CMSG_LEN(offsetof(struct in_pktinfo, ipi_spec_dst)), &from,
	       sizeof(from));
	for (uint8_t *q = o->queries; q < o->queries + how.together * draft.len; q += draft.len) {
		uint32_t n = next_random();

		msg_set_id(q, (uint16_t)n);
		if (draft.digits_at == 0)
			continue;
		n = next_random() % how.names;
		for (int i = DIGITS - 1; i >= 0; i--, n /= 10)
			q[draft.digits_at + (size_t)i] = (uint8_t)('0' + n % 10);
	}
}

static int open_socket(void)
{
	struct sock_filter nothing = {.code = BPF_RET | BPF_K, .k = 0};
	struct sock_fprog filter = {1, &nothing};
	int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 4 << 20;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) < 0)
		die("attack", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	return fd;
}

/* How many are due. What has been so for too long is forgotten: *begin_us moves. */
static unsigned due(uint64_t now_us, double *begin_us)
{
	double n;

	/* Who has this core with us, and asks when his time has come, is let in behind each call: behind a
	 * long one the server's queue would be just filled, whatever it is at other times. */
	if (how.qps <= 0)
		return how.together > 1 ? how.together : BATCH;
	n = how.qps * ((double)now_us - *begin_us) / 1e6 - (double)run.sent;
	if (n > how.qps * LATE_US / 1e6 + BATCH) {
		double left_out = n - BATCH;

		*begin_us += left_out / how.qps * 1e6;
		n = BATCH;
	}
	return n < 1 ? 0 : n < BATCH ? (unsigned)n : BATCH;
}

/* Until a burst is due, or one datagram where they are rare. */
static void wait_for_more(uint64_t now_us, double begin_us)
{
	unsigned n = how.qps < 10000 ? 1 : BURST;
	double at_us = begin_us + ((double)run.sent + n) / how.qps * 1e6;
	double us = at_us - (double)now_us;
	struct timespec pause = {.tv_nsec = 1000};

	if (us > 1) {
		pause.tv_sec = (time_t)(us / 1e6);
		pause.tv_nsec = (long)((us - (double)pause.tv_sec * 1e6) * 1e3);
	}
	nanosleep(&pause, NULL);
}

/* n or a little more: as many as go together. */
static void send_some(int fd, unsigned n)
{
	int sent;

	n = (n + how.together - 1) / how.together;
	for (unsigned i = 0; i < n; i++)
		fill(&out[i]);
	sent = sendmmsg(fd, out_msg, n, 0);
	if (sent > 0)
		run.sent += (uint64_t)sent * how.together;
	else
		run.refused++;
}

static void flood(int fd)
{
	uint64_t now_us = clock_mono_us(), end_us = now_us + how.duration_us;
	double begin_us = (double)now_us;

	run.first_us = now_us;
	for (; now_us < end_us; now_us = clock_mono_us()) {
		unsigned n = due(now_us, &begin_us);

		while (now_us >= run.first_us + (uint64_t)(run.n_ticks + 1) * TICK_US &&
		       run.n_ticks < TICKS_MAX)
			run.ticks[run.n_ticks++] = run.sent;
		if (n == 0)
			wait_for_more(now_us, begin_us);
		else
			send_some(fd, n);
	}
}

int main(int argc, char **argv)
{
	struct addr from = cli_addr(argc, argv, "from", "127.64.0.1");

	how.to = cli_addr(argc, argv, "to", "127.0.0.1:5300");
	if (how.to.sa.sa_family != AF_INET || from.sa.sa_family != AF_INET)
		die("attack", "over IPv4 only");
	how.from = ntohl(from.v4.sin_addr.s_addr);
	how.sources = (unsigned)cli_number(argc, argv, "sources", 1);
	how.stride = (unsigned)cli_number(argc, argv, "stride", 1);
	how.names = (unsigned)cli_number(argc, argv, "names", 0);
	how.together = (unsigned)cli_number(argc, argv, "together", 1);
	how.qps = cli_number(argc, argv, "qps", 0);
	how.duration_us = (uint64_t)(cli_number(argc, argv, "duration", 5) * 1e6);
	if (how.sources < 1 || (uint64_t)how.sources * how.stride > 15000000 ||
	    how.names > 10000000)
		die("attack", "--sources 1 to 15000000 / --stride, --names at most 10000000");
	if (how.together < 1 || how.together > TOGETHER_MAX)
		die("--together", "1 to 16");
	draft.random = (uint32_t)cli_number(argc, argv, "seed", 88172645) | 1;
	draft_query(cli_text(argc, argv, "zone", "flood.example"),
		    (unsigned)cli_number(argc, argv, "type", TYPE_A),
		    (unsigned)cli_number(argc, argv, "edns", 0));
	prepare_headers();
	pin_to((int)cli_number(argc, argv, "core", -1));
	flood(open_socket());
	printf("{\"first_us\": %llu, \"sent\": %llu, \"refused\": %llu, \"qps\": %.0f, \"ticks\": [",
	       (unsigned long long)run.first_us, (unsigned long long)run.sent,
	       (unsigned long long)run.refused, (double)run.sent * 1e6 / (double)how.duration_us);
	for (unsigned i = 0; i < run.n_ticks; i++)
		printf("%s%llu", i ? ", " : "", (unsigned long long)run.ticks[i]);
	printf("]}\n");
	return 0;
}
