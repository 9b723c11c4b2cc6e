/* What the kernel says about this process and about the machine's network: readings of /proc. */
#ifndef CORE_PROCSTAT_H
#define CORE_PROCSTAT_H

#include "core/base.h"

/* One reading. A value the kernel does not offer (no IPv6, a locked-down /proc) stays 0. */
struct procstat {
	uint64_t resident, resident_unfiled; /* octets; the second without mapped files */
	uint64_t udp_in_errors, udp_noport_errors, udp_recvbuf_errors, udp_sndbuf_errors,
		udp_in_csum_errors;
	uint64_t udp6_in_errors, udp6_recvbuf_errors, udp6_sndbuf_errors, udp6_noport_errors,
		udp6_in_csum_errors;
	uint64_t tcp_listen_overflows;
	uint64_t cpu_iowait, cpu_steal;   /* ticks of USER_HZ, whole machine */
	uint64_t cpu_user_ms, cpu_sys_ms; /* this process */
	uint64_t fds;
};

/* Reads it all: six small files and a directory. Control thread; blocks no longer than the kernel
 * does. */
void procstat_read(struct procstat *p);

/*
 * The parsers, by the shape of their files. All return 0 when the field is not there.
 *   pairs:  "Udp: InDatagrams NoPorts\nUdp: 10 0\n"   (group "Udp:", field "NoPorts")
 *   named:  "Udp6NoPorts      0\n", "VmRSS:   10 kB\n" (field up to and without the blanks)
 *   column: "cpu  10 20 30\n"                          (the n-th number, from 0, of the line that
 * begins so)
 */
uint64_t procstat_pairs(const char *text, const char *group, const char *field);
uint64_t procstat_named(const char *text, const char *field);
uint64_t procstat_column(const char *text, const char *line, unsigned n);

#endif
