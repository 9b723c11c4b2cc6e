#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <time.h>

#include "core/clock.h"

static void fake_stands_still_and_moves_when_told(void **state)
{
	clock_fake(5000000, 1700000000);
	assert_int_equal(clock_mono_us(), 5000000);
	assert_int_equal(clock_mono_us(), 5000000);
	clock_fake_advance(1500000);
	assert_int_equal(clock_mono_us(), 6500000);
	assert_int_equal(clock_real_s(), 1700000001);
	clock_fake_advance(500000);
	assert_int_equal(clock_real_s(), 1700000002);
	clock_fake_end();
}

static void never_zero(void **state)
{
	clock_fake(0, 0);
	assert_int_equal(clock_mono_us(), 1);
	clock_fake_end();
}

static void real_clocks_are_the_machine_s(void **state)
{
	uint64_t before = clock_mono_us();
	int64_t now = time(NULL), got = clock_real_s();

	assert_true(clock_mono_us() >= before);
	assert_in_range(got - now + 1, 0, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fake_stands_still_and_moves_when_told),
		cmocka_unit_test(never_zero),
		cmocka_unit_test(real_clocks_are_the_machine_s),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
