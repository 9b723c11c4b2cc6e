#include "core/netmask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned width(const struct addr *a)
{
	return a->sa.sa_family == AF_INET6 ? 128 : 32;
}

/* "/24" or nothing; -1 when it is neither, or more than the address has. */
static int parse_bits(const char *slash, unsigned most)
{
	char *end;
	unsigned long bits;

	if (!slash)
		return (int)most;
	if (slash[1] < '0' || slash[1] > '9') /* strtoul would take blanks and signs */
		return -1;
	bits = strtoul(slash + 1, &end, 10);
	return *end == '\0' && bits <= most ? (int)bits : -1;
}

/* An address alone: no port, no brackets, no scope. */
static bool has_address_only(const char *text)
{
	const char *colon = strchr(text, ':');

	return !strpbrk(text, "[]%") && (!colon || strchr(colon + 1, ':'));
}

int netmask_parse(const char *text, struct netmask *out, struct err *err)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	char address[ADDR_TEXT_MAX];
	struct err ignored;
	int bits = -1;

	if (!err)
		err = &ignored;
	if (len < sizeof(address)) {
		memcpy(address, text, len);
		address[len] = '\0';
		if (has_address_only(address) && addr_parse(address, 0, &out->base, NULL) == 0)
			bits = parse_bits(slash, width(&out->base));
	}
	if (bits < 0)
		return err_set(err,
			       "'%.80s' is not a netmask such as 192.0.2.0/24 or 2001:db8::/32",
			       text);
	addr_mask(&out->base, (unsigned)bits);
	out->bits = (uint8_t)bits;
	return 0;
}

char *netmask_text(const struct netmask *nm, char text[static NETMASK_TEXT_MAX])
{
	char address[ADDR_TEXT_MAX];

	snprintf(text, NETMASK_TEXT_MAX, "%s/%u", addr_text(&nm->base, address), nm->bits);
	return text;
}

bool netmask_equal(const struct netmask *a, const struct netmask *b)
{
	return a->bits == b->bits && addr_equal(&a->base, &b->base);
}

/* a's octets; those of the IPv4 address inside when it is a mapped one (RFC 4291 2.5.5.2). */
static const uint8_t *unmapped(const struct addr *a, size_t *len)
{
	const uint8_t *bytes = addr_bytes(a, len);

	if (*len == 16 && IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr)) {
		*len = 4;
		return bytes + 12;
	}
	return bytes;
}

bool netmask_has(const struct netmask *nm, const struct addr *a)
{
	size_t have_len, want_len;
	const uint8_t *have = unmapped(a, &have_len), *want = unmapped(&nm->base, &want_len);
	unsigned bits = nm->bits, whole;

	if (want_len != have_len)
		return false;
	if (nm->base.sa.sa_family == AF_INET6 && want_len == 4)
		bits -= 96; /* a shorter one has lost bits of the ffff, and is no mapped address */
	whole = bits / 8;
	return memcmp(have, want, whole) == 0 &&
	       (bits % 8 == 0 || (have[whole] ^ want[whole]) >> (8 - bits % 8) == 0);
}
