/* The only source of time, so that a test, and later a replay, can own it. */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include "core/base.h"

/* Monotonic microseconds since an arbitrary start; never 0. Any thread; workers read it once a batch. */
uint64_t clock_mono_us(void);

/* Seconds, milliseconds and microseconds since 1970, UTC. Any thread. */
int64_t clock_real_s(void);
int64_t clock_real_ms(void);
int64_t clock_real_us(void);

/* From now on both clocks stand still at these values, and move only by clock_fake_advance. Tests only. */
void clock_fake(uint64_t mono_us, int64_t real_s);
void clock_fake_advance(uint64_t us);

/* Back to the machine's clocks. */
void clock_fake_end(void);

#endif
