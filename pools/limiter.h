/*
 * A token bucket in one 64-bit word, moved by compare-and-swap: exact for all workers together
 * without a lock. Starts full; refills elapsed × rate, never above burst; a query takes a whole token.
 *
 * Rate and burst are whole tokens, any. Rate 0 never refills; burst 0 never gives. Over any time t, a
 * bucket gives at most burst + rate × t tokens and a sixteenth, and loses nothing to rounding. One that
 * is 0 was never used: full. One that is used with another rate than before is full again, and so is
 * one that meets a clock more than a minute behind.
 */
#ifndef POOLS_LIMITER_H
#define POOLS_LIMITER_H

#include "core/base.h"

/* Ticks of a token, and the part of one that a bucket may give too much; a power of two. */
#define LIMITER_TOKEN 16

/* Takes a token if there is one. Any thread. */
bool limiter_take(_Atomic uint64_t *bucket, uint32_t rate, uint32_t burst, uint64_t now_us);

/* Whether there is one, taking nothing. */
bool limiter_has(const _Atomic uint64_t *bucket, uint32_t rate, uint32_t burst, uint64_t now_us);

/*
 * now_us on a clock of this rate, on which a token takes LIMITER_TOKEN ticks to drip in, whatever the
 * rate: nothing but the time itself is rounded, and that once. Modulo 2^64.
 */
static inline uint64_t limiter_ticks(uint32_t rate, uint64_t now_us)
{
	uint64_t per_s = (uint64_t)rate * LIMITER_TOKEN;

	return now_us / 1000000 * per_s + now_us % 1000000 * per_s / 1000000;
}

#endif
