/*
 * Queries turned into answers of our own, record by record. The answer may be written over its
 * query or elsewhere: out and query are the same buffer, or do not overlap. What goes into it lies
 * elsewhere.
 */
#ifndef CORE_DNS_ANSWER_H
#define CORE_DNS_ANSWER_H

#include "core/dns/record.h"

/* A bit of the header that a rule may set, clear, or leave as it usually is. */
enum answer_bit { ANSWER_BIT_USUAL, ANSWER_BIT_CLEAR, ANSWER_BIT_SET };

struct answer_bits {
	uint8_t aa, ad, ra; /* enum answer_bit; usual: clear, clear, as RD */
};

struct answer_form {
	struct answer_bits bits;
	const struct opt *opt; /* the query's; NULL, or with at == 0: the answer gets none */
	uint16_t payload;      /* what an OPT of ours says; DO is copied, there are no options */
};

/*
 * Turns a query into an answer without records, in place: QR, rcode, and opcode, RD, CD as they
 * were. Of an rcode above 15 the upper bits are in the OPT, if there is one (RFC 6891 6.1.3).
 * Without a question (q all zero) the answer is a header and OPT. An OPT that does not fit in cap,
 * the room at msg, is left out. Returns the new length (RFC 1035 4.1.1, RFC 6891 7).
 */
size_t msg_answer_empty(uint8_t *msg, size_t len, size_t cap, const struct question *q,
			unsigned rcode, const struct answer_form *form);

/* An answer being written. The fields are for answer.c. */
struct answer {
	uint8_t *msg;
	struct wire_wr w; /* behind the last record, up to where the OPT must begin at last */
	uint16_t counts[SECTION_END];
	uint16_t qclass, payload;
	uint8_t section;
	uint8_t ext_rcode;
	bool has_question, has_opt, dnssec_ok;
};

struct answer_record {
	const uint8_t *owner; /* uncompressed; NULL: the question's name, as a pointer to it */
	size_t owner_len;
	uint16_t type; /* the class is the question's */
	uint32_t ttl_s;
	const uint8_t *rdata;
	size_t rdata_len;
};

/* Octets that a record takes in an answer. */
size_t answer_record_len(const struct answer_record *rec);

/* Octets that there are for records in an answer of at most cap, its OPT taken off. */
size_t answer_room(size_t cap, const struct question *q, const struct answer_form *form);

/*
 * Begins an answer in out: header and question as msg_answer_empty leaves them, of the query's
 * first question only, and room kept for the OPT. 0; -ENOSPC with nothing written when cap is too
 * small for the question. What follows the question in a query that is answered in place is lost.
 */
int answer_begin(struct answer *a, uint8_t *out, size_t cap, const uint8_t *query,
		 const struct question *q, unsigned rcode, const struct answer_form *form);

/*
 * Adds a record; sections come in their order. False, with nothing added, when it does not fit.
 * With a NULL owner the answer must have a question.
 */
bool answer_add(struct answer *a, enum section section, const struct answer_record *rec);

/* Writes the counts and the OPT. The length of the answer. */
size_t answer_end(struct answer *a);

#endif
