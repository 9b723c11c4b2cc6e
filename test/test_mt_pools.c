/*
 * Pools under change: workers pick from the live tables, hold what they picked across turns as
 * queries in flight do, and keep an upstream for each server, while the control thread adds and
 * removes servers and changes weights, policies and states by transactions. Threads count what is
 * wrong; assertions come after they have ended.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "core/dns/name.h"
#include "core/hash.h"
#include "core/mem.h"
#include "core/query.h"
#include "core/settings.h"
#include "core/txn.h"
#include "pools/pool.h"
#include "rules/rules.h"

enum {
	WORKERS = 2,
	TRANSACTIONS = 2000,
	SERVERS_MAX = 12,
	IN_FLIGHT = 64,  /* of one worker */
	TURNS_MAX = 200, /* that a query may be in flight */
	PICKS = 8,       /* a turn */
};

enum wrong {
	TORN_WEIGHTS, /* members of one generation of different transactions */
	TORN_SUMS,    /* sealed figures of another generation than the members */
	PIN_BROKEN,   /* what a query in flight holds has changed */
	SLOT_TAKEN,   /* a slot was given away while a worker had its server */
	OUTSTANDING,  /* queries in flight miscounted */
	WRONG_COUNT,
};

static _Atomic unsigned wrong[WRONG_COUNT];
static atomic_bool stop;
static unsigned n_made, n_freed; /* servers; control thread only */

struct flight {
	struct pin *pin;
	const struct pool_member *member;
	int weight; /* when it was picked */
	unsigned turns;
};

struct worker {
	pthread_t thread;
	struct pins pins;
	struct policy_ctx ctx;
	struct flight flight[IN_FLIGHT];
	struct server *upstream[TRANSACTIONS + SERVERS_MAX]; /* by slot */
	uint64_t picks, generations;
	_Atomic uint64_t turns;
};

static void count(enum wrong what, bool is_wrong)
{
	if (is_wrong)
		atomic_fetch_add(&wrong[what], 1);
}

/* The control thread gives all servers of a generation one weight. */
static void check_pool(const struct pool *p)
{
	for (unsigned i = 0; i < p->n; i++) {
		const struct pool_member *m = &p->members[i];

		count(TORN_WEIGHTS,
		      m->weight != p->members[0].weight || m->def->weight != m->weight);
		count(TORN_SUMS, p->weight_to[i] != (i + 1) * (uint32_t)m->weight);
	}
}

static void fly(struct worker *w, const struct pool_member *m, struct flight *f)
{
	struct server_counters *c = perworker_get(&m->server->counters, w->ctx.worker);

	atomic_fetch_add_explicit(&m->server->outstanding, 1, memory_order_relaxed);
	counter_inc(&c->queries);
	*f = (struct flight){pin_take(&w->pins), m, m->weight, 1 + rand_below(TURNS_MAX)};
}

static void land(struct worker *w, struct flight *f)
{
	const struct pool_member *m = f->member;
	struct server_counters *c = perworker_get(&m->server->counters, w->ctx.worker);

	count(PIN_BROKEN, m->weight != f->weight || m->def->weight != f->weight);
	count(OUTSTANDING,
	      atomic_fetch_sub_explicit(&m->server->outstanding, 1, memory_order_relaxed) == 0);
	counter_inc(&c->responses);
	server_count_latency(m->server, c, false, f->turns);
	pin_drop(&w->pins, f->pin);
	f->pin = NULL;
}

static bool is_in(const struct pools *p, const struct server *s)
{
	for (unsigned i = 0; i < p->n_rows; i++) {
		if (p->rows[i].server == s)
			return true;
	}
	return false;
}

static bool flies_to(const struct worker *w, const struct server *s)
{
	for (unsigned i = 0; i < IN_FLIGHT; i++) {
		if (w->flight[i].pin != NULL && w->flight[i].member->server == s)
			return true;
	}
	return false;
}

/* What left the tables goes once nothing is in flight to it; what came gets an upstream. */
static void reconcile(struct worker *w, const struct pools *p)
{
	for (unsigned i = 0; i < ARRAY_LEN(w->upstream); i++) {
		struct server *s = w->upstream[i];

		if (s == NULL || is_in(p, s) || flies_to(w, s))
			continue;
		w->upstream[i] = NULL;
		atomic_fetch_sub_explicit(&s->users, 1, memory_order_release);
	}
	for (unsigned i = 0; i < p->n_rows; i++) {
		struct server *s = p->rows[i].server;
		struct server **at = &w->upstream[s->slot];

		count(SLOT_TAKEN, *at != NULL && *at != s);
		if (*at != NULL)
			continue;
		*at = s;
		atomic_fetch_add_explicit(&s->users, 1, memory_order_relaxed);
	}
}

static void pick_some(struct worker *w, const struct pools *p)
{
	uint8_t packet[DNS_HEADER_LEN + DNS_NAME_MAX];
	struct query q = {.packet = packet};
	char name[32];

	for (unsigned i = 0; i < PICKS; i++) {
		const struct pool *pool = p->list[rand_below(p->n_list)];
		struct flight *f = &w->flight[rand_below(IN_FLIGHT)];
		const struct pool_member *m;

		snprintf(name, sizeof(name), "n%u.example", rand_below(1000));
		q.question.name_len = (uint16_t)name_parse(name, packet + DNS_HEADER_LEN, NULL);
		m = pool_policy(p, pool)->pick(pool, &q, &w->ctx);
		w->picks++;
		if (m != NULL && f->pin == NULL)
			fly(w, m, f);
	}
}

static void turn(struct worker *w)
{
	const struct tables *t = rcu_get(tables_live);

	w->ctx.settings = t->settings;
	if (pins_enter(&w->pins, t))
		w->generations++;
	reconcile(w, t->pools);
	for (unsigned i = 0; i < t->pools->n_list; i++)
		check_pool(t->pools->list[i]);
	pick_some(w, t->pools);
	for (unsigned i = 0; i < IN_FLIGHT; i++) {
		if (w->flight[i].pin != NULL && --w->flight[i].turns == 0)
			land(w, &w->flight[i]);
	}
	w->ctx.now_us += 100;
	counter_inc(&w->turns);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	rcu_join();
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		turn(w);
		if (rand_below(8) == 0) {
			rcu_rest();
			sched_yield();
			rcu_wake();
		} else {
			rcu_quiet();
		}
	}
	for (unsigned i = 0; i < IN_FLIGHT; i++) {
		if (w->flight[i].pin != NULL)
			land(w, &w->flight[i]);
	}
	for (unsigned i = 0; i < ARRAY_LEN(w->upstream); i++) {
		if (w->upstream[i] != NULL)
			atomic_fetch_sub_explicit(&w->upstream[i]->users, 1, memory_order_release);
	}
	pins_fini(&w->pins);
	rcu_leave();
	return NULL;
}

static void count_freed(struct server *s)
{
	n_freed++;
}

static const char *pool_names[] = {"", "one", "two"};

static void add_server(struct pools *p)
{
	struct server_def *d = server_def_new();
	struct server_fixed fixed;
	struct server *s;

	server_fixed_default(&fixed);
	addr_parse("192.0.2.1:53", 53, &fixed.addr, NULL);
	fixed.id = uuid_random();
	d->weight = p->n_rows > 0 ? p->rows[0].def->weight : 5;
	d->order = 1 + (int)rand_below(3);
	s = server_new(&fixed);
	n_made++;
	atomic_store(&s->up, true);
	pools_add_server(p, s, d);
	pools_join(p, s, pool_names[rand_below(ARRAY_LEN(pool_names))]);
	pools_join(p, s, "");
}

static void change(struct pools *p)
{
	struct server *s = p->n_rows > 0 ? p->rows[rand_below(p->n_rows)].server : NULL;
	int weight = 1 + (int)rand_below(40);

	switch (rand_below(6)) {
	case 0:
		if (s != NULL)
			pools_remove_server(p, s);
		break;
	case 1:
		if (p->n_rows < SERVERS_MAX)
			add_server(p);
		break;
	case 2:
		for (unsigned i = 0; i < p->n_rows; i++)
			pools_def_edit(p, p->rows[i].server)->weight = weight;
		break;
	case 3:
		pools_pool(p, pool_names[rand_below(ARRAY_LEN(pool_names))])->policy =
			policies[rand_below(policy_count)];
		break;
	case 4:
		if (s != NULL)
			pools_def_edit(p, s)->qps = 1 + rand_below(100);
		break;
	case 5: /* what a probe and the operator do, without a transaction */
		if (s == NULL)
			break;
		atomic_store_explicit(&s->up, rand_below(3) > 0, memory_order_relaxed);
		server_reset_latency(s);
		break;
	}
}

static void commit(struct txn *txn)
{
	struct err err;

	if (txn_commit(txn, &err) < 0)
		fail_msg("%s", err.text);
	tables_collect();
	servers_collect();
}

static void publish_first(void)
{
	struct txn *txn = txn_begin();
	struct pools *p = TXN_EDIT(txn, POOLS, pools);

	for (unsigned i = 0; i < ARRAY_LEN(pool_names); i++)
		pools_pool(p, pool_names[i])->policy = policies[i];
	for (unsigned i = 0; i < SERVERS_MAX / 2; i++)
		add_server(p);
	commit(txn);
}

/* Each worker has gone round once more since it could see the change, so that none goes by unseen.
 */
static void let_turn(struct worker *workers)
{
	uint64_t begin[WORKERS];

	for (unsigned i = 0; i < WORKERS; i++)
		begin[i] = counter_get(&workers[i].turns);
	for (unsigned i = 0; i < WORKERS; i++) {
		while (counter_get(&workers[i].turns) < begin[i] + 2)
			sched_yield();
	}
}

static void tables_change_under_workers(void **state)
{
	static struct worker workers[WORKERS];

	publish_first();
	for (unsigned i = 0; i < WORKERS; i++) {
		workers[i].ctx = (struct policy_ctx){.worker = i, .now_us = 1};
		pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]);
	}
	for (unsigned i = 0; i < TRANSACTIONS; i++) {
		struct txn *txn = txn_begin();

		change(TXN_EDIT(txn, POOLS, pools));
		if (i % 7 == 0)
			txn_drop(txn);
		else
			commit(txn);
		let_turn(workers);
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < WORKERS; i++) {
		pthread_join(workers[i].thread, NULL);
	}

	for (unsigned i = 0; i < WRONG_COUNT; i++) {
		if (wrong[i] > 0)
			fail_msg("wrong in way %u: %u times", i, wrong[i]);
	}
	for (unsigned i = 0; i < WORKERS; i++) {
		assert_true(workers[i].picks >= 2 * PICKS * TRANSACTIONS);
		assert_true(workers[i].generations > TRANSACTIONS / 2);
	}
	tables_shutdown();
	servers_collect();
	assert_int_equal(n_freed, n_made);
	assert_int_equal(server_slots(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(tables_change_under_workers)};

	if (rand_init() < 0)
		return 1;
	hash_init(0);
	settings_register();
	pools_register();
	rules_register();
	servers_on_free(count_freed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
