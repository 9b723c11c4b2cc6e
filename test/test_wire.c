/* The cursors of core/dns/wire.h: errors stick, nothing is read or written past the end. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/dns/wire.h"

static const uint8_t octets[] = {0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde};

static void numbers_are_read_in_network_order(void **state)
{
	struct wire_rd r = {.pos = octets, .end = octets + sizeof(octets)};

	assert_int_equal(rd_u8(&r), 0x12);
	assert_int_equal(rd_u16(&r), 0x3456);
	assert_int_equal(rd_u32(&r), 0x789abcde);
	assert_int_equal(rd_left(&r), 0);
	assert_false(r.bad);
}

static void a_read_past_the_end_gives_zero_from_then_on(void **state)
{
	struct wire_rd r = {.pos = octets, .end = octets + 3};

	assert_int_equal(rd_u32(&r), 0);
	assert_true(r.bad);
	assert_int_equal(rd_u8(&r), 0); /* there is one, but the reader has lost its place */
	assert_null(rd_skip(&r, 0));
	assert_int_equal(rd_left(&r), 3);
}

static void skipping_lends_what_was_passed_over(void **state)
{
	struct wire_rd r = {.pos = octets, .end = octets + 4};

	assert_ptr_equal(rd_skip(&r, 3), octets);
	assert_ptr_equal(rd_skip(&r, 0), octets + 3);
	assert_ptr_equal(rd_skip(&r, 1), octets + 3);
	assert_null(rd_skip(&r, 1));
}

static void numbers_are_written_in_network_order(void **state)
{
	uint8_t out[8];
	struct wire_wr w = {.pos = out, .end = out + sizeof(out)};

	wr_u16(&w, 0x1234);
	wr_u32(&w, 0x56789abc);
	wr_bytes(&w, "\xde", 1);
	assert_false(w.full);
	assert_int_equal(w.pos - out, sizeof(octets));
	assert_memory_equal(out, octets, sizeof(octets));
}

static void what_does_not_fit_is_not_written_at_all(void **state)
{
	uint8_t out[8] = {0};
	struct wire_wr w = {.pos = out, .end = out + 3};

	wr_u32(&w, 0xffffffff);
	assert_true(w.full);
	wr_u16(&w, 0xffff); /* would fit, but would come at the wrong place */
	wr_bytes(&w, "\xff", 1);
	for (size_t i = 0; i < sizeof(out); i++)
		assert_int_equal(out[i], 0);
}

static void header_words_have_their_places(void **state)
{
	uint8_t m[DNS_HEADER_LEN] = {0, 1, 0x81, 0x82, 0, 3, 0, 4, 0, 5, 0, 6};

	assert_int_equal(msg_id(m), 1);
	assert_int_equal(msg_flags(m), DNS_QR | DNS_RD | DNS_RA | RCODE_SERVFAIL);
	assert_int_equal(msg_qdcount(m), 3);
	assert_int_equal(msg_ancount(m), 4);
	assert_int_equal(msg_nscount(m), 5);
	assert_int_equal(msg_arcount(m), 6);
	msg_set_id(m, 0xabcd);
	msg_set_flags(m, DNS_AA);
	assert_int_equal(msg_id(m), 0xabcd);
	assert_int_equal(msg_flags(m), DNS_AA);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_read_in_network_order),
		cmocka_unit_test(a_read_past_the_end_gives_zero_from_then_on),
		cmocka_unit_test(skipping_lends_what_was_passed_over),
		cmocka_unit_test(numbers_are_written_in_network_order),
		cmocka_unit_test(what_does_not_fit_is_not_written_at_all),
		cmocka_unit_test(header_words_have_their_places),
	};

	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
