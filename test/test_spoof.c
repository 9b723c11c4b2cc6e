/* Answers that rules make up: addresses, raw data, names, service bindings, negative answers. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/dns/spoof.h"
#include "test/packet.h"

#define V4(last) "\xc0\0\2" last
#define V6       "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
#define VALUE(s)         \
	{                \
		BYTES(s) \
	}
#define A(last)   "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" V4(last)
#define AAAA      "\xc0\x0c\0\x1c\0\1\0\0\0\x3c\0\x10" V6
#define NO_VALUES NULL, 0

static const struct spoof_value addrs[] = {VALUE(V4("\1")), VALUE(V6), VALUE(V4("\2"))};
static const struct spoof plain = {.ttl_s = 60};

/* What msg_spoof_addrs makes of a query for www of a type; room is what it has for records. */
static const struct {
	const char *label;
	uint16_t qtype;
	size_t n, room; /* addresses; octets */
	const uint8_t *records;
	size_t len; /* 0: none is made */
	unsigned an;
} answers[] = {
	{"A", TYPE_A, 3, 100, BYTES(A("\1") A("\2")), 2},
	{"AAAA", TYPE_AAAA, 3, 100, BYTES(AAAA), 1},
	{"ANY", TYPE_ANY, 3, 100, BYTES(A("\1") AAAA A("\2")), 3},
	{"another type", 16, 3, 100, BYTES(""), 0},
	{"no address of its family", TYPE_AAAA, 1, 100, BYTES(""), 0},
	{"no address", TYPE_A, 0, 100, BYTES(""), 0},
	{"room for one", TYPE_A, 3, 31, BYTES(A("\1")), 1},
	{"room for the small ones", TYPE_ANY, 3, 40, BYTES(A("\1") A("\2")), 2},
	{"room for none", TYPE_A, 3, 15, BYTES(""), 0},
};

static void addresses_that_fit_the_question_are_the_answer(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		struct packet p = packet_begin("www", answers[i].qtype), was = p;
		size_t want = answers[i].len ? p.len + answers[i].len : 0;
		size_t len = msg_spoof_addrs(p.msg, p.len + answers[i].room, p.msg, &p.q, &plain,
					     addrs, answers[i].n);

		if (len != want)
			fail_msg("%s: %zu octets, want %zu", answers[i].label, len, want);
		if (want == 0 && memcmp(&p, &was, sizeof(p)) != 0)
			fail_msg("%s: the query is not as it was", answers[i].label);
		if (memcmp(p.msg + p.q.end, answers[i].records, answers[i].len) != 0)
			fail_msg("%s: other records", answers[i].label);
		if (msg_ancount(p.msg) != answers[i].an || msg_arcount(p.msg) != 0)
			fail_msg("%s: %u records", answers[i].label, msg_ancount(p.msg));
	}
}

static void the_answer_has_the_class_and_the_opt_of_the_query(void **state)
{
	struct packet p = packet_begin("www", TYPE_A);
	struct opt opt;
	struct spoof how = {.form = {.opt = &opt, .payload = 1400}, .ttl_s = 7};
	size_t len;

	put_u16(p.msg + p.q.end - 2, 3); /* CH */
	packet_add(&p, 0, 0, 1, BYTES("\0\0\x29\2\0\0\0\x80\0\0\6\0\x0a\0\2ab"));
	assert_int_equal(msg_question(p.msg, p.len, &p.q), 0);
	assert_int_equal(msg_opt(p.msg, p.len, &p.q, &opt), 0);
	len = msg_spoof_addrs(p.msg, sizeof(p.msg), p.msg, &p.q, &how, addrs, 1);
	assert_int_equal(len, p.q.end + 16 + 11);
	assert_memory_equal(p.msg + p.q.end,
			    "\xc0\x0c\0\1\0\3\0\0\0\7\0\4" V4("\1") "\0\0\x29\5\x78\0\0\x80\0\0\0",
			    16 + 11);
	assert_int_equal(msg_arcount(p.msg), 1);
	assert_int_equal(msg_flags(p.msg), DNS_QR);
}

static uint32_t last_of(uint32_t n)
{
	return n - 1;
}

static void order_is_drawn(void **state)
{
	static const struct spoof drawn = {.ttl_s = 60, .below = last_of};
	struct packet p = packet_begin("www", TYPE_ANY);

	/* 1 6 2: drawn are 2, then the last of 6 1, then 6 */
	assert_int_equal(msg_spoof_addrs(p.msg, sizeof(p.msg), p.msg, &p.q, &drawn, addrs, 3),
			 p.q.end + 16 + 16 + 28);
	assert_memory_equal(p.msg + p.q.end, A("\2") A("\1") AAAA, 16 + 16 + 28);
}

static void raw_data_has_the_type_asked_for(void **state)
{
	static const struct spoof_value texts[] = {VALUE("\1x"), VALUE("")};
	static const struct {
		const char *label;
		uint16_t qtype, for_any;
		const char *type;
	} rows[] = {
		{"TXT", 16, 0, "\0\x10"},
		{"type for ANY is not for others", 16, 1, "\0\x10"},
		{"ANY with a type", TYPE_ANY, 16, "\0\x10"},
		{"ANY without", TYPE_ANY, 0, "\0\xff"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct packet p = packet_begin("www", rows[i].qtype), out;
		size_t len = msg_spoof_raw(out.msg, sizeof(out.msg), p.msg, &p.q, &plain,
					   rows[i].for_any, texts, 2);
		uint8_t *records = out.msg + p.q.end;

		if (len != p.q.end + 14u + 12u || msg_ancount(out.msg) != 2)
			fail_msg("%s: %zu octets", rows[i].label, len);
		if (memcmp(records + 2, rows[i].type, 2) != 0 ||
		    memcmp(records + 14 + 2, rows[i].type, 2) != 0)
			fail_msg("%s: another type", rows[i].label);
		assert_memory_equal(records, "\xc0\x0c", 2);
		assert_memory_equal(records + 4, "\0\1\0\0\0\x3c\0\2\1x", 10);
		assert_memory_equal(records + 14 + 4, "\0\1\0\0\0\x3c\0\0", 8);
		assert_int_equal(msg_flags(p.msg), 0); /* the query is still one */
	}
}

static void a_name_is_the_answer_to_any_type(void **state)
{
	struct packet p = packet_begin("www", 16), was = p;

	assert_int_equal(msg_spoof_cname(p.msg, p.len + 14, p.msg, &p.q, &plain, BYTES("\1c\0")),
			 0);
	assert_memory_equal(&p, &was, sizeof(p));
	assert_int_equal(msg_spoof_cname(p.msg, p.len + 15, p.msg, &p.q, &plain, BYTES("\1c\0")),
			 p.len + 15);
	assert_memory_equal(p.msg + p.len, "\xc0\x0c\0\5\0\1\0\0\0\x3c\0\3\1c", 15);
	assert_int_equal(msg_ancount(p.msg), 1);
}

/* Priority, target, then hints. */
#define SVC_ROOT      "\0\1\0\0\4\0\x08\xc0\0\2\1\xc0\0\2\2"
#define SVC_OTHER     "\0\2\1t\0\0\1\0\3\2h2\0\4\0\4\xc0\0\2\1\0\6\0\x10" V6
#define SVC(n, rdata) "\xc0\x0c\0\x41\0\1\0\0\0\x3c\0" n rdata

static const struct spoof_value bindings[] = {
	VALUE(SVC_ROOT),
	VALUE(SVC_OTHER),
	VALUE(SVC_ROOT), /* hints of the same name come once */
	VALUE("\0\0\1t\0"),
};

#define T_A    "\1t\0\0\1\0\1\0\0\0\x3c\0\4" V4("\1")
#define T_AAAA "\1t\0\0\x1c\0\1\0\0\0\x3c\0\x10" V6

static void hints_of_service_bindings_follow_them(void **state)
{
	struct packet p = packet_begin("www", 65), was = p;
	static const uint8_t want[] = SVC("\x0f", SVC_ROOT) SVC("\x28", SVC_OTHER)
		SVC("\x0f", SVC_ROOT) SVC("\5", "\0\0\1t\0") A("\1") A("\2") T_A T_AAAA;
	size_t len;

	len = msg_spoof_svc(p.msg, sizeof(p.msg), p.msg, &p.q, &plain, bindings, 4);
	assert_int_equal(len, p.len + sizeof(want) - 1);
	assert_memory_equal(p.msg + p.len, want, sizeof(want) - 1);
	assert_int_equal(msg_ancount(p.msg), 4);
	assert_int_equal(msg_arcount(p.msg), 4);
	/* one hint fits */
	p = was;
	len = msg_spoof_svc(p.msg, p.len + 27 + 31, p.msg, &p.q, &plain, bindings, 1);
	assert_int_equal(len, p.len + 27 + 16);
	/* the first record does not fit, or the question is of another type, or there is none */
	p = was;
	assert_int_equal(msg_spoof_svc(p.msg, p.len + 26, p.msg, &p.q, &plain, bindings, 1), 0);
	assert_int_equal(msg_spoof_svc(p.msg, sizeof(p.msg), p.msg, &p.q, &plain, NO_VALUES), 0);
	assert_memory_equal(&p, &was, sizeof(p));
	p = packet_begin("www", TYPE_A);
	assert_int_equal(msg_spoof_svc(p.msg, sizeof(p.msg), p.msg, &p.q, &plain, bindings, 1), 0);
}

#define SOA_DATA "\1m\0\1r\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5"

static void a_negative_answer_carries_an_soa(void **state)
{
	static const struct soa_times times = {1, 2, 3, 4, 5};
	static const struct answer_form bare;
	struct packet p = packet_begin("www", 1), was = p;
	uint8_t rdata[SOA_RDATA_MAX];
	struct answer_record soa = {.owner = (const uint8_t *)"\1z",
				    .owner_len = 3,
				    .type = TYPE_SOA,
				    .ttl_s = 9,
				    .rdata = rdata};

	soa.rdata_len = soa_rdata(rdata, BYTES("\1m\0"), BYTES("\1r\0"), &times);
	assert_int_equal(soa.rdata_len, 26);
	assert_memory_equal(rdata, SOA_DATA, 26);
	assert_int_equal(msg_spoof_negative(p.msg, p.len + 38, p.msg, &p.q, &bare, RCODE_NXDOMAIN,
					    SECTION_ADDITIONAL, &soa),
			 0);
	assert_memory_equal(&p, &was, sizeof(p));
	assert_int_equal(msg_spoof_negative(p.msg, p.len + 39, p.msg, &p.q, &bare, RCODE_NXDOMAIN,
					    SECTION_ADDITIONAL, &soa),
			 p.len + 39);
	assert_memory_equal(p.msg + p.len, "\1z\0\0\6\0\1\0\0\0\x09\0\x1a" SOA_DATA, 39);
	assert_int_equal(msg_flags(p.msg), DNS_QR | RCODE_NXDOMAIN);
	assert_int_equal(msg_arcount(p.msg), 1);
	p = was;
	msg_spoof_negative(p.msg, sizeof(p.msg), p.msg, &p.q, &bare, RCODE_NOERROR,
			   SECTION_AUTHORITY, &soa);
	assert_int_equal(msg_flags(p.msg), DNS_QR);
	assert_int_equal(msg_nscount(p.msg), 1);
}

static void without_a_question_nothing_is_made_up(void **state)
{
	static const struct question none;
	static const struct spoof_value text[] = {VALUE("\1x")};
	static const struct answer_record rec = {.type = TYPE_SOA};
	uint8_t msg[64] = {0}, was[64] = {0};

	assert_int_equal(msg_spoof_addrs(msg, 64, msg, &none, &plain, addrs, 3), 0);
	assert_int_equal(msg_spoof_raw(msg, 64, msg, &none, &plain, 16, text, 1), 0);
	assert_int_equal(msg_spoof_cname(msg, 64, msg, &none, &plain, BYTES("\1c\0")), 0);
	assert_int_equal(msg_spoof_svc(msg, 64, msg, &none, &plain, text, 1), 0);
	assert_int_equal(
		msg_spoof_negative(msg, 64, msg, &none, &plain.form, 0, SECTION_AUTHORITY, &rec),
		0);
	assert_memory_equal(msg, was, 64);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_that_fit_the_question_are_the_answer),
		cmocka_unit_test(the_answer_has_the_class_and_the_opt_of_the_query),
		cmocka_unit_test(order_is_drawn),
		cmocka_unit_test(raw_data_has_the_type_asked_for),
		cmocka_unit_test(a_name_is_the_answer_to_any_type),
		cmocka_unit_test(hints_of_service_bindings_follow_them),
		cmocka_unit_test(a_negative_answer_carries_an_soa),
		cmocka_unit_test(without_a_question_nothing_is_made_up),
	};

	return cmocka_run_group_tests_name("spoof", tests, NULL, NULL);
}
