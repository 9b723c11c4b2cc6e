/* Health checks by running workers: what is good, what is bad and why, what Lua's hooks say, lazy
 * servers. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "test/stream_fixture.h"

#define PATIENCE_MS 8000

/* What the next server is like, and what the hooks saw. */
static struct {
	const char *name; /* of the check */
	bool tcp, nowhere, must_resolve, with_function, with_validator, lazy;
	struct stream_server server;
	unsigned ups, downs, firsts, asked;
	bool function_ok, validator_ok;
	const char *ask_instead; /* by the function; NULL: the default */
	size_t validated;
} now;

static void edit_server(struct server_fixed *f)
{
	f->check_name_len = (uint16_t)name_parse(now.name, f->check_name, NULL);
	f->check_tcp = now.tcp;
	f->must_resolve = now.must_resolve;
	f->check_function = now.with_function ? 1 : -1;
	f->check_validator = now.with_validator ? 1 : -1;
	if (now.tcp)
		f->addr = now.server.addr;
	if (now.nowhere)
		addr_set_port(&f->addr, 1);
}

static void edit_def(struct server_def *d)
{
	d->force = SERVER_AUTO;
	d->health.timeout_ms = 300;
	d->health.mode = now.lazy ? HEALTH_LAZY : HEALTH_ACTIVE;
}

static void on_change(struct server *s, bool up, bool first)
{
	(void)s;
	now.ups += up;
	now.downs += !up;
	now.firsts += first;
}

static bool on_function(struct server *s, struct check_question *q)
{
	(void)s;
	now.asked++;
	if (now.ask_instead != NULL)
		q->name_len = (uint16_t)name_parse(now.ask_instead, q->name, NULL);
	return now.function_ok;
}

static bool on_validator(struct server *s, const uint8_t *answer, size_t len)
{
	(void)s;
	(void)answer;
	now.validated = len;
	return now.validator_ok;
}

static const struct workers_hooks hooks = {on_change, on_function, on_validator};

static const struct path_options checked = {
	.n_workers = 2, .server = edit_server, .def = edit_def, .hooks = &hooks};

static void start(struct path *p)
{
	stream_server_start(&now.server);
	path_start(p, &checked);
}

static void stop(struct path *p)
{
	path_stop(p);
	stream_server_stop(&now.server);
}

static bool is_up(const struct path *p)
{
	return atomic_load(&p->server->up);
}

/* The control thread's part, until what() or patience ends. */
#define DRAIN_UNTIL(what)                                                         \
	for (unsigned waited_ = 0; !(what) && waited_ < PATIENCE_MS; waited_++) { \
		workers_drain();                                                  \
		usleep(1000);                                                     \
	}

#define COUNTER(field) offsetof(struct server_counters, field)
#define NONE           ((size_t)-1)

static const struct {
	const char *label, *name;
	bool tcp, nowhere;
	size_t failure; /* the counter of the reason; NONE: it is up */
} cases[] = {
	{"good", "plain.example.", false, false, NONE},
	{"too large for UDP, truncated", "big.example.", false, false, NONE},
	{"no answer", "silent.example.", false, false, COUNTER(check_timeout)},
	{"SERVFAIL", "servfail.example.", false, false, COUNTER(check_invalid)},
	{"another ID", "wrongid.example.", false, false, COUNTER(check_mismatch)},
	{"another name", "wrongname.example.", false, false, COUNTER(check_mismatch)},
	{"cut short", "garbage.example.", false, false, COUNTER(check_parsing)},
	{"nobody there", "plain.example.", false, true, COUNTER(check_network)},
	{"good over TCP", "plain.example.", true, false, NONE},
	{"octet by octet", "octets.example.", true, false, NONE},
	{"closed after the answer", "last.example.", true, false, NONE},
	{"closed instead of an answer", "hangup.example.", true, false, COUNTER(check_network)},
	{"no answer over TCP", "hold.example.", true, false, COUNTER(check_timeout)},
	{"another ID over TCP", "wrongid.example.", true, false, COUNTER(check_mismatch)},
	{"nobody there over TCP", "plain.example.", true, true, COUNTER(check_network)},
};

static void first_check_decides_and_says_why(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t failures, reason;
		struct path p;
		bool up;

		memset(&now, 0, sizeof(now));
		now.name = cases[i].name;
		now.tcp = cases[i].tcp;
		now.nowhere = cases[i].nowhere;
		start(&p);
		DRAIN_UNTIL(now.firsts > 0);
		up = is_up(&p);
		failures = server_sum(p.server, COUNTER(check_failures));
		reason = cases[i].failure == NONE ? 0 : server_sum(p.server, cases[i].failure);
		stop(&p);
		if (now.firsts != 1 || up != (cases[i].failure == NONE) || (failures > 0) == up ||
		    (reason > 0) == up)
			fail_msg("%s: %u first results, up %d, %llu failures, %llu of the reason",
				 cases[i].label, now.firsts, up, (unsigned long long)failures,
				 (unsigned long long)reason);
		assert_int_equal(now.ups, up);
		assert_int_equal(now.downs, !up);
	}
}

static const struct {
	const char *label;
	bool with_function, function_ok, with_validator, validator_ok;
	const char *ask_instead;
	bool up;
} hooked[] = {
	{"function leaves the question", true, true, false, false, NULL, false},
	{"function asks another", true, true, false, false, "plain.example.", true},
	{"function fails", true, false, false, false, "plain.example.", false},
	{"validator agrees", true, true, true, true, "plain.example.", true},
	{"validator does not", true, true, true, false, "plain.example.", false},
};

static void hooks_have_their_say(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(hooked); i++) {
		struct path p;
		bool up;

		memset(&now, 0, sizeof(now));
		now.name = "servfail.example.";
		now.with_function = hooked[i].with_function;
		now.function_ok = hooked[i].function_ok;
		now.with_validator = hooked[i].with_validator;
		now.validator_ok = hooked[i].validator_ok;
		now.ask_instead = hooked[i].ask_instead;
		start(&p);
		DRAIN_UNTIL(now.firsts > 0);
		up = is_up(&p);
		stop(&p);
		if (up != hooked[i].up || now.asked == 0)
			fail_msg("%s: up %d, asked %u times", hooked[i].label, up, now.asked);
		assert_true((now.validated > 0) == hooked[i].with_validator);
	}
}

static void server_goes_down_and_comes_back(void **state)
{
	struct path p;
	unsigned downs, ups, changes;

	(void)state;
	memset(&now, 0, sizeof(now));
	now.name = "plain.example.";
	now.with_function = now.function_ok = true;
	start(&p);
	DRAIN_UNTIL(now.firsts > 0);
	now.ask_instead = "servfail.example.";
	DRAIN_UNTIL(now.downs > 0);
	downs = now.downs;
	assert_false(is_up(&p));
	now.ask_instead = NULL;
	DRAIN_UNTIL(now.ups > 1);
	ups = now.ups;
	changes = now.ups + now.downs;
	stop(&p);
	assert_int_equal(downs, 1);
	assert_int_equal(ups, 2);
	assert_int_equal(changes, 3);
}

static void operator_sets_the_status_until_the_next_check(void **state)
{
	bool was_down = false;
	struct path p;

	(void)state;
	memset(&now, 0, sizeof(now));
	now.name = "plain.example.";
	start(&p);
	DRAIN_UNTIL(now.firsts > 0);
	workers_set_server_status(p.server, false);
	DRAIN_UNTIL((was_down |= !is_up(&p)));
	DRAIN_UNTIL(is_up(&p));
	stop(&p);
	assert_true(was_down);
	assert_int_equal(now.ups, 2);
}

/* A lazy server is up unasked; queries that fail, seen by either worker, bring a check at once. */
static void lazy_server_is_checked_when_queries_fail(void **state)
{
	unsigned before, clients = 8;
	uint64_t checks_failed;
	uint8_t query[512];
	struct path p;
	bool was_up;

	(void)state;
	memset(&now, 0, sizeof(now));
	now.name = "silent.check.example.";
	now.lazy = true;
	start(&p);
	DRAIN_UNTIL(is_up(&p));
	was_up = is_up(&p);
	usleep(1200000); /* more than a round */
	before = atomic_load(&p.resolver.queries);
	/* source ports that fall to both workers */
	for (unsigned i = 0; i < clients; i++) {
		int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		sendto(fd, query, path_query(query, 1, "silent.query.example.", TYPE_A), 0,
		       &p.listen.sa, sizeof(p.listen.v4));
		close(fd);
	}
	DRAIN_UNTIL(now.downs > 0);
	checks_failed = server_sum(p.server, COUNTER(check_timeout));
	stop(&p);
	assert_true(was_up);
	assert_int_equal(before, 0);
	assert_int_equal(now.downs, 1);
	assert_true(checks_failed >= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_check_decides_and_says_why),
		cmocka_unit_test(hooks_have_their_say),
		cmocka_unit_test(server_goes_down_and_comes_back),
		cmocka_unit_test(operator_sets_the_status_until_the_next_check),
		cmocka_unit_test(lazy_server_is_checked_when_queries_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
