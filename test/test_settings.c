/* Settings: every row's default and bounds, and what a user is told who goes beyond them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rand.h"
#include "core/settings.h"

static const struct part_ops *ops;

static struct settings *fresh(void)
{
	return container_of(ops->create(), struct settings, part);
}

static const struct setting_row *row_of(const char *function)
{
	for (size_t i = 0; i < setting_row_count; i++)
		if (strcmp(setting_rows[i].function, function) == 0)
			return &setting_rows[i];
	fail_msg("no setting %s", function);
	return NULL;
}

static void defaults_are_set_and_within_bounds(void **state)
{
	struct settings *s = fresh();

	(void)state;
	for (size_t i = 0; i < setting_row_count; i++) {
		const struct setting_row *row = &setting_rows[i];
		struct err err = {""};

		if (setting_load(s, row) != row->def)
			fail_msg("%s: starts as %g, not as %g", row->function, setting_load(s, row),
				 row->def);
		if (row->least > row->most || setting_store(s, row, row->def, &err) != 0)
			fail_msg("%s: its default is refused: %s", row->function, err.text);
		if (strlen(row->help) < 8)
			fail_msg("%s: no help", row->function);
		for (size_t j = 0; j < i; j++)
			if (strcmp(setting_rows[j].function, row->function) == 0 ||
			    setting_rows[j].offset == row->offset)
				fail_msg("%s is there twice", row->function);
	}
	ops->free(&s->part);
}

static void bounds_are_taken_and_beyond_them_explained(void **state)
{
	struct settings *s = fresh();

	(void)state;
	for (size_t i = 0; i < setting_row_count; i++) {
		const struct setting_row *row = &setting_rows[i];
		struct err err = {""};
		char most[32], beyond[32];

		if (row->offset == offsetof(struct settings, payload_size_self_generated))
			continue; /* clamped: the case below */
		if (setting_store(s, row, row->least, &err) != 0 ||
		    setting_load(s, row) != row->least ||
		    setting_store(s, row, row->most, &err) != 0 ||
		    setting_load(s, row) != row->most)
			fail_msg("%s: a bound is refused: %s", row->function, err.text);
		if (setting_store(s, row, row->most + 1, &err) != -EINVAL ||
		    setting_load(s, row) != row->most)
			fail_msg("%s: more than the most is taken", row->function);
		snprintf(most, sizeof(most), "%.15g", row->most);
		snprintf(beyond, sizeof(beyond), "(%.15g)", row->most + 1);
		if (!strstr(err.text, row->function) || !strstr(err.text, beyond) ||
		    (row->kind != SETTING_KIND_BOOL && !strstr(err.text, most)))
			fail_msg("%s: '%s' names not the function, the value and the bound",
				 row->function, err.text);
		if (setting_store(s, row, row->least - 1, &err) != -EINVAL ||
		    setting_store(s, row, NAN, &err) != -EINVAL)
			fail_msg("%s: less than the least, or no number, is taken", row->function);
	}
	ops->free(&s->part);
}

static const struct {
	const char *label, *function;
	double value, want; /* want -1: refused */
} values[] = {
	{"a fraction where whole numbers belong", "setUDPTimeout", 1.5, -1},
	{"2 is neither true nor false", "setVerbose", 2, -1},
	{"load bound off", "setWeightedBalancingFactor", 0, 0},
	{"load bound below the mean load", "setWeightedBalancingFactor", 0.5, -1},
	{"load bound of one", "setConsistentHashingBalancingFactor", 1, 1},
	{"load bound with a fraction", "setConsistentHashingBalancingFactor", 1.25, 1.25},
	{"payload below 512 becomes 512", "setPayloadSizeOnSelfGeneratedAnswers", 100, 512},
	{"payload above 1500 becomes 1500", "setPayloadSizeOnSelfGeneratedAnswers", 4096, 1500},
	{"payload in between", "setPayloadSizeOnSelfGeneratedAnswers", 1400, 1400},
	{"the largest seed", "setWHashedPerturbation", 4294967295.0, 4294967295.0},
};

static void values_are_stored_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		struct settings *s = fresh();
		const struct setting_row *row = row_of(values[i].function);
		struct err err = {""};
		int rc = setting_store(s, row, values[i].value, &err);
		double got = setting_load(s, row);

		ops->free(&s->part);
		if (rc != (values[i].want < 0 ? -EINVAL : 0))
			fail_msg("%s: %d %s", values[i].label, rc, err.text);
		if (rc == 0 && got != values[i].want)
			fail_msg("%s: %g", values[i].label, got);
	}
}

static void seed_is_drawn_once_and_kept(void **state)
{
	struct settings *s = fresh(), *copy;
	struct err err = {""};
	uint32_t drawn;

	(void)state;
	s->part.refs = 3;
	assert_int_equal(ops->seal(&s->part, NULL, &err), 0);
	drawn = s->hash_perturbation;
	assert_int_not_equal(drawn, 0);
	copy = container_of(ops->clone(&s->part), struct settings, part);
	assert_int_equal(copy->part.refs, 0);
	assert_int_equal(ops->seal(&copy->part, NULL, &err), 0);
	assert_int_equal(copy->hash_perturbation, drawn);
	ops->free(&copy->part);
	ops->free(&s->part);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_set_and_within_bounds),
		cmocka_unit_test(bounds_are_taken_and_beyond_them_explained),
		cmocka_unit_test(values_are_stored_or_refused),
		cmocka_unit_test(seed_is_drawn_once_and_kept),
	};

	if (rand_init() < 0)
		return 1;
	settings_register();
	ops = tables_owner(PART_SETTINGS);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
