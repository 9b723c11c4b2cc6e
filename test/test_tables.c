#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/tables.h"

#define POISON UINT64_C(0xdeadbeefdeadbeef)

/* A part that carries its generation's number, and loses it when it is freed. */
struct settings {
	struct part part;
	uint64_t gen;
};

static unsigned freed; /* control thread only */

static void free_part(struct part *p)
{
	struct settings *s = (struct settings *)p;

	s->gen = POISON;
	freed++;
	free(s);
}

static const struct part_ops fake_ops = {.name = "fake", .free = free_part};

static struct part *part_of(uint64_t gen, const struct part_ops *ops)
{
	struct settings *s = mem_zalloc(1, sizeof(*s));

	s->part = (struct part){.ops = ops, .refs = 1};
	s->gen = gen;
	return &s->part;
}

static struct tables *generation(uint64_t gen)
{
	struct tables *t = mem_zalloc(1, sizeof(*t));

	t->gen = gen;
	t->part[PART_SETTINGS] = part_of(gen, &fake_ops);
	return t;
}

static int reset(void **state)
{
	freed = 0;
	return 0;
}

static void unpinned_generation_goes_at_once(void **state)
{
	tables_publish(generation(1));
	tables_publish(generation(2));
	assert_int_equal(freed, 1);
	assert_int_equal(tables_collect(), 0);
	tables_shutdown();
	assert_int_equal(freed, 2);
}

static void shared_part_goes_with_its_last_generation(void **state)
{
	struct tables *first = generation(1), *second = generation(2);

	tables_free(generation(9));
	assert_int_equal(freed, 1);
	second->part[PART_ACL] = first->part[PART_SETTINGS];
	second->part[PART_ACL]->refs++;
	tables_publish(first);
	tables_publish(second);
	assert_int_equal(freed, 1);
	tables_publish(generation(3));
	assert_int_equal(freed, 3);
	tables_shutdown();
	assert_int_equal(freed, 4);
}

static const struct tables *enter(struct pins *pins)
{
	const struct tables *t = rcu_get(tables_live);

	pins_enter(pins, t);
	return t;
}

static void pinned_generation_stays_until_its_last_query(void **state)
{
	struct pins pins = {0};
	struct pin *a, *b, *late;

	tables_publish(generation(1));
	assert_true(pins_enter(&pins, rcu_get(tables_live)));
	assert_false(pins_enter(&pins, rcu_get(tables_live)));
	a = pin_take(&pins);
	b = pin_take(&pins);
	assert_ptr_equal(a, b);
	tables_publish(generation(2));
	enter(&pins);
	late = pin_take(&pins);
	assert_int_equal(tables_collect(), 1);
	pin_drop(&pins, a);
	assert_int_equal(tables_collect(), 1);
	assert_int_equal(b->t->gen, 1);
	pin_drop(&pins, b);
	assert_int_equal(tables_collect(), 0);
	assert_int_equal(freed, 1);
	pin_drop(&pins, late);
	pins_fini(&pins);
	tables_shutdown();
}

/* A chain more or less is only memory: changes of nothing else share the wait for workers. */
static void parts_that_are_only_live_wait_together(void **state)
{
	static const struct part_ops live_ops = {
		.name = "live", .free = free_part, .only_live = true};
	struct part *settings = part_of(1, &fake_ops);

	tables_register(PART_RULES, &live_ops);
	for (unsigned gen = 1; gen <= 17; gen++) {
		struct tables *t = mem_zalloc(1, sizeof(*t));

		t->gen = gen;
		t->part[PART_SETTINGS] = settings;
		settings->refs += gen > 1;
		t->part[PART_RULES] = part_of(gen, &live_ops);
		tables_publish(t);
		if (gen == 16)
			assert_int_equal(freed, 0);
	}
	assert_int_equal(freed, 16); /* enough of them wait no longer */
	tables_publish(generation(18));
	assert_int_equal(freed, 18); /* nor does anything else that has changed */
	tables_shutdown();
	assert_int_equal(freed, 19);
	tables_register(PART_RULES, NULL);
}

/* The worker may have loaded it and be about to take a pin: its count says nothing yet. */
static void current_generation_is_held_without_queries(void **state)
{
	struct pins pins = {0};

	tables_publish(generation(1));
	enter(&pins);
	tables_publish(generation(2));
	assert_int_equal(freed, 0);
	enter(&pins);
	assert_int_equal(tables_collect(), 0);
	assert_int_equal(freed, 1);
	pins_fini(&pins);
	tables_shutdown();
}

static void generations_may_be_dropped_in_any_order(void **state)
{
	enum { N = 5 };
	static const unsigned order[N] = {3, 1, 0, 4, 2};
	static const unsigned held[N] = {3, 2, 1, 1,
					 0}; /* old generations, after each drop; 5 is current */
	struct pin *pin[N];
	struct pins pins = {0};

	for (unsigned i = 0; i < N; i++) {
		tables_publish(generation(i + 1));
		enter(&pins);
		pin[i] = pin_take(&pins);
	}
	for (unsigned i = 0; i < N; i++) {
		assert_int_equal(pin[order[i]]->t->gen, order[i] + 1);
		pin_drop(&pins, pin[order[i]]);
		if (tables_collect() != held[i])
			fail_msg("drop %u: %u held, want %u", i, tables_collect(), held[i]);
	}
	pins_fini(&pins);
	tables_shutdown();
	assert_int_equal(freed, N);
}

static void every_worker_counts(void **state)
{
	struct pins a = {0}, b = {0};
	struct pin *pin;

	tables_publish(generation(1));
	enter(&a);
	enter(&b);
	pin = pin_take(&b);
	tables_publish(generation(2));
	enter(&a);
	enter(&b);
	assert_int_equal(tables_collect(), 1);
	pin_drop(&b, pin);
	assert_int_equal(tables_collect(), 0);
	pins_fini(&a);
	pins_fini(&b);
	tables_shutdown();
}

#define READERS 3
#define ROUNDS  400
#define FLIGHTS 16

struct reader {
	alignas(CACHE_LINE) struct pins pins;
	pthread_t thread;
	unsigned seed, wrong;
};

static atomic_bool stop;
static atomic_uint ready, entered;

struct flight {
	struct pin *pin;
	uint64_t gen; /* what the pinned generation must say to the end */
};

static bool is_whole(const struct tables *t, uint64_t gen)
{
	return t->gen == gen && t->settings->gen == gen;
}

/* One turn of a worker's loop: some queries begin, some end, each with the generation it began
 * with. */
static void turn(struct reader *r, struct flight flights[static FLIGHTS])
{
	const struct tables *t = rcu_get(tables_live);

	if (pins_enter(&r->pins, t))
		atomic_fetch_add(&entered, 1);
	for (int i = 0; i < 4; i++) {
		struct flight *f = &flights[(unsigned)rand_r(&r->seed) % FLIGHTS];

		if (f->pin == NULL) {
			f->pin = pin_take(&r->pins);
			f->gen = t->gen;
			continue;
		}
		r->wrong += !is_whole(f->pin->t, f->gen);
		pin_drop(&r->pins, f->pin);
		f->pin = NULL;
	}
	r->wrong += !is_whole(t, t->gen);
}

static void *work(void *arg)
{
	struct flight flights[FLIGHTS] = {0};
	struct reader *r = arg;

	rcu_join();
	for (bool first = true; !atomic_load_explicit(&stop, memory_order_relaxed); first = false) {
		turn(r, flights);
		if (first)
			atomic_fetch_add(&ready, 1);
		if (rand_r(&r->seed) % 4 != 0) {
			rcu_quiet();
			continue;
		}
		rcu_rest();
		sched_yield();
		rcu_wake();
	}
	for (int i = 0; i < FLIGHTS; i++) {
		if (flights[i].pin != NULL) {
			r->wrong += !is_whole(flights[i].pin->t, flights[i].gen);
			pin_drop(&r->pins, flights[i].pin);
		}
	}
	pins_fini(&r->pins);
	rcu_leave();
	return NULL;
}

static void readers_never_meet_a_freed_generation(void **state)
{
	static struct reader readers[READERS];
	unsigned wrong = 0, held;
	uint64_t gen = 2;

	tables_publish(generation(1));
	for (unsigned i = 0; i < READERS; i++) {
		readers[i].seed = i + 1;
		pthread_create(&readers[i].thread, NULL, work, &readers[i]);
	}
	while (atomic_load(&ready) < READERS)
		sched_yield();
	/* On a loaded machine readers may rest for all the rounds, and meet no other generation. */
	for (; gen < ROUNDS || atomic_load(&entered) < 4 * READERS; gen++) {
		tables_publish(generation(gen));
		if (gen % 8 == 0)
			sched_yield();
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < READERS; i++) {
		pthread_join(readers[i].thread, NULL);
		wrong += readers[i].wrong;
	}
	held = tables_collect();
	tables_shutdown();
	assert_int_equal(wrong, 0);
	assert_int_equal(held, 0);
	assert_int_equal(freed, gen - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(unpinned_generation_goes_at_once, reset),
		cmocka_unit_test_setup(shared_part_goes_with_its_last_generation, reset),
		cmocka_unit_test_setup(pinned_generation_stays_until_its_last_query, reset),
		cmocka_unit_test_setup(parts_that_are_only_live_wait_together, reset),
		cmocka_unit_test_setup(current_generation_is_held_without_queries, reset),
		cmocka_unit_test_setup(generations_may_be_dropped_in_any_order, reset),
		cmocka_unit_test_setup(every_worker_counts, reset),
		cmocka_unit_test_setup(readers_never_meet_a_freed_generation, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
