/* The worker's thread: what workers.c starts and stops. */
#ifndef WORKERS_LOOP_H
#define WORKERS_LOOP_H

#include "core/err.h"

struct worker;

/* A worker with all that it owns, known to statistics, rings and the tables. NULL with err set.
 * Control thread. Gives. */
struct worker *worker_new(unsigned id, unsigned n_workers, struct err *err);

/* After its thread has ended. Control thread. */
void worker_free(struct worker *w);

/* Its thread: turns until w->stop. */
void *worker_main(void *worker);

#endif
