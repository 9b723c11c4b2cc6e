/* What dnsdist -c, dnsdist -e and dnsdist-console have in common. */
#ifndef CONSOLE_RUN_CLIENT_H
#define CONSOLE_RUN_CLIENT_H

#include "console/options.h"

/* Reads the configuration for address and key, then executes or converses. The exit status. */
int run_client(const struct options *o);

/* The two lines of --version, on standard output. */
void print_version(const char *program);

#endif
