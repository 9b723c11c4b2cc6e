/* Statistics for the console and for scripts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/lua/metrics.h"
#include "console/lua/registry.h"
#include "console/lua/rows.h"
#include "core/mem.h"
#include "core/stats.h"

struct line {
	const char *name;
	char value[40];
	bool is_double;
};

struct lines {
	struct line *list;
	unsigned n;
};

static void add(struct lines *l, const char *name, bool is_double, double d, uint64_t u)
{
	struct line *line;

	l->list = mem_realloc(l->list, l->n + 1, sizeof(*l->list));
	line = &l->list[l->n++];
	line->name = name;
	line->is_double = is_double;
	if (is_double)
		snprintf(line->value, sizeof(line->value), "%.1f", d);
	else
		snprintf(line->value, sizeof(line->value), "%llu", (unsigned long long)u);
}

static void add_metric(void *ctx, const struct metric_spec *spec, const char *labels, double value)
{
	if (!spec->labels)
		add(ctx, spec->name, spec->kind == METRIC_GAUGE, value, (uint64_t)value);
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct line *)a)->name, ((const struct line *)b)->name);
}

/* One decimal of an average stands to the right of where whole numbers end. */
static void show(const struct line *line)
{
	if (line->is_double)
		lua_host_printf("%-35s\t%13s  ", line->name, line->value);
	else
		lua_host_printf("%-35s\t%11s    ", line->name, line->value);
}

static int dump_stats(lua_State *L)
{
	struct stat_value rows[256];
	struct lines l = {0};
	unsigned n, half;

	stats_tick();
	n = stats_read(rows, ARRAY_LEN(rows));
	for (unsigned i = 0; i < n; i++)
		add(&l, rows[i].name, rows[i].is_double, rows[i].is_double ? rows[i].d : 0,
		    rows[i].is_double ? 0 : rows[i].u);
	metric_visit(add_metric, &l);
	qsort(l.list, l.n, sizeof(*l.list), compare);
	half = (l.n + 1) / 2;
	for (unsigned i = 0; i < half; i++) {
		show(&l.list[i]);
		if (half + i < l.n)
			lua_host_printf("%-35s\t%*s", l.list[half + i].name,
					l.list[half + i].is_double ? 13 : 11,
					l.list[half + i].value);
		lua_host_printf("\n");
	}
	free(l.list);
	return 0;
}

/* What workers count, without what is computed on reading. */
static int get_statistics_counters(lua_State *L)
{
	static const struct {
		enum stat_id id;
		const char *name;
	} counters[] = {
#define STAT_COUNTER(id, name, unit, help) {STAT_##id, name},
#define STAT_COMPUTED(id, name, kind, unit, help)
#include "core/stats.def"
#undef STAT_COUNTER
#undef STAT_COMPUTED
	};

	lua_createtable(L, 0, ARRAY_LEN(counters));
	for (unsigned i = 0; i < ARRAY_LEN(counters); i++) {
		lua_pushinteger(L, (lua_Integer)stats_sum(counters[i].id));
		lua_setfield(L, -2, counters[i].name);
	}
	return 1;
}

const struct lua_function stats_functions[] = {
	{"dumpStats", dump_stats, ROW_READS, "", "shows all statistics"},
	{"getStatisticsCounters", get_statistics_counters, ROW_READS, "",
	 "a table of the statistics that count events"},
	{NULL, NULL, 0, NULL, NULL},
};
