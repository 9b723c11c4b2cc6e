/* The console's client: dnsdist -c, dnsdist -e, dnsdist-console. */
#ifndef CONSOLE_CLIENT_H
#define CONSOLE_CLIENT_H

#include "console/config.h"

struct client_target {
	struct addr addr;
	uint8_t key[CONSOLE_KEY_LEN];
	uint32_t max_message; /* octets; an answer announced as longer ends the connection */
};

/* Sends one command and prints its answer. The exit status: 0 even when the command failed there, 1
 * without a daemon. */
int client_execute(const struct client_target *target, const char *command);

/*
 * Reads commands until their end: with a prompt, editing, history (~/.dnsdist_history) and
 * completion from a terminal, silently from anything else. The exit status.
 */
int client_interactive(const struct client_target *target);

#endif
