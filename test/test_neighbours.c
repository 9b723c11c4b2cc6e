/* Hardware addresses of clients: the kernel's messages, and the action that tells them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sched.h>

#include "rules/neighbours.h"
#include "test/action_fixture.h"

static struct scene scene;

static int start(void **state)
{
	scene_start(&scene);
	return 0;
}

static int end(void **state)
{
	scene_end(&scene);
	return 0;
}

/* Messages of the kernel, one behind the other. */
struct dump {
	alignas(struct nlmsghdr) uint8_t buf[65536];
	size_t len;
};

static void put_attr(struct dump *d, uint16_t type, const void *data, size_t len)
{
	struct rtattr a = {(uint16_t)RTA_LENGTH(len), type};

	memcpy(d->buf + d->len, &a, sizeof(a));
	memcpy(d->buf + d->len + sizeof(a), data, len);
	d->len += RTA_SPACE(len);
}

/* An address in text, its hardware address's last octet, the interface. */
static void put_entry(struct dump *d, const char *text, uint8_t last, int ifindex, uint16_t nud,
		      size_t mac_len)
{
	size_t at = d->len, len;
	uint8_t mac[8] = {2, 0, 0, 0, 0, last};
	struct addr a;
	struct ndmsg nd = {.ndm_ifindex = ifindex, .ndm_state = nud};
	struct nlmsghdr h = {.nlmsg_type = RTM_NEWNEIGH};
	const uint8_t *addr;

	addr_parse(text, 0, &a, NULL);
	nd.ndm_family = (uint8_t)a.sa.sa_family;
	addr = addr_bytes(&a, &len);
	d->len += NLMSG_LENGTH(sizeof(nd));
	memcpy(d->buf + at + NLMSG_HDRLEN, &nd, sizeof(nd));
	put_attr(d, NDA_DST, addr, len);
	if (mac_len > 0)
		put_attr(d, NDA_LLADDR, mac, mac_len);
	h.nlmsg_len = (uint32_t)(d->len - at);
	memcpy(d->buf + at, &h, sizeof(h));
}

static void put_done(struct dump *d, uint16_t type)
{
	struct nlmsghdr h = {.nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = type};

	memcpy(d->buf + d->len, &h, sizeof(h));
	d->len += NLMSG_HDRLEN;
}

/* The last octet of the hardware address, 0: unknown. */
static unsigned find(const char *text, unsigned scope)
{
	uint8_t mac[MAC_LEN] = {0};
	struct addr a;

	addr_parse(text, 1053, &a, NULL);
	if (a.sa.sa_family == AF_INET6)
		a.v6.sin6_scope_id = scope;
	return neighbours_find(&a, mac) ? mac[5] : 0;
}

/* The last attribute is not filled up to its alignment; what lies behind the message is none of it. */
static void a_message_ends_where_it_says(void **state)
{
	static const uint8_t other[MAC_LEN] = {2, 0, 0, 0, 0, 9};
	static struct dump d;
	struct nlmsghdr h;
	size_t len;

	neighbours_need();
	neighbours_begin();
	put_entry(&d, "192.0.2.1", 1, 1, NUD_REACHABLE, MAC_LEN);
	memcpy(&h, d.buf, sizeof(h));
	len = h.nlmsg_len -= 2;
	memcpy(d.buf, &h, sizeof(h));
	put_attr(&d, NDA_LLADDR, other, sizeof(other));
	assert_true(neighbours_parse(d.buf, len));
	neighbours_publish();
	assert_int_equal(find("192.0.2.1", 0), 1);
	neighbours_need_no_more();
}

static void what_the_kernel_says_is_known(void **state)
{
	static struct dump d;

	d.len = 0;
	put_entry(&d, "192.0.2.1", 1, 2, NUD_REACHABLE, 6);
	put_entry(&d, "192.0.2.2", 2, 2, NUD_STALE, 6);
	put_entry(&d, "2001:db8::3", 3, 2, NUD_PERMANENT, 6);
	put_entry(&d, "fe80::4", 4, 2, NUD_DELAY, 6);
	put_entry(&d, "fe80::4", 5, 3, NUD_PROBE, 6);
	put_entry(&d, "192.0.2.6", 6, 2, NUD_FAILED, 6);
	put_entry(&d, "192.0.2.7", 7, 2, NUD_INCOMPLETE, 0);
	put_entry(&d, "192.0.2.8", 8, 2, NUD_NOARP, 6);
	put_entry(&d, "192.0.2.9", 9, 2, NUD_REACHABLE, 8); /* of another kind of network */
	neighbours_need();
	neighbours_begin();
	assert_true(neighbours_parse(d.buf, d.len));
	d.len = 0;
	put_entry(&d, "192.0.2.10", 10, 2, NUD_REACHABLE, 6);
	put_done(&d, NLMSG_DONE);
	put_entry(&d, "192.0.2.11", 11, 2, NUD_REACHABLE, 6);
	assert_false(neighbours_parse(d.buf, d.len));
	neighbours_publish();
	assert_int_equal(find("192.0.2.1", 0), 1);
	assert_int_equal(find("::ffff:192.0.2.1", 0), 1);
	assert_int_equal(find("192.0.2.2", 0), 2);
	assert_int_equal(find("2001:db8::3", 9), 3);
	assert_int_equal(find("fe80::4", 2), 4);
	assert_int_equal(find("fe80::4", 3), 5);
	assert_int_equal(find("fe80::4", 4), 0);
	assert_int_equal(find("192.0.2.10", 0), 10);
	for (unsigned i = 6; i < 12; i++) {
		char text[32];

		snprintf(text, sizeof(text), "192.0.2.%u", i);
		assert_int_equal(find(text, 0), i == 10 ? 10 : 0);
	}
	neighbours_need_no_more();
	assert_int_equal(find("192.0.2.1", 0), 0);
}

static void a_large_network_is_known_too(void **state)
{
	static struct dump d;
	char text[32];
	unsigned wrong = 0;

	neighbours_need();
	for (unsigned round = 0; round < 2; round++) {
		neighbours_begin();
		for (unsigned i = 0; i < 5000; i++) {
			d.len = 0;
			snprintf(text, sizeof(text), "10.0.%u.%u", i >> 8, i & 255);
			put_entry(&d, text, (uint8_t)(i % 251 + 1 + round), 2, NUD_REACHABLE, 6);
			neighbours_parse(d.buf, d.len);
		}
		neighbours_publish();
		for (unsigned i = 0; i < 5000; i++) {
			snprintf(text, sizeof(text), "10.0.%u.%u", i >> 8, i & 255);
			wrong += find(text, 0) != i % 251 + 1 + round;
		}
	}
	neighbours_need_no_more();
	assert_int_equal(wrong, 0);
}

static void messages_that_are_cut_short_are_passed_over(void **state)
{
	static struct dump d, cut;

	d.len = 0;
	put_entry(&d, "192.0.2.1", 1, 2, NUD_REACHABLE, 6);
	neighbours_need();
	for (size_t len = 0; len < d.len; len++) {
		memcpy(cut.buf, d.buf, len);
		neighbours_begin();
		assert_true(neighbours_parse(cut.buf, len));
		neighbours_publish();
		assert_int_equal(find("192.0.2.1", 0), 0);
	}
	for (uint32_t len = 0; len < d.len - 2; len++) { /* two are padding */
		memcpy(cut.buf, d.buf, d.len);
		memcpy(cut.buf, &len, sizeof(len));
		neighbours_begin();
		neighbours_parse(cut.buf, d.len);
		neighbours_publish();
		assert_int_equal(find("192.0.2.1", 0), 0);
	}
	neighbours_begin();
	cut.len = 0;
	put_done(&cut, NLMSG_ERROR);
	assert_false(neighbours_parse(cut.buf, cut.len));
	neighbours_publish();
	neighbours_need_no_more();
}

static void the_server_is_told(void **state)
{
	static const struct message known = {.with_opt = true}, none = {.client = "192.0.2.99"},
				    without = {0};
	static const uint8_t want[] = "\0\0\x29\4\xd0\0\0\x80\0\0\x0a\xfd\xe9\0\6\2\0\0\0\0\1";
	struct action *a = action_of("SetMacAddrAction", "option=65001", NULL);
	static struct dump d;
	struct rule_run *run = scene_set(&scene, &none);
	char *text = action_text(a);

	assert_string_equal(text, "add EDNS MAC (code=65001)");
	free(text);
	d.len = 0;
	put_entry(&d, "192.0.2.1", 1, 2, NUD_REACHABLE, 6);
	neighbours_begin();
	neighbours_parse(d.buf, d.len);
	neighbours_publish();
	assert_int_equal(action_run(a, run), VERDICT_NEXT);
	assert_true(is_untouched(&scene));
	run = scene_set(&scene, &known);
	assert_int_equal(action_run(a, run), VERDICT_NEXT);
	assert_int_equal(run->len, scene.q.question.end + sizeof(want) - 1);
	assert_memory_equal(run->msg + scene.q.question.end, want, sizeof(want) - 1);
	assert_false(scene.q.opt_ours);
	run = scene_set(&scene, &without);
	assert_int_equal(action_run(a, run), VERDICT_NEXT);
	assert_true(scene.q.opt_ours);
	action_unref(a);
}

/* In a network of its own, with one neighbour. */
static void the_kernel_is_asked(void **state)
{
	unsigned before, with, after;

	if (unshare(CLONE_NEWNET) < 0 ||
	    system("ip link add v0 type veth peer name v1 2>/dev/null && ip link set v0 up && "
		   "ip neigh add 198.51.100.7 lladdr 02:00:00:00:00:07 dev v0 nud permanent") != 0)
		skip();
	neighbours_read();
	before = find("198.51.100.7", 0);
	neighbours_need();
	neighbours_read();
	with = find("198.51.100.7", 0);
	if (system("ip neigh del 198.51.100.7 dev v0") != 0)
		with = 0;
	neighbours_read();
	after = find("198.51.100.7", 0);
	neighbours_need_no_more();
	assert_int_equal(before, 0); /* nobody needs it */
	assert_int_equal(with, 7);
	assert_int_equal(after, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_ends_where_it_says),
		cmocka_unit_test(what_the_kernel_says_is_known),
		cmocka_unit_test(a_large_network_is_known_too),
		cmocka_unit_test(messages_that_are_cut_short_are_passed_over),
		cmocka_unit_test(the_server_is_told),
		cmocka_unit_test(the_kernel_is_asked),
	};

	return cmocka_run_group_tests(tests, start, end);
}
