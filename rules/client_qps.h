/*
 * Queries a second of each client, in fixed memory: one table of token buckets for all workers, in
 * which a client's place is found by a keyed hash and one cache line is touched. There is nothing to
 * clean up: a bucket that is full again is free by definition.
 *
 * How exact it is. A client in the table is held to burst + qps × t queries in any time t, and a
 * sixteenth of one (a whole one where qps + burst > 2^29), by all workers together; two workers that
 * meet a newcomer in the same instant may count him once. Nobody below his limit is over unless he
 * shares a bucket: a client meets 8 others, or up to 32 in a full table, and is taken for one of them
 * with a chance of 2^-30 each at 10 qps, 2^-34 at 1, 2^-27 above 64.
 *
 * What does not fit is forgotten, and then begins full: the mistake is to let pass. Only what is not
 * full needs a slot, at most as many clients as queries a second / qps; those that were refused are
 * forgotten last. Measured at the default size with a million honest clients at a tenth to 99 % of a
 * limit of 10, and at 80 % of a limit of 1: 10 abusers are held to a token, none of the honest is over.
 * The same during 5 million queries a second from 100 million spoofed sources; only where those are
 * more than the slots (a limit of 1 with burst 1) does an abuser at 5 a second gain a token in ten
 * seconds. Of 200,000 abusers at 5 times a limit of 10, 8 gained part of a second burst while all
 * began, of 400,000 at 3 times 0.08 %; more abusers than slots are not all held.
 *
 * A count-min sketch of arrival times was measured beside it. It costs three lines where this costs
 * one, and its mistake is to refuse: in the same 16 MiB, 6 % of honest queries at 80 % of a limit of 1,
 * and 21 to 62 % during the flood.
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

/*
 * Begins to load what client_qps_over will need. Any worker. With a million clients in random order
 * that call is one miss of the caches: 210 ns where memory takes 170, and 60 when it was loaded.
 */
void client_qps_prefetch(const struct client_qps *l, const struct addr *client);

/* Octets of address space, touched as clients come; it never grows. 16 MiB to 4 qps, 8 at 10, 1 at
 * 100, 128 KiB from 512 qps. */
size_t client_qps_memory(const struct client_qps *l);

#endif
