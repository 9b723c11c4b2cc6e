/* Listeners: addLocal, setLocal, and the ClientState object, which is one of them. */
#include <string.h>

#include "console/lua/bpf.h"
#include "console/lua/rows.h"
#include "console/lua/registry.h"
#include "core/settings.h"
#include "workers/frontend.h"

#define U32 4294967295.0

const struct lua_option listen_options[] = {
	{"reusePort", OPTION_BOOL, 0, 0, "",
	 "the same address may be given again; each worker has its socket anyway"},
	{"tcpFastOpenQueueSize", OPTION_INT, 0, U32, "connections",
	 "queue of TCP Fast Open (0: off)"},
	{"interface", OPTION_STRING, 0, 0, "", "only queries that come in there"},
	{"cpus", OPTION_TABLE, 0, 0, "", "hint: each worker listens on a core of its own"},
	{"tcpListenQueueSize", OPTION_INT, 0, U32, "connections",
	 "backlog of listen() (0: the system's most)"},
	{"maxInFlight", OPTION_INT, 0, U32, "queries", "queries of one connection at a time (1)"},
	{"maxConcurrentTCPConnections", OPTION_INT, 0, U32, "connections",
	 "TCP connections in all; 0: no limit"},
	{"enableProxyProtocol", OPTION_BOOL, 0, 0, "",
	 "hint: no client is expected to send a PROXY header"},
	{NULL, 0, 0, 0, NULL, NULL},
};

/* Takes the former options out of the table at 2, into the new ones. */
static void former_options(lua_State *L)
{
	if (lua_getfield(L, 2, "doTCP") != LUA_TNIL) {
		lua_host_former(L, "option doTCP", "nothing: TCP is always on");
		lua_pushnil(L);
		lua_setfield(L, 2, "doTCP");
	}
	if (lua_getfield(L, 2, "tcpFastOpenSize") != LUA_TNIL) {
		lua_host_former(L, "option tcpFastOpenSize", "tcpFastOpenQueueSize");
		lua_setfield(L, 2, "tcpFastOpenQueueSize");
		lua_pushnil(L);
		lua_setfield(L, 2, "tcpFastOpenSize");
	}
	if (lua_getfield(L, 2, "xskSocket") != LUA_TNIL)
		lua_fail(L, "option 'xskSocket': AF_XDP is not built in");
	lua_settop(L, 2);
}

/* addLocal(address, doTCP, reusePort, tcpFastOpenSize): options by position become a table at 2. */
static void former_arguments(lua_State *L)
{
	if (!lua_isboolean(L, 2))
		return;
	lua_host_former(L, "addLocal(address, doTCP, reusePort, …)",
			"addLocal(address, {reusePort=, …})");
	lua_settop(L, 4);
	lua_newtable(L);
	lua_pushvalue(L, 3);
	lua_setfield(L, -2, "reusePort");
	lua_pushvalue(L, 4);
	lua_setfield(L, -2, "tcpFastOpenQueueSize");
	lua_replace(L, 2);
	lua_settop(L, 2);
}

static void read_options(lua_State *L, struct frontend_options *o)
{
	const char *itf;

	former_arguments(L);
	if (lua_arg_missing(L, 2))
		return;
	if (lua_istable(L, 2))
		former_options(L);
	lua_options_check(L, 2, listen_options);
	itf = lua_option_string(L, 2, "interface");
	if (itf && strlen(itf) >= sizeof(o->interface))
		lua_fail(L, "option 'interface': '%s' is longer than the name of an interface",
			 itf);
	if (itf)
		memcpy(o->interface, itf, strlen(itf) + 1);
	o->reuse_port = lua_option_bool(L, 2, "reusePort", o->reuse_port);
	o->tcp_fast_open_queue =
		(uint32_t)lua_option_number(L, 2, "tcpFastOpenQueueSize", o->tcp_fast_open_queue);
	o->tcp_listen_queue =
		(uint32_t)lua_option_number(L, 2, "tcpListenQueueSize", o->tcp_listen_queue);
	o->max_in_flight = (uint32_t)lua_option_number(L, 2, "maxInFlight", o->max_in_flight);
	o->max_tcp_connections = (uint32_t)lua_option_number(L, 2, "maxConcurrentTCPConnections",
							     o->max_tcp_connections);
	o->enable_proxy_protocol =
		lua_option_bool(L, 2, "enableProxyProtocol", o->enable_proxy_protocol);
}

static int add(lua_State *L, bool clear)
{
	const char *text = lua_arg_string(L, 1, "address");
	struct frontend_options o;
	struct frontends *f;
	struct addr addr;
	struct err err;

	if (addr_parse(text, 53, &addr, &err) < 0)
		return lua_host_raise(L, &err);
	frontend_options_default(&o);
	read_options(L, &o);
	if (TXN_READ(lua_host_txn(), SETTINGS, settings)->local_override)
		return 0; /* -l on the command line: checked, but not used */
	f = TXN_EDIT(lua_host_txn(), FRONTENDS, frontends);
	if (clear)
		frontends_clear_local(f);
	if (frontends_add_local(f, &addr, &o, &err) < 0)
		return lua_host_raise(L, &err);
	return 0;
}

static int add_local(lua_State *L)
{
	return add(L, false);
}

static int set_local(lua_State *L)
{
	return add(L, true);
}

static const struct frontends *read_frontends(void)
{
	return TXN_READ(lua_host_txn(), FRONTENDS, frontends);
}

static int get_bind_count(lua_State *L)
{
	lua_pushinteger(L, read_frontends()->n);
	return 1;
}

/* The object holds the position: a listener lives as long as the process. */
struct bind_box {
	unsigned at;
};

static int get_bind(lua_State *L)
{
	double at = lua_arg_number(L, 1, "position", -1e15, 1e15);
	struct bind_box *box;

	if (!(at >= 0 && at < read_frontends()->n)) {
		lua_complain(L, "there is no listener %.14g among the %u", at, read_frontends()->n);
		return 0;
	}
	box = lua_object_new(L, &lua_client_state, sizeof(*box));
	box->at = (unsigned)at;
	return 1;
}

const struct lua_function listen_functions[] = {
	{"addLocal", add_local, ROW_STARTUP, "address [, {options}]",
	 "listens on this address over UDP and TCP"},
	{"setLocal", set_local, ROW_STARTUP, "address [, {options}]",
	 "listens there, and no more where addLocal said before"},
	{"getBind", get_bind, ROW_READS, "position", "the listener at this place of showBinds()"},
	{"getBindCount", get_bind_count, ROW_READS, "",
	 "how many listeners there are, UDP and TCP apart"},
	{NULL, NULL, 0, NULL, NULL},
};

static struct frontend *check_frontend(lua_State *L, int i)
{
	const struct bind_box *box = lua_object_check(L, i, &lua_client_state);
	const struct frontends *f;

	if (!lua_host_has_txn()) /* as text, in a finalizer */
		lua_fail(L, "that listener can't be read now");
	f = read_frontends();
	if (box->at >= f->n)
		lua_fail(L, "that listener is gone");
	return f->list[box->at];
}

static int get_type(lua_State *L)
{
	lua_pushstring(L, check_frontend(L, 1)->proto == PROTO_UDP ? "UDP" : "TCP");
	return 1;
}

static int get_tls_provider(lua_State *L)
{
	check_frontend(L, 1);
	lua_pushliteral(L, "");
	return 1;
}

static int get_muted(lua_State *L)
{
	lua_pushboolean(L,
			atomic_load_explicit(&check_frontend(L, 1)->muted, memory_order_relaxed));
	return 1;
}

static int set_muted(lua_State *L)
{
	struct frontend *f = check_frontend(L, 1);
	bool on = lua_arg_bool(L, 2, "muted");

	if (on && f->proto != PROTO_UDP)
		lua_warn(L, "only a UDP listener can be muted: this one goes on answering");
	else
		atomic_store_explicit(&f->muted, on, memory_order_relaxed);
	return 0;
}

static int attach_filter(lua_State *L)
{
	lua_attach_filter(L, check_frontend(L, 1), lua_arg_bpf(L, 2));
	return 0;
}

static int detach_filter(lua_State *L)
{
	lua_attach_filter(L, check_frontend(L, 1), NULL);
	return 0;
}

static int to_string(lua_State *L)
{
	char text[ADDR_TEXT_MAX];

	lua_pushstring(L, addr_text_port(&check_frontend(L, 1)->addr, text));
	return 1;
}

static const struct lua_method methods[] = {
	METHOD("getType", get_type, ROW_READS, "", "'UDP' or 'TCP'"),
	METHOD("getConfiguredTLSProvider", get_tls_provider, ROW_READS, "",
	       "'' for a plain listener"),
	METHOD("getRequestedTLSProvider", get_tls_provider, ROW_READS, "",
	       "'' for a plain listener"),
	METHOD("getEffectiveTLSProvider", get_tls_provider, ROW_READS, "",
	       "'' for a plain listener"),
	METHOD("attachFilter", attach_filter, 0, "filter",
	       "filters what comes there with a BPFFilter, in place of one it had"),
	METHOD("detachFilter", detach_filter, 0, "", "no longer filters it"),
	METHOD("toString", to_string, ROW_READS, "", "'addr:port'"),
	ATTRIBUTE("muted", get_muted, set_muted,
		  "over UDP: queries are processed, but no answer is sent"),
	METHODS_END,
};

static const luaL_Reg meta[] = {{"__tostring", to_string}, {NULL, NULL}};

const struct lua_object lua_client_state = {"ClientState", methods, meta};
