/*
 * Read-copy-update, QSBR flavour: the only file that includes liburcu. A reader pays nothing; in
 * return it says when it holds no pointer (rcu_quiet) and when it sleeps (rcu_rest, rcu_wake).
 * With WITH_TSAN the sanitizer is told what a grace period orders, since it can't see it.
 */
#ifndef CORE_RCU_H
#define CORE_RCU_H

#include "core/base.h"

/* The calling thread joins the readers, awake; and leaves them. Each reader calls both once. */
void rcu_join(void);
void rcu_leave(void);

/* The thread holds no pointer out of the tables at this moment. Once a turn of a busy loop. */
void rcu_quiet(void);

/* Around anything that may sleep: nobody waits for this thread in between. */
void rcu_rest(void);
void rcu_wake(void);

/*
 * Waits until every reader has been quiet or at rest once. The caller must not be an awake reader.
 * Control thread only: two waiting readers would wait for each other.
 */
void rcu_wait(void);

/* Reads and publishes a pointer: what was written before rcu_publish is seen after rcu_get. */
#define rcu_get(p) atomic_load_explicit(&(p), memory_order_acquire)
#define rcu_publish(p, v) atomic_store_explicit(&(p), (v), memory_order_release)

#endif
