/* Sockets to servers of either kind, from where their options say. */
#ifndef WORKERS_SERVER_SOCKET_H
#define WORKERS_SERVER_SOCKET_H

#include "pools/server.h"

/*
 * A non-blocking socket of this type (SOCK_DGRAM, SOCK_STREAM), bound to the server's source interface and
 * address, its packets marked; not connected. The descriptor, or a negative errno.
 */
int server_socket(const struct server_fixed *fixed, int type);

#endif
