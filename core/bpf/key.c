/* What entries are found by, from and as what operators write. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "core/bpf/kfilter.h"
#include "core/dns/name.h"

static bool is_mapped(const struct addr *a)
{
	return a->sa.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr);
}

void kfilter_key_address(const struct addr *a, struct kfilter_key *k)
{
	size_t len;
	const uint8_t *octets = addr_bytes(a, &len);

	memset(k, 0, sizeof(*k));
	if (len == 4 || is_mapped(a)) {
		k->map = KFILTER_V4;
		memcpy(k->v4, octets + len - 4, 4);
	} else {
		k->map = KFILTER_V6;
		memcpy(k->v6, octets, 16);
	}
}

void kfilter_key_range(const struct netmask *nm, struct kfilter_key *k)
{
	size_t len;
	const uint8_t *octets = addr_bytes(&nm->base, &len);
	bool mapped = is_mapped(&nm->base) && nm->bits >= 96;

	memset(k, 0, sizeof(*k));
	if (len == 4 || mapped) {
		k->map = KFILTER_CIDR4;
		k->cidr4.bits = nm->bits - (mapped ? 96u : 0u);
		memcpy(k->cidr4.addr, octets + len - 4, 4);
	} else {
		k->map = KFILTER_CIDR6;
		k->cidr6.bits = nm->bits;
		memcpy(k->cidr6.addr, octets, 16);
	}
}

void kfilter_key_name(const uint8_t *name, size_t len, uint16_t qtype, struct kfilter_key *k)
{
	memset(k, 0, sizeof(*k));
	k->map = KFILTER_NAMES;
	name_lower(k->name.octets, name, len);
	k->name.qtype = qtype;
}

static void put_address(int family, const uint8_t *octets, char *text)
{
	inet_ntop(family, octets, text, INET6_ADDRSTRLEN);
}

static void put_range(int family, const uint8_t *octets, unsigned bits, char *text)
{
	put_address(family, octets, text);
	snprintf(text + strlen(text), 8, "/%u", bits);
}

static void put_name(const struct kfilter_name *n, char *text)
{
	char type[16];
	size_t len = 0;

	/* a pinned map may have anything */
	while (len < DNS_NAME_MAX && n->octets[len] != 0)
		len += 1 + (size_t)n->octets[len];
	if (len >= DNS_NAME_MAX)
		len = 0;
	name_text(n->octets, len + 1, text);
	if (n->qtype != KFILTER_ANY_TYPE)
		snprintf(text + strlen(text), 16, " %s", type_text(n->qtype, type));
}

char *kfilter_key_text(const struct kfilter_key *k, char text[static KFILTER_TEXT_MAX])
{
	switch (k->map) {
	case KFILTER_V4:
		put_address(AF_INET, k->v4, text);
		break;
	case KFILTER_V6:
		put_address(AF_INET6, k->v6, text);
		break;
	case KFILTER_CIDR4:
		put_range(AF_INET, k->cidr4.addr, k->cidr4.bits, text);
		break;
	case KFILTER_CIDR6:
		put_range(AF_INET6, k->cidr6.addr, k->cidr6.bits, text);
		break;
	case KFILTER_NAMES:
		put_name(&k->name, text);
		break;
	default:
		*text = '\0';
	}
	return text;
}
