/* The rings as Lua sees them: tables, entries, the tree of names. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "test/lua_traffic_fixture.h"

static void rings_are_tables(void **state)
{
	static const struct line lines[] = {
		{"answers",
		 "t = '' for _, r in ipairs(getResponseRing()) do t = t .. r.name .. r.qtype .. "
		 "' ' .. r.rcode .. ' ' .. r.usec .. ', ' end return t",
		 "a.example.1 0 100000, A.Example.1 3 0, b.a.example.28 0 4294967295, other.test.6 2 1500, \n"},
		{"by any rcode",
		 "t = '' for _, r in ipairs(getRespRing()) do t = t .. r.qname .. r.rcode end "
		 "return t",
		 "a.example.0A.Example.3b.a.example.0other.test.2\n"},
		{"by one", "t = getRespRing(3) return #t .. t[1].qname", "1A.Example.\n"},
		{"by one that none had", "#getRespRing(5)", "0\n"},
		{"by what is none", "getRespRing(-1)",
		 "Error: console:1: getRespRing: rcode must be from 0 to 15, got -1\n"},
		{"all entries", "e = getRingEntries() return #e", "10\n"},
		{"names", "e[2].qname:toString()", "A.Example.\n"},
		{"clients", "e[3].requestor:toStringWithPort()", "[2001:db8::1]:2\n"},
		{"no server", "e[1].backend:toStringWithPort()", "0.0.0.0:0\n"},
		{"a server", "e[9].backend:toStringWithPort()", "[2001:db8::53]:5353\n"},
		{"which are answers",
		 "t = '' for _, r in ipairs(e) do t = t .. tostring(r.isResponse):sub(1, 1) end return t",
		 "fffffftttt\n"},
		{"when, by the clock on the wall", "e[6].when.tv_sec .. ' ' .. e[6].when.tv_nsec",
		 "1699999995 0\n"},
		{"flags",
		 "tostring(e[7].dnsheader:getTC()) .. tostring(e[7].dnsheader:getRD()) .. tostring(e[8].dnsheader:getRD())",
		 "truetruefalse\n"},
		{"the rest",
		 "e[7].usec .. ' ' .. e[7].size .. ' ' .. e[7].qtype .. ' ' .. e[3].protocol .. ' ' .. e[1].usec",
		 "100000 100 1 DoTCP 0\n"},
		{"nothing to assign to", "e[1].size = 5", "Error: …"},
	};

	(void)state;
	with_traffic(lines, ARRAY_LEN(lines));
}

static void loopback_has_no_hardware_address(void **state)
{
	static const struct line lines[] = {
		{"none", "#getRingEntries()[1].macAddress", "0\n"},
	};

	(void)state;
	queries = traffic_new(TRAFFIC_QUERIES, 1, 0);
	traffic_register(queries);
	note_query(queries, &(struct sample){.client = "127.0.0.1:5"});
	check_lines("", lines, ARRAY_LEN(lines));
	traffic_unregister(queries);
	traffic_free(queries);
}

#define COUNTS \
	"s.queries .. '/' .. s.noerrors .. '/' .. s.nxdomains .. '/' .. s.servfails .. '/' .. s.drops .. '/' .. s.bytes .. '/' .. s.hits"

static void tree_of_names_is_visited_from_below(void **state)
{
	static const struct line lines[] = {
		{"a visitor",
		 "function v(n, s, c) t = t .. n.fullname .. '|' .. n.labelsCount .. '|' .. "
		 "n:numChildren() .. '|' .. " COUNTS " s = c t = t .. ' ' .. " COUNTS
		 " .. '\\n' end",
		 ""},
		{"all", "t = '' statNodeRespRing(v) return t",
		 "b.a.example.|3|0|1/0/0/0/1/0/0 1/0/0/0/1/0/0\n"
		 "a.example.|2|1|2/1/1/0/0/140/1 3/1/1/0/1/140/1\n"
		 "example.|1|1|0/0/0/0/0/0/0 3/1/1/0/1/140/1\n"
		 "other.test.|2|0|1/0/0/1/0/200/0 1/0/0/1/0/200/0\n"
		 "test.|1|1|0/0/0/0/0/0/0 1/0/0/1/0/200/0\n"
		 "|0|2|0/0/0/0/0/0/0 4/1/1/1/1/340/1\n\n"},
		{"the last 20 seconds", "t = '' statNodeRespRing(v, 20) return t",
		 "other.test.|2|0|1/0/0/1/0/200/0 1/0/0/1/0/200/0\n"
		 "test.|1|1|0/0/0/0/0/0/0 1/0/0/1/0/200/0\n"
		 "|0|1|0/0/0/0/0/0/0 1/0/0/1/0/200/0\n\n"},
		{"none are so young", "t = '' statNodeRespRing(v, 1) return t",
		 "|0|0|0/0/0/0/0/0/0 0/0/0/0/0/0/0\n\n"},
		{"more seconds than there were",
		 "n = 0 statNodeRespRing(function() n = n + 1 end, 4e9) return n", "6\n"},
		{"nodes may be kept",
		 "k = {} statNodeRespRing(function(n) k[#k + 1] = n end) collectgarbage() return k[2].fullname",
		 "a.example.\n"},
		{"an error in the visitor", "statNodeRespRing(function() error('no more') end)",
		 "Error: console:1: no more…"},
		{"and then again", "n = 0 statNodeRespRing(function() n = n + 1 end) return n",
		 "6\n"},
		{"no visitor", "statNodeRespRing()",
		 "Error: console:1: statNodeRespRing: visitor must be a function, got nothing\n"},
		{"a wrong age", "statNodeRespRing(v, -1)",
		 "Error: console:1: statNodeRespRing: seconds must be from 0…"},
	};

	(void)state;
	with_traffic(lines, ARRAY_LEN(lines));
}

/* The longest names, more nodes than a table begins with, and letter case. */
static void tree_holds_many_and_deep_names(void **state)
{
	static const struct line lines[] = {
		{"nodes",
		 "n, deep, all = 0, 0, 0 statNodeRespRing(function(node, s, c) n = n + 1 "
		 "deep = math.max(deep, node.labelsCount) all = c.queries end) "
		 "return n .. ' ' .. deep .. ' ' .. all",
		 "1629 127 3001\n"},
		{"one for both cases",
		 "n = 0 statNodeRespRing(function(node, s) if s.queries == 2 then n = n + 1 end end) return n",
		 "1500\n"},
		{"in order",
		 "last = '' statNodeRespRing(function(node) if node.labelsCount == 2 and #node.fullname == 9 then "
		 "assert(node.fullname:lower() > last) last = node.fullname:lower() end end) return last",
		 "n1499.wi.\n"},
	};
	char deep[300] = "";

	(void)state;
	answers = traffic_new(TRAFFIC_ANSWERS, 5000, 0);
	traffic_register(answers);
	for (unsigned i = 0; i < 127; i++)
		strcat(deep, "a.");
	note_answer(answers, &(struct sample){.name = deep});
	for (unsigned i = 0; i < 3000; i++) {
		char name[32];

		snprintf(name, sizeof(name), i < 1500 ? "n%u.wi." : "N%u.WI.", i % 1500);
		note_answer(answers, &(struct sample){.name = name});
	}
	check_lines("", lines, ARRAY_LEN(lines));
	traffic_unregister(answers);
	traffic_free(answers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rings_are_tables),
		cmocka_unit_test(loopback_has_no_hardware_address),
		cmocka_unit_test(tree_of_names_is_visited_from_below),
		cmocka_unit_test(tree_holds_many_and_deep_names),
	};

	return cmocka_run_group_tests(tests, lua_fixture_setup, NULL);
}
