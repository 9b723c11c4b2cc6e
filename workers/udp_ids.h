/*
 * The IDs of one socket to a server: who waits for which, and the next one to use. An ID is
 * uniformly random over all 65,536 (RFC 5452 9.2), its slot in a small table is its value modulo
 * the table.
 */
#ifndef WORKERS_UDP_IDS_H
#define WORKERS_UDP_IDS_H

#include "core/query.h"

struct udp_ids {
	struct query **slot;
	unsigned bits, bits_max; /* of the table as it is, and as it can become */
	unsigned n, limit;       /* in use, and how many may be */
};

/* limit: 1 … 65536. 0 or -ENOMEM. All that the table can become is mapped now, and touched as it
 * grows. */
int udp_ids_init(struct udp_ids *ids, unsigned limit);
void udp_ids_fini(struct udp_ids *ids);

/*
 * Draws an ID. *occupant is NULL, or the query that must be removed before the ID is used: one
 * drawn at random when as many are in use as may be, or when the table is nearly full.
 */
uint16_t udp_ids_draw(struct udp_ids *ids, struct query **occupant);

/* q->upstream_id has been drawn, and its slot is free. */
void udp_ids_add(struct udp_ids *ids, struct query *q);
void udp_ids_remove(struct udp_ids *ids, const struct query *q);

/* Any that is in, or NULL. Not for the path: it searches. */
struct query *udp_ids_any(const struct udp_ids *ids);

static inline struct query **udp_ids_slot(const struct udp_ids *ids, uint16_t id)
{
	return &ids->slot[id & ((1u << ids->bits) - 1)];
}

/* Whose ID may be id: to be fetched ahead of time, and not looked at. */
static inline const struct query *udp_ids_hint(const struct udp_ids *ids, uint16_t id)
{
	return *udp_ids_slot(ids, id);
}

/* Who waits for this ID, or NULL. */
static inline struct query *udp_ids_find(const struct udp_ids *ids, uint16_t id)
{
	struct query *q = *udp_ids_slot(ids, id);

	return q != NULL && q->upstream_id == id ? q : NULL;
}

#endif
