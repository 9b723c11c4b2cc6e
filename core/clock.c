#include "core/clock.h"

#include <time.h>

/* Atomic, so that a test may move the time while its threads read it. */
static atomic_bool fake;
static _Atomic uint64_t fake_mono_us;
static _Atomic int64_t fake_real_us;

uint64_t clock_mono_us(void)
{
	struct timespec ts;
	uint64_t us;

	if (unlikely(atomic_load_explicit(&fake, memory_order_relaxed))) {
		us = atomic_load(&fake_mono_us);
	} else {
		clock_gettime(CLOCK_MONOTONIC, &ts);
		us = (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
	}
	return us != 0 ? us : 1; /* 0 stands for "never" in many structs */
}

int64_t clock_real_us(void)
{
	struct timespec ts;

	if (unlikely(atomic_load_explicit(&fake, memory_order_relaxed)))
		return atomic_load(&fake_real_us);
	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * INT64_C(1000000) + ts.tv_nsec / 1000;
}

int64_t clock_real_ms(void)
{
	return clock_real_us() / 1000;
}

int64_t clock_real_s(void)
{
	return clock_real_ms() / 1000;
}

void clock_fake(uint64_t mono_us, int64_t real_s)
{
	atomic_store(&fake_mono_us, mono_us);
	atomic_store(&fake_real_us, real_s * 1000000);
	atomic_store(&fake, true);
}

void clock_fake_advance(uint64_t us)
{
	atomic_fetch_add(&fake_mono_us, us);
	atomic_fetch_add(&fake_real_us, (int64_t)us);
}

void clock_fake_end(void)
{
	atomic_store(&fake, false);
}
