/* Netmasks: reading, membership; the table against a plain walk over all of its netmasks. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/netmask.h"

static struct addr address(const char *text)
{
	struct addr a;

	if (addr_parse(text, 0, &a, NULL) < 0)
		fail_msg("%s is no address", text);
	return a;
}

static struct netmask mask(const char *text)
{
	struct netmask nm;

	if (netmask_parse(text, &nm, NULL) < 0)
		fail_msg("%s is no netmask", text);
	return nm;
}

static const struct {
	const char *label, *text, *want; /* want NULL: refused */
} texts[] = {
	{"plain", "192.0.2.0/24", "192.0.2.0/24"},
	{"host bits are cleared", "192.0.2.129/25", "192.0.2.128/25"},
	{"an address alone is one host", "192.0.2.1", "192.0.2.1/32"},
	{"everything", "0.0.0.0/0", "0.0.0.0/0"},
	{"IPv6", "2001:db8::1/32", "2001:db8::/32"},
	{"IPv6 alone", "::1", "::1/128"},
	{"IPv6 everything", "::/0", "::/0"},
	{"IPv6 in the middle of an octet", "fe80::/10", "fe80::/10"},
	{"too many bits", "192.0.2.0/33", NULL},
	{"too many bits of IPv6", "::/129", NULL},
	{"no bits", "192.0.2.0/", NULL},
	{"negative", "192.0.2.0/-1", NULL},
	{"blank in the bits", "192.0.2.0/ 8", NULL},
	{"letters behind", "192.0.2.0/8x", NULL},
	{"a port", "192.0.2.1:53/32", NULL},
	{"brackets", "[::1]/128", NULL},
	{"a scope", "fe80::1%lo/64", NULL},
	{"a name", "localhost/8", NULL},
	{"nothing", "", NULL},
	{"a very long word",
	 "1111111111111111111111111111111111111111111111111111111111111111111111111111/8", NULL},
};

static void netmask_is_read_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct netmask nm;
		struct err err = {""};
		char text[NETMASK_TEXT_MAX];
		int rc = netmask_parse(texts[i].text, &nm, &err);

		if (!texts[i].want && (rc != -EINVAL || !strstr(err.text, "netmask")))
			fail_msg("%s: taken, or no reason given: %s", texts[i].label, err.text);
		if (texts[i].want &&
		    (rc != 0 || strcmp(netmask_text(&nm, text), texts[i].want) != 0))
			fail_msg("%s: %s", texts[i].label, rc ? err.text : text);
	}
}

static const struct {
	const char *label, *netmask, *address;
	bool want;
} members[] = {
	{"first", "10.0.0.0/8", "10.0.0.0", true},
	{"last", "10.0.0.0/8", "10.255.255.255", true},
	{"one above", "10.0.0.0/8", "11.0.0.0", false},
	{"inside an octet", "172.16.0.0/12", "172.31.1.1", true},
	{"outside, same octet", "172.16.0.0/12", "172.32.1.1", false},
	{"all", "0.0.0.0/0", "203.0.113.9", true},
	{"the other family", "::/0", "203.0.113.9", false},
	{"IPv6", "2001:db8::/33", "2001:db8:7fff::1", true},
	{"IPv6 outside", "2001:db8::/33", "2001:db8:8000::1", false},
	{"mapped address in IPv4", "192.0.2.0/24", "::ffff:192.0.2.7", true},
	{"mapped netmask has IPv4", "::ffff:192.0.2.0/120", "192.0.2.7", true},
	{"mapped netmask ends", "::ffff:192.0.2.0/120", "192.0.3.7", false},
	{"mapped address is not IPv6", "::/0", "::ffff:192.0.2.7", false},
};

static void netmask_has_its_addresses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		struct netmask nm = mask(members[i].netmask);
		struct addr a = address(members[i].address);
		struct netmask_table *t = netmask_table_new();
		bool in_table;

		netmask_table_add(t, &nm, 1);
		in_table = netmask_table_lookup(t, &a) == 1;
		netmask_table_unref(t);
		if (netmask_has(&nm, &a) != members[i].want || in_table != members[i].want)
			fail_msg("%s: netmask %d, table %d", members[i].label, netmask_has(&nm, &a),
				 in_table);
	}
}

/* Small spaces, so that netmasks nest, repeat and meet their lookups often. */
static struct addr random_address(unsigned family)
{
	struct addr a = {0};

	if (family == 0) {
		a.v4.sin_family = AF_INET;
		a.v4.sin_addr.s_addr = (in_addr_t)((rand() & 3) | (rand() & 0x0301) << 8 |
						   (in_addr_t)(rand() & 0x80ff) << 16);
		return a;
	}
	a.v6.sin6_family = AF_INET6;
	for (unsigned i = 0; i < 16; i++)
		a.v6.sin6_addr.s6_addr[i] = rand() % 4 ? 0 : (uint8_t)(rand() & 0x81);
	if (family == 2) /* IPv4-mapped */
		memcpy(a.v6.sin6_addr.s6_addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
	return a;
}

static struct netmask random_netmask(void)
{
	unsigned family = rand() % 2;
	struct netmask nm = {.base = random_address(family)};

	nm.bits = (uint8_t)(rand() % (family ? 129 : 33));
	addr_mask(&nm.base, nm.bits);
	return nm;
}

#define MODEL_MAX 2000
static struct {
	struct netmask nm[MODEL_MAX];
	uint32_t value[MODEL_MAX];
	size_t len;
} model;

static size_t model_find(const struct netmask *nm)
{
	size_t i = 0;

	while (i < model.len && !netmask_equal(&model.nm[i], nm))
		i++;
	return i;
}

static void model_add(const struct netmask *nm, uint32_t value)
{
	size_t i = model_find(nm);

	model.nm[i] = *nm;
	model.value[i] = value;
	model.len += i == model.len;
}

static bool model_remove(const struct netmask *nm)
{
	size_t i = model_find(nm);

	if (i == model.len)
		return false;
	memmove(&model.nm[i], &model.nm[i + 1], (model.len - i - 1) * sizeof(model.nm[0]));
	memmove(&model.value[i], &model.value[i + 1], (model.len - i - 1) * sizeof(model.value[0]));
	model.len--;
	return true;
}

static uint32_t model_lookup(const struct addr *a)
{
	uint32_t value = NETMASK_NONE;
	int longest = -1;

	for (size_t i = 0; i < model.len; i++)
		if (netmask_has(&model.nm[i], a) && model.nm[i].bits > longest) {
			longest = model.nm[i].bits;
			value = model.value[i];
		}
	return value;
}

static void compare(const struct netmask_table *t, const char *when)
{
	if (netmask_table_len(t) != model.len)
		fail_msg("%s: %zu netmasks, want %zu", when, netmask_table_len(t), model.len);
	for (size_t i = 0; i < model.len; i++) {
		uint32_t value;
		const struct netmask *nm = netmask_table_at(t, i, &value);

		if (!netmask_equal(nm, &model.nm[i]) || value != model.value[i])
			fail_msg("%s: the %zu-th netmask is not the %zu-th added", when, i, i);
	}
	for (unsigned i = 0; i < 500; i++) {
		struct netmask nm = i < model.len && i % 2 ? model.nm[i] : random_netmask();
		char text[NETMASK_TEXT_MAX];

		size_t at = model_find(&nm);
		uint32_t want = at < model.len ? model.value[at] : NETMASK_NONE;

		if (netmask_table_value(t, &nm) != want ||
		    netmask_table_holds(t, &nm) != (want != NETMASK_NONE))
			fail_msg("%s: whether %s is there, and its value", when,
				 netmask_text(&nm, text));
	}
	for (unsigned i = 0; i < 1500; i++) {
		struct addr a = random_address((unsigned)rand() % 3);
		char text[ADDR_TEXT_MAX];

		if (netmask_table_lookup(t, &a) != model_lookup(&a))
			fail_msg("%s: %s finds %u, want %u", when, addr_text(&a, text),
				 netmask_table_lookup(t, &a), model_lookup(&a));
	}
}

static void table_agrees_with_a_plain_walk(void **state)
{
	struct netmask_table *t = netmask_table_new();
	struct netmask_table *copy;

	(void)state;
	srand(1);
	model.len = 0;
	compare(t, "empty");
	for (unsigned round = 0; round < 6; round++) {
		for (unsigned i = 0; i < 250; i++) {
			struct netmask nm = random_netmask();

			netmask_table_add(t, &nm, i);
			model_add(&nm, i);
		}
		compare(t, "after adding");
		for (unsigned i = 0; i < 60; i++) {
			struct netmask nm = rand() % 2 ? random_netmask()
						       : model.nm[(size_t)rand() % model.len];

			if (netmask_table_remove(t, &nm) != model_remove(&nm))
				fail_msg("removal disagrees");
		}
		compare(t, "after removing");
	}
	copy = netmask_table_clone(t);
	while (netmask_table_len(t) > 0)
		netmask_table_remove(t, netmask_table_at(t, 0, NULL));
	netmask_table_unref(t);
	compare(copy, "a clone whose original is gone");
	netmask_table_unref(copy);
}

/* The sizes around which a table changes from comparing one by one to its hash, shortest and
 * longest included. */
static void small_tables_agree_with_a_plain_walk(void **state)
{
	static const char *const ends[] = {"0.0.0.0/0", "::/0", "2001:db8:1:2::/64",
					   "192.0.2.1/32"};

	(void)state;
	srand(2);
	for (unsigned n = 0; n < 60; n++) {
		struct netmask_table *t = netmask_table_new();

		model.len = 0;
		for (unsigned i = 0; i < n; i++) {
			struct netmask nm = i < ARRAY_LEN(ends) ? mask(ends[i]) : random_netmask();

			netmask_table_add(t, &nm, i);
			model_add(&nm, i);
		}
		compare(t, "a small table");
		netmask_table_unref(t);
	}
}

static struct netmask nth(const char *base, unsigned bits, uint32_t i)
{
	struct netmask nm = mask(base);

	nm.bits = (uint8_t)bits;
	if (nm.base.sa.sa_family == AF_INET)
		nm.base.v4.sin_addr.s_addr = htonl(i << (32 - bits));
	else
		memcpy(nm.base.v6.sin6_addr.s6_addr + 2, &i, sizeof(i));
	return nm;
}

static const struct {
	const char *label, *base;
	unsigned bits;
} sizes[] = {
	{"IPv4 hosts", "0.0.0.0/0", 32},
	{"IPv4 /24", "0.0.0.0/0", 24},
	{"IPv6 /48", "2001::/16", 48},
};

static void memory_is_modest_at_every_size(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct netmask_table *t = netmask_table_new();
		uint32_t n = 0;

		for (; n < 200000; n++) {
			struct netmask nm = nth(sizes[i].base, sizes[i].bits, n);

			netmask_table_add(t, &nm, n);
			if (n == 8 && netmask_table_memory(t) > 4096)
				fail_msg("%s: nine netmasks take %zu octets", sizes[i].label,
					 netmask_table_memory(t));
		}
		if (netmask_table_memory(t) > 24 * (size_t)n)
			fail_msg("%s: %zu octets a netmask", sizes[i].label,
				 netmask_table_memory(t) / n);
		netmask_table_unref(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(netmask_is_read_or_refused),
		cmocka_unit_test(netmask_has_its_addresses),
		cmocka_unit_test(table_agrees_with_a_plain_walk),
		cmocka_unit_test(small_tables_agree_with_a_plain_walk),
		cmocka_unit_test(memory_is_modest_at_every_size),
	};

	hash_init(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
