/*
 * What counting a client costs: ns a query for one client, for many, and in a flood of sources that
 * come once; and what a reading of the tables costs then. Prints a line of JSON for each.
 *   bench_hitters [--seconds N] [--workers N]
 */
#include <time.h>

#include "core/rand.h"
#include "rules/hitters.h"
#include "tools/cli.h"

#define QUERIES 4992000
#define BATCH   64 /* as workers receive them */

static const struct hitters_masks hosts = {32, 128, 0, NULL};

static uint64_t random_state = 88172645463325252u;

static uint32_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32);
}

/* Of this thread, so that others on the machine cost it only cache. */
static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void nobody(void *ctx, struct hitter *h)
{
	*(uint64_t *)ctx += hitter_sum(h, 0, 10);
}

/* clients 0: never the same twice */
static void measure(const char *label, uint32_t clients)
{
	static struct addr a[BATCH];
	uint64_t begin = cpu_ns(), reading_ns = 0, sum = 0;
	unsigned readings = 0;
	double ns;

	for (unsigned i = 0; i < QUERIES; i += BATCH) {
		for (unsigned j = 0; j < BATCH; j++) {
			uint32_t r = next_random();

			a[j].v4.sin_family = AF_INET;
			a[j].v4.sin_addr.s_addr = htonl(clients ? r % clients : r);
			hitters_prefetch_client(rcu_get(hitters_live), 0, &a[j]);
		}
		for (unsigned j = 0; j < BATCH; j++)
			hitters_prefetch_counts(rcu_get(hitters_live), 0, &a[j]);
		for (unsigned j = 0; j < BATCH; j++)
			hitters_query(0, &a[j], 1, 1000 + i / 1500000);
		if (i % 150016 == 0) { /* a beat at 1.5 million a second */
			uint64_t from = cpu_ns();

			hitters_read();
			hitters_visit(hitters_find(&hosts), false, nobody, &sum);
			reading_ns += cpu_ns() - from;
			readings++;
		}
	}
	ns = (double)(cpu_ns() - begin - reading_ns) / QUERIES;
	printf("{\"case\": \"%s\", \"ns\": %.1f, \"reading_us\": %.0f, \"memory_mb\": %.1f}\n",
	       label, ns, (double)reading_ns / 1000 / readings, (double)hitters_memory() / 1048576);
}

int main(int argc, char **argv)
{
	static const struct hit five[] = {{HIT_QUERIES, 0},
					  {HIT_QTYPE, 255},
					  {HIT_OCTETS, 0},
					  {HIT_RCODE, 2},
					  {HIT_RCODE, 3}};
	static const struct {
		const char *label;
		uint32_t clients;
	} cases[] = {{"one client", 1},
		     {"1,000", 1000},
		     {"30,000", 30000},
		     {"a million", 1000000},
		     {"once each", 0}};
	unsigned seconds = (unsigned)cli_number(argc, argv, "seconds", 10);
	unsigned workers = (unsigned)cli_number(argc, argv, "workers", 2);
	struct err err;

	if (rand_init() < 0)
		return 1;
	for (unsigned n = 1; n <= 5; n += 4)
		for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			char label[64];

			hitters_start(workers);
			if (hitters_ask(&hosts, five, n, seconds, &err) < 0)
				die("--seconds", err.text);
			snprintf(label, sizeof(label), "%u counts, %s", n, cases[i].label);
			measure(label, cases[i].clients);
			hitters_stop();
		}
	return 0;
}
