/* What rules ask of a message: counts, trailing octets, options, the whole rcode. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/dns/inspect.h"
#include "test/packet.h"

#define TYPE_TXT 16
#define TXT      "\xc0\x0c\0\x10\0\1\0\0\0\x3c\0\2\1x"
#define COOKIE   "\0\x0a\0\3coo"
#define OPT_WITH "\0\0\x29\4\xd0\1\0\x80\0\0\7" COOKIE

/* One A and two TXT; one TXT; an OPT with a cookie and the rcode's upper bits 1, and one A. */
static struct packet full(void)
{
	struct packet p = packet_begin("www", TYPE_TXT);

	packet_add(&p, 3, 0, 0, BYTES(TXT A_RECORD TXT));
	packet_add(&p, 0, 1, 0, BYTES(TXT));
	packet_add(&p, 0, 0, 2, BYTES(OPT_WITH A_RECORD));
	msg_set_flags(p.msg, DNS_QR | 7);
	return p;
}

static void records_of_a_type_are_counted_by_section(void **state)
{
	static const struct {
		const char *label;
		unsigned section;
		uint16_t type;
		int want;
	} rows[] = {
		{"question", INSPECT_QUESTION, TYPE_TXT, 1},
		{"another question", INSPECT_QUESTION, TYPE_A, 0},
		{"answer TXT", INSPECT_ANSWER, TYPE_TXT, 2},
		{"answer A", INSPECT_ANSWER, TYPE_A, 1},
		{"answer AAAA", INSPECT_ANSWER, TYPE_AAAA, 0},
		{"authority TXT", INSPECT_AUTHORITY, TYPE_TXT, 1},
		{"authority A", INSPECT_AUTHORITY, TYPE_A, 0},
		{"additional A", INSPECT_ADDITIONAL, TYPE_A, 1},
		{"additional OPT", INSPECT_ADDITIONAL, TYPE_OPT, 1},
		{"additional TXT", INSPECT_ADDITIONAL, TYPE_TXT, 0},
		{"no such section", INSPECT_END, TYPE_A, 0},
	};
	struct packet p = full();

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int n = msg_count_type(p.msg, p.len, &p.q, rows[i].section, rows[i].type);

		if (n != rows[i].want)
			fail_msg("%s: %d, want %d", rows[i].label, n, rows[i].want);
	}
	assert_int_equal(msg_count(p.msg, INSPECT_QUESTION), 1);
	assert_int_equal(msg_count(p.msg, INSPECT_ANSWER), 3);
	assert_int_equal(msg_count(p.msg, INSPECT_AUTHORITY), 1);
	assert_int_equal(msg_count(p.msg, INSPECT_ADDITIONAL), 2);
	assert_int_equal(msg_count(p.msg, INSPECT_END), 0);
}

static void all_questions_are_counted(void **state)
{
	struct packet p = packet_begin("www", TYPE_TXT);

	packet_add(&p, 0, 0, 0, BYTES("\xc0\x0c\0\x10\0\1\1b\0\0\1\0\1"));
	put_u16(p.msg + 4, 3);
	assert_int_equal(msg_count_type(p.msg, p.len, &p.q, INSPECT_QUESTION, TYPE_TXT), 2);
	assert_int_equal(msg_count_type(p.msg, p.len, &p.q, INSPECT_QUESTION, TYPE_A), 1);
	assert_int_equal(msg_count_type(p.msg, p.len - 1, &p.q, INSPECT_QUESTION, TYPE_A),
			 -EBADMSG);
}

static void what_is_cut_short_has_nothing(void **state)
{
	struct packet p = full();

	for (size_t len = 0; len < p.len; len++) {
		if (msg_count_type(p.msg, len, &p.q, INSPECT_ADDITIONAL, TYPE_A) != -EBADMSG ||
		    msg_has_trailing(p.msg, len, &p.q))
			fail_msg("%zu octets: has something", len);
	}
}

static void octets_behind_the_last_record_are_seen(void **state)
{
	struct packet p = full();

	assert_false(msg_has_trailing(p.msg, p.len, &p.q));
	assert_true(msg_has_trailing(p.msg, p.len + 1, &p.q));
	p = packet_begin("www", 1);
	assert_false(msg_has_trailing(p.msg, p.len, &p.q));
	assert_true(msg_has_trailing(p.msg, p.len + 1, &p.q));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_of_a_type_are_counted_by_section),
		cmocka_unit_test(all_questions_are_counted),
		cmocka_unit_test(what_is_cut_short_has_nothing),
		cmocka_unit_test(octets_behind_the_last_record_are_seen),
	};

	return cmocka_run_group_tests_name("inspect", tests, NULL, NULL);
}
