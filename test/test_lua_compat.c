/* Configurations written for Lua 5.1 and LuaJIT: what they relied on works in Lua 5.4. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "lua_fixture.h"

static const struct {
	const char *label, *line, *want;
} lines[] = {
	/* functions that went or moved */
	{"unpack", "select('#', unpack({1, 2, 3}))", "3\n"},
	{"table.getn", "table.getn({1, 2})", "2\n"},
	{"table.maxn", "table.maxn({[7] = 1})", "7\n"},
	{"table.foreach",
	 "(function() local s = '' table.foreach({a = 1}, function(k, v) s = k .. v end) "
	 "return s end)()",
	 "a1\n"},
	{"table.foreachi", "table.foreachi({4, 5}, function(i, v) if i == 2 then return v end end)",
	 "5\n"},
	{"loadstring", "loadstring('return 6')()", "6\n"},
	{"loadstring that fails", "select(2, loadstring('x = = 1', '=text'))",
	 "text:1: unexpected symbol near '='\n"},
	{"load of pieces",
	 "load((function() local t = {'ret', 'urn 7'} local i = 0 "
	 "return function() i = i + 1 return t[i] end end)())()",
	 "7\n"},
	{"load with an environment", "load('return v', '=x', 't', {v = 8})()", "8\n"},
	{"math.pow", "math.pow(2, 10)", "1024\n"},
	{"math.mod", "math.mod(7, 4)", "3\n"},
	{"math.log10", "math.log10(1000)", "3\n"},
	{"math.random of a fraction", "math.random(5/5, 3/2)", "1\n"},
	{"string.gfind", "string.gfind('abc', 'b')()", "b\n"},
	{"setfenv",
	 "(function() local f = function() return v end setfenv(f, {v = 9}) return f() end)()",
	 "9\n"},
	{"setfenv touches one function",
	 "(function() local f, g = function() return tostring ~= nil end, "
	 "function() return 'g' .. tostring(1) end setfenv(f, {}) return g() end)()",
	 "g1\n"},
	{"getfenv", "getfenv(1) == _G and 'globals'", "globals\n"},
	/* numbers as text */
	{"a quotient joined", "'127.0.0.1:' .. 5300/100", "127.0.0.1:53\n"},
	{"a quotient before", "10/2 .. ':x'", "5:x\n"},
	{"in the middle", "'a' .. 4/2 .. 'b' .. 9/3 .. 'c'", "a2b3c\n"},
	{"alone on both sides", "6/3 .. 8/2", "24\n"},
	{"a real fraction", "'' .. 5/2", "2.5\n"},
	{"integers", "'' .. 5 .. 3", "53\n"},
	{"with blanks and comments", "'a' --[[ .. ]] .. --[=[ x ]=] 4/2", "a2\n"},
	{"dots in strings stay", "'a..b' .. 1/1 .. [[c..d]]", "a..b1c..d\n"},
	{"varargs stay", "(function(...) return select('#', ...) .. 2/1 end)(1, 2, 3)", "32\n"},
	{"an object that joins by itself",
	 "setmetatable({}, {__concat = function(a, b) return 'joined' end}) .. 4/2", "joined\n"},
	{"on the right side",
	 "4/2 .. setmetatable({}, {__concat = function(a, b) return 'joined' end})", "joined\n"},
	{"nil can't be joined", "'a' .. 1/1 .. nil",
	 "Error: console:1: attempt to concatenate a nil value\n"},
	{"without floats the message is Lua's", "'a' .. undefined_name",
	 "Error: console:1: attempt to concatenate a nil value (global 'undefined_name')\n"},
	{"tostring", "tostring(53.0)", "53\n"},
	{"a large float", "tostring(2^53)", "9.007199254741e+15\n"},
	{"infinity", "tostring(1/0)", "inf\n"},
	{"table.concat", "table.concat({1/1, 'a', 2}, ',')", "1,a,2\n"},
	{"%d of a float", "string.format('%d', 53.0)", "53\n"},
	{"%d of a fraction", "('%d:%s'):format(3.7, 2.0)", "3:2\n"},
	{"%u", "string.format('%5u|%-3u|%%u', 7, 8)", "    7|8  |%u\n"},
	{"%x of a float", "string.format('%x', 255.0)", "ff\n"},
	{"tonumber of a text with a fraction", "'' .. tonumber('53.0')", "53\n"},
	{"tonumber of a base", "tonumber('ff', 16)", "255\n"},
	{"tonumber of no number", "tonumber('x')", ""},
	{"a function that gives floats", "'p' .. math.sqrt(2809)", "p53\n"},
	{"joined in a metamethod while the stack grows",
	 "(function() local m = {__concat = function(a, b) local function deep(n) "
	 "return n == 0 and 'x' or deep(n - 1) .. '' end return deep(100) end} "
	 "local o = setmetatable({}, m) return 'a' .. o .. 'b' .. o .. 'c' .. o end)()",
	 "ax\n"},
	{"a number as a string", "'10' + 5", "15\n"},
	/* bit operations of LuaJIT */
	{"ffi is a library", "type(require('ffi').C)", "table\n"},
	{"ffi.new of a buffer",
	 "(function() local f = require('ffi') local b = f.new('char[?]', 4) f.copy(b, 'abc') "
	 "return f.string(b) .. b[0] .. b[3] .. f.string(b, 2) end)()",
	 "abc970ab\n"},
	{"ffi.new of a size", "(function() local s = require('ffi').new('size_t[1]') s[0] = 7 return s[0] end)()",
	 "7\n"},
	{"ffi.new of a pointer", "require('ffi').new('const char *[1]')[0] == nil and 'NULL'", "NULL\n"},
	{"ffi.new of structs",
	 "(function() local v = require('ffi').new('dnsdist_ffi_raw_value_t [2]') "
	 "v[1].value = 'x' v[1].size = 1 return v[1].value .. v[1].size end)()",
	 "x1\n"},
	{"ffi.cast keeps the place",
	 "(function() local f = require('ffi') local s = f.new('size_t[1]') "
	 "f.cast('size_t*', s)[0] = 3 return s[0] end)()",
	 "3\n"},
	{"ffi.string of a string", "require('ffi').string('abcd', 2)", "ab\n"},
	{"ffi beyond a buffer", "select(2, pcall(function() require('ffi').new('char[12]')[12] = 1 end))",
	 "console:1: element 12 of an array of 12\n"},
	{"ffi.copy of too much",
	 "(select(2, pcall(require('ffi').copy, require('ffi').new('char[3]'), 'abc')))",
	 "bad argument #1 to 'ffi.copy' (the buffer is too small)\n"},
	{"ffi of no type", "(select(2, pcall(require('ffi').new, 'struct foo *[1]')))",
	 "'struct foo *[1]' is no type of values that functions of ffi.C take\n"},
	{"ffi.C of no function", "(select(2, pcall(function() return require('ffi').C.foo end)))",
	 "console:1: ffi.C has no function 'foo'\n"},
	{"band", "bit.band(0xff, 0x0f, 7)", "7\n"},
	{"bor", "bit.bor(1, 2, 4)", "7\n"},
	{"bxor", "bit.bxor(5, 1)", "4\n"},
	{"bnot", "bit.bnot(0)", "-1\n"},
	{"lshift wraps", "bit.lshift(1, 31)", "-2147483648\n"},
	{"rshift is unsigned", "bit.rshift(-1, 28)", "15\n"},
	{"arshift is signed", "bit.arshift(-256, 4)", "-16\n"},
	{"rol", "bit.rol(0x12345678, 12) == 0x45678123 and 'rolled'", "rolled\n"},
	{"ror", "bit.ror(0x12345678, 12) == 0x67812345 and 'rolled'", "rolled\n"},
	{"tobit", "bit.tobit(0xffffffff)", "-1\n"},
	{"tohex", "bit.tohex(255) .. bit.tohex(255, 2) .. bit.tohex(-1, -4)", "000000ffffFFFF\n"},
	{"bswap", "bit.tohex(bit.bswap(0x12345678))", "78563412\n"},
	{"as a module", "require('bit').band(6, 3)", "2\n"},
	{"types by number", "DNSQType.A + DNSQType.AAAA + DNSRCode.REFUSED + DNSClass.CHAOS",
	 "37\n"},
	{"the table dnsdist", "dnsdist.ANY + dnsdist.NXDOMAIN + QClass.IN", "259\n"},
};

static void old_lines_work(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(configure(LUA_DAEMON, "", &err), 0);
	lua_host_runtime();
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		check_command(lines[i].label, lines[i].line, lines[i].want);
	unconfigure();
}

static const struct {
	const char *label, *text, *want;
} refused[] = {
	{"a quote that is not closed", "x = 'a\n", FILE_NAME ":1: unfinished string near ''a'"},
	{"a dash", "x = 5 – 3\n",
	 FILE_NAME
	 ":1: the character – (U+2013) at column 7 can't stand outside of a string: write -"},
	{"a blank of another kind",
	 "x =\xc2\xa0"
	 "5\n",
	 FILE_NAME ":1: the character \xc2\xa0 (U+00A0) at column 4…"},
	{"after floats the line is right", "y = 'a' .. 1/2\n\nerror('here')\n",
	 FILE_NAME ":3: here"},
};

static void what_cannot_be_read_is_explained(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		check_refused(refused[i].label, refused[i].text, refused[i].want);
	check_after("not in comments and strings", "-- “x” – y\nx = '“ü”' --[[ é ]]\n", "x",
		    "“ü”\n");
	check_after("a mark of UTF-8 and a first line for the shell",
		    "\xef\xbb\xbf#!/usr/bin/dnsdist\nx = 1/1\n", "'' .. x .. 1/1", "11\n");
}

static void files_beside_the_configuration_are_found(void **state)
{
	(void)state;
	write_file("beside.lua", "return { port = 'p' .. 106/2 }\n");
	check_after("require", "m = require('beside')\n", "m.port", "p53\n");
	check_after("dofile", "m = dofile('beside.lua')\n", "m.port", "p53\n");
	check_after("loadfile", "m = loadfile('beside.lua')()\n", "m.port", "p53\n");
	write_file("broken.lua", "x = '\\.'\n");
	check_refused("a broken module", "require('broken')\n",
		      "error loading module 'broken': ./broken.lua:1: invalid escape sequence…");
	check_refused("a missing one", "dofile('none.lua')\n",
		      "cannot open none.lua: No such file or directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(old_lines_work),
		cmocka_unit_test(what_cannot_be_read_is_explained),
		cmocka_unit_test(files_beside_the_configuration_are_found),
	};

	return cmocka_run_group_tests(tests, lua_fixture_setup, NULL);
}
