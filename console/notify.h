/* sd_notify(3)'s protocol, without its library (which would pull compression and gcrypt in). */
#ifndef CONSOLE_NOTIFY_H
#define CONSOLE_NOTIFY_H

/* Sends "READY=1", "STOPPING=1" … to NOTIFY_SOCKET; nothing when that is not set. 0 or a negative
 * errno. */
int notify(const char *state);

#endif
