/* Dynamic blocks: which one a query meets, which one stays. Readers beside the writer:
 * test_mt_dynblocks.c. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/stats.h"
#include "rules/dynblocks.h"
#include "rules/dynblocks_table.h"

#define SECOND UINT64_C(1000000)

static struct addr addr_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, 4000, &a, NULL), 0);
	return a;
}

static struct dynblock_new block_of(const char *prefix, unsigned bits, unsigned port_bits)
{
	return (struct dynblock_new){
		.addr = addr_of(prefix),
		.bits = (uint8_t)bits,
		.port_bits = (uint8_t)port_bits,
		.reason = "test",
		.seconds = 60,
		.action = DNS_ACTION_NONE,
		.quiet = true,
	};
}

static int add(const struct dynblock_new *new)
{
	struct err err;
	int rc = dynblocks_add(new, &err);

	if (rc < 0)
		fail_msg("%s", err.text);
	return rc;
}

static int add_prefix(const char *prefix, unsigned bits, unsigned port_bits, const char *reason)
{
	struct dynblock_new new = block_of(prefix, bits, port_bits);

	new.reason = reason;
	return add(&new);
}

static struct dynblock_new name_block(const char *text, uint8_t name[static DNS_NAME_MAX])
{
	int len = name_parse(text, name, NULL);

	assert_true(len > 0);
	return (struct dynblock_new){.name = name,
				     .name_len = (size_t)len,
				     .reason = text,
				     .seconds = 60,
				     .action = DNS_ACTION_NONE,
				     .quiet = true};
}

static int add_name(const char *text)
{
	uint8_t name[DNS_NAME_MAX];
	struct dynblock_new new = name_block(text, name);

	return add(&new);
}

/* The reason of the block that a client meets; "" for none. */
static const char *met(const char *client)
{
	struct addr a = addr_of(client);
	struct dynblock_hit hit;

	dynblocks_prefetch(&a);
	dynblocks_prefetch_block(&a);
	return dynblocks_find_address(&a, clock_mono_us(), &hit) ? hit.cause->text : "";
}

static const char *met_name(const char *text)
{
	uint8_t name[DNS_NAME_MAX];
	int len = name_parse(text, name, NULL);
	struct dynblock_hit hit;

	assert_true(len > 0);
	return dynblocks_find_name(name, (size_t)len, clock_mono_us(), &hit) ? hit.cause->text : "";
}

static int fresh(void **state)
{
	(void)state;
	hash_init(7);
	clock_fake(1000 * SECOND, 1700000000);
	dynblocks_start();
	return 0;
}

static int over(void **state)
{
	(void)state;
	dynblocks_stop();
	clock_fake_end();
	return 0;
}

static const struct {
	const char *label, *prefix;
	unsigned bits, port_bits;
	const char *client;
	bool want;
} pairs[] = {
	{"the address itself, any port", "192.0.2.1", 32, 0, "192.0.2.1:53", true},
	{"its neighbour", "192.0.2.1", 32, 0, "192.0.2.2:53", false},
	{"in a prefix", "192.0.2.77", 24, 0, "192.0.2.1:53", true},
	{"beside a prefix", "192.0.2.77", 24, 0, "192.0.3.1:53", false},
	{"everybody", "0.0.0.0", 0, 0, "203.0.113.9", true},
	{"everybody is not IPv6", "0.0.0.0", 0, 0, "2001:db8::1", false},
	{"IPv6", "2001:db8::1", 128, 0, "[2001:db8::1]:7", true},
	{"IPv6, its neighbour", "2001:db8::1", 128, 0, "[2001:db8::2]:7", false},
	{"in an IPv6 prefix", "2001:db8::", 64, 0, "2001:db8::ffff:1", true},
	{"in one that ends in the lower half", "2001:db8::8000:0:0:0", 65, 0,
	 "2001:db8::9000:0:0:1", true},
	{"beside that", "2001:db8::8000:0:0:0", 65, 0, "2001:db8::1", false},
	{"all of IPv6", "::", 0, 0, "2001:db8::1", true},
	{"IPv4-mapped is IPv4", "192.0.2.1", 32, 0, "[::ffff:192.0.2.1]:53", true},
	{"IPv4 is IPv4-mapped", "::ffff:192.0.2.0", 120, 0, "192.0.2.9", true},
	{"the ports of a prefix", "192.0.2.1:1024", 32, 6, "192.0.2.1:2047", true},
	{"ports below", "192.0.2.1:1024", 32, 6, "192.0.2.1:1023", false},
	{"ports above", "192.0.2.1:1024", 32, 6, "192.0.2.1:2048", false},
	{"one port", "192.0.2.1:1024", 32, 16, "192.0.2.1:1024", true},
	{"another than the one", "192.0.2.1:1024", 32, 16, "192.0.2.1:1025", false},
	{"a port of IPv6", "[2001:db8::1]:1024", 128, 16, "[2001:db8::1]:1024", true},
	{"ports of IPv6 beside", "[2001:db8::1]:1024", 128, 6, "[2001:db8::1]:2048", false},
	{"a port of a mapped address", "[::ffff:192.0.2.1]:1024", 128, 16, "192.0.2.1:1024", true},
};

static void a_client_meets_the_prefix_it_is_in(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		add_prefix(pairs[i].prefix, pairs[i].bits, pairs[i].port_bits, "it");
		if ((strcmp(met(pairs[i].client), "it") == 0) != pairs[i].want)
			fail_msg("%s: not %d", pairs[i].label, pairs[i].want);
		dynblocks_clear();
		assert_string_equal(met(pairs[i].client), "");
	}
}

static void the_longest_prefix_counts(void **state)
{
	(void)state;
	add_prefix("192.0.2.0", 24, 0, "net");
	add_prefix("192.0.2.1", 32, 0, "host");
	add_prefix("192.0.2.1:8192", 32, 3, "ports");
	add_prefix("0.0.0.0", 0, 0, "all");
	assert_string_equal(met("192.0.2.1:8192"), "ports");
	assert_string_equal(met("192.0.2.1:80"), "host");
	assert_string_equal(met("192.0.2.2:80"), "net");
	assert_string_equal(met("192.0.3.2:80"), "all");
}

static void a_longer_one_that_has_ended_hides_nothing(void **state)
{
	struct dynblock_new host = block_of("192.0.2.1", 32, 0);

	(void)state;
	host.seconds = 5;
	add_prefix("192.0.2.0", 24, 0, "net");
	add(&host);
	clock_fake_advance(5 * SECOND - 1);
	assert_string_equal(met("192.0.2.1"), "test");
	clock_fake_advance(1);
	assert_string_equal(met("192.0.2.1"), "net");
	clock_fake_advance(55 * SECOND);
	assert_string_equal(met("192.0.2.1"), "");
}

static void names_meet_the_longest_suffix(void **state)
{
	(void)state;
	assert_false(dynblocks_any(DYNBLOCK_NAME));
	add_name("Example.org.");
	add_name("www.example.org.");
	assert_true(dynblocks_any(DYNBLOCK_NAME));
	assert_false(dynblocks_any(DYNBLOCK_ADDRESS));
	assert_string_equal(met_name("EXAMPLE.ORG."), "Example.org.");
	assert_string_equal(met_name("a.b.example.org."), "Example.org.");
	assert_string_equal(met_name("x.www.example.org."), "www.example.org.");
	assert_string_equal(met_name("org."), "");
	assert_string_equal(met_name("."), "");
	assert_string_equal(met_name("badexample.org."), "");
	add_name(".");
	assert_string_equal(met_name("com."), ".");
	assert_string_equal(met_name("."), ".");
}

/* 127 labels, which is as many as a name can have. */
static void the_longest_name_is_found(void **state)
{
	char text[2 * 127 + 1];

	(void)state;
	for (unsigned i = 0; i < 127; i++)
		memcpy(text + 2 * i, "a.", 2);
	text[sizeof(text) - 1] = '\0';
	add_name(text);
	assert_string_equal(met_name(text), text);
	assert_string_equal(met_name(text + 2), "");
	add_name(text + 2 * 63);
	assert_string_equal(met_name(text + 2), text + 2 * 63);
}

static const struct {
	const char *label;
	uint32_t old_s, new_s;
	bool old_warns, new_warns;
	int want;
	uint32_t lasts_s;
} replacements[] = {
	{"a longer one replaces", 10, 20, false, false, DYNBLOCK_EXTENDED, 20},
	{"a shorter one does not", 20, 10, false, false, DYNBLOCK_KEPT, 20},
	{"one as long does", 20, 20, false, false, DYNBLOCK_EXTENDED, 20},
	{"a warning never replaces a block", 10, 20, false, true, DYNBLOCK_KEPT, 10},
	{"a block replaces a longer warning", 20, 10, true, false, DYNBLOCK_NEW, 10},
	{"a longer warning replaces a warning", 10, 20, true, true, DYNBLOCK_EXTENDED, 20},
	{"a shorter warning does not", 20, 10, true, true, DYNBLOCK_KEPT, 20},
};

static void keep(void *ctx, const struct dynblock_view *b)
{
	*(struct dynblock_view *)ctx = *b;
}

static struct dynblock_view only(enum dynblock_kind kind)
{
	struct dynblock_view v = {0};

	dynblocks_visit(kind, keep, &v);
	return v;
}

static void hit(const char *client, unsigned n)
{
	struct addr a = addr_of(client);
	struct dynblock_hit h;

	assert_true(dynblocks_find_address(&a, clock_mono_us(), &h));
	for (unsigned i = 0; i < n; i++)
		dynblocks_hit(&h, 0);
}

static void the_longer_block_stays_and_keeps_its_count(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(replacements); i++) {
		struct dynblock_new new = block_of("192.0.2.1", 32, 0);
		struct dynblock_view v;

		new.seconds = replacements[i].old_s;
		new.warning = replacements[i].old_warns;
		assert_int_equal(add(&new), DYNBLOCK_NEW);
		hit("192.0.2.1", 3);
		new.seconds = replacements[i].new_s;
		new.warning = replacements[i].new_warns;
		new.reason = "another";
		if (add(&new) != replacements[i].want)
			fail_msg("%s: not %d", replacements[i].label, replacements[i].want);
		v = only(DYNBLOCK_ADDRESS);
		if (v.expires_us != clock_mono_us() + replacements[i].lasts_s * SECOND)
			fail_msg("%s: lasts until another time", replacements[i].label);
		if (strcmp(v.reason, replacements[i].want == DYNBLOCK_KEPT ? "test" : "another") !=
			    0 ||
		    v.blocks != 3)
			fail_msg("%s: %s after %llu", replacements[i].label, v.reason,
				 (unsigned long long)v.blocks);
		dynblocks_clear();
	}
}

static void one_that_has_ended_is_new_and_counts_anew(void **state)
{
	struct dynblock_new new = block_of("192.0.2.1", 32, 0);

	(void)state;
	dynblocks_worker_begin(0);
	add(&new);
	hit("192.0.2.1", 1000);
	assert_int_equal(only(DYNBLOCK_ADDRESS).blocks, 1000);
	clock_fake_advance(60 * SECOND);
	assert_int_equal(only(DYNBLOCK_ADDRESS).bits, 0);
	assert_int_equal(add(&new), DYNBLOCK_NEW);
	assert_int_equal(only(DYNBLOCK_ADDRESS).blocks, 0);
	hit("192.0.2.1", 1);
	assert_int_equal(only(DYNBLOCK_ADDRESS).blocks, 1);
}

static const struct {
	const char *label;
	unsigned bits, port_bits;
	const char *addr;
	uint32_t seconds;
	uint8_t action;
	const char *said;
} refused[] = {
	{"too many bits", 33, 0, "192.0.2.1", 1, 0, "an address has 32 bits"},
	{"too many bits of IPv6", 129, 0, "2001:db8::1", 1, 0, "an address has 128 bits"},
	{"too many of a port", 32, 17, "192.0.2.1", 1, 0, "a port has 16 bits"},
	{"ports of a net", 24, 1, "192.0.2.1", 1, 0, "of a single address only"},
	{"a short mapped prefix", 95, 0, "::ffff:192.0.2.1", 1, 0, "at least 96 bits"},
	{"no time", 32, 0, "192.0.2.1", 0, 0, "at least one second"},
	{"a tag without a name", 32, 0, "192.0.2.1", 1, DNS_ACTION_SET_TAG, "tagName"},
};

static void what_can_not_be_is_refused(void **state)
{
	char long_tag[EXTRA_ITEM_MAX + 2];
	struct dynblock_new new;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		new = block_of(refused[i].addr, refused[i].bits, refused[i].port_bits);
		new.seconds = refused[i].seconds;
		new.action = refused[i].action;
		if (dynblocks_add(&new, &err) != -EINVAL || !strstr(err.text, refused[i].said))
			fail_msg("%s: %s", refused[i].label, err.text);
	}
	memset(long_tag, 'x', sizeof(long_tag) - 1);
	long_tag[sizeof(long_tag) - 1] = '\0';
	new = block_of("192.0.2.1", 32, 0);
	new.tag_name = long_tag;
	assert_int_equal(dynblocks_add(&new, &err), -EINVAL);
	assert_int_equal(dynblocks_count(DYNBLOCK_ADDRESS), 0);
}

static void purged_when_it_is_time_and_then_gives_memory_back(void **state)
{
	size_t before;

	(void)state;
	dynblocks_tick(clock_mono_us(), 60);
	before = dynblocks_memory();
	add_prefix("192.0.2.1", 32, 0, "a");
	add_name("example.org.");
	clock_fake_advance(59 * SECOND);
	dynblocks_tick(clock_mono_us(), 60);
	assert_int_equal(dynblocks_count(DYNBLOCK_ADDRESS), 1);
	clock_fake_advance(1 * SECOND);
	assert_string_equal(met("192.0.2.1"), "");
	dynblocks_tick(clock_mono_us(), 0); /* never */
	assert_int_equal(dynblocks_count(DYNBLOCK_ADDRESS), 1);
	dynblocks_tick(clock_mono_us(), 60);
	assert_int_equal(dynblocks_count(DYNBLOCK_ADDRESS), 0);
	assert_int_equal(dynblocks_count(DYNBLOCK_NAME), 0);
	assert_false(dynblocks_present_now());
	assert_int_equal(dynblocks_memory(), before);
}

static const char *texts[4];
static unsigned n_texts;

static void keep_text(void *ctx, const struct dynblock_view *b)
{
	static char text[4][DYNBLOCK_TEXT_MAX];

	(void)ctx;
	assert_true(n_texts < ARRAY_LEN(text));
	texts[n_texts] = dynblock_text(b, text[n_texts]);
	n_texts++;
}

static void read_back_as_text(void **state)
{
	(void)state;
	add_prefix("192.0.2.77", 24, 0, "");
	add_prefix("192.0.2.1:1500", 32, 6, "");
	add_prefix("2001:db8::1", 128, 0, "");
	add_prefix("[2001:db8::1]:1500", 128, 6, "");
	n_texts = 0;
	dynblocks_visit(DYNBLOCK_ADDRESS, keep_text, NULL);
	assert_int_equal(n_texts, 4);
	assert_string_equal(texts[0], "192.0.2.0/24");
	assert_string_equal(texts[1], "192.0.2.1:1024/38");
	assert_string_equal(texts[2], "2001:db8::1/128");
	assert_string_equal(texts[3], "[2001:db8::1]:1024/134");
	add_name("Example.org");
	n_texts = 0;
	dynblocks_visit(DYNBLOCK_NAME, keep_text, NULL);
	assert_string_equal(texts[0], "Example.org.");
}

static unsigned visible(void)
{
	n_texts = 0;
	dynblocks_visit(DYNBLOCK_ADDRESS, keep_text, NULL);
	return n_texts;
}

static void a_transaction_is_applied_whole_or_not_at_all(void **state)
{
	struct dynblock_new longer = block_of("192.0.2.1", 32, 0);

	(void)state;
	longer.seconds = 100;
	add_prefix("192.0.2.1", 32, 0, "live");
	hit("192.0.2.1", 2);
	dynblocks_begin();
	assert_int_equal(add_prefix("192.0.2.2", 32, 0, "draft"), DYNBLOCK_NEW);
	assert_int_equal(add_prefix("192.0.2.2", 32, 0, "draft"), DYNBLOCK_EXTENDED);
	assert_int_equal(add(&longer), DYNBLOCK_EXTENDED);
	assert_int_equal(visible(), 2);
	assert_string_equal(met("192.0.2.2"), "");
	assert_string_equal(met("192.0.2.1"), "live");
	dynblocks_end(false);
	assert_int_equal(visible(), 1);

	dynblocks_begin();
	dynblocks_clear();
	assert_int_equal(visible(), 0);
	assert_string_equal(met("192.0.2.1"), "live");
	assert_int_equal(add_prefix("192.0.2.3", 32, 0, "draft"), DYNBLOCK_NEW);
	assert_int_equal(visible(), 1);
	dynblocks_end(false);
	assert_string_equal(met("192.0.2.1"), "live");
	assert_string_equal(met("192.0.2.3"), "");

	dynblocks_begin();
	add(&longer);
	add_prefix("192.0.2.2", 32, 0, "draft");
	dynblocks_end(true);
	assert_int_equal(visible(), 2);
	assert_string_equal(met("192.0.2.1"), "test");
	assert_string_equal(met("192.0.2.2"), "draft");

	dynblocks_begin();
	dynblocks_clear();
	add_prefix("192.0.2.4", 32, 0, "after");
	dynblocks_end(true);
	assert_int_equal(visible(), 1);
	assert_string_equal(met("192.0.2.2"), "");
	assert_string_equal(met("192.0.2.4"), "after");
}

struct sum {
	uint64_t all, most;
};

static void add_up(void *ctx, const struct dynblock_view *b)
{
	struct sum *sum = ctx;

	sum->all += b->blocks;
	sum->most = b->blocks > sum->most ? b->blocks : sum->most;
}

/* Many blocks share few counters: whatever moves, each query is counted once. */
static void every_query_is_counted_once(void **state)
{
	enum { BLOCKS = 20000, ROUNDS = 40 };
	struct sum sum = {0};

	(void)state;
	dynblocks_worker_begin(0);
	dynblocks_worker_begin(1);
	for (uint32_t i = 0; i < BLOCKS; i++) {
		struct dynblock_new new = block_of("10.0.0.0", 32, 0);

		new.addr.v4.sin_addr.s_addr = htonl(0x0a000000 + i);
		add(&new);
	}
	for (uint32_t i = 0; i < BLOCKS * ROUNDS; i++) {
		uint32_t r = i * UINT32_C(2654435761);
		struct addr a = {.v4 = {.sin_family = AF_INET}};
		struct dynblock_hit h;

		/* half of them to one block */
		a.v4.sin_addr.s_addr = htonl(0x0a000000 + (r >> 31 ? 5 : (r >> 8) % BLOCKS));
		assert_true(dynblocks_find_address(&a, clock_mono_us(), &h));
		dynblocks_hit(&h, r >> 30 & 1);
	}
	for (uint32_t i = 0; i < BLOCKS; i++) {
		struct dynblock_new new = block_of("10.0.0.0", 32, 0);

		new.addr.v4.sin_addr.s_addr = htonl(0x0a000000 + i);
		new.reason = "again";
		assert_int_equal(add(&new), DYNBLOCK_EXTENDED);
	}
	dynblocks_visit(DYNBLOCK_ADDRESS, add_up, &sum);
	assert_int_equal(sum.all, BLOCKS * ROUNDS);
	assert_true(sum.most > BLOCKS * ROUNDS / 3);
}

static void see_hot(void *ctx, struct dynblock *b)
{
	struct dynblock_view v;

	block_view(b, &v);
	strcat(strcat(ctx, dynblock_text(&v, (char[DYNBLOCK_TEXT_MAX]){0})), " ");
}

static const char *hot(uint64_t rate)
{
	static char found[256];

	*found = '\0';
	block_hits_hot(rate, see_hot, found);
	return found;
}

/* By what was counted since the last look; with two workers, half of it counts as much. */
static void blocks_that_meet_many_are_found(void **state)
{
	struct addr a = addr_of("192.0.2.1");
	struct dynblock_hit h;

	dynblocks_worker_begin(0);
	add_prefix("192.0.2.1", 32, 0, "a");
	add_prefix("192.0.2.2", 32, 0, "b");
	assert_string_equal(hot(1000), "");
	hit("192.0.2.1", 2000);
	hit("192.0.2.2", 900);
	assert_string_equal(hot(1000), "192.0.2.1/32 ");
	assert_string_equal(hot(1000), "");
	hit("192.0.2.1", 999);
	assert_string_equal(hot(1000), "");
	hit("192.0.2.2", 1000);
	assert_string_equal(hot(1000), "192.0.2.2/32 ");
	dynblocks_worker_begin(1);
	assert_true(dynblocks_find_address(&a, clock_mono_us(), &h));
	for (unsigned i = 0; i < 600; i++)
		dynblocks_hit(&h, 1);
	assert_string_equal(hot(1000), "192.0.2.1/32 ");
	hit("192.0.2.1", 1000);
	dynblocks_clear();
	assert_string_equal(hot(1), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, over)
		TEST(a_client_meets_the_prefix_it_is_in),
		TEST(the_longest_prefix_counts),
		TEST(a_longer_one_that_has_ended_hides_nothing),
		TEST(names_meet_the_longest_suffix),
		TEST(the_longest_name_is_found),
		TEST(the_longer_block_stays_and_keeps_its_count),
		TEST(one_that_has_ended_is_new_and_counts_anew),
		TEST(what_can_not_be_is_refused),
		TEST(purged_when_it_is_time_and_then_gives_memory_back),
		TEST(read_back_as_text),
		TEST(a_transaction_is_applied_whole_or_not_at_all),
		TEST(every_query_is_counted_once),
		TEST(blocks_that_meet_many_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
