/* The arithmetic of latencies: which bucket of the histogram, and moving averages in closed form.
 */
#ifndef CORE_STATS_LATENCY_H
#define CORE_STATS_LATENCY_H

#include "core/base.h"

/* Windows of the averages, in answers. */
#define LATENCY_WINDOWS 4
extern const uint32_t latency_windows[LATENCY_WINDOWS];

/* Index into the histogram: a bound belongs to the bucket above it. */
unsigned latency_bucket(uint64_t us);

/*
 * The moving average after n samples of this mean, each avg = avg × (1-1/window) + sample/window.
 * Exact when the samples are equal, and independent of their order when they are not.
 */
double latency_average(double avg, uint32_t window, uint64_t n, double mean);

#endif
