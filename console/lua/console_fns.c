/* The console's own functions: its socket, its key, what was typed, and the end of the program. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "console/crypto.h"
#include "console/lua/state.h"
#include "console/lua/registry.h"
#include "core/clock.h"
#include "core/mem.h"

static struct console_config *edit(void)
{
	return TXN_EDIT(lua_host_txn(), CONSOLE, console_config);
}

static const struct console_config *config(void)
{
	return TXN_READ(lua_host_txn(), CONSOLE, console_config);
}

static int control_socket(lua_State *L)
{
	const char *text = lua_arg_string(L, 1, "address");
	struct console_config *c;
	struct addr addr;
	struct err err;

	if (addr_parse(text, 5199, &addr, &err) < 0)
		return lua_host_raise(L, &err);
	c = edit();
	c->address = addr;
	c->has_address = true;
	return 0;
}

static int set_key(lua_State *L)
{
	const char *text = lua_arg_string(L, 1, "key");
	uint8_t key[CONSOLE_KEY_LEN];
	struct console_config *c;
	struct err err;

	if (console_key_parse(text, key, &err) < 0) {
		lua_complain(L, "%s", err.text);
		return 0;
	}
	if (lua_host_is_startup() && host.key_given)
		return 0; /* -k on the command line beats the file */
	c = edit();
	memcpy(c->key, key, sizeof(key));
	c->has_key = true;
	return 0;
}

static int make_key(lua_State *L)
{
	char line[CONSOLE_KEY_LINE_MAX];

	lua_host_printf("%s", console_make_key(line));
	return 0;
}

static int set_connections_logging(lua_State *L)
{
	bool on = lua_arg_bool(L, 1, "log");

	edit()->log_connections = on;
	return 0;
}

static int set_max_connections(lua_State *L)
{
	uint32_t n = (uint32_t)lua_arg_integer(L, 1, "connections", 0, UINT32_MAX);

	edit()->max_connections = n;
	return 0;
}

static int set_max_message(lua_State *L)
{
	uint32_t n = (uint32_t)lua_arg_integer(L, 1, "octets", 1024, UINT32_MAX);

	edit()->max_message = n;
	return 0;
}

static int set_bind_fatal(lua_State *L)
{
	bool on = lua_arg_bool(L, 1, "fatal");

	edit()->bind_fatal = on;
	return 0;
}

/* Two parties with the console's key, two messages each way of counting nonces. */
static bool crypto_works(const uint8_t *key, const char *text, size_t len)
{
	uint8_t *sealed = mem_alloc(len + CONSOLE_MAC_LEN);
	uint8_t *opened = mem_alloc(len + 1);
	struct console_crypto a, b;
	bool good = true;

	console_crypto_init(&a, key);
	console_crypto_init(&b, key);
	console_crypto_peer(&a, b.own);
	console_crypto_peer(&b, a.own);
	for (int i = 0; i < 2 && good; i++) {
		console_seal(&a, (const uint8_t *)text, len, sealed);
		good = console_open(&b, sealed, len + CONSOLE_MAC_LEN, opened) == 0 &&
		       memcmp(opened, text, len) == 0;
	}
	free(sealed);
	free(opened);
	return good;
}

static int test_crypto(lua_State *L)
{
	const char *text = "This is a message of the console to itself.";
	size_t len = strlen(text);

	if (!lua_arg_missing(L, 1)) {
		lua_arg_string(L, 1, "message");
		text = lua_tolstring(L, 1, &len);
	}
	if (!config()->has_key)
		return lua_fail(L, "there is no key: makeKey() makes one, setKey() takes it");
	lua_host_printf("%s\n", crypto_works(config()->key, text, len) ? "Everything is ok!"
								       : "Crypto failed...");
	return 0;
}

static struct {
	struct typed {
		int64_t when_s;
		char *line;
	} * list;
	size_t n;
} typed;

/*
 * More than an operator types in a process's life; a script that changes something every second would
 * otherwise fill the memory in time. The older half goes at once, so that adding stays cheap.
 */
#define TYPED_MAX 10000

static void forget_older_half(void)
{
	size_t half = typed.n / 2;

	for (size_t i = 0; i < half; i++)
		free(typed.list[i].line);
	typed.n -= half;
	memmove(typed.list, typed.list + half, typed.n * sizeof(*typed.list));
}

void lua_delta_add(const char *line)
{
	if (typed.n == TYPED_MAX)
		forget_older_half();
	typed.list = mem_realloc(typed.list, typed.n + 1, sizeof(*typed.list));
	typed.list[typed.n++] = (struct typed){clock_real_s(), mem_strdup(line)};
}

void lua_delta_free(void)
{
	for (size_t i = 0; i < typed.n; i++)
		free(typed.list[i].line);
	free(typed.list);
	typed.list = NULL;
	typed.n = 0;
}

static int delta(lua_State *L)
{
	for (size_t i = 0; i < typed.n; i++) {
		time_t when = (time_t)typed.list[i].when_s;
		char text[64];
		struct tm tm;

		localtime_r(&when, &tm);
		strftime(text, sizeof(text), "%a %b %d %Y %H:%M:%S %Z", &tm);
		lua_host_printf("-- %s\n%s\n", text, typed.list[i].line);
	}
	return 0;
}

static int clear_history(lua_State *L)
{
	lua_delta_free();
	return 0;
}

static int shut_down(lua_State *L)
{
	host.wants_exit = true;
	return 0;
}

static int show_version(lua_State *L)
{
	lua_host_printf("dnsdist %s\n", DNSDIST_VERSION);
	return 0;
}

const struct lua_function console_functions[] = {
	{"controlSocket", control_socket, 0, "address",
	 "where the encrypted console listens; port 5199 by default"},
	{"setKey", set_key, 0, "key", "the console's key: 32 octets in base64, see makeKey()"},
	{"makeKey", make_key, ROW_READS, "", "shows a setKey line with a new random key"},
	{"setConsoleConnectionsLogging", set_connections_logging, 0, "true|false",
	 "whether the console's connections are logged (true)"},
	{"setConsoleMaximumConcurrentConnections", set_max_connections, ROW_STARTUP, "number",
	 "connections to the console at a time (100); 0: no limit"},
	{"setConsoleOutputMaxMsgSize", set_max_message, 0, "octets",
	 "longest message of the console in either direction (10000000)"},
	{"setConsoleBindFatal", set_bind_fatal, 0, "true|false",
	 "whether the start fails when the console can't listen (false)"},
	{"testCrypto", test_crypto, ROW_READS, "[message]",
	 "encrypts and decrypts with the console's key"},
	{"delta", delta, ROW_READS, "",
	 "shows what was typed since the start that changed something"},
	{"clearConsoleHistory", clear_history, ROW_READS, "", "forgets what delta() shows"},
	{"shutdown", shut_down, 0, "", "ends the program"},
	{"showVersion", show_version, ROW_READS, "", "shows the version"},
	{NULL, NULL, 0, NULL, NULL},
};
