/* Rooms for answers that wait for a rule's delay and are too long for their query's slot. Owner
 * only. */
#ifndef WORKERS_DELAY_H
#define WORKERS_DELAY_H

#include "core/base.h"

/*
 * How many of them wait at once; what comes then is not delayed. Address space for answers of any
 * length, of which only what is written becomes memory: 4 MiB where answers are the usual 4096
 * octets at most, 64 MiB where clients ask for the largest.
 */
#define DELAY_ROOMS 1024

struct delay_rooms;

struct delay_rooms *delay_rooms_new(void); /* NULL when the range can't be mapped. Gives. */
void delay_rooms_free(struct delay_rooms *r);

#endif
