/* The Lua host: configurations and console commands, and what comes of them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "console/lua/state.h"
#include "lua_fixture.h"

static const struct {
	const char *label, *line, *want;
} commands[] = {
	{"a number", "1+1", "2\n"},
	{"a fraction", "5/2", "2.5\n"},
	{"a float that is an integer", "10/2", "5\n"},
	{"a string", "\"abc\"", "abc\n"},
	{"a string with octets of its own", "'a\\0b' == 'a\\0b' and 'same'", "same\n"},
	{"nothing", "nil", ""},
	{"blanks", "   ", ""},
	{"an empty line", "", ""},
	{"a statement", "x = 3", ""},
	{"its effect", "x", "3\n"},
	{"an expression after it", "x * 2", "6\n"},
	{"what is shown", "show('hello')", "hello\n"},
	{"what is shown by statements", "show('a') show('b')", "a\nb\n"},
	{"a result in the place of what was shown", "(function() show('a') return 'b' end)()",
	 "b\n"},
	{"a complaint beside the result", "setMetric('no-such', 3)",
	 "Error: setMetric: there is no metric 'no-such': declareMetric() makes one\n0\n"},
	{"a warning beside the result",
	 "(function() show('a') newPacketCache(5, {maxTtl=1}) return 5 end)()",
	 "newPacketCache: unknown option 'maxTtl' is ignored (did you mean 'maxTTL'?)\n5\n"},
	{"a table of numbers", "{b=2.5, a=1}", "{\"a\": 1, \"b\": 2.5}\n"},
	{"an empty table", "{}", "{}\n"},
	{"a list of numbers", "{10,20}", "{\"1\": 10, \"2\": 20}\n"},
	{"a list", "{'a'}", "Command returned an object we can't print: table, …"},
	{"a truth", "true", "Command returned an object we can't print: boolean, true\n"},
	{"a server by name", "getServer(0)", "one\n"},
	{"a server without one", "getServer(1)", "192.0.2.2:5300\n"},
	{"a listener", "getBind(0)", "127.0.0.1:5353\n"},
	{"a syntax error", "x = = 2", "Error: console:1: unexpected symbol near '='\n"},
	{"an unknown function", "addAclo('x')",
	 "Error: console:1: unknown function 'addAclo' (did you mean 'addACL'?)\n"},
	{"an unknown function like no other", "zzzzzzzz()",
	 "Error: console:1: unknown function 'zzzzzzzz'\n"},
	{"an unknown table", "DNSQTipe.A",
	 "Error: console:1: unknown variable 'DNSQTipe' (did you mean 'DNSQType'?)\n"},
	{"an error of Lua's", "error('mine')", "Error: console:1: mine\n"},
	{"an error that is a table", "error({})", "Error: an error that is a table\n"},
	{"an error of ours can be caught",
	 "select(2, pcall(newDNSName, 'a..b')) ~= nil and 'caught'", "caught\n"},
	{"a function of the start", "addLocal('127.0.0.1')",
	 "addLocal cannot be used at runtime!\n"},
	{"another", "setMaxUDPOutstanding(10)",
	 "setMaxUDPOutstanding cannot be used at runtime!\n"},
	{"a wrong type", "setACL(nil)",
	 "Error: console:1: setACL: expected a netmask or a table of netmasks, got nil\n"},
	{"a method with a dot", "getServer(0).setQPS(1)",
	 "Error: console:1: setQPS: not called on a Server: write object:setQPS(…) with a colon\n"},
	{"an unknown method", "getServer(0):setQps(1)",
	 "Error: console:1: a Server has no 'setQps' (did you mean 'setQPS'?)\n"},
	{"an attribute that is not", "getServer(0).colour",
	 "Error: console:1: a Server has no 'colour'\n"},
	{"an undefined word as a value", "True", ""},
	{"no such server", "getServer(9)",
	 "Error: getServer: there is no server 9 among the 2: showServers() has them\n"},
	{"no such server to remove", "rmServer(9)",
	 "Error: console:1: rmServer: there is no server 9 among the 2: showServers() has them\n"},
	{"no such pool", "getPoolServers('zz')",
	 "Error: console:1: getPoolServers: No pool named zz\n"},
	{"the version", "showVersion()", "dnsdist " DNSDIST_VERSION "\n"},
	{"a key", "makeKey()", "setKey(\"…"},
	{"encryption with the key", "testCrypto()", "Everything is ok!\n"},
	{"the policy", "showServerPolicy()", "leastOutstanding\n"},
	{"the policy of a pool", "showPoolServerPolicy('a')", "wrandom\n"},
	{"help for nothing", "help('zz')", "Nothing found for zz\n"},
	{"help", "help('showVersion')", "showVersion() - shows the version\n"},
	{"help with options", "help('showServers')",
	 "showServers([{showUUIDs=true}]) - shows all servers, their state, load and latency\n"
	 "    showUUIDs = boolean - a column of UUIDs\n"},
	{"help by a part", "help('showVersio')", "showVersion() - shows the version\n"},
	{"pools", "showPools()",
	 "Name                                Cache         ServerPolicy Servers\n"
	 "                                   0/1000     leastOutstanding 192.0.2.2:5300\n"
	 "a                                                      wrandom one 192.0.2.1:53\n"},
	{"listeners", "showBinds()",
	 "#   Address              Protocol             Queries\n"
	 "0   127.0.0.1:5353       UDP                  0\n"
	 "1   127.0.0.1:5353       TCP                  0\n"},
	{"servers", "showServers()",
	 "#   Name                 Address              State     Qps    Qlim        Ord         Wt"
	 "    Queries   Drops Drate   Lat   TCP Outstanding Pools\n"
	 "0   one                  192.0.2.1:53          down     0.0      10          1          1"
	 "          0       0   0.0     -     -           0 a\n"
	 "1                        192.0.2.2:5300          UP     0.0       0          2          7"
	 "          0       0   0.0     -     -           0 \n"
	 "All                                                     0.0                              "
	 "          0       0\n"},
	{"latency without traffic", "showResponseLatency()", "No traffic yet.\n"},
	{"words for completion exist", "getStatisticsCounters()['acl-drops']", "0\n"},
};

static const char base[] = "controlSocket('127.0.0.1')\n"
			   "setKey('AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=')\n"
			   "addLocal('127.0.0.1:5353', {maxInFlight=3})\n"
			   "newServer{address='192.0.2.1', name='one', pool={'a'}, qps='10'}\n"
			   "newServer({address='192.0.2.2:5300', weight=7, order=2}):setUp()\n"
			   "pc = newPacketCache(1000, {maxTTL=300, minTTL=0, maxNegativeTTL=60})\n"
			   "getPool(''):setCache(pc)\n"
			   "setPoolServerPolicy(wrandom, 'a')\n";

static void commands_answer_as_they_should(void **state)
{
	struct err err;

	(void)state;
	if (configure(LUA_DAEMON, base, &err) < 0)
		fail_msg("%s", err.text);
	lua_host_runtime();
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		check_command(commands[i].label, commands[i].line, commands[i].want);
	unconfigure();
}

static const struct {
	const char *label, *text, *want;
} refused[] = {
	{"a line that is no Lua", "addLocal(\n", FILE_NAME ":2: unexpected symbol near <eof>"},
	{"an unknown function", "\nnewServr('192.0.2.1')\n",
	 FILE_NAME ":2: unknown function 'newServr' (did you mean 'newServer'?)"},
	{"a wrong type", "addLocal(true)\n",
	 FILE_NAME ":1: addLocal: address must be a string, got true"},
	{"a host name to listen on", "addLocal('localhost')\n", FILE_NAME ":1: addLocal: …"},
	{"an option of a wrong type", "newServer{address='192.0.2.1', retries='many'}\n",
	 FILE_NAME ":1: newServer: option 'retries' must be a number, got 'many'"},
	{"an option out of range", "newServer{address='192.0.2.1', maxCheckFailures=256}\n",
	 FILE_NAME
	 ":1: newServer: option 'maxCheckFailures' must be from 1 to 255 checks, got 256"},
	{"weight 0", "newServer{address='192.0.2.1', weight=0}\n",
	 FILE_NAME ":1: newServer: option 'weight' must be from 1 to 2147483647, got 0"},
	{"an option without a name", "newServer{address='192.0.2.1', 'x'}\n",
	 FILE_NAME ":1: newServer: options are written {name=value}, but 'x' has no name"},
	{"a transport that is not built in",
	 "newServer{address='192.0.2.1', tls='openssl', dohPath='/'}\n",
	 FILE_NAME ":1: newServer: option 'dohPath': outgoing DNS over HTTPS is not built in"},
	{"a PROXY header", "newServer{address='192.0.2.1', useProxyProtocol=true}\n",
	 FILE_NAME ":1: newServer: option 'useProxyProtocol': the PROXY protocol is not built in"},
	{"a bad UUID", "newServer{address='192.0.2.1', id='12'}\n",
	 FILE_NAME ":1: newServer: option 'id': '12' is not a UUID such as …"},
	{"a cache of nothing", "newPacketCache(0)\n",
	 FILE_NAME ":1: newPacketCache: maxEntries must be from 1 to 4294967295, got 0"},
	{"a bad netmask", "setACL({'127.0.0.1', 'x'})\n", FILE_NAME ":1: setACL: …"},
	{"the same listener twice", "addLocal('127.0.0.1:5353')\naddLocal('127.0.0.1:5353')\n",
	 FILE_NAME ":2: addLocal: …"},
	{"an unknown option in strict mode",
	 "setStrictOptions(true)\nnewServer{address='192.0.2.1', weigth=2}\n",
	 FILE_NAME ":2: newServer: unknown option 'weigth' (did you mean 'weight'?)"},
	{"an escape of 5.1", "x = '\\.'\n",
	 FILE_NAME
	 ":1: invalid escape sequence \\. in a string: write \\\\. for a backslash, or . alone"},
	{"a typographic quote", "-- “this” is fine, “too”\nx = “a”\n",
	 FILE_NAME
	 ":2: the character “ (U+201C) at column 5 can't stand outside of a string: write \""},
	{"an octet that is no character", "x = '\xe4' .. \xe4\n",
	 FILE_NAME ":1: the octet 0xE4 at column 12 can't stand outside of a string"},
	{"a bound below the mean", "setWeightedBalancingFactor(0.5)\n", FILE_NAME ":1: …"},
	{"an error in a function of the file", "function f()\n  error('deep')\nend\nf()\n",
	 FILE_NAME ":2: deep"},
};

static void bad_configurations_are_refused_with_their_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		check_refused(refused[i].label, refused[i].text, refused[i].want);
}

static void a_file_that_is_not_there_is_named(void **state)
{
	struct txn *txn = txn_begin();
	struct err err;

	(void)state;
	lua_host_start(LUA_DAEMON);
	assert_int_equal(lua_host_file("none.conf", txn, &err), -EINVAL);
	assert_string_equal(err.text, "cannot open none.conf: No such file or directory");
	txn_drop(txn);
	lua_host_stop();
}

/* A failed command leaves nothing behind: not the server it made, not the setting it changed. */
static void a_failed_command_changes_nothing(void **state)
{
	struct err err;

	(void)state;
	if (configure(LUA_DAEMON, base, &err) < 0)
		fail_msg("%s", err.text);
	lua_host_runtime();
	check_command("fails late",
		      "newServer('192.0.2.9') setECSSourcePrefixV4(8) getPool('new') error('x')",
		      "Error: console:1: x\n");
	check_command("no server", "#getServers()", "2\n");
	check_command("no pool", "#getPoolNames()", "2\n");
	assert_int_equal(rcu_get(tables_live)->settings->ecs_prefix_v4, 24);
	check_command("works", "setECSSourcePrefixV4(8)", "");
	assert_int_equal(rcu_get(tables_live)->settings->ecs_prefix_v4, 8);
	unconfigure();
}

static void reading_commands_publish_nothing(void **state)
{
	struct err err;
	uint64_t gen;

	(void)state;
	if (configure(LUA_DAEMON, base, &err) < 0)
		fail_msg("%s", err.text);
	lua_host_runtime();
	gen = rcu_get(tables_live)->gen;
	check_command("shows", "showServers() showPools() dumpStats() getPool('a'):getCache()",
		      "#   Name…");
	lua_host_maintenance();
	assert_int_equal(rcu_get(tables_live)->gen, gen);
	unconfigure();
}

static void delta_has_what_changed_something(void **state)
{
	struct err err;
	char *out;

	(void)state;
	if (configure(LUA_DAEMON, base, &err) < 0)
		fail_msg("%s", err.text);
	lua_host_runtime();
	check_command("reads", "showVersion()", "dnsdist…");
	check_command("fails", "addACL('x')", "Error: …");
	check_command("nothing yet", "delta()", "");
	check_command("changes", "addACL('192.0.2.0/24')", "");
	out = lua_host_command("delta()", NULL);
	assert_int_equal(strncmp(out, "-- ", 3), 0);
	check_text("the line", strchr(out, '\n') + 1, "addACL('192.0.2.0/24')\n");
	free(out);
	check_command("forgets", "clearConsoleHistory()", "");
	check_command("forgotten", "delta()", "");
	unconfigure();
}

/* More than is kept: the newest are there, the oldest are not, and the output has an end. */
static void delta_does_not_grow_for_ever(void **state)
{
	enum { TYPED = 15001 };
	struct err err;
	unsigned lines = 0;
	char *out;

	(void)state;
	if (configure(LUA_DAEMON, base, &err) < 0)
		fail_msg("%s", err.text);
	lua_host_runtime();
	for (unsigned i = 0; i < TYPED; i++) {
		char line[32];

		snprintf(line, sizeof(line), "command(%u)", i);
		lua_delta_add(line);
	}
	out = lua_host_command("delta()", NULL);
	for (const char *at = out; (at = strstr(at, "command(")) != NULL; at++)
		lines++;
	assert_true(lines >= 5000 && lines <= 10000);
	assert_non_null(strstr(out, "command(15000)"));
	assert_null(strstr(out, "command(0)"));
	free(out);
	unconfigure();
}

static void maintenance_and_callbacks_are_transactions(void **state)
{
	static const char text[] =
		"n = 0\n"
		"function maintenance() n = n + 1 setTCPRecvTimeout(n + 10) end\n"
		"addMaintenanceCallback(function() setTCPSendTimeout(9) error('late') end)\n"
		"addMaintenanceCallback(function() setECSSourcePrefixV6(48) end, 'named')\n"
		"addExitCallback(function() n = 100 end)\n";
	struct err err;

	(void)state;
	if (configure(LUA_DAEMON, text, &err) < 0)
		fail_msg("%s", err.text);
	lua_host_runtime();
	lua_host_maintenance();
	lua_host_maintenance();
	assert_int_equal(rcu_get(tables_live)->settings->tcp_recv_timeout_s, 12);
	assert_int_equal(rcu_get(tables_live)->settings->tcp_send_timeout_s,
			 2); /* its callback failed */
	assert_int_equal(rcu_get(tables_live)->settings->ecs_prefix_v6, 48);
	lua_host_exit_callbacks();
	check_command("after the exit callback", "n", "100\n");
	unconfigure();
}

static void shutdown_is_asked_for(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(configure(LUA_DAEMON, "", &err), 0);
	lua_host_runtime();
	assert_false(lua_host_wants_exit());
	check_command("shutdown", "shutdown()", "");
	assert_true(lua_host_wants_exit());
	unconfigure();
}

static void roles_are_told_to_the_configuration(void **state)
{
	static const char text[] = "assert(inClientStartup() == (role == 'client'))\n";
	struct err err;

	(void)state;
	assert_int_equal(
		configure(LUA_CLIENT,
			  "assert(inClientStartup() and not inConfigCheck())\n"
			  "newServer{address='192.0.2.1', tls='openssl', caStore='/none'}\n"
			  "setACLFromFile('/none')",
			  &err),
		0);
	unconfigure();
	assert_int_equal(
		configure(LUA_CHECK, "assert(inConfigCheck() and not inClientStartup())\n", &err),
		0);
	unconfigure();
	assert_int_equal(configure(LUA_DAEMON, text, &err), 0);
	unconfigure();
}

static void count_word(void *ctx, const char *word)
{
	unsigned *found = ctx;

	*found += strcmp(word, "newServer(") == 0 || strcmp(word, ":setQPS(") == 0 ||
		  strcmp(word, ".weight") == 0 || strcmp(word, "chashed") == 0;
}

static void check_row(void *ctx, const struct lua_row_view *row)
{
	(void)ctx;
	if (row->help == NULL || *row->help == '\0' || row->help[strlen(row->help) - 1] == '.')
		fail_msg("%s has no proper help", row->name);
}

static void words_and_rows_come_from_the_tables(void **state)
{
	unsigned found = 0;

	(void)state;
	lua_host_visit_words(count_word, &found);
	assert_int_equal(found, 4);
	lua_host_visit_rows(check_row, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_answer_as_they_should),
		cmocka_unit_test(bad_configurations_are_refused_with_their_place),
		cmocka_unit_test(a_file_that_is_not_there_is_named),
		cmocka_unit_test(a_failed_command_changes_nothing),
		cmocka_unit_test(reading_commands_publish_nothing),
		cmocka_unit_test(delta_has_what_changed_something),
		cmocka_unit_test(delta_does_not_grow_for_ever),
		cmocka_unit_test(maintenance_and_callbacks_are_transactions),
		cmocka_unit_test(shutdown_is_asked_for),
		cmocka_unit_test(roles_are_told_to_the_configuration),
		cmocka_unit_test(words_and_rows_come_from_the_tables),
	};

	return cmocka_run_group_tests(tests, lua_fixture_setup, NULL);
}
