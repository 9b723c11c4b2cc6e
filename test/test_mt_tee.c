/* Copies of queries for another server (TeeAction), over real sockets. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>

#include "core/dns/option.h"
#include "rules/tee.h"
#include "test/path_rules.h"

struct wanted {
	const char *name;
	double value;
};

static void see(void *ctx, const char *name, double value)
{
	struct wanted *w = ctx;

	if (strcmp(name, w->name) == 0)
		w->value = value;
}

static unsigned count_of(const struct action *a, const char *name)
{
	struct wanted w = {name, -1};

	a->type->stats(a->state, see, &w);
	return (unsigned)w.value;
}

/* Waits until it has got so far. */
static unsigned count_until(const struct action *a, const char *name, unsigned n)
{
	for (unsigned ms = 0; ms < PATIENCE_MS && count_of(a, name) < n; ms++)
		usleep(1000);
	return count_of(a, name);
}

/* Remembers who asked last, and what. Replies with the rcode that is the first label's length. */
struct target {
	int fd;
	struct addr addr, from;
	uint8_t last[2048];
	ssize_t len;
};

static void target_open(struct target *t)
{
	memset(t, 0, sizeof(*t));
	t->fd = loopback_socket(&t->addr, 0);
}

/* The next query is received, and answered unless len is 0. */
static void target_serve(struct target *t, size_t len)
{
	struct pollfd p = {t->fd, POLLIN, 0};
	socklen_t from_len = sizeof(t->from);
	uint8_t answer[2048];

	t->len = 0;
	if (poll(&p, 1, PATIENCE_MS) <= 0)
		return;
	t->len = recvfrom(t->fd, t->last, sizeof(t->last), 0, &t->from.sa, &from_len);
	memcpy(answer, t->last, (size_t)t->len);
	msg_set_flags(answer, DNS_QR | t->last[DNS_HEADER_LEN]);
	sendto(t->fd, answer, len < (size_t)t->len ? len : (size_t)t->len, 0, &t->from.sa,
	       sizeof(t->from.v4));
}

static struct action *tee_to(enum chain_id id, const struct target *t, const char *more)
{
	char args[128], text[ADDR_TEXT_MAX];

	snprintf(args, sizeof(args), "remote=%s%s", addr_text_port(&t->addr, text), more);
	return path_act(id, "TeeAction", args);
}

static const struct {
	const char *name, *counter;
} rcodes[] = {
	{"aa.example.", "servfails"},
	{"aaa.example.", "nxdomains"},
	{".", "noerrors"},
	{"aaaaa.example.", "refuseds"},
	{"a.example.", "other-rcode"},
	{"aaaa.example.", "other-rcode"},
};

static void answers_are_counted_and_thrown_away(void **state)
{
	static const struct path_options o = {.n_workers = 2};
	struct path p;
	struct target t;
	struct action *tee;
	unsigned counts[ARRAY_LEN(rcodes)], got = 0, more, n = ARRAY_LEN(rcodes), sums[3];

	target_open(&t);
	path_start(&p, &o);
	tee = tee_to(CHAIN_QUERY, &t, "");
	for (unsigned i = 0; i < n; i++) {
		got += path_ask_name(&p, rcodes[i].name, (uint16_t)i, false)->len > 0;
		target_serve(&t, SIZE_MAX);
		count_until(tee, "responses", i + 1);
		counts[i] = count_of(tee, rcodes[i].counter);
	}
	got += path_ask_name(&p, "a.example.", 7, false)->len > 0;
	target_serve(&t, 11); /* shorter than a header */
	count_until(tee, "recv-errors", 1);
	sums[0] = count_of(tee, "queries");
	sums[1] = count_of(tee, "responses");
	sums[2] = count_of(tee, "recv-errors");
	more = (unsigned)path_receive(&p, t.last, sizeof(t.last), 50);
	path_stop(&p);
	close(t.fd);
	for (unsigned i = 0; i < n; i++)
		if (counts[i] != (i == n - 1 ? 2 : 1))
			fail_msg("%s: %u", rcodes[i].counter, counts[i]);
	assert_int_equal(got, n + 1);
	assert_int_equal(more, 0); /* no answer of the other server came to the client */
	assert_int_equal(sums[0], n + 1);
	assert_int_equal(sums[1], n);
	assert_int_equal(sums[2], 1);
}

static bool has_subnet(const uint8_t *msg, size_t len, struct ecs *ecs)
{
	struct question q;
	struct opt opt;

	return msg_question(msg, len, &q) == 0 && msg_opt(msg, len, &q, &opt) == 0 &&
	       msg_ecs(msg, &opt, ecs) == 0 && ecs->present;
}

static void a_copy_is_as_the_query_was(void **state)
{
	static const struct path_options o = {.n_workers = 1};
	struct path p;
	struct target plain, ecs;
	struct ecs subnet[2];
	bool has[2];
	uint8_t query[512];
	size_t len = path_query(query, 0x4321, "copy.example.", TYPE_A);
	uint16_t server_len;

	target_open(&plain);
	target_open(&ecs);
	path_start(&p, &o);
	tee_to(CHAIN_QUERY, &plain, "; local=127.0.0.2; addECS=false");
	tee_to(CHAIN_QUERY, &ecs, "; addECS=true; addProxyProtocol=false");
	path_ask(&p, query, len);
	target_serve(&plain, 0);
	target_serve(&ecs, 0);
	server_len = (uint16_t)p.resolver.last_len;
	has[0] = has_subnet(plain.last, (size_t)plain.len, &subnet[0]);
	has[1] = has_subnet(ecs.last, (size_t)ecs.len, &subnet[1]);
	path_stop(&p);
	close(plain.fd);
	close(ecs.fd);
	assert_int_equal(plain.len, len);
	assert_memory_equal(plain.last, query, len);
	assert_int_equal(plain.from.v4.sin_addr.s_addr, htonl(0x7f000002));
	assert_false(has[0]);
	assert_true(has[1]);
	assert_int_equal(subnet[1].source_bits, 24);
	assert_memory_equal(subnet[1].addr, "\x7f\0\0", 3);
	assert_int_equal(server_len, len); /* what the server got is without */
}

/* Workers begin to listen a moment after the start. */
static int tcp_to(const struct path *p)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;

	for (unsigned ms = 0;; ms++) {
		rc = connect(fd, &p->listen.sa, sizeof(p->listen.v4));
		if (rc == 0 || ms == PATIENCE_MS)
			return fd;
		usleep(1000);
	}
}

static void over_streams_it_is_only_counted(void **state)
{
	static const struct path_options o = {.n_workers = 1};
	struct path p;
	struct target t;
	struct action *tee;
	uint8_t query[512] = {0};
	size_t len = path_query(query + 2, 1, "tcp.example.", TYPE_A);
	unsigned drops, queries;
	int fd;

	put_u16(query, (uint16_t)len);
	target_open(&t);
	path_start(&p, &o);
	tee = tee_to(CHAIN_QUERY, &t, "");
	fd = tcp_to(&p);
	if (send(fd, query, len + 2, 0) < 0)
		abort();
	drops = count_until(tee, "tcp-drops", 1);
	queries = count_of(tee, "queries");
	close(fd);
	path_stop(&p);
	close(t.fd);
	assert_int_equal(drops, 1);
	assert_int_equal(queries, 0);
}

static void a_server_that_is_not_there_costs_nothing_but_copies(void **state)
{
	static const struct path_options o = {.n_workers = 1};
	struct path p;
	struct target t;
	struct action *tee;
	unsigned got = 0, queries, errors;

	target_open(&t);
	close(t.fd);
	path_start(&p, &o);
	tee = tee_to(CHAIN_QUERY, &t, "");
	for (unsigned i = 0; i < 20; i++)
		got += path_ask_name(&p, "gone.example.", (uint16_t)i, false)->len > 0;
	queries = count_of(tee, "queries");
	errors = count_until(tee, "recv-errors", 1) + count_of(tee, "send-errors");
	path_stop(&p);
	assert_int_equal(got, 20);
	assert_int_equal(queries, 20);
	assert_in_range(errors, 1, 20);
}

/* A local address that this machine does not have. */
static void a_socket_that_can_not_be_opened_is_an_error_of_sending(void **state)
{
	static const struct path_options o = {.n_workers = 1};
	struct path p;
	struct target t;
	struct action *tee;
	unsigned got = 0, errors;

	target_open(&t);
	path_start(&p, &o);
	tee = tee_to(CHAIN_QUERY, &t, "; local=192.0.2.77");
	for (unsigned i = 0; i < 3; i++)
		got += path_ask_name(&p, "gone.example.", (uint16_t)i, false)->len > 0;
	errors = count_of(tee, "send-errors");
	path_stop(&p);
	close(t.fd);
	assert_int_equal(got, 3);
	assert_int_equal(errors, 3);
}

static unsigned open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

/* The action is the rule's alone: with the rule it goes, and with it the sockets of all workers. */
static void with_the_rule_its_sockets_go(void **state)
{
	static const struct path_options o = {.n_workers = 2};
	struct path p;
	struct target t;
	unsigned before, with, after = 0, got = 0;

	target_open(&t);
	path_start(&p, &o);
	path_ask_name(&p, "first.example.", 1, false);
	before = open_descriptors();
	tee_to(CHAIN_QUERY, &t, "");
	for (unsigned i = 0; i < 8; i++)
		got += path_ask_name(&p, "copy.example.", 1, false)->len > 0;
	with = open_descriptors();
	path_no_rules(CHAIN_QUERY);
	for (unsigned ms = 0; ms < PATIENCE_MS && (after = open_descriptors()) > before; ms++) {
		workers_tick();
		tables_collect();
		usleep(1000);
	}
	got += path_ask_name(&p, "after.example.", 1, false)->len > 0;
	path_stop(&p);
	close(t.fd);
	assert_int_equal(got, 9);
	assert_true(with > before);
	assert_int_equal(after, before);
}

/* Rules come and go while queries are under way. */
static void rules_come_and_go_under_load(void **state)
{
	static const struct path_options o = {.n_workers = 2};
	struct path p;
	struct target t;
	unsigned got = 0;

	target_open(&t);
	path_start(&p, &o);
	for (unsigned i = 0; i < 200; i++) {
		if (i % 4 == 0)
			tee_to(CHAIN_QUERY, &t, i % 8 == 0 ? "; addECS=true" : "");
		if (i % 8 == 7)
			path_no_rules(CHAIN_QUERY);
		if (i % 16 == 15)
			workers_tick();
		got += path_ask_name(&p, "load.example.", (uint16_t)i, false)->len > 0;
	}
	path_stop(&p);
	close(t.fd);
	assert_int_equal(got, 200);
}

static void what_can_not_be_done_is_refused(void **state)
{
	struct err err = {""};

	assert_null(action_of("TeeAction", "remote=127.0.0.1; addProxyProtocol=true", &err));
	assert_non_null(strstr(err.text, "PROXY"));
	assert_null(action_of("TeeAction", "remote=127.0.0.1; local=::1", &err));
	assert_non_null(strstr(err.text, "both"));
}

static void its_text_names_the_port(void **state)
{
	struct action *a = action_of("TeeAction", "remote=127.0.0.1", NULL);
	char *text = action_text(a);

	assert_string_equal(text, "tee to 127.0.0.1:53");
	free(text);
	action_unref(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_counted_and_thrown_away),
		cmocka_unit_test(a_copy_is_as_the_query_was),
		cmocka_unit_test(over_streams_it_is_only_counted),
		cmocka_unit_test(a_server_that_is_not_there_costs_nothing_but_copies),
		cmocka_unit_test(a_socket_that_can_not_be_opened_is_an_error_of_sending),
		cmocka_unit_test(with_the_rule_its_sockets_go),
		cmocka_unit_test(rules_come_and_go_under_load),
		cmocka_unit_test(what_can_not_be_done_is_refused),
		cmocka_unit_test(its_text_names_the_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
