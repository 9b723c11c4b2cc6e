#include "core/settings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "core/rand.h"

#define STARTUP SETTING_STARTUP
#define RUNTIME SETTING_RUNTIME

const struct setting_row setting_rows[] = {
#define SETTING_BOOL(field, function, phase, def, help)                                   \
	{#function, "", help, SETTING_KIND_BOOL, phase, offsetof(struct settings, field), \
	 def,       0,  1},
#define SETTING_U32(field, function, phase, def, least, most, unit, help)                   \
	{#function, unit,  help, SETTING_KIND_U32, phase, offsetof(struct settings, field), \
	 def,       least, most},
#define SETTING_DOUBLE(field, function, phase, def, least, most, unit, help)                   \
	{#function, unit,  help, SETTING_KIND_DOUBLE, phase, offsetof(struct settings, field), \
	 def,       least, most},
#include "core/settings.def"
#undef SETTING_BOOL
#undef SETTING_U32
#undef SETTING_DOUBLE
};

#undef STARTUP
#undef RUNTIME

const size_t setting_row_count = ARRAY_LEN(setting_rows);

static void put(struct settings *s, const struct setting_row *row, double value)
{
	char *at = (char *)s + row->offset;

	switch (row->kind) {
	case SETTING_KIND_BOOL:
		*(bool *)at = value != 0;
		break;
	case SETTING_KIND_U32:
		*(uint32_t *)at = (uint32_t)value;
		break;
	case SETTING_KIND_DOUBLE:
		*(double *)at = value;
		break;
	}
}

double setting_load(const struct settings *s, const struct setting_row *row)
{
	const char *at = (const char *)s + row->offset;

	switch (row->kind) {
	case SETTING_KIND_BOOL:
		return *(const bool *)at;
	case SETTING_KIND_U32:
		return *(const uint32_t *)at;
	case SETTING_KIND_DOUBLE:
		break;
	}
	return *(const double *)at;
}

/* A load bound below the mean load could never be met: 0 turns it off, anything else begins at 1.
 */
static bool is_load_bound(const struct setting_row *row)
{
	return row->offset == offsetof(struct settings, weighted_factor) ||
	       row->offset == offsetof(struct settings, consistent_factor);
}

/* Upstream moves a payload size that is out of range to the nearest it takes; configurations rely
 * on it. */
static bool is_clamped(const struct setting_row *row)
{
	return row->offset == offsetof(struct settings, payload_size_self_generated);
}

static double clamped(const struct setting_row *row, double value)
{
	double nearest = value < row->least ? row->least : row->most;

	log_warning("setup", "%s(%.15g): between %.15g and %.15g %s are possible, using %.15g",
		    row->function, value, row->least, row->most, row->unit, nearest);
	return nearest;
}

static int out_of_bounds(const struct setting_row *row, double value, struct err *err)
{
	return err_set(err, "%s(%.15g): the value must be between %.15g and %.15g%s%s",
		       row->function, value, row->least, row->most, row->unit[0] ? " " : "",
		       row->unit);
}

int setting_store(struct settings *s, const struct setting_row *row, double value, struct err *err)
{
	if (isnan(value))
		return err_set(err, "%s: the value is not a number", row->function);
	if (row->kind == SETTING_KIND_BOOL && value != 0 && value != 1)
		return err_set(err, "%s(%.15g): the value must be true or false", row->function,
			       value);
	if (row->kind == SETTING_KIND_U32 && value != floor(value))
		return err_set(
			err, "%s(%.15g): the value must be a whole number between %.15g and %.15g",
			row->function, value, row->least, row->most);
	if (value < row->least || value > row->most) {
		if (!is_clamped(row))
			return out_of_bounds(row, value, err);
		value = clamped(row, value);
	}
	if (is_load_bound(row) && value != 0 && value < 1)
		return err_set(err, "%s(%.15g): the value must be 0, or between 1 and %.15g",
			       row->function, value, row->most);
	put(s, row, value);
	return 0;
}

static const struct part_ops ops;

static struct part *create(void)
{
	struct settings *s = mem_zalloc(1, sizeof(*s));

	s->part.ops = &ops;
	for (size_t i = 0; i < setting_row_count; i++)
		put(s, &setting_rows[i], setting_rows[i].def);
	s->ring_entries = 10000;
	s->ring_queries = s->ring_answers = true;
	return &s->part;
}

static struct part *clone(const struct part *p)
{
	struct settings *s = mem_alloc(sizeof(*s));

	memcpy(s, p, sizeof(*s));
	s->part.refs = 0;
	return &s->part;
}

static int seal(struct part *p, const struct tables *draft, struct err *err)
{
	struct settings *s = container_of(p, struct settings, part);

	while (s->hash_perturbation == 0) /* drawn once: later generations copy it */
		s->hash_perturbation = rand_u32();
	return 0;
}

static void committed(const struct part *before, const struct part *next, const struct tables *t)
{
	const struct settings *old = before ? container_of(before, struct settings, part) : NULL;
	const struct settings *s = container_of(next, struct settings, part);

	/* -v stands until somebody sets something else */
	if (old ? old->verbose != s->verbose : s->verbose)
		log_set_verbose(s->verbose);
}

static void release(struct part *p)
{
	free(container_of(p, struct settings, part));
}

static const struct part_ops ops = {
	.name = "settings",
	.create = create,
	.clone = clone,
	.seal = seal,
	.committed = committed,
	.free = release,
};

void settings_register(void)
{
	tables_register(PART_SETTINGS, &ops);
}
