/* How a worker follows the tables, begins and ends. For workers/loop.c. */
#ifndef WORKERS_RECONCILE_H
#define WORKERS_RECONCILE_H

struct worker;

/* The listeners of the tables enter the epoll set. */
void worker_begin_serving(struct worker *w);

/* The end of the thread: listeners and connections close, what is in flight is dropped. */
void worker_end_serving(struct worker *w);

#endif
