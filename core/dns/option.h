/*
 * EDNS options of any code (RFC 6891 6.1.2) put into messages and taken out, extended errors (RFC
 * 8914) and padding (RFC 7830). Options of other codes keep their order, compression pointers are
 * mended, and what lies behind the last record is cut off where a message is changed.
 */
#ifndef CORE_DNS_OPTION_H
#define CORE_DNS_OPTION_H

#include "core/dns/message.h"

#define EDNS_EDE 15

/* The payload size of an OPT put into a query: no more than a client without EDNS takes. */
#define PAYLOAD_WITHOUT_EDNS 512

struct option {
	uint16_t code, len;
	const uint8_t *data; /* lent by the message, or by the caller, then outside the message */
};

/* The options of an OPT record, none when opt->at is 0. */
struct wire_rd options_begin(const uint8_t *msg, const struct opt *opt);

/* The next one; false at the end, or with r->bad set when it is cut short. */
bool option_next(struct wire_rd *r, struct option *o);

enum option_how {
	OPTION_REPLACE, /* all of its code go */
	OPTION_KEEP,    /* one of its code that is there stays, and nothing is put */
	OPTION_APPEND,  /* it comes behind those of its code */
};

/* What was done to a message, so that it can be undone in the answer. */
enum option_change {
	OPTION_UNCHANGED,
	OPTION_ADDED,     /* to an OPT without one of its code: take the option out of the answer */
	OPTION_ADDED_OPT, /* there was no OPT: take the whole OPT out of the answer */
	OPTION_REPLACED,  /* with OPTION_APPEND: there were others of its code. Nothing to undo */
};

/*
 * Puts an option behind all others. payload is for an OPT where there is none; 0: then none is
 * added and nothing is changed. A signed message (TSIG, SIG(0)) is left as it is, and so is one
 * where OPTION_KEEP finds the option: the length of the message without trailing octets is returned
 * then too. Returns the new length; 0 with nothing changed when it does not fit in cap or the
 * message is malformed. *change says what was done. q, the message's own, stays valid; where OPT
 * is, is to be asked anew.
 */
size_t msg_put_option(uint8_t *msg, size_t len, size_t cap, const struct question *q,
		      const struct option *o, enum option_how how, uint16_t payload,
		      enum option_change *change);

/*
 * Takes all options of one code out, in place. The new length, or the old one when there is none of
 * them; 0 with nothing changed when the message is malformed.
 */
size_t msg_remove_option(uint8_t *msg, size_t len, const struct question *q, uint16_t code);

/*
 * Takes the OPT record out, in place. An rcode above 15 is gone with it, and becomes SERVFAIL,
 * since what remains of it would read as another. Returns as msg_remove_option.
 */
size_t msg_remove_opt(uint8_t *msg, size_t len, const struct question *q);

/*
 * Undoes msg_put_option in the answer, in place: finds the question itself. The new length, or the
 * old one when there is nothing to undo or the answer is malformed. Of several puts into one query,
 * OPTION_ADDED_OPT undoes all.
 */
size_t msg_undo_option(uint8_t *msg, size_t len, uint16_t code, enum option_change change);

/*
 * Adds an extended error (RFC 8914 2) to an answer that has an OPT: text is UTF-8, not checked
 * here, its len may be 0. clear takes those out that are there. Returns as msg_put_option; an
 * answer without OPT stays as it is.
 */
size_t msg_add_ede(uint8_t *msg, size_t len, size_t cap, const struct question *q,
		   uint16_t info_code, const char *text, size_t text_len, bool clear);

/*
 * Pads an answer that has an OPT to a multiple of block octets (> 0), or to cap where the multiple
 * lies beyond it (RFC 7830 3, RFC 8467 4.1). Padding that is there goes; without room for an option
 * of ours none is put. An answer without OPT, or signed, stays as it is. The new length, 0 with
 * nothing changed when the answer is malformed.
 */
size_t msg_pad(uint8_t *msg, size_t len, size_t cap, const struct question *q, size_t block);

#endif
