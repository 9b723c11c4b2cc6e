/* The Netmask object: an address and how many of its first bits count. */
#include "console/lua/rows.h"
#include "console/lua/registry.h"
#include "core/netmask.h"

static void push(lua_State *L, const struct netmask *nm)
{
	struct netmask *box = lua_object_new(L, &lua_netmask, sizeof(*box));

	*box = *nm;
}

bool lua_read_netmask(lua_State *L, int i, struct netmask *out, struct err *err)
{
	const struct netmask *box;
	const struct addr *address;

	if (lua_type(L, i) == LUA_TSTRING)
		return netmask_parse(lua_tostring(L, i), out, err) == 0;
	box = lua_object_test(L, i, &lua_netmask);
	address = box ? NULL : lua_object_test(L, i, &lua_address);
	if (box) {
		*out = *box;
	} else if (address) {
		out->base = *address;
		out->bits = address->sa.sa_family == AF_INET6 ? 128 : 32;
		addr_mask(&out->base, out->bits);
	} else {
		err_set(err, "a netmask must be a string, a Netmask or a ComboAddress, got %s",
			lua_value_text(L, i));
	}
	return box || address;
}

static void new_of_bits(lua_State *L, struct netmask *nm)
{
	lua_Integer most;

	lua_arg_address(L, 1, "address", 0, &nm->base);
	most = nm->base.sa.sa_family == AF_INET6 ? 128 : 32;
	nm->bits = (uint8_t)lua_arg_integer(L, 2, "bits", 0, most);
	addr_mask(&nm->base, nm->bits);
}

static int new_netmask(lua_State *L)
{
	struct netmask nm = {.bits = 0};
	struct err err;

	if (!lua_arg_missing(L, 2))
		new_of_bits(L, &nm);
	else if (!lua_read_netmask(L, 1, &nm, &err))
		return lua_host_raise(L, &err);
	push(L, &nm);
	return 1;
}

const struct lua_function netmask_functions[] = {
	{"newNetmask", new_netmask, ROW_READS, "netmask|address, bits",
	 "a Netmask of a text such as '192.0.2.0/24', or of an address and its first bits"},
	{NULL, NULL, 0, NULL, NULL},
};

static const struct netmask *check(lua_State *L, int i)
{
	return lua_object_check(L, i, &lua_netmask);
}

static int is_empty(lua_State *L)
{
	lua_pushboolean(L, check(L, 1)->base.sa.sa_family == AF_UNSPEC);
	return 1;
}

static int get_bits(lua_State *L)
{
	lua_pushinteger(L, check(L, 1)->bits);
	return 1;
}

static int get_network(lua_State *L)
{
	lua_push_address(L, &check(L, 1)->base);
	return 1;
}

static int is_ipv4(lua_State *L)
{
	lua_pushboolean(L, check(L, 1)->base.sa.sa_family == AF_INET);
	return 1;
}

static int is_ipv6(lua_State *L)
{
	lua_pushboolean(L, check(L, 1)->base.sa.sa_family == AF_INET6);
	return 1;
}

static int match(lua_State *L)
{
	const struct netmask *nm = check(L, 1);
	struct addr a;

	lua_arg_address(L, 2, "address", 0, &a);
	lua_pushboolean(L, netmask_has(nm, &a));
	return 1;
}

static int to_string(lua_State *L)
{
	char text[NETMASK_TEXT_MAX];

	lua_pushstring(L, netmask_text(check(L, 1), text));
	return 1;
}

static int equal(lua_State *L)
{
	const struct netmask *a = lua_object_test(L, 1, &lua_netmask);
	const struct netmask *b = lua_object_test(L, 2, &lua_netmask);

	lua_pushboolean(L, a && b && netmask_equal(a, b));
	return 1;
}

#define READS(name, call, params, help) METHOD(name, call, ROW_READS, params, help)

static const struct lua_method methods[] = {
	READS("empty", is_empty, "", "whether it has no address"),
	READS("getBits", get_bits, "", "how many bits count"),
	READS("getNetwork", get_network, "", "its address, the other bits zero"),
	READS("getMaskedNetwork", get_network, "", "the same as getNetwork"),
	READS("isIPv4", is_ipv4, "", "whether it is of IPv4"),
	READS("isIpv4", is_ipv4, "", "the same as isIPv4"),
	READS("isIPv6", is_ipv6, "", "whether it is of IPv6"),
	READS("isIpv6", is_ipv6, "", "the same as isIPv6"),
	READS("match", match, "address", "whether the address is in it"),
	READS("toString", to_string, "", "'192.0.2.0/24'"),
	METHODS_END,
};

static const luaL_Reg meta[] = {
	{"__tostring", to_string},
	{"__eq", equal},
	{NULL, NULL},
};

const struct lua_object lua_netmask = {"Netmask", methods, meta};
