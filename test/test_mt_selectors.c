/* Selectors asked by a worker: what it tells them of the datagram and of where it came to. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "test/path_fixture.h"
#include "test/selector_fixture.h"

#define PATIENCE_MS 3000

/* One rule that only counts, in front of all queries. Lends; path_stop ends it. */
static struct selector *rule_begin(const char *name, const char *const *args)
{
	struct err err = {""};
	struct selector *s = selector_of(name, args, &err);
	struct action *a = action_new(&verdict_actions[0], NULL, &err);
	struct rule *r;
	struct txn *txn = txn_begin();

	if (s == NULL || a == NULL)
		path_die("rule", &err);
	r = rule_new(s, a, "", NULL);
	chain_append(rules_edit(TXN_EDIT(txn, RULES, rules), CHAIN_QUERY), r);
	if (txn_commit(txn, &err) < 0)
		path_die("commit", &err);
	workers_wake();
	rule_unref(r);
	action_unref(a);
	return s;
}

static void address_of_wildcard(struct path *p, uint32_t address)
{
	struct addr to = p->listen;

	to.v4.sin_addr.s_addr = htonl(address);
	if (connect(p->client, &to.sa, sizeof(to.v4)) < 0)
		abort();
}

static const struct {
	const char *label, *rule;
	const char *args[4];
	const char *behind; /* the query */
	bool want, answered;
} asked[] = {
	{"octets behind", "TrailingDataRule", {NULL}, "xy", true, true},
	{"none behind", "TrailingDataRule", {NULL}, "", false, true},
	{"size as it came", "PayloadSizeRule", {"equal", "33"}, "xy", true, true},
	{"asked at 127.0.0.53", "NetmaskGroupRule", {"127.0.0.53", "false"}, "", true, true},
	{"and not at the wildcard", "NetmaskGroupRule", {"0.0.0.0", "false"}, "", false, true},
	{"asked from", "NetmaskGroupRule", {"127.0.0.0/8"}, "", true, true},
	{"no such pool", "PoolAvailableRule", {"nowhere"}, "", false, false},
	{"the default pool", "PoolAvailableRule", {""}, "", true, true},
};

static void a_worker_tells_what_selectors_ask(void **state)
{
	static const struct path_options o = {.n_workers = 1, .wildcard = true};

	for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
		static uint8_t answer[65536];
		uint8_t query[512];
		size_t len = path_query(query, 1, "plain.example.", TYPE_A), got;
		size_t behind = strlen(asked[i].behind);
		uint64_t matched;
		struct selector *s;
		struct path p;

		path_start(&p, &o);
		s = rule_begin(asked[i].rule, asked[i].args);
		address_of_wildcard(&p, 0x7f000035);
		memcpy(query + len, asked[i].behind, behind);
		path_send(&p, query, len + behind);
		got = path_receive(&p, answer, sizeof(answer),
				   asked[i].answered ? PATIENCE_MS : 100);
		matched = selector_matches(s);
		path_stop(&p);
		selector_unref(s);
		if (matched != asked[i].want || (got > 0) != asked[i].answered)
			fail_msg("%s: matched %d, %zu octets came back", asked[i].label,
				 (int)matched, got);
		if (got > 0 && p.resolver.last_len != len)
			fail_msg("%s: %zu octets went to the server", asked[i].label,
				 p.resolver.last_len);
	}
}

static void a_rule_tells_one_port_from_another(void **state)
{
	static const struct path_options o = {.n_workers = 1};

	for (unsigned off = 0; off < 2; off++) {
		static uint8_t answer[65536];
		uint8_t query[512];
		size_t len = path_query(query, 1, "plain.example.", TYPE_A), got;
		struct selector *s;
		uint64_t matched;
		struct path p;
		char port[8];

		path_start(&p, &o);
		snprintf(port, sizeof(port), "%u", addr_port(&p.listen) + off);
		s = rule_begin("DSTPortRule", (const char *const[]){port, NULL});
		path_send(&p, query, len);
		got = path_receive(&p, answer, sizeof(answer), PATIENCE_MS);
		matched = selector_matches(s);
		path_stop(&p);
		selector_unref(s);
		assert_true(got > 0);
		assert_int_equal(matched, off == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_worker_tells_what_selectors_ask),
		cmocka_unit_test(a_rule_tells_one_port_from_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
