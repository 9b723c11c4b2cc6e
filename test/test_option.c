/* EDNS options put, undone and taken out; extended errors; padding. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/dns/option.h"
#include "core/dns/record.h"
#include "test/packet.h"

#define COOKIE             "\0\x0a\0\3coo"  /* 7 octets */
#define MAC                "\xff\xe4\0\2ab" /* 65508: 6 octets */
#define OTHER_MAC          "\xff\xe4\0\3xyz"
#define MAC_CODE           65508
#define OPT(len, options)  "\0\0\x29\4\xd0\0\0\x80\0\0" len options
#define OURS(len, options) "\0\0\x29\2\0\0\0\0\0\0" len options
#define TSIG               "\0\0\xfa\0\xff\0\0\0\0\0\0"
#define SIG0               "\0\0\x18\0\xff\0\0\0\0\0\x13\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"

static const struct option mac = {MAC_CODE, 2, (const uint8_t *)"ab"};

/* What follows the question a. A IN before and after the option is put. */
static const struct {
	const char *label;
	unsigned ar;
	const uint8_t *before;
	size_t before_len;
	enum option_how how;
	uint16_t payload;
	const uint8_t *after;
	size_t after_len;
	enum option_change change;
} edits[] = {
	{"no OPT", 0, BYTES(""), OPTION_REPLACE, 512, BYTES(OURS("\6", MAC)), OPTION_ADDED_OPT},
	{"no OPT, of another payload", 0, BYTES(""), OPTION_APPEND, 1232,
	 BYTES("\0\0\x29\4\xd0\0\0\0\0\0\6" MAC), OPTION_ADDED_OPT},
	{"no OPT, and none wanted", 0, BYTES(""), OPTION_REPLACE, 0, BYTES(""), OPTION_UNCHANGED},
	{"empty OPT", 1, BYTES(OPT("\0", "")), OPTION_REPLACE, 512, BYTES(OPT("\6", MAC)),
	 OPTION_ADDED},
	{"OPT, none wanted where none is", 1, BYTES(OPT("\0", "")), OPTION_REPLACE, 0,
	 BYTES(OPT("\6", MAC)), OPTION_ADDED},
	{"behind another code", 1, BYTES(OPT("\7", COOKIE)), OPTION_KEEP, 512,
	 BYTES(OPT("\x0d", COOKIE MAC)), OPTION_ADDED},
	{"in place of another", 1, BYTES(OPT("\x0e", OTHER_MAC COOKIE)), OPTION_REPLACE, 512,
	 BYTES(OPT("\x0d", COOKIE MAC)), OPTION_REPLACED},
	{"in place of two others", 1, BYTES(OPT("\x14", MAC COOKIE OTHER_MAC)), OPTION_REPLACE, 512,
	 BYTES(OPT("\x0d", COOKIE MAC)), OPTION_REPLACED},
	{"theirs stays", 1, BYTES(OPT("\x0e", OTHER_MAC COOKIE)), OPTION_KEEP, 512,
	 BYTES(OPT("\x0e", OTHER_MAC COOKIE)), OPTION_UNCHANGED},
	{"behind theirs", 1, BYTES(OPT("\x0e", OTHER_MAC COOKIE)), OPTION_APPEND, 512,
	 BYTES(OPT("\x14", OTHER_MAC COOKIE MAC)), OPTION_REPLACED},
	{"octets behind go", 1, BYTES(OPT("\0", "more")), OPTION_APPEND, 512, BYTES(OPT("\6", MAC)),
	 OPTION_ADDED},
	{"signed by TSIG", 2, BYTES(OPT("\0", TSIG)), OPTION_REPLACE, 512, BYTES(OPT("\0", TSIG)),
	 OPTION_UNCHANGED},
	{"signed by SIG(0)", 1, BYTES(SIG0), OPTION_REPLACE, 512, BYTES(SIG0), OPTION_UNCHANGED},
	{"pointers behind it", 3,
	 BYTES(OPT("\0", "\1b\0\0\1\0\1\0\0\0\0\0\0\xc0\x1e\0\1\0\1\0\0\0\0\0\0")), OPTION_REPLACE,
	 512, BYTES(OPT("\6", MAC "\1b\0\0\1\0\1\0\0\0\0\0\0\xc0\x24\0\1\0\1\0\0\0\0\0\0")),
	 OPTION_ADDED},
};

static void an_option_is_put_and_undone(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(edits); i++) {
		struct packet p = packet_begin("a", 1), was;
		enum option_change change;
		size_t end = p.len, len;

		packet_add(&p, 0, 0, edits[i].ar, edits[i].before, edits[i].before_len);
		was = p;
		len = msg_put_option(p.msg, p.len, sizeof(p.msg), &p.q, &mac, edits[i].how,
				     edits[i].payload, &change);
		if (len != end + edits[i].after_len || change != edits[i].change)
			fail_msg("%s: %zu octets, want %zu; change %d", edits[i].label, len - end,
				 edits[i].after_len, change);
		if (memcmp(p.msg + end, edits[i].after, edits[i].after_len) != 0)
			fail_msg("%s: differs", edits[i].label);
		if (msg_end(p.msg, len, &p.q) != len)
			fail_msg("%s: is no whole message", edits[i].label);
		len = msg_undo_option(p.msg, len, MAC_CODE, change);
		if (change == OPTION_ADDED || change == OPTION_ADDED_OPT)
			if (len != msg_end(was.msg, was.len, &was.q) ||
			    memcmp(p.msg, was.msg, len) != 0)
				fail_msg("%s: is not undone", edits[i].label);
	}
}

static const struct {
	const char *label;
	unsigned ar;
	const uint8_t *before;
	size_t len, cap_more;
} refused[] = {
	{"no room for OPT", 0, BYTES(""), 16},
	{"no room for the option", 1, BYTES(OPT("\0", "")), 5},
	{"options cut", 1, BYTES(OPT("\3", "\0\x0a\0")), 100},
	{"OPT cut", 1, BYTES("\0\0\x29\4"), 100},
	{"two OPTs", 2, BYTES(OPT("\0", "") OPT("\0", "")), 100},
};

static void what_is_malformed_or_full_is_left_alone(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct packet p = packet_begin("a", 1), was;
		enum option_change change;

		packet_add(&p, 0, 0, refused[i].ar, refused[i].before, refused[i].len);
		was = p;
		for (int how = OPTION_REPLACE; how <= OPTION_APPEND; how++)
			if (msg_put_option(p.msg, p.len, p.len + refused[i].cap_more, &p.q, &mac,
					   (enum option_how)how, 512, &change) != 0 ||
			    change != OPTION_UNCHANGED)
				fail_msg("%s: done", refused[i].label);
		if (refused[i].cap_more == 100) {
			assert_int_equal(msg_pad(p.msg, p.len, p.len + 100, &p.q, 128), 0);
			assert_int_equal(msg_remove_option(p.msg, p.len, &p.q, MAC_CODE), 0);
			assert_int_equal(msg_undo_option(p.msg, p.len, MAC_CODE, OPTION_ADDED),
					 p.len);
		}
		if (memcmp(&p, &was, sizeof(p)) != 0)
			fail_msg("%s: changed", refused[i].label);
	}
}

static void an_option_longer_than_an_opt_is_refused(void **state)
{
	static uint8_t data[UINT16_MAX], msg[3 * UINT16_MAX];
	struct packet p = packet_begin("a", 1);
	enum option_change change;

	/* the data and its header are more than an OPT's length can say */
	struct option o = {MAC_CODE, UINT16_MAX - 3, data};

	memcpy(msg, p.msg, p.len);
	assert_int_equal(
		msg_put_option(msg, p.len, sizeof(msg), &p.q, &o, OPTION_REPLACE, 512, &change), 0);
	o.len--;
	assert_int_equal(
		msg_put_option(msg, p.len, sizeof(msg), &p.q, &o, OPTION_REPLACE, 512, &change),
		p.len + OPT_FIXED + UINT16_MAX);
	assert_int_equal(change, OPTION_ADDED_OPT);
}

static void options_and_opt_are_taken_out(void **state)
{
	struct packet p = packet_begin("a", 1);
	size_t end = p.len;

	packet_add(&p, 0, 0, 2, BYTES(OPT("\x14", MAC COOKIE OTHER_MAC) A_RECORD));
	assert_int_equal(msg_remove_option(p.msg, p.len, &p.q, 9), p.len);
	p.len = msg_remove_option(p.msg, p.len, &p.q, MAC_CODE);
	assert_int_equal(p.len, end + 18 + 16);
	assert_memory_equal(p.msg + end, OPT("\7", COOKIE) A_RECORD, 18 + 16);
	p.len = msg_remove_opt(p.msg, p.len, &p.q);
	assert_int_equal(p.len, end + 16);
	assert_memory_equal(p.msg + end, A_RECORD, 16);
	assert_int_equal(msg_arcount(p.msg), 1);
	assert_int_equal(msg_remove_opt(p.msg, p.len, &p.q), p.len);
	assert_int_equal(msg_remove_option(p.msg, p.len, &p.q, MAC_CODE), p.len);
}

static const struct {
	const char *label;
	unsigned ar;
	const uint8_t *before;
	size_t before_len;
	bool clear;
	const uint8_t *after;
	size_t after_len;
} errors[] = {
	{"no OPT", 0, BYTES(""), false, BYTES("")},
	{"the first", 1, BYTES(OPT("\7", COOKIE)), false,
	 BYTES(OPT("\x12", COOKIE "\0\x0f\0\7\0\x12stale"))},
	{"another", 1, BYTES(OPT("\6", "\0\x0f\0\2\0\1")), false,
	 BYTES(OPT("\x11", "\0\x0f\0\2\0\1\0\x0f\0\7\0\x12stale"))},
	{"the only one", 1, BYTES(OPT("\6", "\0\x0f\0\2\0\1")), true,
	 BYTES(OPT("\x0b", "\0\x0f\0\7\0\x12stale"))},
};

static void an_extended_error_is_added(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		struct packet p = packet_begin("a", 1);
		size_t end = p.len, len;

		packet_add(&p, 0, 0, errors[i].ar, errors[i].before, errors[i].before_len);
		len = msg_add_ede(p.msg, p.len, sizeof(p.msg), &p.q, 18, "stale", 5,
				  errors[i].clear);
		if (len != end + errors[i].after_len ||
		    memcmp(p.msg + end, errors[i].after, errors[i].after_len) != 0)
			fail_msg("%s: differs", errors[i].label);
	}
}

static void an_extended_error_may_lack_a_text(void **state)
{
	struct packet p = packet_begin("a", 1);
	size_t end = p.len;

	packet_add(&p, 0, 0, 1, BYTES(OPT_EMPTY));
	assert_int_equal(msg_add_ede(p.msg, p.len, p.len + 5, &p.q, 0x0102, NULL, 0, false), 0);
	assert_int_equal(msg_add_ede(p.msg, p.len, p.len + 6, &p.q, 0x0102, NULL, 0, false),
			 p.len + 6);
	assert_memory_equal(p.msg + end, OPT("\6", "\0\x0f\0\2\1\2"), 17);
}

/* The question ends at 19, so a message with an empty OPT has 30 octets. */
static const struct {
	const char *label;
	unsigned ar;
	const uint8_t *before;
	size_t before_len, block, cap, want;
	int padding; /* octets of data; -1: there is no such option */
} pads[] = {
	{"no OPT", 0, BYTES(""), 64, 2048, 19, -1},
	{"to a block", 1, BYTES(OPT_EMPTY), 64, 2048, 64, 30},
	{"just the option", 1, BYTES(OPT_EMPTY), 34, 2048, 34, 0},
	{"one more than a block", 1, BYTES(OPT_EMPTY), 33, 2048, 66, 32},
	{"to a larger block", 1, BYTES(OPT_EMPTY), 468, 2048, 468, 434},
	{"no further than the room", 1, BYTES(OPT_EMPTY), 128, 100, 100, 66},
	{"no room for an option", 1, BYTES(OPT_EMPTY), 128, 33, 30, -1},
	{"in place of theirs", 1, BYTES(OPT("\x0d", "\0\x0c\0\2xx" COOKIE)), 64, 2048, 64, 23},
	{"theirs, longer", 1, BYTES(OPT("\x0e", "\0\x0c\0\x0axxxxxxxxxx")), 16, 2048, 48, 14},
	{"theirs, longer than the block needs", 1, BYTES(OPT("\x0e", "\0\x0c\0\x0axxxxxxxxxx")), 35,
	 2048, 35, 1},
	{"theirs goes when ours has no room", 1, BYTES(OPT("\4", "\0\x0c\0\0")), 128, 33, 30, -1},
	{"signed", 2, BYTES(OPT_EMPTY TSIG), 64, 2048, 41, -1},
	{"octets behind do not count", 1, BYTES(OPT_EMPTY "xyz"), 64, 2048, 64, 30},
};

static void an_answer_is_padded(void **state)
{
	static const uint8_t zeros[2048];

	for (size_t i = 0; i < ARRAY_LEN(pads); i++) {
		struct packet p = packet_begin("a", 1);
		const uint8_t *data;
		uint16_t n = 0;
		struct opt opt;
		size_t len;

		packet_add(&p, 0, 0, pads[i].ar, pads[i].before, pads[i].before_len);
		len = msg_pad(p.msg, p.len, pads[i].cap, &p.q, pads[i].block);
		if (len != pads[i].want)
			fail_msg("%s: %zu octets, want %zu", pads[i].label, len, pads[i].want);
		assert_int_equal(msg_opt(p.msg, len, &p.q, &opt), 0);
		data = opt_find(p.msg, &opt, EDNS_PADDING, &n);
		if ((data == NULL) != (pads[i].padding < 0) ||
		    (data != NULL && (n != pads[i].padding || memcmp(data, zeros, n) != 0)))
			fail_msg("%s: padding of %u", pads[i].label, n);
		assert_int_equal(msg_end(p.msg, len, &p.q), len);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_option_is_put_and_undone),
		cmocka_unit_test(what_is_malformed_or_full_is_left_alone),
		cmocka_unit_test(an_option_longer_than_an_opt_is_refused),
		cmocka_unit_test(options_and_opt_are_taken_out),
		cmocka_unit_test(an_extended_error_is_added),
		cmocka_unit_test(an_extended_error_may_lack_a_text),
		cmocka_unit_test(an_answer_is_padded),
	};

	return cmocka_run_group_tests_name("option", tests, NULL, NULL);
}
