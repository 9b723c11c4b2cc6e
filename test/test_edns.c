/* EDNS options, and the client subnet put in and taken out. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/dns/record.h"
#include "test/packet.h"

#define COOKIE                  "\0\x0a\0\3coo"
#define ECS_24                  "\0\x08\0\7\0\1\x18\0\xc0\0\2" /* 192.0.2.0/24: 11 octets */
#define ECS_56                  "\0\x08\0\x0b\0\2\x38\0\x20\1\x0d\xb8\0\0\1" /* 2001:db8:0:100::/56: 15 octets */
#define OPT_WITH(len, options)  "\0\0\x29\4\xd0\0\0\x80\0\0" len options
#define OPT_ADDED(len, options) "\0\0\x29\2\0\0\0\0\0\0" len options

static const uint8_t v4[] = {192, 0, 2, 77};
static const uint8_t v6[] = {0x20, 1, 0xd, 0xb8, 0, 0, 1, 0xff, 9, 9, 9, 9, 9, 9, 9, 9};

static const struct {
	const char *label;
	const uint8_t *options;
	size_t len;
	uint16_t code;
	int want; /* offset of the data among the options; -1: not found */
	uint16_t want_len;
} finds[] = {
	{"none", BYTES(""), 10, -1, 0},
	{"first", BYTES(COOKIE), 10, 4, 3},
	{"second", BYTES(COOKIE ECS_24), 8, 11, 7},
	{"other", BYTES(COOKIE), 8, -1, 0},
	{"first of two", BYTES("\0\x0a\0\1x\0\x0a\0\2yy"), 10, 4, 1},
	{"empty one", BYTES("\0\x0a\0\0"), 10, 4, 0},
	{"cut before what is sought",
	 BYTES("\0\x0b\0\x09"
	       "abc"),
	 10, -1, 0},
	{"itself cut", BYTES("\0\x0a\0\4coo"), 10, -1, 0},
	{"header cut", BYTES("\0\x0a\0"), 10, -1, 0},
};

static void an_option_is_found_or_not(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(finds); i++) {
		struct packet p = packet_begin("www", 1);
		const uint8_t *data;
		uint16_t len;
		struct opt opt;

		packet_add(&p, 0, 0, 1, BYTES("\0\0\x29\4\xd0\0\0\x80\0\0"));
		p.msg[p.len++] = (uint8_t)finds[i].len;
		packet_add(&p, 0, 0, 0, finds[i].options, finds[i].len);
		assert_int_equal(msg_opt(p.msg, p.len, &p.q, &opt), 0);
		data = opt_find(p.msg, &opt, finds[i].code, &len);
		if ((data == NULL) != (finds[i].want < 0))
			fail_msg("%s: found %d", finds[i].label, data != NULL);
		if (data != NULL &&
		    (data - (p.msg + opt.at + 11) != finds[i].want || len != finds[i].want_len))
			fail_msg("%s: is elsewhere", finds[i].label);
	}
}

static void without_an_opt_there_is_no_option(void **state)
{
	static const struct opt none = {.at = 0};
	uint8_t msg[DNS_HEADER_LEN] = {0};
	uint16_t len;

	assert_null(opt_find(msg, &none, EDNS_ECS, &len));
}

/* What follows the question before and after; the question is a. A IN, and ends at 19. */
static const struct {
	const char *label;
	unsigned an, ar;
	const uint8_t *before;
	size_t before_len;
	const uint8_t *addr;
	size_t addr_len;
	unsigned prefix;
	bool override;
	const uint8_t *after;
	size_t after_len;
	enum ecs_added added;
} adds[] = {
	{"no OPT", 0, 0, BYTES(""), v4, 4, 24, false, BYTES(OPT_ADDED("\x0b", ECS_24)),
	 ECS_ADDED_OPT},
	{"no OPT, IPv6", 0, 0, BYTES(""), v6, 16, 56, false, BYTES(OPT_ADDED("\x0f", ECS_56)),
	 ECS_ADDED_OPT},
	{"no OPT, octets behind", 0, 0, BYTES("xyz"), v4, 4, 24, false,
	 BYTES(OPT_ADDED("\x0b", ECS_24)), ECS_ADDED_OPT},
	{"no OPT, a record", 1, 0, BYTES(A_RECORD), v4, 4, 24, false,
	 BYTES(A_RECORD OPT_ADDED("\x0b", ECS_24)), ECS_ADDED_OPT},
	{"empty OPT", 0, 1, BYTES(OPT_WITH("\0", "")), v4, 4, 24, false,
	 BYTES(OPT_WITH("\x0b", ECS_24)), ECS_ADDED_OPTION},
	{"OPT, octets behind", 0, 1, BYTES(OPT_WITH("\0", "xyz")), v4, 4, 24, false,
	 BYTES(OPT_WITH("\x0b", ECS_24)), ECS_ADDED_OPTION},
	{"behind another option", 0, 1, BYTES(OPT_WITH("\7", COOKIE)), v4, 4, 24, false,
	 BYTES(OPT_WITH("\x12", COOKIE ECS_24)), ECS_ADDED_OPTION},
	{"theirs stays", 0, 1, BYTES(OPT_WITH("\x0b", ECS_24)), v6, 16, 56, false,
	 BYTES(OPT_WITH("\x0b", ECS_24)), ECS_NONE},
	{"theirs stays, octets behind go", 0, 1, BYTES(OPT_WITH("\x0b", ECS_24 "xyz")), v6, 16, 56,
	 false, BYTES(OPT_WITH("\x0b", ECS_24)), ECS_NONE},
	{"override, longer", 0, 1, BYTES(OPT_WITH("\x12", ECS_24 COOKIE)), v6, 16, 56, true,
	 BYTES(OPT_WITH("\x16", COOKIE ECS_56)), ECS_NONE},
	{"override, shorter", 0, 1, BYTES(OPT_WITH("\x0f", ECS_56)), v4, 4, 24, true,
	 BYTES(OPT_WITH("\x0b", ECS_24)), ECS_NONE},
	{"override takes all of theirs", 0, 1, BYTES(OPT_WITH("\x21", ECS_24 COOKIE ECS_56)), v4, 4,
	 24, true, BYTES(OPT_WITH("\x12", COOKIE ECS_24)), ECS_NONE},
	{"prefix inside an octet", 0, 0, BYTES(""), v4, 4, 26, false,
	 BYTES(OPT_ADDED("\x0c", "\0\x08\0\x08\0\1\x1a\0\xc0\0\2\x40")), ECS_ADDED_OPT},
	{"prefix 0", 0, 0, BYTES(""), v4, 4, 0, false,
	 BYTES(OPT_ADDED("\x08", "\0\x08\0\4\0\1\0\0")), ECS_ADDED_OPT},
	{"prefix beyond the address", 0, 0, BYTES(""), v4, 4, 56, false,
	 BYTES(OPT_ADDED("\x0c", "\0\x08\0\x08\0\1\x20\0\xc0\0\2\x4d")), ECS_ADDED_OPT},
	{"OPT before another record", 0, 2, BYTES(OPT_WITH("\0", "") A_RECORD), v4, 4, 24, false,
	 BYTES(OPT_WITH("\x0b", ECS_24) A_RECORD), ECS_ADDED_OPTION},
	{"pointers to what moved", 0, 3,
	 /* at 19 OPT; at 30 MX: owner b. (30), data at 43 with d. at 45; at 48 a TXT with owner d.
	  */
	 BYTES(OPT_WITH("\0", "") "\1b\0\0\x0f\0\1\0\0\0\1\0\6\0\7\1d\xc0\x1e"
				  "\xc0\x2d\0\2\0\1\0\0\0\1\0\4\1e\xc0\x0c"),
	 v4, 4, 24, false,
	 BYTES(OPT_WITH("\x0b", ECS_24) "\1b\0\0\x0f\0\1\0\0\0\1\0\6\0\7\1d\xc0\x29"
					"\xc0\x38\0\2\0\1\0\0\0\1\0\4\1e\xc0\x0c"),
	 ECS_ADDED_OPTION},
	{"signed by TSIG", 0, 1, BYTES("\0\0\xfa\0\xff\0\0\0\0\0\0"), v4, 4, 24, false,
	 BYTES("\0\0\xfa\0\xff\0\0\0\0\0\0"), ECS_NONE},
};

static void a_subnet_is_put_into_a_query(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(adds); i++) {
		struct packet p = packet_begin("a", 1);
		enum ecs_added added;
		size_t end = p.len, len;

		packet_add(&p, adds[i].an, 0, adds[i].ar, adds[i].before, adds[i].before_len);
		len = msg_add_ecs(p.msg, p.len, sizeof(p.msg), &p.q, adds[i].addr, adds[i].addr_len,
				  adds[i].prefix, adds[i].override, &added);
		if (len != end + adds[i].after_len || added != adds[i].added)
			fail_msg("%s: %zu octets, want %zu; added %d", adds[i].label, len - end,
				 adds[i].after_len, added);
		if (memcmp(p.msg + end, adds[i].after, adds[i].after_len) != 0)
			fail_msg("%s: differs", adds[i].label);
		if (msg_arcount(p.msg) != adds[i].ar + (added == ECS_ADDED_OPT))
			fail_msg("%s: additional count %u", adds[i].label, msg_arcount(p.msg));
		if (msg_end(p.msg, len, &p.q) != len)
			fail_msg("%s: is no whole message", adds[i].label);
	}
}

static const struct {
	const char *label;
	unsigned ar;
	const uint8_t *before;
	size_t len, cap_more; /* octets that fit beyond the query */
} refused[] = {
	{"no room for an OPT", 0, BYTES(""), 21},
	{"no room for the option", 1, BYTES(OPT_WITH("\0", "")), 10},
	{"options cut", 1, BYTES(OPT_WITH("\3", "\0\x0a\0")), 100},
	{"record cut", 2, BYTES(OPT_WITH("\0", "")), 100},
	{"name in the data cut", 2, BYTES(OPT_WITH("\0", "") "\0\0\2\0\1\0\0\0\0\0\1\5"), 100},
};

static void what_cannot_be_edited_is_left_alone(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct packet p = packet_begin("a", 1), was;
		enum ecs_added added;

		packet_add(&p, 0, 0, refused[i].ar, refused[i].before, refused[i].len);
		was = p;
		if (msg_add_ecs(p.msg, p.len, p.len + refused[i].cap_more, &p.q, v4, 4, 24, false,
				&added) != 0 ||
		    added != ECS_NONE)
			fail_msg("%s: done", refused[i].label);
		if (memcmp(&p, &was, sizeof(p)) != 0)
			fail_msg("%s: changed", refused[i].label);
	}
}

static void exactly_enough_room_is_enough(void **state)
{
	struct packet p = packet_begin("a", 1);
	enum ecs_added added;

	assert_int_equal(msg_add_ecs(p.msg, p.len, p.len + 22, &p.q, v4, 4, 24, false, &added),
			 p.len + 22);
}

static const struct {
	const char *label;
	enum ecs_added added;
	unsigned ar;
	const uint8_t *before;
	size_t before_len;
	const uint8_t *after;
	size_t after_len;
	unsigned ar_after;
} removes[] = {
	{"nothing was added", ECS_NONE, 1, BYTES(OPT_WITH("\x0b", ECS_24)),
	 BYTES(OPT_WITH("\x0b", ECS_24)), 1},
	{"the whole OPT", ECS_ADDED_OPT, 1, BYTES(OPT_WITH("\x12", ECS_24 COOKIE)), BYTES(""), 0},
	{"the OPT, and none is there", ECS_ADDED_OPT, 1, BYTES(A_RECORD), BYTES(A_RECORD), 1},
	{"the OPT before another record", ECS_ADDED_OPT, 2,
	 BYTES(OPT_WITH("\x0b", ECS_24) A_RECORD), BYTES(A_RECORD), 1},
	{"the OPT behind another record", ECS_ADDED_OPT, 2,
	 BYTES(A_RECORD OPT_WITH("\x0b", ECS_24)), BYTES(A_RECORD), 1},
	{"the option, alone", ECS_ADDED_OPTION, 1, BYTES(OPT_WITH("\x0b", ECS_24)),
	 BYTES(OPT_WITH("\0", "")), 1},
	{"the option, before another", ECS_ADDED_OPTION, 1, BYTES(OPT_WITH("\x12", ECS_24 COOKIE)),
	 BYTES(OPT_WITH("\7", COOKIE)), 1},
	{"the option, behind another", ECS_ADDED_OPTION, 1, BYTES(OPT_WITH("\x12", COOKIE ECS_24)),
	 BYTES(OPT_WITH("\7", COOKIE)), 1},
	{"the option, and none is there", ECS_ADDED_OPTION, 1, BYTES(OPT_WITH("\7", COOKIE)),
	 BYTES(OPT_WITH("\7", COOKIE)), 1},
	{"pointers to what moved", ECS_ADDED_OPT, 2,
	 BYTES(OPT_WITH("\x0b", ECS_24) "\1b\0\0\6\0\1\0\0\0\1\0\x1a\1m\xc0\x29\xc0\x34"
					"\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1"),
	 BYTES("\1b\0\0\6\0\1\0\0\0\1\0\x1a\1m\xc0\x13\xc0\x1e\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1"),
	 1},
	{"pointer into the OPT", ECS_ADDED_OPT, 2,
	 BYTES(OPT_WITH("\0", "") "\xc0\x13\0\1\0\1\0\0\0\0\0\0"),
	 BYTES(OPT_WITH("\0", "") "\xc0\x13\0\1\0\1\0\0\0\0\0\0"), 2},
	{"malformed stays", ECS_ADDED_OPT, 2, BYTES(OPT_WITH("\x0b", ECS_24) "\1b\0"),
	 BYTES(OPT_WITH("\x0b", ECS_24) "\1b\0"), 2},
};

static void what_was_added_is_taken_out_of_the_answer(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(removes); i++) {
		struct packet p = packet_begin("a", 1);
		size_t end = p.len, len;

		packet_add(&p, 0, 0, removes[i].ar, removes[i].before, removes[i].before_len);
		len = msg_remove_ecs(p.msg, p.len, removes[i].added);
		if (len != end + removes[i].after_len || msg_arcount(p.msg) != removes[i].ar_after)
			fail_msg("%s: %zu octets, want %zu", removes[i].label, len - end,
				 removes[i].after_len);
		if (memcmp(p.msg + end, removes[i].after, removes[i].after_len) != 0)
			fail_msg("%s: differs", removes[i].label);
	}
}

static void an_extended_rcode_does_not_become_success(void **state)
{
	struct packet p = packet_begin("a", 1);

	packet_add(&p, 0, 0, 1, BYTES("\0\0\x29\4\xd0\1\0\0\0\0\0")); /* BADVERS: 16 in all */
	assert_int_equal(msg_remove_ecs(p.msg, p.len, ECS_ADDED_OPT), p.q.end);
	assert_int_equal(msg_flags(p.msg) & DNS_RCODE_MASK, RCODE_SERVFAIL);
}

static void an_answer_without_question_is_mended_too(void **state)
{
	uint8_t msg[64] = {0, 1, 0x80, 5, 0, 0, 0, 0, 0, 0, 0, 1};

	memcpy(msg + DNS_HEADER_LEN, OPT_EMPTY, 11);
	assert_int_equal(msg_remove_ecs(msg, DNS_HEADER_LEN + 11, ECS_ADDED_OPT), DNS_HEADER_LEN);
	assert_int_equal(msg_arcount(msg), 0);
	assert_int_equal(msg_remove_ecs(msg, 5, ECS_ADDED_OPT), 5);
}

static const struct {
	const char *label;
	const uint8_t *option;
	size_t len;
	int want;
	struct ecs ecs;
} subnets[] = {
	{"none", BYTES(COOKIE), 0, {.present = false}},
	{"IPv4", BYTES("\0\x08\0\7\0\1\x18\x10\xc0\0\2"), 0, {true, 1, 24, 16, {192, 0, 2}}},
	{"IPv6", BYTES(ECS_56), 0, {true, 2, 56, 0, {0x20, 1, 0xd, 0xb8, 0, 0, 1}}},
	{"nobody", BYTES("\0\x08\0\4\0\1\0\0"), 0, {true, 1, 0, 0, {0}}},
	{"whole address",
	 BYTES("\0\x08\0\x08\0\1\x20\x20\xc0\0\2\1"),
	 0,
	 {true, 1, 32, 32, {192, 0, 2, 1}}},
	{"header cut", BYTES("\0\x08\0\3\0\1\0"), -EBADMSG, {0}},
	{"address too short", BYTES("\0\x08\0\6\0\1\x18\0\xc0\0"), -EBADMSG, {0}},
	{"address too long", BYTES("\0\x08\0\x08\0\1\x18\0\xc0\0\2\1"), -EBADMSG, {0}},
	{"prefix too long", BYTES("\0\x08\0\x09\0\1\x21\0\xc0\0\2\1\0"), -EBADMSG, {0}},
	{"scope too long", BYTES("\0\x08\0\x07\0\1\x18\x21\xc0\0\2"), -EBADMSG, {0}},
	{"bits beyond the prefix", BYTES("\0\x08\0\x07\0\1\x17\0\xc0\0\3"), -EBADMSG, {0}},
	{"unknown family", BYTES("\0\x08\0\x07\0\3\x18\0\xc0\0\2"), -EBADMSG, {0}},
};

static void a_subnet_is_read_or_refused(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(subnets); i++) {
		struct packet p = packet_begin("a", 1);
		struct opt opt;
		struct ecs ecs;
		int rc;

		packet_add(&p, 0, 0, 1, BYTES("\0\0\x29\4\xd0\0\0\x80\0\0"));
		p.msg[p.len++] = (uint8_t)subnets[i].len;
		packet_add(&p, 0, 0, 0, subnets[i].option, subnets[i].len);
		assert_int_equal(msg_opt(p.msg, p.len, &p.q, &opt), 0);
		rc = msg_ecs(p.msg, &opt, &ecs);
		if (rc != subnets[i].want)
			fail_msg("%s: %d", subnets[i].label, rc);
		if (rc == 0 && memcmp(&ecs, &subnets[i].ecs, sizeof(ecs)) != 0)
			fail_msg("%s: differs", subnets[i].label);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_option_is_found_or_not),
		cmocka_unit_test(without_an_opt_there_is_no_option),
		cmocka_unit_test(a_subnet_is_put_into_a_query),
		cmocka_unit_test(what_cannot_be_edited_is_left_alone),
		cmocka_unit_test(exactly_enough_room_is_enough),
		cmocka_unit_test(what_was_added_is_taken_out_of_the_answer),
		cmocka_unit_test(an_extended_rcode_does_not_become_success),
		cmocka_unit_test(an_answer_without_question_is_mended_too),
		cmocka_unit_test(a_subnet_is_read_or_refused),
	};

	return cmocka_run_group_tests_name("edns", tests, NULL, NULL);
}
