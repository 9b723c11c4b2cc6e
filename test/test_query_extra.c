/* What rules hang on a query: tags, extended errors, the query as it was. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/query_extra.h"

static struct extra_pool *pool;
static struct query q;

static int setup(void **state)
{
	pool = extra_pool_new(3);
	memset(&q, 0, sizeof(q));
	q.near_only = true;
	return pool == NULL;
}

static int teardown(void **state)
{
	extra_clear(pool, &q);
	extra_pool_free(pool);
	return 0;
}

static bool set(const char *name, const char *value)
{
	return tag_set(pool, &q, name, strlen(name), value, strlen(value));
}

/* The value of a tag as text, "-" when it is not set. */
static const char *get(const char *name)
{
	static char text[64];
	size_t len;
	const char *value = tag_get(&q, name, strlen(name), &len);

	if (value == NULL)
		return "-";
	snprintf(text, sizeof(text), "%.*s", (int)len, value);
	return text;
}

static void a_tag_has_the_value_set_last(void **state)
{
	assert_string_equal(get("a"), "-");
	assert_false(q.ruled);
	assert_true(set("a", "1"));
	assert_true(q.ruled && !q.near_only);
	assert_true(set("ab", "2"));
	assert_true(set("a", ""));
	assert_string_equal(get("a"), "");
	assert_string_equal(get("ab"), "2");
	assert_string_equal(get("b"), "-");
	extra_remove(&q, EXTRA_TAG, "a", 1);
	assert_string_equal(get("a"), "-");
	assert_string_equal(get("ab"), "2");
	extra_remove(&q, EXTRA_TAG, NULL, 0);
	assert_string_equal(get("ab"), "-");
}

static void kinds_do_not_mix(void **state)
{
	static const uint8_t code[] = {0, 15, 'x'};
	struct extra_item item = {EXTRA_ERROR, NULL, code, 0, sizeof(code)}, found;
	size_t at = 0;

	assert_true(set("a", "1"));
	assert_true(extra_add(pool, &q, &item));
	assert_true(set("b", "2"));
	assert_true(extra_add(pool, &q, &item));
	extra_remove(&q, EXTRA_TAG, NULL, 0);
	assert_true(extra_next(&q, EXTRA_ERROR, &at, &found));
	assert_memory_equal(found.value, code, sizeof(code));
	assert_true(extra_next(&q, EXTRA_ERROR, &at, &found));
	assert_false(extra_next(&q, EXTRA_ERROR, &at, &found));
	assert_false(extra_find(&q, EXTRA_ORIGINAL, NULL, 0, &found));
}

static void items_take_as_many_blocks_as_they_need(void **state)
{
	static char value[EXTRA_ITEM_MAX + 1];
	size_t len;

	memset(value, 'v', sizeof(value));
	assert_false(tag_set(pool, &q, "big", 3, value, EXTRA_ITEM_MAX - 2));
	assert_true(tag_set(pool, &q, "1", 1, value, EXTRA_ITEM_MAX - 1));
	assert_true(tag_set(pool, &q, "2", 1, value, 1500));
	assert_true(tag_set(pool, &q, "3", 1, value, 100)); /* beside the second */
	assert_true(tag_set(pool, &q, "4", 1, value, 1500));
	assert_false(tag_set(pool, &q, "5", 1, value, 1500)); /* three blocks, and all in use */
	assert_non_null(tag_get(&q, "1", 1, &len));
	assert_int_equal(len, EXTRA_ITEM_MAX - 1);
	assert_non_null(tag_get(&q, "3", 1, &len));
	assert_int_equal(len, 100);
	extra_clear(pool, &q);
	assert_null(q.extra);
	assert_true(tag_set(pool, &q, "5", 1, value, 1500));
}

/* What is refused leaves the value as it was. */
static void a_value_that_does_not_fit_is_refused(void **state)
{
	static char value[EXTRA_ITEM_MAX];

	assert_true(set("a", "1"));
	assert_false(tag_set(pool, &q, "a", 1, value, sizeof(value)));
	assert_string_equal(get("a"), "1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_tag_has_the_value_set_last, setup, teardown),
		cmocka_unit_test_setup_teardown(kinds_do_not_mix, setup, teardown),
		cmocka_unit_test_setup_teardown(items_take_as_many_blocks_as_they_need, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_value_that_does_not_fit_is_refused, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
