/*
 * The hardware addresses of clients in the networks that this machine is in, from the kernel's
 * neighbour table. The control thread reads that once a second, while an action needs it, and
 * workers look into the copy: what a client's address is known by is at most a second old, and a
 * client that has just come is unknown for as long.
 */
#ifndef RULES_NEIGHBOURS_H
#define RULES_NEIGHBOURS_H

#include "core/addr.h"

#define MAC_LEN 6

/* One more, or one fewer, action needs them. Control thread. */
void neighbours_need(void);
void neighbours_need_no_more(void);

/* Reads the kernel's table, when it is needed. Control thread, once a second, and when a rule that
 * needs it comes. */
void neighbours_read(void);

/* False when the kernel does not know it. Worker, within a turn. */
bool neighbours_find(const struct addr *client, uint8_t mac[static MAC_LEN]);

/*
 * A table in the making, out of the kernel's messages (rtnetlink(7), RTM_NEWNEIGH). One at a time;
 * control thread. buf is aligned as a struct nlmsghdr is; false: it was the last one, or an error.
 */
void neighbours_begin(void);
bool neighbours_parse(const void *buf, size_t len);
void neighbours_publish(void); /* makes it the live one */

#endif
