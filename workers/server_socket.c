#include "workers/server_socket.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The six upper bits of the octet (RFC 2474 3). */
static int set_dscp(int fd, const struct server_fixed *f)
{
	int tos = f->dscp << 2;

	if (f->dscp == 0)
		return 0;
	if (f->addr.sa.sa_family == AF_INET6)
		return setsockopt(fd, SOL_IPV6, IPV6_TCLASS, &tos, sizeof(tos));
	return setsockopt(fd, SOL_IP, IP_TOS, &tos, sizeof(tos));
}

static int bind_source(int fd, const struct server_fixed *f)
{
	static const int on = 1;
	size_t itf_len = strnlen(f->source_itf, sizeof(f->source_itf));

	if (itf_len > 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, f->source_itf, (socklen_t)itf_len) < 0)
		return -1;
	if (f->source.sa.sa_family == AF_UNSPEC)
		return 0;
	/* The port is then chosen at connect, and may be one that another server's socket has.
	 * Without it there are fewer ports, and all else works. */
	if (f->ip_bind_addr_no_port)
		setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	return bind(fd, &f->source.sa, addr_len(&f->source));
}

int server_socket(const struct server_fixed *fixed, int type)
{
	int fd = socket(fixed->addr.sa.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -errno;
	if (set_dscp(fd, fixed) == 0 && bind_source(fd, fixed) == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}
