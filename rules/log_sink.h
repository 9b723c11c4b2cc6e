/*
 * A worker's entries for log files on their way to the control thread: one producer, one consumer,
 * bounded. What does not fit is counted, and never waited for.
 */
#ifndef RULES_LOG_SINK_H
#define RULES_LOG_SINK_H

#include "rules/log_file.h"

struct log_sink;
struct rule_run;

/* wake is called by the producer when half of the room is taken. NULL: no memory. Gives. Control
 * thread. */
struct log_sink *log_sink_new(void (*wake)(void));

/* Writes what is left; its producer has ended. Control thread. */
void log_sink_free(struct log_sink *s);

/* The query of the run, or its answer. Producer only. */
void log_sink_put(struct log_sink *s, struct log_file *to, const struct rule_run *run);

/* Writes out what is in all of them, in the order in which it happened. Control thread. */
void log_sinks_drain(void);

#endif
