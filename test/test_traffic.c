/* Traffic rings: what was written is read, oldest first, and the oldest go first. Threads:
 * test_mt_traffic.c. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "rules/traffic.h"

static struct {
	uint64_t when_us[64];
	struct response_record last;
	size_t n;
} seen;

static void note(void *ctx, const struct response_record *r)
{
	(void)ctx;
	seen.when_us[seen.n++ % 64] = r->when_us;
	seen.last = *r;
}

static size_t visit(void)
{
	seen.n = 0;
	return traffic_visit(note, NULL);
}

static void write_record(struct traffic_ring *r, uint64_t when_us, const char *name,
			 uint8_t name_len)
{
	struct response_record *rec = traffic_begin(r);

	memset(rec, 0, sizeof(*rec));
	rec->when_us = when_us;
	rec->latency_us = TRAFFIC_TIMEOUT;
	rec->size = 512;
	rec->name_len = name_len;
	memcpy(rec->name, name, name_len);
	rec->client.v4.sin_family = AF_INET;
	rec->client.v4.sin_port = 99;
	traffic_commit(r);
}

static void ring_keeps_the_newest(void **state)
{
	struct traffic_ring *r = traffic_new(5); /* eight */

	(void)state;
	assert_int_equal(visit(), 0);
	traffic_register(r);
	assert_int_equal(visit(), 0);
	write_record(r, 1, "\3www\0", 5);
	assert_int_equal(visit(), 1);
	assert_int_equal(seen.last.when_us, 1);
	for (uint64_t i = 2; i <= 20; i++)
		write_record(r, i, "\3www\0", 5);
	assert_int_equal(visit(), 8);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(seen.when_us[i], 13 + i);
	traffic_unregister(r);
	assert_int_equal(visit(), 0);
	traffic_free(r);
}

static void rings_are_read_one_after_the_other(void **state)
{
	struct traffic_ring *a = traffic_new(2), *b = traffic_new(2);

	(void)state;
	traffic_register(a);
	traffic_register(b);
	write_record(b, 5, "", 0);
	write_record(a, 7, "", 0);
	write_record(a, 8, "", 0);
	assert_int_equal(visit(), 3);
	assert_int_equal(seen.when_us[0], 7);
	assert_int_equal(seen.when_us[1], 8);
	assert_int_equal(seen.when_us[2], 5);
	traffic_unregister(a);
	assert_int_equal(visit(), 1);
	traffic_unregister(b);
	traffic_free(a);
	traffic_free(b);
}

static void every_field_comes_back(void **state)
{
	struct traffic_ring *r = traffic_new(1);

	(void)state;
	traffic_register(r);
	for (unsigned len = 0; len <= DNS_NAME_MAX; len++) {
		char name[DNS_NAME_MAX];

		memset(name, (int)len, sizeof(name));
		write_record(r, len + 1, name, (uint8_t)len);
		assert_int_equal(visit(), 1);
		if (seen.last.when_us != len + 1 || seen.last.latency_us != TRAFFIC_TIMEOUT ||
		    seen.last.size != 512 || seen.last.client.v4.sin_port != 99 ||
		    seen.last.name_len != len || memcmp(seen.last.name, name, len) != 0)
			fail_msg("a name of %u octets comes back changed", len);
	}
	traffic_unregister(r);
	traffic_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ring_keeps_the_newest),
		cmocka_unit_test(rings_are_read_one_after_the_other),
		cmocka_unit_test(every_field_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
