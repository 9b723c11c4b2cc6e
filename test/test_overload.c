/* Who is let in while too much comes, on a clock of our own. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "rules/overload.h"

#define MS     UINT64_C(1000)
#define SECOND (1000 * MS)
#define STEP   MS /* what happens in a millisecond comes at once */

static uint64_t now_us = 1000 * SECOND;

static struct addr addr_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, 0, &a, NULL), 0);
	return a;
}

static struct addr v4(uint32_t n)
{
	return (struct addr){.v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(n)}};
}

static int make(void **state)
{
	now_us = 1000 * SECOND;
	*state = overload_new(now_us);
	return 0;
}

static int done(void **state)
{
	overload_free(*state);
	return 0;
}

/* One that sends n datagrams a second from addresses that follow each other in turn. */
struct source {
	struct addr first;
	uint32_t n_addresses, stride;
	double rate;
	double due;
	uint32_t at;
	uint64_t sent, let_in;
};

static struct source from(const char *first, double rate)
{
	return (struct source){.first = addr_of(first), .n_addresses = 1, .rate = rate};
}

static struct source from_many(const char *first, uint32_t n, uint32_t stride, double rate)
{
	return (struct source){addr_of(first), n, stride, rate, 0, 0, 0, 0};
}

static void send_one(struct overload *o, struct source *s)
{
	struct addr a = s->first;

	if (a.sa.sa_family == AF_INET)
		a = v4(ntohl(a.v4.sin_addr.s_addr) + s->at * s->stride);
	s->at = (s->at + 1) % s->n_addresses;
	s->sent++;
	s->let_in += overload_admits(o, &a, now_us);
}

/*
 * A worker that takes in so many a second: when more were let in, its buffer stays full. Sources
 * take turns, as datagrams do.
 */
static void run(struct overload *o, struct source **sources, unsigned n, uint64_t us,
		double capacity)
{
	static uint64_t since_us;
	double behind = 0;

	for (unsigned i = 0; i < n; i++)
		sources[i]->sent = sources[i]->let_in = 0;
	since_us = 0;
	for (uint64_t end = now_us + us; now_us < end; now_us += STEP) {
		uint64_t let_in = 0;
		double sent = 0;

		for (unsigned i = 0; i < n; i++) {
			uint64_t before = sources[i]->let_in;

			sources[i]->due += sources[i]->rate * STEP / SECOND;
			sent += sources[i]->due;
			overload_batch(o, sent > 16 ? 64 : (unsigned)sent);
			for (; sources[i]->due >= 1; sources[i]->due--)
				send_one(o, sources[i]);
			let_in += sources[i]->let_in - before;
		}
		behind += (double)let_in - capacity * STEP / SECOND;
		if (behind <= 0) {
			behind = 0;
			since_us = 0;
		} else {
			since_us = since_us ? since_us : now_us;
			overload_pressed(o, since_us, now_us);
			behind = 0; /* the kernel has lost the rest */
		}
	}
}

#define RUN(o, us, capacity, ...)                                        \
	do {                                                             \
		struct source *all[] = {__VA_ARGS__};                    \
		run(o, all, sizeof(all) / sizeof(all[0]), us, capacity); \
	} while (0)

static double share(const struct source *s)
{
	assert_true(s->sent > 0);
	return (double)s->let_in / (double)s->sent;
}

#define CAPACITY 100000 /* datagrams a second */

/* 200 clients in networks of their own, as many queries as a small office. */
static struct source honest(void)
{
	return from_many("192.168.0.7", 200, 256, 1000);
}

static void test_all_is_let_in_while_all_goes_well(void **state)
{
	struct source h = honest(), one = from("203.0.113.1", 50000);

	RUN(*state, 5 * SECOND, CAPACITY, &h, &one);
	assert_false(overload_is_on(*state));
	assert_int_equal(h.sent, h.let_in);
	assert_int_equal(one.sent, one.let_in);
}

static void test_one_network_floods(void **state)
{
	struct source h = honest(), one = from("203.0.113.1", 1000000);

	RUN(*state, 3 * SECOND, CAPACITY, &h);
	RUN(*state, 100 * MS, CAPACITY, &h, &one);
	assert_true(overload_is_on(*state));
	assert_int_equal(h.sent, h.let_in);
	RUN(*state, 5 * SECOND, CAPACITY, &h, &one);
	assert_int_equal(h.sent, h.let_in);
	assert_true(one.let_in <= CAPACITY * 5 * 1.2);
}

/* More networks than the table has room for. */
static void test_100000_networks_flood(void **state)
{
	struct source h = honest(), many = from_many("10.0.0.1", 100000, 256, 1000000);

	RUN(*state, 3 * SECOND, CAPACITY, &h);
	RUN(*state, 200 * MS, CAPACITY, &h, &many);
	RUN(*state, 5 * SECOND, CAPACITY, &h, &many);
	assert_true(share(&h) > 0.97);
	assert_true(share(&many) < 0.15);
	/* no more is refused than must be: it finds the level again and again */
	assert_true(many.let_in > CAPACITY * 5 * 0.3);
}

/* Its networks are no more than the table takes: then each is known to be new. */
static void test_1000_networks_flood(void **state)
{
	struct source h = honest(), many = from_many("10.0.0.1", 256000, 1, 1000000);

	RUN(*state, 3 * SECOND, CAPACITY, &h);
	RUN(*state, 200 * MS, CAPACITY, &h, &many);
	RUN(*state, 5 * SECOND, CAPACITY, &h, &many);
	assert_int_equal(h.sent, h.let_in);
	assert_true(share(&many) < 0.15);
}

static void test_a_large_forwarder_keeps_its_share(void **state)
{
	struct source h = honest(), forwarder = from("198.51.100.4", 20000);
	struct source other = from("203.0.113.4", 30000);
	struct source many = from_many("10.0.0.1", 50000, 256, 1000000);

	/* some seconds of it are enough to know what is usual */
	RUN(*state, 4 * SECOND, CAPACITY, &h, &forwarder, &other);
	RUN(*state, 5 * SECOND, CAPACITY, &h, &forwarder, &other, &many);
	assert_true(overload_is_on(*state));
	assert_true(share(&forwarder) > 0.999);
	assert_true(share(&h) > 0.85); /* of ten queries of each, one in four was counted */
	/* but not any more than twice what is usual when there is no room for it */
	forwarder.rate = 80000;
	RUN(*state, 5 * SECOND, CAPACITY / 2, &h, &forwarder, &other, &many);
	assert_in_range((uint64_t)(share(&forwarder) * 100), 35, 55);
	assert_true(share(&other) > 0.999);
}

static void test_a_balancer_in_front_is_never_refused(void **state)
{
	struct source h = honest(), balancer = from("198.51.100.4", 20000);

	RUN(*state, 3 * SECOND, CAPACITY, &h, &balancer);
	balancer.rate = 500000;
	RUN(*state, 3 * SECOND, CAPACITY, &h, &balancer);
	assert_true(overload_is_on(*state));
	assert_int_equal(balancer.sent, balancer.let_in);
	assert_int_equal(h.sent, h.let_in);
}

/* A worker whose queries cost much is behind later than a flood begins. */
static void test_its_beginning_is_not_usual_either(void **state)
{
	struct source few = from_many("192.168.0.7", 20, 256, 100), one = from("203.0.113.1", 4000);

	RUN(*state, 3 * SECOND, CAPACITY, &few);
	RUN(*state, 250 * MS, CAPACITY, &few, &one);
	assert_int_equal(one.sent, one.let_in);
	one.rate = 40000;
	RUN(*state, 500 * MS, 4000, &few, &one);
	RUN(*state, 5 * SECOND, 4000, &few, &one);
	assert_int_equal(few.sent, few.let_in);
	assert_true(share(&one) < 0.15);
}

/* It is those who were there before that ask a little too much. */
static void test_too_much_of_the_usual(void **state)
{
	struct source usual = from_many("198.51.0.4", 8, 256, 80000);
	struct source new = from_many("192.168.0.7", 50, 256, 250);

	RUN(*state, 3 * SECOND, CAPACITY, &usual);
	usual.rate = 110000;
	RUN(*state, SECOND, CAPACITY, &usual);
	assert_true(overload_is_on(*state));
	RUN(*state, 5 * SECOND, CAPACITY, &usual, &new);
	assert_int_equal(usual.sent, usual.let_in);
	assert_int_equal(new.sent, new.let_in);
}

static void test_newcomers_beside_a_flood(void **state)
{
	struct source h = honest(), one = from("203.0.113.1", 1000000);
	struct source new = from_many("172.16.0.7", 50, 256, 250);

	RUN(*state, 3 * SECOND, CAPACITY, &h);
	RUN(*state, 5 * SECOND, 500, &h, &one, &new); /* whatever is refused */
	assert_int_equal(new.sent, new.let_in);
	assert_int_equal(h.sent, h.let_in);
	assert_true(share(&one) < 0.01);
}

static void test_neighbours_do_not_pay(void **state)
{
	struct source office = from_many("192.0.2.10", 100, 1, 500), busy = from("192.0.2.5", 5000);
	struct source flood = from("192.0.2.200", 1000000);

	RUN(*state, 10 * SECOND, CAPACITY, &office, &busy);
	RUN(*state, 300 * MS, CAPACITY, &office, &busy, &flood);
	RUN(*state, 5 * SECOND, CAPACITY, &office, &busy, &flood);
	assert_true(share(&office) > 0.99);
	assert_true(share(&busy) > 0.95);
	assert_true(share(&flood) < 0.15);
}

static void test_families(void **state)
{
	struct source site = from("2001:db8:1:203::1", 3000),
		      same = from("2001:db8:1:2ff::9", 2000);
	struct source other = from("2001:db8:1:300::1", 3000);
	struct source v4 = from("198.51.100.1", 3000), mapped = from("::ffff:198.51.100.99", 2000);
	struct source flood = from_many("10.0.0.1", 50000, 256, 1000000);

	RUN(*state, 3 * SECOND, CAPACITY, &site, &v4);
	RUN(*state, 300 * MS, CAPACITY, &site, &v4, &flood);
	RUN(*state, 3 * SECOND, CAPACITY, &site, &v4, &same, &mapped, &other, &flood);
	/* within twice the usual of one /56 and one /24 */
	assert_true(share(&site) > 0.98);
	assert_true(share(&same) > 0.98);
	assert_true(share(&v4) > 0.98);
	assert_true(share(&mapped) > 0.98);
	assert_true(share(&other) < 0.5);
}

static void test_a_burst_is_nobodys_fault(void **state)
{
	struct source h = honest(), burst = from("203.0.113.1", 1000000);

	RUN(*state, 3 * SECOND, CAPACITY, &h);
	for (unsigned i = 0; i < 20; i++) {
		RUN(*state, 15 * MS, CAPACITY, &h, &burst);
		assert_false(overload_is_on(*state));
		assert_int_equal(burst.sent, burst.let_in);
		RUN(*state, 200 * MS, CAPACITY, &h);
	}
	RUN(*state, 25 * MS, CAPACITY, &h, &burst);
	assert_true(overload_is_on(*state));
}

/* A server that serves nobody yet is being measured. */
static void test_nobody_to_be_protected(void **state)
{
	struct source one = from("127.0.0.1", 1000000), few = from("192.0.2.1", 20);

	RUN(*state, 3 * SECOND, CAPACITY, &one);
	assert_int_equal(one.sent, one.let_in);
	RUN(*state, 3 * SECOND, CAPACITY, &few);
	RUN(*state, 3 * SECOND, CAPACITY, &one, &few);
	assert_int_equal(one.sent, one.let_in);
	assert_false(overload_is_on(*state));
}

static void test_too_young_to_know(void **state)
{
	struct source h = honest(), one = from("203.0.113.1", 1000000);

	RUN(*state, 900 * MS, CAPACITY, &h);
	RUN(*state, 500 * MS, CAPACITY, &h, &one);
	assert_false(overload_is_on(*state));
	RUN(*state, 300 * MS, CAPACITY, &h);
	RUN(*state, 500 * MS, CAPACITY, &h, &one);
	assert_true(overload_is_on(*state));
}

static void test_it_ends_and_an_attack_is_nobodys_usual(void **state)
{
	struct source h = honest(), one = from("203.0.113.1", 1000000);

	RUN(*state, 3 * SECOND, CAPACITY, &h);
	for (unsigned i = 0; i < 3; i++) {
		RUN(*state, 8 * SECOND, CAPACITY, &h, &one);
		assert_int_equal(h.sent, h.let_in);
		assert_true(share(&one) < 0.15);
		RUN(*state, 1500 * MS, CAPACITY, &h);
		assert_false(overload_is_on(*state));
		assert_int_equal(h.sent, h.let_in);
	}
	/* what it may send when all goes well is its own business */
	one.rate = 50000;
	RUN(*state, 10 * SECOND, CAPACITY, &h, &one);
	assert_int_equal(one.sent, one.let_in);
}

static void test_who_is_silent_for_long_is_new(void **state)
{
	struct source h = honest(), now_and_then = from("203.0.113.1", 100);
	struct source flood = from_many("10.0.0.1", 50000, 256, 1000000);

	RUN(*state, 3 * SECOND, CAPACITY, &h, &now_and_then);
	RUN(*state, 40 * SECOND, CAPACITY, &h);
	RUN(*state, 500 * MS, CAPACITY, &h, &flood);
	RUN(*state, 3 * SECOND, CAPACITY, &h, &flood, &now_and_then);
	assert_true(share(&now_and_then) < 0.5);
	assert_true(share(&h) > 0.97);
	/* hours later nothing is left of all that */
	now_us += 3600 * SECOND;
	RUN(*state, 3 * SECOND, CAPACITY, &h, &now_and_then);
	assert_false(overload_is_on(*state));
	assert_int_equal(now_and_then.sent, now_and_then.let_in);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, make, done)
	const struct CMUnitTest tests[] = {
		ROW(test_all_is_let_in_while_all_goes_well),
		ROW(test_one_network_floods),
		ROW(test_100000_networks_flood),
		ROW(test_1000_networks_flood),
		ROW(test_a_large_forwarder_keeps_its_share),
		ROW(test_a_balancer_in_front_is_never_refused),
		ROW(test_its_beginning_is_not_usual_either),
		ROW(test_too_much_of_the_usual),
		ROW(test_newcomers_beside_a_flood),
		ROW(test_neighbours_do_not_pay),
		ROW(test_families),
		ROW(test_a_burst_is_nobodys_fault),
		ROW(test_nobody_to_be_protected),
		ROW(test_too_young_to_know),
		ROW(test_it_ends_and_an_attack_is_nobodys_usual),
		ROW(test_who_is_silent_for_long_is_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
