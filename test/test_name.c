/* Names on the wire and as text. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <ctype.h>

#include "test/packet.h"


#define LABEL_63 \
	"\x3f"   \
	"abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabc"
#define LABEL_62 \
	"\x3e"   \
	"abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijab"
#define LABEL_61 \
	"\x3d"   \
	"abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghija"

static const struct {
	const char *label;
	const uint8_t *wire;
	size_t len, want; /* octets; want 0: refused */
} plain_names[] = {
	{"root", BYTES("\0"), 1},
	{"one label", BYTES("\3www\0"), 5},
	{"more follows", BYTES("\3www\0\3org\0"), 5},
	{"longest label", BYTES(LABEL_63 "\0"), 65},
	{"longest name", BYTES(LABEL_63 LABEL_63 LABEL_63 LABEL_61 "\0"), 255},
	{"one octet too long", BYTES(LABEL_63 LABEL_63 LABEL_63 LABEL_62 "\0"), 0},
	{"no octet at all", (const uint8_t *)"", 0, 0},
	{"cut before the root", BYTES("\3www"), 0},
	{"cut inside a label", BYTES("\3ww"), 0},
	{"compression pointer", BYTES("\3www\xc0\x0c"), 0},
	{"reserved label type 01",
	 BYTES("\x41"
	       "a\0"),
	 0},
	{"reserved label type 10",
	 BYTES("\x81"
	       "a\0"),
	 0},
};

static void a_name_is_read_or_refused(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(plain_names); i++) {
		const uint8_t *wire = plain_names[i].wire;
		struct wire_rd r = {.pos = wire, .end = wire + plain_names[i].len};
		struct wire_rd again = r;
		uint8_t out[DNS_NAME_MAX];
		size_t want = plain_names[i].want, got = rd_name(&r, out);

		if (got != want || r.bad != (want == 0) || rd_name_len(&again) != want)
			fail_msg("%s: got %zu, want %zu", plain_names[i].label, got, want);
		if (want != 0 && (r.pos != wire + want || again.pos != r.pos))
			fail_msg("%s: the reader stands elsewhere", plain_names[i].label);
		if (want != 0 && memcmp(out, wire, want) != 0)
			fail_msg("%s: copied wrongly", plain_names[i].label);
	}
}

static void a_bad_reader_reads_no_name(void **state)
{
	static const uint8_t wire[] = "\3www";
	struct wire_rd r = {.pos = wire, .end = wire + sizeof(wire), .bad = true};
	uint8_t out[DNS_NAME_MAX];

	assert_int_equal(rd_name(&r, out), 0);
	assert_int_equal(rd_name_len(&r), 0);
	assert_int_equal(rd_name_compressed(&r, wire, out), 0);
}

/* The message is twelve octets of header and then this. */
static const struct {
	const char *label;
	const uint8_t *wire;
	size_t len, at;   /* where the name is, from the header's end on */
	const char *want; /* NULL: refused */
	size_t after;     /* where the reader stands afterwards */
} compressed_names[] = {
	{"without a pointer", BYTES("\3www\0rest"), 0, "www.", 5},
	{"pointer alone", BYTES("\3WWW\0\xc0\x0c"), 5, "WWW.", 7},
	{"label and pointer", BYTES("\3org\0\1a\xc0\x0c"), 5, "a.org.", 9},
	{"two pointers", BYTES("\3org\0\1a\xc0\x0c\1b\xc0\x11"), 9, "b.a.org.", 13},
	{"pointer to the root", BYTES("\0\1a\xc0\x0c"), 1, "a.", 5},
	{"pointer at itself", BYTES("\xc0\x0c"), 0, NULL, 0},
	{"pointer at its own name", BYTES("\1a\xc0\x0c"), 0, NULL, 0},
	{"pointer forwards", BYTES("\xc0\x0e\1a\0"), 0, NULL, 0},
	{"pointers at each other", BYTES("\xc0\x0e\xc0\x0c"), 2, NULL, 0},
	{"pointer into the header", BYTES("\1a\xc0\x02"), 0, NULL, 0},
	{"pointer cut short", BYTES("\1a\0\xc0"), 3, NULL, 0},
	{"name cut short", BYTES("\1a\0\2a"), 3, NULL, 0},
	{"reserved label type behind a pointer",
	 BYTES("\x41"
	       "a\0\xc0\x0c"),
	 3, NULL, 0},
	{"longest by pointer", BYTES(LABEL_63 LABEL_63 LABEL_63 "\0" LABEL_61 "\xc0\x0c"), 193,
	 LABEL_61, 257},
	{"too long by pointer", BYTES(LABEL_63 LABEL_63 LABEL_63 "\0" LABEL_62 "\xc0\x0c"), 193,
	 NULL, 0},
};

static void a_compressed_name_is_followed_backwards_only(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(compressed_names); i++) {
		const char *label = compressed_names[i].label, *want = compressed_names[i].want;
		uint8_t msg[600] = {0}, out[DNS_NAME_MAX];
		char text[DNS_NAME_TEXT_MAX];
		size_t len = DNS_HEADER_LEN + compressed_names[i].len, got;
		struct wire_rd r, again;

		memcpy(msg + DNS_HEADER_LEN, compressed_names[i].wire, compressed_names[i].len);
		r.pos = msg + DNS_HEADER_LEN + compressed_names[i].at;
		r.end = msg + len;
		r.bad = false;
		again = r;
		got = rd_name_compressed(&r, msg, out);
		if (rd_name_compressed(&again, msg, NULL) != got || again.bad != r.bad)
			fail_msg("%s: differs without a copy", label);
		if ((want == NULL) != r.bad || (want == NULL) != (got == 0))
			fail_msg("%s: got %zu, bad %d", label, got, r.bad);
		if (want == NULL)
			continue;
		if (r.pos != msg + DNS_HEADER_LEN + compressed_names[i].after || again.pos != r.pos)
			fail_msg("%s: the reader stands elsewhere", label);
		if (want[0] == '\x3d') {
			assert_int_equal(got, DNS_NAME_MAX);
			assert_memory_equal(out, want, sizeof(LABEL_61) - 1);
		} else {
			assert_string_equal(name_text(out, got, text), want);
		}
	}
}

static uint8_t ascii_lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

/* Every octet value at every place of every length that a name may have. */
static void lower_case_changes_the_26_letters_only(void **state)
{
	for (size_t len = 0; len <= DNS_NAME_MAX; len++) {
		for (unsigned first = 0; first < 256; first += len < 24 ? 1 : 51) {
			uint8_t in[DNS_NAME_MAX + 1], out[DNS_NAME_MAX + 1];

			for (size_t i = 0; i <= len && i < sizeof(in); i++)
				in[i] = (uint8_t)(first + i * 37);
			memset(out, 0xee, sizeof(out));
			name_lower(out, in, len);
			for (size_t i = 0; i < len; i++)
				if (out[i] != ascii_lower(in[i]))
					fail_msg("len %zu: octet %zu, 0x%02x gave 0x%02x", len, i,
						 in[i], out[i]);
			if (out[len] != 0xee)
				fail_msg("len %zu: wrote past the end", len);
			name_lower(in, in, len);
			assert_memory_equal(in, out, len);
		}
	}
}

static void equal_means_equal_but_for_case(void **state)
{
	for (size_t len = 1; len <= 40; len++) {
		uint8_t a[40], b[40];

		for (size_t i = 0; i < len; i++) {
			a[i] = (uint8_t)("aB-z@[`{\xc1\xe1"[(i + len) % 10]);
			b[i] = isalpha(a[i]) && a[i] < 0x80 ? a[i] ^ 0x20 : a[i];
		}
		assert_true(name_equal(a, b, len));
		for (size_t i = 0; i < len; i++) {
			/* these differ by the case bit, and are no letters */
			uint8_t was = b[i];

			b[i] = a[i] == '@' ? '`' : a[i] == '[' ? '{' : a[i] == 0xc1 ? 0xe1 : 'q';
			if (name_equal(a, b, len))
				fail_msg("len %zu: octet %zu is not looked at", len, i);
			b[i] = was;
		}
	}
	assert_true(name_equal(NULL, NULL, 0));
}

static const struct {
	const char *name, *suffix;
	bool want;
} suffixes[] = {
	{"www.example.org", "example.org", true},
	{"www.EXAMPLE.org", "eXample.Org", true},
	{"example.org", "example.org", true},
	{"example.org", "www.example.org", false},
	{"notexample.org", "example.org", false},
	{"xexample.org", "example.org", false},
	{"a.b.c.d.e", ".", true},
	{".", ".", true},
	{".", "org", false},
	{"www.example.org", "example.com", false},
	/* the octets of the suffix end the name, but in the middle of a label */
	{"a\\003org", "org", false},
};

static void under_goes_by_labels(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		uint8_t name[DNS_NAME_MAX], suffix[DNS_NAME_MAX];
		int len = name_parse(suffixes[i].name, name, NULL);
		int suffix_len = name_parse(suffixes[i].suffix, suffix, NULL);

		assert_true(len > 0 && suffix_len > 0);
		if (name_is_under(name, (size_t)len, suffix, (size_t)suffix_len) !=
		    suffixes[i].want)
			fail_msg("%s under %s", suffixes[i].name, suffixes[i].suffix);
	}
}

static const struct {
	const char *text, *want; /* want NULL: refused */
	unsigned labels;
} texts[] = {
	{"www.Example.org.", "www.Example.org.", 3},
	{"www.example.org", "www.example.org.", 3},
	{".", ".", 0},
	{"", ".", 0},
	{"a\\.b.c", "a\\.b.c.", 2},
	{"a\\\\b", "a\\\\b.", 1},
	{"sp\\032ace.\\065", "sp\\032ace.A.", 2},
	{"\\000\\255", "\\000\\255.", 1},
	{"a b", "a\\032b.", 1},
	{"_sip._tcp.x", "_sip._tcp.x.", 3},
	{"a..b", NULL, 0},
	{"..", NULL, 0},
	{".a", NULL, 0},
	{"a\\", NULL, 0},
	{"a\\256", NULL, 0},
	{"a\\25", NULL, 0},
	{"a\\2x5", NULL, 0},
};

static void text_is_read_and_written(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		uint8_t name[DNS_NAME_MAX];
		char text[DNS_NAME_TEXT_MAX];
		struct err err = {""};
		int len = name_parse(texts[i].text, name, &err);

		if ((len < 0) != (texts[i].want == NULL) || (len < 0) != (err.text[0] != '\0'))
			fail_msg("'%s': %d '%s'", texts[i].text, len, err.text);
		if (len < 0)
			continue;
		assert_string_equal(name_text(name, (size_t)len, text), texts[i].want);
		assert_int_equal(name_labels(name), texts[i].labels);
	}
}

/* A text of n labels of this length, and a last one. */
static char *long_text(char *text, unsigned n, unsigned label, unsigned last)
{
	char *t = text;

	for (unsigned i = 0; i <= n; i++) {
		unsigned len = i < n ? label : last;

		memset(t, 'x', len);
		t += len;
		*t++ = '.';
	}
	t[-1] = '\0';
	return text;
}

static void text_is_bounded_as_the_wire_is(void **state)
{
	char text[600];
	uint8_t name[DNS_NAME_MAX];

	assert_int_equal(name_parse(long_text(text, 3, 63, 61), name, NULL), 255);
	strcat(text, ".");
	assert_int_equal(name_parse(text, name, NULL), 255);
	assert_int_equal(name_parse(long_text(text, 3, 63, 62), name, NULL), -EINVAL);
	strcat(text, ".");
	assert_int_equal(name_parse(text, name, NULL), -EINVAL);
	assert_int_equal(name_parse(long_text(text, 0, 1, 63), name, NULL), 65);
	assert_int_equal(name_parse(long_text(text, 0, 1, 64), name, NULL), -EINVAL);
	assert_int_equal(name_parse(long_text(text, 200, 1, 1), name, NULL), -EINVAL);
	assert_int_equal(name_parse(long_text(text, 126, 1, 1), name, NULL), 255);
}

static void the_longest_text_fits(void **state)
{
	uint8_t name[DNS_NAME_MAX] = {0};
	char text[DNS_NAME_TEXT_MAX];

	for (size_t at = 0; at < 254; at += 64) {
		name[at] = at == 192 ? 61 : 63;
		memset(name + at + 1, 0xff, name[at]);
	}
	name[254] = 0;
	name_text(name, sizeof(name), text);
	assert_int_equal(strlen(text), (63 * 3 + 61) * 4 + 4);
}

static const struct {
	uint16_t type;
	const char *text;
} types[] = {
	{1, "A"},      {2, "NS"},     {5, "CNAME"},         {6, "SOA"},
	{12, "PTR"},   {15, "MX"},    {16, "TXT"},          {28, "AAAA"},
	{33, "SRV"},   {35, "NAPTR"}, {41, "OPT"},          {43, "DS"},
	{46, "RRSIG"}, {47, "NSEC"},  {48, "DNSKEY"},       {50, "NSEC3"},
	{52, "TLSA"},  {64, "SVCB"},  {65, "HTTPS"},        {251, "IXFR"},
	{252, "AXFR"}, {255, "ANY"},  {257, "CAA"},         {65402, "LUA"},
	{0, "TYPE0"},  {3, "TYPE3"},  {65280, "TYPE65280"}, {65535, "TYPE65535"},
};

static void types_have_names_both_ways(void **state)
{
	char text[16];
	uint16_t type;

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		assert_string_equal(type_text(types[i].type, text), types[i].text);
		if (type_parse(types[i].text, &type) < 0 || type != types[i].type)
			fail_msg("%s is not read back", types[i].text);
	}
	for (unsigned t = 0; t <= UINT16_MAX; t++)
		if (type_parse(type_text((uint16_t)t, text), &type) < 0 || type != t)
			fail_msg("type %u is not read back", t);
}

static void types_are_read_in_any_case_or_refused(void **state)
{
	static const char *const bad[] = {"",       "AA",     "TYPE", "TYPE65536",
					  "TYPE-1", "TYPE1x", "1",    " A"};
	uint16_t type;

	assert_int_equal(type_parse("aaaa", &type), 0);
	assert_int_equal(type, 28);
	assert_int_equal(type_parse("type1", &type), 0);
	assert_int_equal(type, 1);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (type_parse(bad[i], &type) != -EINVAL)
			fail_msg("'%s' is taken", bad[i]);
}

static void rcodes_have_display_texts(void **state)
{
	char text[24];

	assert_string_equal(rcode_text(0, text), "No Error");
	assert_string_equal(rcode_text(2, text), "Server Failure");
	assert_string_equal(rcode_text(3, text), "Non-Existent domain");
	assert_string_equal(rcode_text(5, text), "Query Refused");
	assert_string_equal(rcode_text(23, text), "Bad/missing Server Cookie");
	assert_string_equal(rcode_text(11, text), "Err#11");
	assert_string_equal(rcode_text(4095, text), "Err#4095");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_read_or_refused),
		cmocka_unit_test(a_bad_reader_reads_no_name),
		cmocka_unit_test(a_compressed_name_is_followed_backwards_only),
		cmocka_unit_test(lower_case_changes_the_26_letters_only),
		cmocka_unit_test(equal_means_equal_but_for_case),
		cmocka_unit_test(under_goes_by_labels),
		cmocka_unit_test(text_is_read_and_written),
		cmocka_unit_test(text_is_bounded_as_the_wire_is),
		cmocka_unit_test(the_longest_text_fits),
		cmocka_unit_test(types_have_names_both_ways),
		cmocka_unit_test(types_are_read_in_any_case_or_refused),
		cmocka_unit_test(rcodes_have_display_texts),
	};

	return cmocka_run_group_tests_name("name", tests, NULL, NULL);
}
