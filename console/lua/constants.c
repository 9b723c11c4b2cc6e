/* Constants of the configuration language: tables of names and numbers. */
#include <stdio.h>
#include <string.h>

#include "console/lua/rows.h"
#include "console/lua/registry.h"

struct constant {
	const char *name;
	int value;
};

#define CONSTANTS_MAX 128 /* of one table; the longest, of types, has some seventy */

/* clang-format off */
static const struct constant dnsqtypes[] = {
#define TYPE(name, number) { #name, number },
#include "core/dns/types.def"
#undef TYPE
	{ NULL, 0 },
};

static const struct constant dnsrcodes[] = {
#define RCODE(name, number, text) { #name, number },
#include "core/dns/rcodes.def"
#undef RCODE
	{ NULL, 0 },
};

static const struct constant dnsclasses[] = {
	{ "IN", 1 }, { "CHAOS", 3 }, { "NONE", 254 }, { "ANY", 255 },
	{ NULL, 0 },
};

static const struct constant dnsopcodes[] = {
	{ "Query", 0 }, { "IQuery", 1 }, { "Status", 2 }, { "Notify", 4 }, { "Update", 5 },
	{ NULL, 0 },
};

static const struct constant dnssections[] = {
	{ "Question", 0 }, { "Answer", 1 }, { "Authority", 2 }, { "Additional", 3 },
	{ NULL, 0 },
};

static const struct constant ednsoptioncodes[] = {
	{ "NSID", 3 }, { "DAU", 5 }, { "DHU", 6 }, { "N3U", 7 }, { "ECS", 8 }, { "EXPIRE", 9 },
	{ "COOKIE", 10 }, { "TCPKEEPALIVE", 11 }, { "PADDING", 12 }, { "CHAIN", 13 },
	{ "KEYTAG", 14 },
	{ NULL, 0 },
};

static const struct constant dnsactions[] = {
#define DNS_ACTION(id, name, number, text) { #name, number },
#include "rules/dns_actions.def"
#undef DNS_ACTION
	{ NULL, 0 },
};

static const struct constant dnsresponseactions[] = {
	{ "Allow", 0 }, { "Delay", 1 }, { "Drop", 2 }, { "HeaderModify", 3 }, { "ServFail", 4 },
	{ "Truncate", 5 }, { "None", 6 },
	{ NULL, 0 },
};

/* clang-format on */

static const struct {
	const char *table;
	const struct constant *rows;
} tables[] = {
	{"DNSQType", dnsqtypes},     {"DNSRCode", dnsrcodes},
	{"DNSClass", dnsclasses},    {"DNSOpcode", dnsopcodes},
	{"DNSSection", dnssections}, {"EDNSOptionCode", ednsoptioncodes},
	{"DNSAction", dnsactions},   {"DNSResponseAction", dnsresponseactions},
};

/*
 * Old configurations read types and response codes from a table named dnsdist, and classes from
 * QClass. __index finds the new place, so that a use can be warned about where it stands.
 */
static bool push_constant(lua_State *L, const struct constant *rows, const char *name)
{
	for (; rows->name; rows++) {
		if (strcmp(rows->name, name) == 0) {
			lua_pushinteger(L, rows->value);
			return true;
		}
	}
	return false;
}

static void warn_former(lua_State *L, const char *table, const char *now, const char *name)
{
	char old_form[64], new_form[64];

	snprintf(old_form, sizeof(old_form), "%s.%.24s", table, name);
	snprintf(new_form, sizeof(new_form), "%s.%.24s", now, name);
	lua_host_former(L, old_form, new_form);
}

static int index_dnsdist(lua_State *L)
{
	const char *name = luaL_tolstring(L, 2, NULL);

	if (push_constant(L, dnsqtypes, name))
		warn_former(L, "dnsdist", "DNSQType", name);
	else if (push_constant(L, dnsrcodes, name))
		warn_former(L, "dnsdist", "DNSRCode", name);
	else
		return 0;
	return 1;
}

static int index_qclass(lua_State *L)
{
	const char *name = luaL_tolstring(L, 2, NULL);

	if (!push_constant(L, dnsclasses, name))
		return 0;
	warn_former(L, "QClass", "DNSClass", name);
	return 1;
}

static void set_former_table(lua_State *L, const char *name, lua_CFunction index)
{
	lua_newtable(L);
	lua_createtable(L, 0, 1);
	lua_pushcfunction(L, index);
	lua_setfield(L, -2, "__index");
	lua_setmetatable(L, -2);
	lua_setglobal(L, name);
}

/*
 * A constant that is not there is nil, as in any table: configurations ask for what newer releases have. The
 * slip of a pen is told, since what follows it only says that it got nil.
 */
static int no_constant(lua_State *L)
{
	const char *table = lua_tostring(L, lua_upvalueindex(1));
	const struct constant *rows = lua_touserdata(L, lua_upvalueindex(2));
	const char *names[CONSTANTS_MAX];
	const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
	const char *nearest;
	size_t n = 0;

	for (; rows->name && n < CONSTANTS_MAX; rows++)
		names[n++] = rows->name;
	nearest = err_nearest(name, names, n);
	if (nearest)
		lua_warn(L, "%s has no '%.60s' (did you mean '%s'?)", table, name, nearest);
	return 0;
}

static void set_no_constant(lua_State *L, const char *table, const struct constant *rows)
{
	lua_createtable(L, 0, 1);
	lua_pushstring(L, table);
	lua_pushlightuserdata(L, (void *)rows);
	lua_pushcclosure(L, no_constant, 2);
	lua_setfield(L, -2, "__index");
	lua_setmetatable(L, -2);
}

void lua_constants_setup(lua_State *L)
{
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		lua_newtable(L);
		set_no_constant(L, tables[i].table, tables[i].rows);
		for (const struct constant *c = tables[i].rows; c->name; c++) {
			lua_pushinteger(L, c->value);
			lua_setfield(L, -2, c->name);
		}
		lua_setglobal(L, tables[i].table);
	}
	set_former_table(L, "dnsdist", index_dnsdist);
	set_former_table(L, "QClass", index_qclass);
	lua_newtable(L);
	lua_setglobal(L, "pdns_features"); /* none of the features it names is built in */
}
