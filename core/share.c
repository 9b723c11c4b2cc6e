#include "core/share.h"

#include <sched.h>

#include "core/clock.h"

/* Between two looks at the clock; they cost as much as one thing of the smallest. */
#define CALLS 32

/* So long a worker may wait for us. */
#define TURN_US 250

void share_core(void)
{
	static unsigned calls;
	static uint64_t since_us;
	uint64_t now_us;

	if (++calls % CALLS != 0)
		return;
	now_us = clock_mono_us();
	if (now_us - since_us < TURN_US)
		return;
	sched_yield();
	since_us = clock_mono_us();
}
