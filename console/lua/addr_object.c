/* The ComboAddress object: an address with a port. */
#include <stdio.h>
#include <string.h>

#include "console/lua/rows.h"
#include "console/lua/registry.h"
#include "core/tls/ipcipher.h"

void lua_push_address(lua_State *L, const struct addr *a)
{
	struct addr *box = lua_object_new(L, &lua_address, sizeof(*box));

	*box = *a;
}

void lua_arg_address(lua_State *L, int i, const char *what, uint16_t default_port, struct addr *out)
{
	const struct addr *box = lua_object_test(L, i, &lua_address);
	struct err err;

	if (box) {
		*out = *box;
		return;
	}
	if (addr_parse(lua_arg_string(L, i, what), default_port, out, &err) < 0)
		lua_host_raise(L, &err);
}

static int new_ca(lua_State *L)
{
	struct addr a;

	lua_arg_address(L, 1, "address", 0, &a);
	lua_push_address(L, &a);
	return 1;
}

static int new_ca_from_raw(lua_State *L)
{
	struct addr a = {.v4 = {.sin_family = AF_INET}};
	uint16_t port = 0;
	const char *raw;
	size_t len;

	lua_arg_string(L, 1, "address");
	raw = lua_tolstring(L, 1, &len);
	if (!lua_arg_missing(L, 2))
		port = (uint16_t)lua_arg_integer(L, 2, "port", 0, 65535);
	if (len == 16) {
		a.v6.sin6_family = AF_INET6;
		memcpy(&a.v6.sin6_addr, raw, len);
	} else if (len == 4) {
		memcpy(&a.v4.sin_addr, raw, len);
	}
	addr_set_port(&a, port);
	lua_push_address(L, &a);
	return 1;
}

const struct lua_function address_functions[] = {
	{"newCA", new_ca, ROW_READS, "address[:port]",
	 "a ComboAddress; the port is 0 when it is left out"},
	{"newCAFromRaw", new_ca_from_raw, ROW_READS, "octets [, port]",
	 "a ComboAddress of 4 or 16 octets in network order"},
	{NULL, NULL, 0, NULL, NULL},
};

static struct addr *check(lua_State *L, int i)
{
	return lua_object_check(L, i, &lua_address);
}

static int get_port(lua_State *L)
{
	lua_pushinteger(L, addr_port(check(L, 1)));
	return 1;
}

static int to_string(lua_State *L)
{
	char text[ADDR_TEXT_MAX];

	lua_pushstring(L, addr_text(check(L, 1), text));
	return 1;
}

static int to_string_port(lua_State *L)
{
	char text[ADDR_TEXT_MAX];

	lua_pushstring(L, addr_text_port(check(L, 1), text));
	return 1;
}

static int to_string_no_interface(lua_State *L)
{
	struct addr a = *check(L, 1);
	char text[ADDR_TEXT_MAX];

	if (a.sa.sa_family == AF_INET6)
		a.v6.sin6_scope_id = 0;
	lua_pushstring(L, addr_text(&a, text));
	return 1;
}

/* "1.0.0.127" or "1.0.0.0.…", as in names below in-addr.arpa and ip6.arpa. */
static int to_string_reversed(lua_State *L)
{
	size_t len, at = 0;
	const uint8_t *bytes = addr_bytes(check(L, 1), &len);
	char text[80] = "";

	for (size_t i = len; i-- > 0;) {
		const char *dot = i ? "." : "";

		if (len == 4)
			at += (size_t)sprintf(text + at, "%u%s", bytes[i], dot);
		else
			at += (size_t)sprintf(text + at, "%x.%x%s", bytes[i] & 15u, bytes[i] >> 4,
					      dot);
	}
	lua_pushstring(L, text);
	return 1;
}

static int get_raw(lua_State *L)
{
	size_t len;
	const uint8_t *bytes = addr_bytes(check(L, 1), &len);

	lua_pushlstring(L, (const char *)bytes, len);
	return 1;
}

static int is_ipv4(lua_State *L)
{
	lua_pushboolean(L, check(L, 1)->sa.sa_family == AF_INET);
	return 1;
}

static int is_ipv6(lua_State *L)
{
	lua_pushboolean(L, check(L, 1)->sa.sa_family == AF_INET6);
	return 1;
}

static bool is_mapped(const struct addr *a)
{
	return a->sa.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr);
}

static int is_mapped_ipv4(lua_State *L)
{
	lua_pushboolean(L, is_mapped(check(L, 1)));
	return 1;
}

static int map_to_ipv4(lua_State *L)
{
	const struct addr *a = check(L, 1);
	struct addr v4 = {.v4 = {.sin_family = AF_INET}};
	char text[ADDR_TEXT_MAX];

	if (!is_mapped(a))
		return lua_fail(L, "%s is not an IPv4 address mapped into IPv6",
				addr_text(a, text));
	memcpy(&v4.v4.sin_addr, (const uint8_t *)&a->v6.sin6_addr + 12, 4);
	addr_set_port(&v4, addr_port(a));
	lua_push_address(L, &v4);
	return 1;
}

static int truncate_bits(lua_State *L)
{
	struct addr *a = check(L, 1);

	addr_mask(a, (unsigned)lua_arg_integer(L, 2, "bits", 0, 128));
	return 0;
}

static int with_key(lua_State *L,
		    int (*crypt)(const uint8_t key[static IPCIPHER_KEY], struct addr *a))
{
	struct addr a = *check(L, 1);
	const char *key;
	size_t len;

	lua_arg_string(L, 2, "key");
	key = lua_tolstring(L, 2, &len);
	if (len != IPCIPHER_KEY)
		return lua_fail(L, "key must have %d octets, got %d", IPCIPHER_KEY, (int)len);
	if (crypt((const uint8_t *)key, &a) < 0)
		return lua_fail(L, "the cipher failed");
	lua_push_address(L, &a);
	return 1;
}

static int ip_encrypt(lua_State *L)
{
	return with_key(L, ipcipher_encrypt);
}

static int ip_decrypt(lua_State *L)
{
	return with_key(L, ipcipher_decrypt);
}

static int equal(lua_State *L)
{
	const struct addr *a = lua_object_test(L, 1, &lua_address);
	const struct addr *b = lua_object_test(L, 2, &lua_address);

	lua_pushboolean(L, a && b && addr_equal(a, b));
	return 1;
}

/* IPv4 before IPv6, then by address, then by port. */
static int less(lua_State *L)
{
	const struct addr *a = check(L, 1), *b = check(L, 2);
	size_t a_len, b_len;
	const uint8_t *a_bytes = addr_bytes(a, &a_len), *b_bytes = addr_bytes(b, &b_len);
	int order = a_len != b_len ? (a_len < b_len ? -1 : 1) : memcmp(a_bytes, b_bytes, a_len);

	if (order == 0)
		order = (int)addr_port(a) - (int)addr_port(b);
	lua_pushboolean(L, order < 0);
	return 1;
}

#define READS(name, call, params, help) METHOD(name, call, ROW_READS, params, help)

static const struct lua_method methods[] = {
	READS("getPort", get_port, "", "its port"),
	READS("toString", to_string, "", "the address without the port"),
	READS("tostring", to_string, "", "the same as toString"),
	READS("toStringWithPort", to_string_port, "", "'192.0.2.1:53' or '[2001:db8::1]:53'"),
	READS("tostringWithPort", to_string_port, "", "the same as toStringWithPort"),
	READS("toStringNoInterface", to_string_no_interface, "", "the address without its scope"),
	READS("toStringReversed", to_string_reversed, "", "as names in reverse zones begin"),
	READS("getRaw", get_raw, "", "4 or 16 octets in network order"),
	READS("isIPv4", is_ipv4, "", "whether it is an IPv4 address"),
	READS("isIPv6", is_ipv6, "", "whether it is an IPv6 address"),
	READS("isMappedIPv4", is_mapped_ipv4, "", "whether it is an IPv4 address mapped into IPv6"),
	READS("mapToIPv4", map_to_ipv4, "", "the IPv4 address in it"),
	READS("truncate", truncate_bits, "bits", "clears the bits after the first, and the port"),
	READS("ipencrypt", ip_encrypt, "key",
	      "another address for it under a key of 16 octets: ipcrypt, or AES-128 for IPv6"),
	READS("ipdecrypt", ip_decrypt, "key", "the address that ipencrypt made into this one"),
	METHODS_END,
};

static const luaL_Reg meta[] = {
	{"__tostring", to_string},
	{"__eq", equal},
	{"__lt", less},
	{NULL, NULL},
};

const struct lua_object lua_address = {"ComboAddress", methods, meta};
