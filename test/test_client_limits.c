/* What one client may do over TCP, with a clock of our own. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/mem.h"
#include "workers/client_limits.h"

#define SECOND UINT64_C(1000000)
#define MINUTE (60 * SECOND)

static struct client_limits *limits;

static struct settings plain(void)
{
	return (struct settings){.tcp_rate_interval_min = 5,
				 .tcp_ban_rate_s = 10,
				 .tcp_ban_read_ios_s = 60,
				 .tcp_mask_v4 = 32,
				 .tcp_mask_v6 = 128,
				 .tcp_overload_percent = 90};
}

static struct addr addr_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, 1000, &a, NULL), 0);
	return a;
}

static enum client_verdict enter(const struct settings *s, const char *text, uint64_t now_us,
				 struct client_slot **slot)
{
	struct addr a = addr_of(text);

	return client_enter(limits, s, &a, now_us, slot);
}

static int fresh(void **state)
{
	(void)state;
	hash_init(7);
	limits = mem_lines(sizeof(*limits));
	return 0;
}

static int over(void **state)
{
	(void)state;
	free(limits);
	return 0;
}

static void without_limits_nothing_is_counted(void **state)
{
	struct settings s = plain();
	struct client_slot *slot;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(enter(&s, "192.0.2.1", MINUTE, &slot), CLIENT_WELCOME);
		assert_null(slot);
	}
}

static void connections_at_a_time_are_limited(void **state)
{
	struct settings s = plain();
	struct client_slot *slot[12], *refused;

	(void)state;
	s.tcp_max_per_client = 10;
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(enter(&s, "192.0.2.1", MINUTE, &slot[i]),
				 i < 9 ? CLIENT_WELCOME : CLIENT_RESTRICTED);
	assert_int_equal(enter(&s, "192.0.2.1", MINUTE, &refused), CLIENT_TOO_MANY);
	assert_null(refused);
	assert_int_equal(enter(&s, "192.0.2.2", MINUTE, &slot[10]), CLIENT_WELCOME);
	client_leave(slot[3]);
	assert_int_equal(enter(&s, "192.0.2.1", MINUTE, &slot[3]), CLIENT_RESTRICTED);
	s.tcp_overload_percent = 0;
	client_leave(slot[4]);
	assert_int_equal(enter(&s, "192.0.2.1", MINUTE, &slot[4]), CLIENT_WELCOME);
}

static const struct {
	const char *label, *first, *second;
	unsigned mask_v4, mask_v6, port_bits;
	bool same;
} groups[] = {
	{"full IPv4", "192.0.2.1", "192.0.2.2", 32, 128, 0, false},
	{"port does not count", "192.0.2.1:1000", "192.0.2.1:50000", 32, 128, 0, true},
	{"IPv4 prefix", "192.0.2.1", "192.0.2.200", 24, 128, 0, true},
	{"another prefix", "192.0.2.1", "192.0.3.1", 24, 128, 0, false},
	{"IPv6 prefix", "2001:db8::1", "2001:db8::ffff:1", 32, 64, 0, true},
	{"full IPv6", "2001:db8::1", "2001:db8::2", 32, 128, 0, false},
	{"leading port bits differ", "192.0.2.1:1000", "192.0.2.1:50000", 32, 128, 1, false},
	{"leading port bits agree", "192.0.2.1:50000", "192.0.2.1:50001", 32, 128, 8, true},
	{"ports need a full mask", "192.0.2.1:1000", "192.0.2.1:50000", 24, 128, 16, true},
};

static void clients_are_grouped_by_mask(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
		struct settings s = plain();
		struct client_slot *a, *b;
		enum client_verdict v;

		s.tcp_max_per_client = 1;
		s.tcp_overload_percent = 0;
		s.tcp_mask_v4 = groups[i].mask_v4;
		s.tcp_mask_v6 = groups[i].mask_v6;
		s.tcp_mask_v4_port = groups[i].port_bits;
		enter(&s, groups[i].first, MINUTE, &a);
		v = enter(&s, groups[i].second, MINUTE, &b);
		client_leave(a);
		client_leave(b);
		if (v != (groups[i].same ? CLIENT_TOO_MANY : CLIENT_WELCOME))
			fail_msg("%s: verdict %d", groups[i].label, v);
	}
}

/* How many of n connections, step_us apart, are let in. */
static unsigned let_in(const struct settings *s, uint64_t from_us, unsigned n, uint64_t step_us)
{
	unsigned in = 0;

	for (unsigned i = 0; i < n; i++) {
		struct client_slot *slot;

		if (enter(s, "192.0.2.1", from_us + i * step_us, &slot) == CLIENT_WELCOME)
			in++;
		client_leave(slot);
	}
	return in;
}

static void rate_is_an_average_over_the_interval(void **state)
{
	struct settings s = plain();

	(void)state;
	s.tcp_rate_per_client = 1;
	s.tcp_rate_interval_min = 1;
	s.tcp_ban_rate_s = 0;
	assert_int_equal(let_in(&s, 100 * MINUTE, 100, 1), 60); /* a burst is within the average */
	assert_int_equal(let_in(&s, 100 * MINUTE + 30 * SECOND, 10, 1), 0);
	/* half of the burst's interval still overlaps */
	assert_int_equal(let_in(&s, 101 * MINUTE + 30 * SECOND, 100, 0), 30);
	assert_int_equal(let_in(&s, 110 * MINUTE, 100, 1), 60);
}

static void steady_rate_below_the_limit_is_never_refused(void **state)
{
	struct settings s = plain();

	(void)state;
	s.tcp_rate_per_client = 10;
	assert_int_equal(let_in(&s, 1000 * MINUTE, 20000, SECOND / 10 + SECOND / 1000), 20000);
}

static void exceeding_the_rate_bans(void **state)
{
	struct settings s = plain();
	struct client_slot *slot;
	uint64_t now = 100 * MINUTE;

	(void)state;
	s.tcp_rate_per_client = 1;
	s.tcp_rate_interval_min = 1;
	let_in(&s, now, 60, 0);
	assert_int_equal(enter(&s, "192.0.2.1", now, &slot), CLIENT_TOO_FAST);
	assert_int_equal(enter(&s, "192.0.2.1", now + 9 * SECOND, &slot), CLIENT_BANNED);
	assert_int_equal(enter(&s, "192.0.2.2", now + 9 * SECOND, &slot), CLIENT_WELCOME);
	client_leave(slot);
	assert_int_equal(enter(&s, "192.0.2.1", now + 5 * MINUTE, &slot), CLIENT_WELCOME);
	client_leave(slot);
}

static void ban_ends_by_itself(void **state)
{
	struct settings s = plain();
	struct addr a = addr_of("192.0.2.1");
	struct client_slot *slot;

	(void)state;
	client_ban(limits, &s, &a, 60, MINUTE);
	assert_int_equal(enter(&s, "192.0.2.1", MINUTE + 59 * SECOND, &slot), CLIENT_BANNED);
	assert_int_equal(enter(&s, "192.0.2.9", MINUTE + 59 * SECOND, &slot), CLIENT_WELCOME);
	client_leave(slot);
	assert_int_equal(enter(&s, "192.0.2.1", MINUTE + 60 * SECOND, &slot), CLIENT_WELCOME);
	client_ban(limits, &s, &a, 0, 2 * MINUTE);
	assert_int_equal(enter(&s, "192.0.2.1", 2 * MINUTE, &slot), CLIENT_WELCOME);
}

/* More clients than slots: all are let in, those with connections open keep being counted. */
static void full_table_forgets_the_idle_only(void **state)
{
	struct settings s = plain();
	struct client_slot *held, *slot;
	unsigned refused = 0;

	(void)state;
	s.tcp_max_per_client = 1;
	s.tcp_overload_percent = 0;
	assert_int_equal(enter(&s, "192.0.2.1", MINUTE, &held), CLIENT_WELCOME);
	for (uint32_t i = 0; i < 4 * CLIENT_SLOTS; i++) {
		struct addr a = addr_of("10.0.0.0");

		a.v4.sin_addr.s_addr = htonl(0x0a000000 + i);
		if (client_enter(limits, &s, &a, MINUTE, &slot) != CLIENT_WELCOME)
			refused++;
		client_leave(slot);
	}
	assert_int_equal(refused, 0);
	assert_int_equal(enter(&s, "192.0.2.1", MINUTE, &slot), CLIENT_TOO_MANY);
	client_leave(held);
	assert_int_equal(enter(&s, "192.0.2.1", MINUTE, &slot), CLIENT_WELCOME);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(without_limits_nothing_is_counted, fresh, over),
		cmocka_unit_test_setup_teardown(connections_at_a_time_are_limited, fresh, over),
		cmocka_unit_test_setup_teardown(clients_are_grouped_by_mask, fresh, over),
		cmocka_unit_test_setup_teardown(rate_is_an_average_over_the_interval, fresh, over),
		cmocka_unit_test_setup_teardown(steady_rate_below_the_limit_is_never_refused, fresh,
						over),
		cmocka_unit_test_setup_teardown(exceeding_the_rate_bans, fresh, over),
		cmocka_unit_test_setup_teardown(ban_ends_by_itself, fresh, over),
		cmocka_unit_test_setup_teardown(full_table_forgets_the_idle_only, fresh, over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
