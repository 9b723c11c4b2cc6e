/*
 * Queries a second of each client, in fixed memory: one table of token buckets for all workers, in
 * which a client's place is found by a keyed hash and one cache line is touched. There is nothing to
 * clean up: a bucket that is full again is free by definition.
 */
#ifndef RULES_CLIENT_QPS_H
#define RULES_CLIENT_QPS_H

#include "core/addr.h"

struct client_qps;

struct client_qps_options {
	uint32_t qps;     /* 0: a bucket never refills */
	uint32_t burst;   /* 0: as qps */
	unsigned v4_bits; /* of an address that make a client, to 32; IPv4-mapped IPv6 counts as IPv4 */
	unsigned v6_bits; /* to 128 */
	size_t slots;     /* rounded up to a power of two; 0: what suits qps */
};

/* Gives, with client_qps_free; NULL with err set when a mask is too long or the memory is not there. */
struct client_qps *client_qps_new(const struct client_qps_options *o, struct err *err);

/* When no worker can call client_qps_over any more. Harmless on NULL. */
void client_qps_free(struct client_qps *l);

/*
 * Whether this client has less than one token; takes one otherwise. The port does not count. Any
 * worker, with a monotonic time; clocks of workers may differ by up to a second.
 */
bool client_qps_over(struct client_qps *l, const struct addr *client, uint64_t now_us);

/* Octets of address space, touched as clients come; it never grows. */
size_t client_qps_memory(const struct client_qps *l);

#endif
