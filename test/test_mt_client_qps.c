/* Four threads on one table: each client gets what one thread would give it, and no more. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>

#include "core/hash.h"
#include "rules/client_qps.h"

#define THREADS 4
#define QPS     200
#define BURST   30
#define SPAN_US UINT64_C(1000000)
#define SHARE   (BURST + QPS * SPAN_US / 1000000)

static struct client_qps *limit;
static _Atomic uint64_t now_us;
static atomic_uint ready;

struct asker {
	pthread_t thread;
	const struct crowd *crowd;
	uint64_t passed[64];
	uint64_t flood_over;
	uint32_t id;
};

static const struct crowd {
	const char *label;
	uint32_t clients; /* abusers, all of whom each thread asks for in turn */
	uint32_t flood;   /* to each query of an abuser, sources that ask once */
	size_t slots;     /* 0: plenty */
	uint64_t step_us;
} crowds[] = {
	{"one client", 1, 0, 0, 3},
	{"sixty clients", 60, 0, 0, 60},
	{"a flood through a small table", 10, 4, 512, 20},
};

static struct addr nth(uint32_t n)
{
	return (struct addr){.v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(n)}};
}

/* Each moves the time on a little, so that they see it in different orders. */
static void *ask(void *arg)
{
	struct asker *k = arg;
	const struct crowd *c = k->crowd;
	uint32_t spoofed = (k->id + 1) << 28;

	atomic_fetch_add(&ready, 1);
	while (atomic_load(&ready) < THREADS)
		sched_yield();
	for (uint32_t i = k->id;; i++) {
		uint64_t now = atomic_fetch_add_explicit(&now_us, c->step_us, memory_order_relaxed);
		struct addr a = nth(i % c->clients);

		if (now > SPAN_US)
			return NULL;
		k->passed[i % c->clients] += !client_qps_over(limit, &a, now);
		for (uint32_t f = 0; f < c->flood; f++) {
			a = nth(spoofed++);
			k->flood_over += client_qps_over(limit, &a, now);
		}
	}
}

static void run(const struct crowd *c, struct asker askers[static THREADS])
{
	struct client_qps_options o = {
		.qps = QPS, .burst = BURST, .v4_bits = 32, .v6_bits = 64, .slots = c->slots};
	struct err err;

	limit = client_qps_new(&o, &err);
	atomic_store(&now_us, 1);
	atomic_store(&ready, 0);
	for (uint32_t i = 0; i < THREADS; i++) {
		askers[i] = (struct asker){.crowd = c, .id = i};
		pthread_create(&askers[i].thread, NULL, ask, &askers[i]);
	}
	for (uint32_t i = 0; i < THREADS; i++)
		pthread_join(askers[i].thread, NULL);
	client_qps_free(limit);
}

/* Two that meet a newcomer at once may each find him a slot: a token more, for each thread but one.
 */
static void threads_together_hold_each_client(void **state)
{
	(void)state;
	hash_init(7);
	for (size_t i = 0; i < ARRAY_LEN(crowds); i++) {
		struct asker askers[THREADS];

		run(&crowds[i], askers);
		for (uint32_t n = 0; n < crowds[i].clients; n++) {
			uint64_t sum = 0;

			for (uint32_t t = 0; t < THREADS; t++)
				sum += askers[t].passed[n];
			if (sum > SHARE + THREADS - 1 || sum < SHARE * 98 / 100)
				fail_msg("%s: client %u passed %llu times, of %llu",
					 crowds[i].label, n, (unsigned long long)sum,
					 (unsigned long long)SHARE);
		}
		for (uint32_t t = 0; t < THREADS; t++)
			assert_int_equal(askers[t].flood_over, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(threads_together_hold_each_client)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
