#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "core/hash.h"

#define SEED 0x0123456789abcdef

/* SipHash-1-3 under k0 = SEED, k1 = ~SEED, by a program that agrees with Python 3.11's str hash. */
static const struct {
	const char *text;
	uint64_t want;
} sip[] = {
	{"", 0xf4b3fee397802911},          {"a", 0x091ab65b48ab727c},
	{"1234567", 0x469ea1e5d69d15b5},   {"12345678", 0x900545cb3914b856},
	{"192.0.2.1", 0x247809233514798c}, {"0123456789abcdefg", 0x316fe3b93bd578d1},
};

static void keyed_is_siphash_1_3(void **state)
{
	hash_init(SEED);
	for (size_t i = 0; i < ARRAY_LEN(sip); i++) {
		if (hash_keyed(sip[i].text, strlen(sip[i].text)) != sip[i].want)
			fail_msg("'%s'", sip[i].text);
	}
}

static const struct {
	const char *label, *data;
	size_t len;
	uint32_t seed, want;
} jenkins[] = {
	{"empty", "", 0, 0, 0xbd49d10d},
	{"a name", "\3www\7example\3com", 17, 0, 0x78456690},
	{"under another seed", "\3www\7example\3com", 17, 1, 0x75e14322},
	{"one whole block", "0123456789ab", 12, 42, 0x5d2bb5e7},
	{"two blocks and eleven", "0123456789abcdefghijklmnopqrstuvw", 33, 0xdeadbeef, 0x6fb1b584},
};

static void lookup2_gives_the_published_values(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(jenkins); i++) {
		uint32_t got = hash_lookup2(jenkins[i].data, jenkins[i].len, jenkins[i].seed);

		if (got != jenkins[i].want)
			fail_msg("%s: got %#x", jenkins[i].label, got);
	}
}

static void lookup2_lower_folds_ascii_only(void **state)
{
	static const char upper[] = "\3WWW\7Example\3cOm\xc4[@";
	static const char folded[] = "\3www\7example\3com\xc4[@";

	assert_int_equal(hash_lookup2_lower(upper, sizeof(upper), 7),
			 hash_lookup2(folded, sizeof(folded), 7));
	assert_int_not_equal(hash_lookup2(upper, sizeof(upper), 7),
			     hash_lookup2(folded, sizeof(folded), 7));
}

static void secrets_change_both_hashes(void **state)
{
	static const char text[] = "the same octets, whatever their length may be, every time";

	for (size_t len = 0; len < sizeof(text); len++) {
		uint64_t bytes, keyed;

		hash_init(1);
		bytes = hash_bytes(text, len);
		keyed = hash_keyed(text, len);
		assert_int_equal(hash_bytes(text, len), bytes);
		hash_init(2);
		if (hash_bytes(text, len) == bytes || hash_keyed(text, len) == keyed)
			fail_msg("same value under two seeds, %zu octets", len);
		hash_init(0);
		if (hash_bytes(text, len) == bytes || hash_keyed(text, len) == keyed)
			fail_msg("random secret gives a fixed value, %zu octets", len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keyed_is_siphash_1_3),
		cmocka_unit_test(lookup2_gives_the_published_values),
		cmocka_unit_test(lookup2_lower_folds_ascii_only),
		cmocka_unit_test(secrets_change_both_hashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
