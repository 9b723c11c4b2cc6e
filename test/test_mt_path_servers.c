/* What running workers (workers_start) do for their servers and on the way back, over real sockets.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "test/path_fixture.h"

/* Long enough for a loaded machine; only a failing test waits for it. */
#define PATIENCE_MS 5000

struct result {
	size_t len;
	uint8_t answer[4096];
};

static struct result ask(struct path *p, const char *name, int wait_ms)
{
	struct result r = {0};
	uint8_t query[512];

	path_send(p, query, path_query(query, 77, name, TYPE_A));
	r.len = path_receive(p, r.answer, sizeof(r.answer), wait_ms);
	return r;
}

/* From now on queries come from this address of the loopback. */
static void move_client(struct path *p, uint32_t to)
{
	struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(to)};

	close(p->client);
	p->client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (bind(p->client, (struct sockaddr *)&from, sizeof(from)) < 0 ||
	    connect(p->client, &p->listen.sa, sizeof(p->listen.v4)) < 0)
		abort();
}

static void with_subnet(struct server_fixed *f)
{
	f->use_client_subnet = true;
}

static void that_parses_subnets(struct cache_options *o)
{
	o->parse_ecs = true;
}

static void a_subnet_is_added_and_taken_out_again(void **state)
{
	static const struct path_options o = {.n_workers = 1, .server = with_subnet};
	struct question q;
	struct opt opt = {0};
	struct ecs ecs = {0};
	struct result r;
	struct path p;
	int rc;

	path_start(&p, &o);
	move_client(&p, 0x7f0a0b0c);
	r = ask(&p, "scoped.example.", PATIENCE_MS);
	path_stop(&p);
	rc = msg_question(p.resolver.last, p.resolver.last_len, &q);
	assert_int_equal(rc, 0);
	rc = msg_opt(p.resolver.last, p.resolver.last_len, &q, &opt);
	assert_int_equal(rc, 0);
	assert_int_not_equal(opt.at, 0);
	assert_int_equal(opt.payload, 512);
	rc = msg_ecs(p.resolver.last, &opt, &ecs);
	assert_int_equal(rc, 0);
	assert_true(ecs.present);
	assert_int_equal(ecs.source_bits, 24);
	assert_memory_equal(ecs.addr, "\x7f\x0a\x0b\0", 4);
	assert_int_equal(r.len, 12 + 16 + 4 + 16);
	assert_int_equal(msg_arcount(r.answer), 0);
}

static void an_answer_for_everybody_is_kept_without_a_subnet(void **state)
{
	static const struct path_options o = {.n_workers = 1,
					      .with_cache = true,
					      .server = with_subnet,
					      .cache = that_parses_subnets};
	static const struct {
		const char *name;
		uint32_t from;
		unsigned asked; /* of the server, so far */
	} steps[] = {
		{"forall.example.", 0x7f000001, 1}, {"forall.example.", 0x7f010203, 1},
		{"scoped.example.", 0x7f000001, 2}, {"scoped.example.", 0x7f000002, 2},
		{"scoped.example.", 0x7f010203, 3}, {"scoped.example.", 0x7f010204, 3},
	};
	unsigned asked[ARRAY_LEN(steps)];
	size_t len[ARRAY_LEN(steps)];
	struct path p;

	path_start(&p, &o);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		move_client(&p, steps[i].from);
		len[i] = ask(&p, steps[i].name, PATIENCE_MS).len;
		asked[i] = atomic_load(&p.resolver.queries);
	}
	path_stop(&p);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		if (asked[i] != steps[i].asked || len[i] != 12 + 16 + 4 + 16)
			fail_msg("step %zu: the server was asked %u times, %zu octets", i, asked[i],
				 len[i]);
}

static void few_in_flight(struct settings *s)
{
	s->udp_max_outstanding = 4;
}

static void beyond_the_limit_the_newest_stay(void **state)
{
	static const struct path_options o = {.n_workers = 1, .settings = few_in_flight};
	uint64_t lost = stats_sum(STAT_DOWNSTREAM_TIMEOUTS);
	uint32_t outstanding = 0;
	uint8_t query[512];
	struct result r;
	struct path p;

	path_start(&p, &o);
	for (unsigned i = 0; i < 10; i++)
		path_send(&p, query, path_query(query, (uint16_t)i, "silent.example.", TYPE_A));
	r = ask(&p, "plain.example.", PATIENCE_MS);
	outstanding = server_outstanding(p.server);
	lost = stats_sum(STAT_DOWNSTREAM_TIMEOUTS) - lost;
	path_stop(&p);
	assert_int_equal(r.len, 12 + 15 + 4 + 16);
	assert_int_equal(lost, 7);
	assert_int_equal(outstanding, 3);
}

static void three_sockets(struct server_fixed *f)
{
	f->sockets = 3;
}

static void sockets_of_a_server_are_used_in_turn(void **state)
{
	static const struct path_options o = {.n_workers = 1, .server = three_sockets};
	struct path p;

	path_start(&p, &o);
	for (unsigned i = 0; i < 6; i++)
		ask(&p, "plain.example.", PATIENCE_MS);
	path_stop(&p);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(p.resolver.ports[i], p.resolver.ports[i + 3]);
		assert_int_not_equal(p.resolver.ports[i], p.resolver.ports[(i + 1) % 3]);
	}
}

static void dead_port(struct server_fixed *f)
{
	int fd = loopback_socket(&f->addr, 0);

	close(fd);
}

/* The refusal is heard, but another answer may still come: it is a timeout like any other. */
static void a_refusing_server_is_a_timeout(void **state)
{
	static const struct path_options o = {.n_workers = 1, .server = dead_port};
	uint64_t timeouts = stats_sum(STAT_DOWNSTREAM_TIMEOUTS), begin = clock_mono_us();
	uint64_t errors = stats_sum(STAT_DOWNSTREAM_SEND_ERRORS);
	struct path p;

	path_start(&p, &o);
	for (unsigned i = 0; i < 3; i++)
		ask(&p, "plain.example.", 20);
	while (stats_sum(STAT_DOWNSTREAM_TIMEOUTS) - timeouts < 3 &&
	       clock_mono_us() - begin < PATIENCE_MS * 1000)
		usleep(10000);
	path_stop(&p);
	assert_int_equal(stats_sum(STAT_DOWNSTREAM_TIMEOUTS) - timeouts, 3);
	assert_int_equal(stats_sum(STAT_DOWNSTREAM_SEND_ERRORS) - errors, 0);
}

static void mending(struct settings *s)
{
	s->fixup_case = true;
	s->truncate_tc = true;
}

static void case_and_truncation_are_mended_when_asked(void **state)
{
	static const struct path_options o = {.n_workers = 1, .settings = mending};
	struct result spelled, cut;
	struct path p;

	path_start(&p, &o);
	spelled = ask(&p, "wrongname.example.", PATIENCE_MS); /* answered as Wrongname */
	cut = ask(&p, "cut.example.", PATIENCE_MS);
	path_stop(&p);
	assert_memory_equal(spelled.answer + 13, "wrongname", 9);
	assert_int_equal(cut.len, 12 + 13 + 4);
	assert_int_equal(msg_ancount(cut.answer), 0);
}

static void keep_stale(struct settings *s)
{
	s->stale_ttl_s = 60;
}

static void soon_expired(struct cache_options *o)
{
	o->max_ttl_s = 1;
	o->stale_ttl_s = 17;
}

/* Of the only record, after a question of plain.example. */
static uint32_t ttl_of(const struct result *r)
{
	return get_u32(r->answer + 12 + 15 + 4 + 6);
}

/* Until it expires the answer is fresh, then there is nothing between it and the stale one. */
static void a_stale_answer_serves_while_no_server_does(void **state)
{
	static const struct path_options o = {
		.n_workers = 1, .with_cache = true, .settings = keep_stale, .cache = soon_expired};
	uint64_t begin = clock_mono_us();
	struct err err = {""};
	struct txn *txn;
	struct result fresh, stale;
	struct path p;

	path_start(&p, &o);
	fresh = ask(&p, "plain.example.", PATIENCE_MS);
	txn = txn_begin();
	pools_def_edit(TXN_EDIT(txn, POOLS, pools), p.server)->force = SERVER_FORCED_DOWN;
	if (txn_commit(txn, &err) < 0)
		path_die("commit", &err);
	do
		stale = ask(&p, "plain.example.", PATIENCE_MS);
	while (stale.len == fresh.len && ttl_of(&stale) != 17 &&
	       clock_mono_us() - begin < PATIENCE_MS * 1000);
	path_stop(&p);
	assert_int_equal(fresh.len, 12 + 15 + 4 + 16);
	assert_int_equal(stale.len, fresh.len);
	assert_int_equal(ttl_of(&stale), 17);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_subnet_is_added_and_taken_out_again),
		cmocka_unit_test(an_answer_for_everybody_is_kept_without_a_subnet),
		cmocka_unit_test(beyond_the_limit_the_newest_stay),
		cmocka_unit_test(sockets_of_a_server_are_used_in_turn),
		cmocka_unit_test(a_refusing_server_is_a_timeout),
		cmocka_unit_test(case_and_truncation_are_mended_when_asked),
		cmocka_unit_test(a_stale_answer_serves_while_no_server_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
