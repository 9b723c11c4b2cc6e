/* Workers look up and count while the control thread adds, extends, purges and clears. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/hash.h"
#include "core/rcu.h"
#include "rules/dynblocks.h"

#define READERS 2
#define KEPT    40 /* below LINE of a sum, always there */
#define PASSING 12000
#define NOW     UINT64_C(1000000000)
#define SECOND  UINT64_C(1000000)

static atomic_bool stop;
static atomic_uint ready;

struct reader {
	pthread_t thread;
	unsigned id;
	uint64_t asked, missed, invented, mixed;
	uint64_t counted[KEPT];
};

static struct addr nth(uint32_t n)
{
	struct addr a = {.v6 = {.sin6_family = AF_INET6}};

	for (unsigned i = 0; i < 4; i++) {
		a.v6.sin6_addr.s6_addr[2 + i] = (uint8_t)(n >> 8 * i);
		a.v6.sin6_addr.s6_addr[12 + i] = (uint8_t)(n >> 8 * i);
	}
	return a;
}

static size_t nth_name(uint32_t n, uint8_t name[static DNS_NAME_MAX])
{
	char text[32];

	snprintf(text, sizeof(text), "n%u.test", n);
	return (size_t)name_parse(text, name, NULL);
}

/* A cause is read whole: its texts are of one block. */
static bool is_mixed(const struct dynblock_cause *c)
{
	return strcmp(c->text, dynblock_tag_name(c)) != 0 ||
	       strcmp(c->text, dynblock_tag_value(c)) != 0;
}

static void look_at(struct reader *r, uint32_t i)
{
	struct addr kept = nth(i), never = nth(PASSING + KEPT + i), passing = nth(KEPT + i * 7);
	struct dynblock_hit hit;
	uint8_t name[DNS_NAME_MAX];
	size_t len;

	dynblocks_prefetch(&passing);
	dynblocks_prefetch_block(&passing);
	if (dynblocks_find_address(&kept, NOW, &hit)) {
		r->mixed += is_mixed(hit.cause);
		r->counted[i]++;
		dynblocks_hit(&hit, r->id);
	} else {
		r->missed++;
	}
	r->invented += dynblocks_find_address(&never, NOW, &hit);
	if (dynblocks_find_address(&passing, NOW, &hit)) {
		r->mixed += is_mixed(hit.cause);
		dynblocks_hit(&hit, r->id);
	}
	len = nth_name(i, name);
	if (dynblocks_find_name(name, len, NOW, &hit))
		r->mixed += is_mixed(hit.cause);
	else
		r->missed++;
	r->asked++;
}

static void *look(void *arg)
{
	struct reader *r = arg;

	rcu_join();
	dynblocks_worker_begin(r->id);
	atomic_fetch_add(&ready, 1);
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		for (uint32_t i = 0; i < KEPT; i++)
			look_at(r, i);
		rcu_quiet();
	}
	rcu_leave();
	return NULL;
}

static void start(struct reader readers[static READERS])
{
	atomic_store(&stop, false);
	atomic_store(&ready, 0);
	for (unsigned i = 0; i < READERS; i++) {
		readers[i].id = i;
		pthread_create(&readers[i].thread, NULL, look, &readers[i]);
	}
	while (atomic_load(&ready) < READERS)
		sched_yield();
}

static void end(struct reader readers[static READERS])
{
	atomic_store(&stop, true);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(readers[i].thread, NULL);
}

static int add(struct dynblock_new *new, uint32_t reason, uint32_t seconds)
{
	struct err err;
	char text[16];

	snprintf(text, sizeof(text), "%u", reason);
	new->reason = new->tag_name = new->tag_value = text;
	new->seconds = seconds;
	new->quiet = true;
	new->action = DNS_ACTION_SET_TAG;
	return dynblocks_add(new, &err);
}

static void add_addr(uint32_t n, uint32_t reason, uint32_t seconds)
{
	struct dynblock_new new = {.addr = nth(n), .bits = 128};

	add(&new, reason, seconds);
}

static void add_name(uint32_t n, uint32_t reason, uint32_t seconds)
{
	uint8_t name[DNS_NAME_MAX];
	struct dynblock_new new = {.name = name, .name_len = nth_name(n, name)};

	add(&new, reason, seconds);
}

static uint64_t blocks[KEPT];

static void note(void *ctx, const struct dynblock_view *b)
{
	for (uint32_t i = 0; i < KEPT; i++) {
		struct addr a = nth(i);

		if (memcmp(&a.v6.sin6_addr, &b->addr.v6.sin6_addr, 16) == 0)
			blocks[i] = b->blocks;
	}
}

static void begin(void)
{
	hash_init(7);
	clock_fake(NOW, 1700000000);
	dynblocks_start();
}

static void nothing_kept_is_missed_and_all_is_counted(void **state)
{
	static struct reader readers[READERS];
	uint64_t want[KEPT] = {0};

	(void)state;
	begin();
	for (uint32_t i = 0; i < KEPT; i++) {
		add_addr(i, i, 1000);
		add_name(i, i, 1000);
	}
	start(readers);
	for (uint32_t i = KEPT; i < KEPT + PASSING; i++) {
		add_addr(i, i, 1 + i % 3);
		add_name(i, i, 1 + i % 3);
		add_addr(i % KEPT, i, 1000);
		add_name(i % KEPT, i, 1000);
		if (i % 500 == 0) {
			clock_fake_advance(2 * SECOND);
			dynblocks_tick(clock_mono_us(), 1);
		}
	}
	dynblocks_visit(DYNBLOCK_ADDRESS, note, NULL);
	end(readers);
	dynblocks_visit(DYNBLOCK_ADDRESS, note, NULL);
	dynblocks_stop();
	clock_fake_end();
	for (unsigned r = 0; r < READERS; r++) {
		assert_int_equal(readers[r].missed, 0);
		assert_int_equal(readers[r].invented, 0);
		assert_int_equal(readers[r].mixed, 0);
		assert_true(readers[r].asked > 0);
		for (unsigned i = 0; i < KEPT; i++)
			want[i] += readers[r].counted[i];
	}
	for (unsigned i = 0; i < KEPT; i++)
		assert_int_equal(blocks[i], want[i]);
}

static void cleared_under_readers(void **state)
{
	static struct reader readers[READERS];

	(void)state;
	begin();
	start(readers);
	for (uint32_t round = 0; round < 200; round++) {
		for (uint32_t i = 0; i < 2 * KEPT; i++) {
			add_addr(i, round, 1000);
			add_name(i, round, 1000);
		}
		dynblocks_begin();
		if (round % 2)
			dynblocks_clear();
		for (uint32_t i = 0; i < 3 * KEPT; i++)
			add_addr(i, round + 1, 1001);
		dynblocks_end(round % 3 != 0);
		dynblocks_clear();
	}
	end(readers);
	assert_int_equal(dynblocks_count(DYNBLOCK_ADDRESS), 0);
	assert_false(dynblocks_present_now());
	dynblocks_stop();
	clock_fake_end();
	for (unsigned i = 0; i < READERS; i++) {
		assert_int_equal(readers[i].invented, 0);
		assert_int_equal(readers[i].mixed, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_kept_is_missed_and_all_is_counted),
		cmocka_unit_test(cleared_under_readers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
