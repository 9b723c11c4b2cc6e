/* Messages written anew: without records of some types, and with another name. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/dns/rewrite.h"
#include "test/packet.h"

/* The question is www.ex; it ends at 24: www is at 12 (c0 0c), ex at 16 (c0 10). */
#define CNAME(rdlen, rdata)     "\xc0\x0c\0\5\0\1\0\0\0\x3c\0" rdlen rdata
#define A(owner)                owner "\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1"
#define TXT(owner)              owner "\0\x10\0\1\0\0\0\x3c\0\2\1x"
#define MX(owner, rdlen, name)  owner "\0\x0f\0\1\0\0\0\x3c\0" rdlen "\0\x0a" name
#define SRV(owner, rdlen, name) owner "\0\x21\0\1\0\0\0\x3c\0" rdlen "\0\1\0\2\0\3" name
#define SOA(owner, rdlen, names) \
	owner "\0\6\0\1\0\0\0\x3c\0" rdlen names "\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5"
#define TSIG "\0\0\xfa\0\xff\0\0\0\0\0\0"

struct counts {
	unsigned an, ns, ar;
};

static const uint16_t cname[] = {TYPE_CNAME};
static const uint16_t txt_and_soa[] = {16, TYPE_SOA};
static const uint16_t aaaa[] = {TYPE_AAAA};
static const uint16_t a[] = {TYPE_A};

static const struct {
	const char *label;
	struct counts before, after;
	struct type_set types;
	const uint8_t *in;
	size_t in_len;
	const uint8_t *out;
	size_t out_len;
} clears[] = {
	{"none of them there",
	 {1, 0, 1},
	 {1, 0, 1},
	 {aaaa, 1},
	 BYTES(A("\xc0\x0c") OPT_EMPTY),
	 BYTES(A("\xc0\x0c") OPT_EMPTY)},
	{"no types", {1, 0, 0}, {1, 0, 0}, {NULL, 0}, BYTES(A("\xc0\x0c")), BYTES(A("\xc0\x0c"))},
	{"all of them", {1, 0, 0}, {0, 0, 0}, {a, 1}, BYTES(A("\xc0\x0c")), BYTES("")},
	{"in every section",
	 {2, 1, 2},
	 {1, 0, 1},
	 {txt_and_soa, 2},
	 BYTES(TXT("\xc0\x0c") A("\xc0\x0c") SOA("\xc0\x10", "\x18", "\xc0\x0c\xc0\x10")
		       OPT_EMPTY TXT("\xc0\x10")),
	 BYTES(A("\xc0\x0c") OPT_EMPTY)},
	/* t.ex is at 36, in the CNAME's data */
	{"a name whose place is gone",
	 {3, 0, 0},
	 {2, 0, 0},
	 {cname, 1},
	 BYTES(CNAME("\4", "\1t\xc0\x10") A("\xc0\x24") A("\xc0\x24")),
	 BYTES(A("\1t\xc0\x10") A("\xc0\x18"))},
	{"a name below it",
	 {3, 0, 0},
	 {2, 0, 0},
	 {cname, 1},
	 BYTES(CNAME("\4", "\1t\xc0\x10") A("\1u\xc0\x24") A("\xc0\x24")),
	 BYTES(A("\1u\1t\xc0\x10") A("\xc0\x1a"))},
	/* its owner u is at 24, t at 26 within it */
	{"an owner that is gone, and its end",
	 {3, 0, 0},
	 {2, 0, 0},
	 {(const uint16_t[]){16}, 1},
	 BYTES(TXT("\1u\1t\xc0\x10") A("\xc0\x1a") MX("\xc0\x18", "\4", "\xc0\x18")),
	 BYTES(A("\1t\xc0\x10") MX("\1u\xc0\x18", "\4", "\xc0\x2a"))},
	/* t.ex at 40 moves to 24, with a pointer in data */
	{"names that move",
	 {2, 0, 1},
	 {1, 0, 1},
	 {a, 1},
	 BYTES(A("\xc0\x0c") MX("\1t\xc0\x10", "\4", "\xc0\x28") OPT_EMPTY),
	 BYTES(MX("\1t\xc0\x10", "\4", "\xc0\x18") OPT_EMPTY)},
	{"octets behind go",
	 {2, 0, 0},
	 {1, 0, 0},
	 {a, 1},
	 BYTES(A("\xc0\x0c") TXT("\xc0\x0c") "more"),
	 BYTES(TXT("\xc0\x0c"))},
	{"data that an update lacks",
	 {1, 1, 0},
	 {0, 1, 0},
	 {a, 1},
	 BYTES(A("\xc0\x0c") "\xc0\x10\0\2\0\xff\0\0\0\0\0\0"),
	 BYTES("\xc0\x10\0\2\0\xff\0\0\0\0\0\0")},
};

static void check(const char *label, const struct packet *p, size_t len, size_t end,
		  const uint8_t *want, size_t want_len, struct counts n)
{
	if (len != end + want_len)
		fail_msg("%s: %zu octets, want %zu", label, len - end, want_len);
	if (memcmp(p->msg + end, want, want_len) != 0)
		fail_msg("%s: differs", label);
	if (msg_ancount(p->msg) != n.an || msg_nscount(p->msg) != n.ns ||
	    msg_arcount(p->msg) != n.ar)
		fail_msg("%s: other counts", label);
}

static void records_of_some_types_are_taken_out(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(clears); i++) {
		struct packet p = packet_begin("www.ex", 1);
		size_t len;

		packet_add(&p, clears[i].before.an, clears[i].before.ns, clears[i].before.ar,
			   clears[i].in, clears[i].in_len);
		len = msg_clear_types(p.msg, p.len, p.len, &p.q, &clears[i].types);
		check(clears[i].label, &p, len, p.q.end, clears[i].out, clears[i].out_len,
		      clears[i].after);
	}
}

static const struct {
	const char *label;
	const char *name;
	struct counts n;
	const uint8_t *in;
	size_t in_len;
	const uint8_t *out;
	size_t out_len;
} renames[] = {
	{"shorter", "n", {0, 0, 1}, BYTES(OPT_EMPTY), BYTES(OPT_EMPTY)},
	{"longer", "a.much.longer.name", {0, 0, 0}, BYTES(""), BYTES("")},
	{"owners that are the question",
	 "n.ex",
	 {2, 0, 0},
	 BYTES(A("\xc0\x0c") A("\3WWW\2ex\0")),
	 BYTES(A("\xc0\x0c") A("\1n\2ex\0"))},
	/* ex is nowhere any more, then at 22 */
	{"names that are not",
	 "n",
	 {2, 0, 0},
	 BYTES(A("\xc0\x10") TXT("\1u\xc0\x10")),
	 BYTES(A("\2ex\0") TXT("\1u\xc0\x13"))},
	{"a name below it",
	 "n",
	 {2, 0, 0},
	 BYTES(A("\1u\xc0\x0c") A("\xc0\x18")),
	 BYTES(A("\1u\3www\2ex\0") A("\xc0\x13"))},
	{"in data",
	 "n",
	 {1, 1, 1},
	 BYTES(MX("\xc0\x10", "\4", "\xc0\x0c") SOA("\xc0\x10", "\x18", "\xc0\x0c\xc0\x10")
		       MX("\xc0\x0c", "\x0a", "\3www\2ex\0")),
	 BYTES(MX("\2ex\0", "\4", "\xc0\x0c") SOA("\xc0\x13", "\x18", "\xc0\x0c\xc0\x13")
		       MX("\xc0\x0c", "\5", "\1n\0"))},
	{"in data that has no pointers",
	 "n",
	 {1, 0, 0},
	 BYTES(SRV("\xc0\x0c", "\x0e", "\3www\2ex\0")),
	 BYTES(SRV("\xc0\x0c", "\x09", "\1n\0"))},
	{"to the same name in another case",
	 "wWw.EX",
	 {1, 0, 0},
	 BYTES(A("\xc0\x10")),
	 BYTES(A("\2ex\0"))},
	{"octets behind go", "n", {0, 0, 0}, BYTES("more"), BYTES("")},
};

static void a_name_is_exchanged(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(renames); i++) {
		struct packet p = packet_begin("www.ex", 1);
		uint8_t name[DNS_NAME_MAX];
		int n = name_parse(renames[i].name, name, NULL);
		size_t len;
		struct question q;

		packet_add(&p, renames[i].n.an, renames[i].n.ns, renames[i].n.ar, renames[i].in,
			   renames[i].in_len);
		len = msg_rename(p.msg, p.len, sizeof(p.msg), &p.q, name, (size_t)n);
		assert_int_equal(msg_question(p.msg, len, &q), 0);
		if (q.name_len != n || memcmp(p.msg + DNS_HEADER_LEN, name, q.name_len) != 0 ||
		    q.qtype != 1 || q.qclass != 1)
			fail_msg("%s: another question", renames[i].label);
		check(renames[i].label, &p, len, q.end, renames[i].out, renames[i].out_len,
		      renames[i].n);
	}
}

static void the_root_of_opt_is_no_name_to_exchange(void **state)
{
	struct packet p = packet_begin(".", 2);
	size_t len;

	packet_add(&p, 1, 0, 1, BYTES(A("\0") OPT_EMPTY));
	len = msg_rename(p.msg, p.len, sizeof(p.msg), &p.q, (const uint8_t *)"\1n", 3);
	assert_int_equal(len, p.len + 2 + 2);
	assert_memory_equal(p.msg + p.q.end + 2, A("\1n\0") OPT_EMPTY, 17 + 11);
}

static void all_questions_get_the_name(void **state)
{
	struct packet p = packet_begin("www.ex", 1);

	packet_add(&p, 0, 0, 0, BYTES("\xc0\x0c\0\2\0\1\xc0\x10\0\3\0\1"));
	put_u16(p.msg + 4, 3);
	assert_int_equal(msg_rename(p.msg, p.len, 64, &p.q, (const uint8_t *)"\1n", 3), 33);
	assert_memory_equal(p.msg + 12, "\1n\0\0\1\0\1\xc0\x0c\0\2\0\1\2ex\0\0\3\0\1", 21);
}

static void one_undoes_the_other(void **state)
{
	struct packet p = packet_begin("www.ex", 1), was;
	size_t len;
	struct question q;

	packet_add(&p, 2, 0, 1, BYTES(A("\xc0\x0c") MX("\xc0\x0c", "\4", "\xc0\x0c") OPT_EMPTY));
	was = p;
	len = msg_rename(p.msg, p.len, sizeof(p.msg), &p.q, BYTES("\5inner\4zone\0"));
	assert_int_equal(msg_question(p.msg, len, &q), 0);
	assert_int_equal(q.name_len, 12);
	len = msg_rename(p.msg, len, sizeof(p.msg), &q, was.msg + 12, was.q.name_len);
	assert_int_equal(len, was.len);
	assert_memory_equal(p.msg, was.msg, len);
}

/* What neither can do: nothing is changed. */
static const struct {
	const char *label;
	struct counts n;
	const uint8_t *in;
	size_t len;
} refused[] = {
	{"record cut", {2, 0, 0}, BYTES(A("\xc0\x0c") "\xc0\x0c\0\1")},
	{"pointer to itself", {2, 0, 0}, BYTES(A("\xc0\x0c") MX("\xc0\x0c", "\4", "\xc0\x36"))},
	{"pointers in a circle, OPT's owner",
	 {2, 0, 0},
	 BYTES(A("\xc0\x0c") "\1a\xc0\x28\0\x29\0\0\0\0\0\0\0\0")},
	{"name beyond its data", {2, 0, 0}, BYTES(A("\xc0\x0c") MX("\xc0\x0c", "\4", "\1b"))},
	{"data cut before its name",
	 {2, 0, 0},
	 BYTES(A("\xc0\x0c") "\xc0\x0c\0\x0f\0\1\0\0\0\0\0\1\0")},
	{"a name of more than 255 octets",
	 {3, 0, 0},
	 BYTES(A("\xc0\x0c") TXT("\x3f"
				 "012345678901234567890123456789012345678901234567890123456789012"
				 "\x3f"
				 "012345678901234567890123456789012345678901234567890123456789012"
				 "\x3f"
				 "012345678901234567890123456789012345678901234567890123456789012"
				 "\x3c"
				 "012345678901234567890123456789012345678901234567890123456789"
				 "\0") MX("\xc0\x0c", "\6", "\1b\xc0\x28"))},
};

static void what_is_malformed_is_left_alone(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct packet p = packet_begin("www.ex", 1), was;
		struct type_set types = {a, 1};

		packet_add(&p, refused[i].n.an, refused[i].n.ns, refused[i].n.ar, refused[i].in,
			   refused[i].len);
		was = p;
		if (msg_clear_types(p.msg, p.len, sizeof(p.msg), &p.q, &types) != 0)
			fail_msg("%s: cleared", refused[i].label);
		if (msg_rename(p.msg, p.len, sizeof(p.msg), &p.q, (const uint8_t *)"\1n", 3) != 0)
			fail_msg("%s: renamed", refused[i].label);
		if (memcmp(&p, &was, sizeof(p)) != 0)
			fail_msg("%s: changed", refused[i].label);
	}
}

static void a_signed_query_keeps_its_name(void **state)
{
	struct packet p = packet_begin("www.ex", 1), was;

	packet_add(&p, 0, 0, 2, BYTES(OPT_EMPTY TSIG));
	was = p;
	assert_int_equal(msg_rename(p.msg, p.len, 64, &p.q, (const uint8_t *)"\1n", 3), 0);
	assert_memory_equal(&p, &was, sizeof(p));
}

static void room_is_asked_for(void **state)
{
	struct packet p = packet_begin("www.ex", 1), was;
	static const uint8_t longer[] = "\6longer\2ex";
	struct type_set types = {a, 1};

	packet_add(&p, 2, 0, 0, BYTES(A("\xc0\x0c") TXT("\xc0\x0c")));
	was = p;
	assert_int_equal(msg_rename(p.msg, p.len, p.len + 2, &p.q, longer, 11), 0);
	assert_int_equal(msg_clear_types(p.msg, p.len, p.len - 17, &p.q, &types), 0);
	assert_memory_equal(&p, &was, sizeof(p));
	assert_int_equal(msg_rename(p.msg, p.len, p.len + 3, &p.q, longer, 11), p.len + 3);
	p = was;
	assert_int_equal(msg_clear_types(p.msg, p.len, p.len - 16, &p.q, &types), p.len - 16);
}

static void without_a_question_there_is_no_name_to_exchange(void **state)
{
	uint8_t msg[64] = {0, 1, 0x80, 5, 0, 0, 0, 2};
	struct type_set types = {a, 1};
	struct question none = {0};

	memcpy(msg + DNS_HEADER_LEN, A("\0") TXT("\0"), 15 + 13);
	assert_int_equal(msg_rename(msg, 12 + 28, 64, &none, (const uint8_t *)"\1n", 3), 0);
	assert_int_equal(msg_clear_types(msg, 12 + 28, 64, &none, &types), 12 + 13);
	assert_memory_equal(msg + DNS_HEADER_LEN, TXT("\0"), 13);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_of_some_types_are_taken_out),
		cmocka_unit_test(a_name_is_exchanged),
		cmocka_unit_test(the_root_of_opt_is_no_name_to_exchange),
		cmocka_unit_test(all_questions_get_the_name),
		cmocka_unit_test(one_undoes_the_other),
		cmocka_unit_test(what_is_malformed_is_left_alone),
		cmocka_unit_test(a_signed_query_keeps_its_name),
		cmocka_unit_test(room_is_asked_for),
		cmocka_unit_test(without_a_question_there_is_no_name_to_exchange),
	};

	return cmocka_run_group_tests_name("rewrite", tests, NULL, NULL);
}
