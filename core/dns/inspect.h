/* What rules ask of a message besides its question. Each walks it; a malformed message has nothing.
 */
#ifndef CORE_DNS_INSPECT_H
#define CORE_DNS_INSPECT_H

#include "core/dns/record.h"

/* Sections as the header's counts and operators number them: questions come first. */
enum { INSPECT_QUESTION, INSPECT_ANSWER, INSPECT_AUTHORITY, INSPECT_ADDITIONAL, INSPECT_END };

/* What the header says that there is in a section; 0 for sections that do not exist. */
unsigned msg_count(const uint8_t *msg, unsigned section);

/*
 * Records (or questions) of a type in a section, OPT among them; -EBADMSG when the message is
 * malformed in it or before it.
 */
int msg_count_type(const uint8_t *msg, size_t len, const struct question *q, unsigned section,
		   uint16_t type);

/* Whether octets follow the last record. False when the message is malformed. */
bool msg_has_trailing(const uint8_t *msg, size_t len, const struct question *q);

#endif
