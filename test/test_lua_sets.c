/* Sets of names in the configuration language: SuffixMatchNode and DNSNameSet. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base.h"
#include "lua_fixture.h"

static void suffixes_are_added_asked_and_removed(void **state)
{
	static const char config[] =
		"smn = newSuffixMatchNode()\n"
		"smn:add('Example.com')\n"
		"smn:add(newDNSName('example.net.'))\n"
		"smn:add({'a.example.org', newDNSName('b.example.org'), 'deep.a.example.org'})\n";
	static const struct line lines[] = {
		{"a name of it", "tostring(smn:check(newDNSName('example.COM')))", "true\n"},
		{"a name below", "tostring(smn:check(newDNSName('www.example.net')))", "true\n"},
		{"a string", "tostring(smn:check('x.b.example.org'))", "true\n"},
		{"the name above", "tostring(smn:check('example.org'))", "false\n"},
		{"a label that ends alike", "tostring(smn:check('myexample.com'))", "false\n"},
		{"the longest", "smn:getBestMatch(newDNSName('x.DEEP.a.example.org')):toString()",
		 "deep.a.example.org.\n"},
		{"as it was added", "tostring(smn:getBestMatch('www.EXAMPLE.com'))",
		 "Example.com.\n"},
		{"none", "tostring(smn:getBestMatch('example.org'))", "nil\n"},
		{"printed", "tostring(smn)",
		 "Example.com., example.net., a.example.org., b.example.org., deep.a.example.org.\n"},
		{"one removed", "smn:remove('A.example.org')", ""},
		{"is gone", "tostring(smn:check('a.example.org'))", "false\n"},
		{"what is below it stays", "tostring(smn:check('deep.a.example.org'))", "true\n"},
		{"removed when it is not there", "smn:remove('nowhere')", ""},
		{"a list removed", "smn:remove({'example.com', newDNSName('b.example.org')})", ""},
		{"what is left", "tostring(smn)", "example.net., deep.a.example.org.\n"},
		{"the root", "smn:add('.')", ""},
		{"is above all", "tostring(smn:getBestMatch('com'))", ".\n"},
		{"an empty list", "smn:add({})", ""},
		{"another set is another", "tostring(newSuffixMatchNode():check('com'))",
		 "false\n"},
		{"a name of nothing", "tostring(smn:check(newDNSName('a'):makeRelative('b')))",
		 "false\n"},
	};

	(void)state;
	check_lines(config, lines, ARRAY_LEN(lines));
}

static void bad_suffixes_are_refused(void **state)
{
	static const struct line lines[] = {
		{"no argument", "smn:add()",
		 "Error: console:1: add: name must be a DNSName, a string or a table of them, got nothing\n"},
		{"a boolean", "smn:remove(true)",
		 "Error: console:1: remove: name must be a DNSName, a string or a table of them, got true\n"},
		{"no name", "smn:add('a..b')",
		 "Error: console:1: add: 'a..b' is not a domain name: a label is empty\n"},
		{"a bad name in a list", "smn:add({'good.example', 'a..b'})",
		 "Error: console:1: add: 'a..b' is not a domain name: a label is empty\n"},
		{"no name in a list", "smn:add({'good.example', false})",
		 "Error: console:1: add: name must be a DNSName or a string, got false\n"},
		{"a list in a list", "smn:add({'good.example', {'other.example'}})",
		 "Error: console:1: add: name must be a DNSName or a string, got a table\n"},
		{"nothing of these lists was added", "tostring(smn)", "there.example.\n"},
		{"a bad name among removals", "smn:remove({'there.example', 'a..b'})",
		 "Error: console:1: remove: 'a..b' is not a domain name: a label is empty\n"},
		{"nothing was removed", "tostring(smn)", "there.example.\n"},
		{"a name of nothing", "smn:add(newDNSName('a'):makeRelative('b'))",
		 "Error: console:1: add: name is a DNSName without a name\n"},
		{"check of a list", "smn:check({'a'})",
		 "Error: console:1: check: name must be a DNSName or a string, got a table\n"},
		{"best match of nothing", "smn:getBestMatch()",
		 "Error: console:1: getBestMatch: name must be a DNSName or a string, got nothing\n"},
		{"a dot for a colon", "smn.add('a')",
		 "Error: console:1: add: not called on a SuffixMatchNode: write object:add(…) with a colon\n"},
		{"a slip", "smn:chekc('a')",
		 "Error: console:1: a SuffixMatchNode has no 'chekc' (did you mean 'check'?)\n"},
	};

	(void)state;
	check_lines("smn = newSuffixMatchNode() smn:add('there.example')", lines, ARRAY_LEN(lines));
}

static void name_sets_know_exact_names(void **state)
{
	static const char config[] = "set = newDNSNameSet()\n"
				     "set:add(newDNSName('www.Example.com'))\n"
				     "set:add('example.net')\n"
				     "set:add(newDNSName('EXAMPLE.net'))\n";
	static const struct line lines[] = {
		{"a name of it", "tostring(set:check(newDNSName('WWW.example.com')))", "true\n"},
		{"a name below", "tostring(set:check(newDNSName('a.example.net')))", "false\n"},
		{"a name above", "tostring(set:check('example.com'))", "false\n"},
		{"names that differ in case are one", "set:size()", "2\n"},
		{"listed", "set:toString()", "www.Example.com. example.net.\n"},
		{"printed", "tostring(set)", "www.Example.com. example.net.\n"},
		{"not empty", "tostring(set:empty())", "false\n"},
		{"one deleted", "set:delete(newDNSName('www.example.COM'))", "1\n"},
		{"deleted twice", "set:delete(newDNSName('www.example.com'))", "0\n"},
		{"one is left", "set:size()", "1\n"},
		{"the root is a name like others", "set:add('.') return tostring(set:check('com'))",
		 "false\n"},
		{"and is there", "tostring(set:check('.'))", "true\n"},
		{"cleared", "set:clear()", ""},
		{"empty", "tostring(set:empty())", "true\n"},
		{"no size", "set:size()", "0\n"},
		{"no text", "'<' .. set:toString() .. '>'", "<>\n"},
		{"used again", "set:add('a') return set:toString()", "a.\n"},
		{"a name of nothing", "tostring(set:check(newDNSName('a'):makeRelative('b')))",
		 "false\n"},
		{"deleting it", "set:delete(newDNSName('a'):makeRelative('b'))", "0\n"},
		{"adding it", "set:add(newDNSName('a'):makeRelative('b'))",
		 "Error: console:1: add: name is a DNSName without a name\n"},
		{"a list", "set:add({'a', 'b'})",
		 "Error: console:1: add: name must be a DNSName or a string, got a table\n"},
		{"no name", "set:check('a..b')",
		 "Error: console:1: check: 'a..b' is not a domain name: a label is empty\n"},
		{"of another kind", "set.check(newSuffixMatchNode(), 'a')",
		 "Error: console:1: check: not called on a DNSNameSet: write object:check(…) with a colon\n"},
	};

	(void)state;
	check_lines(config, lines, ARRAY_LEN(lines));
}

/* Sets that nobody holds go away; the leak sanitizer and Lua's own count say whether they do. */
static void large_sets_come_and_go(void **state)
{
	static const char config[] =
		"for round = 1, 3 do\n"
		"  local smn, set, list = newSuffixMatchNode(), newDNSNameSet(), {}\n"
		"  for i = 1, 5000 do list[i] = 'host' .. i .. '.example' end\n"
		"  smn:add(list)\n"
		"  for i = 1, 5000 do set:add(list[i]) end\n"
		"  assert(set:size() == 5000)\n"
		"  for i = 1, 5000 do assert(smn:check('x.' .. list[i]) and set:check(list[i])) end\n"
		"  assert(not smn:check('host5001.example') and not set:check('x.host1.example'))\n"
		"  smn:remove(list)\n"
		"  assert(not smn:check('host1.example') and tostring(smn) == '')\n"
		"end\n"
		"collectgarbage()\n";

	(void)state;
	check_says("large sets", config, "");
}

/* What a finalizer that runs after the set's own meets. */
static void collected_sets_are_refused(void **state)
{
	static const struct line lines[] = {
		{"suffixes", "getmetatable(smn).__gc(smn) smn:check('a')",
		 "Error: console:1: check: this SuffixMatchNode was collected already\n"},
		{"their text", "tostring(smn)",
		 "Error: this SuffixMatchNode was collected already\n"},
		{"collected twice", "getmetatable(smn).__gc(smn)", ""},
		{"a set", "getmetatable(set).__gc(set) set:add('a')",
		 "Error: console:1: add: this DNSNameSet was collected already\n"},
		{"cleared", "set:clear()",
		 "Error: console:1: clear: this DNSNameSet was collected already\n"},
		{"a set twice", "getmetatable(set).__gc(set)", ""},
	};

	(void)state;
	check_lines("smn, set = newSuffixMatchNode(), newDNSNameSet()", lines, ARRAY_LEN(lines));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(suffixes_are_added_asked_and_removed),
		cmocka_unit_test(bad_suffixes_are_refused),
		cmocka_unit_test(name_sets_know_exact_names),
		cmocka_unit_test(large_sets_come_and_go),
		cmocka_unit_test(collected_sets_are_refused),
	};

	return cmocka_run_group_tests(tests, lua_fixture_setup, NULL);
}
