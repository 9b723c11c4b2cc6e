/*
 * The parts of the load generator: what it shall do, what came of it, and its two ways to the
 * server. One thread; everything here is its own.
 */
#ifndef TOOLS_LOADGEN_LOAD_H
#define TOOLS_LOADGEN_LOAD_H

#include "core/addr.h"
#include "core/dns/name.h"

#define BATCH         64
#define QUERY_MAX     (12 + 9 + DNS_NAME_MAX + 4)
#define LATENCY_MAX   200000 /* µs; what took longer is in the last bucket */
#define LOST_AFTER_US 1000000
#define DRAIN_US      200000 /* after the end, for answers on their way */

/* As the options of tools/load.c say. */
extern struct load_options {
	struct addr to;
	unsigned names, sockets, window, in_flight, sources, clients;
	bool unique, in_turn;
	uint64_t count; /* queries to send; UINT64_MAX: as many as --duration allows */
	double duration_s, qps;
	char prefix;
	bool tls, reconnect; /* streams */
} how;

extern struct load_result {
	uint64_t sent, answered, refused, sum_us, last_us;
	uint64_t rcode[16];
	uint32_t latency[LATENCY_MAX + 1];
} run;

/* ---- query.c ---- */

/* zone: text of the name below which all names stand. What is drawn at random begins at seed. */
void query_init(const char *zone, uint32_t seed, uint64_t first);

/* The next query, as how says; returns its length, the same for all. */
size_t query_fill(uint8_t msg[static QUERY_MAX], uint16_t id);

/* The client that asks next, below how.clients. */
uint32_t query_client(void);

/* How many queries --count leaves. */
unsigned query_left(void);

/* How many may leave now: what --count leaves, and in the open loop what is due. */
unsigned query_allowed(uint64_t now_us, uint64_t start_us);

/* msg has a whole header. */
void query_answered(const uint8_t *msg, uint64_t sent_us, uint64_t now_us);

/* ---- udp.c, stream.c: return when all is sent and answered, or time is up ---- */

void udp_run(void);
void stream_run(void);

#endif
