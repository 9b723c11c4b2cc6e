/*
 * Metrics that the configuration declares and moves: counters and gauges, each with one value or
 * one for each set of labels. Not part of a transaction: they are counts, not configuration.
 * Control thread only.
 */
#ifndef CONSOLE_LUA_METRICS_H
#define CONSOLE_LUA_METRICS_H

#include "core/err.h"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE };

struct metric;

/* Name of lower-case letters, digits and '-', and what is said of it. */
struct metric_spec {
	const char *name, *description;
	const char *custom_name; /* on the metrics page; NULL: made from name */
	enum metric_kind kind;
	bool labels; /* has a value for each set of labels */
};

/*
 * Declares, or finds it declared alike, keeping its values. Copies. 0, or -EINVAL with err: a bad
 * name, a statistic of that name, or another kind under it.
 */
int metric_declare(const struct metric_spec *spec, struct err *err);

struct metric *metric_find(const char *name); /* or NULL */
const struct metric_spec *metric_spec(const struct metric *m);

/* labels is the text between the braces of the metrics page, keys sorted: 'a="x",b="y"'; "" for
 * none. */
uint64_t metric_add(struct metric *m, const char *labels,
		    int64_t step); /* counters; the new value, never below 0 */
double metric_set(struct metric *m, const char *labels, double value); /* gauges */
double metric_get(const struct metric *m, const char *labels); /* 0 when it was never moved */

/* All metrics by name, and their values in order of first use. */
void metric_visit(void (*visit)(void *ctx, const struct metric_spec *spec, const char *labels,
				double value),
		  void *ctx);

/* Frees all. */
void metric_reset(void);

#endif
