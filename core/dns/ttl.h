/*
 * TTLs of all records but OPT, in all sections, edited in place. A TTL with its top bit set counts
 * as 0 (RFC 2181 8), and none is written above INT32_MAX. All take the message's own question (all
 * zero where QDCOUNT is 0), and return 0, or -EBADMSG with nothing changed when the message is
 * malformed.
 */
#ifndef CORE_DNS_TTL_H
#define CORE_DNS_TTL_H

#include "core/dns/record.h"

/* Gives a record's new TTL; ctx is the caller's. section is an enum section. */
typedef uint32_t ttl_edit(void *ctx, enum section section, uint16_t class, uint16_t type,
			  uint32_t ttl_s);

int msg_edit_ttls(uint8_t *msg, size_t len, const struct question *q, ttl_edit *edit, void *ctx);

/*
 * Raises TTLs below min_s, then lowers those above max_s (0: no limit), so that max_s wins over a
 * min_s above it. Only records of these types; an empty set stands for all.
 */
int msg_limit_ttls(uint8_t *msg, size_t len, const struct question *q, uint32_t min_s,
		   uint32_t max_s, const struct type_set *types);

/* Lowers TTLs above max_s; 0 makes all TTLs 0. */
int msg_cap_ttls(uint8_t *msg, size_t len, const struct question *q, uint32_t max_s);

/* Each becomes percent (0 … 100) of itself, fractions cut off. */
int msg_reduce_ttls(uint8_t *msg, size_t len, const struct question *q, unsigned percent);

#endif
