/* TTLs of whole messages: limited, capped, reduced, edited by a function. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/dns/ttl.h"
#include "test/packet.h"

#define A_TTL(ttl)    "\xc0\x0c\0\1\0\1" ttl "\0\4\xc0\0\2\1"
#define AAAA_TTL(ttl) "\xc0\x0c\0\x1c\0\1" ttl "\0\0"

/* An answer with an A of this TTL, an AAAA in the authority section, and OPT before an A of 60 s.
 */
static struct packet answer_with(uint32_t a_ttl_s, uint32_t aaaa_ttl_s)
{
	struct packet p = packet_begin("www", 1);

	packet_add(&p, 1, 0, 0, BYTES(A_TTL("\0\0\0\0")));
	put_u32(p.msg + p.q.end + 6, a_ttl_s);
	packet_add(&p, 0, 1, 0, BYTES(AAAA_TTL("\0\0\0\0")));
	put_u32(p.msg + p.q.end + 16 + 6, aaaa_ttl_s);
	packet_add(&p, 0, 0, 2, BYTES(OPT_EMPTY A_TTL("\0\0\0\x3c")));
	return p;
}

static void check(const char *label, const struct packet *p, const uint32_t want[3])
{
	uint16_t ttl_at[4];
	struct answer_info info;

	assert_int_equal(msg_answer_info(p->msg, p->len, &info, ttl_at, 4), 0);
	assert_int_equal(info.n_ttls, 3);
	assert_true(info.opt.dnssec_ok); /* OPT's field is no TTL */
	for (unsigned i = 0; i < 3; i++)
		if (get_u32(p->msg + ttl_at[i]) != want[i])
			fail_msg("%s: TTL %u is %u, want %u", label, i, get_u32(p->msg + ttl_at[i]),
				 want[i]);
}

static const uint16_t only_a[] = {TYPE_A};
static const uint16_t both[] = {TYPE_AAAA, TYPE_A};
static const uint16_t others[] = {TYPE_NS, TYPE_OPT};

static const struct {
	const char *label;
	uint32_t a_s, aaaa_s, min_s, max_s;
	struct type_set types;
	uint32_t want[3];
} limits[] = {
	{"within", 100, 200, 50, 300, {0}, {100, 200, 60}},
	{"raised", 10, 200, 70, 0, {0}, {70, 200, 70}},
	{"lowered", 10, 200, 0, 50, {0}, {10, 50, 50}},
	{"at the bounds", 50, 60, 50, 60, {0}, {50, 60, 60}},
	{"maximum wins", 10, 200, 90, 30, {0}, {30, 30, 30}},
	{"only A", 1000, 1000, 0, 50, {only_a, 1}, {50, 1000, 50}},
	{"A and AAAA", 1000, 1000, 0, 50, {both, 2}, {50, 50, 50}},
	{"types that are not there", 1000, 1, 5, 50, {others, 2}, {1000, 1, 60}},
	{"types that are not asked for keep their top bit",
	 1000,
	 0x80000000,
	 5,
	 50,
	 {only_a, 1},
	 {50, 0x80000000, 50}},
	{"top bit counts as zero", 0x80000000, UINT32_MAX, 5, 50, {0}, {5, 5, 50}},
	{"top bit, no minimum", 0x80000000, UINT32_MAX, 0, 50, {0}, {0, 0, 50}},
	{"never with the top bit", 1, 1, UINT32_MAX, 0, {0}, {INT32_MAX, INT32_MAX, INT32_MAX}},
};

static void ttls_are_limited(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		struct packet p = answer_with(limits[i].a_s, limits[i].aaaa_s);

		assert_int_equal(msg_limit_ttls(p.msg, p.len, &p.q, limits[i].min_s,
						limits[i].max_s, &limits[i].types),
				 0);
		check(limits[i].label, &p, limits[i].want);
	}
}

static void ttls_are_capped(void **state)
{
	struct packet p = answer_with(59, 61);

	assert_int_equal(msg_cap_ttls(p.msg, p.len, &p.q, 60), 0);
	check("60", &p, (uint32_t[]){59, 60, 60});
	assert_int_equal(msg_cap_ttls(p.msg, p.len, &p.q, 0), 0);
	check("0", &p, (uint32_t[]){0, 0, 0});
}

static const struct {
	const char *label;
	unsigned percent;
	uint32_t want[3];
} reductions[] = {
	{"none", 100, {99, INT32_MAX, 60}},
	{"half, cut off", 50, {49, 1073741823, 30}},
	{"little", 1, {0, 21474836, 0}},
	{"all", 0, {0, 0, 0}},
};

static void ttls_are_reduced(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(reductions); i++) {
		struct packet p = answer_with(99, INT32_MAX);

		assert_int_equal(msg_reduce_ttls(p.msg, p.len, &p.q, reductions[i].percent), 0);
		check(reductions[i].label, &p, reductions[i].want);
	}
}

struct seen {
	unsigned n;
	struct {
		enum section section;
		uint16_t class, type;
		uint32_t ttl_s;
	} of[4];
};

static uint32_t see(void *ctx, enum section section, uint16_t class, uint16_t type, uint32_t ttl_s)
{
	struct seen *seen = ctx;

	assert_true(seen->n < 4);
	seen->of[seen->n].section = section;
	seen->of[seen->n].class = class;
	seen->of[seen->n].type = type;
	seen->of[seen->n].ttl_s = ttl_s;
	return 1000 + seen->n++;
}

static void a_function_sees_every_record_but_opt(void **state)
{
	struct packet p = answer_with(7, 0x80000001);
	struct seen seen = {.n = 0};

	assert_int_equal(msg_edit_ttls(p.msg, p.len, &p.q, see, &seen), 0);
	check("edited", &p, (uint32_t[]){1000, 1001, 1002});
	assert_int_equal(seen.n, 3);
	assert_int_equal(seen.of[0].section, SECTION_ANSWER);
	assert_int_equal(seen.of[0].type, TYPE_A);
	assert_int_equal(seen.of[0].ttl_s, 7);
	assert_int_equal(seen.of[1].section, SECTION_AUTHORITY);
	assert_int_equal(seen.of[1].type, TYPE_AAAA);
	assert_int_equal(seen.of[1].ttl_s, 0);
	assert_int_equal(seen.of[2].section, SECTION_ADDITIONAL);
	assert_int_equal(seen.of[2].class, CLASS_IN);
}

static void what_is_cut_short_stays_as_it_is(void **state)
{
	struct packet whole = answer_with(100, 200);

	for (size_t len = 0; len < whole.len; len++) {
		struct packet p = whole;

		assert_int_equal(msg_cap_ttls(p.msg, len, &p.q, 1), -EBADMSG);
		if (memcmp(p.msg, whole.msg, whole.len) != 0)
			fail_msg("%zu octets: changed", len);
	}
}

static void an_answer_may_lack_the_question(void **state)
{
	uint8_t msg[64] = {0, 1, 0x80, 5, 0, 0, 0, 1};
	struct question q;

	memcpy(msg + DNS_HEADER_LEN, "\0\0\1\0\1\0\0\1\0\0\0", 11);
	assert_int_equal(msg_first_question(msg, DNS_HEADER_LEN + 11, &q), 0);
	assert_int_equal(msg_cap_ttls(msg, DNS_HEADER_LEN + 11, &q, 9), 0);
	assert_int_equal(get_u32(msg + DNS_HEADER_LEN + 5), 9);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(ttls_are_limited),
		cmocka_unit_test(ttls_are_capped),
		cmocka_unit_test(ttls_are_reduced),
		cmocka_unit_test(a_function_sees_every_record_but_opt),
		cmocka_unit_test(what_is_cut_short_stays_as_it_is),
		cmocka_unit_test(an_answer_may_lack_the_question),
	};

	return cmocka_run_group_tests_name("ttl", tests, NULL, NULL);
}
