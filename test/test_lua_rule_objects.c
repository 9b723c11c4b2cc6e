/* Rules, actions and what they take, as objects of the configuration language. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base.h"
#include "lua_fixture.h"

static void objects_say_what_they_are(void **state)
{
	static const struct line lines[] = {
		{"a rule", "TCPRule(true):toString()", "TCP\n"},
		{"printed", "tostring(TCPRule(true))", "TCP\n"},
		{"on its own", "TCPRule(true)",
		 "Command returned an object we can't print: userdata, TCP\n"},
		{"has not matched", "TCPRule(true):getMatches()", "0\n"},
		{"an action", "tostring(PoolAction('p'))", "to pool p\n"},
		{"without figures", "next(DropAction():getStats()) == nil and 'none'", "none\n"},
		{"shows none", "DropAction():printStats()", ""},
		{"has no files", "AllowAction():reload()", ""},
		{"an action for answers", "tostring(DropResponseAction())", "drop\n"},
		{"has the same", "next(DropResponseAction():getStats()) == nil and 'none'",
		 "none\n"},
		{"a pair", "tostring(newRuleAction('a', DropAction()):getSelector())",
		 "qname in a.\n"},
		{"its action", "tostring(newRuleAction('a', DropAction()):getAction())", "drop\n"},
		{"for answers", "tostring(newRuleAction('a', DropResponseAction()):getAction())",
		 "drop\n"},
		{"a slip", "AllRule():tostring()",
		 "Error: console:1: a DNSRule has no 'tostring' (did you mean 'toString'?)\n"},
		{"a slip of an action", "DropAction():getStat()",
		 "Error: console:1: a DNSAction has no 'getStat' (did you mean 'getStats'?)\n"},
		{"a dot for a colon", "AllRule().toString()",
		 "Error: console:1: toString: not called on a DNSRule: write object:toString(…) "
		 "with a colon\n"},
		{"a method of another", "AllRule().toString(DropAction())",
		 "Error: console:1: toString: not called on a DNSRule: write object:toString(…) "
		 "with a colon\n"},
		{"text of nothing", "getmetatable(DropAction()).__tostring(5)",
		 "Error: console:1: expected an action, got 5\n"},
	};

	(void)state;
	check_lines("", lines, ARRAY_LEN(lines));
}

static void makeRule_means_what_texts_mean(void **state)
{
	static const struct line lines[] = {
		{"a name", "tostring(makeRule('a'))", "qname in a.\n"},
		{"a DNSName", "tostring(makeRule(newDNSName('192.0.2.1')))",
		 "qname in 192.0.2.1.\n"},
		{"an address", "tostring(makeRule('192.0.2.1'))", "Src: 192.0.2.1/32\n"},
		{"names", "tostring(makeRule({'a', newDNSName('b')}))", "qname in a., b.\n"},
		{"netmasks win", "tostring(makeRule({'a', '192.0.2.0/24', 'b', '!192.0.2.1'}))",
		 "makeRule: rule: 'a' counts for nothing beside netmasks\n"
		 "Src: 192.0.2.0/24, !192.0.2.1/32\n"},
		{"the root", "tostring(makeRule(''))", "qname in .\n"},
		{"a rule is one", "tostring(makeRule(TCPRule(true)))", "TCP\n"},
		{"nothing", "makeRule()",
		 "Error: console:1: makeRule: rule must be a DNSRule, a name, a netmask or a list "
		 "of names or netmasks, got nothing\n"},
		{"a list of lists", "makeRule({{'a'}})",
		 "Error: console:1: makeRule: entry 1 of rule must be a string or a DNSName, got a "
		 "table\n"},
	};

	(void)state;
	check_lines("", lines, ARRAY_LEN(lines));
}

static void rules_are_measured(void **state)
{
	static const struct line lines[] = {
		{"all match", "benchRule(AllRule(), 100)", "Had 100 matches out of 100, …"},
		{"what a text stands for", "benchRule('powerdns.com', 1000)",
		 "Had 1000 matches out of 1000, …"},
		{"another suffix", "benchRule('powerdns.com', 1000, 'example')",
		 "Had 0 matches out of 1000, …"},
		{"that it ends in", "benchRule('example', 2001, newDNSName('b.example'))",
		 "Had 2001 matches out of 2001, …"},
		{"so often", "benchRule(QTypeRule('AAAA'))", "Had 0 matches out of 100000, …"},
		{"below the root", "benchRule(QNameLabelsCountRule(1, 1), 10, '.')",
		 "Had 0 matches out of 10, …"},
		{"nothing is counted as a match",
		 "local r = AllRule() benchRule(r, 100) return r:getMatches()", "0\n"},
		{"never", "benchRule(AllRule(), 0)",
		 "Error: console:1: benchRule: times must be from 1 to 100000000, got 0\n"},
		{"no room", "benchRule(AllRule(), 1, string.rep('abcdefg.', 31))",
		 "Error: console:1: benchRule: suffix is too long for a label in front of it\n"},
	};
	struct err err;

	(void)state;
	check_lines("", lines, ARRAY_LEN(lines));
	/* While the file runs for the first time there is nothing to run it on. */
	assert_int_equal(configure(LUA_DAEMON, "benchRule(AllRule())", &err), -EINVAL);
	check_text("at start-up", err.text,
		   FILE_NAME ":1: benchRule: needs a configuration that runs: measure on the "
			     "console");
	unconfigure();
}

static void timed_sets_change_while_rules_have_them(void **state)
{
	static const struct line lines[] = {
		{"an address", "s:add('192.0.2.1', 60)", ""},
		{"as an object", "s:add(newCA('[2001:db8::1]:53'), 60)", ""},
		{"again, for longer", "s:add('192.0.2.1:5300', 100)", ""},
		{"counted", "tostring(s:slice())", "Src: 2 ips\n"},
		{"a rule of it", "addAction(s:slice(), DropAction())", ""},
		{"one taken out", "s:remove('192.0.2.1')", ""},
		{"the rule knows", "getRule(0):getSelector():toString()", "Src: 1 ips\n"},
		{"one whose time is over", "s:add('192.0.2.2', 0) s:cleanup()", ""},
		{"is cleaned up", "tostring(s:slice())", "Src: 1 ips\n"},
		{"emptied", "s:clear()", ""},
		{"has none", "getRule(0):getSelector():toString()", "Src: 0 ips\n"},
		{"no address", "s:add('example', 60)",
		 "Error: console:1: add: 'example' is not an IPv4 or IPv6 address, …"},
		{"no time", "s:add('192.0.2.1')",
		 "Error: console:1: add: seconds must be a number, got nothing\n"},
		{"a time before", "s:add('192.0.2.1', -1)",
		 "Error: console:1: add: seconds must be from 0 to 1000000000, got -1\n"},
		{"an argument", "TimedIPSetRule('192.0.2.1')",
		 "Error: console:1: TimedIPSetRule: takes no argument, got '192.0.2.1'\n"},
		{"the set for its rule", "addAction(s, DropAction())",
		 "Error: console:1: addAction: rule must be a DNSRule, a name, a netmask or a list "
		 "of names or netmasks, got a TimedIPSetRule\n"},
	};

	(void)state;
	check_lines("s = TimedIPSetRule()", lines, ARRAY_LEN(lines));
}

static void service_parameters_are_checked_when_made(void **state)
{
	static const struct line lines[] = {
		{"everything",
		 "p = newSVCRecordParameters(1, 'svc.example', {mandatory={'port', 'key999'}, "
		 "alpn={'h2', 'h3'}, noDefaultAlpn=true, port='853', "
		 "ipv4hint={'192.0.2.1', newCA('192.0.2.2')}, ech='abc', ipv6hint='2001:db8::1', "
		 "key999='x\\0y', key1000=7})",
		 ""},
		{"for an action", "tostring(SpoofSVCAction({p, p}, {ttl=5}))",
		 "spoof SVC record\n"},
		{"one of them", "tostring(SpoofSVCAction(p))", "spoof SVC record\n"},
		{"something else", "SpoofSVCAction({p, 'x'})",
		 "Error: console:1: SpoofSVCAction: entry 2 of params must be made by "
		 "newSVCRecordParameters(), got 'x'\n"},
		{"an alias", "p = newSVCRecordParameters(0, newDNSName('other.example'))", ""},
		{"empty lists are none",
		 "p = newSVCRecordParameters(1, '.', {mandatory={}, alpn={}, ipv4hint={}})", ""},
		{"numbers as strings", "p = newSVCRecordParameters('1', '.', {})", ""},
		{"no target", "newSVCRecordParameters(1)",
		 "Error: console:1: newSVCRecordParameters: target is missing\n"},
		{"a bad target", "newSVCRecordParameters(1, 'a..b')",
		 "Error: console:1: newSVCRecordParameters: 'a..b' is not a domain name: a label is "
		 "empty\n"},
		{"a priority beyond", "newSVCRecordParameters(65536, '.')",
		 "Error: console:1: newSVCRecordParameters: priority must be from 0 to 65535, got "
		 "65536\n"},
		{"a port beyond", "newSVCRecordParameters(1, '.', {port=65536})",
		 "Error: console:1: newSVCRecordParameters: option 'port' must be from 0 to 65535, "
		 "got 65536\n"},
		{"a slip", "p = newSVCRecordParameters(1, '.', {alpm={'h2'}})",
		 "newSVCRecordParameters: unknown option 'alpm' is ignored (did you mean "
		 "'alpn'?)\n"},
		{"a number that is none", "newSVCRecordParameters(1, '.', {keyNNNN='x'})",
		 "Error: console:1: newSVCRecordParameters: unknown option 'keyNNNN': write key and "
		 "a number up to 65534\n"},
		{"no octets", "newSVCRecordParameters(1, '.', {key7={}})",
		 "Error: console:1: newSVCRecordParameters: option 'key7' must be a string, got a "
		 "table\n"},
		{"an unknown mandatory one", "newSVCRecordParameters(1, '.', {mandatory={'prot'}})",
		 "Error: console:1: newSVCRecordParameters: option 'mandatory': 'prot' is no "
		 "parameter\n"},
		{"mandatory but not there", "newSVCRecordParameters(1, '.', {mandatory='port'})",
		 "Error: console:1: newSVCRecordParameters: mandatory: 'port' is not among the "
		 "parameters\n"},
		{"an alias with parameters", "newSVCRecordParameters(0, '.', {port=1})",
		 "Error: console:1: newSVCRecordParameters: priority 0 makes an alias, which has no "
		 "parameters\n"},
		{"the other family", "newSVCRecordParameters(1, '.', {ipv4hint={'2001:db8::1'}})",
		 "Error: console:1: newSVCRecordParameters: option 'ipv4hint': 2001:db8::1 is no "
		 "IPv4 address\n"},
		{"no options", "newSVCRecordParameters(1, '.', 5)",
		 "Error: console:1: newSVCRecordParameters: options must be a table, got 5\n"},
		{"too many", "newSVCRecordParameters(1, '.', {}, 5)",
		 "Error: console:1: newSVCRecordParameters: takes 3 arguments, got 5 behind them\n"},
	};

	(void)state;
	check_lines("", lines, ARRAY_LEN(lines));
}

/* What a finalizer that runs after the object's own meets. */
static void collected_objects_are_refused(void **state)
{
	static const struct line lines[] = {
		{"a rule", "r = AllRule() getmetatable(r).__gc(r) addAction(r, DropAction())",
		 "Error: console:1: addAction: this DNSRule was collected already\n"},
		{"its text", "r:toString()",
		 "Error: console:1: toString: this DNSRule was collected already\n"},
		{"twice", "getmetatable(r).__gc(r)", ""},
		{"an action", "a = DropAction() getmetatable(a).__gc(a) addAction('a', a)",
		 "Error: console:1: addAction: this action was collected already\n"},
		{"its figures", "a:getStats()",
		 "Error: console:1: getStats: this action was collected already\n"},
		{"its text", "tostring(a)", "Error: this action was collected already\n"},
		{"twice again", "getmetatable(a).__gc(a)", ""},
		{"a pair",
		 "p = newRuleAction('a', DropAction()) getmetatable(p).__gc(p) setRules({p})",
		 "Error: console:1: setRules: this rule was collected already\n"},
		{"its action", "p:getAction()",
		 "Error: console:1: getAction: this rule was collected already\n"},
		{"twice as well", "getmetatable(p).__gc(p)", ""},
		{"a timed set", "s = TimedIPSetRule() getmetatable(s).__gc(s) s:slice()",
		 "Error: console:1: slice: this TimedIPSetRule was collected already\n"},
		{"the finalizer of another", "getmetatable(AllRule()).__gc(DropAction())",
		 "Error: console:1: expected a DNSRule, got a DNSAction\n"},
		{"of an action, for something else", "getmetatable(DropAction()).__gc(5)", ""},
	};

	(void)state;
	check_lines("", lines, ARRAY_LEN(lines));
}

/* A rule lives as long as a chain or Lua has it; the leak sanitizer says whether it goes then. */
static void rules_outlive_their_objects(void **state)
{
	static const struct line lines[] = {
		{"added and forgotten",
		 "addAction(AndRule{'a', 'b'}, DropAction()) collectgarbage() "
		 "collectgarbage()",
		 ""},
		{"is there", "getRule(0):getSelector():toString()",
		 "(qname in a.) && (qname in b.)\n"},
		{"removed but kept", "kept = getRule(0) rmRule(0)", ""},
		{"is whole", "kept:getSelector():toString()", "(qname in a.) && (qname in b.)\n"},
		{"let go", "kept = nil collectgarbage()", ""},
	};

	(void)state;
	check_lines("", lines, ARRAY_LEN(lines));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_say_what_they_are),
		cmocka_unit_test(makeRule_means_what_texts_mean),
		cmocka_unit_test(rules_are_measured),
		cmocka_unit_test(timed_sets_change_while_rules_have_them),
		cmocka_unit_test(service_parameters_are_checked_when_made),
		cmocka_unit_test(collected_objects_are_refused),
		cmocka_unit_test(rules_outlive_their_objects),
	};

	return cmocka_run_group_tests(tests, lua_fixture_setup, NULL);
}
