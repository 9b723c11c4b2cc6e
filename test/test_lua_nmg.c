/* Netmasks, groups of them and rate limiters as a configuration and a console use them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/clock.h"
#include "lua_fixture.h"

static void netmasks_are_made_and_matched(void **state)
{
	static const struct line lines[] = {
		{"of a text", "tostring(newNetmask('192.0.2.129/24'))", "192.0.2.0/24\n"},
		{"of an address alone", "newNetmask('192.0.2.1'):toString()", "192.0.2.1/32\n"},
		{"of IPv6 alone", "newNetmask('2001:db8::1'):toString()", "2001:db8::1/128\n"},
		{"of an address and bits", "newNetmask(newCA('192.0.2.1:53'), 24):toString()",
		 "192.0.2.0/24\n"},
		{"of IPv6 and bits", "newNetmask(newCA('2001:db8::1'), '32'):toString()",
		 "2001:db8::/32\n"},
		{"no bit", "newNetmask('192.0.2.1', 0):toString()", "0.0.0.0/0\n"},
		{"of a ComboAddress alone", "newNetmask(newCA('192.0.2.1:53')):toString()",
		 "192.0.2.1/32\n"},
		{"joined to a text", "'in ' .. tostring(newNetmask('::/0'))", "in ::/0\n"},
		{"bits", "newNetmask('192.0.2.0/24'):getBits()", "24\n"},
		{"network", "newNetmask('192.0.2.9/24'):getNetwork():toStringWithPort()",
		 "192.0.2.0:0\n"},
		{"masked network",
		 "newNetmask(newCA('192.0.2.9:53'), 24):getMaskedNetwork():toString()",
		 "192.0.2.0\n"},
		{"not empty", "newNetmask('0.0.0.0/0'):empty() and 'empty' or 'not'", "not\n"},
		{"IPv4",
		 "newNetmask('10.0.0.0/8'):isIPv4() and not newNetmask('10.0.0.0/8'):isIPv6()"
		 " and 'four'",
		 "four\n"},
		{"IPv6 as others spell it",
		 "newNetmask('::/8'):isIpv6() and not newNetmask('::/8'):isIpv4() and 'six'",
		 "six\n"},
		{"inside", "newNetmask('192.0.2.0/24'):match('192.0.2.200') and 'in' or 'out'",
		 "in\n"},
		{"outside", "newNetmask('192.0.2.0/24'):match('192.0.3.0') and 'in' or 'out'",
		 "out\n"},
		{"a ComboAddress inside",
		 "newNetmask('2001:db8::/32'):match(newCA('[2001:db8::1]:53')) and 'in'", "in\n"},
		{"equal", "newNetmask('10.0.0.1/8') == newNetmask('10.9.9.9/8') and 'equal'",
		 "equal\n"},
		{"other bits", "newNetmask('10.0.0.0/8') == newNetmask('10.0.0.0/9') or 'other'",
		 "other\n"},
		{"no netmask", "newNetmask('192.0.2.0/33')",
		 "Error: console:1: newNetmask: '192.0.2.0/33' is not a netmask such as 192.0.2.0/24 "
		 "or 2001:db8::/32\n"},
		{"negative", "newNetmask('!192.0.2.0/24')",
		 "Error: console:1: newNetmask: '!192.0.2.0/24' is not a netmask…"},
		{"nothing", "newNetmask()",
		 "Error: console:1: newNetmask: a netmask must be a string, a Netmask or a "
		 "ComboAddress, got nothing\n"},
		{"too many bits", "newNetmask(newCA('192.0.2.1'), 33)",
		 "Error: console:1: newNetmask: bits must be from 0 to 32, got 33\n"},
		{"too many bits of IPv6", "newNetmask(newCA('::1'), 129)",
		 "Error: console:1: newNetmask: bits must be from 0 to 128, got 129\n"},
		{"half a bit", "newNetmask(newCA('192.0.2.1'), 1.5)",
		 "Error: console:1: newNetmask: bits must be a whole number, got 1.5\n"},
		{"no address", "newNetmask('10.0.0.0/8'):match('10/8')",
		 "Error: console:1: match: '10/8' is not an IPv4 or IPv6 address…"},
		{"a slip", "newNetmask('10.0.0.0/8'):getBit()",
		 "Error: console:1: a Netmask has no 'getBit' (did you mean 'getBits'?)\n"},
		{"help", "help('getMaskedNetwork')",
		 "Netmask:getMaskedNetwork() - the same as getNetwork\n"},
	};

	(void)state;
	check_lines("", lines, ARRAY_LEN(lines));
}

static void groups_match_by_the_longest_netmask(void **state)
{
	static const char config[] =
		"g = newNMG()\n"
		"g:addMask('10.0.0.0/8') g:addMask('!10.1.0.0/16') g:addMask('10.1.2.3')\n"
		"g:addMask('2001:db8::/32')\n"
		"function look(a) return g:match(a) and 'in' or 'out' end\n";
	static const struct line lines[] = {
		{"size", "g:size()", "4\n"},
		{"text", "g:toString()",
		 "NetmaskGroup 10.0.0.0/8, !10.1.0.0/16, 10.1.2.3/32, 2001:db8::/32\n"},
		{"in the widest", "look(newCA('10.2.0.1:53'))", "in\n"},
		{"a negative one is longer", "look(newCA('10.1.0.1'))", "out\n"},
		{"and a host longer still", "look('10.1.2.3')", "in\n"},
		{"in none", "look(newCA('11.0.0.1'))", "out\n"},
		{"IPv6", "look('2001:db8::5')", "in\n"},
		{"not that IPv6", "look('2001:db9::')", "out\n"},
		{"an IPv4 address in IPv6", "look('::ffff:10.2.0.1')", "in\n"},
		{"the same again", "g:addMask('10.77.0.0/8')", ""},
		{"is the same", "g:size()", "4\n"},
		{"turned around", "g:addMask('!10.0.0.0/8')", ""},
		{"is out now", "look('10.2.0.1')", "out\n"},
		{"a Netmask", "g:addMask(newNetmask('192.0.2.0/25'))", ""},
		{"is in", "look('192.0.2.127')", "in\n"},
		{"not behind it", "look('192.0.2.128')", "out\n"},
		{"a ComboAddress", "g:addMask(newCA('192.0.2.200:53'))", ""},
		{"is a host", "look('192.0.2.200:1')", "in\n"},
		{"in all", "g:size()", "6\n"},
		{"emptied", "g:clear()", ""},
		{"nothing is left", "g:size()", "0\n"},
		{"nothing to show", "tostring(g)", "NetmaskGroup \n"},
		{"nothing matches", "look('10.1.2.3')", "out\n"},
	};

	(void)state;
	check_lines(config, lines, ARRAY_LEN(lines));
}

static void tables_of_netmasks_are_taken_whole_or_not_at_all(void **state)
{
	static const struct line lines[] = {
		{"a list",
		 "g = newNMG() g:addMasks({'10.0.0.0/8', newNetmask('::/1'), newCA('192.0.2.1')})",
		 ""},
		{"is kept in order", "g:toString()",
		 "NetmaskGroup 10.0.0.0/8, ::/1, 192.0.2.1/32\n"},
		{"counts by address", "g = newNMG() g:addMasks({[newCA('192.0.2.1:5')]=3})", ""},
		{"are hosts", "g:toString()", "NetmaskGroup 192.0.2.1/32\n"},
		{"counts by text", "g:addMasks({['2001:db8::1']=3})", ""},
		{"are added", "g:toString()", "NetmaskGroup 192.0.2.1/32, 2001:db8::1/128\n"},
		{"a list to addMask", "g:addMask({'!192.0.2.1', '10.0.0.0/8'})", ""},
		{"replaces and adds", "g:toString()",
		 "NetmaskGroup !192.0.2.1/32, 2001:db8::1/128, 10.0.0.0/8\n"},
		{"an empty list", "g:addMasks({})", ""},
		{"a bad entry", "g:addMasks({'172.16.0.0/12', '172.16.0/12'})",
		 "Error: console:1: addMasks: entry 2: '172.16.0/12' is not a netmask such as "
		 "192.0.2.0/24 or 2001:db8::/32\n"},
		{"a bad entry of an empty group",
		 "e = newNMG() show(pcall(e.addMasks, e, {'172.16.0.0/12', 7}) and 'taken' or tostring(e:size()))",
		 "0\n"},
		{"a bad key", "g:addMasks({mask='172.16.0.0/12'})",
		 "Error: console:1: addMasks: entry 'mask': 'mask' is not a netmask…"},
		{"a bad kind of key", "g:addMasks({[g]=1})",
		 "Error: console:1: addMasks: entry a NetmaskGroup: a netmask must be a string, a "
		 "Netmask or a ComboAddress, got a NetmaskGroup\n"},
		{"a number", "g:addMask(10)",
		 "Error: console:1: addMask: a netmask must be a string, a Netmask or a ComboAddress, "
		 "got 10\n"},
		{"nothing", "g:addMask()",
		 "Error: console:1: addMask: a netmask must be a string, a Netmask or a ComboAddress, "
		 "got nothing\n"},
		{"no table", "g:addMasks('10.0.0.0/8')",
		 "Error: console:1: addMasks: netmasks must be a table, got '10.0.0.0/8'\n"},
		{"a blank", "g:addMask('! 10.0.0.0/8')",
		 "Error: console:1: addMask: ' 10.0.0.0/8' is not a netmask…"},
		{"all as it was", "g:toString()",
		 "NetmaskGroup !192.0.2.1/32, 2001:db8::1/128, 10.0.0.0/8\n"},
	};

	(void)state;
	check_lines("", lines, ARRAY_LEN(lines));
}

static void groups_are_added_and_taken_out(void **state)
{
	static const char config[] = "a, b = newNMG(), newNMG()\n"
				     "a:addMasks{'10.0.0.0/8', '!10.1.0.0/16', '::/1'}\n"
				     "b:addMasks{'192.0.2.0/24', '!10.0.0.0/8'}\n";
	static const struct line lines[] = {
		{"added to an empty one", "c = newNMG() c:addNMG(a)", ""},
		{"is a copy", "c:clear()", ""},
		{"of its own", "a:size()", "3\n"},
		{"added to another", "a:addNMG(b)", ""},
		{"the later wins", "a:toString()",
		 "NetmaskGroup !10.0.0.0/8, !10.1.0.0/16, ::/1, 192.0.2.0/24\n"},
		{"to itself", "a:addNMG(a)", ""},
		{"nothing new", "a:size()", "4\n"},
		{"taken out", "a:deleteNMG(b)", ""},
		{"exactly those", "a:toString()", "NetmaskGroup !10.1.0.0/16, ::/1\n"},
		{"what is not there", "a:deleteNMG(b)", ""},
		{"changes nothing", "a:size()", "2\n"},
		{"the rest still matches", "a:match('10.1.0.1') or a:match('1::') and 'in'",
		 "in\n"},
		{"out of itself", "a:deleteNMG(a)", ""},
		{"leaves nothing", "a:size()", "0\n"},
		{"no group", "a:addNMG('10.0.0.0/8')",
		 "Error: console:1: addNMG: expected a NetmaskGroup, got '10.0.0.0/8'\n"},
		{"nor here", "a:deleteNMG(newNetmask('10.0.0.0/8'))",
		 "Error: console:1: deleteNMG: expected a NetmaskGroup, got a Netmask\n"},
		{"made of something", "newNMG('10.0.0.0/8')",
		 "Error: console:1: newNMG: takes no argument, got '10.0.0.0/8': write newNMG() and "
		 "then addMask()\n"},
		{"a dot", "a.size()",
		 "Error: console:1: size: not called on a NetmaskGroup: write object:size(…) with a "
		 "colon\n"},
		{"no address", "a:match('example')",
		 "Error: console:1: match: 'example' is not an IPv4 or IPv6 address…"},
	};

	(void)state;
	check_lines(config, lines, ARRAY_LEN(lines));
}

static void a_large_table_is_loaded_and_halved(void **state)
{
	static const char config[] =
		"local t, half = {}, newNMG()\n"
		"for i = 0, 49999 do\n"
		"	t[#t + 1] = string.format('10.%d.%d.0/24', i // 256, i % 256)\n"
		"	if i % 2 == 0 then half:addMask(t[#t]) end\n"
		"end\n"
		"g = newNMG() g:addMasks(t) g:addMasks(t)\n"
		"rest = newNMG() rest:addNMG(g) rest:deleteNMG(half)\n";
	static const struct line lines[] = {
		{"all", "g:size()", "50000\n"},
		{"one", "g:match('10.195.79.7') and not g:match('10.195.80.7') and 'right'",
		 "right\n"},
		{"the rest", "rest:size()", "25000\n"},
		{"the odd ones",
		 "rest:match('10.0.1.0') and not rest:match('10.0.2.0') and 'right'", "right\n"},
	};

	(void)state;
	check_lines(config, lines, ARRAY_LEN(lines));
}

static void limiters_give_their_tokens(void **state)
{
	static const struct line bad[] = {
		{"no burst", "newQPSLimiter(2)",
		 "Error: console:1: newQPSLimiter: burst must be a number, got nothing\n"},
		{"no rate", "newQPSLimiter(0, 1)",
		 "Error: console:1: newQPSLimiter: rate must be from 1 to 4294967295, got 0\n"},
		{"half a token", "newQPSLimiter(1, 1.5)",
		 "Error: console:1: newQPSLimiter: burst must be a whole number, got 1.5\n"},
		{"no number", "newQPSLimiter('many', 1)",
		 "Error: console:1: newQPSLimiter: rate must be a number, got 'many'\n"},
	};
	static const char take[] =
		"(function() local n = 0 while q:check() do n = n + 1 end return n end)()";
	struct err err;

	(void)state;
	clock_fake(1000000, 1700000000);
	if (configure(LUA_DAEMON, "q = newQPSLimiter(2, 3)", &err) < 0)
		fail_msg("%s", err.text);
	lua_host_runtime();
	check_command("starts full", take, "3\n");
	clock_fake_advance(400000);
	check_command("not yet one", take, "0\n");
	clock_fake_advance(200000);
	check_command("one after half a second", take, "1\n");
	clock_fake_advance(1000000);
	check_command("two a second", take, "2\n");
	clock_fake_advance(60000000);
	check_command("never above the burst", take, "3\n");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		check_command(bad[i].label, bad[i].line, bad[i].want);
	clock_fake_end();
	unconfigure();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(netmasks_are_made_and_matched),
		cmocka_unit_test(groups_match_by_the_longest_netmask),
		cmocka_unit_test(tables_of_netmasks_are_taken_whole_or_not_at_all),
		cmocka_unit_test(groups_are_added_and_taken_out),
		cmocka_unit_test(a_large_table_is_loaded_and_halved),
		cmocka_unit_test(limiters_give_their_tokens),
	};

	return cmocka_run_group_tests(tests, lua_fixture_setup, NULL);
}
