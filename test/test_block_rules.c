/* Rules that block: what is over a limit and what is just at it, in which order, and for whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/hash.h"
#include "core/rand.h"
#include "core/stats.h"
#include "rules/block_rules.h"
#include "rules/hitters.h"

#define SECOND_US UINT64_C(1000000)

static int begin(void **state)
{
	clock_fake(1000 * SECOND_US, 1000);
	hash_init(1);
	if (rand_init() < 0)
		return -1;
	dynblocks_start();
	hitters_start(1);
	return 0;
}

static int end(void **state)
{
	hitters_stop();
	dynblocks_stop();
	clock_fake_end();
	return 0;
}

static struct addr client_at(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, 0, &a, NULL), 0);
	return a;
}

/* n queries, each with an answer; with octets 0 there is none. */
struct traffic {
	const char *client;
	unsigned n;
	uint16_t qtype, rcode;
	uint32_t octets;
	bool miss;
};

static void happens(const struct traffic *t)
{
	struct addr a = client_at(t->client);
	uint32_t now_s = (uint32_t)(clock_mono_us() / SECOND_US);

	for (unsigned i = 0; i < t->n; i++) {
		hitters_query(0, &a, t->qtype, now_s);
		if (t->octets)
			hitters_answer(0, &a, t->rcode, t->octets, t->miss, now_s);
	}
}

static void beat(void)
{
	clock_fake_advance(HITTERS_BEAT_US);
	block_groups_check();
}

/* "what action reason" and "!" for a warning, all blocks in one text. */
static void write_block(void *ctx, const struct dynblock_view *b)
{
	char what[DYNBLOCK_TEXT_MAX], *text = ctx;

	sprintf(text + strlen(text), "%s%s %s%s", *text ? ", " : "", dynblock_text(b, what),
		b->reason, b->warning ? "!" : "");
}

static const char *blocks(void)
{
	static char text[4096];

	text[0] = '\0';
	dynblocks_visit(DYNBLOCK_ADDRESS, write_block, text);
	return text;
}

static void set(struct block_group *g, struct block_rule r)
{
	struct err err = {""};

	if (r.block_s == 0)
		r.block_s = 60;
	if (r.seconds == 0)
		r.seconds = 10;
	if (block_group_set(g, &r, &err) < 0)
		fail_msg("%s", err.text);
}

static void apply(struct block_group *g)
{
	struct err err = {""};

	if (block_group_apply(g, &err) < 0)
		fail_msg("%s", err.text);
}

#define QUERIES(rate)                                                          \
	{                                                                      \
		.kind = BLOCK_QUERY_RATE, .limit = (rate), .reason = "queries" \
	}
#define OCTETS(rate)                                                          \
	{                                                                     \
		.kind = BLOCK_OCTET_RATE, .limit = (rate), .reason = "octets" \
	}
#define MISSES(part)                                                           \
	{                                                                      \
		.kind = BLOCK_MISS_RATIO, .limit = (part), .reason = "misses", \
		.least_answers = 10, .least_hits = 0.5                         \
	}
#define ANY(rate)                                                                      \
	{                                                                              \
		.kind = BLOCK_QTYPE_RATE, .arg = 255, .limit = (rate), .reason = "any" \
	}
#define NX(rate)                                                                    \
	{                                                                           \
		.kind = BLOCK_RCODE_RATE, .arg = 3, .limit = (rate), .reason = "nx" \
	}
#define NX_PART(part)                                                                      \
	{                                                                                  \
		.kind = BLOCK_RCODE_RATIO, .arg = 3, .limit = (part), .reason = "nx part", \
		.least_answers = 10                                                        \
	}
#define OTHERS(part)                                                                      \
	{                                                                                 \
		.kind = BLOCK_OTHER_RATIO, .arg = 1, .limit = (part), .reason = "others", \
		.least_answers = 10                                                       \
	}

static const struct {
	const char *label;
	struct block_rule rules[4];
	struct traffic traffic[3];
	const char *want;
} cases[] = {
	{"queries at the limit", {QUERIES(2)}, {{"192.0.2.1", 20, 1, 0, 0, 0}}, ""},
	{"queries over it", {QUERIES(2)}, {{"192.0.2.1", 21, 1, 0, 0, 0}}, "192.0.2.1/32 queries"},
	{"octets at the limit", {OCTETS(100)}, {{"192.0.2.1", 10, 1, 0, 100, 0}}, ""},
	{"octets over it", {OCTETS(100)}, {{"192.0.2.1", 10, 1, 0, 101, 0}}, "192.0.2.1/32 octets"},
	{"a type at the limit",
	 {ANY(1)},
	 {{"192.0.2.1", 10, 255, 0, 0, 0}, {"192.0.2.1", 90, 1, 0, 0, 0}},
	 ""},
	{"a type over it", {ANY(1)}, {{"192.0.2.1", 11, 255, 0, 0, 0}}, "192.0.2.1/32 any"},
	{"a code at the limit",
	 {NX(1)},
	 {{"192.0.2.1", 10, 1, 3, 50, 0}, {"192.0.2.1", 90, 1, 0, 50, 0}},
	 ""},
	{"a code over it", {NX(1)}, {{"192.0.2.1", 11, 1, 3, 50, 0}}, "192.0.2.1/32 nx"},
	{"just a half",
	 {NX_PART(0.5)},
	 {{"192.0.2.1", 10, 1, 3, 50, 0}, {"192.0.2.1", 10, 1, 0, 50, 0}},
	 ""},
	{"more than a half",
	 {NX_PART(0.5)},
	 {{"192.0.2.1", 11, 1, 3, 50, 0}, {"192.0.2.1", 10, 1, 0, 50, 0}},
	 "192.0.2.1/32 nx part"},
	{"more than a half of too few", {NX_PART(0.5)}, {{"192.0.2.1", 9, 1, 3, 50, 0}}, ""},
	{"just enough", {NX_PART(0.5)}, {{"192.0.2.1", 10, 1, 3, 50, 0}}, "192.0.2.1/32 nx part"},
	{"codes that are not allowed",
	 {OTHERS(0.5)},
	 {{"192.0.2.1", 6, 1, 3, 50, 0},
	  {"192.0.2.1", 5, 1, 2, 50, 0},
	  {"192.0.2.1", 10, 1, 0, 50, 0}},
	 "192.0.2.1/32 others"},
	{"as many that are",
	 {OTHERS(0.5)},
	 {{"192.0.2.1", 10, 1, 2, 50, 0}, {"192.0.2.1", 10, 1, 0, 50, 0}},
	 ""},
	{"the rate of queries comes first",
	 {NX(1), ANY(1), OCTETS(10), QUERIES(1)},
	 {{"192.0.2.1", 50, 255, 3, 50, 0}},
	 "192.0.2.1/32 queries"},
	{"then octets",
	 {NX(1), ANY(1), OCTETS(10), QUERIES(9)},
	 {{"192.0.2.1", 50, 255, 3, 50, 0}},
	 "192.0.2.1/32 octets"},
	{"two clients",
	 {QUERIES(1)},
	 {{"192.0.2.1", 11, 1, 0, 0, 0},
	  {"2001:db8::1", 11, 1, 0, 0, 0},
	  {"192.0.2.2", 10, 1, 0, 0, 0}},
	 "2"},
	{"a warning",
	 {{.kind = BLOCK_QUERY_RATE, .limit = 10, .warning = 1, .reason = "w"}},
	 {{"192.0.2.1", 11, 1, 0, 0, 0}},
	 "192.0.2.1/32 w!"},
	{"at the warning",
	 {{.kind = BLOCK_QUERY_RATE, .limit = 10, .warning = 1, .reason = "w"}},
	 {{"192.0.2.1", 10, 1, 0, 0, 0}},
	 ""},
	{"above both",
	 {{.kind = BLOCK_QUERY_RATE, .limit = 10, .warning = 1, .reason = "w"}},
	 {{"192.0.2.1", 101, 1, 0, 0, 0}},
	 "192.0.2.1/32 w"},
	{"a warning ends nothing",
	 {{.kind = BLOCK_QUERY_RATE, .limit = 10, .warning = 1, .reason = "w"}, NX(1)},
	 {{"192.0.2.1", 20, 1, 3, 50, 0}},
	 "192.0.2.1/32 nx"},
	{"a warning of a part",
	 {{.kind = BLOCK_RCODE_RATIO,
	   .arg = 3,
	   .limit = 0.9,
	   .warning = 0.2,
	   .reason = "w",
	   .least_answers = 10}},
	 {{"192.0.2.1", 5, 1, 3, 50, 0}, {"192.0.2.1", 5, 1, 0, 50, 0}},
	 "192.0.2.1/32 w!"},
};

static void limits_are_strict_and_in_order(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct block_group *g = block_group_new();
		unsigned n;

		hitters_stop();
		hitters_start(1);
		dynblocks_clear();
		for (unsigned j = 0; j < 4 && cases[i].rules[j].reason; j++)
			set(g, cases[i].rules[j]);
		apply(g);
		for (unsigned j = 0; j < 3 && cases[i].traffic[j].client; j++)
			happens(&cases[i].traffic[j]);
		beat();
		n = (unsigned)dynblocks_count(DYNBLOCK_ADDRESS);
		block_group_free(g);
		if (strlen(cases[i].want) == 1) {
			if (n != (unsigned)atoi(cases[i].want))
				fail_msg("%s: %s", cases[i].label, blocks());
		} else if (strcmp(blocks(), cases[i].want) != 0) {
			fail_msg("%s: '%s'", cases[i].label, blocks());
		}
	}
}

/* The rule about the cache wants a cache that does something. */
static void misses_count_while_the_cache_answers(void **state)
{
	static const struct traffic all_misses = {"192.0.2.1", 20, 1, 0, 50, true};
	struct block_group *g = block_group_new();

	set(g, (struct block_rule)MISSES(0.5));
	apply(g);
	happens(&all_misses);
	beat();
	assert_string_equal(blocks(), ""); /* no hits yet */
	stat_add(stats_control(), STAT_CACHE_MISSES, 100);
	stat_add(stats_control(), STAT_CACHE_HITS, 99);
	happens(&all_misses);
	beat();
	assert_string_equal(blocks(), ""); /* fewer than half */
	stat_add(stats_control(), STAT_CACHE_HITS, 1);
	happens(&all_misses);
	beat();
	assert_string_equal(blocks(), "192.0.2.1/32 misses");
	block_group_free(g);
}

static void a_group_is_armed_for_two_seconds(void **state)
{
	static const struct traffic t = {"192.0.2.1", 1000, 1, 0, 0, false};
	struct block_group *g = block_group_new();

	set(g, (struct block_rule)QUERIES(1));
	apply(g);
	clock_fake_advance(2 * SECOND_US + 1);
	happens(&t);
	block_groups_check();
	assert_string_equal(blocks(), "");
	apply(g);
	assert_string_equal(blocks(), "192.0.2.1/32 queries");
	block_group_free(g);
}

static void ranges_decide_by_the_longest(void **state)
{
	static const char *const excluded[] = {"192.0.2.0/24", "2001:db8::/32"};
	static const char *const from[] = {"192.0.2.1", "192.0.2.2", "192.0.3.1", "2001:db8::1"};
	struct block_group *g = block_group_new();
	struct netmask nm;

	set(g, (struct block_rule)QUERIES(1));
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(netmask_parse(excluded[i], &nm, NULL), 0);
		block_group_exclude(g, &nm);
	}
	assert_int_equal(netmask_parse("192.0.2.1/32", &nm, NULL), 0);
	block_group_include(g, &nm);
	apply(g);
	for (unsigned i = 0; i < 3; i++)
		happens(&(struct traffic){from[i], 11, 1, 0, 0, false});
	beat();
	assert_int_equal(dynblocks_count(DYNBLOCK_ADDRESS), 2);
	assert_non_null(strstr(blocks(), "192.0.2.1/32"));
	assert_non_null(strstr(blocks(), "192.0.3.1/32"));
	assert_int_equal(netmask_parse("192.0.2.0/24", &nm, NULL), 0);
	assert_true(block_group_remove_range(g, &nm));
	assert_false(block_group_remove_range(g, &nm));
	apply(g);
	assert_int_equal(dynblocks_count(DYNBLOCK_ADDRESS), 3);
	block_group_free(g);
}

/* Networks are counted without what is excluded, so other ranges are other counts. */
static void a_range_that_is_said_again_changes_nothing(void **state)
{
	struct block_group *g = block_group_new();
	struct netmask out, in;
	struct err err;

	set(g, (struct block_rule)QUERIES(1));
	assert_int_equal(block_group_set_masks(g, 24, 64, 0, &err), 0);
	assert_int_equal(netmask_parse("192.0.2.128/25", &out, NULL), 0);
	assert_int_equal(netmask_parse("192.0.2.200/32", &in, NULL), 0);
	for (unsigned i = 0; i < 6; i++) {
		block_group_exclude(g, &out);
		block_group_include(g, &in);
		apply(g);
		happens(&(struct traffic){"192.0.2.1", 2, 1, 0, 0, false});
		beat();
		assert_string_equal(blocks(), i < 5 ? "" : "192.0.2.0/24 queries");
		clock_fake_advance(SECOND_US);
	}
	block_group_include(g, &out);
	assert_int_equal(netmask_table_value(block_group_ranges(g), &out), HITTERS_INCLUDED);
	block_group_free(g);
}

/* A client who goes on is blocked on; his warnings and blocks are not made anew ten times a second.
 */
static unsigned told;

static void tell(void *ctx, const struct dynblock_new *b)
{
	struct block_group *g = ctx;

	told++;
	set(g, (struct block_rule)NX(5)); /* a hook may change its group */
}

static void a_hook_hears_of_new_blocks_only(void **state)
{
	struct block_group *g = block_group_new();

	told = 0;
	set(g, (struct block_rule)QUERIES(1));
	block_group_on_new(g, tell, g);
	for (unsigned i = 0; i < 50; i++) {
		if (i % 10 == 0)
			apply(g);
		happens(&(struct traffic){"192.0.2.1", 20, 1, 0, 0, false});
		beat();
	}
	assert_int_equal(told, 1);
	assert_non_null(block_group_rule(g, 1));
	block_group_free(g);
}

static void what_can_not_be_is_refused(void **state)
{
	static const struct {
		struct block_rule rule;
		const char *says;
	} bad[] = {
		{QUERIES(0), "a limit must be above 0, not 0"},
		{QUERIES(-1), "a limit must be above 0, not -1"},
		{NX_PART(1.5), "a ratio is a part of all answers, at most 1, not 1.5"},
		{{.kind = BLOCK_RCODE_RATE, .arg = 16, .limit = 1, .reason = ""},
		 "response codes of a header are 0 to 15, not 16"},
		{{.kind = BLOCK_QUERY_RATE, .limit = 1, .reason = "", .action = DNS_ACTION_SET_TAG},
		 "DNSAction.SetTag needs the option tagName"},
		{{.kind = BLOCK_QUERY_RATE, .limit = 1, .reason = "", .seconds = 61},
		 "an interval of 61 seconds can't be measured: 1 to 60 are kept"},
	};
	struct block_group *g = block_group_new();
	struct err err;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct block_rule r = bad[i].rule;

		r.block_s = 60;
		r.seconds = r.seconds ? r.seconds : 10;
		assert_int_equal(block_group_set(g, &r, &err), -EINVAL);
		assert_string_equal(err.text, bad[i].says);
	}
	assert_int_equal(block_group_set_masks(g, 24, 64, 8, &err), -EINVAL);
	assert_int_equal(block_group_set_masks(g, 32, 64, 16, &err), 0);
	assert_null(block_group_rule(g, 0));
	block_group_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(limits_are_strict_and_in_order, begin, end),
		cmocka_unit_test_setup_teardown(misses_count_while_the_cache_answers, begin, end),
		cmocka_unit_test_setup_teardown(a_group_is_armed_for_two_seconds, begin, end),
		cmocka_unit_test_setup_teardown(ranges_decide_by_the_longest, begin, end),
		cmocka_unit_test_setup_teardown(a_range_that_is_said_again_changes_nothing, begin,
						end),
		cmocka_unit_test_setup_teardown(a_hook_hears_of_new_blocks_only, begin, end),
		cmocka_unit_test_setup_teardown(what_can_not_be_is_refused, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
