/* showResponseLatency: how long servers took, from the workers' rings of responses. */
#include <math.h>
#include <string.h>

#include "console/lua/rows.h"
#include "console/lua/registry.h"
#include "rules/traffic.h"

#define BINS    15
#define BAR_MAX 70 /* characters of the fullest bin */

struct histogram {
	uint64_t bin[BINS]; /* [i]: below 0.1 ms × 2^i; the last also has all above */
	uint64_t n;
	double sum_ms;
};

static void count(void *ctx, const struct traffic_record *r)
{
	struct histogram *h = ctx;
	double ms = r->latency_us / 1000.0, limit = 0.1;
	int at = 0;

	if (r->latency_us == TRAFFIC_TIMEOUT)
		return;
	for (; at < BINS - 1 && ms >= limit; at++)
		limit *= 2;
	h->bin[at]++;
	h->n++;
	h->sum_ms += ms;
}

/* Bins too small for a star but not empty are marked ':' from half a star, '.' below. */
static void show_bin(double limit, uint64_t n, uint64_t fullest)
{
	double stars = (double)BAR_MAX * (double)n / (double)fullest;
	char bar[BAR_MAX + 1] = {0};

	if (stars >= 1)
		memset(bar, '*', (size_t)stars);
	else if (n > 0)
		strcpy(bar, stars >= 0.5 ? ":" : ".");
	lua_host_printf("%7.2f\t%s\n", limit, bar);
}

static int show_response_latency(lua_State *L)
{
	struct histogram h = {0};
	uint64_t fullest = 0;
	double limit = 0.1;

	traffic_visit(TRAFFIC_ANSWERS, count, &h);
	if (h.n == 0) {
		lua_host_printf("No traffic yet.\n");
		return 0;
	}
	for (int i = 0; i < BINS; i++)
		fullest = h.bin[i] > fullest ? h.bin[i] : fullest;
	lua_host_printf("Average response latency: %.2f ms\n", h.sum_ms / (double)h.n);
	lua_host_printf("%7s\t\n", "ms");
	for (int i = 0; i < BINS; i++, limit *= 2)
		show_bin(limit, h.bin[i], fullest);
	return 0;
}

const struct lua_function show_latency_functions[] = {
	{"showResponseLatency", show_response_latency, ROW_READS, "",
	 "shows a histogram of how long recent answers took"},
	{NULL, NULL, 0, NULL, NULL},
};
