#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/txn.h"

/* Two parts that write down what is done to them. */
struct settings {
	struct part part;
	int value;
};

struct pools {
	struct part part;
	int value;
	int sealed_with; /* the settings as they stood when the pools were sealed */
};

static char story[512];
static int alive; /* parts not yet freed */

static void tell(const char *what, const struct part *p)
{
	size_t len = strlen(story);

	snprintf(story + len, sizeof(story) - len, "%s%s %s", len ? ", " : "", what, p->ops->name);
}

static struct part *settings_create(void)
{
	struct settings *s = mem_zalloc(1, sizeof(*s));

	alive++;
	return &s->part;
}

static struct part *settings_clone(const struct part *p)
{
	struct settings *s = mem_alloc(sizeof(*s));

	*s = *(const struct settings *)p;
	alive++;
	tell("clone", p);
	return &s->part;
}

static int settings_seal(struct part *p, const struct tables *draft, struct err *err)
{
	struct settings *s = (struct settings *)p;

	tell("seal", p);
	return s->value < 0 ? err_set(err, "value %d is negative", s->value) : 0;
}

static void part_committed(const struct part *before, const struct part *next,
			   const struct tables *t)
{
	assert_ptr_equal(atomic_load(&tables_live), t);
	if (before != NULL)
		assert_ptr_equal(before->ops, next->ops); /* readable still */
	tell(before == NULL ? "first" : "committed", next);
}

static void part_free(struct part *p)
{
	alive--;
	free(p);
}

static struct part *pools_create(void)
{
	struct pools *s = mem_zalloc(1, sizeof(*s));

	alive++;
	return &s->part;
}

static struct part *pools_clone(const struct part *p)
{
	struct pools *s = mem_alloc(sizeof(*s));

	*s = *(const struct pools *)p;
	alive++;
	tell("clone", p);
	return &s->part;
}

static int pools_seal(struct part *p, const struct tables *draft, struct err *err)
{
	((struct pools *)p)->sealed_with = draft->settings->value;
	tell("seal", p);
	return 0;
}

static const struct part_ops settings_ops = {
	.name = "settings",
	.create = settings_create,
	.clone = settings_clone,
	.seal = settings_seal,
	.committed = part_committed,
	.free = part_free,
};
static const struct part_ops pools_ops = {
	.name = "pools",
	.create = pools_create,
	.clone = pools_clone,
	.seal = pools_seal,
	.committed = part_committed,
	.free = part_free,
};

/* Begins with a published configuration: settings 1, pools 2. */
static int begin(void **state)
{
	struct err err;
	struct txn *txn;

	tables_register(PART_SETTINGS, &settings_ops);
	tables_register(PART_POOLS, &pools_ops);
	alive = 0;
	txn = txn_begin();
	TXN_EDIT(txn, SETTINGS, settings)->value = 1;
	TXN_EDIT(txn, POOLS, pools)->value = 2;
	txn_commit(txn, &err);
	story[0] = '\0';
	return 0;
}

static int end(void **state)
{
	tables_shutdown();
	return alive; /* a part leaked, or freed twice */
}

static void first_one_creates_every_part(void **state)
{
	struct err err;
	struct txn *txn;

	tables_shutdown();
	story[0] = '\0';
	txn = txn_begin();
	assert_true(txn_changed(txn));
	assert_int_equal(TXN_READ(txn, SETTINGS, settings)->value, 0);
	assert_int_equal(txn_commit(txn, &err), 0);
	assert_string_equal(story, "seal settings, seal pools, first settings, first pools");
	assert_int_equal(atomic_load(&tables_live)->gen, 1);
}

static void untouched_parts_are_shared(void **state)
{
	const struct tables *t = atomic_load(&tables_live);
	const struct pools *pools = t->pools;
	struct txn *txn = txn_begin();
	struct err err;

	assert_false(txn_changed(txn));
	TXN_EDIT(txn, SETTINGS, settings)->value = 5;
	TXN_EDIT(txn, SETTINGS, settings)->value++;
	assert_true(txn_changed(txn));
	assert_int_equal(TXN_READ(txn, SETTINGS, settings)->value, 6);
	assert_int_equal(t->settings->value, 1); /* others see the live one */
	assert_int_equal(txn_commit(txn, &err), 0);
	t = atomic_load(&tables_live);
	assert_int_equal(t->gen, 2);
	assert_int_equal(t->settings->value, 6);
	assert_ptr_equal(t->pools, pools);
	assert_int_equal(t->pools->part.refs, 1);
	assert_string_equal(story, "clone settings, seal settings, committed settings");
}

static void parts_are_sealed_in_their_order(void **state)
{
	struct txn *txn = txn_begin();
	struct err err;

	TXN_EDIT(txn, POOLS, pools)->value = 9;
	TXN_EDIT(txn, SETTINGS, settings)->value = 7;
	assert_int_equal(txn_commit(txn, &err), 0);
	assert_int_equal(atomic_load(&tables_live)->pools->sealed_with, 7);
	assert_string_equal(story, "clone pools, clone settings, seal settings, seal pools, "
				   "committed settings, committed pools");
}

static void nothing_edited_publishes_nothing(void **state)
{
	const struct tables *t = atomic_load(&tables_live);
	struct txn *txn = txn_begin();
	struct err err;

	txn_read(txn, PART_SETTINGS);
	assert_int_equal(txn_commit(txn, &err), 0);
	assert_ptr_equal(atomic_load(&tables_live), t);
	assert_string_equal(story, "");
}

static void refused_seal_leaves_the_live_tables(void **state)
{
	const struct tables *t = atomic_load(&tables_live);
	struct txn *txn = txn_begin();
	struct err err = {""};

	TXN_EDIT(txn, POOLS, pools)->value = 9;
	TXN_EDIT(txn, SETTINGS, settings)->value = -3;
	assert_int_equal(txn_commit(txn, &err), -EINVAL);
	assert_string_equal(err.text, "value -3 is negative");
	assert_ptr_equal(atomic_load(&tables_live), t);
	assert_int_equal(t->settings->value, 1);
	assert_int_equal(t->pools->value, 2);
}

static void check_seals_and_publishes_nothing(void **state)
{
	const struct tables *t = atomic_load(&tables_live);
	struct txn *txn = txn_begin();
	struct err err = {""};

	TXN_EDIT(txn, SETTINGS, settings)->value = 3;
	assert_int_equal(txn_check(txn, &err), 0);
	txn = txn_begin();
	TXN_EDIT(txn, SETTINGS, settings)->value = -3;
	assert_int_equal(txn_check(txn, &err), -EINVAL);
	assert_ptr_equal(atomic_load(&tables_live), t);
	assert_int_equal(t->settings->value, 1);
	assert_string_equal(story, "clone settings, seal settings, clone settings, seal settings");
}

static void dropped_one_never_happened(void **state)
{
	const struct tables *t = atomic_load(&tables_live);
	struct txn *txn = txn_begin();

	TXN_EDIT(txn, POOLS, pools)->value = 9;
	txn_drop(txn);
	assert_ptr_equal(atomic_load(&tables_live), t);
	assert_int_equal(t->pools->value, 2);
}

/* An owner compares with the part before, also when a query in flight holds nothing of it any more.
 */
static void pinned_generation_keeps_its_parts(void **state)
{
	struct txn *txn = txn_begin();
	struct pins pins = {0};
	struct pin *pin;
	struct err err;

	pins_enter(&pins, rcu_get(tables_live));
	pin = pin_take(&pins);
	TXN_EDIT(txn, SETTINGS, settings)->value = 8;
	assert_int_equal(txn_commit(txn, &err), 0);
	assert_int_equal(pin->t->settings->value, 1);
	pin_drop(&pins, pin);
	pins_enter(&pins, rcu_get(tables_live));
	assert_int_equal(tables_collect(), 0);
	pins_fini(&pins);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(first_one_creates_every_part, begin, end),
		cmocka_unit_test_setup_teardown(untouched_parts_are_shared, begin, end),
		cmocka_unit_test_setup_teardown(parts_are_sealed_in_their_order, begin, end),
		cmocka_unit_test_setup_teardown(nothing_edited_publishes_nothing, begin, end),
		cmocka_unit_test_setup_teardown(refused_seal_leaves_the_live_tables, begin, end),
		cmocka_unit_test_setup_teardown(check_seals_and_publishes_nothing, begin, end),
		cmocka_unit_test_setup_teardown(dropped_one_never_happened, begin, end),
		cmocka_unit_test_setup_teardown(pinned_generation_keeps_its_parts, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
