/* Questions, OPT records, what a cache asks of an answer, and messages of our own making. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/dns/record.h"
#include "test/packet.h"

static const struct {
	const char *label;
	const uint8_t *after_header;
	size_t len;
	int want;
	struct question q;
} questions[] = {
	{"ordinary", BYTES("\3www\0\0\1\0\1"), 0, {5, 1, 1, 21}},
	{"root", BYTES("\0\0\2\0\1"), 0, {1, 2, 1, 17}},
	{"more follows", BYTES("\1a\0\0\x1c\0\3rest"), 0, {3, 28, 3, 19}},
	{"nothing", BYTES(""), -EBADMSG, {0}},
	{"class cut", BYTES("\1a\0\0\1\0"), -EBADMSG, {0}},
	{"type missing", BYTES("\1a\0"), -EBADMSG, {0}},
	{"name cut", BYTES("\1"), -EBADMSG, {0}},
	{"compressed", BYTES("\xc0\x0c\0\1\0\1"), -EBADMSG, {0}},
};

static void the_first_question_is_found_or_refused(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
		uint8_t msg[64] = {0};
		struct question q;
		int rc;

		memcpy(msg + DNS_HEADER_LEN, questions[i].after_header, questions[i].len);
		rc = msg_question(msg, DNS_HEADER_LEN + questions[i].len, &q);
		if (rc != questions[i].want)
			fail_msg("%s: %d", questions[i].label, rc);
		if (rc == 0 && memcmp(&q, &questions[i].q, sizeof(q)) != 0)
			fail_msg("%s: differs", questions[i].label);
	}
}

static void a_short_header_has_no_question(void **state)
{
	uint8_t msg[DNS_HEADER_LEN] = {0};
	struct question q;

	for (size_t len = 0; len <= sizeof(msg); len++)
		assert_int_equal(msg_question(msg, len, &q), -EBADMSG);
}

/* Records after the question www. A IN, which ends at 21. */
static const struct {
	const char *label;
	unsigned an, ns, ar;
	const uint8_t *records;
	size_t len;
	int want;
	struct opt opt;
} opts[] = {
	{"none", 0, 0, 0, BYTES(""), 0, {0}},
	{"trailing octets are no OPT", 0, 0, 0, BYTES(OPT_EMPTY), 0, {0}},
	{"only OPT", 0, 0, 1, BYTES(OPT_EMPTY), 0, {21, 11, 1232, 0, 0, true, true}},
	{"only OPT, with an option",
	 0,
	 0,
	 1,
	 BYTES("\0\0\x29\2\0\1\2\0\0\0\6\0\x0a\0\2ab"),
	 0,
	 {21, 17, 512, 1, 2, false, true}},
	{"only OPT, octets behind it",
	 0,
	 0,
	 1,
	 BYTES(OPT_EMPTY "x"),
	 0,
	 {21, 11, 1232, 0, 0, true, false}},
	{"OPT cut", 0, 0, 1, BYTES("\0\0\x29\4\xd0\0\0\x80\0\0"), -EBADMSG, {0}},
	{"options cut", 0, 0, 1, BYTES("\0\0\x29\4\xd0\0\0\x80\0\0\5\0\x0a\0\1"), -EBADMSG, {0}},
	{"nothing where a record should be", 0, 0, 1, BYTES(""), -EBADMSG, {0}},
	{"OPT behind an answer",
	 1,
	 0,
	 1,
	 BYTES(A_RECORD OPT_EMPTY),
	 0,
	 {37, 11, 1232, 0, 0, true, true}},
	{"OPT before another",
	 0,
	 0,
	 2,
	 BYTES(OPT_EMPTY A_RECORD),
	 0,
	 {21, 11, 1232, 0, 0, true, false}},
	{"OPT behind another",
	 0,
	 1,
	 2,
	 BYTES(A_RECORD A_RECORD OPT_EMPTY),
	 0,
	 {53, 11, 1232, 0, 0, true, true}},
	{"one additional that is no OPT", 0, 0, 1, BYTES(A_RECORD), 0, {0}},
	{"type OPT in the answer section", 1, 0, 0, BYTES(OPT_EMPTY), 0, {0}},
	{"two", 0, 0, 2, BYTES(OPT_EMPTY OPT_EMPTY), -EBADMSG, {0}},
	{"owner is not the root",
	 0,
	 0,
	 1,
	 BYTES("\xc0\x0c\0\x29\4\xd0\0\0\x80\0\0\0"),
	 -EBADMSG,
	 {0}},
	{"record behind it cut", 0, 0, 2, BYTES(OPT_EMPTY "\xc0\x0c\0\1"), -EBADMSG, {0}},
};

static void the_opt_is_found_wherever_it_is(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(opts); i++) {
		struct packet p = packet_begin("www", 1);
		const struct opt *want = &opts[i].opt;
		struct opt opt;
		int rc;

		packet_add(&p, opts[i].an, opts[i].ns, opts[i].ar, opts[i].records, opts[i].len);
		rc = msg_opt(p.msg, p.len, &p.q, &opt);
		if (rc != opts[i].want)
			fail_msg("%s: %d", opts[i].label, rc);
		if (rc < 0)
			continue;
		if (opt.at != want->at || opt.len != want->len || opt.payload != want->payload ||
		    opt.ext_rcode != want->ext_rcode || opt.version != want->version ||
		    opt.dnssec_ok != want->dnssec_ok || opt.is_last != want->is_last)
			fail_msg("%s: differs", opts[i].label);
	}
}

static void further_questions_are_passed_over(void **state)
{
	struct packet p = packet_begin("www", 1);
	struct opt opt;

	put_u16(p.msg + 4, 2);
	packet_add(&p, 0, 0, 1, BYTES("\xc0\x0c\0\1\0\1" OPT_EMPTY));
	assert_int_equal(msg_opt(p.msg, p.len, &p.q, &opt), 0);
	assert_int_equal(opt.at, p.q.end + 6);
	assert_int_equal(msg_end(p.msg, p.len, &p.q), p.len);
	put_u16(p.msg + 4, 60000);
	assert_int_equal(msg_opt(p.msg, p.len, &p.q, &opt), -EBADMSG);
}

static void the_end_of_a_message_leaves_trailing_octets_out(void **state)
{
	struct packet p = packet_begin("www", 1);
	size_t end;

	packet_add(&p, 1, 0, 1, BYTES(A_RECORD OPT_EMPTY));
	end = p.len;
	packet_add(&p, 0, 0, 0, BYTES("garbage"));
	assert_int_equal(msg_end(p.msg, p.len, &p.q), end);
	assert_int_equal(msg_end(p.msg, end - 1, &p.q), 0);
}

static const struct {
	const char *label;
	unsigned an, ns, ar;
	const uint8_t *records;
	size_t len;
	int want;
	uint32_t min_ttl_s;
	unsigned n_ttls;
	bool soa, opt;
} answers[] = {
	{"empty", 0, 0, 0, BYTES(""), 0, UINT32_MAX, 0, false, false},
	{"one record", 1, 0, 0, BYTES(A_RECORD), 0, 60, 1, false, false},
	{"OPT has no TTL", 1, 0, 1, BYTES(A_RECORD OPT_EMPTY), 0, 60, 1, false, true},
	{"smallest of all sections", 1, 1, 1, BYTES(A_RECORD A_RECORD "\0\0\1\0\1\0\0\0\5\0\0"), 0,
	 5, 3, false, false},
	{"SOA in authority", 0, 1, 0, BYTES("\0\0\6\0\1\0\0\1\0\0\0"), 0, 256, 1, true, false},
	{"SOA in the answer", 1, 0, 0, BYTES("\0\0\6\0\1\0\0\1\0\0\0"), 0, 256, 1, false, false},
	{"negative TTL is zero", 1, 0, 0, BYTES("\0\0\1\0\1\x80\0\0\1\0\0"), 0, 0, 1, false, false},
	{"trailing octets", 1, 0, 0, BYTES(A_RECORD "xyz"), 0, 60, 1, false, false},
	{"two OPT", 0, 0, 2, BYTES(OPT_EMPTY OPT_EMPTY), -EBADMSG, 0, 0, false, false},
	{"fewer records than counted", 2, 0, 0, BYTES(A_RECORD), -EBADMSG, 0, 0, false, false},
	{"data cut", 1, 0, 0, BYTES("\xc0\x0c\0\1\0\1\0\0\0\1\0\4abc"), -EBADMSG, 0, 0, false,
	 false},
	{"more TTLs than asked for", 3, 2, 0, BYTES(A_RECORD A_RECORD A_RECORD A_RECORD A_RECORD),
	 -E2BIG, 0, 0, false, false},
};

static void an_answer_is_summed_up(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		struct packet p = packet_begin("www", 1);
		struct answer_info info;
		uint16_t ttl_at[4];
		int rc;

		packet_add(&p, answers[i].an, answers[i].ns, answers[i].ar, answers[i].records,
			   answers[i].len);
		rc = msg_answer_info(p.msg, p.len, &info, ttl_at, ARRAY_LEN(ttl_at));
		if (rc != answers[i].want)
			fail_msg("%s: %d", answers[i].label, rc);
		if (rc < 0)
			continue;
		if (info.min_ttl_s != answers[i].min_ttl_s || info.n_ttls != answers[i].n_ttls ||
		    info.records != answers[i].n_ttls || info.soa_in_authority != answers[i].soa ||
		    (info.opt.at != 0) != answers[i].opt || info.question.qtype != 1)
			fail_msg("%s: differs", answers[i].label);
		for (unsigned t = 0; t < info.n_ttls; t++)
			if (get_u32(p.msg + ttl_at[t]) < info.min_ttl_s)
				fail_msg("%s: TTL %u is elsewhere", answers[i].label, t);
	}
}

static void an_answer_may_lack_the_question(void **state)
{
	uint8_t msg[DNS_HEADER_LEN] = {0, 1, 0x80, 5};
	struct answer_info info;

	assert_int_equal(msg_answer_info(msg, sizeof(msg), &info, NULL, 0), 0);
	assert_int_equal(info.question.name_len, 0);
	assert_int_equal(msg_answer_info(msg, sizeof(msg) - 1, &info, NULL, 0), -EBADMSG);
}

static void questions_are_compared_without_case(void **state)
{
	struct packet query = packet_begin("wWw.example.org", 1);
	static const struct {
		const char *label, *name;
		uint16_t qtype;
		bool want;
	} rows[] = {
		{"same", "wWw.example.org", 1, true},
		{"other case", "www.EXAMPLE.org", 1, true},
		{"other type", "www.example.org", 28, false},
		{"other name", "wwx.example.org", 1, false},
		{"shorter name", "example.org", 1, false},
		{"longer name", "a.www.example.org", 1, false},
		{"other labels", "www\\.example.org", 1, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct packet a = packet_begin(rows[i].name, rows[i].qtype);

		if (msg_question_equal(a.msg, a.len, query.msg, &query.q) != rows[i].want)
			fail_msg("%s", rows[i].label);
	}
	struct packet a = packet_begin("www.example.org", 1);

	assert_false(msg_question_equal(a.msg, a.len - 1, query.msg, &query.q));
	put_u16(a.msg + 4, 2);
	assert_false(msg_question_equal(a.msg, a.len, query.msg, &query.q));
}

static void a_truncated_answer_keeps_question_and_opt(void **state)
{
	struct packet p = packet_begin("www", 1);
	struct opt opt;
	size_t len;

	packet_add(&p, 2, 1, 2,
		   BYTES(A_RECORD A_RECORD A_RECORD A_RECORD
			 "\0\0\x29\4\xd0\0\0\x80\0\0\6\0\x0a\0\2ab"));
	msg_set_flags(p.msg, DNS_QR | DNS_AA | DNS_RD | DNS_RA);
	assert_int_equal(msg_opt(p.msg, p.len, &p.q, &opt), 0);
	len = msg_truncate(p.msg, p.len, &p.q, &opt);
	assert_int_equal(len, p.q.end + 11);
	assert_memory_equal(p.msg + p.q.end, OPT_EMPTY, 11);
	assert_int_equal(msg_flags(p.msg), DNS_QR | DNS_AA | DNS_RD | DNS_RA | DNS_TC);
	assert_int_equal(msg_opt(p.msg, len, &p.q, &opt), 0);
	assert_true(opt.is_last);
}

static void a_truncated_answer_without_opt_gets_none(void **state)
{
	struct packet p = packet_begin("www", 1);
	struct opt none = {.at = 0};

	packet_add(&p, 1, 0, 0, BYTES(A_RECORD));
	assert_int_equal(msg_truncate(p.msg, p.len, &p.q, &none), p.q.end);
	assert_int_equal(msg_end(p.msg, p.q.end, &p.q), p.q.end);
	assert_int_equal(msg_truncate(p.msg, p.len, &p.q, NULL), p.q.end);
}

static void a_query_of_ours_reads_back(void **state)
{
	uint8_t msg[512], name[DNS_NAME_MAX];
	int name_len = name_parse("a.root-servers.net", name, NULL);
	size_t len = msg_make_query(msg, 0x1234, DNS_RD | DNS_CD, name, (size_t)name_len, TYPE_AAAA,
				    CLASS_IN);
	struct question q;

	assert_int_equal(msg_question(msg, len, &q), 0);
	assert_int_equal(msg_end(msg, len, &q), len);
	assert_int_equal(msg_id(msg), 0x1234);
	assert_int_equal(msg_flags(msg), DNS_RD | DNS_CD);
	assert_int_equal(q.qtype, TYPE_AAAA);
	assert_int_equal(q.name_len, name_len);
}

static void records_come_with_their_sections(void **state)
{
	struct packet p = packet_begin("www", 1);
	struct record_walk w;
	struct record rec;
	unsigned seen[SECTION_END] = {0};

	packet_add(&p, 2, 0, 1, BYTES(A_RECORD A_RECORD OPT_EMPTY));
	records_begin(&w, p.msg, p.len, &p.q);
	while (records_next(&w, &rec)) {
		seen[rec.section]++;
		if (rec.section != SECTION_ANSWER)
			continue;
		assert_int_equal(rec.type, TYPE_A);
		assert_int_equal(rec.ttl_s, 60);
		assert_int_equal(get_u32(p.msg + rec.ttl_at), 60);
		assert_int_equal(get_u32(p.msg + rec.rdata_at), 0xc0000201);
	}
	assert_false(w.r.bad);
	assert_int_equal(seen[SECTION_ANSWER], 2);
	assert_int_equal(seen[SECTION_AUTHORITY], 0);
	assert_int_equal(seen[SECTION_ADDITIONAL], 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_question_is_found_or_refused),
		cmocka_unit_test(a_short_header_has_no_question),
		cmocka_unit_test(the_opt_is_found_wherever_it_is),
		cmocka_unit_test(further_questions_are_passed_over),
		cmocka_unit_test(the_end_of_a_message_leaves_trailing_octets_out),
		cmocka_unit_test(an_answer_is_summed_up),
		cmocka_unit_test(an_answer_may_lack_the_question),
		cmocka_unit_test(questions_are_compared_without_case),
		cmocka_unit_test(a_truncated_answer_keeps_question_and_opt),
		cmocka_unit_test(a_truncated_answer_without_opt_gets_none),
		cmocka_unit_test(a_query_of_ours_reads_back),
		cmocka_unit_test(records_come_with_their_sections),
	};

	return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
