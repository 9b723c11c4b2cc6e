/*
 * Traffic memory: for each worker a ring of recent queries and one of recent answers. One writer,
 * no lock: the control thread copies out, and finds by a sequence number what was written over
 * meanwhile.
 */
#ifndef RULES_TRAFFIC_H
#define RULES_TRAFFIC_H

#include "core/addr.h"
#include "core/query.h"

enum traffic_kind { TRAFFIC_QUERIES, TRAFFIC_ANSWERS, TRAFFIC_KINDS };

/* An entry as its reader gets it. */
struct traffic_record {
	enum traffic_kind kind;
	uint64_t when_us;    /* monotonic, 48 bits: nine years */
	uint32_t latency_us; /* of answers: TRAFFIC_TIMEOUT when the server never answered; 0 for
				the cache and our own */
	uint16_t id, flags;  /* of the header: the query's, or the answer's */
	uint16_t answers;    /* ANCOUNT of an answer, 0 of a query */
	uint16_t size;       /* octets of the message; 0 when there was none */
	uint16_t qtype;
	uint8_t proto; /* enum proto */
	uint8_t name_len;
	struct addr client, server; /* server family 0: the cache, ourselves, or a query */
	uint8_t name[DNS_NAME_MAX]; /* as asked, letter case kept */
};

#define TRAFFIC_TIMEOUT UINT32_MAX

struct traffic_ring;

/* Of which one is kept in `sampling` (0 and 1: all). entries is at least 1. Gives. */
struct traffic_ring *traffic_new(enum traffic_kind kind, size_t entries, uint32_t sampling);
void traffic_free(struct traffic_ring *r); /* harmless on NULL */

/*
 * Notes a query that was parsed; its answer, q->answer, by this server (NULL where none was asked);
 * and that there was none in time. Owner only. The packet has room for a name of TRAFFIC_NAME_ROOM
 * octets, and if it is longer, 7 octets behind it.
 */
#define TRAFFIC_NAME_ROOM 40
void traffic_note_query(struct traffic_ring *r, const struct query *q, uint64_t now_us);
void traffic_note_answer(struct traffic_ring *r, const struct query *q, const struct addr *server,
			 uint32_t latency_us, uint64_t now_us);
void traffic_note_timeout(struct traffic_ring *r, const struct query *q, const struct addr *server,
			  uint64_t now_us);

/* The control thread's list of rings. */
void traffic_register(struct traffic_ring *r);
void traffic_unregister(struct traffic_ring *r); /* harmless on NULL */

/*
 * Visits what all rings of a kind hold, each ring oldest first; what was written over meanwhile is
 * left out. Returns how many. Control thread.
 */
size_t traffic_visit(enum traffic_kind kind,
		     void (*visit)(void *ctx, const struct traffic_record *r), void *ctx);

/*
 * How many entries all rings of a kind have got since they were made, so fewer than before when one
 * has gone; *room: how many they hold. Control thread.
 */
uint64_t traffic_noted(enum traffic_kind kind, uint64_t *room);

#endif
