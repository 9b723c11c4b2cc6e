/* Selectors on what changes between queries (rates, pools, tags, timed sets), the selectors that
 * texts stand for, and large sets. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/query_extra.h"
#include "rules/select_texts.h"
#include "rules/timed_set.h"
#include "test/pool_fixture.h"
#include "test/selector_fixture.h"

static const struct sample plain;

static void assert_text(const struct selector *s, const char *want)
{
	char *text = selector_text(s);

	assert_string_equal(text, want);
	free(text);
}

/* How many of n queries at one time match. */
static unsigned matches(const struct selector *s, struct rule_run *run, unsigned n)
{
	unsigned matched = 0;

	for (unsigned i = 0; i < n; i++)
		matched += selector_match(s, run);
	return matched;
}

static void a_rate_matches_while_it_is_kept(void **state)
{
	static const struct {
		const char *label, *qps, *burst;
		unsigned at_once, after_1_s;
		const char *text;
	} rates[] = {
		{"burst left out", "10", NULL, 10, 10, "Max 10 qps"},
		{"burst is the depth", "10", "3", 3, 3, "Max 10 qps"},
		{"burst 0 is the rate", "5", "0", 5, 5, "Max 5 qps"},
		{"burst above", "2", "9", 9, 2, "Max 2 qps"},
		{"none at all", "0", NULL, 0, 0, "Max 0 qps"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
		struct subject subject;
		struct rule_run *run = subject_of(&subject, &plain);
		struct selector *s = must("MaxQPSRule", ARGS(rates[i].qps, rates[i].burst));
		unsigned now = matches(s, run, 20), later;

		run->now_us += 1000000;
		later = matches(s, run, 20);
		if (now != rates[i].at_once || later != rates[i].after_1_s)
			fail_msg("%s: %u, then %u", rates[i].label, now, later);
		assert_text(s, rates[i].text);
		assert_true(selector_is_impure(s));
		selector_unref(s);
	}
}

static void a_client_matches_when_it_asks_too_often(void **state)
{
	static const struct {
		const char *label;
		const char *args[9];
		const char *first, *second;
		unsigned first_over, second_over; /* of 20 queries each, one after the other */
		const char *text;
	} limits[] = {
		{"each client by itself",
		 {"10"},
		 "192.0.2.1",
		 "192.0.2.2",
		 10,
		 10,
		 "IP (/32, /64) match for QPS over 10 burst 10"},
		{"a network is one",
		 {"10", "24"},
		 "192.0.2.1",
		 "192.0.2.2",
		 10,
		 20,
		 "IP (/24, /64) match for QPS over 10 burst 10"},
		{"IPv6 by /64",
		 {"10"},
		 "2001:db8::1",
		 "2001:db8::2",
		 10,
		 20,
		 "IP (/32, /64) match for QPS over 10 burst 10"},
		{"IPv6 by address",
		 {"10", "32", "128"},
		 "2001:db8::1",
		 "2001:db8::2",
		 10,
		 10,
		 "IP (/32, /128) match for QPS over 10 burst 10"},
		{"burst",
		 {"10", "32", "64", "15"},
		 "192.0.2.1",
		 "192.0.2.1",
		 5,
		 20,
		 "IP (/32, /64) match for QPS over 10 burst 15"},
		{"burst 0, and what has no effect",
		 {"10", "32", "64", "0", "300", "60", "10", "10"},
		 "192.0.2.1",
		 "192.0.2.1:99",
		 10,
		 20,
		 "IP (/32, /64) match for QPS over 10 burst 10"},
	};

	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		struct subject subject;
		struct rule_run *run = subject_of(&subject, &plain);
		struct selector *s = must("MaxQPSIPRule", limits[i].args);
		unsigned first, second;

		subject.q.client = addr_of(limits[i].first);
		first = matches(s, run, 20);
		subject.q.client = addr_of(limits[i].second);
		second = matches(s, run, 20);
		if (first != limits[i].first_over || second != limits[i].second_over)
			fail_msg("%s: %u, then %u", limits[i].label, first, second);
		assert_text(s, limits[i].text);
		assert_true(selector_is_impure(s));
		selector_unref(s);
	}
}

/* 10,000 draws: the bounds are five standard deviations. */
static void chance_matches_as_often_as_it_says(void **state)
{
	static const struct {
		const char *probability;
		unsigned least, most;
		const char *text;
	} chances[] = {
		{"1", 10000, 10000, "match with prob. 1.00"},
		{"0", 0, 0, "match with prob. 0.00"},
		{"0.5", 4750, 5250, "match with prob. 0.50"},
		{"0.01", 50, 150, "match with prob. 0.01"},
	};
	static const char *const wrong[] = {"1.01", "-0.5", "nan"};

	for (size_t i = 0; i < ARRAY_LEN(chances); i++) {
		struct subject subject;
		struct rule_run *run = subject_of(&subject, &plain);
		struct selector *s = must("ProbaRule", ARGS(chances[i].probability));
		unsigned n = matches(s, run, 10000);

		assert_in_range(n, chances[i].least, chances[i].most);
		assert_text(s, chances[i].text);
		assert_true(selector_is_impure(s));
		selector_unref(s);
	}
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct err err = {""};

		assert_null(selector_of("ProbaRule", ARGS(wrong[i]), &err));
		assert_non_null(strstr(err.text, "between 0 and 1"));
	}
}

static void a_pool_is_available_when_a_server_is(void **state)
{
	struct fixture f;
	struct subject subject;
	struct rule_run *run = subject_of(&subject, &plain);
	struct selector *s = must("PoolAvailableRule", ARGS("abc"));
	struct server *down, *limited;
	struct err err = {""};

	fixture_start(&f);
	f.draft.pools = f.pools;
	run->t = &f.draft;
	down = fixture_server(&f, 1, 1, 1);
	limited = fixture_server(&f, 2, 1, 1);
	pools_pool(f.pools, "abc");
	assert_int_equal(fixture_seal(&f, &err), 0);
	assert_false(selector_match(s, run)); /* nobody in it */

	pools_join(f.pools, down, "abc");
	assert_int_equal(fixture_seal(&f, &err), 0);
	assert_true(selector_match(s, run));
	atomic_store(&down->up, false);
	assert_false(selector_match(s, run));

	pools_join(f.pools, limited, "abc");
	pools_def_edit(f.pools, limited)->qps = 2;
	assert_int_equal(fixture_seal(&f, &err), 0);
	assert_true(selector_match(s, run));
	while (server_take_qps(limited, pools_row(f.pools, limited)->def, run->now_us))
		;
	assert_false(selector_match(s, run));
	run->now_us += 1000000;
	assert_int_equal(matches(s, run, 10), 10); /* asking takes no token */

	assert_false(run->must_drop);
	assert_text(s, "pool 'abc' is available");
	selector_unref(s);
	fixture_end(&f);
}

static void a_full_server_is_not_available(void **state)
{
	struct fixture f;
	struct subject subject;
	struct rule_run *run = subject_of(&subject, &plain);
	struct selector *s = must("PoolAvailableRule", ARGS(""));
	struct err err = {""};
	struct server *full;

	fixture_start(&f);
	f.draft.pools = f.pools;
	run->t = &f.draft;
	full = fixture_server(&f, 1, 1, 1);
	full->fixed.max_outstanding = 3;
	pools_join(f.pools, full, "");
	assert_int_equal(fixture_seal(&f, &err), 0);
	atomic_store(&full->outstanding, 2);
	assert_true(selector_match(s, run));
	atomic_store(&full->outstanding, 3);
	assert_false(selector_match(s, run));
	selector_unref(s);
	fixture_end(&f);
}

static void outstanding_is_the_sum_over_servers_up_or_not(void **state)
{
	struct fixture f;
	struct subject subject;
	struct rule_run *run = subject_of(&subject, &plain);
	struct selector *s = must("PoolOutstandingRule", ARGS("", "10"));
	struct err err = {""};
	struct server *a, *b;

	fixture_start(&f);
	f.draft.pools = f.pools;
	run->t = &f.draft;
	a = fixture_member(&f, 1, 1, 1);
	b = fixture_member(&f, 2, 1, 1);
	assert_int_equal(fixture_seal(&f, &err), 0);
	atomic_store(&b->up, false);
	atomic_store(&a->outstanding, 6);
	atomic_store(&b->outstanding, 4);
	assert_false(selector_match(s, run));
	atomic_store(&b->outstanding, 5);
	assert_true(selector_match(s, run));
	assert_text(s, "pool '' outstanding > 10");
	selector_unref(s);
	fixture_end(&f);
}

static void an_unknown_pool_drops_the_query(void **state)
{
	static const struct {
		const char *rule;
		const char *args[3];
	} rules[] = {
		{"PoolAvailableRule", {"nowhere"}},
		{"PoolOutstandingRule", {"nowhere", "0"}},
	};
	struct fixture f;
	struct err err = {""};

	fixture_start(&f);
	f.draft.pools = f.pools;
	assert_int_equal(fixture_seal(&f, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		struct subject subject;
		struct rule_run *run = subject_of(&subject, &plain);
		struct selector *s = must(rules[i].rule, rules[i].args);

		run->t = &f.draft;
		assert_false(selector_match(s, run));
		assert_true(run->must_drop);
		assert_true(selector_is_impure(s));
		selector_unref(s);
	}
	fixture_end(&f);
}

static void a_tag_matches_by_name_and_by_value(void **state)
{
	static const struct {
		const char *label;
		const char *args[3];
		bool want;
		const char *text;
	} tags[] = {
		{"set", {"kind"}, true, "tag 'kind' is set"},
		{"not set", {"kin"}, false, "tag 'kin' is set"},
		{"case counts", {"Kind"}, false, "tag 'Kind' is set"},
		{"same value", {"kind", "good"}, true, "tag 'kind' is set to 'good'"},
		{"other value", {"kind", "bad"}, false, "tag 'kind' is set to 'bad'"},
		{"begins alike", {"kind", "goo"}, false, "tag 'kind' is set to 'goo'"},
		{"goes on", {"kind", "goodness"}, false, "tag 'kind' is set to 'goodness'"},
		{"no value asked, empty one there", {"empty"}, true, "tag 'empty' is set"},
		{"empty value", {"empty", ""}, true, "tag 'empty' is set to ''"},
		{"not the empty value", {"kind", ""}, false, "tag 'kind' is set to ''"},
	};
	struct extra_pool *pool = extra_pool_new(4);
	struct subject subject;
	struct rule_run *run = subject_of(&subject, &plain);
	struct err err = {""};

	tag_set(pool, &subject.q, "kind", 4, "good", 4);
	tag_set(pool, &subject.q, "empty", 5, "", 0);
	for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
		struct selector *s = must("TagRule", tags[i].args);

		if (selector_match(s, run) != tags[i].want)
			fail_msg("%s: %d", tags[i].label, !tags[i].want);
		assert_text(s, tags[i].text);
		selector_unref(s);
	}
	assert_null(selector_of("TagRule", ARGS(""), &err));
	assert_non_null(strstr(err.text, "name is empty"));
	extra_clear(pool, &subject.q);
	extra_pool_free(pool);
}

static void a_timed_set_matches_until_its_time(void **state)
{
	struct timed_set *set = timed_set_new();
	const struct arg arg = {.given = true, .timed_set = set};
	struct selector *s = selector_new(&timed_set_selector, &arg, NULL);
	struct subject subject;
	struct rule_run *run = subject_of(&subject, &plain);
	struct addr other_port = addr_of("192.0.2.1:9"), stranger = addr_of("192.0.2.2");

	timed_set_add(set, &stranger, 9000000, run->now_us);
	assert_text(s, "Src: 1 ips");
	assert_false(selector_match(s, run));
	timed_set_add(set, &other_port, 3000000, run->now_us);
	assert_text(s, "Src: 2 ips");
	timed_set_unref(set); /* the selector keeps it */
	assert_true(selector_match(s, run));
	run->now_us = 2999999;
	assert_true(selector_match(s, run));
	run->now_us = 3000000;
	assert_false(selector_match(s, run));
	selector_unref(s);
}

static struct selector *of_texts(const char *list, struct err *err)
{
	struct arg args[8];
	char room[8][512];
	size_t n = 0;

	for (; list != NULL && n < ARRAY_LEN(args); n++) {
		snprintf(room[n], sizeof(room[n]), "%s", next_text(&list));
		args[n] = (struct arg){.given = true, .text = room[n], .len = strlen(room[n])};
		if (*list == '\0')
			list = NULL;
	}
	return selector_of_texts(args, n, err);
}

static void texts_stand_for_netmasks_or_names(void **state)
{
	static const struct {
		const char *label, *list;
		bool want; /* for www.example.com from 192.0.2.1 */
		const char *text;
	} texts[] = {
		{"a name", "example.com", true, "qname in example.com."},
		{"names", "org|com.", true, "qname in org., com."},
		{"other names", "org|net", false, "qname in org., net."},
		{"the root", "", true, "qname in ."},
		{"an address", "192.0.2.1", true, "Src: 192.0.2.1/32"},
		{"a network", "192.0.0.0/16", true, "Src: 192.0.0.0/16"},
		{"netmasks win", "example.com|10.0.0.0/8", false, "Src: 10.0.0.0/8"},
		{"netmasks win over what is no name", "a..b|192.0.2.0/24", true,
		 "Src: 192.0.2.0/24"},
		{"taken out", "192.0.2.0/24|!192.0.2.1", false, "Src: 192.0.2.0/24, !192.0.2.1/32"},
	};
	struct err err = {""};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct subject subject;
		struct rule_run *run = subject_of(&subject, &plain);
		struct selector *s = of_texts(texts[i].list, &err);

		if (s == NULL)
			fail_msg("%s: %s", texts[i].label, err.text);
		if (selector_match(s, run) != texts[i].want)
			fail_msg("%s: %d", texts[i].label, !texts[i].want);
		assert_text(s, texts[i].text);
		selector_unref(s);
	}
	assert_null(of_texts("a..b", &err));
	assert_non_null(
		strstr(err.text, "neither a netmask nor a name: 'a..b' is not a domain name"));
	assert_null(of_texts(NULL, &err));
	assert_non_null(strstr(err.text, "the list is empty"));
}

/* Whoever changes the object afterwards has a copy: the rule stays as it was made. */
static void a_set_is_as_it_was_when_the_rule_was_made(void **state)
{
	struct suffix_table *names = names_of("org.");
	struct netmask_table *netmasks = netmasks_of("10.0.0.0/8");
	struct selector *by_name = selector_of_suffixes(names, NULL);
	struct selector *by_address = selector_of_netmasks(netmasks, NULL);
	uint8_t root = 0;

	names = suffix_table_own(names);
	suffix_table_add(names, &root, 1, 0);
	netmasks = netmask_table_own(netmasks);
	acl_add(netmasks, "0.0.0.0/0", NULL);
	assert_text(by_name, "qname in org.");
	assert_text(by_address, "Src: 10.0.0.0/8");
	suffix_table_unref(names);
	netmask_table_unref(netmasks);
	selector_unref(by_name);
	selector_unref(by_address);
}

static struct suffix_table *many_names(unsigned n)
{
	struct suffix_table *t = suffix_table_new();

	for (unsigned i = 0; i < n; i++) {
		char text[32];
		uint8_t name[DNS_NAME_MAX];

		snprintf(text, sizeof(text), "n%u.example.", i);
		suffix_table_add(t, name, (size_t)name_parse(text, name, NULL), 0);
	}
	return t;
}

static struct netmask_table *many_netmasks(unsigned n)
{
	struct netmask_table *t = netmask_table_new();

	for (unsigned i = 0; i < n; i++) {
		struct netmask nm = {.bits = 32};

		nm.base.v4 = (struct sockaddr_in){.sin_family = AF_INET,
						  .sin_addr.s_addr = htonl(0x0a000000 + i)};
		netmask_table_add(t, &nm, ACL_ALLOW);
	}
	return t;
}

static void a_large_set_is_looked_up_in_itself(void **state)
{
	static const struct {
		unsigned n;
		size_t keys;
	} sizes[] = {{1, 1}, {KEYS_MAX, KEYS_MAX}, {KEYS_MAX + 1, SIZE_MAX}, {100000, SIZE_MAX}};

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		unsigned n = sizes[i].n;
		struct suffix_table *names = many_names(n);
		struct netmask_table *netmasks = many_netmasks(n);
		struct selector *by_name = selector_of_suffixes(names, NULL);
		struct selector *by_address = selector_of_netmasks(netmasks, NULL);
		struct subject subject;
		struct rule_run *run;
		char name[32], *text;

		assert_int_equal(n_keys(by_name, false), sizes[i].keys);
		assert_int_equal(n_keys(by_address, false), sizes[i].keys);
		snprintf(name, sizeof(name), "www.N%u.example.", n - 1);
		run = subject_of(&subject, &(struct sample){.name = name});
		assert_true(selector_match(by_name, run));
		assert_false(selector_match(by_address, run));
		subject.q.client.v4.sin_addr.s_addr = htonl(0x0a000000 + n - 1);
		assert_true(selector_match(by_address, run));
		text = selector_text(by_name); /* whole, and soon done */
		snprintf(name, sizeof(name), "n%u.example.", n - 1);
		assert_string_equal(text + strlen(text) - strlen(name), name);
		free(text);
		text = selector_text(by_address);
		assert_true(strlen(text) > n * sizeof("10.0.0.0/32"));
		free(text);
		selector_unref(by_name);
		selector_unref(by_address);
		suffix_table_unref(names);
		netmask_table_unref(netmasks);
	}
}

static void what_is_taken_out_of_a_group_is_no_key(void **state)
{
	struct selector *s = must("NetmaskGroupRule", ARGS("10.0.0.0/8|!10.1.0.0/16|!10.2.0.0/16"));
	struct selector *none = must("NetmaskGroupRule", ARGS("!10.1.0.0/16"));

	assert_int_equal(n_keys(s, false), 1);
	assert_int_equal(n_keys(none, false), 0); /* it never matches */
	selector_unref(none);
	selector_unref(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rate_matches_while_it_is_kept),
		cmocka_unit_test(a_client_matches_when_it_asks_too_often),
		cmocka_unit_test(chance_matches_as_often_as_it_says),
		cmocka_unit_test(a_pool_is_available_when_a_server_is),
		cmocka_unit_test(a_full_server_is_not_available),
		cmocka_unit_test(outstanding_is_the_sum_over_servers_up_or_not),
		cmocka_unit_test(an_unknown_pool_drops_the_query),
		cmocka_unit_test(a_tag_matches_by_name_and_by_value),
		cmocka_unit_test(a_timed_set_matches_until_its_time),
		cmocka_unit_test(texts_stand_for_netmasks_or_names),
		cmocka_unit_test(a_set_is_as_it_was_when_the_rule_was_made),
		cmocka_unit_test(a_large_set_is_looked_up_in_itself),
		cmocka_unit_test(what_is_taken_out_of_a_group_is_no_key),
	};

	if (rand_init() < 0)
		return 1;
	hash_init(0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
