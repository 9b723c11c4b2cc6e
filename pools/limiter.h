/*
 * A token bucket in one 64-bit word, moved by compare-and-swap: exact for all workers together
 * without a lock. Starts full; refills elapsed × rate, never above burst; a query takes a whole token.
 */
#ifndef POOLS_LIMITER_H
#define POOLS_LIMITER_H

#include "core/base.h"

/* rate and burst in whole tokens, 1 … 1,000,000. bucket 0 is a bucket that was never used: full. */

/* Takes a token if there is one. Any thread. */
bool limiter_take(_Atomic uint64_t *bucket, uint32_t rate, uint32_t burst, uint64_t now_us);

/* Whether there is one, taking nothing. */
bool limiter_has(const _Atomic uint64_t *bucket, uint32_t rate, uint32_t burst, uint64_t now_us);

#endif
