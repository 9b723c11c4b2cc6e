/* The pools part of the tables: drafts, membership, what is sealed, and who lets go of what. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cache/cache.h"
#include "core/rand.h"
#include "pools/ring.h"
#include "test/pool_fixture.h"

static unsigned n_freed;

static void count_freed(struct server *s)
{
	n_freed++;
}

static int start(void **state)
{
	static struct fixture f;

	n_freed = 0;
	servers_on_free(count_freed);
	fixture_start(&f);
	*state = &f;
	return 0;
}

static int end(void **state)
{
	servers_on_free(NULL);
	return 0;
}

/* The last octets of the members' addresses: "1 3 2". */
static const char *members_text(const struct pool *p)
{
	static char text[128];
	size_t len = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < p->n; i++) {
		size_t addr_octets;
		unsigned n = addr_bytes(&p->members[i].server->fixed.addr, &addr_octets)[3];

		len += (size_t)snprintf(text + len, sizeof(text) - len, i ? " %u" : "%u", n);
	}
	return text;
}

static const char *rows_text(const struct pools *p)
{
	static char text[128];
	size_t len = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < p->n_rows; i++) {
		size_t addr_octets;
		unsigned n = addr_bytes(&p->rows[i].server->fixed.addr, &addr_octets)[3];

		len += (size_t)snprintf(text + len, sizeof(text) - len, i ? " %u" : "%u", n);
	}
	return text;
}

static void the_default_pool_is_always_there(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(f->pools->n_list, 1);
	assert_ptr_equal(pools_find(f->pools, ""), f->pools->list[0]);
	assert_null(pools_find(f->pools, "other"));
	assert_ptr_equal(pool_policy(f->pools, f->pools->list[0]), &policy_least_outstanding);
	fixture_end(f);
}

static void a_pool_is_made_when_it_is_first_named(void **state)
{
	struct fixture *f = *state;
	struct server *s = fixture_server(f, 1, 1, 1);

	pools_join(f->pools, s, "abc");
	assert_string_equal(members_text(pools_find(f->pools, "abc")), "1");
	assert_string_equal(members_text(pools_find(f->pools, "")), "");
	assert_ptr_equal(pools_pool(f->pools, "abc"), pools_find(f->pools, "abc"));
	assert_int_equal(f->pools->n_list, 2);
	fixture_end(f);
}

static void a_pool_is_found_by_the_number_of_its_name(void **state)
{
	struct fixture *f = *state;
	struct fixture later;
	struct err err = {""};
	unsigned never = pool_name_id("never made"), abc = pool_name_id("abc"), last;
	char name[32];

	pools_pool(f->pools, "abc");
	for (unsigned i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "pool %u", i);
		pools_pool(f->pools, name);
	}
	assert_int_equal(fixture_seal(f, &err), 0);
	assert_string_equal(pool_name_of(abc), "abc");
	assert_int_equal(pool_name_id("abc"), abc);
	for (unsigned i = 0; i < f->pools->n_list; i++) {
		const struct pool *p = f->pools->list[i];

		assert_ptr_equal(pools_by_id(f->pools, pool_name_id(p->name)), p);
	}
	assert_null(pools_by_id(f->pools, never));
	last = pool_name_id("named after the sealing");
	assert_null(pools_by_id(f->pools, last));

	later = *f;
	later.pools = (struct pools *)pools_part()->clone(&f->pools->part);
	pools_pool(later.pools, "named after the sealing");
	assert_int_equal(fixture_seal(&later, &err), 0);
	assert_string_equal(pools_by_id(later.pools, last)->name, "named after the sealing");
	assert_ptr_not_equal(pools_by_id(later.pools, abc), pools_by_id(f->pools, abc));
	assert_null(pools_by_id(f->pools, last));
	fixture_end(&later);
	fixture_end(f);
}

static void members_are_listed_by_order_then_by_arrival(void **state)
{
	struct fixture *f = *state;
	static const int order[] = {5, 1, 5, 3, 1};

	for (unsigned i = 0; i < ARRAY_LEN(order); i++)
		fixture_member(f, i + 1, 1, order[i]);
	assert_string_equal(members_text(f->pools->list[0]), "2 5 4 1 3");
	assert_string_equal(rows_text(f->pools), "2 5 4 1 3");
	fixture_end(f);
}

static void a_new_order_counts_when_membership_changes(void **state)
{
	struct fixture *f = *state;
	struct server *a = fixture_member(f, 1, 1, 1);

	fixture_member(f, 2, 1, 2);
	pools_def_edit(f->pools, a)->order = 9;
	assert_int_equal(fixture_seal(f, NULL), 0);
	assert_string_equal(members_text(f->pools->list[0]), "1 2");
	assert_int_equal(f->pools->list[0]->members[0].order, 9);
	fixture_member(f, 3, 1, 3);
	assert_string_equal(members_text(f->pools->list[0]), "2 3 1");
	assert_string_equal(rows_text(f->pools), "2 3 1");
	fixture_end(f);
}

static void joining_twice_is_joining_once(void **state)
{
	struct fixture *f = *state;
	struct server *s = fixture_member(f, 1, 1, 1);

	pools_join(f->pools, s, "");
	pools_join(f->pools, s, "abc");
	assert_int_equal(pools_row(f->pools, s)->n_pools, 2);
	assert_string_equal(members_text(f->pools->list[0]), "1");
	pools_leave(f->pools, s, "");
	pools_leave(f->pools, s, "");
	pools_leave(f->pools, s, "nowhere");
	assert_int_equal(pools_row(f->pools, s)->n_pools, 1);
	assert_string_equal(pools_row(f->pools, s)->pools[0], "abc");
	assert_string_equal(members_text(f->pools->list[0]), "");
	fixture_end(f);
}

static void a_removed_server_is_gone_everywhere(void **state)
{
	struct fixture *f = *state;
	struct server *a = fixture_member(f, 1, 1, 1), *b = fixture_member(f, 2, 1, 1);

	pools_join(f->pools, a, "abc");
	pools_remove_server(f->pools, a);
	assert_int_equal(n_freed, 1);
	assert_string_equal(members_text(f->pools->list[0]), "2");
	assert_string_equal(members_text(f->pools->list[1]), "");
	assert_string_equal(rows_text(f->pools), "2");
	assert_ptr_equal(pools_row(f->pools, b)->server, b);
	fixture_end(f);
	assert_int_equal(n_freed, 2);
}

/* Takes the draft of f as it is for the live part, and goes on with a copy. */
static struct pools *publish(struct fixture *f)
{
	struct pools *live = f->pools;

	assert_int_equal(fixture_seal(f, NULL), 0);
	f->pools = (struct pools *)pools_part()->clone(&live->part);
	return live;
}

static void a_draft_does_not_touch_what_is_live(void **state)
{
	struct fixture *f = *state;
	struct server *a = fixture_member(f, 1, 1, 1), *b = fixture_member(f, 2, 1, 1);
	struct pools *live = publish(f);

	pools_def_edit(f->pools, a)->weight = 7;
	pools_def_edit(f->pools, a)->force = SERVER_FORCED_DOWN;
	pools_remove_server(f->pools, b);
	pools_join(f->pools, fixture_server(f, 3, 1, 1), "abc");
	f->pools->policy = &policy_chashed;
	assert_int_equal(fixture_seal(f, NULL), 0);

	assert_string_equal(members_text(live->list[0]), "1 2");
	assert_int_equal(live->n_list, 1);
	assert_int_equal(live->list[0]->members[0].def->weight, 1);
	assert_int_equal(live->list[0]->members[0].weight, 1);
	assert_false(pool_is_down(live->list[0]));
	assert_null(live->list[0]->ring);
	assert_ptr_equal(live->policy, &policy_least_outstanding);

	assert_string_equal(members_text(f->pools->list[0]), "1");
	assert_int_equal(f->pools->list[0]->members[0].def->weight, 7);
	assert_int_equal(f->pools->list[0]->members[0].weight, 7);
	assert_true(pool_is_down(f->pools->list[0]));
	assert_int_equal(f->pools->list[0]->ring->n_points, 7);

	assert_int_equal(n_freed, 0);
	pools_part()->free(&live->part);
	assert_int_equal(n_freed, 1);
	fixture_end(f);
	assert_int_equal(n_freed, 3);
}

static void a_dropped_draft_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct server *a = fixture_member(f, 1, 1, 1);
	struct pools *live = publish(f);

	pools_def_edit(f->pools, a)->weight = 7;
	pools_join(f->pools, fixture_server(f, 2, 1, 1), "abc");
	fixture_end(f);
	assert_int_equal(n_freed, 1);
	assert_int_equal(live->rows[0].def->refs, 1);
	assert_int_equal(a->refs, 1);
	pools_part()->free(&live->part);
}

static void a_definition_is_copied_once_a_draft(void **state)
{
	struct fixture *f = *state;
	struct server *a = fixture_member(f, 1, 1, 1);
	struct server_def *first = pools_def_edit(f->pools, a), *second;
	struct pools *live = publish(f);

	second = pools_def_edit(f->pools, a);
	assert_ptr_not_equal(first, second);
	assert_ptr_equal(second, pools_def_edit(f->pools, a));
	assert_ptr_equal(second, f->pools->list[0]->members[0].def);
	pools_part()->free(&live->part);
	fixture_end(f);
}

static void a_cache_is_held_by_its_pools(void **state)
{
	struct fixture *f = *state;
	struct cache_options o;
	struct cache *c;
	struct pools *live;

	cache_options_default(&o, 100);
	c = cache_new(&o, NULL);
	pool_set_cache(f->pools->list[0], c);
	pool_set_cache(pools_pool(f->pools, "abc"), c);
	pool_set_cache(f->pools->list[0], c);
	live = publish(f);
	pool_set_cache(f->pools->list[0], NULL);
	assert_null(f->pools->list[0]->cache);
	assert_ptr_equal(f->pools->list[1]->cache, c);
	assert_ptr_equal(live->list[0]->cache, c);
	/* the address sanitizer sees whether these were all the references there are */
	cache_unref(c);
	pools_part()->free(&live->part);
	assert_int_equal(cache_size(c), 0);
	fixture_end(f);
}

/* ECS, no zero scope, TCP-only of two servers, and of the pool. */
static const struct {
	const char *label;
	bool ecs[2], no_zero_scope[2], tcp_only[2];
	bool ecs_set, zero_scope_set;
	bool consistent, want_ecs, want_zero_scope, want_tcp_only;
} agreements[] = {
	{"all plain", {0, 0}, {0, 0}, {0, 0}, false, true, true, false, true, false},
	{"all with ECS", {1, 1}, {0, 0}, {0, 0}, false, true, true, true, true, false},
	{"what all have beats the operator",
	 {1, 1},
	 {1, 1},
	 {0, 0},
	 false,
	 true,
	 true,
	 true,
	 false,
	 0},
	{"ECS of one only", {1, 0}, {0, 0}, {0, 0}, false, true, false, false, true, false},
	{"ECS of one only, set", {1, 0}, {0, 0}, {0, 0}, true, true, false, true, true, false},
	{"zero scope of one only", {0, 0}, {0, 1}, {0, 0}, false, true, false, false, true, false},
	{"zero scope of one, unset",
	 {0, 0},
	 {0, 1},
	 {0, 0},
	 false,
	 false,
	 false,
	 false,
	 false,
	 false},
	{"TCP-only of one", {0, 0}, {0, 0}, {0, 1}, false, true, false, false, true, false},
	{"all TCP-only", {0, 0}, {0, 0}, {1, 1}, false, true, true, false, true, true},
};

static void pools_know_what_their_servers_agree_on(void **state)
{
	struct fixture *f = *state;

	fixture_end(f);
	for (size_t i = 0; i < ARRAY_LEN(agreements); i++) {
		struct pool *p;

		fixture_start(f);
		p = f->pools->list[0];
		p->ecs_set = agreements[i].ecs_set;
		p->zero_scope_set = agreements[i].zero_scope_set;
		for (unsigned k = 0; k < 2; k++) {
			struct server *s = fixture_member(f, k + 1, 1, 1);

			s->fixed.use_client_subnet = agreements[i].ecs[k];
			s->fixed.disable_zero_scope = agreements[i].no_zero_scope[k];
			s->fixed.tcp_only = agreements[i].tcp_only[k];
		}
		fixture_seal(f, NULL);
		if (p->consistent != agreements[i].consistent || p->ecs != agreements[i].want_ecs ||
		    p->zero_scope != agreements[i].want_zero_scope ||
		    p->tcp_only != agreements[i].want_tcp_only)
			fail_msg("%s: consistent %d, ECS %d, zero scope %d, TCP-only %d",
				 agreements[i].label, p->consistent, p->ecs, p->zero_scope,
				 p->tcp_only);
		fixture_end(f);
	}
}

static void an_empty_pool_has_what_the_operator_set(void **state)
{
	struct fixture *f = *state;
	struct pool *p = f->pools->list[0];

	p->ecs_set = true;
	fixture_seal(f, NULL);
	assert_true(p->consistent);
	assert_true(p->ecs);
	assert_true(p->zero_scope);
	assert_false(p->tcp_only);
	assert_true(pool_is_down(p));
	fixture_end(f);
}

static void the_ring_is_kept_while_servers_and_weights_stay(void **state)
{
	struct fixture *f = *state;
	struct server *a = fixture_member(f, 1, 100, 1);
	struct pools *live;

	fixture_member(f, 2, 100, 1);
	f->settings.hash_perturbation = 1;
	f->pools->list[0]->policy = &policy_chashed;
	live = publish(f);
	pools_def_edit(f->pools, a)->qps = 10;
	fixture_seal(f, NULL);
	assert_ptr_equal(f->pools->list[0]->ring, live->list[0]->ring);
	pools_def_edit(f->pools, a)->weight = 101;
	fixture_seal(f, NULL);
	assert_ptr_not_equal(f->pools->list[0]->ring, live->list[0]->ring);
	assert_int_equal(f->pools->list[0]->ring->n_points, 201);
	assert_int_equal(live->list[0]->ring->n_points, 200);
	f->pools->list[0]->policy = NULL;
	fixture_seal(f, NULL);
	assert_null(f->pools->list[0]->ring);
	pools_part()->free(&live->part);
	fixture_end(f);
}

static void a_ring_too_large_is_refused(void **state)
{
	struct fixture *f = *state;
	struct err err = {.text = ""};

	fixture_member(f, 1, INT32_MAX, 1);
	assert_int_equal(fixture_seal(f, &err), 0);
	f->pools->policy = &policy_chashed;
	assert_int_equal(fixture_seal(f, &err), -EINVAL);
	assert_non_null(strstr(err.text, "2147483647"));
	fixture_end(f);
}

static void the_perturbation_is_drawn_once(void **state)
{
	struct fixture *f = *state;
	uint32_t drawn;

	pools_pool(f->pools, "abc");
	fixture_seal(f, NULL);
	drawn = f->pools->list[0]->hash_seed;
	assert_int_not_equal(drawn, 0);
	assert_int_equal(f->pools->list[1]->hash_seed, drawn);
	f->settings.hash_perturbation = 77;
	fixture_seal(f, NULL);
	assert_int_equal(f->pools->list[0]->hash_seed, 77);
	f->settings.hash_perturbation = 0;
	fixture_seal(f, NULL);
	assert_int_equal(f->pools->list[0]->hash_seed, drawn);
	fixture_end(f);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_default_pool_is_always_there),
		TEST(a_pool_is_made_when_it_is_first_named),
		TEST(a_pool_is_found_by_the_number_of_its_name),
		TEST(members_are_listed_by_order_then_by_arrival),
		TEST(a_new_order_counts_when_membership_changes),
		TEST(joining_twice_is_joining_once),
		TEST(a_removed_server_is_gone_everywhere),
		TEST(a_draft_does_not_touch_what_is_live),
		TEST(a_dropped_draft_leaves_nothing),
		TEST(a_definition_is_copied_once_a_draft),
		TEST(a_cache_is_held_by_its_pools),
		TEST(pools_know_what_their_servers_agree_on),
		TEST(an_empty_pool_has_what_the_operator_set),
		TEST(the_ring_is_kept_while_servers_and_weights_stay),
		TEST(a_ring_too_large_is_refused),
		TEST(the_perturbation_is_drawn_once),
	};

	if (rand_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
