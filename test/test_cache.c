/* What is kept, for how long, and what the copy that leaves looks like. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "test/cache_packets.h"

#define T0 1000000u /* when things are inserted */

static const uint8_t soa[] = "\0\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5";

static struct cache *new_cache(const struct cache_options *o)
{
	struct err err = {""};
	struct cache *c = cache_new(o, &err);

	if (c == NULL)
		fail_msg("%s", err.text);
	return c;
}

static enum cache_result ask_at(struct cache *c, const struct packet *query, uint32_t now_s,
				uint32_t stale_s, struct packet *out)
{
	const struct cache_ask ask = {
		.now_s = now_s,
		.stale_s = stale_s,
		.id = msg_id(query->bytes),
		.flags = msg_flags(query->bytes),
		.name = query->bytes + DNS_HEADER_LEN,
		.count = true,
	};
	struct cache_key key;

	make_key(c, query, true, &key);
	return cache_lookup(c, 0, &key, &ask, out->bytes, sizeof(out->bytes), &out->len);
}

static void insert_for(struct cache *c, const struct packet *query, const struct packet *answer,
		       uint32_t now_s)
{
	struct cache_key key;

	make_key(c, query, true, &key);
	cache_insert(c, 0, &key, answer->bytes, answer->len, now_s, UINT32_MAX);
}

/* Lifetime 0: not kept. */
static const struct {
	const char *label;
	unsigned flags;
	uint32_t answer_ttl, second_ttl, soa_ttl; /* 0: no such record */
	uint32_t lifetime_s;
	bool too_short;
} lives[] = {
	{"one record", 0, 300, 0, 0, 300, false},
	{"the smallest TTL counts", 0, 300, 200, 0, 200, false},
	{"no longer than maxTTL", 0, 100000, 0, 0, 5000, false},
	{"not shorter than minTTL", 0, 9, 0, 0, 0, true},
	{"exactly minTTL", 0, 10, 0, 0, 10, false},
	{"NXDOMAIN", RCODE_NXDOMAIN, 0, 0, 60, 60, false},
	{"NXDOMAIN no longer than maxNegativeTTL", RCODE_NXDOMAIN, 0, 0, 900, 120, false},
	{"NODATA no longer than maxNegativeTTL", 0, 0, 0, 900, 120, false},
	{"no record at all", 0, 0, 0, 0, 0, false},
	{"SERVFAIL without records", RCODE_SERVFAIL, 0, 0, 0, 7, false},
	{"SERVFAIL with records", RCODE_SERVFAIL, 300, 0, 0, 7, false},
	{"REFUSED", RCODE_REFUSED, 0, 0, 0, 7, false},
	{"FORMERR without records", RCODE_FORMERR, 0, 0, 0, 0, false},
	{"truncated and empty", DNS_TC, 0, 0, 0, 3, false},
	{"truncated with records", DNS_TC, 300, 0, 0, 300, false},
};

static void answers_live_as_long_as_they_may(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(lives); i++) {
		struct packet query = make_query("www.example.org.", TYPE_A, false), out;
		struct packet answer = make_answer(&query, lives[i].flags);
		uint32_t want = lives[i].lifetime_s;
		struct cache_options o;
		struct cache_stats stats;
		struct cache *c;

		cache_options_default(&o, 10);
		o.max_ttl_s = 5000;
		o.min_ttl_s = 10;
		o.max_negative_ttl_s = 120;
		o.temp_failure_ttl_s = 7;
		o.truncated_ttl_s = 3;
		if (lives[i].answer_ttl != 0)
			add_address(&answer, lives[i].answer_ttl, 1);
		if (lives[i].second_ttl != 0)
			add_address(&answer, lives[i].second_ttl, 2);
		if (lives[i].soa_ttl != 0)
			add_record(&answer, 8, TYPE_SOA, lives[i].soa_ttl, soa, 22);
		c = new_cache(&o);
		insert_for(c, &query, &answer, T0);
		if (want == 0 && ask_at(c, &query, T0, 0, &out) != CACHE_MISS)
			fail_msg("%s: was kept", lives[i].label);
		if (want != 0 && ask_at(c, &query, T0 + want - 1, 0, &out) != CACHE_HIT)
			fail_msg("%s: gone in its last second", lives[i].label);
		if (want != 0 && ask_at(c, &query, T0 + want, 0, &out) != CACHE_MISS)
			fail_msg("%s: lives too long", lives[i].label);
		cache_stats(c, &stats);
		if (stats.ttl_too_shorts != lives[i].too_short)
			fail_msg("%s: %u counted as too short", lives[i].label,
				 (unsigned)stats.ttl_too_shorts);
		cache_unref(c);
	}
}

static void a_query_may_set_the_failure_ttl(void **state)
{
	static const struct {
		uint32_t ttl_s;
		enum cache_result at_5s;
	} cases[] = {{0, CACHE_MISS}, {5, CACHE_MISS}, {6, CACHE_HIT}, {UINT32_MAX, CACHE_HIT}};
	struct packet query = make_query("www.example.org.", TYPE_A, false), out;
	struct packet answer = make_answer(&query, RCODE_SERVFAIL);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct cache_options o;
		struct cache_key key;
		struct cache *c;

		cache_options_default(&o, 10);
		c = new_cache(&o);
		make_key(c, &query, true, &key);
		cache_insert(c, 0, &key, answer.bytes, answer.len, T0, cases[i].ttl_s);
		assert_int_equal(ask_at(c, &query, T0 + 5, 0, &out), cases[i].at_5s);
		cache_unref(c);
	}
}

static void the_copy_is_addressed_to_the_client(void **state)
{
	struct packet query = make_query("www.example.org.", TYPE_A, false), other, out;
	struct packet answer = make_answer(&query, DNS_AA);
	struct cache_options o;
	struct cache *c;
	struct cache_key key;

	cache_options_default(&o, 10);
	c = new_cache(&o);
	add_address(&answer, 300, 0xc0000201);
	insert_for(c, &query, &answer, T0);

	other = make_query("wWw.eXAmple.ORG.", TYPE_A, false);
	msg_set_id(other.bytes, 0xabcd);
	make_key(c, &other, true, &key);
	/* RD was in the key, and CD is what the client had before a rule changed the query */
	const struct cache_ask ask = {
		.now_s = T0, .id = 0xabcd, .flags = DNS_CD, .name = other.bytes + DNS_HEADER_LEN};

	assert_int_equal(cache_lookup(c, 0, &key, &ask, out.bytes, answer.len, &out.len),
			 CACHE_HIT);
	assert_int_equal(out.len, answer.len);
	assert_int_equal(msg_id(out.bytes), 0xabcd);
	assert_int_equal(msg_flags(out.bytes), DNS_QR | DNS_AA | DNS_RA | DNS_CD);
	assert_memory_equal(out.bytes + DNS_HEADER_LEN, other.bytes + DNS_HEADER_LEN, key.name_len);
	assert_memory_equal(out.bytes + DNS_HEADER_LEN + key.name_len,
			    answer.bytes + DNS_HEADER_LEN + key.name_len,
			    answer.len - DNS_HEADER_LEN - key.name_len);
	cache_unref(c);
}

static void an_answer_that_does_not_fit_is_a_miss(void **state)
{
	struct packet query = make_query("www.example.org.", TYPE_A, false);
	struct packet answer = make_answer(&query, 0);
	const struct cache_ask ask = {.now_s = T0, .name = query.bytes + DNS_HEADER_LEN};
	struct cache_options o;
	struct cache_key key;
	struct cache *c;
	size_t len;

	cache_options_default(&o, 10);
	c = new_cache(&o);
	add_address(&answer, 300, 1);
	insert_for(c, &query, &answer, T0);
	make_key(c, &query, true, &key);
	for (size_t cap = 0; cap <= answer.len; cap++) {
		uint8_t out[128];

		memset(out, 0xee, sizeof(out));
		assert_int_equal(cache_lookup(c, 0, &key, &ask, out, cap, &len),
				 cap < answer.len ? CACHE_MISS : CACHE_HIT);
		for (size_t i = cap; i < sizeof(out); i++)
			assert_int_equal(out[i], 0xee);
	}
	cache_unref(c);
}

static const struct {
	const char *label;
	bool dont_age;
	uint32_t age_s, stale_s;
	enum cache_result result;
	uint32_t first_ttl, second_ttl; /* as they leave; 300 and 100 came */
} ages[] = {
	{"at once", false, 0, 0, CACHE_HIT, 300, 100},
	{"a second before, by another worker's clock", false, (uint32_t)-1, 0, CACHE_HIT, 300, 100},
	{"after a while", false, 40, 0, CACHE_HIT, 260, 60},
	{"in the last second", false, 99, 0, CACHE_HIT, 201, 1},
	{"expired", false, 100, 0, CACHE_MISS, 0, 0},
	{"not aged", true, 40, 0, CACHE_HIT, 300, 100},
	{"stale", false, 100, 1, CACHE_STALE, 77, 77},
	{"stale for long", false, 199, 100, CACHE_STALE, 77, 77},
	{"stale and not aged", true, 100, 1, CACHE_STALE, 77, 77},
	{"too stale", false, 200, 100, CACHE_MISS, 0, 0},
	{"fresh when stale would do", false, 40, 100, CACHE_HIT, 260, 60},
};

static void ttls_age_in_the_copy(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(ages); i++) {
		struct packet query = make_query("www.example.org.", TYPE_A, true), out;
		struct packet answer = make_answer(&query, 0);
		struct cache_options o;
		struct cache *c;
		size_t first = answer.len + 6;

		add_address(&answer, 300, 1);
		add_address(&answer, 100, 2);
		cache_options_default(&o, 10);
		o.dont_age = ages[i].dont_age;
		o.stale_ttl_s = 77;
		c = new_cache(&o);
		insert_for(c, &query, &answer, T0);
		/* twice: the first must not have aged what is kept */
		for (unsigned twice = 0; twice < 2; twice++) {
			enum cache_result r =
				ask_at(c, &query, T0 + ages[i].age_s, ages[i].stale_s, &out);

			if (r != ages[i].result)
				fail_msg("%s: result %d", ages[i].label, (int)r);
			if (r == CACHE_MISS)
				continue;
			if (get_u32(out.bytes + first) != ages[i].first_ttl ||
			    get_u32(out.bytes + first + 16) != ages[i].second_ttl)
				fail_msg("%s: TTLs %u and %u", ages[i].label,
					 get_u32(out.bytes + first),
					 get_u32(out.bytes + first + 16));
		}
		cache_unref(c);
	}
}

/* An OPT's "TTL" is flags; it must leave as it came. */
static void the_opt_does_not_age(void **state)
{
	struct packet query = make_query("www.example.org.", TYPE_A, true), out;
	struct packet answer = make_answer(&query, 0);
	struct cache_options o;
	struct cache *c;

	add_address(&answer, 300, 1);
	memcpy(answer.bytes + answer.len, "\0\0\x29\x04\xd0\0\0\x80\0\0\0", 11);
	answer.len += 11;
	put_u16(answer.bytes + 10, 1);
	cache_options_default(&o, 10);
	c = new_cache(&o);
	insert_for(c, &query, &answer, T0);
	assert_int_equal(ask_at(c, &query, T0 + 50, 0, &out), CACHE_HIT);
	assert_int_equal(out.len, answer.len);
	assert_memory_equal(out.bytes + out.len - 11, answer.bytes + answer.len - 11, 11);
	cache_unref(c);
}

static void what_does_not_answer_the_query_is_not_kept(void **state)
{
	struct packet query = make_query("www.example.org.", TYPE_A, false), out;
	struct packet name = make_query("wwx.example.org.", TYPE_A, false);
	struct packet type = make_query("www.example.org.", TYPE_AAAA, false);
	struct packet bad[4];
	struct cache_options o;
	struct cache *c;

	bad[0] = make_answer(&name, 0);
	bad[1] = make_answer(&type, 0);
	bad[2] = bad[3] = make_answer(&query, 0);
	for (unsigned i = 0; i < 4; i++)
		add_address(&bad[i], 300, 1);
	bad[2].len--; /* cut short */
	bad[3].len = 11;
	cache_options_default(&o, 10);
	c = new_cache(&o);
	for (unsigned i = 0; i < 4; i++)
		insert_for(c, &query, &bad[i], T0);
	assert_int_equal(cache_size(c), 0);
	assert_int_equal(ask_at(c, &query, T0, 0, &out), CACHE_MISS);
	cache_unref(c);
}

static void long_answers_are_kept_up_to_the_limit(void **state)
{
	struct cache_options o;

	for (unsigned more = 0; more < 2; more++) {
		struct packet query = make_query("www.example.org.", TYPE_A, false), out;
		struct packet answer = make_answer(&query, 0);
		struct cache *c;

		for (unsigned i = 0; i < 10; i++)
			add_address(&answer, 300, i);
		cache_options_default(&o, 10);
		o.max_entry_octets = (uint32_t)answer.len - more;
		c = new_cache(&o);
		insert_for(c, &query, &answer, T0);
		assert_int_equal(ask_at(c, &query, T0, 0, &out), more ? CACHE_MISS : CACHE_HIT);
		cache_unref(c);
	}
}

static const struct {
	const char *label;
	uint32_t first_ttl, after_s, second_ttl;
	bool replaced;
} twice[] = {
	{"a later expiry", 100, 0, 200, true},
	{"the same expiry", 100, 0, 100, false},
	{"an earlier expiry", 100, 0, 50, false},
	{"a shorter TTL that expires later", 100, 60, 50, true},
	{"the first has expired", 100, 100, 1, true},
};

static void an_answer_is_replaced_by_one_that_lives_longer(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(twice); i++) {
		struct packet query = make_query("www.example.org.", TYPE_A, false), out;
		struct packet first = make_answer(&query, 0), second = first;
		uint32_t now_s = T0 + twice[i].after_s;
		struct cache_options o;
		struct cache *c;

		add_address(&first, twice[i].first_ttl, 1);
		add_address(&second, twice[i].second_ttl, 2);
		cache_options_default(&o, 10);
		c = new_cache(&o);
		insert_for(c, &query, &first, T0);
		insert_for(c, &query, &second, now_s);
		assert_int_equal(ask_at(c, &query, now_s, 0, &out), CACHE_HIT);
		assert_int_equal(cache_size(c), 1);
		if (out.bytes[out.len - 1] != (twice[i].replaced ? 2 : 1))
			fail_msg("%s: got answer %u", twice[i].label, out.bytes[out.len - 1]);
		cache_unref(c);
	}
}

static void shuffled_answers_begin_with_each_address_in_turn(void **state)
{
	struct packet query = make_query("www.example.org.", TYPE_A, false), out;
	struct packet answer = make_answer(&query, 0);
	struct cache_options o;
	struct cache *c;
	unsigned seen = 0;

	add_record(&answer, 6, TYPE_CNAME, 300, "\xc0\x0c", 2);
	for (uint32_t i = 0; i < 3; i++)
		add_address(&answer, 100 + i, i);
	cache_options_default(&o, 10);
	o.shuffle = true;
	c = new_cache(&o);
	insert_for(c, &query, &answer, T0);
	for (unsigned i = 0; i < 3; i++) {
		unsigned all = 0;

		assert_int_equal(ask_at(c, &query, T0, 0, &out), CACHE_HIT);
		assert_memory_equal(out.bytes + 2, answer.bytes + 2, answer.len - 2 - 3 * 16);
		for (unsigned k = 0; k < 3; k++)
			all |= 1u << out.bytes[out.len - 1 - 16 * k];
		assert_int_equal(all, 7);
		seen |= 1u << out.bytes[out.len - 1 - 32];
	}
	assert_int_equal(seen, 7);
	cache_unref(c);
}

static void hits_and_misses_are_counted(void **state)
{
	struct packet query = make_query("www.example.org.", TYPE_A, false), out;
	struct packet xfr = make_query("www.example.org.", TYPE_AXFR, false);
	struct packet answer = make_answer(&query, 0);
	struct cache_ask quiet = {.now_s = T0};
	struct cache_options o;
	struct cache_stats stats;
	struct cache_key key;
	struct cache *c;

	add_address(&answer, 300, 1);
	cache_options_default(&o, 10);
	c = new_cache(&o);
	cache_join(c, 0);
	ask_at(c, &query, T0, 0, &out);
	ask_at(c, &xfr, T0, 0, &out);
	make_key(c, &query, true, &key);
	cache_lookup(c, 0, &key, &quiet, out.bytes, sizeof(out.bytes), &out.len); /* not counted */
	insert_for(c, &query, &answer, T0);
	ask_at(c, &query, T0, 0, &out);
	cache_lookup(c, 3, &key, &quiet, out.bytes, sizeof(out.bytes),
		     &out.len); /* another worker */
	cache_stats(c, &stats);
	assert_int_equal(stats.misses, 2);
	assert_int_equal(stats.hits, 2);
	assert_int_equal(stats.inserts, 1);
	assert_int_equal(stats.entries, 1);
	assert_int_equal(stats.max_entries, 10);
	assert_int_equal(stats.lookup_collisions + stats.insert_collisions, 0);
	cache_unref(c);
}

/* Keys that agree in bucket and tag, which no hash can rule out. */
static void a_collision_of_hashes_serves_no_wrong_answer(void **state)
{
	struct packet query = make_query("www.example.org.", TYPE_A, false), out;
	struct packet other = make_query("wwx.example.org.", TYPE_A, false);
	struct packet answer = make_answer(&query, 0), answer_other = make_answer(&other, 0);
	struct cache_ask ask = {.now_s = T0};
	struct cache_options o;
	struct cache_stats stats;
	struct cache_key key, key_other;
	struct cache *c;

	add_address(&answer, 300, 1);
	add_address(&answer_other, 300, 2);
	cache_options_default(&o, 10);
	c = new_cache(&o);
	make_key(c, &query, true, &key);
	make_key(c, &other, true, &key_other);
	key_other.hash = key.hash;
	cache_insert(c, 0, &key, answer.bytes, answer.len, T0, UINT32_MAX);
	assert_int_equal(cache_lookup(c, 0, &key_other, &ask, out.bytes, 512, &out.len),
			 CACHE_MISS);
	cache_insert(c, 0, &key_other, answer_other.bytes, answer_other.len, T0, UINT32_MAX);
	assert_int_equal(cache_lookup(c, 0, &key_other, &ask, out.bytes, 512, &out.len), CACHE_HIT);
	assert_int_equal(out.bytes[out.len - 1], 2);
	assert_int_equal(cache_lookup(c, 0, &key, &ask, out.bytes, 512, &out.len), CACHE_HIT);
	assert_int_equal(out.bytes[out.len - 1], 1);
	cache_stats(c, &stats);
	assert_true(stats.lookup_collisions >= 1);
	assert_int_equal(stats.insert_collisions, 1);
	cache_unref(c);
}

static void options_out_of_range_are_refused(void **state)
{
	struct cache_options o;
	struct err err = {""};

	cache_options_default(&o, 0);
	assert_null(cache_new(&o, &err));
	assert_non_null(strstr(err.text, "maxEntries"));
	cache_options_default(&o, 1);
	o.max_entry_octets = 11;
	assert_null(cache_new(&o, &err));
	assert_non_null(strstr(err.text, "maximumEntrySize"));
	cache_options_default(&o, 1);
	for (o.n_skip_options = 0; o.n_skip_options < 32; o.n_skip_options++)
		o.skip_options[o.n_skip_options] = (uint16_t)(100 + o.n_skip_options);
	assert_null(cache_new(&o, &err));
	assert_non_null(strstr(err.text, "skipOptions"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_live_as_long_as_they_may),
		cmocka_unit_test(a_query_may_set_the_failure_ttl),
		cmocka_unit_test(the_copy_is_addressed_to_the_client),
		cmocka_unit_test(an_answer_that_does_not_fit_is_a_miss),
		cmocka_unit_test(ttls_age_in_the_copy),
		cmocka_unit_test(the_opt_does_not_age),
		cmocka_unit_test(what_does_not_answer_the_query_is_not_kept),
		cmocka_unit_test(long_answers_are_kept_up_to_the_limit),
		cmocka_unit_test(an_answer_is_replaced_by_one_that_lives_longer),
		cmocka_unit_test(shuffled_answers_begin_with_each_address_in_turn),
		cmocka_unit_test(hits_and_misses_are_counted),
		cmocka_unit_test(a_collision_of_hashes_serves_no_wrong_answer),
		cmocka_unit_test(options_out_of_range_are_refused),
	};

	hash_init(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
