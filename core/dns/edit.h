/* Making a message longer or shorter in its middle, with every compression pointer mended. */
#ifndef CORE_DNS_EDIT_H
#define CORE_DNS_EDIT_H

#include "core/dns/record.h"

/*
 * Moves what follows the octets from..from+old_len so that they become new_len, in a message of len
 * octets with room for cap. They must end where a record of the additional section ends, the last
 * n_after of which follow; what comes after those is cut off. Pointers of these records are mended.
 * Octets gained are not set; the counts of the header are left alone. The new length; 0 with
 * nothing changed when there is no room, a pointer leads into the octets that change, or a record
 * is cut short.
 */
size_t msg_splice(uint8_t *msg, size_t len, size_t cap, size_t from, size_t old_len, size_t new_len,
		  unsigned n_after);

/* What msg_splice would return, with nothing changed: to be asked before octets that it keeps are
 * edited. */
size_t msg_splice_len(uint8_t *msg, size_t len, size_t cap, size_t from, size_t old_len,
		      size_t new_len, unsigned n_after);

#endif
