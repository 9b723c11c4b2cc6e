/*
 * Sets of domain names, looked up by suffix: is this name one of them, or below one of them? What
 * that costs depends on the labels of the name asked for, not on the number of names: a hash probe
 * for each of its suffixes that has as many labels as some name of the set (core/dns/suffix.c says
 * how). Letter case counts for nothing; the root has every name below it. Some 29 octets a name of
 * 16 octets.
 *
 * Names are in wire format, valid and uncompressed, as core/dns/name.h reads them; len is their
 * length.
 */
#ifndef CORE_DNS_SUFFIX_H
#define CORE_DNS_SUFFIX_H

#include "core/dns/name.h"

/* A set of names each with a value. Frozen once published. */
struct suffix_table;

#define SUFFIX_NONE UINT32_MAX

/* Labels of the longest name, 127, and the root. */
#define SUFFIX_DEPTHS (DNS_NAME_MAX / 2 + 1)

/*
 * Gives, with one reference. Who changes a set that others may have calls suffix_table_own first.
 * The count of references is the control thread's.
 */
struct suffix_table *suffix_table_new(void);
struct suffix_table *suffix_table_ref(struct suffix_table *t);
void suffix_table_unref(struct suffix_table *t); /* harmless on NULL */

/* t when nobody else has it; else a copy, for which the reference to t is given up. */
struct suffix_table *suffix_table_own(struct suffix_table *t);
struct suffix_table *suffix_table_clone(const struct suffix_table *t);

/*
 * Adds, or replaces the value of a name that is there and keeps its spelling. value < SUFFIX_NONE.
 * 0, or -ENOSPC when all names together would take more than 4 GiB. Control thread; not while
 * readers see the table.
 */
int suffix_table_add(struct suffix_table *t, const uint8_t *name, size_t len, uint32_t value);

/*
 * The value of exactly that name, which is added with value when it was not there. SUFFIX_NONE
 * where suffix_table_add says -ENOSPC. Control thread; not while readers see the table.
 */
uint32_t suffix_table_join(struct suffix_table *t, const uint8_t *name, size_t len, uint32_t value);

/* So many names of so many octets together will come: they are added faster. A guess does. */
void suffix_table_reserve(struct suffix_table *t, size_t names, size_t octets);

/* True when exactly that name was there. Control thread; not while readers see the table. */
bool suffix_table_remove(struct suffix_table *t, const uint8_t *name, size_t len);

/* The value of the longest suffix of name that is in the set, or SUFFIX_NONE. Any reader. */
uint32_t suffix_table_lookup(const struct suffix_table *t, const uint8_t *name, size_t len);

/* The value of exactly that name, or SUFFIX_NONE. Any reader. */
uint32_t suffix_table_exact(const struct suffix_table *t, const uint8_t *name, size_t len);

/*
 * The hashes of all suffixes of a name. They are the same for all sets, so that a name that is
 * looked up in many is hashed once. On the caller's stack or in its scratch; the fields are for
 * suffix.c.
 */
struct suffix_hashes {
	const uint8_t *name;
	size_t len;
	unsigned labels;
	uint8_t start[SUFFIX_DEPTHS]; /* where each label begins, the root last */
	uint64_t hash[SUFFIX_DEPTHS]; /* by depth: the labels of a suffix without the root */
};

/* name stays in place as long as the hashes are used. Any thread, once there is a set. */
void suffix_hashes_make(struct suffix_hashes *h, const uint8_t *name, size_t len);

/* All suffixes of a name that are in a set, from the longest to the shortest. */
struct suffix_walk {
	const struct suffix_table *table;
	const struct suffix_hashes *hashes;
	unsigned left; /* depths not tried yet: the next one is left - 1 */
};

/* An entry met on a walk. */
struct suffix_match {
	const uint8_t *name; /* as it was added; lent while the table is not changed */
	size_t len;
	uint32_t value;
};

/* The hashes stay in place for the walk. Fetches the memory that will be needed. Any reader. */
void suffix_walk_start(struct suffix_walk *w, const struct suffix_table *t,
		       const struct suffix_hashes *h);

/* The next shorter suffix that is in the set; false when there is none. */
bool suffix_walk_next(struct suffix_walk *w, struct suffix_match *match);

/* suffix_table_lookup and suffix_table_exact of a name that is hashed already. Any reader. */
uint32_t suffix_table_lookup_hashed(const struct suffix_table *t, const struct suffix_hashes *h);
uint32_t suffix_table_exact_hashed(const struct suffix_table *t, const struct suffix_hashes *h);

size_t suffix_table_len(const struct suffix_table *t);

/*
 * All names in the order they were added: *at is 0 to begin with, and moved. False at the end.
 * Names are of unequal length and lie end to end, hence no access by number.
 */
bool suffix_table_next(const struct suffix_table *t, size_t *at, struct suffix_match *entry);

/* Octets of memory in all. */
size_t suffix_table_memory(const struct suffix_table *t);

#endif
