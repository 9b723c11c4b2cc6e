/* Datagram sockets as options and settings want them. */
#ifndef WORKERS_UDP_SOCKET_H
#define WORKERS_UDP_SOCKET_H

#include "core/addr.h"
#include "pools/server.h"

/* A server_socket connected to the server, its buffers as the system has them. The descriptor, or a
 * negative errno. */
int udp_socket_connect(const struct server_fixed *fixed);

/* Buffers of the settings, or as large as the system allows. As root, beyond the system's limits.
 */
void udp_socket_buffers(int fd, uint32_t recv_octets, uint32_t send_octets);

#endif
