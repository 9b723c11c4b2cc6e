/* Access control: who may ask. A netmask with '!' in front denies; the longest match decides. */
#ifndef RULES_ACL_H
#define RULES_ACL_H

#include "core/netmask.h"
#include "core/tables.h"

struct acl {
	struct part part;
	struct netmask_table *table; /* values ACL_DENY, ACL_ALLOW; sealed with the part */
};

enum { ACL_DENY, ACL_ALLOW };

void acl_register(void);

/* Draft edits. "10.0.0.0/8", "!10.1.0.0/16"; 0, or -EINVAL with err set and nothing changed. */
int acl_add(struct netmask_table *t, const char *text, struct err *err);
/* 1 removed, 0 was not there, -EINVAL. Only an exact entry goes. */
int acl_remove(struct netmask_table *t, const char *text, struct err *err);
/* One netmask a line, '#' begins a comment; nothing is changed unless the whole file reads. */
int acl_add_file(struct netmask_table *t, const char *path, struct err *err);
/* The private ranges, loopback and link-local of the reference. */
void acl_add_defaults(struct netmask_table *t);

static inline bool acl_allows(const struct netmask_table *t, const struct addr *client)
{
	return netmask_table_lookup(t, client) == ACL_ALLOW;
}

#endif
