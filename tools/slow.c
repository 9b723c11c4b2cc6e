/*
 * Slow clients over TCP: connections that send a part of a query and then nothing. Each is closed
 * after --life seconds and opened anew, so that --connections / --life a second come and go.
 *   slow --to 127.0.0.1:5300 [--connections N] [--life S] [--duration S] [--from A] [--sources N]
 *        [--core N]
 * Prints how many were opened, how many of these the server had closed when their time was up, and
 * when the first was opened (CLOCK_MONOTONIC).
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/dns/wire.h"
#include "tools/cli.h"

static struct {
	struct addr to;
	uint32_t from;
	unsigned sources;
} how;

static struct {
	uint64_t opened, refused, shut;
} run;

/* The length of a query, and some octets of it. */
static const uint8_t part[] = {0, 40, 0x12, 0x34, 1, 0, 0, 1, 0, 0};

static int slow_open(uint64_t i)
{
	static const int on = 1;
	struct sockaddr_in from = {.sin_family = AF_INET,
				   .sin_addr = {htonl(how.from + (uint32_t)(i % how.sources))}};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0)
		die("slow", strerror(errno));
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0)
		die("--from", strerror(errno));
	/* On loopback this ends at once, unless the queue of the listener is full: then not at all.
	 */
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ||
	    (connect(fd, &how.to.sa, addr_len(&how.to)) < 0 && errno != EINPROGRESS)) {
		run.refused++;
		close(fd);
		return -1;
	}
	run.opened++;
	send(fd, part, sizeof(part), MSG_NOSIGNAL | MSG_DONTWAIT);
	return fd;
}

static void slow_close(int fd)
{
	uint8_t octet;

	if (fd < 0)
		return;
	if (recv(fd, &octet, 1, MSG_DONTWAIT) >= 0 || errno != EAGAIN)
		run.shut++;
	close(fd);
}

static void raise_limit(unsigned connections)
{
	struct rlimit limit = {connections + 100, connections + 100};

	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		die("--connections", strerror(errno));
}

int main(int argc, char **argv)
{
	unsigned connections = (unsigned)cli_number(argc, argv, "connections", 5000);
	double life_s = cli_number(argc, argv, "life", 2);
	double duration_s = cli_number(argc, argv, "duration", 10);
	struct addr from = cli_addr(argc, argv, "from", "127.80.0.1");
	uint64_t begin_us, now_us, end_us, turn = 0;
	int *fds;

	how.to = cli_addr(argc, argv, "to", "127.0.0.1:5300");
	how.sources = (unsigned)cli_number(argc, argv, "sources", 100);
	if (how.to.sa.sa_family != AF_INET || from.sa.sa_family != AF_INET)
		die("slow", "over IPv4 only");
	if (connections < 1 || how.sources < 1 || life_s <= 0)
		die("slow", "--connections, --sources and --life must be above 0");
	how.from = ntohl(from.v4.sin_addr.s_addr);
	raise_limit(connections);
	fds = malloc(connections * sizeof(*fds));
	if (fds == NULL)
		die("slow", "out of memory");
	for (unsigned i = 0; i < connections; i++)
		fds[i] = -1;
	pin_to((int)cli_number(argc, argv, "core", -1));
	begin_us = clock_mono_us();
	end_us = begin_us + (uint64_t)(duration_s * 1e6);
	while ((now_us = clock_mono_us()) < end_us) {
		uint64_t due = (uint64_t)((double)(now_us - begin_us) / 1e6 * connections / life_s);

		for (; turn < due; turn++) {
			int *fd = &fds[turn % connections];

			slow_close(*fd);
			*fd = slow_open(turn);
		}
		nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
	}
	for (unsigned i = 0; i < connections; i++)
		slow_close(fds[i]);
	printf("{\"first_us\": %llu, \"opened\": %llu, \"refused\": %llu, \"shut\": %llu}\n",
	       (unsigned long long)begin_us, (unsigned long long)run.opened,
	       (unsigned long long)run.refused, (unsigned long long)run.shut);
	return 0;
}
