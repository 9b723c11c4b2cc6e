#include "core/addr.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

static bool number(const char *text, uint32_t max, uint32_t *out)
{
	uint64_t n = 0;

	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return false;
		n = n * 10 + (uint64_t)(*text - '0');
		if (n > max)
			return false;
	}
	*out = (uint32_t)n;
	return true;
}

static bool read_v6(char *host, struct addr *out)
{
	char *scope = strchr(host, '%');
	uint32_t id = 0;

	if (scope != NULL) {
		*scope++ = '\0';
		id = if_nametoindex(scope);
		if (id == 0 && !number(scope, UINT32_MAX, &id))
			return false;
	}
	if (inet_pton(AF_INET6, host, &out->v6.sin6_addr) != 1)
		return false;
	out->v6.sin6_family = AF_INET6;
	out->v6.sin6_scope_id = id;
	return true;
}

static bool read_host(char *host, struct addr *out)
{
	if (strchr(host, ':') != NULL)
		return read_v6(host, out);
	out->v4.sin_family = AF_INET;
	return inet_pton(AF_INET, host, &out->v4.sin_addr) == 1;
}

/* Cuts text (a copy) into host and port; *port NULL: none was given. False: the brackets don't
 * pair. */
static bool split(char *text, char **host, char **port)
{
	char *colon = strchr(text, ':');
	char *end;

	*host = text;
	*port = NULL;
	if (*text == '[') {
		*host = text + 1;
		end = strchr(text, ']');
		if (end == NULL || (end[1] != '\0' && end[1] != ':') || strchr(text, ':') > end)
			return false;
		*end = '\0';
		if (end[1] == ':')
			*port = end + 2;
	} else if (colon != NULL && strchr(colon + 1, ':') == NULL) {
		*colon = '\0';
		*port = colon + 1;
	}
	return true;
}

int addr_parse(const char *text, uint16_t default_port, struct addr *out, struct err *err)
{
	char copy[ADDR_TEXT_MAX];
	char *host, *port;
	uint32_t n = default_port;
	size_t len = strlen(text);

	memset(out, 0, sizeof(*out));
	if (len >= sizeof(copy))
		return err_set(err, "'%.80s...' is too long for an address", text);
	memcpy(copy, text, len + 1);
	if (!split(copy, &host, &port) || (*text == '[' && strchr(host, ':') == NULL) ||
	    !read_host(host, out))
		return err_set(err, "'%s' is not an IPv4 or IPv6 address, with or without a port",
			       text);
	if (port != NULL && !number(port, UINT16_MAX, &n))
		return err_set(err, "'%s' has no valid port after the address (0 to 65535)", text);
	addr_set_port(out, (uint16_t)n);
	return 0;
}

static char *text_v6(const struct addr *a, char text[static ADDR_TEXT_MAX])
{
	char name[IF_NAMESIZE];
	uint32_t scope = a->v6.sin6_scope_id;
	size_t len;

	inet_ntop(AF_INET6, &a->v6.sin6_addr, text, ADDR_TEXT_MAX);
	if (scope == 0)
		return text;
	len = strlen(text);
	if (if_indextoname(scope, name) != NULL)
		snprintf(text + len, ADDR_TEXT_MAX - len, "%%%s", name);
	else
		snprintf(text + len, ADDR_TEXT_MAX - len, "%%%u", scope);
	return text;
}

char *addr_text(const struct addr *a, char text[static ADDR_TEXT_MAX])
{
	if (a->sa.sa_family == AF_INET6)
		return text_v6(a, text);
	inet_ntop(AF_INET, &a->v4.sin_addr, text, ADDR_TEXT_MAX);
	return text;
}

char *addr_text_port(const struct addr *a, char text[static ADDR_TEXT_MAX])
{
	bool v6 = a->sa.sa_family == AF_INET6;
	char host[ADDR_TEXT_MAX];

	addr_text(a, host);
	/* The precision is what is left beside brackets and port: a promise to the compiler. */
	snprintf(text, ADDR_TEXT_MAX, v6 ? "[%.62s]:%u" : "%.62s:%u", host, addr_port(a));
	return text;
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
	if (a->sa.sa_family != b->sa.sa_family || a->v4.sin_port != b->v4.sin_port)
		return false;
	if (a->sa.sa_family != AF_INET6)
		return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
	return a->v6.sin6_scope_id == b->v6.sin6_scope_id &&
	       memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof(a->v6.sin6_addr)) == 0;
}

bool addr_is_any(const struct addr *a)
{
	if (a->sa.sa_family == AF_INET6)
		return IN6_IS_ADDR_UNSPECIFIED(&a->v6.sin6_addr);
	return a->v4.sin_addr.s_addr == htonl(INADDR_ANY);
}

const uint8_t *addr_bytes(const struct addr *a, size_t *len)
{
	if (a->sa.sa_family == AF_INET6) {
		*len = sizeof(a->v6.sin6_addr);
		return a->v6.sin6_addr.s6_addr;
	}
	*len = sizeof(a->v4.sin_addr);
	return (const uint8_t *)&a->v4.sin_addr;
}

void addr_mask(struct addr *a, unsigned n)
{
	size_t len;
	uint8_t *bytes = (uint8_t *)addr_bytes(a, &len);

	addr_set_port(a, 0);
	if (n >= len * 8)
		return;
	if (n % 8 != 0)
		bytes[n / 8] &= (uint8_t)(0xff << (8 - n % 8));
	for (size_t i = (n + 7) / 8; i < len; i++)
		bytes[i] = 0;
}
