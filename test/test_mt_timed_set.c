/* Readers look up while the control thread adds, removes, clears and moves the table under them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>

#include "core/hash.h"
#include "core/rcu.h"
#include "rules/timed_set.h"

#define READERS 2
#define KEPT    50
#define PASSING 10000
#define FOREVER UINT64_MAX
#define NOW     UINT64_C(1000000)

static struct timed_set *set;
static atomic_bool stop;
static atomic_uint ready;

struct reader {
	pthread_t thread;
	uint64_t asked, missed, invented;
};

/* Of IPv6: two words that must never be mixed. */
static struct addr nth(uint32_t n)
{
	struct addr a = {.v6 = {.sin6_family = AF_INET6}};

	for (unsigned i = 0; i < 4; i++) {
		a.v6.sin6_addr.s6_addr[2 + i] = (uint8_t)(n >> 8 * i);
		a.v6.sin6_addr.s6_addr[12 + i] = (uint8_t)(n >> 8 * i);
	}
	return a;
}

/* The kept ones are there always; what was never added never is. */
static void *look(void *arg)
{
	struct reader *r = arg;

	rcu_join();
	atomic_fetch_add(&ready, 1);
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		for (uint32_t i = 0; i < KEPT; i++) {
			struct addr kept = nth(i), never = nth(PASSING + KEPT + i);

			r->missed += !timed_set_has(set, &kept, NOW);
			r->invented += timed_set_has(set, &never, NOW);
			r->asked++;
		}
		rcu_quiet();
	}
	rcu_leave();
	return NULL;
}

static void start(struct reader readers[static READERS])
{
	atomic_store(&stop, false);
	atomic_store(&ready, 0);
	for (unsigned i = 0; i < READERS; i++)
		pthread_create(&readers[i].thread, NULL, look, &readers[i]);
	while (atomic_load(&ready) < READERS)
		sched_yield();
}

static void end(struct reader readers[static READERS])
{
	atomic_store(&stop, true);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(readers[i].thread, NULL);
}

static void nothing_kept_is_ever_missed(void **state)
{
	struct reader readers[READERS] = {0};

	(void)state;
	hash_init(7);
	set = timed_set_new();
	for (uint32_t i = 0; i < KEPT; i++) {
		struct addr a = nth(i);

		timed_set_add(set, &a, FOREVER, NOW);
	}
	start(readers);
	for (uint32_t i = KEPT; i < KEPT + PASSING; i++) {
		struct addr a = nth(i), before = nth(i - KEPT / 2);

		timed_set_add(set, &a, i % 2 == 0 ? FOREVER : NOW + 2, NOW);
		if (i >= 2 * KEPT)
			timed_set_remove(set, &before);
		if (i % 1000 == 0)
			timed_set_cleanup(set, NOW + 2);
	}
	end(readers);
	timed_set_unref(set);
	for (unsigned i = 0; i < READERS; i++) {
		assert_int_equal(readers[i].missed, 0);
		assert_int_equal(readers[i].invented, 0);
		assert_true(readers[i].asked > 0);
	}
}

static void cleared_under_readers(void **state)
{
	struct reader readers[READERS] = {0};

	(void)state;
	set = timed_set_new();
	start(readers);
	for (uint32_t round = 0; round < 300; round++) {
		for (uint32_t i = 0; i < KEPT; i++) {
			struct addr a = nth(i);

			timed_set_add(set, &a, FOREVER, NOW);
		}
		timed_set_clear(set);
	}
	end(readers);
	assert_int_equal(timed_set_size(set), 0);
	timed_set_unref(set);
	for (unsigned i = 0; i < READERS; i++)
		assert_int_equal(readers[i].invented, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_kept_is_ever_missed),
		cmocka_unit_test(cleared_under_readers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
