/*
 * The load generator of the benchmarks. Closed loop (a window of queries in flight) or open loop
 * (--qps); prints one line of JSON. Its parts are in tools/loadgen.
 *   load --to 127.0.0.1:5300 [--mode udp|tcp|tcp-connect|dot] [--duration S] [--count N] [--qps N]
 *        [--names N] [--unique 1] [--prefix C] [--zone NAME] [--first N] [--seed N]
 *        [--window N] [--sockets N] [--sources N] [--clients N] [--in-turn 1]
 *        [--in-flight N] [--core N]
 *
 * udp: --sockets source ports with --window queries in flight over all; --sources spreads them over
 * 127.0.x.y, --clients each query over so many addresses from 127.16.0.0, at random or, with
 * --in-turn, one after the other from --first. tcp, dot: --sockets connections with --in-flight
 * queries each. tcp-connect: a connection for each query, --sockets at a time. Names are
 * n0000000.example and on; --unique never asks one twice and begins at --first. --count ends the
 * run after so many queries, when --duration has not before.
 */
#include "core/clock.h"
#include "core/dns/message.h"
#include "core/rand.h"
#include "tools/cli.h"
#include "tools/loadgen/load.h"

#define CLIENTS_MAX 15000000 /* 127.16.0.0 and up, short of the broadcast address */

struct load_options how;
struct load_result run;

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

int main(int argc, char **argv)
{
	const char *mode = cli_text(argc, argv, "mode", "udp");
	bool udp = strcmp(mode, "udp") == 0;
	uint64_t start_us;

	rand_init();
	how.to = cli_addr(argc, argv, "to", "127.0.0.1:5300");
	how.names = (unsigned)cli_number(argc, argv, "names", 10000);
	how.unique = cli_number(argc, argv, "unique", 0) != 0;
	how.duration_s = cli_number(argc, argv, "duration", 5);
	how.window = (unsigned)cli_number(argc, argv, "window", 1024);
	how.sockets = (unsigned)cli_number(argc, argv, "sockets", udp ? 32 : 64);
	how.in_flight = (unsigned)cli_number(argc, argv, "in-flight", 1);
	how.sources = (unsigned)cli_number(argc, argv, "sources", 1);
	how.qps = cli_number(argc, argv, "qps", 0);
	how.count = (uint64_t)cli_number(argc, argv, "count", 0);
	if (how.count == 0)
		how.count = UINT64_MAX;
	how.prefix = *cli_text(argc, argv, "prefix", "n");
	how.clients = (unsigned)cli_number(argc, argv, "clients", 0);
	how.in_turn = cli_number(argc, argv, "in-turn", 0) != 0;
	how.tls = strcmp(mode, "dot") == 0;
	how.reconnect = strcmp(mode, "tcp-connect") == 0;
	if (!udp && !how.tls && !how.reconnect && strcmp(mode, "tcp") != 0)
		die("--mode", "none of udp, tcp, tcp-connect, dot");
	if (how.clients > CLIENTS_MAX || (how.clients && how.to.sa.sa_family != AF_INET))
		die("--clients", "at most 15000000, over IPv4");
	query_init(cli_text(argc, argv, "zone", "example"),
		   (uint32_t)cli_number(argc, argv, "seed", 2463534242),
		   (uint64_t)cli_number(argc, argv, "first", 0));
	pin_to((int)cli_number(argc, argv, "core", -1));
	start_us = clock_mono_us();
	if (udp)
		udp_run();
	else
		stream_run();
	report(run.answered ? (double)(run.last_us - start_us) / 1e6 : how.duration_s);
	return 0;
}
