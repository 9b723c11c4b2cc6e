/* Becoming somebody with fewer rights once the sockets are bound. */
#ifndef CONSOLE_PRIVILEGES_H
#define CONSOLE_PRIVILEGES_H

#include "core/err.h"

/* A capability ("CAP_NET_RAW") to keep through privileges_drop. 0, or -EINVAL with err set when
 * there is no such. */
int privileges_retain(const char *capability, struct err *err);

/*
 * Changes to this user and group (names or numbers, NULL: as we are), leaves the supplementary
 * groups, and, when some are to be retained, gives up every other capability. 0, or a negative
 * errno with err set. Before threads.
 */
int privileges_drop(const char *user, const char *group, struct err *err);

#endif
