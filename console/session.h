/* One console client's connection: nonces, frames, commands one after another, answers of any size.
 */
#ifndef CONSOLE_SESSION_H
#define CONSOLE_SESSION_H

#include "console/config.h"

/* Takes fd (connected, non-blocking). The key and the limits are those of this moment. */
void session_start(int fd, const struct addr *client, const struct console_config *config);

unsigned sessions_count(void);

/* Once a second: a client that has not proved its key within SESSION_PROOF_S is cut off. */
void sessions_tick(void);
void sessions_stop(void);

#endif
