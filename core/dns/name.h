/* Domain names, in wire format throughout (RFC 1035 3.1, RFC 4343 for case). */
#ifndef CORE_DNS_NAME_H
#define CORE_DNS_NAME_H

#include "core/dns/wire.h"
#include "core/err.h"

/* "\000" for every octet, dots, NUL */
#define DNS_NAME_TEXT_MAX 1024

/*
 * Copies one uncompressed name to out, in lower case, and returns its length in octets; 0 with
 * r->bad set when it is cut short, longer than DNS_NAME_MAX, or holds a compression pointer.
 */
size_t rd_name(struct wire_rd *r, uint8_t out[static DNS_NAME_MAX]);

/* The same without the copy: moves over it and returns its length. */
size_t rd_name_len(struct wire_rd *r);

/*
 * Moves over a name that may be compressed (RFC 1035 4.1.4) and, when out is not NULL, copies it
 * decompressed, case kept. msg is where the message begins. Pointers must go backwards, so that there
 * are no loops. Returns the length decompressed, 0 with r->bad set.
 */
size_t rd_name_compressed(struct wire_rd *r, const uint8_t *msg, uint8_t *out);

/*
 * Eight octets to lower case at once: bit 7 of each octet of from_a says "at least A", of past_z "above
 * Z"; where they differ and the octet is ASCII, bit 5 makes it lower case. Length octets stay as they
 * are, since 63 is below 'A'.
 */
static inline uint64_t name_lower8(uint64_t v)
{
	const uint64_t ones = 0x0101010101010101u;
	uint64_t low7 = v & ones * 0x7f;
	uint64_t from_a = low7 + ones * (0x80 - 'A');
	uint64_t past_z = low7 + ones * (0x7f - 'Z');

	return v | ((from_a ^ past_z) & ~v & ones * 0x80) >> 2;
}

/* Lower case of ASCII letters only, octet by octet; len counts. in may be out. */
void name_lower(uint8_t *out, const uint8_t *in, size_t len);

/* Whether two wire names of len octets differ in nothing but case. */
bool name_equal(const uint8_t *a, const uint8_t *b, size_t len);

/* Whether name is suffix or below it. */
bool name_is_under(const uint8_t *name, size_t len, const uint8_t *suffix, size_t suffix_len);

/* Labels without the root: "www.example." has 2. */
unsigned name_labels(const uint8_t *name);

/* Presentation format with the final dot, escapes as RFC 1035 5.1 has them; returns text. */
char *name_text(const uint8_t *name, size_t len, char text[static DNS_NAME_TEXT_MAX]);

/*
 * What regular expressions are asked about: the same without the final dot, case kept, the root as an
 * empty text. Returns its length and ends it with NUL. name is valid. Some 25 ns for 20 octets, so that
 * whoever asks more than once about a query keeps the text beside it.
 */
size_t name_text_bare(const uint8_t *name, size_t len, char text[static DNS_NAME_TEXT_MAX]);

/* Reads presentation format, with or without the final dot. The length, or -EINVAL with err set (may be NULL). */
int name_parse(const char *text, uint8_t out[static DNS_NAME_MAX], struct err *err);

/* "A", "TYPE65280"; lent, static or from text. */
const char *type_text(uint16_t type, char text[static 16]);
int type_parse(const char *text, uint16_t *out); /* 0 or -EINVAL */
const char *rcode_text(unsigned rcode, char text[static 24]); /* "No Error", "Server Failure" … as the reference's display texts */

#endif
