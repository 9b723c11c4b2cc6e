/*
 * Numbers for names of pools, so that a rule finds its pool by index and not by comparing names. A
 * name keeps its number for as long as the process lives, whether or not there is such a pool.
 */
#ifndef POOLS_NAMES_H
#define POOLS_NAMES_H

#include "core/base.h"

/* The same number for the same name, from 0 on without gaps. Copies name. Control thread. */
unsigned pool_name_id(const char *name);

/* The name of a number that was given. Lent for good. Control thread. */
const char *pool_name_of(unsigned id);

#endif
