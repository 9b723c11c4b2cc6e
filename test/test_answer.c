/* Answers of our own: without records, cut, built record by record. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/dns/answer.h"
#include "test/packet.h"

static const struct answer_form no_opt;

static void an_empty_answer_has_the_flags_of_one(void **state)
{
	static const struct {
		const char *label;
		unsigned in, rcode, want;
	} rows[] = {
		{"recursion follows", DNS_RD, 3, DNS_QR | DNS_RD | DNS_RA | 3},
		{"no recursion", 0, 5, DNS_QR | 5},
		{"AA, AD, TC go; CD and opcode stay", DNS_AA | DNS_AD | DNS_TC | DNS_CD | 0x2000, 4,
		 DNS_QR | DNS_CD | 0x2000 | 4},
		{"RA of the query goes", DNS_RA, 2, DNS_QR | 2},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct packet p = packet_begin("www", 1);

		packet_add(&p, 1, 0, 0, BYTES(A_RECORD));
		msg_set_flags(p.msg, (uint16_t)rows[i].in);
		assert_int_equal(
			msg_answer_empty(p.msg, p.len, sizeof(p.msg), &p.q, rows[i].rcode, &no_opt),
			p.q.end);
		if (msg_flags(p.msg) != rows[i].want)
			fail_msg("%s: 0x%04x", rows[i].label, msg_flags(p.msg));
		assert_int_equal(msg_ancount(p.msg), 0);
	}
}

static void an_empty_answer_has_opt_when_the_query_had(void **state)
{
	struct packet p = packet_begin("www", 1);
	struct opt opt, got;
	struct answer_form form = {.opt = &opt, .payload = 1400};
	size_t len;

	packet_add(&p, 0, 0, 1, BYTES("\0\0\x29\2\0\0\0\x80\0\0\6\0\x0a\0\2ab"));
	assert_int_equal(msg_opt(p.msg, p.len, &p.q, &opt), 0);
	len = msg_answer_empty(p.msg, p.len, sizeof(p.msg), &p.q, 23, &form);
	assert_int_equal(len, p.q.end + 11);
	assert_int_equal(msg_opt(p.msg, len, &p.q, &got), 0);
	assert_int_equal(got.payload, 1400);
	assert_true(got.dnssec_ok && got.is_last);
	assert_int_equal(got.ext_rcode, 1); /* 23 = 1 * 16 + 7 */
	assert_int_equal(msg_flags(p.msg) & DNS_RCODE_MASK, 7);
	/* no room for one */
	assert_int_equal(msg_answer_empty(p.msg, len, len - 1, &p.q, 5, &form), p.q.end);
	assert_int_equal(msg_arcount(p.msg), 0);
	/* the query had none */
	opt.at = 0;
	assert_int_equal(msg_answer_empty(p.msg, len, sizeof(p.msg), &p.q, 5, &form), p.q.end);
}

static void an_empty_answer_may_lack_the_question(void **state)
{
	uint8_t msg[DNS_HEADER_LEN] = {0, 1, 1, 0};
	struct question none = {0};

	assert_int_equal(
		msg_answer_empty(msg, sizeof(msg), sizeof(msg), &none, RCODE_NOTIMP, &no_opt),
		DNS_HEADER_LEN);
	assert_int_equal(msg_qdcount(msg), 0);
	assert_int_equal(msg_flags(msg), DNS_QR | DNS_RD | DNS_RA | RCODE_NOTIMP);
}

static const struct {
	const char *label;
	struct answer_bits bits;
	unsigned in, want;
} bits[] = {
	{"usual", {0, 0, 0}, DNS_RD | DNS_AA | DNS_AD, DNS_QR | DNS_RD | DNS_RA},
	{"usual, no recursion", {0, 0, 0}, 0, DNS_QR},
	{"AA", {ANSWER_BIT_SET, 0, 0}, 0, DNS_QR | DNS_AA},
	{"AD", {0, ANSWER_BIT_SET, 0}, 0, DNS_QR | DNS_AD},
	{"RA without RD", {0, 0, ANSWER_BIT_SET}, 0, DNS_QR | DNS_RA},
	{"RD without RA", {0, 0, ANSWER_BIT_CLEAR}, DNS_RD, DNS_QR | DNS_RD},
	{"AA and AD clear", {ANSWER_BIT_CLEAR, ANSWER_BIT_CLEAR, 0}, DNS_AA | DNS_AD, DNS_QR},
};

static void a_rule_may_set_and_clear_bits(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(bits); i++) {
		struct packet p = packet_begin("www", 1);
		struct answer_form form = {.bits = bits[i].bits};

		msg_set_flags(p.msg, (uint16_t)bits[i].in);
		msg_answer_empty(p.msg, p.len, sizeof(p.msg), &p.q, 0, &form);
		if (msg_flags(p.msg) != bits[i].want)
			fail_msg("%s: 0x%04x", bits[i].label, msg_flags(p.msg));
	}
}

static const uint8_t address[] = {192, 0, 2, 1};
static const uint8_t owner[] = "\1b";

/* An A of the question's name, and one of b. */
static const struct answer_record ours = {
	.type = TYPE_A, .ttl_s = 60, .rdata = address, .rdata_len = 4};
static const struct answer_record theirs = {.owner = owner,
					    .owner_len = 3,
					    .type = TYPE_A,
					    .ttl_s = 0x01020304,
					    .rdata = address,
					    .rdata_len = 4};

#define B_RECORD "\1b\0\0\1\0\1\1\2\3\4\0\4\xc0\0\2\1"

static void an_answer_is_built_in_place_or_elsewhere(void **state)
{
	for (int in_place = 0; in_place < 2; in_place++) {
		struct packet p = packet_begin("www", 1), elsewhere;
		uint8_t *out = in_place ? p.msg : elsewhere.msg;
		struct opt opt;
		struct answer_form form = {.opt = &opt, .payload = 1232};
		struct answer a;
		size_t len;

		packet_add(&p, 0, 0, 1, BYTES("\0\0\x29\2\0\0\0\x80\0\0\6\0\x0a\0\2ab"));
		assert_int_equal(msg_opt(p.msg, p.len, &p.q, &opt), 0);
		assert_int_equal(answer_begin(&a, out, 2048, p.msg, &p.q, 3, &form), 0);
		assert_true(answer_add(&a, SECTION_ANSWER, &ours));
		assert_true(answer_add(&a, SECTION_ANSWER, &ours));
		assert_true(answer_add(&a, SECTION_ADDITIONAL, &theirs));
		len = answer_end(&a);
		assert_int_equal(len, p.q.end + 16 + 16 + 17 + 11);
		assert_memory_equal(out + p.q.end, A_RECORD A_RECORD B_RECORD OPT_EMPTY,
				    16 + 16 + 17 + 11);
		assert_memory_equal(out, "\x12\x34\x80\3\0\1\0\2\0\0\0\2\3www\0\0\1\0\1", 21);
	}
}

static void room_is_kept_for_the_opt(void **state)
{
	struct packet p = packet_begin("www", 1);
	static const struct opt opt = {.at = 21, .len = OPT_FIXED};
	struct answer_form form = {.opt = &opt, .payload = 1232}, bare = {.opt = NULL};
	uint8_t out[64];
	struct answer a;

	assert_int_equal(answer_record_len(&ours), 16);
	assert_int_equal(answer_record_len(&theirs), 17);
	assert_int_equal(answer_room(p.len + 11 + 16, &p.q, &form), 16);
	assert_int_equal(answer_room(p.len + 16, &p.q, &bare), 16);
	assert_int_equal(answer_room(p.len - 1, &p.q, &bare), 0);
	assert_int_equal(answer_begin(&a, out, p.len + 11 + 16, p.msg, &p.q, 0, &form), 0);
	assert_false(answer_add(&a, SECTION_ANSWER, &theirs));
	assert_true(answer_add(&a, SECTION_ANSWER, &ours));
	assert_false(answer_add(&a, SECTION_ANSWER, &ours));
	assert_int_equal(answer_end(&a), p.len + 11 + 16);
	assert_int_equal(msg_ancount(out), 1);
	assert_int_equal(msg_arcount(out), 1);
}

static void without_room_for_the_question_nothing_is_written(void **state)
{
	struct packet p = packet_begin("www", 1);
	static const struct answer_form bare;
	uint8_t out[64] = "as it was";
	struct answer a;

	assert_int_equal(answer_begin(&a, out, p.q.end - 1u, p.msg, &p.q, 0, &bare), -ENOSPC);
	assert_string_equal(out, "as it was");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_answer_has_the_flags_of_one),
		cmocka_unit_test(an_empty_answer_has_opt_when_the_query_had),
		cmocka_unit_test(an_empty_answer_may_lack_the_question),
		cmocka_unit_test(a_rule_may_set_and_clear_bits),
		cmocka_unit_test(an_answer_is_built_in_place_or_elsewhere),
		cmocka_unit_test(room_is_kept_for_the_opt),
		cmocka_unit_test(without_room_for_the_question_nothing_is_written),
	};

	return cmocka_run_group_tests_name("answer", tests, NULL, NULL);
}
