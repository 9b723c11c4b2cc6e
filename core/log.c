#include "core/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log_queue.h"
#include "core/mem.h"

static struct log_config config = {.format = LOG_FORMAT_PLAIN, .facility = LOG_DAEMON};
static char *verbose_path, *instance; /* ours; config points to them */
static int verbose_fd = -1, journal_fd = -1;
static atomic_bool verbose;
static _Thread_local struct log_queue *attached;

/* One line is one write, so that lines of several processes on one pipe do not mix. */
static void write_whole(int fd, const char *line, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, line, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <=
		    0) /* a full or closed pipe: waiting for its reader would stop the service */
			return;
		line += n;
		len -= (size_t)n;
	}
}

static void emit(const struct log_record *r)
{
	char line[LOG_LINE_MAX];
	size_t len = log_format_line(line, &config, r);

	if (r->level == LOG_LEVEL_DEBUG && verbose_fd >= 0) {
		write_whole(verbose_fd, line, len);
		return;
	}
	if (config.format == LOG_FORMAT_JOURNAL)
		send(journal_fd, line, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	else
		write_whole(config.to_stderr ? STDERR_FILENO : STDOUT_FILENO, line, len);
	if (config.syslog)
		syslog(log_priority(r->level), "%s", r->text);
}

static int journal_open(void)
{
	static const struct sockaddr_un journal = {AF_UNIX, "/run/systemd/journal/socket"};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (const struct sockaddr *)&journal, sizeof(journal)) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void reopen(int *fd, int next)
{
	if (*fd >= 0)
		close(*fd);
	*fd = next;
}

/* Keeps a copy of s, which may be the copy we have. */
static const char *keep(char **ours, const char *s)
{
	char *copy = s ? mem_strdup(s) : NULL;

	free(*ours);
	*ours = copy;
	return copy;
}

static void open_destinations(void)
{
	static const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;

	reopen(&verbose_fd, config.verbose_path ? open(config.verbose_path, flags, 0640) : -1);
	if (config.verbose_path && verbose_fd < 0)
		log_warning(
			"setup",
			"verbose log %s can't be opened: %s; verbose lines go where all others go",
			config.verbose_path, strerror(errno));
	if (config.format == LOG_FORMAT_JOURNAL && journal_fd < 0) {
		config.format = LOG_FORMAT_STRUCTURED;
		log_warning("setup",
			    "the systemd journal can't be reached, logging to standard output");
	}
	if (config.syslog)
		openlog("dnsdist", LOG_PID, config.facility);
}

void log_configure(const struct log_config *next)
{
	config = *next;
	config.verbose_path = keep(&verbose_path, next->verbose_path);
	config.instance = keep(&instance, next->instance);
	log_set_verbose(next->verbose);
	reopen(&journal_fd, config.format == LOG_FORMAT_JOURNAL ? journal_open() : -1);
	open_destinations();
}

bool log_is_verbose(void)
{
	return atomic_load_explicit(&verbose, memory_order_relaxed);
}

void log_set_verbose(bool on)
{
	atomic_store_explicit(&verbose, on, memory_order_relaxed);
}

void log_line(enum log_level level, const char *subsystem, const char *fmt, ...)
{
	int64_t now_ms;
	va_list args;

	if (level == LOG_LEVEL_DEBUG && !log_is_verbose())
		return;
	now_ms = clock_real_ms();
	va_start(args, fmt);
	if (attached) {
		log_queue_put(attached, level, subsystem, now_ms, fmt, args);
	} else {
		char text[LOG_TEXT_MAX];
		struct log_record r = {level, subsystem, text, now_ms};

		vsnprintf(text, sizeof(text), fmt, args);
		emit(&r);
	}
	va_end(args);
}

void log_queue_attach(struct log_queue *q)
{
	attached = q;
}

uint64_t log_queue_flush(struct log_queue *q)
{
	return log_queue_drain(q, emit);
}
