/* Which queries share an entry and which do not. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "test/cache_packets.h"

static struct cache *new_cache(const struct cache_options *o)
{
	struct err err = {""};
	struct cache *c = cache_new(o, &err);

	if (c == NULL)
		fail_msg("%s", err.text);
	return c;
}

/* What is done to the second of two equal queries. */
enum change {
	SAME,
	ID,
	CASE,
	NAME,
	TYPE,
	RD,
	CD,
	AD,
	DO,
	PAYLOAD,
	TRAILING,
	COOKIE,
	COOKIE_LONGER,
	PADDING,
	SUBNET,
	TCP,
};

static const struct {
	const char *label;
	enum change change;
	bool edns, shared;
} queries[] = {
	{"the same query", SAME, false, true},
	{"the same query with EDNS", SAME, true, true},
	{"another ID", ID, false, true},
	{"another case", CASE, false, true},
	{"another name", NAME, false, false},
	{"another type", TYPE, false, false},
	{"RD", RD, false, false},
	{"CD", CD, false, false},
	{"AD", AD, false, false},
	{"DO", DO, true, false},
	{"payload size", PAYLOAD, true, false},
	{"octets behind the query", TRAILING, false, false},
	{"octets behind the OPT", TRAILING, true, false},
	{"another cookie", COOKIE, true, true},
	{"a cookie of another length", COOKIE_LONGER, true, false},
	{"other padding", PADDING, true, true},
	{"another subnet", SUBNET, true, false},
	{"TCP", TCP, false, false},
};

static void two_queries(bool edns, struct packet *a, struct packet *b)
{
	*a = make_query("www.Example.org.", TYPE_A, edns);
	if (edns) {
		add_option(a, EDNS_COOKIE, "01234567", 8);
		add_option(a, EDNS_PADDING, "aaaaaaaa", 8);
		add_option(a, EDNS_ECS, "\0\1\x18\0\xc0\0\2", 7);
	}
	*b = *a;
}

static void apply(enum change change, struct packet *b)
{
	uint8_t *opt = b->bytes + DNS_HEADER_LEN + 17 + 4, *options = opt + 11;

	switch (change) {
	case ID:
		b->bytes[0] ^= 0x55;
		break;
	case CASE:
		name_lower(b->bytes + DNS_HEADER_LEN, b->bytes + DNS_HEADER_LEN, 17);
		break;
	case NAME:
		b->bytes[DNS_HEADER_LEN + 1] = 'x';
		break;
	case TYPE:
		b->bytes[DNS_HEADER_LEN + 17 + 1] = TYPE_AAAA;
		break;
	case RD:
		b->bytes[2] ^= DNS_RD >> 8;
		break;
	case CD:
		b->bytes[3] ^= DNS_CD;
		break;
	case AD:
		b->bytes[3] ^= DNS_AD;
		break;
	case DO:
		opt[7] ^= 0x80;
		break;
	case PAYLOAD:
		opt[4] ^= 1;
		break;
	case TRAILING:
		b->bytes[b->len++] = 0;
		break;
	case COOKIE:
		options[4] ^= 1;
		break;
	case COOKIE_LONGER:
		add_option(b, EDNS_COOKIE, "0123456789abcdef", 16);
		break;
	case PADDING:
		options[12 + 4] ^= 1;
		break;
	case SUBNET:
		options[24 + 8] ^= 1;
		break;
	case SAME:
	case TCP:
		break;
	}
}

static bool keys_equal(const struct cache_key *a, const struct cache_key *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0 && a->hash == b->hash;
}

static void queries_share_a_key_or_not(void **state)
{
	struct cache_options o;
	struct cache *c;

	cache_options_default(&o, 10);
	c = new_cache(&o);
	for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
		struct packet a, b;
		struct cache_key ka, kb;

		two_queries(queries[i].edns, &a, &b);
		apply(queries[i].change, &b);
		make_key(c, &a, true, &ka);
		make_key(c, &b, queries[i].change != TCP, &kb);
		if (ka.len == 0 || keys_equal(&ka, &kb) != queries[i].shared)
			fail_msg("%s: expected %s", queries[i].label,
				 queries[i].shared ? "one key" : "two keys");
	}
	cache_unref(c);
}

static const struct {
	const char *label;
	bool cookie_hashing, parse_ecs;
	uint16_t skip[3];
	unsigned n_skip;
	enum change change;
	bool shared;
} skipping[] = {
	{"cookies hashed when asked for", true, false, {10, 12}, 2, COOKIE, false},
	{"padding skipped all the same", true, false, {10, 12}, 2, PADDING, true},
	{"cookies skipped though not in the list", false, false, {0}, 0, COOKIE, true},
	{"padding hashed when not in the list", false, false, {0}, 0, PADDING, false},
	{"subnet skipped when in the list", false, false, {8}, 1, SUBNET, true},
	{"subnet kept apart with parseECS", false, true, {8}, 1, SUBNET, false},
};

static void options_are_skipped_as_configured(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(skipping); i++) {
		struct cache_options o;
		struct cache *c;
		struct packet a, b;
		struct cache_key ka, kb;

		cache_options_default(&o, 10);
		o.cookie_hashing = skipping[i].cookie_hashing;
		o.parse_ecs = skipping[i].parse_ecs;
		memcpy(o.skip_options, skipping[i].skip, sizeof(skipping[i].skip));
		o.n_skip_options = skipping[i].n_skip;
		c = new_cache(&o);
		two_queries(true, &a, &b);
		apply(skipping[i].change, &b);
		make_key(c, &a, true, &ka);
		make_key(c, &b, true, &kb);
		cache_unref(c);
		if (keys_equal(&ka, &kb) != skipping[i].shared)
			fail_msg("%s: expected %s", skipping[i].label,
				 skipping[i].shared ? "one key" : "two keys");
	}
}

/* A broken OPT that ends where a skipped option's content would begin. */
static void a_cut_option_has_a_key_of_its_own(void **state)
{
	struct cache_options o;
	struct cache *c;
	struct packet a = make_query("www.example.org.", TYPE_A, true), b;
	struct question q;
	struct opt opt;
	struct cache_key ka, kb;

	cache_options_default(&o, 10);
	c = new_cache(&o);
	add_option(&a, EDNS_COOKIE, "01234567", 8);
	make_key(c, &a, true, &ka);
	b = a;
	b.len -= 8;
	assert_int_equal(msg_question(b.bytes, b.len, &q), 0);
	opt = (struct opt){.at = 0};
	cache_key(c, b.bytes, b.len, &q, &opt, true, &kb);
	cache_unref(c);
	assert_false(keys_equal(&ka, &kb));
}

static const struct {
	const char *label;
	uint16_t a, b;
	bool shared;
} payloads[] = {
	{"two of one rank", 1232, 1400, true},
	{"exactly the rank", 1232, 1232, true},
	{"two ranks", 1231, 1232, false},
	{"below all ranks they stay", 500, 501, false},
	{"above the highest", 4000, 65535, true},
	{"a rank below 512 is none", 300, 301, false},
	{"ranks need not be sorted", 512, 1231, true},
};

static void payloads_are_ranked(void **state)
{
	struct cache_options o;
	struct cache *c;

	cache_options_default(&o, 10);
	memcpy(o.payload_ranks, (uint16_t[]){1232, 512, 1452, 300, 4000, 5000}, 12);
	o.n_payload_ranks = 6;
	c = new_cache(&o);
	for (size_t i = 0; i < ARRAY_LEN(payloads); i++) {
		struct packet a = make_query("www.example.org.", TYPE_A, true), b = a;
		struct cache_key ka, kb;

		put_u16(a.bytes + a.len - 8, payloads[i].a);
		put_u16(b.bytes + b.len - 8, payloads[i].b);
		make_key(c, &a, true, &ka);
		make_key(c, &b, true, &kb);
		if (keys_equal(&ka, &kb) != payloads[i].shared)
			fail_msg("%s: expected %s", payloads[i].label,
				 payloads[i].shared ? "one key" : "two keys");
	}
	cache_unref(c);
}

static void every_name_is_lowered_whole(void **state)
{
	struct cache_options o;
	struct cache *c;
	char text[DNS_NAME_TEXT_MAX];

	cache_options_default(&o, 10);
	c = new_cache(&o);
	/* every length modulo a word, letters and their neighbours @ [ ` { in every place of it */
	for (unsigned n = 0; n < 60; n++) {
		struct packet q;
		struct cache_key key;
		uint8_t want[DNS_NAME_MAX];
		struct question question;

		for (unsigned i = 0; i < n; i++)
			text[i] = "AZ@[`{az"[(i + n) % 8];
		strcpy(text + n, n == 0 ? "." : ".ORG.");
		q = make_query(text, TYPE_A, false);
		make_key(c, &q, true, &key);
		assert_int_equal(msg_question(q.bytes, q.len, &question), 0);
		for (unsigned i = 0; i < question.name_len; i++) {
			uint8_t octet = q.bytes[DNS_HEADER_LEN + i];

			want[i] = octet >= 'A' && octet <= 'Z' ? octet | 0x20 : octet;
		}
		assert_int_equal(key.name_len, question.name_len);
		assert_memory_equal(key.bytes + CACHE_KEY_NAME, want, question.name_len);
		assert_memory_equal(key.bytes, q.bytes + 2, CACHE_KEY_NAME);
		assert_memory_equal(key.bytes + CACHE_KEY_NAME + key.name_len,
				    q.bytes + DNS_HEADER_LEN + key.name_len, 4);
	}
	cache_unref(c);
}

static void what_is_not_cached_has_no_key(void **state)
{
	static uint8_t longest[CACHE_KEY_MAX + 1];
	static const uint16_t types[] = {TYPE_AXFR, TYPE_IXFR};
	struct cache_options o;
	struct cache *c;
	struct packet q;
	struct cache_key key;
	struct question question;

	cache_options_default(&o, 10);
	c = new_cache(&o);
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		q = make_query("example.org.", types[i], false);
		make_key(c, &q, false, &key);
		assert_int_equal(key.len, 0);
	}
	q = make_query("example.org.", TYPE_A, false);
	memcpy(longest, q.bytes, q.len);
	assert_int_equal(msg_question(longest, sizeof(longest), &question), 0);
	cache_key(c, longest, sizeof(longest), &question, &(struct opt){.at = 0}, false, &key);
	cache_unref(c);
	assert_int_equal(key.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queries_share_a_key_or_not),
		cmocka_unit_test(options_are_skipped_as_configured),
		cmocka_unit_test(a_cut_option_has_a_key_of_its_own),
		cmocka_unit_test(payloads_are_ranked),
		cmocka_unit_test(every_name_is_lowered_whole),
		cmocka_unit_test(what_is_not_cached_has_no_key),
	};

	hash_init(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
