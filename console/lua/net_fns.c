/* What a configuration asks the machine about its network. */
#include <ifaddrs.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "console/lua/rows.h"
#include "console/lua/registry.h"
#include "core/netmask.h"

static int get_resolvers(lua_State *L)
{
	const char *path = lua_arg_string(L, 1, "path");
	FILE *file = fopen(path, "re");
	lua_Integer n = 0;
	char line[512];

	lua_newtable(L);
	if (file == NULL) {
		lua_complain(L, "'%s' can't be read", path);
		return 1;
	}
	while (fgets(line, sizeof(line), file)) {
		char word[16], addr[ADDR_TEXT_MAX];

		if (sscanf(line, "%15s %71s", word, addr) == 2 && strcmp(word, "nameserver") == 0) {
			lua_pushstring(L, addr);
			lua_rawseti(L, -2, ++n);
		}
	}
	fclose(file);
	return 1;
}

static struct ifaddrs *interfaces(lua_State *L)
{
	struct ifaddrs *list = NULL;

	if (getifaddrs(&list) < 0)
		lua_fail(L, "the system does not tell its interfaces");
	return list;
}

static bool has_name(lua_State *L, int table, const char *name)
{
	bool found = false;

	for (lua_pushnil(L); !found && lua_next(L, table); lua_pop(L, 1))
		found = strcmp(lua_tostring(L, -1), name) == 0;
	if (found)
		lua_pop(L, 1); /* the key that another lua_next would have taken */
	return found;
}

static int list_interfaces(lua_State *L)
{
	struct ifaddrs *list = interfaces(L);
	int table;

	lua_newtable(L);
	table = lua_gettop(L);
	for (struct ifaddrs *i = list; i; i = i->ifa_next) {
		if (has_name(L, table, i->ifa_name))
			continue;
		lua_pushstring(L, i->ifa_name);
		lua_rawseti(L, table, (lua_Integer)lua_rawlen(L, table) + 1);
	}
	freeifaddrs(list);
	return 1;
}

static unsigned mask_bits(const struct sockaddr *mask)
{
	size_t len;
	const uint8_t *bytes = addr_bytes((const struct addr *)mask, &len);
	unsigned bits = 0;

	for (size_t i = 0; i < len; i++)
		bits += (unsigned)__builtin_popcount(bytes[i]);
	return bits;
}

static int list_of_interface(lua_State *L, bool ranges)
{
	const char *name = lua_arg_string(L, 1, "interface");
	struct ifaddrs *list = interfaces(L);
	lua_Integer n = 0;

	lua_newtable(L);
	for (struct ifaddrs *i = list; i; i = i->ifa_next) {
		struct addr a = {.v6 = {0}};
		char text[NETMASK_TEXT_MAX];

		if (i->ifa_addr == NULL || strcmp(i->ifa_name, name) != 0 ||
		    (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
			continue;
		memcpy(&a, i->ifa_addr, addr_len((const struct addr *)i->ifa_addr));
		if (ranges && i->ifa_netmask) {
			struct netmask nm = {.bits = (uint8_t)mask_bits(i->ifa_netmask)};

			addr_mask(&a, nm.bits);
			nm.base = a;
			netmask_text(&nm, text);
		} else {
			addr_text(&a, text);
		}
		lua_pushstring(L, text);
		lua_rawseti(L, -2, ++n);
	}
	freeifaddrs(list);
	return 1;
}

static int list_addresses(lua_State *L)
{
	return list_of_interface(L, false);
}

static int list_ranges(lua_State *L)
{
	return list_of_interface(L, true);
}

/* From the table of neighbours of the kernel, whose IPv4 part is a file of text. */
static bool find_neighbour(const char *addr, unsigned char mac[static 6])
{
	FILE *file = fopen("/proc/net/arp", "re");
	char line[512];
	bool found = false;

	if (file == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), file)) {
		char ip[64];
		unsigned flags, m[6];

		if (sscanf(line, "%63s %*s %x %x:%x:%x:%x:%x:%x", ip, &flags, &m[0], &m[1], &m[2],
			   &m[3], &m[4], &m[5]) != 8 ||
		    (flags & ATF_COM) == 0 || strcmp(ip, addr) != 0)
			continue;
		for (int i = 0; i < 6; i++)
			mac[i] = (unsigned char)m[i];
		found = true;
	}
	fclose(file);
	return found;
}

static int get_mac_address(lua_State *L)
{
	unsigned char mac[6];
	char text[ADDR_TEXT_MAX];
	struct addr a;

	lua_arg_address(L, 1, "address", 0, &a);
	if (find_neighbour(addr_text(&a, text), mac))
		lua_pushlstring(L, (const char *)mac, sizeof(mac));
	else
		lua_pushliteral(L, "");
	return 1;
}

const struct lua_function net_functions[] = {
	{"getResolvers", get_resolvers, ROW_READS, "path",
	 "a table of the nameserver lines of a resolv.conf"},
	{"getListOfNetworkInterfaces", list_interfaces, ROW_READS, "", "a table of names"},
	{"getListOfAddressesOfNetworkInterface", list_addresses, ROW_READS, "interface",
	 "a table of addresses"},
	{"getListOfRangesOfNetworkInterface", list_ranges, ROW_READS, "interface",
	 "a table of netmasks"},
	{"getMACAddress", get_mac_address, ROW_READS, "address",
	 "six octets, '' when the address is no known neighbour"},
	{NULL, NULL, 0, NULL, NULL},
};
