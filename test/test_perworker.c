#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/perworker.h"

struct counts {
	_Atomic uint64_t queries, drops;
};

static void blocks_are_made_once_and_apart(void **state)
{
	struct perworker p;
	struct counts *first, *last;

	perworker_init(&p, sizeof(struct counts));
	assert_null(perworker_peek(&p, 0));
	first = perworker_get(&p, 0);
	last = perworker_get(&p, WORKER_CONTROL);
	assert_ptr_equal(perworker_get(&p, 0), first);
	assert_ptr_equal(perworker_peek(&p, WORKER_CONTROL), last);
	assert_ptr_not_equal(first, last);
	assert_int_equal((uintptr_t)first % CACHE_LINE, 0);
	assert_int_equal(counter_get(&first->queries), 0);
	perworker_fini(&p);
	assert_null(perworker_peek(&p, 0));
}

static void sum_is_over_all_workers(void **state)
{
	struct perworker p;

	perworker_init(&p, sizeof(struct counts));
	assert_int_equal(perworker_sum(&p, offsetof(struct counts, queries)), 0);
	for (unsigned w = 0; w <= WORKERS_MAX; w += 32) {
		struct counts *c = perworker_get(&p, w);

		counter_add(&c->queries, w + 1);
		counter_inc(&c->drops);
	}
	assert_int_equal(perworker_sum(&p, offsetof(struct counts, queries)),
			 1 + 33 + 65 + 97 + 129);
	assert_int_equal(perworker_sum(&p, offsetof(struct counts, drops)), 5);
	perworker_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_made_once_and_apart),
		cmocka_unit_test(sum_is_over_all_workers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
