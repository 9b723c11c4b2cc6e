#include "core/procstat.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* /proc/net/netstat is the longest, some 6,000 octets; what is beyond this is not looked at. */
#define TEXT_MAX 32768

/* The whole file, NUL-terminated; empty when it can't be read. */
static const char *slurp(const char *path, char text[static TEXT_MAX])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = 1;

	while (fd >= 0 && n > 0 && len < TEXT_MAX - 1) {
		n = read(fd, text + len, TEXT_MAX - 1 - len);
		if (n > 0)
			len += (size_t)n;
	}
	if (fd >= 0)
		close(fd);
	text[len] = '\0';
	return text;
}

static const char *next_line(const char *line)
{
	const char *end = strchr(line, '\n');

	return end ? end + 1 : NULL;
}

/* The line that begins with this word, from here on. */
static const char *find_line(const char *text, const char *word)
{
	size_t len = strlen(word);

	for (const char *line = text; line && *line; line = next_line(line))
		if (strncmp(line, word, len) == 0 && (line[len] == ' ' || line[len] == '\t'))
			return line + len;
	return NULL;
}

static size_t blanks(const char *at)
{
	return strspn(at, " \t");
}

static size_t word_len(const char *at)
{
	return strcspn(at, " \t\n");
}

uint64_t procstat_column(const char *text, const char *line, unsigned n)
{
	const char *at = find_line(text, line);

	if (!at)
		return 0;
	for (at += blanks(at); n > 0; n--) {
		at += word_len(at);
		at += blanks(at);
	}
	return strtoull(
		at, NULL,
		10); /* at the end of the line, the newline: the next line is not a number */
}

uint64_t procstat_named(const char *text, const char *field)
{
	return procstat_column(text, field, 0);
}

uint64_t procstat_pairs(const char *text, const char *group, const char *field)
{
	const char *names = find_line(text, group);
	size_t len = strlen(field);

	if (!names || !next_line(names))
		return 0;
	names += blanks(names);
	for (unsigned i = 0; *names && *names != '\n'; i++) {
		size_t word = word_len(names);

		if (word == len && memcmp(names, field, len) == 0)
			return procstat_column(next_line(names), group, i);
		names += word;
		names += blanks(names);
	}
	return 0;
}

static void read_memory(struct procstat *p, char *text)
{
	slurp("/proc/self/status", text);
	p->resident = procstat_named(text, "VmRSS:") * 1024;
	p->resident_unfiled =
		(procstat_named(text, "RssAnon:") + procstat_named(text, "RssShmem:")) * 1024;
}

static void read_network(struct procstat *p, char *text)
{
	slurp("/proc/net/snmp", text);
	p->udp_in_errors = procstat_pairs(text, "Udp:", "InErrors");
	p->udp_noport_errors = procstat_pairs(text, "Udp:", "NoPorts");
	p->udp_recvbuf_errors = procstat_pairs(text, "Udp:", "RcvbufErrors");
	p->udp_sndbuf_errors = procstat_pairs(text, "Udp:", "SndbufErrors");
	p->udp_in_csum_errors = procstat_pairs(text, "Udp:", "InCsumErrors");
	slurp("/proc/net/snmp6", text);
	p->udp6_in_errors = procstat_named(text, "Udp6InErrors");
	p->udp6_recvbuf_errors = procstat_named(text, "Udp6RcvbufErrors");
	p->udp6_sndbuf_errors = procstat_named(text, "Udp6SndbufErrors");
	p->udp6_noport_errors = procstat_named(text, "Udp6NoPorts");
	p->udp6_in_csum_errors = procstat_named(text, "Udp6InCsumErrors");
	slurp("/proc/net/netstat", text);
	p->tcp_listen_overflows = procstat_pairs(text, "TcpExt:", "ListenOverflows");
}

static uint64_t ms(const struct timeval *tv)
{
	return (uint64_t)tv->tv_sec * 1000 + (uint64_t)tv->tv_usec / 1000;
}

static void read_processor(struct procstat *p, char *text)
{
	struct rusage ru = {0};

	slurp("/proc/stat", text);
	p->cpu_iowait = procstat_column(text, "cpu", 4); /* user nice system idle iowait */
	p->cpu_steal = procstat_column(text, "cpu", 7);  /* irq softirq steal */
	getrusage(RUSAGE_SELF, &ru);
	p->cpu_user_ms = ms(&ru.ru_utime);
	p->cpu_sys_ms = ms(&ru.ru_stime);
}

static uint64_t count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	uint64_t n = 0;

	if (!dir)
		return 0;
	for (const struct dirent *e = readdir(dir); e; e = readdir(dir))
		n += e->d_name[0] != '.';
	closedir(dir);
	return n - 1; /* without the directory's own */
}

void procstat_read(struct procstat *p)
{
	char text[TEXT_MAX];

	*p = (struct procstat){0};
	read_memory(p, text);
	read_network(p, text);
	read_processor(p, text);
	p->fds = count_fds();
}
