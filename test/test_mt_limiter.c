/* Four threads on one bucket never get more than burst + rate × time together. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>

#include "pools/limiter.h"

#define THREADS 4
#define RATE    5000
#define BURST   300
#define SPAN_US UINT64_C(2000000)

static _Atomic uint64_t bucket, now_us;
static atomic_uint ready;

/* Each thread moves the time on a little, so that they see it in different orders. */
static void *taker(void *got)
{
	uint64_t *n = got;

	atomic_fetch_add(&ready, 1);
	while (atomic_load(&ready) < THREADS)
		;
	for (;;) {
		uint64_t now = atomic_fetch_add_explicit(&now_us, 7, memory_order_relaxed);

		if (now > SPAN_US)
			return NULL;
		*n += limiter_take(&bucket, RATE, BURST, now);
	}
}

static void threads_together_get_the_rate(void **state)
{
	pthread_t threads[THREADS];
	uint64_t got[THREADS] = {0}, sum = 0;

	(void)state;
	atomic_store(&now_us, 1);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, taker, &got[i]);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < THREADS; i++)
		sum += got[i];
	assert_in_range(sum, RATE * SPAN_US / 1000000 * 99 / 100, BURST + RATE * SPAN_US / 1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(threads_together_get_the_rate)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
