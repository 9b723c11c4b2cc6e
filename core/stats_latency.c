#include "core/stats_latency.h"

#include <math.h>

const uint32_t latency_windows[LATENCY_WINDOWS] = {100, 1000, 10000, 1000000};

unsigned latency_bucket(uint64_t us)
{
	/* µs; the reference's names end at these: latency0-1, latency1-10 … */
	static const uint64_t above[] = {1000, 10000, 50000, 100000, 1000000};
	unsigned i = 0;

	while (i < ARRAY_LEN(above) && us >= above[i])
		i++;
	return i;
}

double latency_average(double avg, uint32_t window, uint64_t n, double mean)
{
	/* log1p: (1 - 1/1000000) loses its last six digits before the power is taken */
	double keep = exp((double)n * log1p(-1.0 / window));

	return avg * keep + mean * (1 - keep);
}
