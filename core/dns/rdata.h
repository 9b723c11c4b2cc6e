/* Where the data of records has names that other records may share (RFC 1035 4.1.4). */
#ifndef CORE_DNS_RDATA_H
#define CORE_DNS_RDATA_H

#include "core/dns/wire.h"

/*
 * How the data of a type begins: octets, character strings, then names that may be compressed (RFC
 * 1035 3.3, and those which RFC 3597 4 says older software compresses). What follows them has no
 * names.
 */
struct rdata_names {
	uint8_t type, octets, strings, names;
};

/* NULL: the data of this type has no such names. Static. */
const struct rdata_names *rdata_names_of(uint16_t type);

/* Moves over what comes before the names; r->bad when it is cut short. */
void rdata_names_skip(struct wire_rd *r, const struct rdata_names *in);

#endif
