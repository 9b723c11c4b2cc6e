/* declareMetric and the functions that move and read such metrics. */
#include <stdlib.h>
#include <string.h>

#include "console/lua/metrics.h"
#include "console/lua/registry.h"
#include "console/lua/rows.h"

#define LABELS_MAX 1024

const struct lua_option declare_options[] = {
	{"customName", OPTION_STRING, 0, 0, "", "name on the metrics page"},
	{"name", OPTION_STRING, 0, 0, "", "the same as customName"},
	{"withLabels", OPTION_BOOL, 0, 0, "", "a value for each set of labels"},
	{NULL, 0, 0, 0, NULL, NULL},
};

const struct lua_option move_options[] = {
	{"step", OPTION_INT, 0, 9e15, "", "by how much (1)"},
	{"labels", OPTION_TABLE, 0, 0, "", "which value: {name=value, …}"},
	{NULL, 0, 0, 0, NULL, NULL},
};

static int declare_metric(lua_State *L)
{
	struct metric_spec spec = {.name = lua_arg_string(L, 1, "name")};
	const char *kind = lua_arg_string(L, 2, "type");
	struct err err;

	spec.description = lua_arg_string(L, 3, "description");
	if (lua_istable(L, 4)) {
		lua_options_check(L, 4, declare_options);
		spec.custom_name = lua_option_string(L, 4, "customName");
		if (spec.custom_name == NULL)
			spec.custom_name = lua_option_string(L, 4, "name");
		spec.labels = lua_option_bool(L, 4, "withLabels", false);
	} else if (!lua_arg_missing(L, 4)) {
		spec.custom_name = lua_arg_string(L, 4, "custom name");
	}
	spec.kind = strcmp(kind, "gauge") == 0 ? METRIC_GAUGE : METRIC_COUNTER;
	if (spec.kind == METRIC_COUNTER && strcmp(kind, "counter") != 0)
		err_set(&err, "'%s' is no kind of metric: use 'counter' or 'gauge'", kind);
	else if (metric_declare(&spec, &err) == 0) {
		lua_pushboolean(L, true);
		return 1;
	}
	lua_complain(L, "%s", err.text);
	lua_pushboolean(L, false);
	return 1;
}

static int compare_words(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Appends key="value" with the escapes of the metrics page. */
static void append_label(lua_State *L, char *out, const char *key, const char *value)
{
	size_t at = strlen(out);

	if (at + strlen(key) + strlen(value) * 2 + 5 > LABELS_MAX)
		lua_fail(L, "labels are longer than %d octets", LABELS_MAX);
	at += (size_t)sprintf(out + at, "%s%s=\"", at ? "," : "", key);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\' || *value == '\n')
			out[at++] = '\\';
		out[at++] = *value == '\n' ? 'n' : *value;
	}
	strcpy(out + at, "\"");
}

/* The field labels of the options at i as text, keys sorted; "" when there is none. */
static void read_labels(lua_State *L, int i, const struct metric *m, char out[static LABELS_MAX])
{
	const char *keys[32];
	int n = 0;

	out[0] = '\0';
	if (!lua_istable(L, i) || lua_getfield(L, i, "labels") == LUA_TNIL)
		return;
	if (!metric_spec(m)->labels)
		lua_fail(L, "'%s' was declared without withLabels", metric_spec(m)->name);
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
		if (lua_type(L, -2) != LUA_TSTRING || !lua_isstring(L, -1))
			lua_fail(L, "labels are written {name='value'}, got %s",
				 lua_value_text(L, -1));
		if (n == (int)ARRAY_LEN(keys))
			lua_fail(L, "more than %d labels", (int)ARRAY_LEN(keys));
		keys[n++] = lua_tostring(L, -2);
	}
	qsort(keys, (size_t)n, sizeof(*keys), compare_words);
	for (int k = 0; k < n; k++) {
		lua_getfield(L, -1, keys[k]);
		append_label(L, out, keys[k], lua_tostring(L, -1));
		lua_pop(L, 1);
	}
}

/* The metric named by argument 1 if it is of this kind; else says so. */
static struct metric *find(lua_State *L, const enum metric_kind *kind)
{
	const char *name = lua_arg_string(L, 1, "name");
	struct metric *m = metric_find(name);

	if (m == NULL) {
		lua_complain(L, "there is no metric '%s': declareMetric() makes one", name);
	} else if (kind && metric_spec(m)->kind != *kind) {
		lua_complain(L, "'%s' is a %s", name,
			     metric_spec(m)->kind == METRIC_GAUGE
				     ? "gauge: setMetric() sets it"
				     : "counter: incMetric() moves it");
		m = NULL;
	}
	return m;
}

static int move(lua_State *L, int sign)
{
	static const enum metric_kind counter = METRIC_COUNTER;
	struct metric *m = find(L, &counter);
	char labels[LABELS_MAX];
	int64_t step = 1;

	if (m == NULL) {
		lua_pushinteger(L, 0);
		return 1;
	}
	if (lua_istable(L, 2)) {
		lua_options_check(L, 2, move_options);
		step = (int64_t)lua_option_number(L, 2, "step", 1);
	} else if (!lua_arg_missing(L, 2)) {
		step = lua_arg_integer(L, 2, "step", 0, (lua_Integer)9e15);
	}
	read_labels(L, 2, m, labels);
	lua_pushinteger(L, (lua_Integer)metric_add(m, labels, sign * step));
	return 1;
}

static int inc_metric(lua_State *L)
{
	return move(L, 1);
}

static int dec_metric(lua_State *L)
{
	return move(L, -1);
}

static int set_metric(lua_State *L)
{
	static const enum metric_kind gauge = METRIC_GAUGE;
	double value = lua_arg_number(L, 2, "value", -1e300, 1e300);
	struct metric *m = find(L, &gauge);
	char labels[LABELS_MAX];

	if (m == NULL) {
		lua_pushinteger(L, 0);
		return 1;
	}
	if (!lua_arg_missing(L, 3))
		lua_options_check(L, 3, move_options);
	read_labels(L, 3, m, labels);
	lua_push_number(L, metric_set(m, labels, value));
	return 1;
}

static int get_metric(lua_State *L)
{
	struct metric *m = find(L, NULL);
	char labels[LABELS_MAX];

	if (m == NULL) {
		lua_pushinteger(L, 0);
		return 1;
	}
	if (!lua_arg_missing(L, 2))
		lua_options_check(L, 2, move_options);
	read_labels(L, 2, m, labels);
	lua_push_number(L, metric_get(m, labels));
	return 1;
}

const struct lua_function metric_functions[] = {
	{"declareMetric", declare_metric, 0,
	 "name, 'counter'|'gauge', description [, customName|{options}]",
	 "makes a metric of the configuration's own"},
	{"incMetric", inc_metric, 0, "name [, step|{step=, labels=}]",
	 "adds to a counter; gives its value"},
	{"decMetric", dec_metric, 0, "name [, step|{step=, labels=}]",
	 "takes from a counter; gives its value"},
	{"setMetric", set_metric, 0, "name, value [, {labels=}]", "sets a gauge"},
	{"getMetric", get_metric, ROW_READS, "name [, {labels=}]", "the value of a metric"},
	{NULL, NULL, 0, NULL, NULL},
};
