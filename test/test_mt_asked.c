/* Queries are read while workers note them and while counting goes on and off: none is torn, none
 * is forgotten, and the sanitizer sees no race. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>

#include "rules/asked.h"
#include "test/traffic_fixture.h"

#define WRITERS 2
#define EACH    200000

static struct {
	_Atomic uint64_t tried[WRITERS]; /* while it was on */
	_Atomic unsigned left;
} done;

struct found {
	uint64_t n, torn;
	uint64_t last[WRITERS];
};

static void *writer(void *arg)
{
	unsigned id = (unsigned)(uintptr_t)arg;
	struct addr local = sample_addr("192.0.2.53:53");
	struct asked_queues *a;
	struct sampled s;

	sampled_make(&s, &(struct sample){0});
	s.q.client.v4.sin_port = (in_port_t)id;
	rcu_join();
	for (uint64_t n = 1; n <= EACH; n++) {
		s.q.question.qtype = (uint16_t)n;
		s.q.len = s.q.question.end = (uint16_t)(DNS_HEADER_LEN + 1 + n % 200);
		memset(s.packet + DNS_HEADER_LEN, (uint8_t)n, n % 200 + 1);
		a = rcu_get(asked_live);
		if (a != NULL) {
			counter_inc(&done.tried[id]);
			asked_put(a, id, &s.q, &local, n);
		}
		rcu_quiet();
	}
	rcu_leave();
	atomic_fetch_sub(&done.left, 1);
	return NULL;
}

static bool check(void *ctx, const struct asked *a)
{
	struct found *f = ctx;
	unsigned id = a->client.v4.sin_port;
	bool whole = id < WRITERS && a->question.qtype == (uint16_t)a->when_us &&
		     a->len == DNS_HEADER_LEN + 1 + a->when_us % 200;

	for (unsigned i = DNS_HEADER_LEN; whole && i < a->len; i++)
		whole = a->packet[i] == (uint8_t)a->when_us;
	if (whole) {
		whole = a->when_us > f->last[id];
		f->last[id] = a->when_us;
	}
	f->torn += !whole;
	f->n++;
	return true;
}

static void none_is_torn_or_forgotten(void **state)
{
	struct found f = {0};
	pthread_t threads[WRITERS];
	uint64_t lost;

	asked_start(WRITERS, NULL);
	asked_follow(true, false);
	atomic_store(&done.left, WRITERS);
	for (uintptr_t i = 0; i < WRITERS; i++)
		pthread_create(&threads[i], NULL, writer, (void *)i);
	for (unsigned i = 0; atomic_load(&done.left) > 0; i++) {
		asked_follow(i % 64 < 60, i % 3 == 0);
		asked_read(check, &f);
	}
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	asked_follow(false, false);
	asked_read(check, &f);
	lost = asked_lost();
	asked_stop();
	assert_int_equal(f.torn, 0);
	assert_true(f.n > 0);
	assert_int_equal(f.n + lost, counter_get(&done.tried[0]) + counter_get(&done.tried[1]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(none_is_torn_or_forgotten)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
