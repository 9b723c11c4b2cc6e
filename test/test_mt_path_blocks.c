/* Dynamic blocks in the way of queries through running workers. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "rules/dynblocks.h"
#include "test/path_rules.h"
#include "workers/slab.h"

#define SILENCE_MS 300

struct got {
	size_t len;
	uint16_t flags;
	uint64_t blocked, self, dropped; /* by how much these counters grew */
	uint64_t blocks;                 /* of the block itself */
	bool forwarded, had_rd;
};

static struct dynblock_new block_of(const struct path *p, bool by_name, unsigned action)
{
	static const uint8_t name[] = "\7example";

	return (struct dynblock_new){
		.addr = p->listen,
		.bits = 32,
		.name = by_name ? name : NULL,
		.name_len = sizeof(name),
		.reason = "test",
		.seconds = 600,
		.action = (uint8_t)action,
		.quiet = true,
		.tag_name = "tag",
		.tag_value = "value",
	};
}

static void keep_count(void *ctx, const struct dynblock_view *b)
{
	*(uint64_t *)ctx = b->blocks;
}

static size_t ask_udp(struct path *p, const uint8_t *query, size_t len, uint8_t *answer,
		      int wait_ms)
{
	path_send(p, query, len);
	return path_receive(p, answer, 512, wait_ms);
}

/* 0: the connection is closed without an answer. */
static size_t ask_tcp(struct path *p, const uint8_t *query, size_t len, uint8_t *answer)
{
	uint8_t out[514], in[514];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ssize_t n = 0;

	put_u16(out, (uint16_t)len);
	memcpy(out + 2, query, len);
	if (connect(fd, &p->listen.sa, sizeof(p->listen.v4)) < 0 ||
	    send(fd, out, len + 2, 0) != (ssize_t)len + 2)
		abort();
	n = recv(fd, in, sizeof(in), 0);
	close(fd);
	if (n <= 2)
		return 0;
	memcpy(answer, in + 2, (size_t)n - 2);
	return (size_t)n - 2;
}

static struct got ask(struct path *p, bool tcp, int wait_ms)
{
	unsigned asked = atomic_load(&p->resolver.queries);
	struct got got = {.blocked = stats_sum(STAT_DYN_BLOCKED),
			  .self = stats_sum(STAT_SELF_ANSWERED),
			  .dropped = stats_sum(STAT_RULE_DROP)};
	uint8_t query[512], answer[512] = {0};
	size_t len = path_query(query, 77, "plain.example.", TYPE_A);

	got.len = tcp ? ask_tcp(p, query, len, answer) : ask_udp(p, query, len, answer, wait_ms);
	got.flags = msg_flags(answer);
	got.blocked = stats_sum(STAT_DYN_BLOCKED) - got.blocked;
	got.self = stats_sum(STAT_SELF_ANSWERED) - got.self;
	got.dropped = stats_sum(STAT_RULE_DROP) - got.dropped;
	got.forwarded = atomic_load(&p->resolver.queries) > asked;
	got.had_rd = got.forwarded && (atomic_load(&p->resolver.last_flags) & DNS_RD);
	dynblocks_visit(DYNBLOCK_ADDRESS, keep_count, &got.blocks);
	dynblocks_visit(DYNBLOCK_NAME, keep_count, &got.blocks);
	return got;
}

/* All queries meet a rule that refuses, so that it shows whether rules were asked. */
static const struct {
	const char *label;
	unsigned action;
	bool tcp, answered;
	uint16_t flags;
	bool counted, forwarded, ruled;
} cases[] = {
	{"drop", DNS_ACTION_DROP, false, false, 0, true, false, false},
	{"drop, TCP", DNS_ACTION_DROP, true, false, 0, true, false, false},
	{"the default", DNS_ACTION_NONE, false, false, 0, true, false, false},
	{"ServFail drops", DNS_ACTION_SERVFAIL, false, false, 0, true, false, false},
	{"a number that is none", 100, false, false, 0, true, false, false},
	{"Nxdomain", DNS_ACTION_NXDOMAIN, false, true, DNS_QR | DNS_RD | RCODE_NXDOMAIN, true,
	 false, false},
	{"Nxdomain, TCP", DNS_ACTION_NXDOMAIN, true, true, DNS_QR | DNS_RD | RCODE_NXDOMAIN, true,
	 false, false},
	{"Refused", DNS_ACTION_REFUSED, false, true, DNS_QR | DNS_RD | RCODE_REFUSED, true, false,
	 false},
	{"Truncate", DNS_ACTION_TRUNCATE, false, true, DNS_QR | DNS_TC | DNS_RD | DNS_RA, true,
	 false, false},
	{"Truncate, TCP", DNS_ACTION_TRUNCATE, true, true, DNS_QR | DNS_RD | DNS_RA | RCODE_NOTIMP,
	 false, false, true},
	{"NoRecurse", DNS_ACTION_NO_RECURSE, false, true, DNS_QR | DNS_RD | DNS_RA, true, true,
	 false},
	{"SetTag", DNS_ACTION_SET_TAG, false, true, DNS_QR | DNS_RD | DNS_RA | RCODE_NOTIMP, true,
	 false, true},
	{"NoOp", DNS_ACTION_NOOP, false, true, DNS_QR | DNS_RD | DNS_RA | RCODE_NOTIMP, false,
	 false, true},
};

static void judge(size_t i, bool by_name, const struct got *got)
{
	const char *label = cases[i].label, *kind = by_name ? "name" : "address";

	if ((got->len > 0) != cases[i].answered || got->flags != cases[i].flags)
		fail_msg("%s, %s: %zu octets, flags %04x", label, kind, got->len, got->flags);
	if (((got->flags & DNS_RCODE_MASK) == RCODE_NOTIMP) != cases[i].ruled)
		fail_msg("%s, %s: rules %s asked", label, kind, cases[i].ruled ? "not" : "were");
	if (got->blocked != cases[i].counted || got->blocks != cases[i].counted)
		fail_msg("%s, %s: counted %d and %d", label, kind, (int)got->blocked,
			 (int)got->blocks);
	if (got->self != (cases[i].answered && !cases[i].forwarded) || got->dropped != 0)
		fail_msg("%s, %s: %d self-answered, %d dropped", label, kind, (int)got->self,
			 (int)got->dropped);
	if (got->forwarded != cases[i].forwarded || got->had_rd)
		fail_msg("%s, %s: forwarded %d, RD %d", label, kind, got->forwarded, got->had_rd);
}

/* A loaded machine may need more than the second of the fixture. */
static void patient(struct server_fixed *fixed)
{
	fixed->udp_timeout_s = 20;
}

static void each_action_does_what_it_says(void **state)
{
	static const struct path_options o = {.n_workers = 2, .server = patient};
	static struct got got[2][ARRAY_LEN(cases)];
	struct path p;
	struct err err;

	(void)state;
	path_register();
	dynblocks_start();
	path_start(&p, &o);
	path_act(CHAIN_QUERY, "RCodeAction", "rcode=4");
	for (unsigned by_name = 0; by_name < 2; by_name++) {
		for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
			struct dynblock_new new = block_of(&p, by_name, cases[i].action);

			if (dynblocks_add(&new, &err) < 0)
				abort();
			got[by_name][i] =
				ask(&p, cases[i].tcp, cases[i].answered ? PATIENCE_MS : SILENCE_MS);
			dynblocks_clear();
		}
	}
	path_stop(&p);
	dynblocks_stop();
	for (unsigned by_name = 0; by_name < 2; by_name++)
		for (size_t i = 0; i < ARRAY_LEN(cases); i++)
			judge(i, by_name, &got[by_name][i]);
}

/* As many as a worker has room for tags, and some more. */
#define TAGGED (IN_FLIGHT_MAX / 4)
#define BEYOND 200
#define BURST  32

static bool comes_to(uint64_t (*count)(struct path *p), struct path *p, uint64_t want)
{
	for (int ms = 0; ms < PATIENCE_MS && count(p) < want; ms++)
		usleep(1000);
	return count(p) >= want;
}

static uint64_t blocked(struct path *p)
{
	return stats_sum(STAT_DYN_BLOCKED);
}

static uint64_t forwarded(struct path *p)
{
	return atomic_load(&p->resolver.queries);
}

/* A query that can't have its tag might pass a rule that goes by it: it is dropped, and counted as
 * blocked. */
static void queries_without_room_for_the_tag_are_dropped(void **state)
{
	static const struct path_options o = {.n_workers = 1, .server = patient};
	struct dynblock_new new;
	uint64_t blocked_before, forwarded_before, n_blocked, n_forwarded;
	uint8_t query[512];
	struct path p;
	struct err err;

	(void)state;
	path_register();
	dynblocks_start();
	path_start(&p, &o);
	new = block_of(&p, false, DNS_ACTION_SET_TAG);
	if (dynblocks_add(&new, &err) < 0)
		abort();
	blocked_before = blocked(&p);
	forwarded_before = forwarded(&p);
	for (unsigned i = 0; i < TAGGED + BEYOND; i++) {
		path_send(&p, query, path_query(query, (uint16_t)i, "silent.example.", TYPE_A));
		if (i % BURST == 0 && !comes_to(blocked, &p, blocked_before + i + 1))
			break; /* the socket's buffer is not to overflow */
	}
	comes_to(blocked, &p, blocked_before + TAGGED + BEYOND);
	comes_to(forwarded, &p, forwarded_before + TAGGED);
	n_blocked = blocked(&p) - blocked_before;
	n_forwarded = forwarded(&p) - forwarded_before;
	path_stop(&p);
	dynblocks_stop();
	assert_int_equal(n_blocked, TAGGED + BEYOND);
	assert_int_equal(n_forwarded, TAGGED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_action_does_what_it_says),
		cmocka_unit_test(queries_without_room_for_the_tag_are_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
