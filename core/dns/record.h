/* The resource records of a message, one after the other (RFC 1035 4.1.3). */
#ifndef CORE_DNS_RECORD_H
#define CORE_DNS_RECORD_H

#include "core/dns/message.h"

enum section { SECTION_ANSWER, SECTION_AUTHORITY, SECTION_ADDITIONAL, SECTION_END };

struct record {
	uint8_t section; /* enum section */
	uint16_t at;     /* offset of the owner name */
	uint16_t type, class;
	uint16_t ttl_at, rdata_at; /* offsets */
	uint16_t rdata_len;
	uint32_t ttl_s;
};

/* TSIG or SIG(0): any change to the message makes it wrong (RFC 8945 5.3, RFC 2931 3.1). */
static inline bool record_is_signature(const struct record *rec)
{
	return rec->section == SECTION_ADDITIONAL &&
	       (rec->type == TYPE_TSIG || rec->type == TYPE_SIG);
}

/* Some record types, in no order; few, so that a look along them is quick. Lent. */
struct type_set {
	const uint16_t *types;
	size_t n;
};

static inline bool type_set_has(const struct type_set *s, uint16_t type)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->types[i] == type)
			return true;
	return false;
}

/* Where a walk over a message's records is. */
struct record_walk {
	struct wire_rd r; /* at the next record; at the end of the message when none is left */
	const uint8_t *msg;
	uint16_t left[SECTION_END]; /* records not yet read, of each section */
	uint8_t section;
};

/*
 * Begins after the first question and passes over further ones. r.bad when those are cut short, or the
 * message ends before q does.
 */
void records_begin(struct record_walk *w, const uint8_t *msg, size_t len, const struct question *q);

/* The next record; false at the end of the last section, or with w->r.bad set when it is cut short.
 */
bool records_next(struct record_walk *w, struct record *rec);

/*
 * Moves over a name, compressed or not, without following its pointer beyond seeing that it goes
 * backwards. Returns where that pointer is, NULL when the name ends in the root, or with r->bad set
 * when it is cut short. Cheaper than rd_name_compressed where only the end matters.
 */
const uint8_t *rd_name_skip(struct wire_rd *r, const uint8_t *msg);

#endif
