/* Warnings, files beside the configuration, what the program calls in it, and what it says about
 * the machine. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/stat.h>
#include <syslog.h>

#include "core/dns/name.h"
#include "lua_fixture.h"

static const struct {
	const char *label, *text, *want;
} warned[] = {
	{"nothing to say", "newServer{address='192.0.2.1', weight=2}\n", ""},
	{"an unknown option", "newServer{address='192.0.2.1', mustresolve=true}\n",
	 FILE_NAME
	 ":1: newServer: unknown option 'mustresolve' is ignored (did you mean 'mustResolve'?)\n"},
	{"one like no other", "newServer{address='192.0.2.1', zzzzzzz=true}\n",
	 FILE_NAME ":1: newServer: unknown option 'zzzzzzz' is ignored\n"},
	{"an unknown option of a listener", "addLocal('127.0.0.1:5353', {reuseport=true})\n",
	 FILE_NAME
	 ":1: addLocal: unknown option 'reuseport' is ignored (did you mean 'reusePort'?)\n"},
	{"an unknown mode", "newServer{address='192.0.2.1', healthCheckMode='sometimes'}\n",
	 FILE_NAME
	 ":1: newServer: option 'healthCheckMode': 'sometimes' is none of auto, lazy, up, down: auto "
	 "is used\n"},
	{"an option of another part", "newServer{address='192.0.2.1', autoUpgrade=true}\n",
	 FILE_NAME
	 ":1: newServer: option 'autoUpgrade' is ignored: upgrades to encrypted transports are not "
	 "built in\n"},
	{"the same switched off", "newServer{address='192.0.2.1', autoUpgrade=false, dohPath=''}\n",
	 ""},
	{"a bad address", "assert(newServer('dns.example') == nil)\n",
	 FILE_NAME ":1: newServer: no server is made: …"},
	{"a bad key", "setKey('x')\n", FILE_NAME ":1: setKey: …"},
	{"newServer by position", "assert(newServer('192.0.2.1', 10))\n",
	 FILE_NAME
	 ":1: newServer(address, qps) is a former form; write newServer({address=, qps=})\n"},
	{"newPacketCache by position", "newPacketCache(10, 100, 0, 60, 60, true)\n",
	 FILE_NAME
	 ":1: newPacketCache(entries, maxTTL, …) is a former form; write newPacketCache(entries, "
	 "{maxTTL=, …})\n"},
	{"addLocal by position", "addLocal('127.0.0.1:5353', true, true)\n",
	 FILE_NAME
	 ":1: addLocal(address, doTCP, reusePort, …) is a former form; write addLocal(address, "
	 "{reusePort=, …})\n"},
	{"doTCP", "addLocal('127.0.0.1:5353', {doTCP=true})\n",
	 FILE_NAME ":1: option doTCP is a former form; write nothing: TCP is always on\n"},
	{"tcpFastOpenSize", "addLocal('127.0.0.1:5353', {tcpFastOpenSize=5})\n",
	 FILE_NAME ":1: option tcpFastOpenSize is a former form; write tcpFastOpenQueueSize\n"},
	{"addXPF", "newServer{address='192.0.2.1', addXPF=65280}\n",
	 FILE_NAME
	 ":1: newServer: option 'addXPF' is ignored: XPF is gone; useProxyProtocol took its place\n"},
	{"a misspelt setting", "setWHashedPertubation(5)\n",
	 FILE_NAME
	 ":1: setWHashedPertubation is a former form; write setWHashedPerturbation(value)\n"},
	{"sizes of buffers", "setUDPSocketBufferSize(1, 2)\n",
	 FILE_NAME
	 ":1: setUDPSocketBufferSize is a former form; write setUDPSocketBufferSizes(receive, send)\n"},
	{"one pipe", "setTCPUseSinglePipe(true)\n",
	 FILE_NAME ":1: setTCPUseSinglePipe is a former form; write nothing: it has no effect\n"},
	{"types in the table dnsdist", "x = dnsdist.ANY\nx = dnsdist.NXDOMAIN\n",
	 FILE_NAME ":1: dnsdist.ANY is a former form; write DNSQType.ANY\n" FILE_NAME
		   ":2: dnsdist.NXDOMAIN is a former form; write DNSRCode.NXDOMAIN\n"},
	{"classes in QClass", "x = QClass.CHAOS\n",
	 FILE_NAME ":1: QClass.CHAOS is a former form; write DNSClass.CHAOS\n"},
	{"chopoff", "newDNSName('a.b'):chopoff()\n",
	 FILE_NAME ":1: DNSName:chopoff() is a former form; write chopOff()\n"},
	{"once for a place", "for i = 1, 3 do x = dnsdist.ANY end\n",
	 FILE_NAME ":1: dnsdist.ANY is a former form; write DNSQType.ANY\n"},
	{"security polls switched off", "setSecurityPollSuffix('')\n", ""},
	{"security polls", "setSecurityPollSuffix('secpoll.example.')\n",
	 FILE_NAME
	 ":1: setSecurityPollSuffix: the security status is not polled, from there or anywhere\n"},
	{"lines of the configuration",
	 "infolog('one') warnlog('two') errlog('three') vinfolog('four')\n", "one\ntwo\nthree\n"},
	{"print and show while the file runs", "print('printed', 2/1) show('shown')\n",
	 "printed\t2\nshown\n"},
};

static void what_is_odd_is_said_once_and_clearly(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(warned); i++)
		check_says(warned[i].label, warned[i].text, warned[i].want);
}

static void a_directory_is_included_in_order(void **state)
{
	(void)state;
	mkdir("conf.d", 0755);
	write_file("conf.d/20.conf",
		   "order = order .. '20'\nassert(includeDirectory('conf.d') == nil)\n");
	write_file("conf.d/10.conf", "order = order .. '10'\n");
	write_file("conf.d/.hidden.conf", "order = order .. 'hidden'\n");
	write_file("conf.d/30.txt", "order = order .. '30'\n");
	check_after("in order", "order = '' includeDirectory('conf.d')\n", "order", "1020\n");
	check_says(
		"nested", "order = '' includeDirectory('conf.d')\n",
		"conf.d/20.conf:2: includeDirectory: can't be used inside a file that includeDirectory runs\n");
	check_says(
		"missing", "includeDirectory('none.d')\n",
		FILE_NAME
		":1: includeDirectory: directory 'none.d' can't be read: No such file or directory\n");
	write_file("conf.d/15.conf", "\naddAclo('::1')\n");
	check_refused("an error in it", "order = '' includeDirectory('conf.d')\n",
		      "conf.d/15.conf:2: unknown function 'addAclo' (did you mean 'addACL'?)");
	unlink("conf.d/15.conf");
}

static void the_log_is_as_the_file_asks(void **state)
{
	static const char text[] =
		"setSyslogFacility('LOG_LOCAL3')\n"
		"setStructuredLogging(true, {backend='json', timeFormat='ISO8601', "
		"setInstanceFromServerID=true})\n"
		"setVerboseLogDestination('/var/log/verbose')\nsetServerID('me')\n";
	struct log_config c = {.facility = LOG_DAEMON};
	struct err err;

	(void)state;
	if (configure(LUA_DAEMON, text, &err) < 0)
		fail_msg("%s", err.text);
	lua_host_log_config(&c, "me");
	assert_int_equal(c.facility, LOG_LOCAL3);
	assert_int_equal(c.format, LOG_FORMAT_JSON);
	assert_true(c.iso8601);
	assert_string_equal(c.instance, "me");
	assert_string_equal(c.verbose_path, "/var/log/verbose");
	lua_host_runtime();
	check_command("the id", "getServerID()", "me\n");
	unconfigure();
	assert_int_equal(
		configure(LUA_DAEMON, "setSyslogFacility(4) setStructuredLogging(false)", &err), 0);
	lua_host_log_config(&c, "me");
	assert_int_equal(c.facility, LOG_AUTH);
	assert_int_equal(c.format, LOG_FORMAT_PLAIN);
	unconfigure();
	check_refused(
		"no such facility", "setSyslogFacility('locale3')\n",
		FILE_NAME
		":1: setSyslogFacility: 'locale3' is no facility of syslog (did you mean 'LOCAL3'?)");
}

static const struct server_row *first_row(void)
{
	return &rcu_get(tables_live)->pools->rows[0];
}

static void health_checks_ask_the_configuration(void **state)
{
	static const char text[] =
		"newServer{address='192.0.2.1', checkFunction=function(name, type, class, header)\n"
		"  assert(name == newDNSName('a.root-servers.net.') and type == DNSQType.A and class == 1)\n"
		"  assert(header:getRD())\n"
		"  header:setCD(true)\n"
		"  return newDNSName('health.example'), DNSQType.AAAA, DNSClass.CHAOS\n"
		"end}:setHealthCheckResponseValidator(function(packet) return #packet == 12 end)\n"
		"newServer{address='192.0.2.2', checkFunction=function() error('broken') end}\n"
		"newServer{address='192.0.2.3', checkFunction=function() return true end}\n"
		"newServer{address='192.0.2.4', checkFunction=function() return 'b.example' end}\n"
		"newServer{address='192.0.2.5'}\n";
	struct check_question q = {.name = "\1a\14root-servers\3net",
				   .name_len = 20,
				   .qtype = TYPE_A,
				   .qclass = CLASS_IN,
				   .flags = DNS_RD};
	struct check_question again = q;
	const struct server_row *rows;
	uint8_t packet[13] = {0};
	struct err err;
	int real;

	(void)state;
	if (configure(LUA_DAEMON, text, &err) < 0)
		fail_msg("%s", err.text);
	lua_host_runtime();
	rows = first_row();
	assert_true(lua_host_check_function(rows[0].server, &q));
	assert_int_equal(q.name_len, 16);
	assert_memory_equal(q.name, "\6health\7example", 16);
	assert_int_equal(q.qtype, TYPE_AAAA);
	assert_int_equal(q.qclass, 3);
	assert_int_equal(q.flags, DNS_RD | DNS_CD);
	assert_true(lua_host_check_validator(rows[0].server, packet, 12));
	assert_false(lua_host_check_validator(rows[0].server, packet, 13));
	q = again;
	real = capture();
	assert_false(lua_host_check_function(rows[1].server, &q));
	check_text("a broken one is logged", captured(real),
		   "a checkFunction failed, nothing of it took place: " FILE_NAME ":7: broken\n");
	assert_false(lua_host_check_function(rows[2].server, &q));
	assert_memory_equal(&q, &again, sizeof(q));
	assert_true(lua_host_check_function(rows[3].server, &q));
	assert_memory_equal(q.name, "\1b\7example", 10);
	assert_int_equal(q.qtype, TYPE_A);
	assert_true(lua_host_check_function(rows[4].server, &q));
	assert_true(lua_host_check_validator(rows[4].server, packet, 13));
	unconfigure();
}

static void state_changes_are_told(void **state)
{
	static const char text[] = "newServer{address='192.0.2.1', name='one'}\nsaid = ''\n"
				   "addServerStateChangeCallback(function(name, up)\n"
				   "  said = said .. name .. '=' .. tostring(up) .. ';'\nend)\n";
	struct err err;

	(void)state;
	if (configure(LUA_DAEMON, text, &err) < 0)
		fail_msg("%s", err.text);
	lua_host_runtime();
	lua_host_server_changed(first_row()->server, true, true);
	lua_host_server_changed(first_row()->server, false, false);
	check_command("both", "said", "one (192.0.2.1:53)=true;one (192.0.2.1:53)=false;\n");
	unconfigure();
}

static void host_names_are_looked_up_beside(void **state)
{
	static const char text[] =
		"getAddressInfo('localhost', function(name, ips)\n"
		"  found = name .. ' ' .. tostring(#ips > 0 and ips[1]:toString() ~= '')\nend)\n";
	struct err err;
	unsigned tries = 0;
	bool there = false;

	(void)state;
	if (configure(LUA_DAEMON, text, &err) < 0)
		fail_msg("%s", err.text);
	lua_host_runtime();
	/* the resolver answers when it likes: ask until then, with a bound */
	while (!there && tries++ < 500) {
		char *out;

		usleep(10000);
		lua_host_maintenance();
		out = lua_host_command("found ~= nil and 'there'", NULL);
		there = strcmp(out, "there\n") == 0;
		free(out);
	}
	assert_true(there);
	check_command("what it found", "found", "localhost true\n");
	unconfigure();
}

static void the_machine_is_described(void **state)
{
	static const struct {
		const char *label, *line, *want;
	} lines[] = {
		{"interfaces",
		 "table.concat(getListOfNetworkInterfaces(), ','):find('lo') and 'lo'", "lo\n"},
		{"addresses", "getListOfAddressesOfNetworkInterface('lo')[1]", "127.0.0.1\n"},
		{"ranges", "getListOfRangesOfNetworkInterface('lo')[1]", "127.0.0.0/8\n"},
		{"of none", "#getListOfAddressesOfNetworkInterface('none')", "0\n"},
		{"resolvers", "table.concat(getResolvers('resolv.txt'), ' ')",
		 "192.0.2.1 2001:db8::1\n"},
		{"no file of them", "#getResolvers('none.txt')",
		 "Error: getResolvers: 'none.txt' can't be read\n0\n"},
		{"a neighbour that is none", "#getMACAddress('198.51.100.7')", "0\n"},
		{"time", "getCurrentTime().tv_sec - os.time() < 2 and 'now'", "now\n"},
		{"verbosity", "getVerbose() and 'on' or 'off'", "off\n"},
		{"verbose", "setVerbose(true)", ""},
		{"verbosity then", "getVerbose() and 'on' or 'off'", "on\n"},
		{"quiet", "setVerbose(false)", ""},
		{"a capability at runtime", "addCapabilitiesToRetain('CAP_NET_RAW')",
		 "addCapabilitiesToRetain cannot be used at runtime!\n"},
		{"security status", "showSecurityStatus()", "0\n"},
		{"environment", "os.getenv('NO_SUCH_NAME') == nil and 'nil'", "nil\n"},
		{"files", "io.open('resolv.txt'):read('*a'):sub(1, 10)", "# servers\n\n"},
	};
	struct err err;

	(void)state;
	write_file("resolv.txt",
		   "# servers\nnameserver 192.0.2.1\nsearch example\nnameserver 2001:db8::1\n");
	assert_int_equal(configure(LUA_DAEMON, "addCapabilitiesToRetain({'CAP_NET_RAW'})", &err),
			 0);
	lua_host_runtime();
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		check_command(lines[i].label, lines[i].line, lines[i].want);
	unconfigure();
	check_refused("no capability", "addCapabilitiesToRetain('CAP_NONE')\n",
		      FILE_NAME ":1: addCapabilitiesToRetain: …");
}

static void settings_that_are_no_number_arrive(void **state)
{
	static const char text[] = "setTCPFastOpenKey('01020304-a0b0c0d0-0-ffffffff')\n"
				   "setUDPSocketBufferSizes(1000, 2000)\n";
	static const uint8_t key[] = {4, 3, 2, 1, 0xd0, 0xc0, 0xb0, 0xa0,
				      0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff};
	const struct settings *s;
	struct err err;

	(void)state;
	if (configure(LUA_DAEMON, text, &err) < 0)
		fail_msg("%s", err.text);
	s = rcu_get(tables_live)->settings;
	assert_true(s->has_fast_open_key);
	assert_memory_equal(s->fast_open_key, key, sizeof(key));
	assert_int_equal(s->udp_recv_buffer, 1000);
	assert_int_equal(s->udp_send_buffer, 2000);
	lua_host_runtime();
	check_command("no session is kept", "getOutgoingTLSSessionCacheSize()", "0\n");
	unconfigure();
	check_refused("three groups", "setTCPFastOpenKey('1-2-3')\n",
		      FILE_NAME ":1: setTCPFastOpenKey: '1-2-3' is no key: …");
}

/* The key of the command line stands in the draft before the file runs. */
static void a_key_given_before_beats_the_file(void **state)
{
	static const char text[] = "setKey('AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=')\n"
				   "controlSocket('127.0.0.1')\n";
	struct txn *txn = txn_begin();
	struct err err;

	(void)state;
	TXN_EDIT(txn, CONSOLE, console_config)->has_key = true;
	write_file(FILE_NAME, text);
	lua_host_start(LUA_DAEMON);
	assert_int_equal(lua_host_file(FILE_NAME, txn, &err), 0);
	assert_int_equal(txn_commit(txn, &err), 0);
	assert_int_equal(rcu_get(tables_live)->console_config->key[0], 0);
	assert_int_equal(addr_port(&rcu_get(tables_live)->console_config->address), 5199);
	lua_host_runtime();
	check_command("at runtime it is taken",
		      "setKey('AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=')", "");
	assert_int_equal(rcu_get(tables_live)->console_config->key[0], 1);
	unconfigure();
}

static void listeners_of_the_command_line_replace_the_file(void **state)
{
	struct txn *txn = txn_begin();
	struct err err;

	(void)state;
	TXN_EDIT(txn, SETTINGS, settings)->local_override = true;
	write_file(FILE_NAME, "addLocal('127.0.0.1:5353')\nsetLocal('127.0.0.2:5353')\n");
	lua_host_start(LUA_DAEMON);
	assert_int_equal(lua_host_file(FILE_NAME, txn, &err), 0);
	assert_int_equal(TXN_READ(txn, FRONTENDS, frontends)->n, 0);
	txn_drop(txn);
	lua_host_stop();
}

static void constants_that_are_not_there_are_nil(void **state)
{
	static const struct line lines[] = {
		{"one that is", "DNSRCode.REFUSED", "5\n"},
		{"a slip", "tostring(DNSRCode.REFUSD)",
		 "DNSRCode has no 'REFUSD' (did you mean 'REFUSED'?)\nnil\n"},
		{"another table", "tostring(DNSAction.Dropp)",
		 "DNSAction has no 'Dropp' (did you mean 'Drop'?)\nnil\n"},
		{"nothing like it", "tostring(DNSQType.WHATEVER)", "nil\n"},
		{"no name", "tostring(DNSQType[{}])", "nil\n"},
	};

	(void)state;
	check_lines("", lines, ARRAY_LEN(lines));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(constants_that_are_not_there_are_nil),
		cmocka_unit_test(what_is_odd_is_said_once_and_clearly),
		cmocka_unit_test(a_directory_is_included_in_order),
		cmocka_unit_test(the_log_is_as_the_file_asks),
		cmocka_unit_test(health_checks_ask_the_configuration),
		cmocka_unit_test(state_changes_are_told),
		cmocka_unit_test(host_names_are_looked_up_beside),
		cmocka_unit_test(the_machine_is_described),
		cmocka_unit_test(settings_that_are_no_number_arrive),
		cmocka_unit_test(a_key_given_before_beats_the_file),
		cmocka_unit_test(listeners_of_the_command_line_replace_the_file),
	};

	return cmocka_run_group_tests(tests, lua_fixture_setup, NULL);
}
