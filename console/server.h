/* The encrypted console's listening side: sessions on the control thread, nothing blocks. */
#ifndef CONSOLE_SERVER_H
#define CONSOLE_SERVER_H

#include "console/config.h"

/*
 * Follows the configuration: opens, moves or closes the listener. Called at start-up before
 * privileges go, and after each transaction that changed the console's part. 0, or a negative errno
 * with err naming the address; an old listener stays until the new one is open.
 */
int console_server_follow(const struct console_config *config, struct err *err);

/* Once a second: ends sessions that never proved their key, accepts again after running out of
 * descriptors. */
void console_server_tick(void);

/* Closes the listener and all sessions. */
void console_server_stop(void);

#endif
