/* What selectors and actions are made of: every kind of argument, right and wrong. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base.h"
#include "lua_fixture.h"

static void arguments_are_taken_in_all_their_forms(void **state)
{
	static const struct line lines[] = {
		{"no argument", "tostring(AllRule())", "All\n"},
		{"a number", "tostring(OpcodeRule(4))", "opcode==4\n"},
		{"a string of digits", "tostring(OpcodeRule('4'))", "opcode==4\n"},
		{"a constant", "tostring(RCodeRule(DNSRCode.NXDOMAIN))",
		 "rcode==Non-Existent domain\n"},
		{"a boolean", "tostring(TCPRule(true))", "TCP\n"},
		{"a fraction", "tostring(ProbaRule(0.25))", "match with prob. 0.25\n"},
		{"a limit without a bound of its own", "tostring(PoolOutstandingRule('p', 2^53))",
		 "pool 'p' outstanding > 9007199254740992\n"},
		{"a type by name", "tostring(QTypeRule('aaaa'))", "qtype==AAAA\n"},
		{"by the constant", "tostring(QTypeRule(DNSQType.ANY))", "qtype==ANY\n"},
		{"by number", "tostring(QTypeRule('TYPE65280'))", "qtype==TYPE65280\n"},
		{"by number as a string", "tostring(QTypeRule('28'))", "qtype==AAAA\n"},
		{"a name", "tostring(QNameRule('A.example'))", "qname==A.example.\n"},
		{"a DNSName", "tostring(QNameRule(newDNSName('A.example')))",
		 "qname==A.example.\n"},
		{"the root", "tostring(QNameRule('.'))", "qname==.\n"},
		{"one name of a set", "tostring(QNameSuffixRule('a'))", "qname in a.\n"},
		{"a DNSName of a set", "tostring(QNameSuffixRule(newDNSName('a')))",
		 "qname in a.\n"},
		{"a list of names", "tostring(QNameSuffixRule({'a', newDNSName('b')}))",
		 "qname in a., b.\n"},
		{"quietly", "tostring(SuffixMatchNodeRule({'a', 'b'}, true))", "qname==in-set\n"},
		{"a set", "tostring(QNameSuffixRule(smn))", "qname in a.\n"},
		{"the set changes later",
		 "local r = QNameSuffixRule(smn) smn:add('c') "
		 "return tostring(r) .. tostring(smn)",
		 "qname in a.a., c.\n"},
		{"exact names", "tostring(QNameSetRule(set))", "qname in DNSNameSet(1 FQDNs)\n"},
		{"one netmask", "tostring(NetmaskGroupRule('192.0.2.0/24'))",
		 "Src: 192.0.2.0/24\n"},
		{"netmasks of all kinds",
		 "tostring(NetmaskGroupRule({'192.0.2.0/24', '!192.0.2.1', "
		 "newNetmask('198.51.100.0/24'), newCA('203.0.113.1:53')}, false))",
		 "Dst: 192.0.2.0/24, !192.0.2.1/32, 198.51.100.0/24, 203.0.113.1/32\n"},
		{"a group", "tostring(NetmaskGroupRule(nmg))", "Src: 10.0.0.0/8\n"},
		{"the group changes later",
		 "local r = NetmaskGroupRule(nmg) nmg:clear() "
		 "return tostring(r) .. nmg:size()",
		 "Src: 10.0.0.0/80\n"},
		{"rules", "tostring(AndRule({AllRule(), TCPRule(false)}))", "(All) && (UDP)\n"},
		{"rules in braces", "tostring(OrRule{AllRule(), TCPRule(false)})",
		 "(All) || (UDP)\n"},
		{"no rules", "tostring(AndRule{}) .. tostring(OrRule{})", "\n"},
		{"one rule twice", "local r = AllRule() return tostring(AndRule{r, r})",
		 "(All) && (All)\n"},
		{"what stands for rules", "tostring(AndRule{'a', '192.0.2.0/24', {'b', 'c'}})",
		 "(qname in a.) && (Src: 192.0.2.0/24) && (qname in b., c.)\n"},
		{"a rule", "tostring(NotRule(NotRule('a')))", "!(!(qname in a.))\n"},
		{"a text", "tostring(PoolAction('abuse'))", "to pool abuse\n"},
		{"a text that is a number", "tostring(PoolAction(7))", "to pool 7\n"},
		{"left out", "tostring(TagRule('name'))", "tag 'name' is set\n"},
		{"nil is left out", "tostring(TagRule('name', nil))", "tag 'name' is set\n"},
		{"the empty text is a value", "tostring(TagRule('name', ''))",
		 "tag 'name' is set to ''\n"},
		{"options", "tostring(RCodeAction(5, {aa=true, ra=false}))", "set rcode 5\n"},
		{"no options", "tostring(RCodeAction(5, {})) .. tostring(RCodeAction(5, nil))",
		 "set rcode 5set rcode 5\n"},
		{"an address", "tostring(SpoofAction('192.0.2.1'))", "spoof A 192.0.2.1\n"},
		{"addresses", "tostring(SpoofAction({'192.0.2.1', newCA('2001:db8::1')}, {ttl=5}))",
		 "spoof A 192.0.2.1 AAAA 2001:db8::1\n"},
		{"an action", "tostring(ContinueAction(PoolAction('p')))",
		 "continue after: to pool p\n"},
	};

	(void)state;
	check_lines("smn = newSuffixMatchNode() smn:add('a')\n"
		    "set = newDNSNameSet() set:add('a')\n"
		    "nmg = newNMG() nmg:addMask('10.0.0.0/8')\n",
		    lines, ARRAY_LEN(lines));
}

static void wrong_arguments_are_named(void **state)
{
	static const struct line lines[] = {
		{"missing", "OpcodeRule()", "Error: console:1: OpcodeRule: code is missing\n"},
		{"the second is missing", "SetTagAction('a')",
		 "Error: console:1: SetTagAction: value is missing\n"},
		{"nil", "OpcodeRule(nil)",
		 "Error: console:1: OpcodeRule: code must be a number, got nil\n"},
		{"of another type", "OpcodeRule({})",
		 "Error: console:1: OpcodeRule: code must be a number, got a table\n"},
		{"out of range", "OpcodeRule(256)",
		 "Error: console:1: OpcodeRule: code must be from 0 to 255, got 256\n"},
		{"below it", "OpcodeRule(-1)",
		 "Error: console:1: OpcodeRule: code must be from 0 to 255, got -1\n"},
		{"no whole number", "OpcodeRule(1.5)",
		 "Error: console:1: OpcodeRule: code must be a whole number, got 1.5\n"},
		{"no number", "OpcodeRule('x')",
		 "Error: console:1: OpcodeRule: code must be a number, got 'x'\n"},
		{"not a number", "ProbaRule(0/0)",
		 "Error: console:1: ProbaRule: probability must be from 0 to 1, got …"},
		{"infinite", "DelayAction(math.huge)",
		 "Error: console:1: DelayAction: milliseconds must be from …"},
		{"no boolean", "TCPRule('true')",
		 "Error: console:1: TCPRule: tcp must be true or false, got 'true'\n"},
		{"too many for none", "AllRule(1)",
		 "Error: console:1: AllRule: takes no argument, got 1\n"},
		{"too many for one", "TCPRule(true, false)",
		 "Error: console:1: TCPRule: takes 1 argument, got false behind it\n"},
		{"too many for two", "SetTagAction('a', 'b', 'c')",
		 "Error: console:1: SetTagAction: takes 2 arguments, got 'c' behind them\n"},
		{"too many behind options", "RCodeAction(5, {}, 1)",
		 "Error: console:1: RCodeAction: takes 2 arguments, got 1 behind them\n"},
		{"an unknown type", "QTypeRule('AAAAA')",
		 "Error: console:1: QTypeRule: qtype must be a record type, got 'AAAAA' (did you "
		 "mean 'AAAA'?)\n"},
		{"a type like no other", "QTypeRule('nonsense')",
		 "Error: console:1: QTypeRule: qtype must be a record type, got 'nonsense'\n"},
		{"a type beyond all", "QTypeRule(65536)",
		 "Error: console:1: QTypeRule: qtype must be from 0 to 65535, got 65536\n"},
		{"a type beyond all by name", "QTypeRule('TYPE65536')",
		 "Error: console:1: QTypeRule: qtype must be a record type, got 'TYPE65536'…"},
		{"no type at all", "QTypeRule(true)",
		 "Error: console:1: QTypeRule: qtype must be the number or the name of a record "
		 "type, got true\n"},
		{"no name", "QNameRule('a..b')",
		 "Error: console:1: QNameRule: 'a..b' is not a domain name: a label is empty\n"},
		{"a name of nothing", "QNameRule(newDNSName('a'):makeRelative('b'))",
		 "Error: console:1: QNameRule: qname is a DNSName without a name\n"},
		{"a number of digits is a name", "tostring(QNameRule(12))", "qname==12.\n"},
		{"a table is none", "QNameRule({'a'})",
		 "Error: console:1: QNameRule: qname must be a DNSName or a string, got a table\n"},
		{"no set of names", "QNameSuffixRule(true)",
		 "Error: console:1: QNameSuffixRule: suffixes must be a name, a list of names or a "
		 "SuffixMatchNode, got true\n"},
		{"an empty list", "QNameSuffixRule({})",
		 "Error: console:1: QNameSuffixRule: suffixes must have at least one entry\n"},
		{"no name in a list", "QNameSuffixRule({'a', true})",
		 "Error: console:1: QNameSuffixRule: entry 2 of suffixes must be a DNSName or a "
		 "string, got true\n"},
		{"a list in itself", "t = {'a'} t[2] = t QNameSuffixRule(t)",
		 "Error: console:1: QNameSuffixRule: entry 2 of suffixes must be a DNSName or a "
		 "string, got a table\n"},
		{"the wrong set", "QNameSetRule(newSuffixMatchNode())",
		 "Error: console:1: QNameSetRule: set must be a DNSNameSet, got a SuffixMatchNode\n"},
		{"no netmask", "NetmaskGroupRule('192.0.2.0/33')",
		 "Error: console:1: NetmaskGroupRule: netmasks: '192.0.2.0/33' is not a netmask …"},
		{"no netmask in a list", "NetmaskGroupRule({'192.0.2.0/24', {}})",
		 "Error: console:1: NetmaskGroupRule: entry 2 of netmasks: a netmask must be a "
		 "string, a Netmask or a ComboAddress, got a table\n"},
		{"no list of rules", "AndRule(AllRule())",
		 "Error: console:1: AndRule: selectors must be a list of rules, got a DNSRule\n"},
		{"a gap", "AndRule{AllRule(), nil, AllRule()}",
		 "Error: console:1: AndRule: entry 2 of selectors is nil\n"},
		{"far away", "AndRule{[1]=AllRule(), [7]=AllRule()}",
		 "Error: console:1: AndRule: selectors must be a list without gaps\n"},
		{"a key", "AndRule{AllRule(), name='x'}",
		 "Error: console:1: AndRule: selectors must be a list, but it has the key 'name'\n"},
		{"rules in themselves", "t = {} t[1] = t OrRule(t)",
		 "Error: console:1: OrRule: entry 1 of entry 1 of selectors must be a string or a "
		 "DNSName, got a table\n"},
		{"an action for a rule", "NotRule(DropAction())",
		 "Error: console:1: NotRule: selector must be a DNSRule, a name, a netmask or a list "
		 "of names or netmasks, got a DNSAction\n"},
		{"names that are none", "addAction({'a', 'b..c'}, DropAction())",
		 "Error: console:1: addAction: rule: neither a netmask nor a name: 'b..c' is not a "
		 "domain name: a label is empty\n"},
		{"no names", "addAction({}, DropAction())",
		 "Error: console:1: addAction: rule must have at least one entry\n"},
		{"a name of nothing, which is not the root",
		 "addAction({'a', newDNSName('a'):makeRelative('b')}, DropAction())",
		 "Error: console:1: addAction: entry 2 of rule is a DNSName without a name\n"},
		{"names in themselves", "t = {} t[1] = t addAction(t, DropAction())",
		 "Error: console:1: addAction: entry 1 of rule must be a string or a DNSName, got a "
		 "table\n"},
		{"no rule", "addAction(nil, DropAction())",
		 "Error: console:1: addAction: rule must be a DNSRule, a name, a netmask or a list of "
		 "names or netmasks, got nil\n"},
		{"no address", "SpoofAction('example')",
		 "Error: console:1: SpoofAction: 'example' is not an IPv4 or IPv6 address, …"},
		{"no addresses", "SpoofAction({})",
		 "Error: console:1: SpoofAction: ip must have at least one entry\n"},
		{"an action of the other kind", "ContinueAction(DropResponseAction())",
		 "Error: console:1: ContinueAction: action must be a DNSAction, got a "
		 "DNSResponseAction\n"},
		{"no action", "ContinueAction(AllRule())",
		 "Error: console:1: ContinueAction: action must be a DNSAction, got a DNSRule\n"},
		{"no options", "RCodeAction(5, true)",
		 "Error: console:1: RCodeAction: options must be a table, got true\n"},
		{"options without names", "RCodeAction(5, {true})",
		 "Error: console:1: RCodeAction: options are written {name=value}, but true has no "
		 "name\n"},
		{"an option of another type", "RCodeAction(5, {aa=1})",
		 "Error: console:1: RCodeAction: option 'aa' must be true or false, got 1\n"},
		{"an option out of range", "SpoofAction('192.0.2.1', {ttl=-1})",
		 "Error: console:1: SpoofAction: option 'ttl' must be from 0 to 2147483647, got -1\n"},
		{"a slip in an option", "tostring(RCodeAction(5, {aaa=true}))",
		 "RCodeAction: unknown option 'aaa' is ignored (did you mean 'aa'?)\nset rcode 5\n"},
		{"a slip in an option, strictly",
		 "setStrictOptions(true) RCodeAction(5, {aaa=true})",
		 "Error: console:1: RCodeAction: unknown option 'aaa' (did you mean 'aa'?)\n"},
		{"a slip in a name", "QnameRule('a')",
		 "Error: console:1: unknown function 'QnameRule' (did you mean 'QNameRule'?)\n"},
		{"a slip in a chain", "addCacheHitResponsAction('a')",
		 "Error: console:1: unknown function 'addCacheHitResponsAction' (did you mean "
		 "'addCacheHitResponseAction'?)\n"},
		{"what the constructor itself refuses", "PayloadSizeRule('bigger', 5)",
		 "Error: console:1: PayloadSizeRule: …"},
	};

	(void)state;
	check_lines("", lines, ARRAY_LEN(lines));
}

/* In the file the place is its line, and nothing of it becomes the configuration. */
static void files_are_refused_where_they_are_wrong(void **state)
{
	(void)state;
	check_refused(
		"a line",
		"addAction(AllRule(), DropAction())\n\naddAction(QTypeRule('AX'), DropAction())\n",
		FILE_NAME
		":3: QTypeRule: qtype must be a record type, got 'AX' (did you mean 'A'?)");
	check_refused("a filter", "function blockFilter(dq) return true end\n",
		      "blockFilter: Lua functions that are called for a query are not built in; "
		      "write addAction(rule, DropAction())");
}

/* What a console client reads has no effect, but must not fail: it may not open what the daemon
 * may. */
static void clients_have_no_rules(void **state)
{
	static const char config[] =
		"addAction(AllRule(), LogAction('/nowhere/to/be/found'))\n"
		"addResponseAction(AllRule(), AllowResponseAction())\n"
		"addDelay('a', 1) rmRule(7) mvRule(5, 6) topRule() showRules()\n"
		"assert(getRule(9) == nil and AndRule{'a'}:toString() == '(qname in a.)')\n"
		"function blockFilter(dq) end\n";
	struct err err;

	(void)state;
	check_refused("the daemon", "LogAction('/nowhere/to/be/found')\n",
		      FILE_NAME ":1: LogAction: …");
	if (configure(LUA_CLIENT, config, &err) < 0)
		fail_msg("%s", err.text);
	for (unsigned id = 0; id < CHAIN_COUNT; id++)
		assert_int_equal(tables_live->rules->chain[id]->n, 0);
	unconfigure();
}

/* The leak sanitizer says whether what an error jumps over is freed. */
static void errors_leave_nothing_behind(void **state)
{
	static const char config[] =
		"local names, masks = {}, {}\n"
		"for i = 1, 2000 do names[i] = 'host' .. i .. '.example' end\n"
		"for i = 1, 2000 do masks[i] = '10.0.' .. i // 256 .. '.' .. i % 256 end\n"
		"names[2001], masks[2001] = {}, {}\n"
		"for i = 1, 20 do\n"
		"  assert(not pcall(QNameSuffixRule, names))\n"
		"  assert(not pcall(NetmaskGroupRule, masks))\n"
		"  assert(not pcall(addAction, names, DropAction()))\n"
		"  assert(not pcall(AndRule, {'a', {'b', 'c'}, {}}))\n"
		"  assert(not pcall(AndRule, {AllRule(), 'a', 7, {}}))\n"
		"  assert(not pcall(PayloadSizeRule, 'bigger', 5))\n"
		"  assert(not pcall(newSVCRecordParameters, 1, 'a', {alpn={'h2'}, key7='x', port=-1}))\n"
		"  assert(not pcall(newSVCRecordParameters, 1, 'a', {mandatory='port', key7='x'}))\n"
		"  assert(not pcall(addAction, AllRule(), DropAction(), {uuid='x'}))\n"
		"end\n"
		"collectgarbage()\n";

	(void)state;
#define FORMER                                                                                    \
	" names or netmasks in the place of a rule is a former form; write QNameSuffixRule() or " \
	"NetmaskGroupRule()\n"
	check_says("errors", config, FILE_NAME ":9:" FORMER FILE_NAME ":10:" FORMER);
}

static void help_knows_what_they_take(void **state)
{
	static const struct line lines[] = {
		{"a selector", "help('QNameSuffixRule')",
		 "QNameSuffixRule(name|{name, …} [, quiet]) - the name is one of these or below one "
		 "of them\n"},
		{"optional ones", "help('MaxQPSRule')", "MaxQPSRule(qps [, burst]) - …"},
		{"rules", "help('AndRule')", "AndRule({rule, …}) - …"},
		{"a rule", "help('NotRule')", "NotRule(rule) - this rule does not match\n"},
		{"options", "help('RCodeAction')",
		 "RCodeAction(rcode [, options]) - answers with this rcode and no records\n"
		 "    aa = boolean - …"},
		{"a chain", "help('rmCacheHitResponseRule')",
		 "rmCacheHitResponseRule(position|uuid|name) - removes a rule for answers from the "
		 "cache, or all of that name\n"},
		{"options of a chain", "help('addXFRResponseAction')",
		 "addXFRResponseAction(rule, action [, options]) - adds a rule for messages of zone "
		 "transfers, behind those that are there\n"
		 "    name = string - what rules can be removed by, several at once\n"
		 "    uuid = string - identifies the rule; random when left out\n"},
		{"a former one", "help('addDelay')",
		 "addDelay(rule, milliseconds) - former form of addAction(rule, "
		 "DelayAction(milliseconds))\n"},
		{"an object", "help('getMatches')",
		 "DNSRule:getMatches() - how often rules of it have matched\n"},
	};

	(void)state;
	check_lines("", lines, ARRAY_LEN(lines));
}

static void count_word(void *ctx, const char *word)
{
	unsigned *found = ctx;

	*found += strcmp(word, "QNameRule(") == 0 || strcmp(word, "SpoofAction(") == 0 ||
		  strcmp(word, "showTimeoutResponseRules(") == 0 ||
		  strcmp(word, ":getSelector(") == 0;
}

static void completion_knows_them(void **state)
{
	unsigned found = 0;
	struct err err;

	(void)state;
	if (configure(LUA_DAEMON, "", &err) < 0)
		fail_msg("%s", err.text);
	lua_host_visit_words(count_word, &found);
	assert_int_equal(found, 5); /* getSelector is a method of two objects */
	unconfigure();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments_are_taken_in_all_their_forms),
		cmocka_unit_test(wrong_arguments_are_named),
		cmocka_unit_test(files_are_refused_where_they_are_wrong),
		cmocka_unit_test(clients_have_no_rules),
		cmocka_unit_test(errors_leave_nothing_behind),
		cmocka_unit_test(help_knows_what_they_take),
		cmocka_unit_test(completion_knows_them),
	};

	return cmocka_run_group_tests(tests, lua_fixture_setup, NULL);
}
