/* newServer: its options, checked and read, become a server in the draft. */
#include "console/lua/registry.h"
#include "console/lua/rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/dns/name.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/tls/tls.h"
#include "pools/pool.h"
#include "console/lua/server.h"

#define U8  255
#define U16 65535
#define U32 4294967295.0
#define I32 2147483647

/* Every key of newServer's table, in the order of the manual. */
const struct lua_option server_options[] = {
	{"address", OPTION_STRING, 0, 0, "", "address, with port or without (53, or 853 with tls)"},
	{"id", OPTION_STRING, 0, 0, "", "UUID that stays the same over restarts; random"},
	{"name", OPTION_STRING, 0, 0, "", "name to show"},
	{"pool", OPTION_STRING_OR_TABLE, 0, 0, "", "pools to join instead of the default one"},
	{"qps", OPTION_NUMBER, 0, 1000000, "1/s",
	 "queries a second that firstAvailable sends; 0: no limit"},
	{"order", OPTION_INT, -I32, I32, "", "lower is preferred (1)"},
	{"weight", OPTION_INT, 1, I32, "", "share under the weighted policies (1)"},
	{"retries", OPTION_INT, 0, U16, "attempts", "attempts of a query over TCP (5)"},
	{"udpTimeout", OPTION_INT, 0, U8, "s", "time to answer over UDP; 0: setUDPTimeout"},
	{"tcpConnectTimeout", OPTION_INT, 0, U16, "s",
	 "time to accept a connection (5); 0: no limit"},
	{"tcpSendTimeout", OPTION_INT, 0, U16, "s", "time to take a query (30); 0: no limit"},
	{"tcpRecvTimeout", OPTION_INT, 0, U16, "s", "time to answer over TCP (30); 0: no limit"},
	{"tcpFastOpen", OPTION_BOOL, 0, 0, "", "use TCP Fast Open"},
	{"ipBindAddrNoPort", OPTION_BOOL, 0, 0, "", "pick source ports as late as possible (true)"},
	{"checkClass", OPTION_INT, 0, U16, "", "class of the health check's question (1)"},
	{"checkName", OPTION_STRING, 0, 0, "",
	 "name of the health check's question (a.root-servers.net.)"},
	{"checkType", OPTION_STRING, 0, 0, "", "type of the health check's question (A)"},
	{"checkFunction", OPTION_FUNCTION, 0, 0, "",
	 "function(name, type, class, header) that gives the question"},
	{"checkTimeout", OPTION_INT, 1, U16, "ms", "time to answer a health check (1000)"},
	{"checkInterval", OPTION_INT, 1, U32, "s", "seconds between health checks (1)"},
	{"checkTCP", OPTION_BOOL, 0, 0, "", "health checks over TCP"},
	{"setCD", OPTION_BOOL, 0, 0, "", "set CD in health checks"},
	{"mustResolve", OPTION_BOOL, 0, 0, "", "NXDOMAIN and REFUSED fail a health check"},
	{"maxCheckFailures", OPTION_INT, 1, U8, "checks", "failures in a row until it is down (1)"},
	{"rise", OPTION_INT, 1, U8, "checks", "successes in a row until it is up (1)"},
	{"healthCheckMode", OPTION_STRING, 0, 0, "", "auto, lazy, up or down (auto)"},
	{"lazyHealthCheckSampleSize", OPTION_INT, 1, U16, "queries",
	 "recent queries that count (100)"},
	{"lazyHealthCheckMinSampleCount", OPTION_INT, 1, U16, "queries",
	 "queries before the threshold counts (1)"},
	{"lazyHealthCheckThreshold", OPTION_INT, 0, U8, "%", "failures that start checks (20)"},
	{"lazyHealthCheckFailedInterval", OPTION_INT, 1, U32, "s",
	 "seconds between checks while failed (30)"},
	{"lazyHealthCheckMode", OPTION_STRING, 0, 0, "", "TimeoutOnly or TimeoutOrServFail"},
	{"lazyHealthCheckUseExponentialBackOff", OPTION_BOOL, 0, 0, "",
	 "the interval doubles with each failure"},
	{"lazyHealthCheckMaxBackOff", OPTION_INT, 1, U32, "s", "longest interval then (3600)"},
	{"useClientSubnet", OPTION_BOOL, 0, 0, "", "add the client's subnet (EDNS)"},
	{"disableZeroScope", OPTION_BOOL, 0, 0, "",
	 "do not look for answers valid for all subnets"},
	{"source", OPTION_STRING, 0, 0, "",
	 "address, interface, or address@interface to send from"},
	{"sockets", OPTION_INT, 0, 1024, "sockets", "UDP sockets for each worker (1)"},
	{"reconnectOnUp", OPTION_BOOL, 0, 0, "", "open new sockets when it comes up"},
	{"maxInFlight", OPTION_INT, 0, U32, "queries", "queries in flight on one connection (1)"},
	{"maxOutstandingQueries", OPTION_INT, 0, U32, "queries",
	 "queries in flight in all; 0: no limit"},
	{"maxConcurrentTCPConnections", OPTION_INT, 0, U32, "connections",
	 "connections in all; 0: no limit"},
	{"tcpOnly", OPTION_BOOL, 0, 0, "", "never use UDP"},
	{"tls", OPTION_STRING, 0, 0, "",
	 "speak DNS over TLS; openssl, gnutls and wolfssl all mean TLS"},
	{"caStore", OPTION_STRING, 0, 0, "", "PEM file of authorities; the system's store"},
	{"ciphers", OPTION_STRING, 0, 0, "", "TLS 1.2 ciphers"},
	{"ciphersTLS13", OPTION_STRING, 0, 0, "", "TLS 1.3 ciphers"},
	{"ciphers13", OPTION_STRING, 0, 0, "", "the same as ciphersTLS13"},
	{"ecdheCurves", OPTION_STRING, 0, 0, "", "groups, ':' between"},
	{"subjectName", OPTION_STRING, 0, 0, "", "name that the certificate must have, and SNI"},
	{"subjectAddr", OPTION_STRING, 0, 0, "", "address that the certificate must have"},
	{"validateCertificates", OPTION_BOOL, 0, 0, "", "check the certificate (true)"},
	{"releaseBuffers", OPTION_BOOL, 0, 0, "",
	 "hint: buffers of idle connections are small anyway"},
	{"cpus", OPTION_TABLE, 0, 0, "", "hint: workers are pinned, and a server has no thread"},
	{"dscp", OPTION_INT, 0, 63, "", "DSCP mark of packets"},
	{NULL, 0, 0, 0, NULL, NULL},
};

/* Keys that can't be heeded here. Those that ask for a transport fail, for without it nothing would
 * work. */
static const struct {
	const char *key, *why;
	bool fails;
} not_here[] = {
	{"dohPath", "outgoing DNS over HTTPS is not built in", true},
	{"useProxyProtocol", "the PROXY protocol is not built in", true},
	{"xskSockets", "AF_XDP is not built in", true},
	{"autoUpgrade", "upgrades to encrypted transports are not built in", false},
	{"addXForwardedHeaders", "outgoing DNS over HTTPS is not built in", false},
	{"proxyProtocolAdvertiseTLS", "the PROXY protocol is not built in", false},
	{"MACAddr", "AF_XDP is not built in", false},
	{"autoUpgradeInterval", "upgrades to encrypted transports are not built in", false},
	{"autoUpgradeKeep", "upgrades to encrypted transports are not built in", false},
	{"autoUpgradePool", "upgrades to encrypted transports are not built in", false},
	{"autoUpgradeDoHKey", "upgrades to encrypted transports are not built in", false},
	{"lazyHealthCheckWhenUpgraded", "upgrades to encrypted transports are not built in", false},
	{"enableRenegotiation", "TLS connections are never renegotiated", false},
	{"ktls", "TLS in the kernel is not built in", false},
	{"keyLogFile", "keys of TLS connections are not logged", false},
	{"addXPF", "XPF is gone; useProxyProtocol took its place", false},
};

/* Takes these keys out of the table. false, 0 and "" ask for nothing. */
static void refuse(lua_State *L, int at)
{
	for (size_t i = 0; i < ARRAY_LEN(not_here); i++) {
		const char *text;
		bool asked;

		lua_getfield(L, at, not_here[i].key);
		asked = lua_toboolean(L, -1);
		text = lua_tostring(L, -1);
		if (text && (*text == '\0' || strcmp(text, "0") == 0))
			asked = false;
		if (asked && not_here[i].fails)
			lua_fail(L, "option '%s': %s", not_here[i].key, not_here[i].why);
		if (asked)
			lua_warn(L, "option '%s' is ignored: %s", not_here[i].key, not_here[i].why);
		lua_pop(L, 1);
		lua_pushnil(L);
		lua_setfield(L, at, not_here[i].key);
	}
}

/* Newly written numbers of the table at index 1, which has been checked. */
static unsigned number(lua_State *L, const char *key, unsigned def)
{
	return (unsigned)lua_option_number(L, 1, key, def);
}

/* "address", "interface" or "address@interface". */
static void read_source(lua_State *L, struct server_fixed *f)
{
	const char *text = lua_option_string(L, 1, "source");
	const char *at, *itf = "";
	char addr[ADDR_TEXT_MAX];
	struct err err;

	if (text == NULL || *text == '\0')
		return;
	at = strchr(text, '@');
	snprintf(addr, sizeof(addr), "%.*s", at ? (int)(at - text) : (int)strlen(text), text);
	if (addr_parse(addr, 0, &f->source, &err) == 0) {
		itf = at ? at + 1 : "";
	} else if (at || strchr(text, ':')) {
		lua_fail(L, "option 'source': %s", err.text);
	} else {
		f->source.sa.sa_family = 0;
		itf = text;
	}
	if (strlen(itf) >= sizeof(f->source_itf))
		lua_fail(L, "option 'source': '%s' is longer than the name of an interface", itf);
	memcpy(f->source_itf, itf, strlen(itf) + 1);
}

static void read_check(lua_State *L, struct server_fixed *f)
{
	const char *name = lua_option_string(L, 1, "checkName");
	const char *type = lua_option_string(L, 1, "checkType");
	struct err err;

	if (name) {
		int len = name_parse(name, f->check_name, &err);

		if (len < 0)
			lua_fail(L, "option 'checkName': %s", err.text);
		f->check_name_len = (uint16_t)len;
	}
	if (type && type_parse(type, &f->check_type) < 0)
		lua_fail(
			L,
			"option 'checkType': '%s' is no type of records such as 'A' or 'TYPE65280'",
			type);
	f->check_class = (uint16_t)number(L, "checkClass", f->check_class);
	f->check_tcp = lua_option_bool(L, 1, "checkTCP", f->check_tcp);
	f->check_cd = lua_option_bool(L, 1, "setCD", f->check_cd);
	f->must_resolve = lua_option_bool(L, 1, "mustResolve", f->must_resolve);
}

static void read_fixed(lua_State *L, struct server_fixed *f)
{
	const char *id = lua_option_string(L, 1, "id");
	char text[UUID_TEXT_MAX];

	f->id = uuid_random();
	if (id && *id && uuid_parse(id, &f->id) < 0)
		lua_fail(L, "option 'id': '%s' is not a UUID such as '%s'", id,
			 uuid_text(&f->id, text));
	read_source(L, f);
	read_check(L, f);
	f->sockets = number(L, "sockets", f->sockets);
	if (f->sockets == 0)
		f->sockets = 1;
	f->udp_timeout_s = (uint8_t)number(L, "udpTimeout", f->udp_timeout_s);
	f->retries = (uint16_t)number(L, "retries", f->retries);
	f->tcp_connect_timeout_s =
		(uint16_t)number(L, "tcpConnectTimeout", f->tcp_connect_timeout_s);
	f->tcp_send_timeout_s = (uint16_t)number(L, "tcpSendTimeout", f->tcp_send_timeout_s);
	f->tcp_recv_timeout_s = (uint16_t)number(L, "tcpRecvTimeout", f->tcp_recv_timeout_s);
	f->max_in_flight = number(L, "maxInFlight", f->max_in_flight);
	f->max_tcp_connections = number(L, "maxConcurrentTCPConnections", f->max_tcp_connections);
	f->max_outstanding = number(L, "maxOutstandingQueries", f->max_outstanding);
	f->dscp = (uint8_t)number(L, "dscp", f->dscp);
	f->tcp_only = lua_option_bool(L, 1, "tcpOnly", f->tcp_only);
	f->tcp_fast_open = lua_option_bool(L, 1, "tcpFastOpen", f->tcp_fast_open);
	f->ip_bind_addr_no_port =
		lua_option_bool(L, 1, "ipBindAddrNoPort", f->ip_bind_addr_no_port);
	f->reconnect_on_up = lua_option_bool(L, 1, "reconnectOnUp", f->reconnect_on_up);
	f->use_client_subnet = lua_option_bool(L, 1, "useClientSubnet", f->use_client_subnet);
	f->disable_zero_scope = lua_option_bool(L, 1, "disableZeroScope", f->disable_zero_scope);
}

static void read_mode(lua_State *L, struct server_def *d)
{
	const char *mode = lua_option_string(L, 1, "healthCheckMode");
	const char *lazy = lua_option_string(L, 1, "lazyHealthCheckMode");

	if (mode && strcasecmp(mode, "up") == 0)
		d->force = SERVER_FORCED_UP;
	else if (mode && strcasecmp(mode, "down") == 0)
		d->force = SERVER_FORCED_DOWN;
	else if (mode && strcasecmp(mode, "lazy") == 0)
		d->health.mode = HEALTH_LAZY;
	else if (mode && strcasecmp(mode, "auto") != 0)
		lua_warn(
			L,
			"option 'healthCheckMode': '%s' is none of auto, lazy, up, down: auto is used",
			mode);
	if (lazy && strcasecmp(lazy, "TimeoutOnly") == 0)
		d->health.lazy_counts = LAZY_TIMEOUT_ONLY;
	else if (lazy && strcasecmp(lazy, "TimeoutOrServFail") == 0)
		d->health.lazy_counts = LAZY_TIMEOUT_OR_SERVFAIL;
	else if (lazy)
		lua_warn(L,
			 "option 'lazyHealthCheckMode': '%s' is neither TimeoutOnly nor "
			 "TimeoutOrServFail: the default is used",
			 lazy);
}

static void read_def(lua_State *L, struct server_def *d)
{
	struct health_params *h = &d->health;

	read_mode(L, d);
	d->weight = (int)lua_option_number(L, 1, "weight", d->weight);
	d->order = (int)lua_option_number(L, 1, "order", d->order);
	d->qps = number(L, "qps", d->qps);
	h->max_failures = (uint8_t)number(L, "maxCheckFailures", h->max_failures);
	h->rise = (uint8_t)number(L, "rise", h->rise);
	h->timeout_ms = (uint16_t)number(L, "checkTimeout", h->timeout_ms);
	h->interval_s = number(L, "checkInterval", h->interval_s);
	h->lazy_sample_size = (uint16_t)number(L, "lazyHealthCheckSampleSize", h->lazy_sample_size);
	h->lazy_min_samples =
		(uint16_t)number(L, "lazyHealthCheckMinSampleCount", h->lazy_min_samples);
	h->lazy_threshold_percent =
		(uint8_t)number(L, "lazyHealthCheckThreshold", h->lazy_threshold_percent);
	h->lazy_failed_interval_s =
		number(L, "lazyHealthCheckFailedInterval", h->lazy_failed_interval_s);
	h->lazy_max_backoff_s = number(L, "lazyHealthCheckMaxBackOff", h->lazy_max_backoff_s);
	h->lazy_backoff =
		lua_option_bool(L, 1, "lazyHealthCheckUseExponentialBackOff", h->lazy_backoff);
}

/* Names of pools are read once more when they are joined; here they are only checked. */
static void check_pools(lua_State *L)
{
	if (lua_getfield(L, 1, "pool") == LUA_TTABLE)
		for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
			if (!lua_isstring(L, -1))
				lua_fail(
					L,
					"option 'pool': the name of a pool must be a string, got %s",
					lua_value_text(L, -1));
	lua_pop(L, 1);
}

static bool wants_tls(lua_State *L)
{
	const char *tls = lua_option_string(L, 1, "tls");

	return tls && *tls;
}

static struct tls_client *open_tls(lua_State *L)
{
	const char *subject_addr = lua_option_string(L, 1, "subjectAddr");
	struct tls_client_options o = {
		.provider = lua_option_string(L, 1, "tls"),
		.ca_store = lua_option_string(L, 1, "caStore"),
		.ciphers = lua_option_string(L, 1, "ciphers"),
		.ciphers_tls13 = lua_option_string(L, 1, "ciphersTLS13"),
		.curves = lua_option_string(L, 1, "ecdheCurves"),
		.subject_name = lua_option_string(L, 1, "subjectName"),
		.validate = lua_option_bool(L, 1, "validateCertificates", true),
		.alpn = "dot",
	};
	struct tls_client *tls;
	struct err err;

	if (o.ciphers_tls13 == NULL)
		o.ciphers_tls13 = lua_option_string(L, 1, "ciphers13");
	if (o.subject_name && *o.subject_name == '\0')
		o.subject_name = NULL;
	if (subject_addr && *subject_addr) {
		o.has_subject_addr = true;
		if (addr_parse(subject_addr, 0, &o.subject_addr, &err) < 0)
			lua_fail(L, "option 'subjectAddr': %s", err.text);
	}
	tls = tls_client_new(&o, &err);
	if (tls == NULL)
		lua_fail(L, "%s", err.text);
	return tls;
}

/* False, with the reason told, when the address can't be one of a server: newServer then gives nil.
 */
static bool read_address(lua_State *L, struct addr *out)
{
	const char *text = lua_option_string(L, 1, "address");
	struct err err;

	if (text == NULL)
		lua_fail(L, "option 'address' is missing");
	if (addr_parse(text, wants_tls(L) ? 853 : 53, out, &err) < 0) {
		lua_complain(
			L, "no server is made: %s; host names are not looked up, write the address",
			err.text);
		return false;
	}
	if (addr_is_any(out)) {
		lua_complain(L, "no server is made: '%s' is not the address of a server", text);
		return false;
	}
	return true;
}

static int take_function(lua_State *L, const char *key)
{
	if (lua_getfield(L, 1, key) == LUA_TFUNCTION)
		return luaL_ref(L, LUA_REGISTRYINDEX);
	lua_pop(L, 1);
	return LUA_NOREF;
}

static void join_pools(lua_State *L, struct pools *p, const struct server *s)
{
	switch (lua_getfield(L, 1, "pool")) {
	case LUA_TNIL:
		pools_join(p, s, "");
		break;
	case LUA_TTABLE:
		for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
			pools_join(p, s, lua_tostring(L, -1));
		break;
	default:
		pools_join(p, s, lua_tostring(L, -1));
	}
	lua_pop(L, 1);
}

/* newServer("address" [, qps]) becomes newServer{address=, qps=}. */
static void former_arguments(lua_State *L)
{
	lua_settop(L, 2);
	lua_newtable(L);
	lua_pushvalue(L, 1);
	lua_setfield(L, -2, "address");
	if (!lua_arg_missing(L, 2)) {
		lua_host_former(L, "newServer(address, qps)", "newServer({address=, qps=})");
		lua_pushvalue(L, 2);
		lua_setfield(L, -2, "qps");
	}
	lua_replace(L, 1);
}

int lua_new_server(lua_State *L)
{
	struct server_fixed fixed;
	struct server_def *def;
	struct server *s;
	struct pools *p;

	if (lua_isstring(L, 1))
		former_arguments(L);
	else if (!lua_istable(L, 1))
		return lua_fail(L, "expected an address or a table of options, got %s",
				lua_value_text(L, 1));
	lua_settop(L, 1);
	refuse(L, 1);
	lua_options_check(L, 1, server_options);
	check_pools(L);
	server_fixed_default(&fixed);
	if (!read_address(L, &fixed.addr))
		return 0;
	read_fixed(L, &fixed);
	if (wants_tls(L)) {
		fixed.tcp_only = true;
		if (lua_host_role() != LUA_CLIENT)
			fixed.tls = open_tls(L);
	}
	fixed.check_function = take_function(L, "checkFunction");
	fixed.check_validator = LUA_NOREF;

	/* from here on nothing can fail */
	s = server_new(&fixed);
	def = server_def_new();
	read_def(L, def);
	if (lua_option_string(L, 1, "name")) {
		free(def->name);
		def->name = mem_strdup(lua_option_string(L, 1, "name"));
	}
	p = lua_pools_edit();
	pools_add_server(p, s, def);
	join_pools(L, p, s);
	lua_push_server(L, s);
	return 1;
}
