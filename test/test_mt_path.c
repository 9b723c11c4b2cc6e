/* A query's way through running workers (workers_start), over real sockets of the loopback. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "test/path_fixture.h"

#define BYTES(s) (const uint8_t *)(s), sizeof(s) - 1

/* Long enough for a loaded machine; only a failing test waits for it. */
#define PATIENCE_MS 5000

struct result {
	size_t len;
	uint8_t answer[65536];
};

static struct result ask(struct path *p, const char *name, uint16_t id, int wait_ms)
{
	static struct result r;
	uint8_t query[512];

	path_send(p, query, path_query(query, id, name, TYPE_A));
	r.len = path_receive(p, r.answer, sizeof(r.answer), wait_ms);
	return r;
}

static uint64_t counter(size_t offset)
{
	return frontend_sum(rcu_get(tables_live)->frontends->list[0], offset);
}

static void a_query_is_forwarded_and_its_answer_kept(void **state)
{
	static const struct path_options o = {.n_workers = 2, .with_cache = true};
	struct path p;
	struct result miss, hit;
	unsigned asked;
	uint64_t hits = stats_sum(STAT_CACHE_HITS), responses;

	path_start(&p, &o);
	miss = ask(&p, "Normal.example.", 0x1234, PATIENCE_MS);
	hit = ask(&p, "nORMAL.example.", 0x4321, PATIENCE_MS);
	asked = atomic_load(&p.resolver.queries);
	hits = stats_sum(STAT_CACHE_HITS) - hits;
	responses = counter(offsetof(struct frontend_counters, responses));
	path_stop(&p);
	assert_int_equal(miss.len, 12 + 16 + 4 + 16);
	assert_int_equal(msg_id(miss.answer), 0x1234);
	assert_int_equal(hit.len, miss.len);
	assert_int_equal(msg_id(hit.answer), 0x4321);
	assert_memory_equal(hit.answer + 13, "nORMAL", 6);
	assert_int_equal(asked, 1);
	assert_int_equal(hits, 1);
	assert_int_equal(responses, 2);
}

static const struct {
	const char *label, *name;
	size_t want; /* octets of the answer */
	uint16_t flags;
} answers[] = {
	{"plain", "plain.example.", 12 + 15 + 4 + 16, DNS_QR | DNS_RD | DNS_RA},
	{"wrong ID first", "wrongid.example.", 12 + 17 + 4 + 16, DNS_QR | DNS_RD | DNS_RA},
	{"wrong name first", "wrongname.example.", 12 + 19 + 4 + 16, DNS_QR | DNS_RD | DNS_RA},
	{"garbage first", "garbage.example.", 12 + 17 + 4 + 16, DNS_QR | DNS_RD | DNS_RA},
	{"SERVFAIL", "servfail.example.", 12 + 18 + 4, DNS_QR | DNS_RD | DNS_RA | RCODE_SERVFAIL},
	{"too large", "big.example.", 12 + 13 + 4, DNS_QR | DNS_TC | DNS_RD | DNS_RA},
};

static void answers_of_a_server_are_matched_and_fitted(void **state)
{
	static const struct path_options o = {.n_workers = 1};
	struct result r[ARRAY_LEN(answers)];
	struct path p;

	path_start(&p, &o);
	for (size_t i = 0; i < ARRAY_LEN(answers); i++)
		r[i] = ask(&p, answers[i].name, (uint16_t)i, PATIENCE_MS);
	path_stop(&p);
	for (size_t i = 0; i < ARRAY_LEN(answers); i++)
		if (r[i].len != answers[i].want || msg_flags(r[i].answer) != answers[i].flags)
			fail_msg("%s: %zu octets, flags %04x", answers[i].label, r[i].len,
				 msg_flags(r[i].answer));
}

static void a_silent_server_is_a_timeout_after_its_second(void **state)
{
	static const struct path_options o = {.n_workers = 1};
	uint64_t begin = clock_mono_us(), timeouts = stats_sum(STAT_DOWNSTREAM_TIMEOUTS);
	struct path p;
	struct result r;
	uint32_t outstanding = 1;

	path_start(&p, &o);
	r = ask(&p, "silent.example.", 1, 100);
	while (stats_sum(STAT_DOWNSTREAM_TIMEOUTS) == timeouts &&
	       clock_mono_us() - begin < PATIENCE_MS * 1000)
		usleep(10000);
	timeouts = stats_sum(STAT_DOWNSTREAM_TIMEOUTS) - timeouts;
	begin = clock_mono_us() - begin;
	outstanding = server_outstanding(p.server);
	path_stop(&p);
	assert_int_equal(r.len, 0);
	assert_int_equal(timeouts, 1);
	assert_int_equal(outstanding, 0);
	assert_in_range(begin, 1000000, 2000000);
}

static const struct {
	const char *label;
	const uint8_t *wire;
	size_t len;
	enum stat_id counts;
	bool answered;
} bad_queries[] = {
	{"empty", BYTES(""), STAT_NONCOMPLIANT_QUERIES, false},
	{"short", BYTES("\0\1\1\0\0\1\0\0\0\0\0"), STAT_NONCOMPLIANT_QUERIES, false},
	{"an answer", BYTES("\0\1\x81\0\0\1\0\0\0\0\0\0\0\0\1\0\1"), STAT_NONCOMPLIANT_QUERIES,
	 false},
	{"truncated", BYTES("\0\1\3\0\0\1\0\0\0\0\0\0\0\0\1\0\1"), STAT_NONCOMPLIANT_QUERIES,
	 false},
	{"name cut", BYTES("\0\1\1\0\0\1\0\0\0\0\0\0\3ww"), STAT_NONCOMPLIANT_QUERIES, false},
	{"name compressed", BYTES("\0\1\1\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1"),
	 STAT_NONCOMPLIANT_QUERIES, false},
	{"no question", BYTES("\0\1\1\0\0\0\0\0\0\0\0\0"), STAT_EMPTY_QUERIES, true},
};

static void what_is_no_query_is_counted_and_dropped(void **state)
{
	static const struct path_options o = {.n_workers = 1};
	uint64_t counted[ARRAY_LEN(bad_queries)];
	size_t got[ARRAY_LEN(bad_queries)];
	static uint8_t answer[65536], large[1501];
	struct path p;
	uint64_t too_large = stats_sum(STAT_NONCOMPLIANT_QUERIES);
	unsigned asked;

	path_start(&p, &o);
	for (size_t i = 0; i < ARRAY_LEN(bad_queries); i++) {
		counted[i] = stats_sum(bad_queries[i].counts);
		path_send(&p, bad_queries[i].wire, bad_queries[i].len);
		got[i] = path_receive(&p, answer, sizeof(answer),
				      bad_queries[i].answered ? PATIENCE_MS : 50);
		counted[i] = stats_sum(bad_queries[i].counts) - counted[i];
	}
	too_large = stats_sum(STAT_NONCOMPLIANT_QUERIES);
	path_send(&p, large, sizeof(large));
	path_receive(&p, answer, sizeof(answer), 50);
	too_large = stats_sum(STAT_NONCOMPLIANT_QUERIES) - too_large;
	asked = atomic_load(&p.resolver.queries);
	path_stop(&p);
	for (size_t i = 0; i < ARRAY_LEN(bad_queries); i++)
		if (counted[i] != 1 || (got[i] > 0) != bad_queries[i].answered)
			fail_msg("%s: counted %d, %zu octets came back", bad_queries[i].label,
				 (int)counted[i], got[i]);
	assert_int_equal(too_large, 1);
	assert_int_equal(asked, 0);
}

static void what_is_forwarded_differs_in_the_id_alone(void **state)
{
	static const struct path_options o = {.n_workers = 1};
	/* CD, an OPT with a cookie, and two octets behind the message */
	static const uint8_t query[] = "\x12\x34\1\x10\0\1\0\0\0\0\0\1\5PlAiN\0\0\1\0\1"
				       "\0\0\x29\x04\xd0\0\0\x80\0\0\x0c\0\x0a\0\x08"
				       "12345678xx";
	size_t len = sizeof(query) - 1;
	static uint8_t answer[65536];
	struct path p;
	size_t got;

	path_start(&p, &o);
	path_send(&p, query, len);
	got = path_receive(&p, answer, sizeof(answer), PATIENCE_MS);
	path_stop(&p);
	assert_true(got > 0);
	assert_int_equal(p.resolver.last_len, len - 2);
	assert_memory_equal(p.resolver.last + 2, query + 2, len - 4);
}

static void no_server(struct settings *s)
{
	s->servfail_when_no_server = true;
}

static void without_a_server_the_answer_is_servfail(void **state)
{
	static const struct path_options o = {.n_workers = 1, .settings = no_server};
	uint64_t before = stats_sum(STAT_NO_POLICY);
	struct err err = {""};
	struct txn *txn;
	struct path p;
	struct result r;

	path_start(&p, &o);
	txn = txn_begin();
	pools_remove_server(TXN_EDIT(txn, POOLS, pools), p.server);
	if (txn_commit(txn, &err) < 0)
		path_die("commit", &err);
	workers_wake();
	r = ask(&p, "plain.example.", 7, PATIENCE_MS);
	path_stop(&p);
	assert_int_equal(r.len, 12 + 15 + 4);
	assert_int_equal(msg_flags(r.answer), DNS_QR | DNS_RD | DNS_RA | RCODE_SERVFAIL);
	assert_int_equal(stats_sum(STAT_NO_POLICY) - before, 1);
}

static void a_removed_server_ends_what_it_has(void **state)
{
	static const struct path_options o = {.n_workers = 1};
	uint64_t timeouts = stats_sum(STAT_DOWNSTREAM_TIMEOUTS), begin = clock_mono_us();
	struct err err = {""};
	struct txn *txn;
	struct path p;

	path_start(&p, &o);
	ask(&p, "silent.example.", 1, 50);
	txn = txn_begin();
	pools_remove_server(TXN_EDIT(txn, POOLS, pools), p.server);
	if (txn_commit(txn, &err) < 0)
		path_die("commit", &err);
	workers_wake();
	while (stats_sum(STAT_DOWNSTREAM_TIMEOUTS) == timeouts &&
	       clock_mono_us() - begin < PATIENCE_MS * 1000)
		usleep(10000);
	tables_collect();
	path_stop(&p);
	assert_int_equal(stats_sum(STAT_DOWNSTREAM_TIMEOUTS) - timeouts, 1);
}

static void a_wildcard_answers_from_the_address_that_was_asked(void **state)
{
	static const struct path_options o = {.n_workers = 1, .wildcard = true};
	struct path p;
	struct result r;
	struct addr asked;

	path_start(&p, &o);
	asked = p.listen;
	asked.v4.sin_addr.s_addr = htonl(0x7f000035); /* 127.0.0.53 */
	if (connect(p.client, &asked.sa, sizeof(asked.v4)) < 0)
		abort();
	r = ask(&p, "plain.example.", 9,
		PATIENCE_MS); /* a connected socket takes no other's answer */
	path_stop(&p);
	assert_int_equal(r.len, 12 + 15 + 4 + 16);
}

#define FLOOD 2000

/* More than a batch at once, so that every array is filled, and IDs in flight grow their table. */
static void many_queries_at_once_are_all_answered(void **state)
{
	static const struct path_options o = {.n_workers = 2, .with_cache = true};
	static uint8_t seen[FLOOD], answer[65536];
	uint8_t query[512];
	unsigned sent = 0, got = 0;
	struct path p;

	memset(seen, 0, sizeof(seen));
	path_start(&p, &o);
	while (got < FLOOD) {
		for (; sent < FLOOD && sent - got < 100; sent++) {
			char name[64];

			snprintf(name, sizeof(name), "n%u.example.", sent % 700);
			path_send(&p, query, path_query(query, (uint16_t)sent, name, TYPE_A));
		}
		if (path_receive(&p, answer, sizeof(answer), PATIENCE_MS) == 0)
			break;
		if (msg_id(answer) < FLOOD && !seen[msg_id(answer)]++)
			got++;
	}
	path_stop(&p);
	assert_int_equal(got, FLOOD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_query_is_forwarded_and_its_answer_kept),
		cmocka_unit_test(answers_of_a_server_are_matched_and_fitted),
		cmocka_unit_test(a_silent_server_is_a_timeout_after_its_second),
		cmocka_unit_test(what_is_no_query_is_counted_and_dropped),
		cmocka_unit_test(what_is_forwarded_differs_in_the_id_alone),
		cmocka_unit_test(without_a_server_the_answer_is_servfail),
		cmocka_unit_test(a_removed_server_ends_what_it_has),
		cmocka_unit_test(a_wildcard_answers_from_the_address_that_was_asked),
		cmocka_unit_test(many_queries_at_once_are_all_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
