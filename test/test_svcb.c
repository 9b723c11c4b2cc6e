/* Data of SVCB and HTTPS records (RFC 9460). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/dns/svcb.h"
#include "test/packet.h"

#define VALUE(s)         \
	{                \
		BYTES(s) \
	}
#define ROOT   (const uint8_t *)"", 1
#define TARGET (const uint8_t *)"\3svc", 5

static const uint16_t port_and_alpn[] = {SVC_PORT, SVC_ALPN};
static const uint16_t itself[] = {SVC_PORT, SVC_MANDATORY};
static const uint16_t twice[] = {SVC_PORT, SVC_ALPN, SVC_PORT};
static const uint16_t key_333[] = {333, SVC_ALPN};
static const struct svc_value h2_h3[] = {VALUE("h2"), VALUE("h3")};
static const struct svc_value empty_name[] = {VALUE("h2"), VALUE("")};
static const uint8_t zeros[UINT16_MAX + 1];
static const struct svc_value long_name[] = {{zeros, 256}};
static const uint8_t v4[][4] = {{192, 0, 2, 1}, {192, 0, 2, 2}};
static const uint8_t v6[][16] = {{0x20, 1, 0xd, 0xb8, [15] = 1}};
static const struct svc_param others[] = {
	{65534, VALUE("z")}, {333, VALUE("hello")}, {7, VALUE("/q{?dns}")}, {400, {NULL, 0}}};
static const struct svc_param known[] = {{SVC_ECH, VALUE("x")}};
static const struct svc_param reserved[] = {{SVC_KEY_INVALID, VALUE("x")}};
static const struct svc_param other_twice[] = {{333, VALUE("x")}, {333, VALUE("x")}};
static const struct svc_param too_long[] = {{333, {zeros, UINT16_MAX + 1}}};

static const struct {
	const char *label;
	struct svc_params p;
	const uint8_t *rdata;
	size_t len;
} rows[] = {
	{"alias", {.priority = 0, .target = TARGET}, BYTES("\0\0\3svc\0")},
	{"no parameters", {.priority = 258, .target = ROOT}, BYTES("\1\2\0")},
	{"port",
	 {.priority = 1, .target = ROOT, .has_port = true, .port = 53},
	 BYTES("\0\1\0\0\3\0\2\0\x35")},
	{"port 0", {.priority = 1, .target = ROOT, .has_port = true}, BYTES("\0\1\0\0\3\0\2\0\0")},
	{"all in their order",
	 {.priority = 16,
	  .target = TARGET,
	  .mandatory = port_and_alpn,
	  .n_mandatory = 2,
	  .alpn = h2_h3,
	  .n_alpn = 2,
	  .no_default_alpn = true,
	  .has_port = true,
	  .port = 0x1234,
	  .ipv4_hints = v4,
	  .n_ipv4_hints = 2,
	  .ech = VALUE("ech"),
	  .ipv6_hints = v6,
	  .n_ipv6_hints = 1,
	  .others = others,
	  .n_others = 4},
	 BYTES("\0\x10\3svc\0"
	       "\0\0\0\4\0\1\0\3"
	       "\0\1\0\6\2h2\2h3"
	       "\0\2\0\0"
	       "\0\3\0\2\x12\x34"
	       "\0\4\0\x08\xc0\0\2\1\xc0\0\2\2"
	       "\0\5\0\3"
	       "ech"
	       "\0\6\0\x10\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
	       "\0\7\0\x08/q{?dns}"
	       "\1\x4d\0\5hello"
	       "\1\x90\0\0"
	       "\xff\xfe\0\1z")},
	{"mandatory other key",
	 {.priority = 1,
	  .target = ROOT,
	  .mandatory = key_333,
	  .n_mandatory = 2,
	  .alpn = h2_h3,
	  .n_alpn = 1,
	  .others = others + 1,
	  .n_others = 1},
	 BYTES("\0\1\0\0\0\0\4\0\1\1\x4d\0\1\0\3\2h2\1\x4d\0\5hello")},
};

static void data_is_as_the_rfc_says(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t out[256];
		struct err err = {""};
		int n = svc_rdata(&rows[i].p, out, sizeof(out), &err);

		if (n != (int)rows[i].len || memcmp(out, rows[i].rdata, rows[i].len) != 0)
			fail_msg("%s: %d octets, want %zu; %s", rows[i].label, n, rows[i].len,
				 err.text);
		if (svc_rdata(&rows[i].p, out, rows[i].len, &err) != n)
			fail_msg("%s: does not fit where there is room", rows[i].label);
		if (svc_rdata(&rows[i].p, out, rows[i].len - 1, &err) != -EINVAL)
			fail_msg("%s: fits where there is no room", rows[i].label);
	}
}

static const struct {
	const char *label;
	struct svc_params p;
	const char *want; /* in the sentence */
} refused[] = {
	{"alias with a port", {.priority = 0, .target = ROOT, .has_port = true}, "alias"},
	{"alias with another",
	 {.priority = 0, .target = ROOT, .others = others, .n_others = 1},
	 "alias"},
	{"mandatory, not there",
	 {.priority = 1,
	  .target = ROOT,
	  .mandatory = port_and_alpn,
	  .n_mandatory = 2,
	  .alpn = h2_h3,
	  .n_alpn = 2},
	 "'port' is not among"},
	{"mandatory, other not there",
	 {.priority = 1, .target = ROOT, .mandatory = key_333, .n_mandatory = 1},
	 "'key333'"},
	{"mandatory itself",
	 {.priority = 1, .target = ROOT, .mandatory = itself, .n_mandatory = 2, .has_port = true},
	 "its own list"},
	{"mandatory twice",
	 {.priority = 1,
	  .target = ROOT,
	  .mandatory = twice,
	  .n_mandatory = 3,
	  .has_port = true,
	  .alpn = h2_h3,
	  .n_alpn = 2},
	 "'port' is there twice"},
	{"no default alone",
	 {.priority = 1, .target = ROOT, .no_default_alpn = true},
	 "no-default-alpn"},
	{"empty protocol",
	 {.priority = 1, .target = ROOT, .alpn = empty_name, .n_alpn = 2},
	 "not 0"},
	{"long protocol",
	 {.priority = 1, .target = ROOT, .alpn = long_name, .n_alpn = 1},
	 "not 256"},
	{"a key that has a name",
	 {.priority = 1, .target = ROOT, .others = known, .n_others = 1},
	 "'ech'"},
	{"the invalid key",
	 {.priority = 1, .target = ROOT, .others = reserved, .n_others = 1},
	 "key65535"},
	{"a key twice",
	 {.priority = 1, .target = ROOT, .others = other_twice, .n_others = 2},
	 "key333: is there twice"},
	{"a long value",
	 {.priority = 1, .target = ROOT, .others = too_long, .n_others = 1},
	 "longer than"},
};

static void what_makes_no_sense_is_refused_with_a_sentence(void **state)
{
	static uint8_t out[2 * UINT16_MAX];

	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct err err = {""};

		if (svc_rdata(&refused[i].p, out, sizeof(out), &err) != -EINVAL)
			fail_msg("%s: accepted", refused[i].label);
		if (strstr(err.text, refused[i].want) == NULL)
			fail_msg("%s: '%s'", refused[i].label, err.text);
	}
}

static void keys_are_read_and_written(void **state)
{
	static const struct {
		const char *text;
		int want;
		const char *back;
	} keys[] = {
		{"mandatory", 0, "mandatory"},
		{"no-default-alpn", 2, "no-default-alpn"},
		{"ipv6hint", 6, "ipv6hint"},
		{"key6", 6, "ipv6hint"},
		{"dohpath", 7, "dohpath"},
		{"key0", 0, "mandatory"},
		{"key10", 10, "key10"},
		{"key65534", 65534, "key65534"},
		{"key65535", -1, ""},
		{"key", -1, ""},
		{"key-1", -1, ""},
		{"key 1", -1, ""},
		{"key1x", -1, ""},
		{"Port", -1, ""},
		{"", -1, ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		char text[16];
		uint16_t key = 0;
		int rc = svc_key_parse(keys[i].text, &key);

		if (rc != (keys[i].want < 0 ? -EINVAL : 0))
			fail_msg("'%s': %d", keys[i].text, rc);
		if (rc == 0 &&
		    (key != keys[i].want || strcmp(svc_key_text(key, text), keys[i].back) != 0))
			fail_msg("'%s': %u", keys[i].text, key);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_is_as_the_rfc_says),
		cmocka_unit_test(what_makes_no_sense_is_refused_with_a_sentence),
		cmocka_unit_test(keys_are_read_and_written),
	};

	return cmocka_run_group_tests_name("svcb", tests, NULL, NULL);
}
