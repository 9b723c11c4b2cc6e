#include "rules/neighbours.h"

#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/hash.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/rcu.h"

/* An address as a key: IPv4 as IPv6 writes it (RFC 4291 2.5.5.2); the interface of link-local ones.
 */
struct place {
	uint8_t addr[16];
	uint32_t ifindex;
};

struct entry {
	struct place place;
	uint8_t mac[MAC_LEN];
	bool used;
};

/* Open addressing, at most half full; the number of slots is a power of two. */
struct table {
	uint32_t n, mask;
	struct entry *slots;
};

static _Atomic(const struct table *) live;

static struct {
	unsigned needed;
	struct table *next;
	bool told; /* that the kernel says nothing */
} control;

static struct place place_of(const uint8_t *addr, size_t len, uint32_t ifindex)
{
	struct place p = {.ifindex = 0};

	if (len == 4) {
		memset(p.addr + 10, 0xff, 2);
		memcpy(p.addr + 12, addr, 4);
	} else {
		memcpy(p.addr, addr, 16);
		if (addr[0] == 0xfe && (addr[1] & 0xc0) == 0x80)
			p.ifindex = ifindex;
	}
	return p;
}

static struct entry *slot_of(const struct table *t, const struct place *p)
{
	uint32_t i = (uint32_t)hash_keyed(p, sizeof(*p));

	for (;; i++) {
		struct entry *e = &t->slots[i & t->mask];

		if (!e->used || memcmp(&e->place, p, sizeof(*p)) == 0)
			return e;
	}
}

static struct table *table_new(uint32_t slots)
{
	struct table *t = mem_zalloc(1, sizeof(*t));

	t->mask = slots - 1;
	t->slots = mem_zalloc(slots, sizeof(*t->slots));
	return t;
}

static void table_free(const struct table *t)
{
	if (t == NULL)
		return;
	free(t->slots);
	free((void *)t);
}

static void table_put(struct table *t, const struct place *p, const uint8_t *mac)
{
	struct entry *e = slot_of(t, p);

	t->n += !e->used;
	*e = (struct entry){.place = *p, .used = true};
	memcpy(e->mac, mac, MAC_LEN);
}

static void grow(void)
{
	struct table *old = control.next;
	struct table *t = table_new(2 * (old->mask + 1));

	for (uint32_t i = 0; i <= old->mask; i++)
		if (old->slots[i].used)
			table_put(t, &old->slots[i].place, old->slots[i].mac);
	table_free(old);
	control.next = t;
}

void neighbours_begin(void)
{
	control.next = table_new(64);
}

/* len is signed, as the macros need it: what follows the last attribute need not be whole. */
static void add(const struct ndmsg *nd, int len)
{
	static const unsigned unknown = NUD_INCOMPLETE | NUD_FAILED | NUD_NOARP;
	const struct rtattr *a = (const struct rtattr *)(nd + 1);
	const uint8_t *addr = NULL, *mac = NULL;
	size_t addr_octets = nd->ndm_family == AF_INET ? 4 : 16;
	struct place p;

	if ((nd->ndm_family != AF_INET && nd->ndm_family != AF_INET6) || nd->ndm_state & unknown)
		return;
	for (; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		if (a->rta_type == NDA_DST && RTA_PAYLOAD(a) == addr_octets)
			addr = RTA_DATA(a);
		else if (a->rta_type == NDA_LLADDR && RTA_PAYLOAD(a) == MAC_LEN)
			mac = RTA_DATA(a);
	}
	if (addr == NULL || mac == NULL)
		return;
	p = place_of(addr, addr_octets, (uint32_t)nd->ndm_ifindex);
	table_put(control.next, &p, mac);
	if (2 * control.next->n > control.next->mask)
		grow();
}

/* The next message; NULL: there is none. NLMSG_NEXT may wrap the length around. */
static const struct nlmsghdr *next_message(const struct nlmsghdr *h, size_t *len)
{
	size_t whole = NLMSG_ALIGN(h->nlmsg_len);

	if (whole >= *len)
		return NULL;
	*len -= whole;
	return (const void *)((const uint8_t *)h + whole);
}

bool neighbours_parse(const void *buf, size_t len)
{
	for (const struct nlmsghdr *h = buf; h != NULL && NLMSG_OK(h, len);
	     h = next_message(h, &len)) {
		if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR)
			return false;
		if (h->nlmsg_type == RTM_NEWNEIGH &&
		    h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct ndmsg)))
			add(NLMSG_DATA(h),
			    (int)(h->nlmsg_len - NLMSG_LENGTH(sizeof(struct ndmsg))));
	}
	return true;
}

static bool is_same(const struct table *a, const struct table *b)
{
	if (a == NULL || a->n != b->n || a->mask != b->mask)
		return false;
	for (uint32_t i = 0; i <= a->mask; i++) {
		const struct entry *e = &a->slots[i], *other;

		if (!e->used)
			continue;
		other = slot_of(b, &e->place);
		if (!other->used || memcmp(other->mac, e->mac, MAC_LEN) != 0)
			return false;
	}
	return true;
}

static void replace(const struct table *next)
{
	const struct table *old = rcu_get(live);

	rcu_publish(live, next);
	if (old == NULL)
		return;
	rcu_wait();
	table_free(old);
}

void neighbours_publish(void)
{
	struct table *next = control.next;

	control.next = NULL;
	if (is_same(rcu_get(live), next))
		table_free(next);
	else
		replace(next);
}

static int ask(int fd)
{
	struct {
		struct nlmsghdr h;
		struct ndmsg nd;
	} request = {
		.h = {.nlmsg_len = sizeof(request),
		      .nlmsg_type = RTM_GETNEIGH,
		      .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
	};

	return send(fd, &request, sizeof(request), 0) < 0 ? -errno : 0;
}

/* The kernel answers in the calls themselves, so that there is nothing to wait for. */
static int read_all(int fd)
{
	static alignas(struct nlmsghdr) uint8_t buf[32768];
	int rc = ask(fd);
	ssize_t n;

	if (rc < 0)
		return rc;
	do {
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n < 0)
			return -errno;
	} while (neighbours_parse(buf, (size_t)n));
	return 0;
}

static void tell(int rc)
{
	if (rc < 0 && !control.told)
		log_warning("rules",
			    "can't read the neighbour table of the kernel: %s; no hardware "
			    "address is known",
			    strerror(-rc));
	control.told = rc < 0;
}

void neighbours_read(void)
{
	int fd, rc;

	if (control.needed == 0)
		return;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0) {
		tell(-errno);
		return;
	}
	neighbours_begin();
	rc = read_all(fd);
	close(fd);
	tell(rc);
	if (rc == 0) {
		neighbours_publish();
	} else {
		table_free(control.next);
		control.next = NULL;
	}
}

void neighbours_need(void)
{
	control.needed++;
}

void neighbours_need_no_more(void)
{
	if (--control.needed == 0)
		replace(NULL);
}

bool neighbours_find(const struct addr *client, uint8_t mac[static MAC_LEN])
{
	const struct table *t = rcu_get(live);
	const struct entry *e;
	struct place p;
	size_t len;
	const uint8_t *addr = addr_bytes(client, &len);

	if (t == NULL)
		return false;
	p = place_of(addr, len, len == 16 ? client->v6.sin6_scope_id : 0);
	e = slot_of(t, &p);
	if (e->used)
		memcpy(mac, e->mac, MAC_LEN);
	return e->used;
}
