/* The daemon from its start to its end: configuration, sockets, rights, workers, first checks,
 * service. */
#ifndef CONSOLE_DAEMON_H
#define CONSOLE_DAEMON_H

#include "console/options.h"

#define DEFAULT_CONFIG "/etc/dnsdist/dnsdist.conf"

/* Runs until a signal or shutdown(). The exit status. */
int daemon_run(const struct options *o);

/* --check-config: the exit status. */
int daemon_check(const struct options *o);

#endif
