/*
 * Traffic memory: each worker's ring of recent responses (queries join in a later step). One writer,
 * no lock: the control thread copies out and checks by sequence that nothing was overwritten meanwhile.
 */
#ifndef RULES_TRAFFIC_H
#define RULES_TRAFFIC_H

#include "core/addr.h"
#include "core/dns/wire.h"

struct response_record {
	uint64_t when_us;
	uint32_t latency_us; /* TRAFFIC_TIMEOUT: the server never answered; 0 for the cache and our own */
	uint16_t flags;      /* header of the answer */
	uint16_t size;       /* octets */
	uint16_t qtype;
	uint8_t name_len;
	uint8_t proto;       /* enum proto */
	struct addr client, server; /* server family 0: the cache or ourselves */
	uint8_t name[DNS_NAME_MAX]; /* as asked */
};

#define TRAFFIC_TIMEOUT UINT32_MAX

struct traffic_ring;

/* entries is rounded up to a power of two. Gives. */
struct traffic_ring *traffic_new(size_t entries);
void traffic_free(struct traffic_ring *r);

/* Room for the next record, to be filled and then made visible by traffic_commit. Owner only. */
struct response_record *traffic_begin(struct traffic_ring *r);
void traffic_commit(struct traffic_ring *r);

/* The control thread's list of rings. */
void traffic_register(struct traffic_ring *r);
void traffic_unregister(struct traffic_ring *r);

/* Visits what all rings hold, each ring oldest first; torn records are left out. Returns how many. */
size_t traffic_visit(void (*visit)(void *ctx, const struct response_record *r), void *ctx);

#endif
