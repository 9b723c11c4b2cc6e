/* A worker's lines on their way to the control thread: one producer, one consumer, bounded. */
#ifndef CORE_LOG_QUEUE_H
#define CORE_LOG_QUEUE_H

#include <stdarg.h>

#include "core/log_format.h"

/*
 * Formats a line into the queue, cut to LOG_QUEUED_MAX; counts it as refused when there is no room.
 * subsystem is kept as a pointer: a literal. Producer only.
 */
#define LOG_QUEUED_MAX 488
void log_queue_put(struct log_queue *q, enum log_level level, const char *subsystem,
		   int64_t when_ms, const char *fmt, va_list args)
	PRINTF_LIKE(5, 0);

/* Hands over what is there, oldest first; the record is lent for the call. Returns the lines
 * refused since. */
uint64_t log_queue_drain(struct log_queue *q, void (*write)(const struct log_record *r));

#endif
