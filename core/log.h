/*
 * Log lines for operators: lower case, subject first, values with units. The control thread writes
 * them out; a worker's line goes through its queue, and what does not fit is counted, not waited for.
 */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include "core/base.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_NOTICE, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

enum log_format {
	LOG_FORMAT_PLAIN,      /* the line as it is */
	LOG_FORMAT_STRUCTURED, /* msg="…" subsystem="…" level="0" prio="Info" ts="1700000000.123" */
	LOG_FORMAT_JSON,
	LOG_FORMAT_JOURNAL,
};

/* How lines leave the process. Control thread only. */
struct log_config {
	enum log_format format;
	bool verbose;    /* also LOG_LEVEL_DEBUG */
	bool syslog;     /* in addition to standard output */
	bool to_stderr;  /* instead of standard output: a client's, which is for answers */
	bool timestamps; /* --log-timestamps, for the plain format */
	bool iso8601;    /* of ts= in the structured formats */
	int facility;    /* LOG_DAEMON … */
	const char *verbose_path; /* verbose lines go only there; NULL: as all others */
	const char *instance;     /* server id put into structured lines; NULL: none */
};

void log_configure(const struct log_config *config); /* copies */

/*
 * One line of this subsystem ("setup", "health", "console" …; "" is fine). Any thread: a thread that
 * called log_queue_attach leaves it in its queue, the others write at once.
 */
void log_line(enum log_level level, const char *subsystem, const char *fmt, ...) PRINTF_LIKE(3, 4);

#define log_error(sub, ...) log_line(LOG_LEVEL_ERROR, sub, __VA_ARGS__)
#define log_warning(sub, ...) log_line(LOG_LEVEL_WARNING, sub, __VA_ARGS__)
#define log_notice(sub, ...) log_line(LOG_LEVEL_NOTICE, sub, __VA_ARGS__)
#define log_info(sub, ...) log_line(LOG_LEVEL_INFO, sub, __VA_ARGS__)
#define log_debug(sub, ...) log_line(LOG_LEVEL_DEBUG, sub, __VA_ARGS__)

bool log_is_verbose(void); /* any thread, relaxed */
void log_set_verbose(bool verbose); /* at run time; the rest of the configuration stays */

/* A single-producer queue of lines, bounded. */
struct log_queue;
struct log_queue *log_queue_new(void);
void log_queue_free(struct log_queue *q);

/* The calling thread's lines go to q from now on (NULL: written at once again). */
void log_queue_attach(struct log_queue *q);

/* Writes out what is there; returns how many lines the queue has refused since the last call. Control thread. */
uint64_t log_queue_flush(struct log_queue *q);

#endif
