/*
 * A barrier that only its caller pays for: threads that write often and are read rarely need none
 * of their own between a write and the look whether anybody is to be told of it.
 */
#ifndef CORE_FENCE_H
#define CORE_FENCE_H

#include "core/base.h"

/* Once, before threads begin. */
void fence_start(void);

/*
 * When it returns true, each thread of the process has been through a full barrier since the call:
 * what it wrote before that can be read. Some microseconds. False: the kernel does not let us
 * (membarrier(2), Linux 4.14), and nothing was ordered. Any thread.
 */
bool fence_all_cores(void);

#endif
