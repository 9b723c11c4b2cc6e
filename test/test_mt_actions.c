/* What actions ask of the way of a query through running workers, over real sockets. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/dns/option.h"
#include "test/path_rules.h"

static const struct path_options with_cache = {.n_workers = 1, .with_cache = true};
static const struct path_options no_cache = {.n_workers = 1};

static struct opt opt_of(const struct reply *r, struct question *q)
{
	struct opt opt;

	if (r->len < DNS_HEADER_LEN || msg_question(r->msg, r->len, q) < 0 ||
	    msg_opt(r->msg, r->len, q, &opt) < 0)
		return (struct opt){0};
	return opt;
}

/* TTL of the first record behind the question; UINT32_MAX: there is none. */
static uint32_t ttl_of(const struct reply *r)
{
	struct question q;

	if (r->len < DNS_HEADER_LEN || msg_ancount(r->msg) == 0 ||
	    msg_question(r->msg, r->len, &q) < 0)
		return UINT32_MAX;
	return get_u32(r->msg + q.end + 6);
}

static const struct {
	const char *label, *name, *args;
	uint16_t flags; /* that the server is asked with */
	bool with_opt;
} misses[] = {
	{"flags", "SetNoRecurseAction", NULL, 0, false},
	{"a flag more", "SetDisableValidationAction", NULL, DNS_RD | DNS_CD, false},
	{"an option", "SetEDNSOptionAction", "option=65001; data=abc", DNS_RD, true},
};

static void edits_after_a_miss_do_not_change_the_key(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(misses); i++) {
		struct path p;
		struct question q;
		struct opt opt;
		unsigned got, asked;
		uint16_t flags;

		path_start(&p, &with_cache);
		path_act(CHAIN_CACHE_MISS, misses[i].name, misses[i].args);
		got = path_ask_name(&p, "key.example.", 1, false)->len > 0;
		flags = msg_flags(p.resolver.last);
		msg_question(p.resolver.last, p.resolver.last_len, &q);
		msg_opt(p.resolver.last, p.resolver.last_len, &q, &opt);
		got += path_ask_name(&p, "key.example.", 2, false)->len > 0;
		path_no_rules(CHAIN_CACHE_MISS);
		got += path_ask_name(&p, "key.example.", 3, false)->len > 0;
		asked = atomic_load(&p.resolver.queries);
		path_stop(&p);
		if (got != 3 || asked != 1 || flags != misses[i].flags ||
		    (opt.at != 0) != misses[i].with_opt)
			fail_msg("%s: %u answers, %u queries, flags %04x", misses[i].label, got,
				 asked, flags);
	}
}

static void with_subnets(struct server_fixed *fixed)
{
	fixed->use_client_subnet = true;
}

static void keep_by_subnet(struct cache_options *o)
{
	o->parse_ecs = true;
}

/* An answer that is good for everybody is kept under the key of the query without subnet. */
static void nor_do_they_where_a_subnet_was_added(void **state)
{
	static const struct path_options o = {.n_workers = 1,
					      .with_cache = true,
					      .server = with_subnets,
					      .cache = keep_by_subnet};
	static const char *const names[] = {"all.example.", "scoped.example."};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct path p;
		unsigned got, asked, with_opt;
		struct question q;

		path_start(&p, &o);
		path_act(CHAIN_CACHE_MISS, "SetEDNSOptionAction", "option=65001; data=abc");
		got = path_ask_name(&p, names[i], 1, false)->len > 0;
		with_opt = opt_of(path_ask_name(&p, names[i], 2, false), &q).at != 0;
		got += path_ask_name(&p, names[i], 3, false)->len > 0;
		asked = atomic_load(&p.resolver.queries);
		path_stop(&p);
		if (got != 2 || asked != 1 || with_opt != 0)
			fail_msg("%s: %u answers, %u queries", names[i], got, asked);
	}
}

/* Where servers of the first pool differ, one was picked before the cache was asked. */
static void check_other_pool(bool differ)
{
	struct path p;
	struct resolver other;
	struct cache_options cache;
	struct cache *kept;
	struct txn *txn;
	unsigned got[4], asked[2];

	path_start(&p, &with_cache);
	resolver_start(&other);
	txn = txn_begin();
	{
		struct pools *pools = TXN_EDIT(txn, POOLS, pools);
		struct server *s = path_add_server(pools, &other.addr, NULL, NULL);

		if (differ)
			path_add_server(pools, &p.resolver.addr, with_subnets, NULL);
		pools_leave(pools, s, "");
		pools_join(pools, s, "other");
		cache_options_default(&cache, 100);
		kept = cache_new(&cache, NULL);
		pool_set_cache(pools_pool(pools, "other"), kept);
	}
	path_commit(txn);
	path_act(CHAIN_CACHE_MISS, "PoolAction", "poolname=other");
	got[0] = path_ask_name(&p, "pool.example.", 1, false)->len > 0;
	got[1] = path_ask_name(&p, "pool.example.", 2, false)->len > 0;
	asked[0] = atomic_load(&p.resolver.queries);
	asked[1] = atomic_load(&other.queries); /* twice: the first pool's cache is the one asked */
	path_no_rules(CHAIN_CACHE_MISS);
	path_act(CHAIN_QUERY, "PoolAction", "poolname=other");
	got[2] = path_ask_name(&p, "pool.example.", 3, false)->len > 0;
	got[3] = atomic_load(&other.queries); /* kept in the other's cache */
	path_stop(&p);
	resolver_stop(&other);
	cache_unref(kept);
	assert_int_equal(got[0] + got[1] + got[2], 3);
	assert_int_equal(asked[0], 0);
	assert_int_equal(asked[1], 2);
	assert_int_equal(got[3], 2);
}

static void another_pool_after_a_miss(void **state)
{
	check_other_pool(false);
	check_other_pool(true);
}

static void pools_that_are_not_there_get_no_queries(void **state)
{
	struct path p;
	uint8_t query[512], answer[512];
	size_t len = path_query(query, 1, "none.example.", TYPE_A), n[2];

	path_start(&p, &with_cache);
	path_act(CHAIN_QUERY, "PoolAction", "poolname=nowhere");
	path_send(&p, query, len);
	n[0] = path_receive(&p, answer, sizeof(answer), 100);
	path_no_rules(CHAIN_QUERY);
	path_act(CHAIN_CACHE_MISS, "PoolAction", "poolname=nowhere");
	path_send(&p, query, len);
	n[1] = path_receive(&p, answer, sizeof(answer), 100);
	path_stop(&p);
	assert_int_equal(n[0], 0);
	assert_int_equal(n[1], 0);
	assert_int_equal(atomic_load(&p.resolver.queries), 0);
}

static void what_the_client_gets_is_not_what_is_kept(void **state)
{
	struct path p;
	uint32_t capped, hit, kept;

	path_start(&p, &with_cache);
	path_act(CHAIN_QUERY, "SetMaxReturnedTTLAction", "max=5");
	capped = ttl_of(path_ask_name(&p, "ttl.example.", 1, false));
	hit = ttl_of(path_ask_name(&p, "ttl.example.", 2, false));
	path_no_rules(CHAIN_QUERY);
	kept = ttl_of(path_ask_name(&p, "ttl.example.", 3, false));
	path_stop(&p);
	assert_int_equal(capped, 5);
	assert_int_equal(hit, 5);
	assert_in_range(kept, 50, 60);
	assert_int_equal(atomic_load(&p.resolver.queries), 1);
}

static void answers_from_the_cache_are_capped_by_their_own_chain(void **state)
{
	struct path p;
	uint32_t miss, hit;

	path_start(&p, &with_cache);
	path_act(CHAIN_CACHE_HIT, "SetMaxReturnedTTLResponseAction", "max=0");
	miss = ttl_of(path_ask_name(&p, "hit.example.", 1, false));
	hit = ttl_of(path_ask_name(&p, "hit.example.", 2, false));
	path_stop(&p);
	assert_int_equal(miss, 60);
	assert_int_equal(hit, 0);
}

static void what_rules_make_of_an_answer_is_kept(void **state)
{
	struct path p;
	uint32_t ttl[2];

	path_start(&p, &with_cache);
	path_act(CHAIN_RESPONSE, "SetMinTTLResponseAction", "min=1000");
	ttl[0] = ttl_of(path_ask_name(&p, "min.example.", 1, false));
	path_no_rules(CHAIN_RESPONSE);
	ttl[1] = ttl_of(path_ask_name(&p, "min.example.", 2, false));
	path_stop(&p);
	assert_int_equal(ttl[0], 1000);
	assert_in_range(ttl[1], 990, 1000);
}

/* Info code and text of the n-th extended error. */
static bool error_at(const struct reply *r, unsigned n, uint16_t *code, char text[64])
{
	struct question q;
	struct opt opt = opt_of(r, &q);
	struct wire_rd options = options_begin(r->msg, &opt);
	struct option o;

	while (option_next(&options, &o)) {
		if (o.code != EDNS_EDE || n-- > 0)
			continue;
		*code = get_u16(o.data);
		memcpy(text, o.data + 2, o.len - 2u);
		text[o.len - 2] = '\0';
		return true;
	}
	return false;
}

static void extended_errors_are_for_clients_with_edns(void **state)
{
	struct path p;
	uint16_t code[3] = {0};
	char text[3][64] = {"", "", ""};
	bool has[4];
	unsigned additional;

	path_start(&p, &no_cache);
	path_act(CHAIN_QUERY, "SetExtendedDNSErrorAction", "infoCode=15; extraText=blocked");
	path_act(CHAIN_QUERY, "SetExtendedDNSErrorAction",
		 "infoCode=17; clearExistingEntries=false");
	path_act(CHAIN_QUERY, "RCodeAction", "rcode=3");
	path_act(CHAIN_SELF_ANSWERED, "SetExtendedDNSErrorResponseAction",
		 "infoCode=4; extraText=own; clearExistingEntries=false");
	for (unsigned i = 0; i < 4; i++) {
		const struct reply *r = path_ask_name(&p, "error.example.", 1, true);

		has[i] = error_at(r, i, &code[i % 3], text[i % 3]);
	}
	additional = msg_arcount(path_ask_name(&p, "error.example.", 1, false)->msg);
	path_stop(&p);
	assert_true(has[0] && has[1] && has[2] && !has[3]);
	assert_int_equal(code[0], 15);
	assert_string_equal(text[0], "blocked");
	assert_int_equal(code[1], 17);
	assert_string_equal(text[1], "");
	assert_int_equal(code[2], 4);
	assert_string_equal(text[2], "own");
	assert_int_equal(additional, 0);
}

/* 508 octets of text do not fit in 512 with the rest; what is shorter and comes later does. */
static void an_error_that_does_not_fit_is_left_out(void **state)
{
	struct path p;
	struct arg argv[ARGS_MAX] = {{.given = true, .integer = 1}};
	static char long_text[508];
	struct action *a;
	uint8_t query[512];
	size_t len = path_query(query, 1, "long.example.", TYPE_A);
	const struct reply *r;
	uint16_t code = 0;
	char text[64];
	bool has, more;

	memset(long_text, 'x', sizeof(long_text));
	argv[1] = (struct arg){.given = true, .text = long_text, .len = sizeof(long_text)};
	memcpy(query + len, "\0\0\x29\2\0\0\0\0\0\0\0", 11);
	put_u16(query + 10, 1);
	path_start(&p, &no_cache);
	a = action_new(action_type_of("SetExtendedDNSErrorAction"), argv, NULL);
	path_rule(CHAIN_QUERY, a);
	action_unref(a);
	path_act(CHAIN_QUERY, "SetExtendedDNSErrorAction",
		 "infoCode=2; extraText=ok; clearExistingEntries=false");
	path_act(CHAIN_QUERY, "RCodeAction", "rcode=0");
	r = path_ask(&p, query, len + 11);
	has = error_at(r, 0, &code, text);
	more = r->len > 512;
	path_stop(&p);
	assert_true(has);
	assert_false(more);
	assert_int_equal(code, 2);
}

static void answers_of_rules_are_counted(void **state)
{
	static const struct {
		const char *args;
		enum stat_id stat;
	} rcodes[] = {
		{"rcode=2", STAT_RULE_SERVFAIL},
		{"rcode=3", STAT_RULE_NXDOMAIN},
		{"rcode=5", STAT_RULE_REFUSED},
		{"rcode=4", STAT_SELF_ANSWERED},
	};
	struct path p;
	uint64_t counted[ARRAY_LEN(rcodes)], self = stats_sum(STAT_SELF_ANSWERED), servfail;

	path_start(&p, &no_cache);
	servfail = stats_sum(STAT_RULE_SERVFAIL);
	path_ask_name(&p, "servfail.example.", 1, false); /* the server's, not a rule's */
	servfail = stats_sum(STAT_RULE_SERVFAIL) - servfail;
	for (unsigned i = 0; i < ARRAY_LEN(rcodes); i++) {
		uint64_t before = stats_sum(rcodes[i].stat);

		path_act(CHAIN_QUERY, "RCodeAction", rcodes[i].args);
		path_ask_name(&p, "rcode.example.", 1, false);
		path_no_rules(CHAIN_QUERY);
		counted[i] = stats_sum(rcodes[i].stat) - before;
	}
	self = stats_sum(STAT_SELF_ANSWERED) - self;
	path_stop(&p);
	assert_int_equal(servfail, 0);
	for (unsigned i = 0; i < ARRAY_LEN(rcodes); i++)
		assert_int_equal(counted[i], 1);
	assert_int_equal(self, ARRAY_LEN(rcodes));
}

/* An answer that a rule was given whole has a question of its own, longer than the query's. */
static void whole_answers_pass_all_that_others_pass(void **state)
{
	static const char answer[] = "\0\0\x84\0\0\1\0\1\0\0\0\1\1a\1b\1c\1d\1e\1f\1g\1h\0\0\1\0\1"
				     "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1"
				     "\0\0\x29\2\0\0\0\0\0\0\0";
	static char large[1000];
	struct arg argv[ARGS_MAX] = {
		{.given = true, .text = answer, .len = sizeof(answer) - 1},
		{.given = true, .integer = sizeof(answer) - 1},
	};
	struct action *a = action_new(action_type_of("SpoofPacketAction"), argv, NULL);
	struct reply whole, cut;
	struct path p;

	memcpy(large, answer, sizeof(answer) - 1);
	argv[0] = (struct arg){.given = true, .text = large, .len = sizeof(large)};
	argv[1].integer = sizeof(large);
	path_start(&p, &no_cache);
	path_rule(CHAIN_QUERY, a);
	path_act(CHAIN_SELF_ANSWERED, "SetMaxTTLResponseAction", "max=7");
	path_act(CHAIN_SELF_ANSWERED, "SetExtendedDNSErrorResponseAction", "infoCode=9");
	path_act(CHAIN_SELF_ANSWERED, "SetMaxReturnedTTLResponseAction", "max=3");
	whole = *path_ask_name(&p, "x.", 0x77, true);
	path_no_rules(CHAIN_QUERY);
	action_unref(a);
	a = action_new(action_type_of("SpoofPacketAction"), argv, NULL);
	path_rule(CHAIN_QUERY, a);
	cut = *path_ask_name(&p, "x.", 0x78, false);
	path_stop(&p);
	action_unref(a);
	assert_int_equal(whole.len, sizeof(answer) - 1 + 6);
	assert_int_equal(msg_id(whole.msg), 0x77);
	assert_memory_equal(whole.msg + 12, answer + 12, 21);
	assert_int_equal(get_u32(whole.msg + 33 + 6), 3);
	assert_memory_equal(whole.msg + whole.len - 6, "\0\x0f\0\2\0\x09", 6);
	assert_int_equal(cut.len, 12 + 21 + 11);
	assert_true(msg_flags(cut.msg) & DNS_TC);
	assert_memory_equal(cut.msg + 12, answer + 12, 21);
}

/* The server of this test answers with a subnet, and with OPT, when it was asked with one. */
static void an_opt_of_ours_is_taken_out_again(void **state)
{
	static const uint8_t subnet[] = {0, 1, 24, 0, 192, 0, 2};
	struct arg argv[ARGS_MAX] = {
		{.given = true, .integer = EDNS_ECS},
		{.given = true, .text = (const char *)subnet, .len = sizeof(subnet)},
	};
	struct action *a = action_new(action_type_of("SetEDNSOptionAction"), argv, NULL);
	struct question q;
	struct opt plain, edns;
	struct path p;
	unsigned asked;

	path_start(&p, &with_cache);
	path_rule(CHAIN_QUERY, a);
	action_unref(a);
	plain = opt_of(path_ask_name(&p, "opt.example.", 1, false), &q);
	edns = opt_of(path_ask_name(&p, "opt.example.", 1, true), &q);
	path_ask_name(&p, "opt.example.", 1, false);
	path_ask_name(&p, "opt.example.", 1, true);
	asked = atomic_load(&p.resolver.queries);
	path_stop(&p);
	assert_int_equal(plain.at, 0);
	assert_int_not_equal(edns.at, 0);
	assert_int_equal(asked, 2);
}

static void answers_are_held(void **state)
{
	static const char *const held[] = {"DelayAction", "DelayResponseAction"};
	static const enum chain_id chains[] = {CHAIN_QUERY, CHAIN_RESPONSE};

	for (unsigned i = 0; i < 2; i++) {
		uint64_t begin;
		struct path p;
		size_t len;

		path_start(&p, &no_cache);
		path_act(chains[i], held[i], "milliseconds=150");
		begin = clock_mono_us();
		len = path_ask_name(&p, "late.example.", 1, false)->len;
		begin = clock_mono_us() - begin;
		path_stop(&p);
		assert_true(len > 0);
		assert_in_range(begin, 150000, PATIENCE_MS * 1000);
	}
}

static void failures_are_kept_as_long_as_a_rule_says(void **state)
{
	struct path p;
	unsigned asked[2];

	path_start(&p, &with_cache);
	path_act(CHAIN_QUERY, "SetTempFailureCacheTTLAction", "ttl=0");
	path_ask_name(&p, "servfail.example.", 1, false);
	path_ask_name(&p, "servfail.example.", 2, false);
	asked[0] = atomic_load(&p.resolver.queries);
	path_no_rules(CHAIN_QUERY);
	path_ask_name(&p, "servfail.example.", 3, false);
	path_ask_name(&p, "servfail.example.", 4, false);
	asked[1] = atomic_load(&p.resolver.queries);
	path_stop(&p);
	assert_int_equal(asked[0], 2);
	assert_int_equal(asked[1], 3);
}

static void the_cache_is_passed_by(void **state)
{
	struct path p;
	unsigned asked[3];

	path_start(&p, &with_cache);
	path_act(CHAIN_RESPONSE, "SetSkipCacheResponseAction", NULL);
	path_ask_name(&p, "skip.example.", 1, false);
	path_no_rules(CHAIN_RESPONSE);
	path_ask_name(&p, "skip.example.", 2, false);
	asked[0] = atomic_load(&p.resolver.queries);
	path_ask_name(&p, "skip.example.", 3, false);
	asked[1] = atomic_load(&p.resolver.queries);
	path_act(CHAIN_QUERY, "SetSkipCacheAction", NULL);
	path_ask_name(&p, "skip.example.", 4, false);
	asked[2] = atomic_load(&p.resolver.queries);
	path_stop(&p);
	assert_int_equal(asked[0], 2);
	assert_int_equal(asked[1], 2);
	assert_int_equal(asked[2], 3);
}

/* Of what workers say meanwhile nothing is lost, and the end of the process writes all. */
static void what_is_logged_is_not_lost(void **state)
{
	static const struct path_options o = {.n_workers = 2};
	char path[] = "/tmp/log-path-XXXXXX", args[128], line[256];
	int fd = mkstemp(path);
	unsigned lines = 0, wrong = 0;
	struct path p;
	FILE *f;

	snprintf(args, sizeof(args), "filename=%s; binary=false", path);
	path_start(&p, &o);
	path_act(CHAIN_QUERY, "LogAction", args);
	path_act(CHAIN_RESPONSE, "LogResponseAction", args[0] ? "filename=/dev/null" : NULL);
	for (unsigned i = 0; i < 50; i++) {
		path_ask_name(&p, "log.example.", (uint16_t)i, false);
		if (i == 20)
			workers_tick();
		if (i == 30)
			workers_drain();
	}
	path_stop(&p);
	f = fdopen(fd, "r");
	while (fgets(line, sizeof(line), f) != NULL) {
		unsigned id;

		wrong += strstr(line, " for log.example. A with id ") == NULL ||
			 sscanf(strstr(line, "id "), "id %u", &id) != 1 || id != lines;
		lines++;
	}
	fclose(f);
	unlink(path);
	assert_int_equal(lines, 50);
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edits_after_a_miss_do_not_change_the_key),
		cmocka_unit_test(nor_do_they_where_a_subnet_was_added),
		cmocka_unit_test(another_pool_after_a_miss),
		cmocka_unit_test(pools_that_are_not_there_get_no_queries),
		cmocka_unit_test(what_the_client_gets_is_not_what_is_kept),
		cmocka_unit_test(answers_from_the_cache_are_capped_by_their_own_chain),
		cmocka_unit_test(what_rules_make_of_an_answer_is_kept),
		cmocka_unit_test(extended_errors_are_for_clients_with_edns),
		cmocka_unit_test(an_error_that_does_not_fit_is_left_out),
		cmocka_unit_test(answers_of_rules_are_counted),
		cmocka_unit_test(whole_answers_pass_all_that_others_pass),
		cmocka_unit_test(an_opt_of_ours_is_taken_out_again),
		cmocka_unit_test(answers_are_held),
		cmocka_unit_test(failures_are_kept_as_long_as_a_rule_says),
		cmocka_unit_test(the_cache_is_passed_by),
		cmocka_unit_test(what_is_logged_is_not_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
