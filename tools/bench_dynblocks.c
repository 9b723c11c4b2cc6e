/*
 * What dynamic blocks cost: nanoseconds of a look-up that finds nothing, one that finds a block and
 * counts, each alone and in batches as workers do it; microseconds to add one, on average and at
 * most; octets a block; milliseconds of the longest step of a purge. Of time on the processor, the
 * best of several rounds, because machines change speed and others run on them.
 */
#include <time.h>

#include "core/clock.h"
#include "core/hash.h"
#include "rules/dynblocks.h"
#include "tools/cli.h"

#define ROUNDS 5
#define ASKED  (1u << 20)
#define BATCH  64

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static double least(double a, double b)
{
	return a == 0 || b < a ? b : a;
}

/* Blocked ones are spread, and between them are as many that are not. */
static struct addr nth(uint32_t n, bool blocked)
{
	uint32_t mixed = n * UINT32_C(2654435761);

	return (struct addr){.v4 = {.sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(mixed << 1 | (uint32_t)blocked)}};
}

static void add(uint32_t n, uint32_t seconds)
{
	struct dynblock_new new = {
		.addr = nth(n, true),
		.bits = 32,
		.reason = "Exceeded query rate",
		.seconds = seconds,
		.action = DNS_ACTION_NONE,
		.quiet = true,
	};
	struct err err;

	if (dynblocks_add(&new, &err) < 0)
		die("add", err.text);
}

static double fill(uint32_t n, double *most_us)
{
	uint64_t start = now_ns(), before = start;

	*most_us = 0;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t now;

		add(i, 1000);
		now = now_ns();
		if ((double)(now - before) / 1000 > *most_us)
			*most_us = (double)(now - before) / 1000;
		before = now;
	}
	return (double)(before - start) / 1000 / n;
}

/* Nanoseconds a look-up, of a million in an order that no cache foresees. */
static double look_up(uint32_t n, bool blocked, unsigned batch, bool count)
{
	uint64_t now_us = clock_mono_us(), start = now_ns();
	unsigned found = 0;

	for (uint32_t i = 0; i < ASKED; i += batch) {
		struct addr a[BATCH];

		for (unsigned k = 0; k < batch; k++) {
			a[k] = nth((i + k) * UINT32_C(40503) % n, blocked);
			if (batch > 1)
				dynblocks_prefetch(&a[k]);
		}
		for (unsigned k = 0; batch > 1 && k < batch; k++)
			dynblocks_prefetch_block(&a[k]);
		for (unsigned k = 0; k < batch; k++) {
			struct dynblock_hit hit;

			if (!dynblocks_find_address(&a[k], now_us, &hit))
				continue;
			found++;
			if (count)
				dynblocks_hit(&hit, 0);
		}
	}
	if (found != (blocked ? ASKED : 0))
		die("look-up", "found another number than there are");
	return (double)(now_ns() - start) / ASKED;
}

/* The longest step in milliseconds. */
static double purge(void)
{
	double most = 0;

	clock_fake(clock_mono_us() + UINT64_C(2000) * 1000000, 1700000000);
	while (dynblocks_count(DYNBLOCK_ADDRESS) > 0) {
		uint64_t start = now_ns();
		double ms;

		clock_fake_advance(2000000);
		dynblocks_tick(clock_mono_us(), 1);
		ms = (double)(now_ns() - start) / 1e6;
		most = ms > most ? ms : most;
	}
	clock_fake_end();
	return most;
}

static void measure(uint32_t n)
{
	double miss = 0, miss_batch = 0, hit = 0, hit_batch = 0, add_us, most_us, octets;

	dynblocks_start();
	dynblocks_worker_begin(0);
	dynblocks_tick(clock_mono_us(), 1);
	octets = -(double)dynblocks_memory();
	add_us = fill(n, &most_us);
	octets = (octets + (double)dynblocks_memory()) / n;
	for (unsigned round = 0; round < ROUNDS; round++) {
		miss = least(miss, look_up(n, false, 1, false));
		miss_batch = least(miss_batch, look_up(n, false, BATCH, false));
		hit = least(hit, look_up(n, true, 1, true));
		hit_batch = least(hit_batch, look_up(n, true, BATCH, true));
	}
	printf("%9u %9.1f %9.1f %9.1f %9.1f %9.2f %9.0f %9.1f", n, miss, miss_batch, hit, hit_batch,
	       add_us, most_us, octets);
	printf(" %9.1f\n", purge());
	dynblocks_stop();
}

int main(int argc, char **argv)
{
	uint32_t most = (uint32_t)cli_number(argc, argv, "most", 1000000);

	hash_init(1);
	printf("%9s %9s %9s %9s %9s %9s %9s %9s %9s\n", "blocks", "miss ns", "in batch", "hit ns",
	       "in batch", "add us", "most us", "octets", "purge ms");
	for (uint32_t n = 1; n <= most; n *= 10)
		measure(n);
	return 0;
}
