/* The rings as tables, and the LuaRingEntry object. */
#include <string.h>

#include "console/grepq.h"
#include "console/lua/registry.h"
#include "core/clock.h"
#include "rules/neighbours.h"
#include "rules/traffic.h"

struct entry_box {
	struct traffic_record record;
	int64_t real_us; /* when it was, since 1970 */
	uint8_t mac[MAC_LEN];
	bool has_mac;
};

/* A table that grows on top of the stack. */
struct growing {
	lua_State *L;
	lua_Integer n;
	int rcode;             /* -1: any */
	int64_t real_ahead_us; /* of the monotonic clock */
};

static void append(struct growing *g)
{
	lua_rawseti(g->L, -2, ++g->n);
}

static void set_name(lua_State *L, const char *key, const struct traffic_record *r)
{
	char text[DNS_NAME_TEXT_MAX];

	lua_pushstring(L, name_text(r->name, r->name_len, text));
	lua_setfield(L, -2, key);
}

static void set_integer(lua_State *L, const char *key, lua_Integer value)
{
	lua_pushinteger(L, value);
	lua_setfield(L, -2, key);
}

static void push_response(void *ctx, const struct traffic_record *r)
{
	struct growing *g = ctx;

	lua_createtable(g->L, 0, 4);
	set_name(g->L, "name", r);
	set_integer(g->L, "qtype", r->qtype);
	set_integer(g->L, "rcode", r->flags & DNS_RCODE_MASK);
	set_integer(g->L, "usec", r->latency_us);
	append(g);
}

static int get_response_ring(lua_State *L)
{
	struct growing g = {.L = L};

	lua_newtable(L);
	traffic_visit(TRAFFIC_ANSWERS, push_response, &g);
	return 1;
}

static void push_rcode(void *ctx, const struct traffic_record *r)
{
	struct growing *g = ctx;
	int rcode = r->flags & DNS_RCODE_MASK;

	if (g->rcode >= 0 && g->rcode != rcode)
		return;
	lua_createtable(g->L, 0, 2);
	set_name(g->L, "qname", r);
	set_integer(g->L, "rcode", rcode);
	append(g);
}

static int get_resp_ring(lua_State *L)
{
	struct growing g = {.L = L, .rcode = -1};

	if (!lua_arg_missing(L, 1))
		g.rcode = (int)lua_arg_integer(L, 1, "rcode", 0, DNS_RCODE_MASK);
	lua_newtable(L);
	traffic_visit(TRAFFIC_ANSWERS, push_rcode, &g);
	return 1;
}

static void push_entry(void *ctx, const struct traffic_record *r)
{
	struct growing *g = ctx;
	struct entry_box *box = lua_object_new(g->L, &lua_ring_entry, sizeof(*box));

	box->record = *r;
	box->real_us = (int64_t)r->when_us + g->real_ahead_us;
	box->has_mac = neighbours_find(&r->client, box->mac);
	append(g);
}

/*
 * Hardware addresses are looked up now, as the kernel knows them, and not when the query comes: so
 * they cost a query nothing.
 */
static int get_ring_entries(lua_State *L)
{
	struct growing g = {.L = L, .real_ahead_us = clock_real_us() - (int64_t)clock_mono_us()};

	lua_newtable(L);
	neighbours_need();
	neighbours_read();
	traffic_visit(TRAFFIC_QUERIES, push_entry, &g);
	traffic_visit(TRAFFIC_ANSWERS, push_entry, &g);
	neighbours_need_no_more();
	return 1;
}

const struct lua_function ring_entry_functions[] = {
	{"getResponseRing", get_response_ring, ROW_READS | ROW_EXACT, "",
	 "the last answers as an array of {name, qtype, rcode, usec}; 4294967295 us: none came in time"},
	{"getRespRing", get_resp_ring, ROW_READS | ROW_EXACT, "[rcode]",
	 "the last answers, those of one response code or all, as an array of {qname, rcode}"},
	{"getRingEntries", get_ring_entries, ROW_READS | ROW_EXACT, "",
	 "the last queries and answers, an array of LuaRingEntry"},
	{NULL, NULL, 0, NULL, NULL},
};

static const struct entry_box *check(lua_State *L)
{
	return lua_object_check(L, 1, &lua_ring_entry);
}

static int get_qname(lua_State *L)
{
	const struct traffic_record *r = &check(L)->record;

	lua_push_name(L, r->name, r->name_len);
	return 1;
}

static int get_requestor(lua_State *L)
{
	lua_push_address(L, &check(L)->record.client);
	return 1;
}

static int get_backend(lua_State *L)
{
	struct addr server = check(L)->record.server;

	if (server.sa.sa_family == AF_UNSPEC)
		server.v4 = (struct sockaddr_in){.sin_family = AF_INET};
	lua_push_address(L, &server);
	return 1;
}

static int get_when(lua_State *L)
{
	int64_t us = check(L)->real_us;

	lua_createtable(L, 0, 2);
	set_integer(L, "tv_sec", us / 1000000);
	set_integer(L, "tv_nsec", us % 1000000 * 1000);
	return 1;
}

static int get_mac(lua_State *L)
{
	const struct entry_box *box = check(L);

	lua_pushlstring(L, (const char *)box->mac, box->has_mac ? MAC_LEN : 0);
	return 1;
}

static int get_header(lua_State *L)
{
	lua_push_header(L, check(L)->record.flags);
	return 1;
}

static int get_protocol(lua_State *L)
{
	lua_pushstring(L, proto_text(check(L)->record.proto));
	return 1;
}

static int get_is_response(lua_State *L)
{
	lua_pushboolean(L, check(L)->record.kind == TRAFFIC_ANSWERS);
	return 1;
}

static int get_usec(lua_State *L)
{
	lua_pushinteger(L, check(L)->record.latency_us);
	return 1;
}

static int get_size(lua_State *L)
{
	lua_pushinteger(L, check(L)->record.size);
	return 1;
}

static int get_qtype(lua_State *L)
{
	lua_pushinteger(L, check(L)->record.qtype);
	return 1;
}

static const struct lua_method methods[] = {
	ATTRIBUTE("qname", get_qname, NULL, "the DNSName"),
	ATTRIBUTE("requestor", get_requestor, NULL, "the client's ComboAddress"),
	ATTRIBUTE("backend", get_backend, NULL, "the server's ComboAddress; 0.0.0.0:0 without one"),
	ATTRIBUTE("when", get_when, NULL, "when it came, {tv_sec, tv_nsec} since 1970"),
	ATTRIBUTE("macAddress", get_mac, NULL,
		  "6 octets, as the kernel knows the client now; empty where it does not"),
	ATTRIBUTE("dnsheader", get_header, NULL, "a DNSHeader with its flags"),
	ATTRIBUTE("usec", get_usec, NULL,
		  "us until the server's answer; 4294967295: none came in time; 0 of queries"),
	ATTRIBUTE("size", get_size, NULL, "octets of the message"),
	ATTRIBUTE("qtype", get_qtype, NULL, "its type, a number"),
	ATTRIBUTE("protocol", get_protocol, NULL, "the client's: DoUDP, DoTCP, DoT"),
	ATTRIBUTE("isResponse", get_is_response, NULL, "whether it is an answer"),
	METHODS_END,
};

const struct lua_object lua_ring_entry = {"LuaRingEntry", methods, NULL};
