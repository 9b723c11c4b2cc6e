/* The worker's slab of queries: its beginning and end. query_new and query_free are in worker.h. */
#ifndef WORKERS_SLAB_H
#define WORKERS_SLAB_H

/*
 * What waits for servers at once, in one worker: two seconds of timeouts at 60,000 queries a
 * second. Bounds the memory that dead servers under a flood can make us touch: 240 MB. The rest is
 * for what does not wait: slots of receive batches, answers of this turn, clients' connections.
 */
#define SLOTS_MAX     131072
#define IN_FLIGHT_MAX (SLOTS_MAX - 8192)

struct slab;

struct slab *slab_new(void); /* NULL when the range can't be mapped. Gives. */
void slab_free(struct slab *s);

#endif
