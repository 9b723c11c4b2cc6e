/* Visiting, expunging and cleaning. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "test/cache_packets.h"

#define T0 1000000u

static void insert_for(struct cache *c, const char *name, uint16_t qtype, bool edns, bool over_udp)
{
	struct packet query = make_query(name, qtype, edns);
	struct packet answer = make_answer(&query, 0);
	struct cache_key key;

	if (edns)
		query.bytes[query.len - 4] |= 0x80; /* DO */
	add_record(&answer, 6, qtype, 300, "abcd", 4);
	make_key(c, &query, over_udp, &key);
	cache_insert(c, 0, &key, answer.bytes, answer.len, T0, UINT32_MAX);
}

struct seen {
	struct cache_entry_view e;
	uint8_t answer[512], key[512];
	unsigned n, stop_at;
};

static bool see(void *ctx, const struct cache_entry_view *e)
{
	struct seen *s = ctx;

	s->e = *e;
	memcpy(s->answer, e->answer, e->len);
	memcpy(s->key, e->key, e->key_len);
	s->n++;
	return s->n != s->stop_at;
}

static void a_visitor_sees_what_was_put_in(void **state)
{
	struct packet query = make_query("wWw.example.org.", TYPE_A, true);
	struct packet answer = make_answer(&query, DNS_AA);
	struct cache *c = new_default_cache(100);
	struct seen s = {.n = 0};
	struct cache_key key;

	query.bytes[query.len - 4] |= 0x80; /* DO */
	add_option(&query, EDNS_COOKIE, "01234567", 8);
	add_address(&answer, 300, 1);
	make_key(c, &query, true, &key);
	cache_insert(c, 0, &key, answer.bytes, answer.len, T0, UINT32_MAX);
	assert_int_equal(cache_visit(c, see, &s), 1);
	cache_unref(c);

	assert_int_equal(s.e.key_len, key.len);
	assert_memory_equal(s.key, key.bytes, key.len);
	assert_int_equal(s.e.hash, key.hash);
	assert_int_equal(s.e.len, answer.len);
	name_lower(answer.bytes + DNS_HEADER_LEN, answer.bytes + DNS_HEADER_LEN, key.name_len);
	msg_set_id(answer.bytes, 0);
	assert_memory_equal(s.answer, answer.bytes, answer.len);
	assert_int_equal(s.e.added_s, T0);
	assert_int_equal(s.e.expires_s, T0 + 300);
	assert_int_equal(s.e.query_flags, DNS_RD);
	assert_true(s.e.over_udp);
	assert_true(s.e.dnssec_ok);
	assert_int_equal(s.e.question.qtype, TYPE_A);
	assert_int_equal(s.e.question.qclass, CLASS_IN);
	assert_int_equal(s.e.question.name_len, key.name_len);
	assert_int_equal(s.e.question.end, DNS_HEADER_LEN + key.name_len + 4);
}

static void a_visitor_meets_everybody_and_may_leave(void **state)
{
	enum { N = 20000 };
	struct cache *c = new_default_cache(2 * N);
	struct seen s = {.n = 0};

	for (unsigned k = 0; k < N; k++)
		insert_numbered(c, "n", k, 300, T0);
	assert_int_equal(cache_visit(c, see, &s), cache_size(c));
	assert_int_equal(s.n, cache_size(c));
	assert_true(s.n > N - N / 100);
	s = (struct seen){.stop_at = 7};
	assert_int_equal(cache_visit(c, see, &s), 7);
	cache_unref(c);
}

static const struct {
	const char *label, *name;
	uint16_t qtype;
	bool under;
	unsigned removed;
} expunges[] = {
	{"one name", "www.example.org.", TYPE_ANY, false, 4},
	{"one name and type", "www.example.org.", TYPE_A, false, 3},
	{"one name and a type it has not", "www.example.org.", TYPE_NS, false, 0},
	{"a name that is not there", "wwx.example.org.", TYPE_ANY, false, 0},
	{"a name and what is below", "example.org.", TYPE_ANY, true, 5},
	{"the same of one type", "example.org.", TYPE_AAAA, true, 2},
	{"not what merely ends alike", "ample.org.", TYPE_ANY, true, 0},
	{"all", ".", TYPE_ANY, true, 7},
	{"the root alone", ".", TYPE_ANY, false, 1},
};

static void names_are_expunged(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(expunges); i++) {
		struct cache *c = new_default_cache(100);
		uint8_t name[DNS_NAME_MAX];
		int len = name_parse(expunges[i].name, name, NULL);
		size_t removed;

		insert_for(c, "www.example.org.", TYPE_A, false, true);
		insert_for(c, "www.example.org.", TYPE_A, false, false);
		insert_for(c, "www.example.org.", TYPE_A, true, true);
		insert_for(c, "www.example.org.", TYPE_AAAA, false, true);
		insert_for(c, "example.org.", TYPE_AAAA, false, true);
		insert_for(c, "badexample.org.", TYPE_A, false, true);
		insert_for(c, ".", TYPE_NS, false, true);
		removed = cache_expunge_name(c, name, (size_t)len, expunges[i].qtype,
					     expunges[i].under);
		if (removed != expunges[i].removed || cache_size(c) != 7 - expunges[i].removed)
			fail_msg("%s: %zu removed", expunges[i].label, removed);
		cache_unref(c);
	}
}

static void expunging_keeps_the_number_asked_for(void **state)
{
	static const size_t keeps[] = {20000, 9999, 5000, 5000, 1, 0};
	struct cache *c = new_default_cache(20000);

	for (unsigned k = 0; k < 10000; k++)
		insert_numbered(c, "n", k, 300, T0);
	for (size_t i = 0; i < ARRAY_LEN(keeps); i++) {
		size_t before = cache_size(c), want = before < keeps[i] ? before : keeps[i];

		assert_int_equal(cache_expunge(c, keeps[i]), before - want);
		assert_int_equal(cache_size(c), want);
	}
	cache_unref(c);
}

static const struct {
	const char *label;
	uint32_t now_s;
	size_t keep, left; /* of 500 that live 10 s, 500 that live 1000 s, 500 that live 4 days */
} cleanings[] = {
	{"nothing is expired", T0 + 9, 0, 1500},
	{"one third is", T0 + 10, 0, 1000},
	{"as long as more than so many are there", T0 + 10, 1200, 1200},
	{"fewer are there anyway", T0 + 10, 1500, 1500},
	{"two thirds are", T0 + 1000, 0, 500},
	{"one second before the last", T0 + 4 * 86400 - 1, 0, 500},
	{"all", T0 + 4 * 86400, 0, 0},
};

static void fill_three_kinds(struct cache *c)
{
	for (unsigned k = 0; k < 500; k++) {
		insert_numbered(c, "a", k, 10, T0);
		insert_numbered(c, "b", k, 1000, T0);
		insert_numbered(c, "c", k, 4 * 86400, T0);
	}
}

static struct cache *new_lasting_cache(void)
{
	struct cache_options o;
	struct err err;

	cache_options_default(&o, 30000); /* several shards */
	o.max_ttl_s = UINT32_MAX;
	return cache_new(&o, &err);
}

static void expired_entries_are_cleaned(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cleanings); i++) {
		struct cache *c = new_lasting_cache();
		size_t removed = 0;
		struct cache_stats stats;

		fill_three_kinds(c);
		for (unsigned worker = 0; worker < 3; worker++)
			removed += cache_clean(c, worker, 3, cleanings[i].now_s, cleanings[i].keep,
					       SIZE_MAX);
		cache_stats(c, &stats);
		if (cache_size(c) != cleanings[i].left || removed != 1500 - cleanings[i].left)
			fail_msg("%s: %zu left", cleanings[i].label, cache_size(c));
		assert_int_equal(stats.cleanup_count, 1);
		assert_int_equal(stats.evictions, 0);
		cache_unref(c);
	}
}

static void cleaning_goes_in_steps(void **state)
{
	struct cache *c = new_lasting_cache();
	struct cache_stats stats;

	fill_three_kinds(c);
	for (size_t left = 500; left >= 200; left -= 200) {
		assert_int_equal(cache_clean(c, 0, 1, T0 + 10, 0, 200), 200);
		assert_int_equal(cache_size(c), 1000 + left - 200);
	}
	assert_int_equal(cache_clean(c, 0, 1, T0 + 10, 0, 200), 100);
	cache_stats(c, &stats);
	assert_int_equal(stats.cleanup_count, 1);
	cache_unref(c);
}

static void expired_entries_are_purged(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cleanings); i++) {
		struct cache *c = new_lasting_cache();
		size_t removed;

		fill_three_kinds(c);
		/* looked over before, so that what the buckets know of expiry is not fresh */
		cache_purge_expired(c, 0, T0 + 5);
		removed = cache_purge_expired(c, cleanings[i].keep, cleanings[i].now_s);
		if (cache_size(c) != cleanings[i].left || removed != 1500 - cleanings[i].left)
			fail_msg("%s: %zu left", cleanings[i].label, cache_size(c));
		cache_unref(c);
	}
}

/* The monotonic clock starts at the machine's start, and 32 bits may wrap in a test if nowhere
 * else. */
static void times_may_wrap(void **state)
{
	static const uint32_t starts[] = {0, 1, UINT32_MAX - 50, UINT32_MAX};

	for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
		struct cache *c = new_default_cache(100);

		insert_numbered(c, "n", 0, 100, starts[i]);
		assert_int_equal(cache_purge_expired(c, 0, starts[i] + 99), 0);
		assert_true(hits_numbered(c, "n", 0, starts[i] + 99));
		assert_false(hits_numbered(c, "n", 0, starts[i] + 100));
		assert_int_equal(cache_purge_expired(c, 0, starts[i] + 100), 1);
		cache_unref(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_visitor_sees_what_was_put_in),
		cmocka_unit_test(a_visitor_meets_everybody_and_may_leave),
		cmocka_unit_test(names_are_expunged),
		cmocka_unit_test(expunging_keeps_the_number_asked_for),
		cmocka_unit_test(expired_entries_are_cleaned),
		cmocka_unit_test(cleaning_goes_in_steps),
		cmocka_unit_test(expired_entries_are_purged),
		cmocka_unit_test(times_may_wrap),
	};

	hash_init(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
