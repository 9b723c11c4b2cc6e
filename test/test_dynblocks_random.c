/* Dynamic blocks against a plain list: whatever is added, extended, purged, cleared, both agree. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/hash.h"
#include "rules/dynblocks.h"

#define SECOND UINT64_C(1000000)
#define STEPS  60000
#define LIST   2000

/* One of the list: a prefix of an address and its port as text of bits, or a name. */
struct plain {
	struct dynblock_new new;
	uint8_t name[DNS_NAME_MAX];
	char reason[16];
	uint64_t expires_us;
};

static struct plain list[LIST];
static unsigned n_list;
static uint64_t seed;

static uint32_t draw(uint32_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)((seed >> 33) % below);
}

/* Few values, so that prefixes hold each other. */
static struct addr draw_addr(void)
{
	struct addr a = {.v4 = {.sin_family = AF_INET}};

	if (draw(2)) {
		a.v4.sin_addr.s_addr = htonl(0x0a000000 | draw(4) << 16 | draw(4) << 8 | draw(32));
	} else {
		a.v6.sin6_family = AF_INET6;
		a.v6.sin6_addr.s6_addr[0] = 0x20;
		a.v6.sin6_addr.s6_addr[7] = (uint8_t)draw(4);
		a.v6.sin6_addr.s6_addr[8] = (uint8_t)draw(4);
		a.v6.sin6_addr.s6_addr[15] = (uint8_t)draw(16);
	}
	addr_set_port(&a, (uint16_t)(draw(8) << 13 | draw(2)));
	return a;
}

static size_t draw_name(uint8_t name[static DNS_NAME_MAX])
{
	size_t len = 0;

	for (unsigned labels = draw(5); labels > 0; labels--) {
		name[len++] = 1;
		name[len++] = (uint8_t)((draw(2) ? 'a' : 'A') + draw(3));
	}
	name[len] = 0;
	return len + 1;
}

static void draw_block(struct plain *p)
{
	static const uint8_t v4_bits[] = {0, 8, 16, 24, 31, 32, 32, 32};
	static const uint8_t v6_bits[] = {0, 3, 48, 64, 65, 127, 128, 128};

	memset(p, 0, sizeof(*p));
	p->new.seconds = 1 + draw(30);
	p->new.warning = draw(4) == 0;
	p->new.quiet = true;
	if (draw(3) == 0) {
		p->new.name_len = draw_name(p->name);
		return;
	}
	p->new.addr = draw_addr();
	p->new.bits = p->new.addr.sa.sa_family == AF_INET ? v4_bits[draw(8)] : v6_bits[draw(8)];
	if (p->new.bits == (p->new.addr.sa.sa_family == AF_INET ? 32 : 128) && draw(2))
		p->new.port_bits = (uint8_t)draw(17);
}

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	for (unsigned i = 0; i < bits; i++)
		if ((a[i / 8] ^ b[i / 8]) >> (7 - i % 8) & 1)
			return false;
	return true;
}

static bool in_prefix(const struct plain *p, const struct addr *a)
{
	const struct dynblock_new *n = &p->new;
	unsigned port_shift = 16u - n->port_bits;
	size_t len;

	return p->new.name_len == 0 &&
	       n->addr.sa.sa_family == a->sa.sa_family &&same_bits(addr_bytes(&n->addr, &len),
								   addr_bytes(a, &len), n->bits) &&
	       addr_port(&n->addr) >> port_shift == addr_port(a) >> port_shift;
}

static bool is_same(const struct plain *a, const struct plain *b)
{
	if (a->new.name_len || b->new.name_len)
		return a->new.name_len ==
		       b->new.name_len &&name_equal(a->name, b->name, a->new.name_len);
	return a->new.bits == b->new.bits &&
	       a->new.port_bits == b->new.port_bits &&in_prefix(a, &b->new.addr);
}

static int add_plain(const struct plain *p)
{
	unsigned i = 0;
	bool was_there;

	while (i < n_list && !is_same(&list[i], p))
		i++;
	was_there = i < n_list && list[i].expires_us > clock_mono_us();
	if (was_there && (p->new.warning == list[i].new.warning ? list[i].expires_us > p->expires_us
								: p->new.warning))
		return DYNBLOCK_KEPT;
	assert_true(i < LIST);
	n_list += i == n_list;
	if (was_there && p->new.warning == list[i].new.warning) {
		list[i] = *p;
		return DYNBLOCK_EXTENDED;
	}
	list[i] = *p;
	return DYNBLOCK_NEW;
}

static void add_both(void)
{
	static unsigned serial;
	struct plain p;
	struct err err;
	int got;

	draw_block(&p);
	snprintf(p.reason, sizeof(p.reason), "r%u", serial++);
	p.expires_us = clock_mono_us() + p.new.seconds *SECOND;
	p.new.reason = p.reason;
	p.new.name = p.new.name_len ? p.name : NULL;
	got = dynblocks_add(&p.new, &err);
	assert_int_equal(got, add_plain(&p));
}

static void compare(const struct plain *want, const struct dynblock_hit *hit)
{
	const char *got = hit ? hit->cause->text : "nothing";

	if (strcmp(got, want ? want->reason : "nothing") != 0)
		fail_msg("met %s instead of %s", got, want ? want->reason : "nothing");
}

static void ask_address(void)
{
	struct addr a = draw_addr();
	const struct plain *best = NULL;
	struct dynblock_hit hit;

	for (unsigned i = 0; i < n_list; i++) {
		unsigned length = list[i].new.bits + list[i].new.port_bits;

		if (list[i].expires_us > clock_mono_us() && in_prefix(&list[i], &a) &&
		    (!best || length > (unsigned)best->new.bits + best->new.port_bits))
			best = &list[i];
	}
	compare(best, dynblocks_find_address(&a, clock_mono_us(), &hit) ? &hit : NULL);
}

static void ask_name(void)
{
	const struct plain *best = NULL;
	uint8_t name[DNS_NAME_MAX];
	size_t len = draw_name(name);
	struct dynblock_hit hit;

	for (unsigned i = 0; i < n_list; i++)
		if (list[i].new.name_len && list[i].expires_us > clock_mono_us() &&
		    name_is_under(name, len, list[i].name, list[i].new.name_len) &&
		    (!best || list[i].new.name_len > best->new.name_len))
			best = &list[i];
	compare(best, dynblocks_find_name(name, len, clock_mono_us(), &hit) ? &hit : NULL);
}

static void forget_ended(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < n_list; i++)
		if (list[i].expires_us > clock_mono_us())
			list[n++] = list[i];
	n_list = n;
}

static void count_one(void *ctx, const struct dynblock_view *b)
{
	++*(unsigned *)ctx;
}

static void compare_numbers(void)
{
	unsigned seen = 0;

	forget_ended();
	dynblocks_visit(DYNBLOCK_ADDRESS, count_one, &seen);
	dynblocks_visit(DYNBLOCK_NAME, count_one, &seen);
	assert_int_equal(seen, n_list);
}

/* One of them in a transaction, which is dropped at times. */
static void in_transaction(void)
{
	static struct plain before[LIST];
	unsigned n_before = n_list;
	bool commit = draw(2);

	memcpy(before, list, n_list * sizeof(list[0]));
	dynblocks_begin();
	for (unsigned n = draw(20); n > 0; n--)
		add_both();
	if (draw(10) == 0) {
		dynblocks_clear();
		n_list = 0;
		add_both();
	}
	compare_numbers();
	dynblocks_end(commit);
	if (commit)
		return;
	memcpy(list, before, n_before * sizeof(list[0]));
	n_list = n_before;
}

static void step(void)
{
	switch (draw(200)) {
	case 0:
		dynblocks_clear();
		n_list = 0;
		break;
	case 1:
	case 2:
		clock_fake_advance(draw(5) * SECOND);
		dynblocks_tick(clock_mono_us(), draw(3));
		compare_numbers();
		break;
	case 3:
		in_transaction();
		break;
	default:
		if (n_list < LIST - 100)
			add_both();
		ask_address();
		ask_name();
	}
}

static void agrees_with_a_list(void **state)
{
	(void)state;
	hash_init(7);
	clock_fake(1000 * SECOND, 1700000000);
	for (seed = 1; seed < 4; seed++) {
		uint64_t first = seed;

		dynblocks_start();
		n_list = 0;
		for (unsigned i = 0; i < STEPS / 3; i++)
			step();
		dynblocks_stop();
		seed = first;
	}
	clock_fake_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_a_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
