/* IPv4 and IPv6 socket addresses (the reference calls them ComboAddress). */
#ifndef CORE_ADDR_H
#define CORE_ADDR_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "core/err.h"

struct addr {
	union {
		struct sockaddr sa;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	};
};

/* "[" + address + "%" + scope + "]:65535" + NUL */
#define ADDR_TEXT_MAX 72

/*
 * Reads "192.0.2.1", "192.0.2.1:53", "2001:db8::1", "[2001:db8::1]:53" or "fe80::1%eth0"; an address
 * without a port gets default_port. Host names are refused. 0, or -EINVAL with err set (err may be NULL).
 */
int addr_parse(const char *text, uint16_t default_port, struct addr *out, struct err *err);

/* Writes the address without and with its port; returns text. */
char *addr_text(const struct addr *a, char text[static ADDR_TEXT_MAX]);
char *addr_text_port(const struct addr *a, char text[static ADDR_TEXT_MAX]);

bool addr_equal(const struct addr *a, const struct addr *b); /* address, scope and port */
bool addr_is_any(const struct addr *a);                      /* 0.0.0.0 or :: */

static inline socklen_t addr_len(const struct addr *a)
{
	return a->sa.sa_family == AF_INET6 ? sizeof(a->v6) : sizeof(a->v4);
}

/* Host byte order; the port sits at the same place in both families. */
static inline uint16_t addr_port(const struct addr *a)
{
	return ntohs(a->v4.sin_port);
}

static inline void addr_set_port(struct addr *a, uint16_t port)
{
	a->v4.sin_port = htons(port);
}

/* The address itself in network order: 4 or 16 octets, lent. */
const uint8_t *addr_bytes(const struct addr *a, size_t *len);

/* Zeroes the bits after the first n, and the port. n above the width leaves the address whole. */
void addr_mask(struct addr *a, unsigned n);

#endif
