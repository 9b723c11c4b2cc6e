#include "pools/limiter.h"

/*
 * The word is the time at which the bucket will be full ("full"), on the clock of its rate: what it
 * lacks is full - now, and taking a token moves full forward by the time that one token takes to
 * drip in. One number, hence one compare-and-swap.
 *
 * 56 bits of time, modulo: they come round after 2^52 / rate seconds, 142 years at 1,000,000 a
 * second and 12 days at the highest rate, when a bucket that nobody used for just so long would
 * seem as it was left. The deepest bucket and the skew take 2^37 of the 2^56. The other 8 bits tell
 * the rate, since a time on another clock says nothing.
 */
#define RATE_BITS 8
#define TIME_MASK (UINT64_MAX >> RATE_BITS)

/* A thread that slept since it read the clock is behind the others, and must not find a full
 * bucket. */
#define SKEW_S 60

struct fill {
	uint64_t now, depth, skew; /* ticks */
	uint8_t mark;              /* of the rate */
};

static struct fill fill_at(uint32_t rate, uint32_t burst, uint64_t now_us)
{
	/* The multiplier is the golden ratio: rates near each other never have the same mark. */
	return (struct fill){.now = limiter_ticks(rate, now_us),
			     .depth = (uint64_t)burst * LIMITER_TOKEN,
			     .skew = (uint64_t)rate * LIMITER_TOKEN * SKEW_S,
			     .mark = (uint8_t)((rate * UINT32_C(0x9e3779b9)) >> 24)};
}

/* What the bucket lacks. More than the depth: another thread has read a later clock. */
static uint64_t lack_at(const struct fill *f, uint64_t word)
{
	uint64_t lack = ((word >> RATE_BITS) - f->now) & TIME_MASK;

	return word == 0 || (uint8_t)word != f->mark || lack > f->depth + f->skew ? 0 : lack;
}

static bool holds_one(const struct fill *f, uint64_t lack)
{
	return lack + LIMITER_TOKEN <= f->depth;
}

bool limiter_take(_Atomic uint64_t *bucket, uint32_t rate, uint32_t burst, uint64_t now_us)
{
	struct fill f = fill_at(rate, burst, now_us);
	uint64_t word = atomic_load_explicit(bucket, memory_order_relaxed);
	uint64_t next;

	do {
		uint64_t lack = lack_at(&f, word);

		if (!holds_one(&f, lack))
			return false;
		next = (f.now + lack + LIMITER_TOKEN) << RATE_BITS | f.mark;
	} while (!atomic_compare_exchange_weak_explicit(bucket, &word, next, memory_order_relaxed,
							memory_order_relaxed));
	return true;
}

bool limiter_has(const _Atomic uint64_t *bucket, uint32_t rate, uint32_t burst, uint64_t now_us)
{
	struct fill f = fill_at(rate, burst, now_us);

	return holds_one(&f, lack_at(&f, atomic_load_explicit(bucket, memory_order_relaxed)));
}
