/*
 * Netmasks, and tables of them looked up by longest prefix in time that does not depend on their
 * number: a hash probe for each prefix length that is possible for the address, of which there are
 * one or two in practice (core/netmask_index.c says how). 18 octets a prefix, adding is constant time.
 */
#ifndef CORE_NETMASK_H
#define CORE_NETMASK_H

#include "core/addr.h"

struct netmask {
	struct addr base; /* host bits and port are zero */
	uint8_t bits;
};

#define NETMASK_TEXT_MAX (ADDR_TEXT_MAX + 4)

/* Reads "192.0.2.0/24", "::/0", or an address alone (a full-length mask). Host bits are cleared. */
int netmask_parse(const char *text, struct netmask *out, struct err *err);
char *netmask_text(const struct netmask *nm, char text[static NETMASK_TEXT_MAX]);
bool netmask_equal(const struct netmask *a, const struct netmask *b);
bool netmask_has(const struct netmask *nm, const struct addr *a);

/* A set of netmasks each with a value; the longest match decides. Frozen once published. */
struct netmask_table;

#define NETMASK_NONE UINT32_MAX

/*
 * Gives, with one reference. Who changes a table that others may have calls netmask_table_own first. The
 * count of references is the control thread's.
 */
struct netmask_table *netmask_table_new(void);
struct netmask_table *netmask_table_ref(struct netmask_table *t);
void netmask_table_unref(struct netmask_table *t); /* harmless on NULL */

/* t when nobody else has it; else a copy, for which the reference to t is given up. */
struct netmask_table *netmask_table_own(struct netmask_table *t);
struct netmask_table *netmask_table_clone(const struct netmask_table *t);

/* Adds or replaces. value < NETMASK_NONE. Control thread; not while readers see the table. */
void netmask_table_add(struct netmask_table *t, const struct netmask *nm, uint32_t value);

/* True when that exact netmask was there. Control thread; not while readers see the table. */
bool netmask_table_remove(struct netmask_table *t, const struct netmask *nm);

/* The value of that exact netmask, or NETMASK_NONE; whether it is there at all. Any reader. */
uint32_t netmask_table_value(const struct netmask_table *t, const struct netmask *nm);
bool netmask_table_holds(const struct netmask_table *t, const struct netmask *nm);

/* The value of the longest netmask that has a, or NETMASK_NONE. IPv4-mapped IPv6 counts as IPv4. Any reader. */
uint32_t netmask_table_lookup(const struct netmask_table *t, const struct addr *a);

size_t netmask_table_len(const struct netmask_table *t);

/*
 * The i-th netmask in the order they were added, i < len; its value through value unless NULL. Lends
 * until the calling thread's next netmask_table_at. A netmask of IPv4-mapped addresses comes back as IPv4.
 */
const struct netmask *netmask_table_at(const struct netmask_table *t, size_t i, uint32_t *value);

/* Octets of memory in all. */
size_t netmask_table_memory(const struct netmask_table *t);

#endif
