#include "workers/udp_socket.h"

#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "workers/server_socket.h"

/* The largest buffer that the system gives to anybody; 0 when it does not say. */
static uint32_t system_limit(const char *path)
{
	FILE *f = fopen(path, "re");
	unsigned long octets = 0;

	if (f == NULL)
		return 0;
	if (fscanf(f, "%lu", &octets) != 1)
		octets = 0;
	fclose(f);
	return octets > INT_MAX ? INT_MAX : (uint32_t)octets;
}

static void set_buffer(int fd, int option, int force_option, uint32_t octets, const char *limit)
{
	int value = octets > INT_MAX ? INT_MAX : (int)octets;

	if (octets != 0 && setsockopt(fd, SOL_SOCKET, force_option, &value, sizeof(value)) == 0)
		return;
	if (octets == 0)
		value = (int)system_limit(limit);
	if (value > 0)
		setsockopt(fd, SOL_SOCKET, option, &value, sizeof(value));
}

void udp_socket_buffers(int fd, uint32_t recv_octets, uint32_t send_octets)
{
	set_buffer(fd, SO_RCVBUF, SO_RCVBUFFORCE, recv_octets, "/proc/sys/net/core/rmem_max");
	set_buffer(fd, SO_SNDBUF, SO_SNDBUFFORCE, send_octets, "/proc/sys/net/core/wmem_max");
}

int udp_socket_connect(const struct server_fixed *fixed)
{
	int fd = server_socket(fixed, SOCK_DGRAM);
	int rc;

	if (fd < 0 || connect(fd, &fixed->addr.sa, addr_len(&fixed->addr)) == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}
