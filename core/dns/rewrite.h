/*
 * Messages written anew: without some of their records, or with another name. Where a compression
 * pointer leads to what is gone, the name is written out once, and pointed to from then on; names
 * in data are known for the types of core/dns/rdata.h. In place, by way of a copy of 64 KiB on the
 * stack. What lies behind the last record goes.
 */
#ifndef CORE_DNS_REWRITE_H
#define CORE_DNS_REWRITE_H

#include "core/dns/record.h"

/*
 * Takes all records of these types out, of all sections; the counts follow. A signature of the
 * message (TSIG, SIG(0)) stays, and is wrong from then on. The new length, never more than len
 * unless names lie beyond the reach of pointers; len when there is no such record. 0 with nothing
 * changed when the message is malformed, or what is left does not fit in cap. q, the message's own,
 * stays valid.
 */
size_t msg_clear_types(uint8_t *msg, size_t len, size_t cap, const struct question *q,
		       const struct type_set *types);

/*
 * Gives the question another name, uncompressed, and with it all owner names and names in data that
 * are the same, letter case aside; names below it stay as they are. What it does to a query it
 * undoes in the answer, given the name that was. The new length; 0 with nothing changed when there
 * is no question, the message is malformed or signed (TSIG, SIG(0)), or the result does not fit in
 * cap. Where the question ends and OPT is, is to be asked anew.
 */
size_t msg_rename(uint8_t *msg, size_t len, size_t cap, const struct question *q,
		  const uint8_t *name, size_t name_len);

#endif
