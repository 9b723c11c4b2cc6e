#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "core/addr.h"

static const struct {
	const char *label, *text, *want; /* want NULL: refused */
} texts[] = {
	{"v4 takes the default port", "192.0.2.1", "192.0.2.1:53"},
	{"v4 with port", "192.0.2.1:5300", "192.0.2.1:5300"},
	{"port 0", "192.0.2.1:0", "192.0.2.1:0"},
	{"highest port", "0.0.0.0:65535", "0.0.0.0:65535"},
	{"v6 takes the default port", "2001:db8::1", "[2001:db8::1]:53"},
	{"v6 whose end looks like a port", "2001:db8::1:853", "[2001:db8::1:853]:53"},
	{"v6 in brackets", "[2001:db8::1]", "[2001:db8::1]:53"},
	{"v6 in brackets with port", "[2001:DB8::1]:853", "[2001:db8::1]:853"},
	{"mapped", "::ffff:192.0.2.1", "[::ffff:192.0.2.1]:53"},
	{"scope by name", "fe80::1%lo", "[fe80::1%lo]:53"},
	{"scope by number, in brackets", "[fe80::1%1]:53", "[fe80::1%lo]:53"},
	{"scope of no interface here", "fe80::1%4000000000", "[fe80::1%4000000000]:53"},
	{"empty", "", NULL},
	{"host name", "localhost", NULL},
	{"host name with port", "localhost:53", NULL},
	{"three numbers", "192.0.2", NULL},
	{"port missing", "192.0.2.1:", NULL},
	{"port too high", "192.0.2.1:65536", NULL},
	{"port negative", "192.0.2.1:-1", NULL},
	{"port with a letter", "192.0.2.1:53x", NULL},
	{"bracket not closed", "[2001:db8::1", NULL},
	{"text after the bracket", "[2001:db8::1]x", NULL},
	{"port missing after the bracket", "[2001:db8::1]:", NULL},
	{"v4 in brackets", "[192.0.2.1]:53", NULL},
	{"unknown interface", "fe80::1%nosuchinterface0", NULL},
	{"scope empty", "fe80::1%", NULL},
	{"space in front", " 192.0.2.1", NULL},
	{"far too long",
	 "2001:0db8:0000:0000:0000:0000:0000:0001:0000:0000:0000:0000:0000:0000:0000:0000:0000",
	 NULL},
};

static void text_is_read_or_refused(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		char text[ADDR_TEXT_MAX] = "";
		struct err err = {""};
		struct addr a, again;
		int rc = addr_parse(texts[i].text, 53, &a, &err);

		if (texts[i].want == NULL) {
			if (rc != -EINVAL || err.text[0] == '\0')
				fail_msg("%s: not refused", texts[i].label);
			continue;
		}
		if (rc != 0 || strcmp(addr_text_port(&a, text), texts[i].want) != 0)
			fail_msg("%s: got '%s' (%s)", texts[i].label, text, err.text);
		if (addr_parse(text, 1, &again, NULL) != 0 || !addr_equal(&a, &again))
			fail_msg("%s: does not read back", texts[i].label);
	}
}

static void equal_looks_at_address_scope_and_port(void **state)
{
	static const struct {
		const char *a, *b;
		bool equal;
	} pairs[] = {
		{"192.0.2.1:53", "192.0.2.1:53", true},
		{"192.0.2.1:53", "192.0.2.1:54", false},
		{"192.0.2.1:53", "192.0.2.2:53", false},
		{"192.0.2.1:53", "[::ffff:192.0.2.1]:53", false},
		{"[::1]:53", "[::1]:53", true},
		{"[::1]:53", "[::2]:53", false},
		{"fe80::1%1", "fe80::1%4000000000", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		struct addr a, b;

		assert_int_equal(addr_parse(pairs[i].a, 53, &a, NULL), 0);
		assert_int_equal(addr_parse(pairs[i].b, 53, &b, NULL), 0);
		if (addr_equal(&a, &b) != pairs[i].equal)
			fail_msg("%s and %s", pairs[i].a, pairs[i].b);
	}
}

static void any_is_all_zeroes(void **state)
{
	static const struct {
		const char *text;
		bool any;
	} cases[] = {{"0.0.0.0:53", true}, {"[::]:53", true}, {"127.0.0.1", false}, {"::1", false}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct addr a;

		assert_int_equal(addr_parse(cases[i].text, 53, &a, NULL), 0);
		assert_int_equal(addr_is_any(&a), cases[i].any);
	}
}

static void mask_zeroes_the_host_part_and_the_port(void **state)
{
	static const struct {
		const char *text;
		unsigned bits;
		const char *want;
	} cases[] = {
		{"192.0.2.255", 24, "192.0.2.0:0"},
		{"192.0.2.255", 25, "192.0.2.128:0"},
		{"192.0.2.255", 31, "192.0.2.254:0"},
		{"192.0.2.255", 32, "192.0.2.255:0"},
		{"192.0.2.255", 200, "192.0.2.255:0"},
		{"192.0.2.255", 0, "0.0.0.0:0"},
		{"2001:db8:ffff::1", 36, "[2001:db8:f000::]:0"},
		{"2001:db8:ffff::1", 128, "[2001:db8:ffff::1]:0"},
		{"2001:db8:ffff::1", 0, "[::]:0"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[ADDR_TEXT_MAX];
		struct addr a;

		assert_int_equal(addr_parse(cases[i].text, 53, &a, NULL), 0);
		addr_mask(&a, cases[i].bits);
		if (strcmp(addr_text_port(&a, text), cases[i].want) != 0)
			fail_msg("%s/%u: got %s", cases[i].text, cases[i].bits, text);
	}
}

static void bytes_are_in_network_order(void **state)
{
	struct addr a;
	size_t len;

	assert_int_equal(addr_parse("192.0.2.1", 53, &a, NULL), 0);
	assert_memory_equal(addr_bytes(&a, &len), "\xc0\x00\x02\x01", 4);
	assert_int_equal(len, 4);
	assert_int_equal(addr_parse("::1", 53, &a, NULL), 0);
	assert_int_equal(addr_bytes(&a, &len)[15], 1);
	assert_int_equal(len, 16);
	assert_int_equal(addr_len(&a), sizeof(struct sockaddr_in6));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_read_or_refused),
		cmocka_unit_test(equal_looks_at_address_scope_and_port),
		cmocka_unit_test(any_is_all_zeroes),
		cmocka_unit_test(mask_zeroes_the_host_part_and_the_port),
		cmocka_unit_test(bytes_are_in_network_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
