/* What every file may take for granted: the cache line, branch hints, and the size of an array. */
#ifndef CORE_BASE_H
#define CORE_BASE_H

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNSDIST_VERSION "0.1.0"

#define CACHE_LINE 64

/* Bounds every per-worker array; a machine with more cores runs this many workers. */
#define WORKERS_MAX 128

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* Owner only: a plain add that cannot tear. A locked add costs some thirty times as much. */
static inline void counter_add(_Atomic uint64_t *c, uint64_t n)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
	                      memory_order_relaxed);
}

static inline void counter_inc(_Atomic uint64_t *c)
{
	counter_add(c, 1);
}

static inline uint64_t counter_get(const _Atomic uint64_t *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

#endif
