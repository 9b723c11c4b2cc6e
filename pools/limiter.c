#include "pools/limiter.h"

/*
 * The word is the time at which the bucket was last empty ("base"): what it holds is (now - base) ×
 * rate, cut at burst, and taking a token moves base forward by the time that one token takes to
 * drip in. One number, hence one compare-and-swap, and a refill that rounds nothing away: only the
 * length of a token is rounded up, by less than 1/4096 µs, so that a bucket gives at most 0.03 %
 * less than asked, never more.
 *
 * Times are µs × 4096 from an origin 2^62 units back, so that even a clock just started has room
 * for the deepest bucket in front of it (1,000,000 tokens at 1/s are 2^52 units) and there are 107
 * years to go. 0 lies before everything: full.
 */
#define UNIT_SHIFT  12
#define ORIGIN      (UINT64_C(1) << 62)
#define UNITS_PER_S (UINT64_C(1000000) << UNIT_SHIFT)

struct fill {
	uint64_t now, token; /* units */
	uint64_t full;       /* base of a bucket that is full now */
};

static struct fill fill_at(uint32_t rate, uint32_t burst, uint64_t now_us)
{
	struct fill f = {.now = ORIGIN + (now_us << UNIT_SHIFT),
			 .token = (UNITS_PER_S + rate - 1) / rate};

	f.full = f.now - f.token * burst;
	return f;
}

/* The base as it stands after the overflow, which is lost. */
static uint64_t base_at(const struct fill *f, uint64_t word)
{
	return word > f->full ? word : f->full;
}

/* base may lie ahead of now: another thread has read a later clock. */
static bool holds_one(const struct fill *f, uint64_t base)
{
	return base + f->token <= f->now;
}

bool limiter_take(_Atomic uint64_t *bucket, uint32_t rate, uint32_t burst, uint64_t now_us)
{
	struct fill f = fill_at(rate, burst, now_us);
	uint64_t word = atomic_load_explicit(bucket, memory_order_relaxed);
	uint64_t base;

	do {
		base = base_at(&f, word);
		if (!holds_one(&f, base))
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		bucket, &word, base + f.token, memory_order_relaxed, memory_order_relaxed));
	return true;
}

bool limiter_has(const _Atomic uint64_t *bucket, uint32_t rate, uint32_t burst, uint64_t now_us)
{
	struct fill f = fill_at(rate, burst, now_us);

	return holds_one(&f, base_at(&f, atomic_load_explicit(bucket, memory_order_relaxed)));
}
