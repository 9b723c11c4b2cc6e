/* The commands over the rings of traffic, on entries that the test notes; the clock stands still.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "test/lua_traffic_fixture.h"

static void top_lists_count_and_leave_a_rest(void **state)
{
	static const struct line lines[] = {
		{"names", "topQueries()",
		 "   1  a.example.                                  3 50.0%\n"
		 "   2  b.a.example.                                1 16.7%\n"
		 "   3  other.test.                                 1 16.7%\n"
		 "   4  .                                           1 16.7%\n"
		 "   5  Rest                                        0  0.0%\n"},
		{"the first, by one label", "topQueries(1, 1)",
		 "   1  example.                                    4 66.7%\n"
		 "   2  Rest                                        2 33.3%\n"},
		{"two labels", "topQueries(1, 2)",
		 "   1  a.example.                                  4 66.7%\n"
		 "   2  Rest                                        2 33.3%\n"},
		{"no label", "topQueries(3, 0)",
		 "   1  .                                           6 100.0%\n"
		 "   2  Rest                                        0  0.0%\n"},
		{"nobody", "topQueries(0)",
		 "   1  Rest                                        6 100.0%\n"},
		{"clients", "topClients(2)",
		 "   1  192.0.2.1                                   4 66.7%\n"
		 "   2  192.0.2.2                                   1 16.7%\n"
		 "   3  Rest                                        1 16.7%\n"},
		{"rcode 0, timeouts are none", "topResponses()",
		 "   1  a.example.                                  1 100.0%\n"
		 "   2  Rest                                        0  0.0%\n"},
		{"rcode 3", "topResponses(10, 3)",
		 "   1  a.example.                                  1 100.0%\n"
		 "   2  Rest                                        0  0.0%\n"},
		{"rcode 2, one label", "topResponses(10, DNSRCode.SERVFAIL, 1)",
		 "   1  test.                                       1 100.0%\n"
		 "   2  Rest                                        0  0.0%\n"},
		{"no such rcode", "topResponses(10, 5)",
		 "   1  Rest                                        0 100.0%\n"},
		{"slow, the default", "topSlow()",
		 "   1  Rest                                        0 100.0%\n"},
		{"slower than 1 ms", "topSlow(10, 1)",
		 "   1  a.example.                                  1 50.0%\n"
		 "   2  other.test.                                 1 50.0%\n"
		 "   3  Rest                                        0  0.0%\n"},
		{"not slower than itself", "topSlow(10, 100)",
		 "   1  Rest                                        0 100.0%\n"},
		{"slower than 99.9 ms, one label", "topSlow(10, 99.9, 1)",
		 "   1  example.                                    1 100.0%\n"
		 "   2  Rest                                        0  0.0%\n"},
		{"timeouts", "topTimeouts(10, 2)",
		 "   1  a.example.                                  1 100.0%\n"
		 "   2  Rest                                        0  0.0%\n"},
		{"octets of queries and answers", "topBandwidth(2)",
		 "   1  192.0.2.1                                 450 72.6%\n"
		 "   2  2001:db8::1                               100 16.1%\n"
		 "   3  Rest                                       70 11.3%\n"},
		{"as a table",
		 "t = getTopQueries(1) return #t .. t[1][1] .. t[1][2] .. '-' .. t[1][3] .. t[2][1]",
		 "2a.example.3-50.0Rest\n"},
		{"answers", "t = getTopResponses(1, 3) return t[1][1] .. t[1][2]", "a.example.1\n"},
		{"slow as a table", "t = getSlowResponses(5, 50) return #t .. t[1][1]",
		 "2a.example.\n"},
		{"slow, timeouts", "t = getSlowResponses(5, 50, 3, true) return #t .. t[1][1]",
		 "2b.a.example.\n"},
		{"octets as a table",
		 "t = getTopBandwidth(1) return t[1][1] .. ' ' .. t[1][2] .. ' ' .. t[2][2]",
		 "192.0.2.1 450 170\n"},
		{"what is no number", "topQueries('x')",
		 "Error: console:1: topQueries: top must be a number…"},
		{"a negative number", "topClients(-1)",
		 "Error: console:1: topClients: top must be from 0…"},
		{"what is no rcode", "topResponses(1, 16)",
		 "Error: console:1: topResponses: rcode must be…"},
	};

	(void)state;
	with_traffic(lines, ARRAY_LEN(lines));
}

#define HEAD                                                                                       \
	"Time    Client                                          Protocol     Server       ID    " \
	"Name                      Type  Lat.   TC RD AA Rcode\n"
#define Q1 \
	"-50.0   192.0.2.1:1053                                  DoUDP                     1     a.example.                A               RD    Question\n"
#define A1 \
	"-50.0   192.0.2.1:1053                                  DoUDP        192.0.2.53:53 1     a.example.                A     100.0  TC RD AA No Error. 2 answers\n"
#define Q2 \
	"-40.0   192.0.2.2:1                                     DoUDP                     2     A.Example.                A               RD    Question\n"
#define A2 \
	"-40.0   192.0.2.2:1                                     DoUDP        Cache        2     A.Example.                A     0.0             Non-Existent domain\n"
#define Q3 \
	"-30.0   [2001:db8::1]:2                                 DoTCP                     3     b.a.example.              AAAA            RD    Question\n"
#define A3 \
	"-28.0   [2001:db8::1]:2                                 DoTCP        [2001:db8::53]:5353 3     b.a.example.              AAAA  T.O       RD    No Error. 0 answers\n"
#define Q4 \
	"-20.0   192.0.2.1:1053                                  DoUDP                     4     other.test.               SOA                   Question (Notify)\n"
#define A4 \
	"-19.0   192.0.2.1:1053                                  DoUDP        192.0.2.53:53 4     other.test.               SOA   1.5             Server Failure\n"
#define Q5 \
	"-10.0   192.0.2.1:1053                                  DoT                       5     .                         TYPE65300                 Question (15)\n"
#define Q6 \
	"-5.0    192.0.2.1:1053                                  DoH                       6     a.example.                A               RD    Question\n"

static void grepq_finds_by_each_selector(void **state)
{
	static const struct line lines[] = {
		{"everything, by the root", "grepq('.')", HEAD Q1 A1 Q2 A2 Q3 A3 Q4 A4 Q5 Q6},
		{"everything, by no selector", "grepq({})", HEAD Q1 A1 Q2 A2 Q3 A3 Q4 A4 Q5 Q6},
		{"everything, by the empty name", "grepq('')", HEAD Q1 A1 Q2 A2 Q3 A3 Q4 A4 Q5 Q6},
		{"a client", "grepq('192.0.2.2')", HEAD Q2 A2},
		{"a network", "grepq('2001:db8::/32')", HEAD Q3 A3},
		{"a name and below, any case", "grepq('A.eXample')", HEAD Q1 A1 Q2 A2 Q3 A3 Q6},
		{"not half a label", "grepq('xample')", HEAD},
		{"slower", "grepq('1ms')", HEAD A1 A3 A4},
		{"slower by a fraction", "grepq('1.5ms')", HEAD A1 A3},
		{"slower than 0: no hit", "grepq('0ms')", HEAD A1 A3 A4},
		{"all must fit", "grepq({'a.example', '192.0.2.0/24', '99ms'})", HEAD A1},
		{"two names that exclude each other", "grepq({'example', 'test'})", HEAD},
		{"a name that ends in ms", "grepq('12mss')", HEAD},
		{"the last of each", "grepq('.', 1)", HEAD A4 Q6},
		{"the last two of each", "grepq('a.example', 2)", HEAD A2 Q3 A3 Q6},
		{"more than there are", "grepq('192.0.2.2', 100)", HEAD Q2 A2},
		{"none means all", "grepq('192.0.2.2', 0)", HEAD Q2 A2},
		{"as does less than none", "grepq('192.0.2.2', -1)", HEAD Q2 A2},
		{"neither netmask nor name", "grepq('a..b')",
		 "Could not parse 'a..b' as domain name or netmask\n"},
		{"one of two is nothing", "grepq({'example', '192.0.2.0/33..'})",
		 "Could not parse '192.0.2.0/33..' as domain name or netmask\n"},
		{"a number", "grepq(5)",
		 "Error: console:1: grepq: selector must be a string or an array of strings, got 5\n"},
		{"a wrong limit", "grepq('.', 'x')",
		 "Error: console:1: grepq: number must be a number, got 'x'\n"},
		{"to a file", "grepq('192.0.2.2', 1, {outputFile='found'})", ""},
		{"the file", "f = io.open('found') return f:read('a'):sub(1, -2)", HEAD Q2 A2},
		{"not over a file", "grepq('.', 1, {outputFile='found'})",
		 "Error: console:1: grepq: can't write the file 'found': File exists\n"},
	};

	(void)state;
	with_traffic(lines, ARRAY_LEN(lines));
}

static void nothing_is_shown_of_nothing(void **state)
{
	static const struct line lines[] = {
		{"queries", "topQueries()",
		 "   1  Rest                                        0 100.0%\n"},
		{"grepq", "grepq('.')", HEAD},
		{"sampling", "getRingBuffersSamplingRate()", "0\n"},
		{"at runtime", "setRingBuffersSize(10)",
		 "setRingBuffersSize cannot be used at runtime!\n…"},
	};

	(void)state;
	check_lines("", lines, ARRAY_LEN(lines));
	check_after("sampling is read back", "setRingBuffersOptions({samplingRate=7})",
		    "getRingBuffersSamplingRate()", "7\n");
}

static void sizes_and_options_have_bounds(void **state)
{
	(void)state;
	check_says(
		"all of them",
		"setRingBuffersSize(1, 10) setRingBuffersSize(10000000) "
		"setRingBuffersOptions({lockRetries=5, recordQueries=false, recordResponses=true, "
		"samplingRate=0})",
		"");
	check_refused(
		"no entry", "setRingBuffersSize(0)",
		"test.conf:1: setRingBuffersSize: capacity must be from 1 to 10000000, got 0");
	check_refused(
		"more than memory is for", "setRingBuffersSize(10000001)",
		"test.conf:1: setRingBuffersSize: capacity must be from 1 to 10000000, got 10000001");
	check_refused("no shard", "setRingBuffersSize(5, 0)",
		      "test.conf:1: setRingBuffersSize: shards must be from 1 to 65536, got 0");
	check_refused(
		"a negative rate", "setRingBuffersOptions({samplingRate=-1})",
		"test.conf:1: setRingBuffersOptions: option 'samplingRate' must be from 0 to 4294967295, got -1");
	check_refused("no table", "setRingBuffersOptions(5)",
		      "test.conf:1: setRingBuffersOptions: options must be a table, got 5");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(top_lists_count_and_leave_a_rest),
		cmocka_unit_test(grepq_finds_by_each_selector),
		cmocka_unit_test(nothing_is_shown_of_nothing),
		cmocka_unit_test(sizes_and_options_have_bounds),
	};

	return cmocka_run_group_tests(tests, lua_fixture_setup, NULL);
}
