/* Reading rings while their owners write over them: no torn record is seen, and the sanitizer sees
 * no race. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include "test/traffic_fixture.h"

#define WRITERS 2

static atomic_bool stop;

/* Every field of an entry says the same number. */
static void *writer(void *ring)
{
	struct sampled s;

	sampled_make(&s, &(struct sample){0});
	for (uint64_t n = 1; !atomic_load_explicit(&stop, memory_order_relaxed); n++) {
		s.q.len = s.q.id = s.q.question.qtype = (uint16_t)n;
		s.q.question.name_len = (uint8_t)n;
		s.q.client.v4.sin_addr.s_addr = (uint32_t)n;
		memset(s.packet + DNS_HEADER_LEN, (uint8_t)n, (uint8_t)n);
		traffic_note_query(ring, &s.q, n);
	}
	return NULL;
}

static struct {
	uint64_t torn, read;
} found;

static void check(void *ctx, const struct traffic_record *r)
{
	uint64_t n = r->when_us;
	bool whole = r->client.v4.sin_addr.s_addr == (uint32_t)n && r->size == (uint16_t)n &&
		     r->qtype == (uint16_t)n && r->id == (uint16_t)n && r->name_len == (uint8_t)n;

	(void)ctx;
	for (unsigned i = 0; whole && i < r->name_len; i++)
		whole = r->name[i] == (uint8_t)n;
	found.torn += !whole;
	found.read++;
}

static void no_torn_record_is_seen(void **state)
{
	struct traffic_ring *rings[WRITERS];
	pthread_t threads[WRITERS];

	(void)state;
	for (unsigned i = 0; i < WRITERS; i++) {
		rings[i] = traffic_new(TRAFFIC_QUERIES, 61,
				       0); /* small, so that reader and writer meet */
		traffic_register(rings[i]);
		pthread_create(&threads[i], NULL, writer, rings[i]);
	}
	for (unsigned i = 0; i < 100000000 && found.read < 100000; i++) /* the bound: a test ends */
		traffic_visit(TRAFFIC_QUERIES, check, NULL);
	atomic_store(&stop, true);
	for (unsigned i = 0; i < WRITERS; i++) {
		pthread_join(threads[i], NULL);
		traffic_unregister(rings[i]);
		traffic_free(rings[i]);
	}
	assert_int_equal(found.torn, 0);
	assert_true(found.read > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(no_torn_record_is_seen)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
