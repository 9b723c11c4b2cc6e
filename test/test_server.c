/* Servers: slots, who frees them, their latency, limit and texts. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/dns/name.h"
#include "pools/server.h"

static unsigned n_freed;

static void count_freed(struct server *s)
{
	n_freed++;
}

static int start(void **state)
{
	n_freed = 0;
	servers_on_free(count_freed);
	return 0;
}

static int end(void **state)
{
	servers_on_free(NULL);
	return 0;
}

static struct server *server_at(const char *addr)
{
	struct server_fixed fixed;

	server_fixed_default(&fixed);
	addr_parse(addr, 53, &fixed.addr, NULL);
	return server_new(&fixed);
}

static void slots_are_the_lowest_free_ones(void **state)
{
	struct server *a = server_at("192.0.2.1"), *b = server_at("192.0.2.2");
	struct server *c = server_at("192.0.2.3");

	assert_int_equal(a->slot, 0);
	assert_int_equal(c->slot, 2);
	assert_int_equal(server_slots(), 3);
	server_unref(b);
	assert_int_equal(server_slots(), 3);
	b = server_at("192.0.2.4");
	assert_int_equal(b->slot, 1);
	server_unref(b);
	server_unref(c);
	assert_int_equal(server_slots(), 1);
	server_unref(a);
	assert_int_equal(server_slots(), 0);
	assert_int_equal(n_freed, 4);
}

static void a_slot_is_not_reused_while_a_worker_has_its_server(void **state)
{
	struct server *old = server_at("192.0.2.1"), *next;

	atomic_fetch_add(&old->users, 1);
	server_unref(old);
	servers_collect();
	assert_int_equal(n_freed, 0);
	next = server_at("192.0.2.2");
	assert_int_equal(next->slot, 1);

	atomic_fetch_sub(&old->users, 1);
	servers_collect();
	assert_int_equal(n_freed, 1);
	servers_collect();
	assert_int_equal(n_freed, 1);
	server_unref(next);
	assert_int_equal(server_slots(), 0);
}

static void references_keep_a_server(void **state)
{
	struct server *s = server_at("192.0.2.1");

	server_unref(server_ref(s));
	assert_int_equal(n_freed, 0);
	server_unref(s);
	assert_int_equal(n_freed, 1);
}

/* What a double would give, within what 16 bits of fraction lose. */
static void latency_is_a_moving_average_from_0(void **state)
{
	static const uint32_t samples[] = {100, 1, 0, 30, 255000000, 12, 12, 1000000};
	struct server *s = server_at("192.0.2.1");
	struct server_counters *c = perworker_get(&s->counters, 3);
	double want = 0;

	for (unsigned round = 0; round < 500; round++) {
		uint32_t us = samples[round % ARRAY_LEN(samples)];

		want = want * 127 / 128 + us / 128.0;
		server_count_latency(s, c, false, us);
		if (fabs(server_worker_latency_us(s, 3, false) - want) > 0.01)
			fail_msg("after %u samples: %f, not %f", round + 1,
				 server_worker_latency_us(s, 3, false), want);
	}
	assert_true(server_latency_us(s, true) == 0);
	server_count_latency(s, c, true, 1280);
	assert_true(server_latency_us(s, true) == 10);
	server_unref(s);
}

static void small_latencies_are_not_lost_to_rounding(void **state)
{
	struct server *s = server_at("192.0.2.1");
	struct server_counters *c = perworker_get(&s->counters, 0);

	for (unsigned i = 0; i < 3000; i++)
		server_count_latency(s, c, false, 20);
	assert_true(fabs(server_latency_us(s, false) - 20) < 0.01);
	server_unref(s);
}

static void the_mean_over_workers_is_weighted_by_samples(void **state)
{
	struct server *s = server_at("192.0.2.1");

	assert_true(server_latency_us(s, false) == 0);
	for (unsigned i = 0; i < 3; i++)
		server_count_latency(s, perworker_get(&s->counters, 0), false, 0);
	server_count_latency(s, perworker_get(&s->counters, 1), false, 12800);
	assert_true(fabs(server_latency_us(s, false) - 25) < 0.001);
	assert_true(server_worker_latency_us(s, 2, false) == 0);
	server_unref(s);
}

static void a_reset_forgets_all_workers_at_once(void **state)
{
	struct server *s = server_at("192.0.2.1");
	struct server_counters *a = perworker_get(&s->counters, 0);
	struct server_counters *b = perworker_get(&s->counters, 1);

	server_count_latency(s, a, false, 12800);
	server_count_latency(s, b, false, 25600);
	server_count_latency(s, b, true, 25600);
	server_reset_latency(s);
	assert_true(server_latency_us(s, false) == 0);
	assert_true(server_latency_us(s, true) == 0);
	assert_true(server_worker_latency_us(s, 0, false) == 0);
	server_count_latency(s, a, false, 1280);
	assert_true(server_latency_us(s, false) == 10);
	assert_true(server_latency_us(s, true) == 0);
	server_unref(s);
}

static void counters_are_summed_over_workers(void **state)
{
	struct server *s = server_at("192.0.2.1");
	struct server_counters *a = perworker_get(&s->counters, 0);
	struct server_counters *b = perworker_get(&s->counters, WORKERS_MAX);

	counter_add(&a->queries, 5);
	counter_add(&b->queries, 7);
	assert_int_equal(server_sum(s, offsetof(struct server_counters, queries)), 12);
	assert_int_equal(server_sum(s, offsetof(struct server_counters, drops)), 0);
	server_unref(s);
}

static const struct {
	const char *label;
	enum server_force force;
	bool up;
	uint32_t max_outstanding, outstanding;
	const char *text;
	bool is_up, is_usable;
} states[] = {
	{"automatic, up", SERVER_AUTO, true, 0, 9, "up", true, true},
	{"automatic, down", SERVER_AUTO, false, 0, 0, "down", false, false},
	{"forced up", SERVER_FORCED_UP, false, 0, 0, "UP", true, true},
	{"forced down", SERVER_FORCED_DOWN, true, 0, 0, "DOWN", false, false},
	{"room for one more", SERVER_AUTO, true, 2, 1, "up", true, true},
	{"at its bound", SERVER_AUTO, true, 2, 2, "up", true, false},
	{"forced up, at its bound", SERVER_FORCED_UP, true, 2, 2, "UP", true, false},
};

static void states_are_told(void **state)
{
	struct server_def *d = server_def_new();

	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		struct server *s = server_at("192.0.2.1");

		d->force = states[i].force;
		atomic_store(&s->up, states[i].up);
		s->fixed.max_outstanding = states[i].max_outstanding;
		atomic_store(&s->outstanding, states[i].outstanding);
		if (strcmp(server_state_text(s, d), states[i].text) != 0 ||
		    server_is_up(s, d) != states[i].is_up ||
		    server_is_usable(s, d) != states[i].is_usable)
			fail_msg("%s: said to be %s", states[i].label, server_state_text(s, d));
		server_unref(s);
	}
	server_def_unref(d);
}

static void names_come_with_addresses(void **state)
{
	struct server *s = server_at("[2001:db8::1]:5300");
	struct server_def *d = server_def_new();
	char out[512];

	assert_string_equal(server_name_with_addr(s, d, out, sizeof(out)), "[2001:db8::1]:5300");
	free(d->name);
	d->name = strdup("quad");
	assert_string_equal(server_name_with_addr(s, d, out, sizeof(out)),
			    "quad ([2001:db8::1]:5300)");
	server_def_unref(d);
	server_unref(s);
}

static void a_query_takes_a_token_of_the_limit(void **state)
{
	struct server *s = server_at("192.0.2.1");
	struct server_def *d = server_def_new();
	const uint64_t now_us = 5000000;

	for (unsigned i = 0; i < 100; i++)
		assert_true(server_take_qps(s, d, now_us));
	d->qps = 2;
	assert_true(server_has_qps(s, d, now_us));
	assert_true(server_take_qps(s, d, now_us));
	assert_true(server_take_qps(s, d, now_us));
	assert_false(server_has_qps(s, d, now_us));
	assert_false(server_take_qps(s, d, now_us));
	assert_true(server_take_qps(s, d, now_us + 600000));
	d->qps = UINT32_MAX;
	assert_true(server_has_qps(s, d, now_us + 600000));
	server_def_unref(d);
	server_unref(s);
}

static void definitions_are_copied_whole(void **state)
{
	struct server_def *d = server_def_new(), *copy;

	assert_int_equal(d->weight, 1);
	assert_int_equal(d->order, 1);
	d->weight = 7;
	free(d->name);
	d->name = strdup("one");
	copy = server_def_clone(server_def_ref(d));
	assert_int_equal(d->refs, 2);
	assert_int_equal(copy->refs, 1);
	assert_int_equal(copy->weight, 7);
	server_def_unref(d);
	server_def_unref(d);
	assert_string_equal(copy->name, "one");
	server_def_unref(copy);
}

static void the_probe_asks_for_a_root_server_by_default(void **state)
{
	struct server_fixed f;
	char text[DNS_NAME_TEXT_MAX];

	server_fixed_default(&f);
	assert_string_equal(name_text(f.check_name, f.check_name_len, text), "a.root-servers.net.");
	assert_int_equal(f.check_type, TYPE_A);
	assert_int_equal(f.check_class, CLASS_IN);
	assert_int_equal(f.retries, 5);
	assert_int_equal(f.sockets, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(slots_are_the_lowest_free_ones),
		TEST(a_slot_is_not_reused_while_a_worker_has_its_server),
		TEST(references_keep_a_server),
		TEST(latency_is_a_moving_average_from_0),
		TEST(small_latencies_are_not_lost_to_rounding),
		TEST(the_mean_over_workers_is_weighted_by_samples),
		TEST(a_reset_forgets_all_workers_at_once),
		TEST(counters_are_summed_over_workers),
		TEST(states_are_told),
		TEST(names_come_with_addresses),
		TEST(a_query_takes_a_token_of_the_limit),
		TEST(definitions_are_copied_whole),
		TEST(the_probe_asks_for_a_root_server_by_default),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
