/* How a log line looks: text in, octets out; no files, no clock. */
#ifndef CORE_LOG_FORMAT_H
#define CORE_LOG_FORMAT_H

#include "core/log.h"

struct log_record {
	enum log_level level;
	const char *subsystem;
	const char *text; /* without a newline at its end */
	int64_t when_ms;  /* since 1970, UTC */
};

/* A text of LOG_TEXT_MAX of which every octet needs six in JSON, and what stands around it. */
#define LOG_TEXT_MAX 2048
#define LOG_LINE_MAX (6 * LOG_TEXT_MAX + 512)

/*
 * Writes the line with its newline (for the journal: the datagram of its native protocol) and
 * returns its length. Control characters never get through as such, so that one call is one line.
 */
size_t log_format_line(char out[static LOG_LINE_MAX], const struct log_config *config,
		       const struct log_record *r);

/* The number syslog(3) and the journal have for a level. */
int log_priority(enum log_level level);

#endif
