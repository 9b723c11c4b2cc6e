#include "console/lua/metrics.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/stats.h"

struct value {
	char *labels;
	union {
		uint64_t count;
		double level;
	};
};

struct metric {
	struct metric_spec spec;
	struct value *values;
	unsigned n;
};

/* Sorted by name. A configuration has dozens at most. */
static struct {
	struct metric **list;
	unsigned n;
} metrics;

static bool name_is_good(const char *name)
{
	return *name && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(name);
}

static bool is_statistic(const char *name)
{
	struct stat_value rows[256];
	unsigned n = stats_read(rows, ARRAY_LEN(rows));

	for (unsigned i = 0; i < n; i++)
		if (strcmp(rows[i].name, name) == 0)
			return true;
	return false;
}

/* Where the name is, or belongs. */
static unsigned place(const char *name, bool *found)
{
	unsigned at = 0;

	while (at < metrics.n && strcmp(metrics.list[at]->spec.name, name) < 0)
		at++;
	*found = at < metrics.n && strcmp(metrics.list[at]->spec.name, name) == 0;
	return at;
}

struct metric *metric_find(const char *name)
{
	bool found;
	unsigned at = place(name, &found);

	return found ? metrics.list[at] : NULL;
}

const struct metric_spec *metric_spec(const struct metric *m)
{
	return &m->spec;
}

int metric_declare(const struct metric_spec *spec, struct err *err)
{
	struct metric *m;
	bool found;
	unsigned at;

	if (!name_is_good(spec->name))
		return err_set(
			err, "'%s' is no name of a metric: use lower-case letters, digits and '-'",
			spec->name);
	if (is_statistic(spec->name))
		return err_set(err, "'%s' is a statistic of the program already", spec->name);
	at = place(spec->name, &found);
	if (found && metrics.list[at]->spec.kind != spec->kind)
		return err_set(err, "'%s' is declared as a %s already", spec->name,
			       spec->kind == METRIC_COUNTER ? "gauge" : "counter");
	if (found)
		return 0;
	m = mem_zalloc(1, sizeof(*m));
	m->spec = *spec;
	m->spec.name = mem_strdup(spec->name);
	m->spec.description = mem_strdup(spec->description);
	m->spec.custom_name = spec->custom_name ? mem_strdup(spec->custom_name) : NULL;
	metrics.list = mem_realloc(metrics.list, metrics.n + 1, sizeof(struct metric *));
	memmove(&metrics.list[at + 1], &metrics.list[at],
		(metrics.n - at) * sizeof(struct metric *));
	metrics.list[at] = m;
	metrics.n++;
	return 0;
}

static struct value *find_value(const struct metric *m, const char *labels)
{
	for (unsigned i = 0; i < m->n; i++)
		if (strcmp(m->values[i].labels, labels) == 0)
			return &m->values[i];
	return NULL;
}

static struct value *need_value(struct metric *m, const char *labels)
{
	struct value *v = find_value(m, labels);

	if (v)
		return v;
	m->values = mem_realloc(m->values, m->n + 1, sizeof(*m->values));
	v = &m->values[m->n++];
	memset(v, 0, sizeof(*v));
	v->labels = mem_strdup(labels);
	return v;
}

uint64_t metric_add(struct metric *m, const char *labels, int64_t step)
{
	struct value *v = need_value(m, labels);

	if (step < 0 && v->count < (uint64_t)-step)
		v->count = 0;
	else
		v->count += (uint64_t)step;
	return v->count;
}

double metric_set(struct metric *m, const char *labels, double value)
{
	return need_value(m, labels)->level = value;
}

static double read_value(const struct metric *m, const struct value *v)
{
	return m->spec.kind == METRIC_COUNTER ? (double)v->count : v->level;
}

double metric_get(const struct metric *m, const char *labels)
{
	const struct value *v = find_value(m, labels);

	return v ? read_value(m, v) : 0;
}

void metric_visit(void (*visit)(void *ctx, const struct metric_spec *spec, const char *labels,
				double value),
		  void *ctx)
{
	for (unsigned i = 0; i < metrics.n; i++) {
		const struct metric *m = metrics.list[i];

		if (m->n == 0 && !m->spec.labels)
			visit(ctx, &m->spec, "", 0);
		for (unsigned k = 0; k < m->n; k++)
			visit(ctx, &m->spec, m->values[k].labels, read_value(m, &m->values[k]));
	}
}

void metric_reset(void)
{
	for (unsigned i = 0; i < metrics.n; i++) {
		struct metric *m = metrics.list[i];

		for (unsigned k = 0; k < m->n; k++)
			free(m->values[k].labels);
		free(m->values);
		free((char *)m->spec.name);
		free((char *)m->spec.description);
		free((char *)m->spec.custom_name);
		free(m);
	}
	free(metrics.list);
	metrics.list = NULL;
	metrics.n = 0;
}
