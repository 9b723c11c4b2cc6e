/* Chains of rules as an operator edits and sees them, with queries between the commands. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base.h"
#include "lua_fixture.h"
#include "packet.h"
#include "rules/counters.h"
#include "rules/run.h"

#define HEAD                                                                                \
	"#   Name                             Matches Rule                                " \
	"                     Action\n"

/* A query for this name goes through the live chain, as with a worker. */
static void ask(const char *name, enum chain_id id)
{
	static const struct transport udp = {.proto = PROTO_UDP};
	static struct worker_stats stats;
	static struct rule_scratch scratch;
	uint8_t packet[512], wire[DNS_NAME_MAX];
	int len = name_parse(name, wire, NULL);
	struct query q = {.transport = &udp, .packet = packet, .cap = sizeof(packet)};
	struct rule_run run = {.q = &q,
			       .msg = packet,
			       .cap = q.cap,
			       .stats = &stats,
			       .scratch = &scratch,
			       .t = tables_live,
			       .now_us = 1,
			       .is_response = chain_rows[id].is_response};

	assert_true(len > 0);
	q.len = (uint16_t)msg_make_query(packet, 1, 0x0100, wire, (size_t)len, 1, 1);
	assert_int_equal(msg_question(packet, q.len, &q.question), 0);
	run.len = q.len;
	run.listener = &q.local;
	counters_join(0, run.t->rules->counters_end);
	chain_run(run.t->rules->chain[id], &run);
}

/* As check_lines; a line that begins with '!' is the name of a query. */
static void check_with_queries(const char *config, const struct line *lines, size_t n)
{
	struct err err;

	if (configure(LUA_DAEMON, config, &err) < 0)
		fail_msg("%s", err.text);
	lua_host_runtime();
	for (size_t i = 0; i < n; i++) {
		if (lines[i].line[0] == '!')
			ask(lines[i].line + 1, CHAIN_QUERY);
		else
			check_command(lines[i].label, lines[i].line, lines[i].want);
	}
	unconfigure();
}

static const char three[] = "addAction('a.example', NoneAction(), {name='first'})\n"
			    "addAction('b.example', DropAction(), {name='second'})\n"
			    "addAction(AllRule(), AllowAction())\n";

static void rules_are_shown(void **state)
{
	static const struct line lines[] = {
		{"none", "clearRules() showRules()", HEAD},
		{"three of a page of documentation",
		 "addAction('', QPSAction(10)) addAction({'', ''}, QPSAction(20)) "
		 "addAction({'nl.', 'be.'}, QPSAction(1), {name='countries'}) showRules()",
		 HEAD
		 "0                                          0 qname in .                          "
		 "                     qps limit to 10\n"
		 "1                                          0 qname in .                          "
		 "                     qps limit to 20\n"
		 "2   countries                              0 qname in nl., be.                   "
		 "                     qps limit to 1\n"},
		{"cut, in columns as wide as ever", "showRules({truncateRuleWidth=12})",
		 HEAD
		 "0                                          0 qname in .                          "
		 "                     qps limit to 10\n"
		 "1                                          0 qname in .                          "
		 "                     qps limit to 20\n"
		 "2   countries                              0 qname in nl.                        "
		 "                     qps limit to 1\n"},
		{"with their UUIDs",
		 "setRules({newRuleAction(AllRule(), DropAction(), {name='one', "
		 "uuid='12345678-1234-4234-8234-123456789ABC'})}) showRules({showUUIDs=true})",
		 "#   Name                           UUID                                   Cr. "
		 "Order   Matches Rule                                                     "
		 "Action\n0   one                            "
		 "12345678-1234-4234-8234-123456789abc   …"},
		{"a slip in the options", "showRules({showUUID=true})",
		 "showRules: unknown option 'showUUID' is ignored (did you mean 'showUUIDs'?)\n" HEAD
		 "0 …"},
		{"no width", "showRules({truncateRuleWidth=-2})",
		 "Error: console:1: showRules: option 'truncateRuleWidth' must be from -1 to 10000 "
		 "characters, got -2\n"},
		{"no options", "showRules(true)",
		 "Error: console:1: showRules: options must be a table, got true\n"},
	};

	(void)state;
	check_lines(three, lines, ARRAY_LEN(lines));
}

#define ORDER                                                                                   \
	"local t = '' for i = 0, 9 do local r = getAction(i) if r then "                        \
	"t = t .. getRule(i):getSelector():toString():gsub('qname in ', ''):sub(1, 1) end end " \
	"return t"

static void rules_are_moved(void **state)
{
	static const struct line lines[] = {
		{"as added", ORDER, "abcd\n"},
		{"down", "mvRule(0, 2)", ""},
		{"in front of c", ORDER, "bacd\n"},
		{"up", "mvRule(3, 0)", ""},
		{"to the front", ORDER, "dbac\n"},
		{"behind the last", "mvRule(0, 4)", ""},
		{"is the last", ORDER, "bacd\n"},
		{"onto itself", "mvRule(1, 1)", ""},
		{"changes nothing", ORDER, "bacd\n"},
		{"numbers as strings", "mvRule('2', '1')", ""},
		{"count as numbers", ORDER, "bcad\n"},
		{"the last to the top", "mvRuleToTop()", ""},
		{"is first", ORDER, "dbca\n"},
		{"the former name", "topRule()", ""},
		{"does it too", ORDER, "adbc\n"},
		{"from nowhere", "mvRule(4, 0)",
		 "Error: mvRule: from 4: there are 4 rules, counted from 0\n"},
		{"to nowhere", "mvRule(0, 5)",
		 "Error: mvRule: to 5: there are 4 rules, counted from 0\n"},
		{"below zero", "mvRule(-1, 0)",
		 "Error: mvRule: from -1: there are 4 rules, counted from 0\n"},
		{"between two", "mvRule(0.5, 0)",
		 "Error: mvRule: from 0.5: there are 4 rules, counted from 0\n"},
		{"nothing to move to", "mvRule(0)",
		 "Error: console:1: mvRule: to must be a number, got nothing\n"},
		{"a name", "mvRule('a', 0)",
		 "Error: console:1: mvRule: from must be a number, got 'a'\n"},
		{"none of these moved any", ORDER, "adbc\n"},
		{"another chain is empty", "mvResponseRule(0, 0)",
		 "Error: mvResponseRule: from 0: there is no rule\n"},
		{"and has no last rule", "mvResponseRuleToTop()", ""},
	};

	(void)state;
	check_lines("for _, n in ipairs({'a', 'b', 'c', 'd'}) do addAction(n, DropAction()) end",
		    lines, ARRAY_LEN(lines));
}

static void rules_are_removed(void **state)
{
	static const char config[] =
		"for _, n in ipairs({'a', 'b', 'c', 'd', 'e', 'f'}) do\n"
		"  addAction(n, DropAction(), {name=(n == 'b' or n == 'd') and 'even' or n == 'e' "
		"and '0' or nil,\n"
		"    uuid=n == 'f' and '12345678-1234-4234-8234-123456789abc' or nil})\n"
		"end\n";
	static const struct line lines[] = {
		{"by position", "rmRule(0)", ""},
		{"is gone", ORDER, "bcdef\n"},
		{"all of a name", "rmRule('even')", ""},
		{"are gone", ORDER, "cef\n"},
		{"a name of digits is a name", "rmRule('0')", ""},
		{"so the second went", ORDER, "cf\n"},
		{"by UUID, whatever its letter case",
		 "rmRule('12345678-1234-4234-8234-123456789ABC')", ""},
		{"is gone as well", ORDER, "c\n"},
		{"twice", "rmRule('12345678-1234-4234-8234-123456789abc')",
		 "Error: rmRule: no rule has the UUID or name "
		 "'12345678-1234-4234-8234-123456789abc'\n"},
		{"no such name", "rmRule('odd')",
		 "Error: rmRule: no rule has the UUID or name 'odd'\n"},
		{"a position in quotes", "rmRule('0')",
		 "Error: rmRule: no rule has the UUID or name '0': a position has no "
		 "quotes\n"},
		{"no name does not mean all that have none", "rmRule('')",
		 "Error: rmRule: no rule has the UUID or name ''\n"},
		{"past the end", "rmRule(1)",
		 "Error: rmRule: position 1: there are 1 rules, counted from 0\n"},
		{"nothing", "rmRule()",
		 "Error: console:1: rmRule: expected a position, a UUID or a name, got nothing\n"},
		{"it is still there", ORDER, "c\n"},
		{"all", "clearRules()", ""},
		{"are gone", ORDER, "\n"},
		{"the rest of a command is done",
		 "rmRule('z') mvRule(7, 0) addAction('z', DropAction())",
		 "Error: rmRule: no rule has the UUID or name 'z'\n"
		 "Error: mvRule: from 7: there is no rule\n"},
		{"is there", ORDER, "z\n"},
		{"and goes", "rmRule(0)", ""},
		{"none to remove", "rmRule(0)", "Error: rmRule: position 0: there is no rule\n"},
	};

	(void)state;
	check_lines(config, lines, ARRAY_LEN(lines));
}

#define MATCHES                                              \
	"local t = {} for i = 0, 9 do if getAction(i) then " \
	"t[#t + 1] = getRule(i):getSelector():getMatches() end end return table.concat(t, ' ')"

static void matches_stay_with_their_rules(void **state)
{
	static const struct line lines[] = {
		{"a query that the last matches", "!c.example", NULL},
		{"one more", "!d.example", NULL},
		{"one that the first two match", "!a.example", NULL},
		{"one that ends at the second", "!www.b.example", NULL},
		{"counted", MATCHES, "1 1 3\n"},
		{"shown", "showRules()",
		 HEAD
		 "0   first                                  1 qname in a.example.                 "
		 "                     no op\n"
		 "1   second                                 1 qname in b.example.                 "
		 "                     drop\n"
		 "2                                          3 All                                 "
		 "                     allow\n"},
		{"the most matched", "topRules(2)",
		 HEAD
		 "0                                          3 All                                 "
		 "                     allow\n"
		 "1   first                                  1 qname in a.example.                 "
		 "                     no op\n"},
		{"as values", "local t = getTopRules(2) return #t .. t[1]:getSelector():toString()",
		 "2All\n"},
		{"all of them", "#getTopRules()", "3\n"},
		{"none of them", "#getTopRules(0)", "0\n"},
		{"with another layout", "topRules(1, {truncateRuleWidth=4})",
		 HEAD
		 "0                                          3 All                                "
		 "                      allow\n"},
		{"no number", "topRules('x')",
		 "Error: console:1: topRules: top must be a number, got 'x'\n"},
		{"moved", "mvRule(2, 0)", ""},
		{"they go with it", MATCHES, "3 1 1\n"},
		{"the new first answers all", "!a.example", NULL},
		{"and counts alone", MATCHES, "4 1 1\n"},
		{"one removed, one added", "rmRule('first') addAction('x.example', DropAction())",
		 ""},
		{"the new one begins at zero", MATCHES, "4 1 0\n"},
		{"one kept for later", "kept = getRule('second') rmRule('second')", ""},
		{"is not asked", "!www.b.example", NULL},
		{"set anew, with one that stays and one of before",
		 "setRules({newRuleAction('y.example', DropAction()), kept, getRule(0)})", ""},
		{"these keep what they had", MATCHES, "0 1 5\n"},
		{"a selector in two rules is counted in both",
		 "local s = QNameRule('z.example') setRules({newRuleAction(s, NoneAction()), "
		 "newRuleAction(s, NoneAction())})",
		 ""},
		{"asked", "!z.example", NULL},
		{"once for each", MATCHES, "2 2\n"},
	};

	(void)state;
	check_with_queries(three, lines, ARRAY_LEN(lines));
}

/* A command that fails has changed no rule. */
static void failed_commands_change_nothing(void **state)
{
	static const struct line lines[] = {
		{"an error behind an addition", "addAction('z', DropAction()) error('no')",
		 "Error: console:1: no\n"},
		{"nothing was added", ORDER, "abA\n"},
		{"an error behind much",
		 "clearRules() addAction('z', DropAction()) mvRule(0, 1) "
		 "getRule(9)",
		 "Error: console:1: getRule: position 9: there are 1 rules, counted from 0\n"},
		{"all are there", ORDER, "abA\n"},
		{"caught, it takes place", "pcall(getRule, 9) addAction('z', DropAction())", ""},
		{"and was added", ORDER, "abAz\n"},
		{"removed and added again in one command",
		 "rmRule(3) addAction('y', DropAction()) mvRuleToTop()", ""},
		{"is what it says", ORDER, "yabA\n"},
		{"what a command reads is what it wrote",
		 "clearRules() addAction('q', DropAction()) " ORDER, "q\n"},
		{"a rule of a command that failed",
		 "kept = newRuleAction('k', DropAction()) addAction('l', DropAction()) "
		 "lost = getRule(1) error('no')",
		 "Error: console:1: no\n"},
		{"is held by Lua, not by the chain", ORDER, "q\n"},
		{"and can be used", "setRules({kept, lost})", ""},
		{"so it is there", ORDER, "kl\n"},
	};

	(void)state;
	check_lines(three, lines, ARRAY_LEN(lines));
}

static void rules_have_names_and_uuids(void **state)
{
	static const struct line lines[] = {
		{"by position", "getRule(1):getSelector():toString()", "qname in b.example.\n"},
		{"by name", "getRule('second'):getSelector():toString()", "qname in b.example.\n"},
		{"no such name", "tostring(getRule('third'))", "nil\n"},
		{"no such UUID", "tostring(getRule('12345678-1234-4234-8234-123456789abc'))",
		 "nil\n"},
		{"no such position", "getRule(3)",
		 "Error: console:1: getRule: position 3: there are 3 rules, counted from 0\n"},
		{"its action", "tostring(getRule('second'):getAction())", "drop\n"},
		{"the action at a place", "tostring(getAction(2))", "allow\n"},
		{"no action there", "tostring(getAction(3))", "nil\n"},
		{"nor there", "tostring(getAction(0.5))", "nil\n"},
		{"a UUID of ones own",
		 "addAction(AllRule(), DropAction(), {uuid='12345678-1234-4234-8234-123456789abc'})",
		 ""},
		{"finds it",
		 "tostring(getRule('12345678-1234-4234-8234-123456789ABC'):getAction())", "drop\n"},
		{"the same again",
		 "addAction(AllRule(), DropAction(), {uuid='12345678-1234-4234-8234-123456789ABC'})",
		 "Error: console:1: addAction: rule 3 has this uuid already\n"},
		{"in another chain it is another",
		 "addCacheMissAction(AllRule(), DropAction(), "
		 "{uuid='12345678-1234-4234-8234-123456789abc'})",
		 ""},
		{"no UUID", "addAction(AllRule(), DropAction(), {uuid='1234'})",
		 "Error: console:1: addAction: option 'uuid' must be a UUID, got '1234'\n"},
		{"a name that is a number",
		 "addAction('n', DropAction(), {name=7}) "
		 "return getRule('7'):getSelector():toString()",
		 "qname in n.\n"},
		{"a name that is none", "addAction('n', DropAction(), {name={}})",
		 "Error: console:1: addAction: option 'name' must be a string, got a table\n"},
		{"a slip", "addAction('n', DropAction(), {nmae='x'})",
		 "addAction: unknown option 'nmae' is ignored (did you mean 'name'?)\n"},
		{"a slip, strictly",
		 "setStrictOptions(true) addAction('n', DropAction(), {nmae='x'})",
		 "Error: console:1: addAction: unknown option 'nmae' (did you mean 'name'?)\n"},
		{"one too many", "addAction('n', DropAction(), {}, 1)",
		 "Error: console:1: addAction: takes 3 arguments, got 1 behind them\n"},
	};

	(void)state;
	check_lines(three, lines, ARRAY_LEN(lines));
}

static void chains_are_set(void **state)
{
	static const struct line lines[] = {
		{"a list",
		 "setRules({newRuleAction('x', DropAction(), {name='n'}), "
		 "newRuleAction({'192.0.2.0/24', 'y'}, PoolAction('p'))})",
		 "newRuleAction: rule: 'y' counts for nothing beside netmasks\n"},
		{"in its place", ORDER, "xS\n"},
		{"an empty one", "setRules({})", ""},
		{"removes all", ORDER, "\n"},
		{"no list", "setRules(newRuleAction('x', DropAction()))",
		 "Error: console:1: setRules: rules must be a list, got a DNSDistRuleAction\n"},
		{"no rules", "setRules({'x'})",
		 "Error: console:1: setRules: entry 1 of rules must be a DNSDistRuleAction, made by "
		 "newRuleAction(), got 'x'\n"},
		{"a list in itself", "t = {} t[1] = t setRules(t)",
		 "Error: console:1: setRules: entry 1 of rules must be a DNSDistRuleAction, made by "
		 "newRuleAction(), got a table\n"},
		{"a gap",
		 "setRules({newRuleAction('x', DropAction()), nil, "
		 "newRuleAction('x', DropAction())})",
		 "Error: console:1: setRules: entry 2 of rules is nil\n"},
		{"keys", "setRules({rule=newRuleAction('x', DropAction())})",
		 "Error: console:1: setRules: rules must be a list, but it has the key 'rule'\n"},
		{"the same rule twice",
		 "r = newRuleAction('x', DropAction(), {uuid='12345678-1234-4234-8234-123456789abc'}) "
		 "setRules({r, newRuleAction('x', DropAction()), r})",
		 "Error: console:1: setRules: rules has the rule "
		 "12345678-1234-4234-8234-123456789abc twice\n"},
		{"of the other kind", "setRules({newRuleAction('x', DropResponseAction())})",
		 "Error: console:1: setRules: entry 1 of rules must be a DNSDistRuleAction, made by "
		 "newRuleAction(), got a DNSDistResponseRuleAction\n"},
		{"of the other kind again",
		 "setSelfAnsweredResponseRules({newRuleAction('x', DropAction())})",
		 "Error: console:1: setSelfAnsweredResponseRules: entry 1 of rules must be a "
		 "DNSDistResponseRuleAction, made by newRuleAction(), got a DNSDistRuleAction\n"},
		{"none of these came in", ORDER, "\n"},
		{"without an action", "newRuleAction('x')",
		 "Error: console:1: newRuleAction: action must be a DNSAction or a "
		 "DNSResponseAction, got nothing\n"},
		{"without a rule", "newRuleAction(nil, DropAction())",
		 "Error: console:1: newRuleAction: rule must be a DNSRule, a name, a netmask or a "
		 "list of names or netmasks, got nil\n"},
	};

	(void)state;
	check_lines(three, lines, ARRAY_LEN(lines));
}

static void actions_go_with_their_chains(void **state)
{
	static const struct line lines[] = {
		{"an action for answers", "addAction(AllRule(), DropResponseAction())",
		 "Error: console:1: addAction: DropResponseAction is for answers, these rules are "
		 "for queries: write DropAction here, or addResponseAction\n"},
		{"an action for queries", "addTimeoutResponseAction(AllRule(), AllowAction())",
		 "Error: console:1: addTimeoutResponseAction: AllowAction is for queries, these "
		 "rules are for answers: write AllowResponseAction here, or addAction\n"},
		{"one that has no counterpart",
		 "addResponseAction(AllRule(), SpoofAction('192.0.2.1'))",
		 "Error: console:1: addResponseAction: SpoofAction is for queries, these rules are "
		 "for answers: write addAction\n"},
		{"no action", "addAction(AllRule(), 'drop')",
		 "Error: console:1: addAction: action must be a DNSAction, got 'drop'\n"},
		{"not called", "addAction(AllRule(), DropAction)",
		 "Error: console:1: addAction: action must be a DNSAction, got a function\n"},
		{"nothing was added", "showRules() showResponseRules() showTimeoutResponseRules()",
		 HEAD HEAD HEAD},
	};

	(void)state;
	check_lines("", lines, ARRAY_LEN(lines));
}

/* Every chain has the whole family of functions, and they all mean that chain. */
static void all_chains_have_their_functions(void **state)
{
	struct err err;

	(void)state;
	if (configure(LUA_DAEMON, "", &err) < 0)
		fail_msg("%s", err.text);
	lua_host_runtime();
	for (unsigned id = 0; id < CHAIN_COUNT; id++) {
		const char *x = chain_rows[id].infix;
		const char *action =
			chain_rows[id].is_response ? "DropResponseAction" : "DropAction";
		char line[2048];

		snprintf(line, sizeof(line),
			 "add%sAction('one', %s(), {name='x'}) add%sAction('two', %s()) "
			 "mv%sRule(0, 2) mv%sRuleToTop() rm%sRule('x') "
			 "local r = get%sRule(0) assert(#getTop%sRules() == 1) "
			 "assert(top%sRules():find('two', 1, true)) show%sRules() clear%sRules() "
			 "set%sRules({r})",
			 x, action, x, action, x, x, x, x, x, x, x, x, x);
		check_command(x, line,
			      HEAD
			      "0                                          0 qname in two.          "
			      "                                  drop\n");
		assert_int_equal(tables_live->rules->chain[id]->n, 1);
		ask("www.two", id);
		assert_int_equal(
			selector_matches(tables_live->rules->chain[id]->rules[0]->selector), 1);
		snprintf(line, sizeof(line), "tostring(get%sAction ~= nil)", x);
		check_command(x, line, chain_rows[id].is_response ? "false\n" : "true\n");
	}
	check_command("a name of the documentation", "#getTopSelfAnsweredRules()", "1\n");
	check_command("another one", "#getTopTimeoutResponseRule()", "1\n");
	unconfigure();
}

static const struct chain *live_chain(void)
{
	return tables_live->rules->chain[CHAIN_QUERY];
}

/* Edits take over the index; when a second has brought none, the chain gets its own. */
static void edits_settle(void **state)
{
	static const char config[] = "for i = 1, 8 do addAction('a' .. i .. '.test', AllowAction()) end\n";
	struct err err;

	(void)state;
	if (configure(LUA_DAEMON, config, &err) < 0)
		fail_msg("%s", err.text);
	lua_host_runtime();
	rules_settle();
	check_command("moved", "mvRule(7, 0)", "");
	assert_non_null(live_chain()->places);
	ask("a8.test", CHAIN_QUERY);
	rules_settle(); /* it was edited since the last time */
	assert_non_null(live_chain()->places);
	rules_settle();
	assert_null(live_chain()->places);
	ask("www.A8.test", CHAIN_QUERY);
	assert_int_equal(counters_sum(live_chain()->rules[0]->selector->counter), 2);
	unconfigure();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_are_shown),
		cmocka_unit_test(rules_are_moved),
		cmocka_unit_test(rules_are_removed),
		cmocka_unit_test(matches_stay_with_their_rules),
		cmocka_unit_test(failed_commands_change_nothing),
		cmocka_unit_test(rules_have_names_and_uuids),
		cmocka_unit_test(chains_are_set),
		cmocka_unit_test(actions_go_with_their_chains),
		cmocka_unit_test(all_chains_have_their_functions),
		cmocka_unit_test(edits_settle),
	};
	int failed = cmocka_run_group_tests(tests, lua_fixture_setup, NULL);

	counters_fini();
	return failed;
}
