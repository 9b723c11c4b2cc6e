/* Upstreams as those see them who follow the tables. The rest is in worker.h. */
#ifndef WORKERS_UPSTREAM_H
#define WORKERS_UPSTREAM_H

struct worker;

/* Every upstream's def and place follow w->t. */
void upstreams_reconcile(struct worker *w);

/* At the end of a turn that set w->upstreams_ended: lets go of removed servers with nothing in
 * flight. */
void upstreams_release_ended(struct worker *w);

/* The thread ends: closes all; queries in flight fail. */
void upstreams_fini(struct worker *w);

#endif
