/*
 * The kernel filter: keys and options anywhere; where the kernel lets us, its programs on packets of
 * ours, those for sockets on real ones, that for interfaces on frames that only it sees.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/bpf/internal.h"
#include "core/clock.h"

#ifdef HAVE_BPF
#include <bpf/bpf.h>
#endif

#define BYTES(s) (const uint8_t *)(s), sizeof(s) - 1

static struct kfilter_key key_of(const char *text)
{
	struct kfilter_key k = {.map = KFILTER_MAPS};
	struct netmask nm;
	struct addr a;

	if (addr_parse(text, 0, &a, NULL) == 0)
		kfilter_key_address(&a, &k);
	else if (netmask_parse(text, &nm, NULL) == 0)
		kfilter_key_range(&nm, &k);
	else
		fail_msg("%s is no key", text);
	return k;
}

static struct kfilter_key name_key(const char *wire, uint16_t qtype)
{
	struct kfilter_key k;

	kfilter_key_name((const uint8_t *)wire, strlen(wire) + 1, qtype, &k);
	return k;
}

static void keys_as_text(void **state)
{
	static const struct {
		const char *text, *want;
		enum kfilter_map map;
	} keys[] = {
		{"192.0.2.1", "192.0.2.1", KFILTER_V4},
		{"::ffff:192.0.2.1", "192.0.2.1", KFILTER_V4},
		{"2001:db8::1", "2001:db8::1", KFILTER_V6},
		{"192.0.2.1/24", "192.0.2.0/24", KFILTER_CIDR4},
		{"0.0.0.0/0", "0.0.0.0/0", KFILTER_CIDR4},
		{"::ffff:192.0.2.0/120", "192.0.2.0/24", KFILTER_CIDR4},
		{"2001:db8::1/32", "2001:db8::/32", KFILTER_CIDR6},
		{"::/0", "::/0", KFILTER_CIDR6},
	};
	char text[KFILTER_TEXT_MAX];
	struct kfilter_key k;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		k = key_of(keys[i].text);
		if (k.map != keys[i].map || strcmp(kfilter_key_text(&k, text), keys[i].want) != 0)
			fail_msg("%s: got %s in map %u", keys[i].text, kfilter_key_text(&k, text), k.map);
	}
	k = name_key("\3WwW\7eXample", 28);
	assert_string_equal(kfilter_key_text(&k, text), "www.example. AAAA");
	k = name_key("", KFILTER_ANY_TYPE);
	assert_string_equal(kfilter_key_text(&k, text), ".");
}

static void options_that_can_not_be(void **state)
{
	static const struct {
		struct kfilter_options o;
		const char *want;
	} bad[] = {
		{{.external = false}, "without room for anything"},
		{{.external = true}, "needs a path"},
		{{.external = true, .map[KFILTER_V6] = {.max = 5}}, "needs ipv6PinnedPath"},
		{{.external = true, .map[KFILTER_V4].pinned = "/x", .n_interfaces = 1, .interface = {"lo"}},
		 "do not go together"},
	};
	struct kfilter *f;
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(kfilter_unopened(&bad[i].o, &f, &err), -EINVAL);
		assert_null(f);
		if (strstr(err.text, bad[i].want) == NULL)
			fail_msg("%s: %s", bad[i].want, err.text);
		assert_int_equal(kfilter_open(&bad[i].o, &f, &err), -EINVAL);
	}
}

static void one_without_a_kernel_does_nothing(void **state)
{
	struct kfilter_options o = {.map[KFILTER_V4] = {.max = 1}};
	struct kfilter_value v = {.action = KFILTER_DROP};
	struct kfilter_key k = key_of("192.0.2.1");
	struct kfilter *f;
	struct err err;

	assert_int_equal(kfilter_unopened(&o, &f, &err), 0);
	assert_false(kfilter_is_live(f));
	assert_int_equal(kfilter_put(f, &k, &v), 0);
	assert_false(kfilter_get(f, &k, &v));
	assert_int_equal(kfilter_program(f, IPPROTO_UDP), -1);
	assert_int_equal(kfilter_begin(f, &err), 0);
	kfilter_unref(f);
}

#ifdef HAVE_BPF

static struct addr address(const char *text)
{
	struct addr a;

	if (addr_parse(text, 0, &a, NULL) < 0)
		fail_msg("%s is no address", text);
	return a;
}

/* Room for all kinds, and the XDP program, which is loaded but attached nowhere; NULL: not here. */
static struct kfilter *open_filter(uint32_t max)
{
	struct kfilter_options o = {.n_interfaces = 1, .interface = {"lo"}};
	struct kfilter *f;
	struct err err;
	int rc;

	for (unsigned i = 0; i < KFILTER_MAPS; i++)
		o.map[i].max = max;
	rc = kfilter_open(&o, &f, &err);
	if (rc == -EPERM) {
		printf("no kernel filter here: %s\n", err.text);
		skip();
	}
	if (rc < 0)
		fail_msg("%s", err.text);
	return f;
}

static void put(struct kfilter *f, const struct kfilter_key *k, unsigned action, uint64_t until_ns)
{
	struct kfilter_value v = {.action = (uint16_t)action, .until_ns = until_ns};

	assert_int_equal(kfilter_put(f, k, &v), 0);
}

struct search {
	const struct kfilter_key *key;
	struct kfilter_value *out;
	bool found;
};

static void compare(void *ctx, const struct kfilter_key *k, const struct kfilter_value *v)
{
	struct search *s = ctx;

	if (memcmp(k, s->key, sizeof(*k)) != 0)
		return;
	*s->out = *v;
	s->found = true;
}

/* Of ranges, too. */
static bool find_entry(struct kfilter *f, const struct kfilter_key *k, struct kfilter_value *out)
{
	struct search s = {k, out, false};

	kfilter_visit(f, k->map, compare, &s);
	return s.found;
}

static uint64_t count_of(struct kfilter *f, const struct kfilter_key *k)
{
	struct kfilter_value v;

	assert_true(find_entry(f, k, &v));
	return v.counter;
}

static void entries(void **state)
{
	struct kfilter *f = open_filter(2);
	struct kfilter_key a = key_of("192.0.2.1"), b = key_of("192.0.2.2"), c = key_of("192.0.2.3");
	struct kfilter_key wide = key_of("10.0.0.0/8"), narrow = key_of("10.1.0.0/16");
	struct kfilter_value v = {.action = KFILTER_DROP, .counter = 7};

	assert_int_equal(kfilter_put(f, &a, &v), 0);
	assert_int_equal(kfilter_put(f, &b, &v), 0);
	assert_int_equal(kfilter_put(f, &c, &v), -ENOSPC);
	assert_int_equal(kfilter_remove(f, &a), 0);
	assert_int_equal(kfilter_remove(f, &a), -ENOENT);
	assert_int_equal(kfilter_put(f, &c, &v), 0);
	assert_int_equal(count_of(f, &c), 7);
	put(f, &wide, KFILTER_DROP, 0);
	assert_true(kfilter_covering(f, &narrow, &v));
	assert_false(find_entry(f, &narrow, &v));
	assert_int_equal(kfilter_take(f, &narrow, &v), -ENOENT);
	put(f, &narrow, KFILTER_PASS, 0);
	assert_int_equal(kfilter_take(f, &narrow, &v), 0);
	assert_int_equal(v.action, KFILTER_PASS);
	assert_true(find_entry(f, &wide, &v));
	assert_int_equal(v.action, KFILTER_DROP);
	kfilter_unref(f);
}

/* Sockets: one that is filtered, and the sources of its packets. */
struct lane {
	int to;
	struct addr at;
};

static int bound(const char *text, struct addr *at)
{
	struct addr a = address(text);
	socklen_t len = addr_len(&a);
	int fd = socket(a.sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, &a.sa, len), 0);
	if (at)
		assert_int_equal(getsockname(fd, &at->sa, &len), 0);
	return fd;
}

static struct lane open_lane(const char *text, const struct kfilter *f)
{
	int program = kfilter_program(f, IPPROTO_UDP);
	struct lane l;

	l.to = bound(text, &l.at);
	assert_int_equal(setsockopt(l.to, SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof(program)), 0);
	return l;
}

/* Loopback delivers before sendto returns. */
static bool arrives(const struct lane *l, const char *from, const uint8_t *data, size_t len)
{
	int fd = bound(from, NULL);
	uint8_t got[2048];
	ssize_t n;

	assert_int_equal(sendto(fd, data, len, 0, &l->at.sa, addr_len(&l->at)), len);
	n = recv(l->to, got, sizeof(got), 0);
	assert_true(n < 0 || ((size_t)n == len && memcmp(got, data, len) == 0));
	close(fd);
	return n >= 0;
}

#define HEADER "\x12\x34\x01\x00\0\1\0\0\0\0\0\0"

static void sources(void **state)
{
	struct kfilter *f = open_filter(16);
	struct lane v4 = open_lane("127.0.0.1", f), v6 = open_lane("::1", f);
	struct kfilter_key one = key_of("127.7.0.1"), range = key_of("127.7.0.0/16");
	struct kfilter_key pass = key_of("127.7.7.0/24"), six = key_of("::1");
	uint64_t now_ns = kfilter_ns(clock_mono_us());
	struct kfilter_value v = {.action = KFILTER_DROP};

	put(f, &range, KFILTER_DROP, 0);
	put(f, &pass, KFILTER_PASS, 0);
	put(f, &one, KFILTER_DROP, now_ns + UINT64_C(1000000000000));
	assert_false(arrives(&v4, "127.7.0.1", BYTES("x")));
	assert_int_equal(count_of(f, &one), 1);
	assert_false(arrives(&v4, "127.7.0.2", BYTES("")));
	assert_true(arrives(&v4, "127.7.7.1", BYTES("x")));
	assert_true(arrives(&v4, "127.0.0.1", BYTES("x")));
	assert_int_equal(count_of(f, &range), 1);

	/* an address past its time is not there: its range says what happens */
	put(f, &one, KFILTER_PASS, now_ns - 1);
	assert_false(arrives(&v4, "127.7.0.1", BYTES("x")));
	assert_int_equal(count_of(f, &one), 0);
	assert_int_equal(kfilter_remove(f, &range), 0);
	assert_true(arrives(&v4, "127.7.0.1", BYTES("x")));

	/* a socket can't answer */
	put(f, &one, KFILTER_TRUNCATE, 0);
	assert_true(arrives(&v4, "127.7.0.1", BYTES(HEADER "\1a\0\0\1\0\1")));
	assert_true(arrives(&v6, "::1", BYTES("x")));
	put(f, &six, KFILTER_DROP, 0);
	assert_false(arrives(&v6, "::1", BYTES("x")));
	assert_int_equal(kfilter_total(f), 0);
	v.owner = KFILTER_DYNBLOCK;
	assert_int_equal(kfilter_put(f, &six, &v), 0);
	assert_false(arrives(&v6, "::1", BYTES("x")));
	assert_int_equal(kfilter_total(f), 1);
	close(v4.to);
	close(v6.to);
	kfilter_unref(f);
}

#define L63    "\77aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define L61    "\75aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SHORTS "\1a\1a\1a\1a\1a\1a\1a\1a\1a\1a\1a\1a\1a\1a\1a\1a"
#define LONGEST L63 L63 L63 L61
#define MOST   SHORTS SHORTS SHORTS SHORTS SHORTS SHORTS SHORTS "\1a\1a\1a\1a\1a\1a\1a\1a\1a\1a\1a\1a\1a\1a\1a"

static const struct {
	const char *label;
	const uint8_t *data;
	size_t len;
	bool drop;
} datagrams[] = {
	{"the name", BYTES(HEADER "\3www\4evil\0\0\1\0\1"), true},
	{"in another case", BYTES(HEADER "\3wWw\4EVIL\0\0\1\0\1"), true},
	{"of another type", BYTES(HEADER "\3www\4evil\0\0\x1c\0\1"), true},
	{"with more behind it", BYTES(HEADER "\3www\4evil\0\0\1\0\1xyz"), true},
	{"below it", BYTES(HEADER "\1x\3www\4evil\0\0\1\0\1"), false},
	{"above it", BYTES(HEADER "\4evil\0\0\1\0\1"), false},
	{"the same octets as one label", BYTES(HEADER "\10www\4evil\0\0\1\0\1"), false},
	{"only this type", BYTES(HEADER "\3txt\4evil\0\0\x10\0\1"), true},
	{"not another", BYTES(HEADER "\3txt\4evil\0\0\1\0\1"), false},
	{"the root", BYTES(HEADER "\0\0\2\0\1"), true},
	{"the longest there is", BYTES(HEADER LONGEST "\0\0\1\0\1"), true},
	{"the most labels", BYTES(HEADER MOST "\0\0\1\0\1"), true},
	{"longer than can be", BYTES(HEADER LONGEST "\1b\0\0\1\0\1"), false},
	{"an answer", BYTES("\x12\x34\x81\x00\0\1\0\0\0\0\0\0\3www\4evil\0\0\1\0\1"), false},
	{"two questions", BYTES("\x12\x34\x01\x00\0\2\0\0\0\0\0\0\3www\4evil\0\0\1\0\1"), false},
	{"no question", BYTES("\x12\x34\x01\x00\0\0\0\0\0\0\0\0"), false},
	{"cut in the header", BYTES("\x12\x34\x01"), false},
	{"nothing at all", BYTES(""), false},
	{"cut in the name", BYTES(HEADER "\3www\4ev"), false},
	{"cut before the type", BYTES(HEADER "\3www\4evil\0"), false},
	{"cut in the class", BYTES(HEADER "\3www\4evil\0\0\1\0"), false},
	{"a compression pointer", BYTES(HEADER "\xc0\x0c\0\1\0\1"), false},
	{"an odd label", BYTES(HEADER "\x41xx\0\0\1\0\1"), false},
	{"without an end", BYTES(HEADER L63 L63 L63 L63 L63), false},
};

static void names(void **state)
{
	struct kfilter *f = open_filter(16);
	struct lane l = open_lane("127.0.0.1", f);
	struct kfilter_key all = name_key("\3www\4evil", KFILTER_ANY_TYPE), txt = name_key("\3tXt\4evil", 16);
	struct kfilter_key root = name_key("", 2), longest = name_key(LONGEST, 1), most = name_key(MOST, 1);

	put(f, &all, KFILTER_DROP, 0);
	put(f, &txt, KFILTER_DROP, 0);
	put(f, &root, KFILTER_DROP, 0);
	put(f, &longest, KFILTER_DROP, 0);
	put(f, &most, KFILTER_DROP, 0);
	for (size_t i = 0; i < ARRAY_LEN(datagrams); i++)
		if (arrives(&l, "127.0.0.1", datagrams[i].data, datagrams[i].len) == datagrams[i].drop)
			fail_msg("%s: %s", datagrams[i].label, datagrams[i].drop ? "got through" : "was dropped");
	assert_int_equal(count_of(f, &all), 4);
	assert_int_equal(count_of(f, &txt), 1);
	close(l.to);
	kfilter_unref(f);
}

/*
 * Frames. The ethernet header is that of 02:…:01 to 02:…:02.
 */
#define MACS    "\x02\0\0\0\0\x02\x02\0\0\0\0\x01"
#define V4_AT   "\x08\x00"
#define V6_AT   "\x86\xdd"
#define TAG     "\x81\x00\0\x07"
/* 10.0.0.1 to 10.0.0.2; length, fragment and protocol are filled in */
#define IPV4    "\x45\0\0\0\0\x01\0\0\x40\x11\0\0\x0a\0\0\1\x0a\0\0\2"
#define FRAG4   "\x45\0\0\0\0\x01\x20\0\x40\x11\0\0\x0a\0\0\1\x0a\0\0\2"
#define LATER4  "\x45\0\0\0\0\x01\0\x10\x40\x11\0\0\x0a\0\0\1\x0a\0\0\2"
#define OPTION4 "\x46\0\0\0\0\x01\0\0\x40\x11\0\0\x0a\0\0\1\x0a\0\0\2\1\1\1\1"
#define TCP4    "\x45\0\0\0\0\x01\0\0\x40\x06\0\0\x0a\0\0\1\x0a\0\0\2"
/* fd00::1 to fd00::2 */
#define IPV6    "\x60\0\0\0\0\0\x11\x40\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2"
#define HOPS6   "\x60\0\0\0\0\0\0\x40\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2"
#define PORTS   "\x30\x39\0\x35\0\0\0\0" /* 12345 to 53 */
#define ELSE    "\x30\x39\0\x36\0\0\0\0"
#define QUERY   HEADER "\3www\4good\0\0\1\0\1"
#define EDNS    "\x12\x34\x01\x30\0\1\0\0\0\0\0\1\3wWw\4Good\0\0\1\0\1\0\0\x29\x10\0\0\0\0\0\0\0"
#define ANSWER  "\x12\x34\x81\x00\0\1\0\0\0\0\0\0\3www\4good\0\0\1\0\1"

enum { PASSED = 2, DROPPED = 1, SENT = 3 }; /* as XDP has them */

static const struct {
	const char *label;
	const uint8_t *data;
	size_t len;
	uint32_t drop, truncate; /* what comes of it when its source is to be dropped, or truncated */
} frames[] = {
	{"IPv4", BYTES(MACS V4_AT IPV4 PORTS QUERY), DROPPED, SENT},
	{"IPv6", BYTES(MACS V6_AT IPV6 PORTS QUERY), DROPPED, SENT},
	{"EDNS", BYTES(MACS V4_AT IPV4 PORTS EDNS), DROPPED, SENT},
	{"EDNS over IPv6", BYTES(MACS V6_AT IPV6 PORTS EDNS), DROPPED, SENT},
	{"a VLAN", BYTES(MACS TAG V4_AT IPV4 PORTS EDNS), DROPPED, SENT},
	{"a VLAN, IPv6", BYTES(MACS TAG V6_AT IPV6 PORTS QUERY), DROPPED, SENT},
	{"an odd length", BYTES(MACS V4_AT IPV4 PORTS HEADER "\2ww\4good\0\0\1\0\1"), DROPPED, SENT},
	{"the longest name", BYTES(MACS V6_AT IPV6 PORTS HEADER LONGEST "\0\0\1\0\1"), DROPPED, SENT},
	{"padding behind it", BYTES(MACS V4_AT IPV4 PORTS HEADER "\1a\0\0\1\0\1\0\0\0\0\0\0\0\0"), DROPPED, SENT},
	{"another port", BYTES(MACS V4_AT IPV4 ELSE QUERY), PASSED, PASSED},
	{"TCP", BYTES(MACS V4_AT TCP4 PORTS "\0\0\0\0\0\0\0\0\0\0\0\0"), DROPPED, PASSED},
	{"a first fragment", BYTES(MACS V4_AT FRAG4 PORTS QUERY), PASSED, PASSED},
	{"a later fragment", BYTES(MACS V4_AT LATER4 PORTS QUERY), PASSED, PASSED},
	{"options of IPv4", BYTES(MACS V4_AT OPTION4 PORTS QUERY), PASSED, PASSED},
	{"extension headers", BYTES(MACS V6_AT HOPS6 PORTS QUERY), PASSED, PASSED},
	{"an answer", BYTES(MACS V4_AT IPV4 PORTS ANSWER), DROPPED, PASSED},
	{"a name without an end", BYTES(MACS V4_AT IPV4 PORTS HEADER "\3www\4goo"), DROPPED, PASSED},
	{"a pointer", BYTES(MACS V4_AT IPV4 PORTS HEADER "\xc0\x0c\0\1\0\1"), DROPPED, PASSED},
	{"half an IPv4 header", BYTES(MACS V4_AT "\x45\0\0\0\0\x01\0\0\x40\x11"), PASSED, PASSED},
	{"half an IPv6 header", BYTES(MACS V6_AT "\x60\0\0\0\0\0\x11\x40\xfd\0\0"), PASSED, PASSED},
	{"no ports", BYTES(MACS V4_AT IPV4), PASSED, PASSED},
	{"half a VLAN tag", BYTES(MACS "\x81\x00\0"), PASSED, PASSED},
	{"another protocol", BYTES(MACS "\x08\x06\0\1\x08\0\6\4\0\1"), PASSED, PASSED},
};

static uint32_t add_words(const uint8_t *p, size_t len, uint32_t sum)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	return len % 2 ? sum + ((uint32_t)p[len - 1] << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* What was sent back: turned round, header and question alone, all lengths and sums right. */
static void check_answer(const char *label, const uint8_t *in, const uint8_t *out, size_t len)
{
	size_t ip = memcmp(out + 12, "\x81\x00", 2) == 0 ? 18 : 14, udp, alen, udp_len, name = 0;
	const uint8_t *src, *dns, *q;
	bool v4 = out[ip] == 0x45;

	udp = ip + (v4 ? 20 : 40);
	alen = v4 ? 4 : 16;
	src = out + udp - 2 * alen;
	udp_len = len - udp;
	dns = out + udp + 8;
	q = in + udp + 20;
	while (q[name] != 0)
		name += 1 + (size_t)q[name];
	if (memcmp(out, in + 6, 6) != 0 || memcmp(out + 6, in, 6) != 0)
		fail_msg("%s: hardware addresses", label);
	if (memcmp(src, in + (src - out) + alen, alen) != 0 || memcmp(src + alen, in + (src - out), alen) != 0)
		fail_msg("%s: addresses", label);
	if (memcmp(out + udp, "\0\x35\x30\x39", 4) != 0)
		fail_msg("%s: ports", label);
	if (udp_len != 8 + 12 + name + 1 + 4 || add_words(out + udp + 4, 2, 0) != udp_len ||
	    add_words(out + ip + (v4 ? 2 : 4), 2, 0) != udp_len + (v4 ? 20 : 0))
		fail_msg("%s: lengths", label);
	if (v4 && fold(add_words(out + ip, 20, 0)) != 0xffff)
		fail_msg("%s: checksum of IPv4", label);
	if (fold(add_words(out + udp, udp_len, add_words(src, 2 * alen, 17 + (uint32_t)udp_len))) != 0xffff)
		fail_msg("%s: checksum of UDP", label);
	if (memcmp(dns, in + udp + 8, 2) != 0 || dns[2] != 0x83 || (dns[3] & ~0x10) != 0 ||
	    memcmp(dns + 4, "\0\1\0\0\0\0\0\0", 8) != 0 || memcmp(dns + 12, q, name + 5) != 0)
		fail_msg("%s: message", label);
}

static void run_frame(const struct kfilter *f, size_t i, uint32_t want)
{
	uint8_t in[1024] = {0}, out[1024];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in, .data_out = out, .data_size_out = sizeof(out));

	/* the kernel wants an Ethernet header at least; what follows is as long as it is */
	memcpy(in, frames[i].data, frames[i].len);
	opts.data_size_in = (uint32_t)frames[i].len;
	if (bpf_prog_test_run_opts(f->xdp_fd, &opts) < 0)
		fail_msg("%s: can't be run: %s", frames[i].label, strerror(errno));
	if (opts.retval != want)
		fail_msg("%s: %u, not %u", frames[i].label, opts.retval, want);
	if (want == SENT)
		check_answer(frames[i].label, in, out, opts.data_size_out);
	else if (opts.data_size_out != opts.data_size_in || memcmp(in, out, opts.data_size_in) != 0)
		fail_msg("%s: was changed", frames[i].label);
}

static void frames_at_an_interface(void **state)
{
	struct kfilter *f = open_filter(16);
	struct addr v4 = address("10.0.0.2:53"), any = address("[::]:53");
	struct kfilter_key a = key_of("10.0.0.1"), b = key_of("fd00::/16");
	struct kfilter_key name = name_key("\3www\4good", 1);

	for (size_t i = 0; i < ARRAY_LEN(frames); i++)
		run_frame(f, i, PASSED); /* there is neither a listener nor an entry */
	put(f, &a, KFILTER_DROP, 0);
	put(f, &b, KFILTER_DROP, 0);
	run_frame(f, 0, PASSED); /* and no listener: it may be somebody else's */
	assert_int_equal(kfilter_listener(f, &v4, IPPROTO_UDP, true), 0);
	assert_int_equal(kfilter_listener(f, &v4, IPPROTO_TCP, true), 0);
	assert_int_equal(kfilter_listener(f, &any, IPPROTO_UDP, true), 0);
	for (size_t i = 0; i < ARRAY_LEN(frames); i++)
		run_frame(f, i, frames[i].drop);
	put(f, &a, KFILTER_TRUNCATE, 0);
	put(f, &b, KFILTER_TRUNCATE, 0);
	for (size_t i = 0; i < ARRAY_LEN(frames); i++)
		run_frame(f, i, frames[i].truncate);
	kfilter_remove(f, &a);
	kfilter_remove(f, &b);
	put(f, &name, KFILTER_DROP, 0);
	run_frame(f, 0, DROPPED);
	run_frame(f, 3, DROPPED);
	run_frame(f, 6, PASSED);
	assert_int_equal(count_of(f, &name), 2);
	assert_int_equal(kfilter_listener(f, &v4, IPPROTO_UDP, false), 0);
	run_frame(f, 0, PASSED);
	kfilter_unref(f);
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_as_text),
		cmocka_unit_test(options_that_can_not_be),
		cmocka_unit_test(one_without_a_kernel_does_nothing),
#ifdef HAVE_BPF
		cmocka_unit_test(entries),
		cmocka_unit_test(sources),
		cmocka_unit_test(names),
		cmocka_unit_test(frames_at_an_interface),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
