/* What old releases wrote about rules: it does what it did, and is told the form of today, once. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base.h"
#include "lua_fixture.h"

/* The rules for queries that a configuration makes, a line each, and what it was told. */
static void check_rules(const char *label, const char *config, const char *want_rules,
			const char *want_said)
{
	struct err err;
	int real = capture();
	int rc = configure(LUA_DAEMON, config, &err);
	const char *said = captured(real);
	char *got;

	if (rc < 0)
		fail_msg("%s: refused: %s", label, err.text);
	check_text(label, said, want_said);
	lua_host_runtime();
	got = lua_host_command("local t = '' for i = 0, 9 do if getAction(i) then "
			       "t = t .. getRule(i):getSelector():toString() .. ' -> ' .. "
			       "tostring(getAction(i)) .. '\\n' end end return t:sub(1, -2)",
			       NULL);
	check_text(label, got, want_rules);
	free(got);
	unconfigure();
}

static const struct {
	const char *config, *rules, *now;
} adding[] = {
	{"addAnyTCRule()", "(qtype==ANY) && (UDP) -> tc=1 answer\n",
	 "addAction(AndRule({QTypeRule(DNSQType.ANY), TCPRule(false)}), TCAction())"},
	{"addDelay('a.example', 100)", "qname in a.example. -> delay by 100 ms\n",
	 "addAction(rule, DelayAction(milliseconds))"},
	{"addDelay({'192.0.2.0/24'}, '100')", "Src: 192.0.2.0/24 -> delay by 100 ms\n",
	 "addAction(rule, DelayAction(milliseconds))"},
	{"addDisableValidationRule(AllRule())", "All -> set cd=1\n",
	 "addAction(rule, SetDisableValidationAction())"},
	{"addDomainBlock('a.example')", "qname in a.example. -> drop\n",
	 "addAction(QNameSuffixRule(domain), DropAction())"},
	{"addDomainSpoof('a.example', '192.0.2.1')", "qname in a.example. -> spoof A 192.0.2.1\n",
	 "addAction(QNameSuffixRule(domain), SpoofAction({address, …}))"},
	{"addDomainSpoof('a.example', '192.0.2.1', '2001:db8::1')",
	 "qname in a.example. -> spoof A 192.0.2.1 AAAA 2001:db8::1\n",
	 "addAction(QNameSuffixRule(domain), SpoofAction({address, …}))"},
	{"addDomainSpoof('a.example', {'192.0.2.1', '2001:db8::1'})",
	 "qname in a.example. -> spoof A 192.0.2.1 AAAA 2001:db8::1\n",
	 "addAction(QNameSuffixRule(domain), SpoofAction({address, …}))"},
	{"addDomainCNAMESpoof('a.example', 'b.example')",
	 "qname in a.example. -> spoof CNAME b.example.\n",
	 "addAction(QNameSuffixRule(domain), SpoofCNAMEAction(target))"},
	{"addNoRecurseRule({'a.example', 'b.example'})",
	 "qname in a.example., b.example. -> set rd=0\n", "addAction(rule, SetNoRecurseAction())"},
	{"addPoolRule({'192.0.2.0/24', '!192.0.2.1'}, '')",
	 "Src: 192.0.2.0/24, !192.0.2.1/32 -> to pool \n", "addAction(rule, PoolAction(pool))"},
	{"addQPSLimit('a.example', 7)", "qname in a.example. -> qps limit to 7\n",
	 "addAction(rule, QPSAction(limit))"},
	{"addQPSPoolRule('a.example', 7, '')", "qname in a.example. -> max 7 to pool \n",
	 "addAction(rule, QPSPoolAction(limit, pool))"},
	{"setDNSSECPool('')", "DNSSEC -> to pool \n", "addAction(DNSSECRule(), PoolAction(pool))"},
};

static void rules_are_added(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(adding); i++) {
		char said[512];

		snprintf(said, sizeof(said), FILE_NAME ":1: %.*s is a former form; write %s\n",
			 (int)strcspn(adding[i].config, "("), adding[i].config, adding[i].now);
		check_rules(adding[i].config, adding[i].config, adding[i].rules, said);
	}
}

static const struct {
	const char *form, *text, *was, *now;
} actions[] = {
	{"QPSLimitAction(5)", "qps limit to 5", NULL, "QPSAction(limit)"},
	{"DisableECSAction()", "disable ECS", NULL, "SetDisableECSAction()"},
	{"DisableValidationAction()", "set cd=1", NULL, "SetDisableValidationAction()"},
	{"ECSOverrideAction(true)", "set ECS override to 1", NULL,
	 "SetECSOverrideAction(override)"},
	{"ECSPrefixLengthAction(24, 56)", "set ECS prefix length to 24/56", NULL,
	 "SetECSPrefixLengthAction(v4, v6)"},
	{"MacAddrAction(5)", "add EDNS MAC (code=5)", NULL, "SetMacAddrAction(option)"},
	{"NoRecurseAction()", "set rd=0", NULL, "SetNoRecurseAction()"},
	{"SkipCacheAction()", "skip cache", NULL, "SetSkipCacheAction()"},
	{"TagAction('a', 'b')", "set tag 'a' to value 'b'", NULL, "SetTagAction(name, value)"},
	{"TagResponseAction('a', 'b')", "set tag 'a' to value 'b'", NULL,
	 "SetTagResponseAction(name, value)"},
	{"TempFailureCacheTTLAction(5)", "set tempfailure cache ttl to 5", NULL,
	 "SetTempFailureCacheTTLAction(ttl)"},
	{"SetNegativeAndSOAAction(true, 'a', 1, 'b', 'c', 1, 2, 3, 4, 5, {ra=true})",
	 "NXD with SOA", NULL,
	 "NegativeAndSOAAction(nxd, zone, ttl, mname, rname, serial, refresh, retry, expire, "
	 "minimum [, options])"},
	{"SpoofAction('192.0.2.1', '2001:db8::1')", "spoof A 192.0.2.1 AAAA 2001:db8::1",
	 "SpoofAction(ipv4, ipv6)", "SpoofAction({ipv4, ipv6})"},
	{"SpoofAction('192.0.2.1', '', {ttl=5})", "spoof A 192.0.2.1", "SpoofAction(ipv4, ipv6)",
	 "SpoofAction({ipv4, ipv6})"},
	{"makeRule({'a', 'b'})", "qname in a., b.", "makeRule()",
	 "NetmaskGroupRule() or QNameSuffixRule()"},
};

static void renamed_actions_are_made(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
		int name_len = (int)strcspn(actions[i].form, "(");
		char config[512], said[512];

		snprintf(config, sizeof(config), "print(tostring(%s))", actions[i].form);
		snprintf(said, sizeof(said), FILE_NAME ":1: %.*s is a former form; write %s\n%s\n",
			 actions[i].was ? 64 : name_len,
			 actions[i].was ? actions[i].was : actions[i].form, actions[i].now,
			 actions[i].text);
		check_says(actions[i].form, config, said);
	}
}

static void last_rules_are_moved_to_the_top(void **state)
{
	static const struct {
		const char *former, *now;
	} tops[] = {
		{"Rule", "Rule"},
		{"ResponseRule", "ResponseRule"},
		{"CacheHitResponseRule", "CacheHitResponseRule"},
		{"SelfAnsweredResponseRule", "SelfAnsweredResponseRule"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(tops); i++) {
		char config[512], said[512];
		const char *chain = tops[i].former;
		int infix = (int)(strlen(chain) - strlen("Rule"));
		const char *action = infix > 0 ? "DropResponseAction" : "DropAction";

		snprintf(config, sizeof(config),
			 "add%.*sAction(QNameSuffixRule('a'), %s()) "
			 "add%.*sAction(QNameSuffixRule('b'), %s()) top%s()\n"
			 "print(get%s(0):getSelector():toString())\n",
			 infix, chain, action, infix, chain, action, chain, chain);
		snprintf(said, sizeof(said),
			 FILE_NAME ":1: top%s is a former form; write mv%sToTop()\nqname in b.\n",
			 chain, tops[i].now);
		check_says(chain, config, said);
	}
}

static void places_are_told_once(void **state)
{
	static const char config[] = "for i = 1, 3 do addDelay('a' .. i, i) end\n"
				     "addDelay('b', 1) addPoolRule('b', '')\n";

	(void)state;
	check_rules("two lines, three forms", config,
		    "qname in a1. -> delay by 1 ms\nqname in a2. -> delay by 2 ms\n"
		    "qname in a3. -> delay by 3 ms\nqname in b. -> delay by 1 ms\n"
		    "qname in b. -> to pool \n",
		    FILE_NAME ":1: addDelay is a former form; write addAction(rule, "
			      "DelayAction(milliseconds))\n" FILE_NAME
			      ":2: addDelay is a former form; write addAction(rule, "
			      "DelayAction(milliseconds))\n" FILE_NAME
			      ":2: addPoolRule is a former form; write addAction(rule, "
			      "PoolAction(pool))\n");
}

static void what_stands_for_a_rule_is_taken_with_a_warning(void **state)
{
	static const char now[] =
		" names or netmasks in the place of a rule is a former form; write "
		"QNameSuffixRule() or NetmaskGroupRule()\n";
	char said[1024];

	(void)state;
	snprintf(said, sizeof(said),
		 "%s:1:%s%s:2: addAction: rule: 'a' counts for nothing beside netmasks\n"
		 "%s:2:%s%s:3:%s",
		 FILE_NAME, now, FILE_NAME, FILE_NAME, now, FILE_NAME, now);
	check_rules("in the place of a rule",
		    "addAction('a', DropAction()) addAction('a2', DropAction())\n"
		    "addAction({'192.0.2.0/24', 'a'}, DropAction())\n"
		    "addAction(NotRule(newDNSName('b')), DropAction())\n",
		    "qname in a. -> drop\nqname in a2. -> drop\nSrc: 192.0.2.0/24 -> drop\n"
		    "!(qname in b.) -> drop\n",
		    said);
}

static void wrong_former_forms_are_refused(void **state)
{
	static const struct line lines[] = {
		{"no delay", "addDelay('a')",
		 "Error: console:1: addDelay: milliseconds is missing\n"},
		{"a wrong one", "addDelay('a', 'b')",
		 "Error: console:1: addDelay: milliseconds must be a number, got 'b'\n"},
		{"nothing", "addDomainBlock()",
		 "Error: console:1: addDomainBlock: suffixes is missing\n"},
		{"no name", "addDomainBlock('a..b')",
		 "Error: console:1: addDomainBlock: 'a..b' is not a domain name: a label is empty\n"},
		{"too much", "addDomainBlock('a', 'b')",
		 "Error: console:1: addDomainBlock: takes no argument, got 'b'\n"},
		{"of nothing", "addAnyTCRule(1)",
		 "Error: console:1: addAnyTCRule: takes no argument, got 1\n"},
		{"an argument of none", "NoRecurseAction(1)",
		 "Error: console:1: NoRecurseAction: takes no argument, got 1\n"},
		{"an action for queries", "addCacheHitAction('a', DropAction())",
		 "Error: console:1: addCacheHitAction: DropAction is for queries, these rules are "
		 "for answers: write DropResponseAction here, or addAction\n"},
		{"an action for hits",
		 "addCacheHitAction('a', DropResponseAction()) "
		 "return #getTopCacheHitResponseRules()",
		 "1\n"},
		{"Lua in the path", "addLuaAction('a', function() end)",
		 "Error: console:1: addLuaAction: Lua functions that are called for a query or an "
		 "answer are not built in\n"},
		{"and on answers", "addLuaResponseAction('a', function() end)",
		 "Error: console:1: addLuaResponseAction: Lua functions that are called for a query "
		 "or an answer are not built in\n"},
		{"nothing was added", "#getTopRules()", "0\n"},
	};

	(void)state;
	check_lines("", lines, ARRAY_LEN(lines));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_are_added),
		cmocka_unit_test(renamed_actions_are_made),
		cmocka_unit_test(last_rules_are_moved_to_the_top),
		cmocka_unit_test(places_are_told_once),
		cmocka_unit_test(what_stands_for_a_rule_is_taken_with_a_warning),
		cmocka_unit_test(wrong_former_forms_are_refused),
	};

	return cmocka_run_group_tests(tests, lua_fixture_setup, NULL);
}
