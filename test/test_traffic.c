/* Traffic rings: what was noted is read, oldest first, and the oldest go first. Threads:
 * test_mt_traffic.c. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "test/traffic_fixture.h"

static struct {
	uint64_t when_us[64];
	struct traffic_record last;
	size_t n;
} seen;

static void see(void *ctx, const struct traffic_record *r)
{
	(void)ctx;
	seen.when_us[seen.n++ % 64] = r->when_us;
	seen.last = *r;
}

static size_t visit(enum traffic_kind kind)
{
	seen.n = 0;
	return traffic_visit(kind, see, NULL);
}

static void write_at(struct traffic_ring *r, uint64_t when_us)
{
	note_query(r, &(struct sample){.when_us = when_us});
}

static void ring_keeps_the_newest_and_no_more_than_it_is_for(void **state)
{
	struct traffic_ring *r = traffic_new(TRAFFIC_QUERIES, 5, 0);

	(void)state;
	assert_int_equal(visit(TRAFFIC_QUERIES), 0);
	traffic_register(r);
	assert_int_equal(visit(TRAFFIC_QUERIES), 0);
	write_at(r, 1);
	assert_int_equal(visit(TRAFFIC_QUERIES), 1);
	assert_int_equal(seen.last.when_us, 1);
	for (uint64_t n = 2; n <= 23; n++) {
		write_at(r, n);
		assert_int_equal(visit(TRAFFIC_QUERIES), n < 5 ? n : 5);
		for (unsigned i = 0; i < seen.n; i++)
			assert_int_equal(seen.when_us[i], n - seen.n + 1 + i);
	}
	assert_int_equal(visit(TRAFFIC_ANSWERS), 0);
	traffic_unregister(r);
	assert_int_equal(visit(TRAFFIC_QUERIES), 0);
	traffic_free(r);
}

static void ring_of_one_keeps_the_last(void **state)
{
	struct traffic_ring *r = traffic_new(TRAFFIC_QUERIES, 1, 1);

	(void)state;
	traffic_register(r);
	for (uint64_t n = 1; n < 9; n++) {
		write_at(r, n);
		assert_int_equal(visit(TRAFFIC_QUERIES), 1);
		assert_int_equal(seen.last.when_us, n);
	}
	traffic_unregister(r);
	traffic_free(r);
}

/* Also what was written over, and sampled out is not. */
static void what_was_noted_is_counted_by_kind(void **state)
{
	struct traffic_ring *a = traffic_new(TRAFFIC_QUERIES, 2, 0);
	struct traffic_ring *b = traffic_new(TRAFFIC_QUERIES, 3, 2);
	uint64_t room;

	(void)state;
	assert_int_equal(traffic_noted(TRAFFIC_QUERIES, &room), 0);
	assert_int_equal(room, 0);
	traffic_register(a);
	traffic_register(b);
	for (unsigned i = 1; i <= 6; i++) {
		write_at(a, i);
		write_at(b, i);
	}
	assert_int_equal(traffic_noted(TRAFFIC_QUERIES, &room), 6 + 3);
	assert_int_equal(room, 2 + 3);
	assert_int_equal(traffic_noted(TRAFFIC_ANSWERS, &room), 0);
	assert_int_equal(room, 0);
	traffic_unregister(b);
	assert_int_equal(traffic_noted(TRAFFIC_QUERIES, &room), 6);
	traffic_unregister(a);
	traffic_free(a);
	traffic_free(b);
}

static void rings_are_read_one_after_the_other_by_kind(void **state)
{
	struct traffic_ring *a = traffic_new(TRAFFIC_QUERIES, 2, 0);
	struct traffic_ring *b = traffic_new(TRAFFIC_QUERIES, 2, 0);
	struct traffic_ring *c = traffic_new(TRAFFIC_ANSWERS, 2, 0);

	(void)state;
	traffic_register(a);
	traffic_register(c);
	traffic_register(b);
	write_at(b, 5);
	write_at(a, 7);
	write_at(a, 8);
	note_answer(c, &(struct sample){.when_us = 9});
	assert_int_equal(visit(TRAFFIC_QUERIES), 3);
	assert_int_equal(seen.when_us[0], 7);
	assert_int_equal(seen.when_us[1], 8);
	assert_int_equal(seen.when_us[2], 5);
	assert_int_equal(visit(TRAFFIC_ANSWERS), 1);
	assert_int_equal(seen.last.when_us, 9);
	assert_int_equal(seen.last.kind, TRAFFIC_ANSWERS);
	traffic_unregister(a);
	assert_int_equal(visit(TRAFFIC_QUERIES), 1);
	traffic_unregister(b);
	traffic_unregister(c);
	traffic_unregister(NULL);
	traffic_free(a);
	traffic_free(b);
	traffic_free(c);
	traffic_free(NULL);
}

static void sampling_keeps_one_of_so_many(void **state)
{
	static const struct {
		uint32_t sampling;
		size_t want;
		uint64_t last;
	} cases[] = {{0, 60, 60}, {1, 60, 60}, {2, 30, 59}, {7, 9, 57}, {60, 1, 1}, {1000, 1, 1}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct traffic_ring *r = traffic_new(TRAFFIC_QUERIES, 100, cases[i].sampling);
		size_t n;

		traffic_register(r);
		for (uint64_t when = 1; when <= 60; when++)
			write_at(r, when);
		n = visit(TRAFFIC_QUERIES);
		traffic_unregister(r);
		traffic_free(r);
		if (n != cases[i].want || seen.last.when_us != cases[i].last)
			fail_msg("1 of %u: %zu, the last at %llu", cases[i].sampling, n,
				 (unsigned long long)seen.last.when_us);
	}
}

#define LABEL63 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg."

static const struct {
	const char *label;
	struct sample s;
} entries[] = {
	{"nothing special", {.when_us = 1}},
	{"the latest time", {.when_us = (UINT64_C(1) << 48) - 1}},
	{"the root", {.name = "."}},
	{"all of the header",
	 {.id = 65535, .flags = 0xffff & ~DNS_QR, .size = 65535, .answers = 65535}},
	{"type and protocol", {.qtype = 65535, .proto = PROTO_DOH}},
	{"DoT", {.proto = PROTO_DOT}},
	{"IPv6", {.client = "[2001:db8::1234:5678]:65535", .id = 0x1234}},
	{"link-local", {.client = "fe80::1%lo"}},
	{"a server", {.server = "192.0.2.53:5353", .latency_us = 123456}},
	{"a server by IPv6", {.server = "[2001:db8::53]:5353", .latency_us = TRAFFIC_TIMEOUT}},
	{"a server by link-local", {.server = "fe80::53%lo"}},
	{"letter case", {.name = "wWw.ExAmPlE."}},
	{"all that can be long is",
	 {.name = LABEL63 LABEL63 LABEL63
	  "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff0.",
	  .client = "[2001:db8::1]:1",
	  .server = "[2001:db8::2]:2",
	  .latency_us = 7}},
};

/* Memory behind the addresses' family's part is not compared. */
static bool same(const struct traffic_record *got, const struct sampled *want,
		 const struct sample *from)
{
	bool is_answer = got->kind == TRAFFIC_ANSWERS;
	uint16_t flags =
		(uint16_t)(want->q.flags |
			   (is_answer && from->latency_us != TRAFFIC_TIMEOUT ? DNS_QR : 0));
	bool has_server = is_answer && from->server != NULL;

	return got->when_us == from->when_us && got->id == from->id && got->flags == flags &&
	       got->size == (is_answer ? from->size : want->q.len) &&
	       got->answers == (is_answer ? from->answers : 0) &&
	       got->qtype == want->q.question.qtype && got->proto == from->proto &&
	       got->latency_us == (has_server ? from->latency_us : 0) &&
	       addr_equal(&got->client, &want->q.client) &&
	       (has_server ? addr_equal(&got->server, &want->server)
			   : got->server.sa.sa_family == AF_UNSPEC) &&
	       got->name_len == want->q.question.name_len &&
	       memcmp(got->name, want->packet + DNS_HEADER_LEN, got->name_len) == 0;
}

static void every_field_comes_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
		for (enum traffic_kind kind = 0; kind < TRAFFIC_KINDS; kind++) {
			struct traffic_ring *r = traffic_new(kind, 3, 0);
			struct sampled want;

			sampled_make(&want, &entries[i].s);
			traffic_register(r);
			(kind == TRAFFIC_QUERIES ? note_query : note_answer)(r, &entries[i].s);
			assert_int_equal(visit(kind), 1);
			traffic_unregister(r);
			traffic_free(r);
			if (!same(&seen.last, &want, &entries[i].s))
				fail_msg("%s: %s comes back changed", entries[i].label,
					 kind == TRAFFIC_QUERIES ? "a query" : "an answer");
		}
	}
}

/* Names that end before, at, and behind the end of an entry's line. */
static void names_of_all_lengths_come_back(void **state)
{
	struct traffic_ring *r = traffic_new(TRAFFIC_QUERIES, 4, 0);
	struct sampled s;

	(void)state;
	sampled_make(&s, &(struct sample){0});
	traffic_register(r);
	for (unsigned len = 0; len <= DNS_NAME_MAX; len++) {
		for (unsigned i = 0; i < len; i++)
			s.packet[DNS_HEADER_LEN + i] = (uint8_t)(i * 7 + len);
		s.q.question.name_len = (uint16_t)len;
		traffic_note_query(r, &s.q, len + 1);
		visit(TRAFFIC_QUERIES);
		if (seen.last.when_us != len + 1 || seen.last.name_len != len ||
		    memcmp(seen.last.name, s.packet + DNS_HEADER_LEN, len) != 0)
			fail_msg("a name of %u octets comes back changed", len);
	}
	traffic_unregister(r);
	traffic_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ring_keeps_the_newest_and_no_more_than_it_is_for),
		cmocka_unit_test(ring_of_one_keeps_the_last),
		cmocka_unit_test(rings_are_read_one_after_the_other_by_kind),
		cmocka_unit_test(what_was_noted_is_counted_by_kind),
		cmocka_unit_test(sampling_keeps_one_of_so_many),
		cmocka_unit_test(every_field_comes_back),
		cmocka_unit_test(names_of_all_lengths_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
