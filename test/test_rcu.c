#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "core/mem.h"
#include "core/rcu.h"

#define READERS 2
#define ROUNDS  300

struct box {
	uint64_t a, b; /* equal while anybody may look */
};

static _Atomic(struct box *) live;
static atomic_bool stop;
static atomic_uint ready;

struct reader {
	pthread_t thread;
	bool sleeps;
	unsigned torn;
};

static void *read_on(void *arg)
{
	struct reader *r = arg;

	rcu_join();
	atomic_fetch_add(&ready, 1);
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		const struct box *b = rcu_get(live);

		r->torn += b->a != b->b;
		if (r->sleeps) {
			rcu_rest();
			sched_yield();
			rcu_wake();
		} else {
			rcu_quiet();
		}
	}
	rcu_leave();
	return NULL;
}

static struct box *box(uint64_t n)
{
	struct box *b = mem_zalloc(1, sizeof(*b));

	b->a = b->b = n;
	return b;
}

/* Under ThreadSanitizer it also shows that a grace period orders the write below after all reads.
 */
static void freed_only_when_no_reader_looks(void **state)
{
	struct reader readers[READERS] = {{.sleeps = false}, {.sleeps = true}};
	unsigned torn = 0;

	rcu_publish(live, box(0));
	for (int i = 0; i < READERS; i++)
		pthread_create(&readers[i].thread, NULL, read_on, &readers[i]);
	while (atomic_load(&ready) < READERS)
		sched_yield();
	for (uint64_t n = 1; n <= ROUNDS; n++) {
		struct box *old = atomic_load(&live);

		rcu_publish(live, box(n));
		rcu_wait();
		old->a = UINT64_MAX;
		free(old);
	}
	atomic_store(&stop, true);
	for (int i = 0; i < READERS; i++) {
		pthread_join(readers[i].thread, NULL);
		torn += readers[i].torn;
	}
	free(atomic_load(&live));
	assert_int_equal(torn, 0);
}

static void *rest_long(void *arg)
{
	rcu_join();
	rcu_rest();
	atomic_fetch_add(&ready, 1);
	while (!atomic_load(&stop))
		sched_yield();
	rcu_wake();
	rcu_leave();
	return NULL;
}

static void sleeper_is_not_waited_for(void **state)
{
	pthread_t thread;

	atomic_store(&stop, false);
	atomic_store(&ready, 0);
	pthread_create(&thread, NULL, rest_long, NULL);
	while (atomic_load(&ready) == 0)
		sched_yield();
	rcu_wait(); /* would never return if the sleeper counted */
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(freed_only_when_no_reader_looks),
		cmocka_unit_test(sleeper_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
