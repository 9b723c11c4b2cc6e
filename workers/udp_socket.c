#include "workers/udp_socket.h"

#include <limits.h>
#include <netinet/ip.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

static int bind_source(int fd, const struct server_fixed *f)
{
	static const int on = 1;
	size_t itf_len = strnlen(f->source_itf, sizeof(f->source_itf));

	if (itf_len > 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, f->source_itf, (socklen_t)itf_len) < 0)
		return -errno;
	if (f->source.sa.sa_family == AF_UNSPEC)
		return 0;
	/* the port is then chosen at connect, and may be one that another server's socket has */
	if (f->ip_bind_addr_no_port)
		setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (bind(fd, &f->source.sa, addr_len(&f->source)) < 0)
		return -errno;
	return 0;
}

static int set_dscp(int fd, const struct server_fixed *f)
{
	int tos = f->dscp << 2; /* RFC 2474 3: the upper six bits */
	bool v6 = f->addr.sa.sa_family == AF_INET6;

	if (f->dscp == 0)
		return 0;
	if (setsockopt(fd, v6 ? SOL_IPV6 : SOL_IP, v6 ? IPV6_TCLASS : IP_TOS, &tos, sizeof(tos)) <
	    0)
		return -errno;
	return 0;
}

int udp_socket_connect(const struct server_fixed *f, const struct settings *settings)
{
	int fd = socket(f->addr.sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -errno;
	udp_socket_buffers(fd, settings->udp_recv_buffer, settings->udp_send_buffer);
	rc = set_dscp(fd, f);
	if (rc == 0)
		rc = bind_source(fd, f);
	if (rc == 0 && connect(fd, &f->addr.sa, addr_len(&f->addr)) < 0)
		rc = -errno;
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}
