/* Where a zone transfer ends. Messages are made of letters: one record each. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "workers/xfr.h"

/* Header, question ". TYPE IN", then for each letter a record: digits are SOAs of that serial, 'a'
 * an A. */
static size_t make(uint8_t *m, const char *records, uint16_t type, bool in_authority,
		   unsigned rcode)
{
	struct wire_wr w = {.pos = m, .end = m + 2048};
	uint16_t n = (uint16_t)strlen(records);

	wr_u16(&w, 1);
	wr_u16(&w, (uint16_t)(DNS_QR | rcode));
	wr_u16(&w, 1);
	wr_u16(&w, in_authority ? 0 : n);
	wr_u16(&w, in_authority ? n : 0);
	wr_u16(&w, 0);
	wr_bytes(&w, "", 1);
	wr_u16(&w, type);
	wr_u16(&w, CLASS_IN);
	for (const char *r = records; *r != '\0'; r++) {
		bool soa = *r >= '0' && *r <= '9';

		wr_bytes(&w, "", 1);
		wr_u16(&w, soa ? TYPE_SOA : TYPE_A);
		wr_u16(&w, CLASS_IN);
		wr_u32(&w, 60);
		wr_u16(&w, soa ? 22 : 4);
		if (soa) {
			wr_bytes(&w, "\0", 2); /* two root names */
			wr_u32(&w, (uint32_t)(*r - '0'));
			wr_u32(&w, 1);
			wr_u32(&w, 1);
			wr_u32(&w, 1);
		}
		wr_u32(&w, 1);
	}
	return (size_t)(w.pos - m);
}

static const struct {
	const char *label;
	uint16_t type;
	const char *asked;       /* SOA of the query's authority section */
	const char *messages[5]; /* records of each */
	unsigned ends_with;      /* the message, from 0, that is the last */
} cases[] = {
	{"AXFR in one message", TYPE_AXFR, "", {"1aaa1"}, 0},
	{"AXFR in three", TYPE_AXFR, "", {"1aa", "aaaa", "a1"}, 2},
	{"AXFR of an SOA alone", TYPE_AXFR, "", {"11"}, 0},
	{"AXFR, a record a message", TYPE_AXFR, "", {"1", "a", "a", "1"}, 3},
	{"IXFR, up to date", TYPE_IXFR, "5", {"5"}, 0},
	{"IXFR, the server is behind", TYPE_IXFR, "5", {"4"}, 0},
	{"IXFR, one difference", TYPE_IXFR, "4", {"54a5a5"}, 0},
	{"IXFR, two differences", TYPE_IXFR, "3", {"5", "3a4a", "4a5a", "5"}, 3},
	{"IXFR answered as AXFR", TYPE_IXFR, "3", {"5aa", "a5"}, 1},
	{"IXFR without a serial", TYPE_IXFR, "", {"5aa", "a5"}, 1},
	{"nothing at all", TYPE_AXFR, "", {""}, 0},
	{"an empty message in between", TYPE_AXFR, "", {"1a", ""}, 1},
};

static void transfers_end_where_they_should(void **state)
{
	static uint8_t query[2048], msg[2048];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t len = make(query, cases[i].asked, cases[i].type, true, 0);
		struct question q;
		struct xfr x;

		assert_int_equal(msg_question(query, len, &q), 0);
		xfr_begin(&x, query, len, &q);
		for (unsigned k = 0; k <= cases[i].ends_with; k++) {
			enum xfr_step want = k == cases[i].ends_with ? XFR_DONE : XFR_MORE;
			enum xfr_step got;

			len = make(msg, cases[i].messages[k], cases[i].type, false, 0);
			got = xfr_message(&x, msg, len);
			if (got != want)
				fail_msg("%s: message %u: %d", cases[i].label, k, got);
		}
		assert_int_equal(x.messages, cases[i].ends_with + 1);
	}
}

static void refusal_is_the_end(void **state)
{
	uint8_t query[2048], msg[2048];
	size_t len = make(query, "", TYPE_AXFR, true, 0);
	struct question q;
	struct xfr x;

	(void)state;
	assert_int_equal(msg_question(query, len, &q), 0);
	xfr_begin(&x, query, len, &q);
	len = make(msg, "1a", TYPE_AXFR, false, RCODE_REFUSED);
	assert_int_equal(xfr_message(&x, msg, len), XFR_DONE);
}

/* Every shorter piece of a message is bad, and none is read beyond its end. */
static void cut_messages_are_bad(void **state)
{
	uint8_t query[2048], whole[2048];
	size_t len = make(query, "", TYPE_AXFR, true, 0);
	struct question q;

	(void)state;
	assert_int_equal(msg_question(query, len, &q), 0);
	len = make(whole, "1aa", TYPE_AXFR, false, 0);
	for (size_t cut = DNS_HEADER_LEN; cut < len; cut++) {
		uint8_t *piece = test_malloc(cut);
		struct xfr x;

		memcpy(piece, whole, cut);
		xfr_begin(&x, query, len, &q);
		if (xfr_message(&x, piece, cut) != XFR_BAD)
			fail_msg("cut to %zu", cut);
		test_free(piece);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transfers_end_where_they_should),
		cmocka_unit_test(refusal_is_the_end),
		cmocka_unit_test(cut_messages_are_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
