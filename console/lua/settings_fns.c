/* One function for each row of core/settings.def, and the few settings that are more than one
 * number. */
#include "console/lua/rows.h"
#include "console/lua/registry.h"
#include "core/settings.h"
#include "core/tls/tls.h"

#include <stdio.h>
#include <string.h>

/* Positions of the rows in setting_rows, which is made from the same file in the same order. */
enum {
#define SETTING_BOOL(field, ...)   ROW_##field,
#define SETTING_U32(field, ...)    ROW_##field,
#define SETTING_DOUBLE(field, ...) ROW_##field,
#include "core/settings.def"
#undef SETTING_BOOL
#undef SETTING_U32
#undef SETTING_DOUBLE
};

static int store(lua_State *L, const struct setting_row *row, double value)
{
	struct settings *s = TXN_EDIT(lua_host_txn(), SETTINGS, settings);
	struct err err;

	if (setting_store(s, row, value, &err) < 0)
		return luaL_error(L, "%s", err.text);
	return 0;
}

static int set(lua_State *L, unsigned at)
{
	const struct setting_row *row = &setting_rows[at];
	double value;

	if (row->kind == SETTING_KIND_BOOL)
		return store(L, row, lua_arg_bool(L, 1, "value"));
	if (!lua_isnumber(L, 1))
		return lua_fail(L, "value must be a number, got %s", lua_value_text(L, 1));
	value = lua_tonumber(L, 1);
	return store(L, row, value);
}

#define SETTING_BOOL(field, ...)             \
	static int set_##field(lua_State *L) \
	{                                    \
		return set(L, ROW_##field);  \
	}
#define SETTING_U32(field, ...)    SETTING_BOOL(field)
#define SETTING_DOUBLE(field, ...) SETTING_BOOL(field)
#include "core/settings.def"
#undef SETTING_BOOL
#undef SETTING_U32
#undef SETTING_DOUBLE

#define FLAGS_STARTUP (ROW_STARTUP | ROW_EXACT)
#define FLAGS_RUNTIME ROW_EXACT
const struct lua_function setting_functions[] = {
#define SETTING_BOOL(field, function, phase, def, help) \
	{#function, set_##field, FLAGS_##phase, "true|false", help},
#define SETTING_U32(field, function, phase, def, least, most, unit, help) \
	{#function, set_##field, FLAGS_##phase, "number", help},
#define SETTING_DOUBLE(field, function, phase, def, least, most, unit, help) \
	{#function, set_##field, FLAGS_##phase, "number", help},
#include "core/settings.def"
#undef SETTING_BOOL
#undef SETTING_U32
#undef SETTING_DOUBLE
	{NULL, NULL, 0, NULL, NULL},
};

static int set_socket_buffers(lua_State *L)
{
	uint32_t receive = (uint32_t)lua_arg_integer(L, 1, "receive", 0, INT32_MAX);
	uint32_t send = (uint32_t)lua_arg_integer(L, 2, "send", 0, INT32_MAX);
	struct settings *s = TXN_EDIT(lua_host_txn(), SETTINGS, settings);

	s->udp_recv_buffer = receive;
	s->udp_send_buffer = send;
	return 0;
}

/* Four groups of up to eight hexadecimal digits, as /proc/sys/net/ipv4/tcp_fastopen_key has them.
 */
static int set_fast_open_key(lua_State *L)
{
	const char *text = lua_arg_string(L, 1, "key");
	uint32_t key[4];
	int end = 0;

	if (sscanf(text, "%8x-%8x-%8x-%8x%n", &key[0], &key[1], &key[2], &key[3], &end) != 4 ||
	    text[end] != '\0')
		return lua_fail(
			L, "'%s' is no key: four groups of eight hexadecimal digits, '-' between",
			text);
	memcpy(TXN_EDIT(lua_host_txn(), SETTINGS, settings)->fast_open_key, key, sizeof(key));
	TXN_EDIT(lua_host_txn(), SETTINGS, settings)->has_fast_open_key = true;
	return 0;
}

static int sessions_kept(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)tls_sessions_kept());
	return 1;
}

static int former_socket_buffers(lua_State *L)
{
	lua_host_former(L, "setUDPSocketBufferSize", "setUDPSocketBufferSizes(receive, send)");
	return set_socket_buffers(L);
}

static int former_perturbation(lua_State *L)
{
	lua_host_former(L, "setWHashedPertubation", "setWHashedPerturbation(value)");
	return set_hash_perturbation(L);
}

static int former_single_pipe(lua_State *L)
{
	lua_arg_bool(L, 1, "value");
	lua_host_former(L, "setTCPUseSinglePipe", "nothing: it has no effect");
	return 0;
}

static int get_verbose(lua_State *L)
{
	lua_pushboolean(L, TXN_READ(lua_host_txn(), SETTINGS, settings)->verbose);
	return 1;
}

const struct lua_function setting_other_functions[] = {
	{"setUDPSocketBufferSizes", set_socket_buffers, ROW_STARTUP, "receive, send",
	 "buffer sizes of UDP sockets in octets; 0: as large as the system allows"},
	{"setTCPFastOpenKey", set_fast_open_key, ROW_STARTUP, "xxxxxxxx-xxxxxxxx-xxxxxxxx-xxxxxxxx",
	 "the key of TCP Fast Open cookies, alike on all machines of a cluster"},
	{"getOutgoingTLSSessionCacheSize", sessions_kept, ROW_READS, "",
	 "how many TLS sessions to servers are kept for resumption"},
	{"setUDPSocketBufferSize", former_socket_buffers, ROW_STARTUP, "receive, send",
	 "former name of setUDPSocketBufferSizes"},
	{"setWHashedPertubation", former_perturbation, ROW_STARTUP, "number",
	 "former name of setWHashedPerturbation"},
	{"setTCPUseSinglePipe", former_single_pipe, ROW_STARTUP, "true|false",
	 "formerly: one queue for all TCP workers; has no effect"},
	{"getVerbose", get_verbose, ROW_READS, "", "whether verbose logging is on"},
	{NULL, NULL, 0, NULL, NULL},
};
