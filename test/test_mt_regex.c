/* Threads that match the same expressions and ask the same set, without asking each other. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>

#include "core/regex_set.h"
#include "test/regex_fixture.h"

#define THREADS     4
#define EXPRESSIONS 60
#define TEXTS       400

static struct regex *re[EXPRESSIONS];
static struct regex_set *set;

struct work {
	char text[TEXTS][40];
	size_t len[TEXTS];
	uint32_t out[EXPRESSIONS + EXPRESSIONS / 32 + 1];
	unsigned matches, missing;
};

static struct work works[THREADS];
static atomic_uint ready;

static void work_on(struct work *w, unsigned i)
{
	uint32_t n = regex_set_find(set, w->text[i], w->len[i], w->out), at = 0;

	for (uint32_t k = 0; k < EXPRESSIONS; k++) {
		bool candidate = at < n && w->out[at] == k;

		at += candidate;
		if (!regex_match(re[k], w->text[i], w->len[i]))
			continue;
		w->matches++;
		w->missing += !candidate;
	}
}

static void *worker(void *arg)
{
	struct work *w = arg;

	atomic_fetch_add(&ready, 1);
	while (atomic_load(&ready) < THREADS)
		;
	for (unsigned i = 0; i < TEXTS; i++)
		work_on(w, i);
	return NULL;
}

static void make_expressions(void)
{
	static const enum regex_dialect dialects[] = {DIALECT_ERE, DIALECT_PCRE2, DIALECT_RE2};
	struct expression e;
	struct err err;

	for (unsigned i = 0; i < EXPRESSIONS;) {
		unsigned d = i % (regex_has_re2() ? 3 : 2);

		random_expression(&e, dialects[d], 2);
		re[i] = regex_new(d == 2 ? REGEX_RE2 : REGEX_POSIX, e.text, &err);
		i += re[i] != NULL;
	}
	set = regex_set_new((const struct regex *const *)re, EXPRESSIONS);
}

static void threads_share_expressions(void **state)
{
	pthread_t threads[THREADS];
	unsigned alone[THREADS];

	(void)state;
	make_expressions();
	for (unsigned t = 0; t < THREADS; t++) {
		for (unsigned i = 0; i < TEXTS; i++)
			works[t].len[i] = random_text(works[t].text[i], sizeof(works[t].text[i]));
		for (unsigned i = 0; i < TEXTS; i++)
			work_on(&works[t], i);
		alone[t] = works[t].matches;
		works[t].matches = 0;
	}
	for (unsigned t = 0; t < THREADS; t++)
		pthread_create(&threads[t], NULL, worker, &works[t]);
	for (unsigned t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
	for (unsigned t = 0; t < THREADS; t++) {
		assert_int_equal(works[t].missing, 0);
		assert_int_equal(works[t].matches, alone[t]);
		assert_true(alone[t] > TEXTS);
	}
	regex_set_free(set);
	for (unsigned i = 0; i < EXPRESSIONS; i++)
		regex_free(re[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(threads_share_expressions)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
