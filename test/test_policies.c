/* Each policy against members in every state. The pool is the default one, its servers 1, 2, 3 … */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/hash.h"
#include "core/query_extra.h"
#include "pools/pick.h"
#include "pools/ring.h"
#include "test/pool_fixture.h"

#define MEMBERS_MAX 8

struct member_row {
	int weight; /* 0: the last one was before this */
	int order;
	uint32_t outstanding;
	bool down;
	uint32_t latency_us; /* as the asking worker has seen it */
	uint32_t max_outstanding;
	bool no_tokens; /* has a limit, and it is used up */
	enum server_force force;
};

/* Weight, order, outstanding, and what else differs. */
#define M(weight_, order_, outstanding_, ...)                                          \
	{                                                                              \
		.weight = (weight_), .order = (order_), .outstanding = (outstanding_), \
		##__VA_ARGS__                                                          \
	}

static void give_latency(struct server *s, uint32_t us)
{
	struct server_counters *c = perworker_get(&s->counters, 0);

	atomic_store(&c->udp_latency_q16, (uint64_t)us << 16);
	atomic_store(&c->udp_latency_samples, 1);
}

static void add_member(struct fixture *f, unsigned n, const struct member_row *row)
{
	struct server *s = fixture_server(f, n, row->weight, row->order);
	struct server_def *d = pools_def_edit(f->pools, s);

	atomic_store(&s->up, !row->down);
	atomic_store(&s->outstanding, row->outstanding);
	s->fixed.max_outstanding = row->max_outstanding;
	d->force = row->force;
	d->qps = row->no_tokens ? 1 : 0;
	if (row->no_tokens)
		server_take_qps(s, d, f->ctx.now_us);
	give_latency(s, row->latency_us);
	pools_join(f->pools, s, "");
}

/* One row more than there are members ends them. */
static void start(struct fixture *f, const struct member_row *rows, const struct policy *policy)
{
	struct err err;

	fixture_start(f);
	f->pools->policy = policy;
	f->settings.hash_perturbation = 4711;
	for (unsigned i = 0; rows[i].weight != 0; i++)
		add_member(f, i + 1, &rows[i]);
	assert_int_equal(fixture_seal(f, &err), 0);
}

/* The number in the address of the server that was picked, 0 for none. */
static unsigned picked(const struct pool_member *m)
{
	size_t len;

	return m != NULL ? addr_bytes(&m->server->fixed.addr, &len)[3] : 0;
}

static unsigned pick(struct fixture *f, const struct query *q)
{
	return picked(f->pools->policy->pick(f->pools->list[0], q, &f->ctx));
}

static const struct {
	const char *label;
	const struct policy *policy;
	struct member_row member[MEMBERS_MAX + 1];
	unsigned want; /* number of the server, from 1; 0: none */
} choices[] = {
	{"the fewest in flight",
	 &policy_least_outstanding,
	 {M(1, 1, 3), M(1, 9, 2), M(1, 1, 4)},
	 2},
	{"equal: the lower order",
	 &policy_least_outstanding,
	 {M(1, 1, 3), M(1, 2, 2), M(1, 3, 2)},
	 2},
	{"equal order too: the lower latency",
	 &policy_least_outstanding,
	 {M(1, 1, 2, .latency_us = 900), M(1, 1, 2, .latency_us = 800),
	  M(1, 1, 2, .latency_us = 850)},
	 2},
	{"all equal: the first", &policy_least_outstanding, {M(1, 1, 2), M(1, 1, 2)}, 1},
	{"latency is nothing against order",
	 &policy_least_outstanding,
	 {M(1, 1, 2, .latency_us = 900), M(1, 2, 2, .latency_us = 1)},
	 1},
	{"who is down is passed over",
	 &policy_least_outstanding,
	 {M(1, 1, 0, .down = true), M(1, 1, 5)},
	 2},
	{"who is forced down too",
	 &policy_least_outstanding,
	 {M(1, 1, 0, .force = SERVER_FORCED_DOWN), M(1, 1, 5)},
	 2},
	{"who is forced up is not",
	 &policy_least_outstanding,
	 {M(1, 1, 0, .down = true, .force = SERVER_FORCED_UP), M(1, 1, 5)},
	 1},
	{"who is at his bound is passed over",
	 &policy_least_outstanding,
	 {M(1, 1, 3, .max_outstanding = 3), M(1, 1, 5, .max_outstanding = 6)},
	 2},
	{"limits are nothing to leastOutstanding",
	 &policy_least_outstanding,
	 {M(1, 1, 3, .no_tokens = true), M(1, 1, 5)},
	 1},
	{"the first in the list, whatever it does",
	 &policy_first_available,
	 {M(1, 1, 100), M(1, 2, 0), M(1, 3, 0)},
	 1},
	{"the first that is up",
	 &policy_first_available,
	 {M(1, 1, 0, .down = true), M(1, 2, 9)},
	 2},
	{"the first within its limit",
	 &policy_first_available,
	 {M(1, 1, 0, .no_tokens = true), M(1, 2, 9)},
	 2},
	{"no one within its limit: leastOutstanding",
	 &policy_first_available,
	 {M(1, 1, 3, .no_tokens = true), M(1, 1, 0, .down = true), M(1, 2, 2, .no_tokens = true),
	  M(1, 3, 2, .no_tokens = true)},
	 3},
	{"the only one that is up", &policy_wrandom, {M(5, 1, 0, .down = true), M(1, 1, 9)}, 2},
	{"the lowest order among the usable",
	 &policy_ordered_wrand_untag,
	 {M(1, 1, 0, .down = true), M(1, 3, 0), M(1, 2, 0), M(1, 4, 0)},
	 3},
	{"whoever has a ring point, if only one is usable",
	 &policy_chashed,
	 {M(100, 1, 0, .down = true), M(100, 1, 1, .max_outstanding = 1), M(1, 1, 0)},
	 3},
	{"the only usable one by hash", &policy_whashed, {M(9, 1, 0, .down = true), M(1, 1, 0)}, 2},
};

static void the_right_one_is_picked(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(choices); i++) {
		struct fixture f;
		unsigned got;

		start(&f, choices[i].member, choices[i].policy);
		for (unsigned n = 0; n < 20; n++) {
			got = pick(&f, NULL);
			if (got != choices[i].want)
				fail_msg("%s: %s picked %u, not %u", choices[i].label,
					 choices[i].policy->name, got, choices[i].want);
		}
		fixture_end(&f);
	}
}

/* How a retry avoids the server that failed: by its name with its address, exactly. */
static void tagged_servers_are_avoided(void **state)
{
	static const struct member_row members[] = {M(1, 1, 0), M(1, 1, 0), M(1, 2, 0), {0}};
	struct extra_pool *pool = extra_pool_new(4);
	uint8_t packet[DNS_HEADER_LEN + DNS_NAME_MAX];
	struct fixture f;
	struct query q;

	(void)state;
	start(&f, members, &policy_ordered_wrand_untag);
	fixture_query(&q, packet, "www.example.");
	tag_set(pool, &q, "192.0.2.1", 9, "", 0); /* no tag of any server: the port is missing */
	tag_set(pool, &q, "192.0.2.1:53", 12, "failed", 6);
	for (unsigned n = 0; n < 20; n++)
		assert_int_equal(pick(&f, &q), 2);
	tag_set(pool, &q, "192.0.2.2:53", 12, "", 0);
	for (unsigned n = 0; n < 20; n++)
		assert_int_equal(pick(&f, &q), 3);
	tag_set(pool, &q, "192.0.2.3:53", 12, "", 0);
	assert_int_equal(pick(&f, &q), 0);
	fixture_end(&f);
	extra_pool_free(pool);
}

static void nobody_is_picked_from_nobody(void **state)
{
	static const struct member_row none[] = {{0}};
	static const struct member_row all_down[] = {
		M(100, 1, 0, .down = true),
		M(100, 1, 0, .force = SERVER_FORCED_DOWN),
		M(100, 1, 1, .max_outstanding = 1),
		{0},
	};

	for (unsigned i = 0; i < policy_count; i++) {
		struct fixture f;

		start(&f, none, policies[i]);
		assert_int_equal(pick(&f, NULL), 0);
		assert_true(pool_is_down(f.pools->list[0]));
		fixture_end(&f);
		start(&f, all_down, policies[i]);
		f.settings.round_robin_fail = true;
		assert_int_equal(pick(&f, NULL), 0);
		assert_true(pool_is_down(f.pools->list[0]));
		fixture_end(&f);
	}
}

static const struct {
	const char *label;
	struct member_row member[MEMBERS_MAX + 1];
	bool fail; /* setRoundRobinFailOnNoServer */
	unsigned want[8];
} turns[] = {
	{"each in its turn", {M(1, 1, 0), M(1, 1, 0), M(1, 1, 0)}, false, {1, 2, 3, 1, 2, 3, 1, 2}},
	{"whose turn is a down one's: by the counter among the others",
	 {M(1, 1, 0), M(1, 1, 0, .down = true), M(1, 1, 0)},
	 false,
	 {1, 3, 3, 1, 1, 3, 1, 3}},
	{"all down: a down one in its turn",
	 {M(1, 1, 0, .down = true), M(1, 1, 0, .down = true)},
	 false,
	 {1, 2, 1, 2, 1, 2, 1, 2}},
	{"all down: none, where that is asked for",
	 {M(1, 1, 0, .down = true), M(1, 1, 0, .down = true)},
	 true,
	 {0, 0, 0, 0, 0, 0, 0, 0}},
};

static void turns_come_round(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(turns); i++) {
		struct fixture f;

		start(&f, turns[i].member, &policy_round_robin);
		f.settings.round_robin_fail = turns[i].fail;
		for (unsigned n = 0; n < ARRAY_LEN(turns[i].want); n++) {
			unsigned got = pick(&f, NULL);

			if (got != turns[i].want[n])
				fail_msg("%s: turn %u went to %u, not %u", turns[i].label, n, got,
					 turns[i].want[n]);
		}
		fixture_end(&f);
	}
}

/* Share of each member in percent of the picks. */
static const struct {
	const char *label;
	const struct policy *policy;
	struct member_row member[MEMBERS_MAX + 1];
	double want[MEMBERS_MAX];
} shares[] = {
	{"by weight", &policy_wrandom, {M(1, 1, 0), M(2, 1, 0), M(7, 1, 0)}, {10, 20, 70}},
	{"by weight of the usable",
	 &policy_wrandom,
	 {M(1, 1, 0), M(2, 1, 0, .down = true), M(7, 1, 0), M(2, 1, 0)},
	 {10, 0, 70, 20}},
	{"weights that sum up above the maximum leave nothing to the last",
	 &policy_wrandom,
	 {M(INT32_MAX / 2 + 1, 1, 0), M(INT32_MAX / 2 + 1, 1, 0), M(INT32_MAX, 1, 0)},
	 {50, 50, 0}},
	{"but who comes after one that is down has his share",
	 &policy_wrandom,
	 {M(1 << 30, 1, 0, .down = true), M(1 << 30, 1, 0), M(1 << 30, 1, 0)},
	 {0, 50, 50}},
	{"most of them down",
	 &policy_wrandom,
	 {M(1000, 1, 0, .down = true), M(1, 1, 0), M(1000, 1, 0, .down = true), M(3, 1, 0)},
	 {0, 25, 0, 75}},
	{"the order decides first, weight within it",
	 &policy_ordered_wrand_untag,
	 {M(1, 1, 0, .down = true), M(1, 2, 0), M(100, 3, 0), M(3, 2, 0)},
	 {0, 25, 0, 75}},
};

static void picks_are_shared_by_weight(void **state)
{
	enum { PICKS = 40000 };

	for (size_t i = 0; i < ARRAY_LEN(shares); i++) {
		unsigned count[MEMBERS_MAX + 1] = {0};
		struct fixture f;

		start(&f, shares[i].member, shares[i].policy);
		for (unsigned n = 0; n < PICKS; n++)
			count[pick(&f, NULL)]++;
		for (unsigned k = 0; k < MEMBERS_MAX; k++) {
			double got = 100.0 * count[k + 1] / PICKS, want = shares[i].want[k];

			/* six standard deviations of a half: 1.5 % */
			if (got < want - 1.5 || got > want + 1.5 || (want == 0 && got > 0))
				fail_msg("%s: server %u had %.2f %%, not %g", shares[i].label,
					 k + 1, got, want);
		}
		assert_int_equal(count[0], 0);
		fixture_end(&f);
	}
}

/*
 * Computed apart from this program, from the definitions: lookup2 of the name on the wire in lower
 * case and of "<uuid>-<i>", seed 4711, weights 120, 200, 280.
 */
static const struct {
	const char *name;
	uint32_t hash;
	unsigned whashed, chashed;
} hashed[] = {
	{"example.net", 0x9b3ec31f, 2, 3},
	{"www.example.net", 0x28b9af99, 3, 3},
	{"a.root-servers.net", 0xbe2f0d7b, 2, 3},
	{"PowerDNS.COM", 0xf7ba8628, 3, 3},
	{"x", 0xa179b025, 3, 3},
	{"mail.example.org", 0x9340b648, 2, 2},
	{"a-rather-long-label-to-cross-blocks.example.com", 0x3371b79c, 2, 2},
	{".", 0x747cf7d8, 3, 3},
	{"b.example", 0x70755f41, 1, 3},
	{"cdn.example.net", 0xe47d0375, 3, 3},
	{"1.0.0.127.in-addr.arpa", 0xe22b534c, 2, 3},
	{"org", 0xd2e77ce9, 2, 1},
	{"ns1.test", 0x7f1ad9fc, 2, 1},
	{"zz.top", 0x0ecfcaf1, 3, 3},
};

static const struct member_row hashed_members[] = {M(120, 1, 0), M(200, 1, 0), M(280, 1, 0), {0}};

static void names_go_where_their_hash_says(void **state)
{
	uint8_t packet[DNS_HEADER_LEN + DNS_NAME_MAX];
	struct fixture w, c;
	struct query q;

	start(&w, hashed_members, &policy_whashed);
	start(&c, hashed_members, &policy_chashed);
	for (size_t i = 0; i < ARRAY_LEN(hashed); i++) {
		fixture_query(&q, packet, hashed[i].name);
		if (pick_name_hash(w.pools->list[0], &q) != hashed[i].hash)
			fail_msg("%s: hash", hashed[i].name);
		if (pick(&w, &q) != hashed[i].whashed)
			fail_msg("%s: whashed picked %u", hashed[i].name, pick(&w, &q));
		if (pick(&c, &q) != hashed[i].chashed)
			fail_msg("%s: chashed picked %u", hashed[i].name, pick(&c, &q));
	}
	fixture_end(&w);
	fixture_end(&c);
}

/* The definition, word for word: the smallest point from the hash on, else the smallest of all. */
static unsigned naive_chashed(const struct pool *pool, uint32_t hash, uint32_t seed)
{
	uint64_t best_after = UINT64_MAX, best = UINT64_MAX;
	unsigned after = 0, first = 0;

	for (unsigned i = 0; i < pool->n; i++) {
		const struct pool_member *m = &pool->members[i];
		char id[UUID_TEXT_MAX], text[64];

		for (int k = m->weight; k > 0 && member_is_usable(m); k--) {
			int len = snprintf(text, sizeof(text), "%s-%d",
					   uuid_text(&m->server->fixed.id, id), k);
			uint32_t point = hash_lookup2_lower(text, (size_t)len, seed);

			if (point >= hash && point < best_after) {
				best_after = point;
				after = picked(m);
			}
			if (point < best) {
				best = point;
				first = picked(m);
			}
		}
	}
	return after ? after : first;
}

static void the_ring_is_what_the_definition_says(void **state)
{
	static const struct member_row members[] = {
		M(1, 1, 0), M(30, 1, 0), M(20, 1, 0, .down = true), M(7, 1, 0), M(25, 1, 0), {0}};
	struct fixture f;
	const struct pool *pool;

	start(&f, members, &policy_chashed);
	pool = f.pools->list[0];
	for (unsigned i = 0; i < 500; i++) {
		uint8_t packet[DNS_HEADER_LEN + DNS_NAME_MAX];
		struct query q;
		char name[32];
		unsigned want;

		snprintf(name, sizeof(name), "n%u.example", i);
		fixture_query(&q, packet, name);
		want = naive_chashed(pool, pick_name_hash(pool, &q), 4711);
		if (pick(&f, &q) != want)
			fail_msg("%s: %u, not %u", name, pick(&f, &q), want);
	}
	fixture_end(&f);
}

static void the_ring_is_found_from_every_hash(void **state)
{
	struct fixture f;
	const struct ring *r;

	start(&f, hashed_members, &policy_chashed);
	r = f.pools->list[0]->ring;
	assert_int_equal(r->n_points, 600);
	for (uint32_t i = 0; i < r->n_points; i++) {
		uint32_t hash = r->points[i].hash;

		assert_true(i == 0 || r->points[i - 1].hash <= hash);
		assert_int_equal(r->points[ring_find(r, hash)].hash, hash);
		if (i + 1 < r->n_points && r->points[i + 1].hash != hash)
			assert_int_equal(ring_find(r, hash + 1), i + 1);
	}
	assert_int_equal(ring_find(r, 0), 0);
	assert_int_equal(ring_find(r, UINT32_MAX), 0);
	fixture_end(&f);
}

static void case_makes_no_difference(void **state)
{
	uint8_t a[DNS_HEADER_LEN + DNS_NAME_MAX], b[DNS_HEADER_LEN + DNS_NAME_MAX];
	struct fixture f;
	struct query qa, qb;

	start(&f, hashed_members, &policy_whashed);
	fixture_query(&qa, a, "wWw.ExAmPlE.nEt");
	fixture_query(&qb, b, "www.example.net");
	assert_int_equal(pick_name_hash(f.pools->list[0], &qa),
			 pick_name_hash(f.pools->list[0], &qb));
	fixture_end(&f);
}

/* Over two thousand names; the mean load is (1 + all outstanding) / all weights, over who is
 * usable. */
static const struct {
	const char *label;
	const struct policy *policy;
	struct member_row member[MEMBERS_MAX + 1];
	double factor;
	bool may[MEMBERS_MAX]; /* who may be picked */
} bounds[] = {
	/* (1 + 9) / 3 × 1 = 3.33 for each unit of weight */
	{"over the bound", &policy_wrandom, {M(1, 1, 9), M(1, 1, 0), M(1, 1, 0)}, 1, {0, 1, 1}},
	{"a bound that is met is not passed",
	 &policy_wrandom,
	 /* (1 + 5) / 2 × 1 = 3 */
	 {M(1, 1, 3), M(1, 1, 2)},
	 1,
	 {1, 1}},
	{"one over that is", &policy_wrandom, {M(1, 1, 4), M(1, 1, 1)}, 1, {0, 1}},
	{"a factor lifts the bound", &policy_wrandom, {M(1, 1, 4), M(1, 1, 1)}, 1.34, {1, 1}},
	{"weight lifts the bound", &policy_wrandom, {M(3, 1, 4), M(1, 1, 1)}, 1, {1, 1}},
	{"who is down does not count",
	 &policy_wrandom,
	 {M(1, 1, 4), M(1, 1, 1), M(9, 1, 99, .down = true)},
	 1,
	 {0, 1, 0}},
	{"no bound", &policy_wrandom, {M(1, 1, 400), M(1, 1, 0)}, 0, {1, 1}},
	{"orderedWrandUntag is bounded within the order",
	 &policy_ordered_wrand_untag,
	 {M(1, 1, 4), M(1, 1, 1), M(1, 2, 0)},
	 1,
	 {0, 1, 0}},
	{"whashed goes on to whoever has room",
	 &policy_whashed,
	 {M(100, 1, 500), M(1, 1, 0), M(1, 1, 0)},
	 1,
	 {0, 1, 1}},
	{"chashed goes on to whoever has room",
	 &policy_chashed,
	 {M(100, 1, 500), M(1, 1, 0), M(1, 1, 0)},
	 1,
	 {0, 1, 1}},
	{"chashed has a bound of its own",
	 &policy_chashed,
	 {M(100, 1, 500), M(1, 1, 0), M(1, 1, 0)},
	 0,
	 {1, 1, 1}},
};

static void loads_are_bounded(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
		bool is_chashed = bounds[i].policy == &policy_chashed;
		unsigned count[MEMBERS_MAX + 1] = {0};
		struct fixture f;

		start(&f, bounds[i].member, bounds[i].policy);
		f.settings.weighted_factor = is_chashed ? 1 : bounds[i].factor;
		f.settings.consistent_factor = is_chashed ? bounds[i].factor : 1;
		for (unsigned n = 0; n < 2000; n++) {
			uint8_t packet[DNS_HEADER_LEN + DNS_NAME_MAX];
			struct query q;
			char name[32];

			snprintf(name, sizeof(name), "n%u.example", n);
			fixture_query(&q, packet, name);
			count[pick(&f, &q)]++;
		}
		assert_int_equal(count[0], 0);
		for (unsigned k = 0; k < MEMBERS_MAX; k++) {
			if ((count[k + 1] > 0) != bounds[i].may[k])
				fail_msg("%s: server %u was picked %u times", bounds[i].label,
					 k + 1, count[k + 1]);
		}
		fixture_end(&f);
	}
}

static void one_worker_does_not_see_what_another_has_measured(void **state)
{
	static const struct member_row members[] = {
		M(1, 1, 0, .latency_us = 900), M(1, 1, 0, .latency_us = 100), {0}};
	struct fixture f;

	start(&f, members, &policy_least_outstanding);
	assert_int_equal(pick(&f, NULL), 2);
	f.ctx.worker = 1;
	assert_int_equal(pick(&f, NULL), 1);
	fixture_end(&f);
}

static void policies_are_found_by_name(void **state)
{
	static const char *const names[] = {"leastOutstanding", "firstAvailable", "roundrobin",
					    "wrandom",          "whashed",        "chashed",
					    "orderedWrandUntag"};

	assert_int_equal(policy_count, ARRAY_LEN(names));
	for (unsigned i = 0; i < ARRAY_LEN(names); i++)
		assert_string_equal(policy_find(names[i])->name, names[i]);
	assert_null(policy_find("roundRobin"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_right_one_is_picked),
		cmocka_unit_test(tagged_servers_are_avoided),
		cmocka_unit_test(nobody_is_picked_from_nobody),
		cmocka_unit_test(turns_come_round),
		cmocka_unit_test(picks_are_shared_by_weight),
		cmocka_unit_test(names_go_where_their_hash_says),
		cmocka_unit_test(the_ring_is_what_the_definition_says),
		cmocka_unit_test(the_ring_is_found_from_every_hash),
		cmocka_unit_test(case_makes_no_difference),
		cmocka_unit_test(loads_are_bounded),
		cmocka_unit_test(one_worker_does_not_see_what_another_has_measured),
		cmocka_unit_test(policies_are_found_by_name),
	};

	if (rand_init() < 0)
		return 1;
	hash_init(0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
