/*
 * The control thread has no core of its own: wherever it runs, a worker with packets waits. A scheduler
 * takes turns of milliseconds, so work that takes long is cut into shorter ones here. Where no worker
 * wants the core that costs a system call that does nothing.
 */
#ifndef CORE_SHARE_H
#define CORE_SHARE_H

#include "core/base.h"

/* For each of many small things that are done: now and then another thread gets the core. Control thread. */
void share_core(void);

#endif
