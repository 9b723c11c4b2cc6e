/* The files of /proc, by their shapes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/procstat.h"

static const char snmp[] = "Ip: Forwarding DefaultTTL\n"
			   "Ip: 1 64\n"
			   "Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors\n"
			   "Udp: 17 3 5 20 18446744073709551615\n"
			   "UdpLite: InDatagrams NoPorts\n"
			   "UdpLite: 1 2\n"
			   "Last: Names";

static const struct {
	const char *label, *group, *field;
	uint64_t want;
} pairs[] = {
	{"first", "Udp:", "InDatagrams", 17},
	{"middle", "Udp:", "InErrors", 5},
	{"last, and the largest number", "Udp:", "RcvbufErrors", UINT64_MAX},
	{"a group whose name begins alike", "UdpLite:", "NoPorts", 2},
	{"a field that is the beginning of another", "Udp:", "In", 0},
	{"no such field", "Udp:", "SndbufErrors", 0},
	{"no such group", "Tcp:", "InErrors", 0},
	{"names without their numbers", "Last:", "Names", 0},
};

static void pairs_are_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
		if (procstat_pairs(snmp, pairs[i].group, pairs[i].field) != pairs[i].want)
			fail_msg("%s: %lu", pairs[i].label,
				 (unsigned long)procstat_pairs(snmp, pairs[i].group,
							       pairs[i].field));
}

static const char lines[] = "VmRSS:\t    1234 kB\n"
			    "cpu  10 20 30 40 50 60 70 80\n"
			    "cpu0 1 2 3\n"
			    "Udp6NoPorts                     \t9\n"
			    "Empty\n";

static void columns_are_found(void **state)
{
	(void)state;
	assert_int_equal(procstat_named(lines, "VmRSS:"), 1234);
	assert_int_equal(procstat_named(lines, "Udp6NoPorts"), 9);
	assert_int_equal(procstat_named(lines, "Udp6"), 0);
	assert_int_equal(procstat_named(lines, "Empty"), 0);
	assert_int_equal(procstat_named("", "VmRSS:"), 0);
	assert_int_equal(procstat_column(lines, "cpu", 0), 10);
	assert_int_equal(procstat_column(lines, "cpu", 4), 50);
	assert_int_equal(procstat_column(lines, "cpu", 7), 80);
	assert_int_equal(procstat_column(lines, "cpu", 8), 0);
	assert_int_equal(procstat_column(lines, "cpu", 30), 0);
}

static void this_machine_is_read(void **state)
{
	struct procstat p;

	(void)state;
	procstat_read(&p);
	assert_true(p.resident > 100000);
	assert_true(p.resident_unfiled > 0 && p.resident_unfiled <= p.resident);
	assert_true(p.fds >= 3);
	assert_true(p.cpu_user_ms + p.cpu_sys_ms < 60000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs_are_found),
		cmocka_unit_test(columns_are_found),
		cmocka_unit_test(this_machine_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
