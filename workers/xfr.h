/* Zone transfers as a proxy sees them: when is the last message through? No sockets. */
#ifndef WORKERS_XFR_H
#define WORKERS_XFR_H

#include "core/dns/message.h"

struct xfr {
	bool is_ixfr;
	uint32_t asked_serial; /* of the query's SOA, RFC 1995 3 */
	uint32_t serial;       /* of the answer's first SOA */
	uint32_t soas, seen;   /* SOA records so far, and those of them with that serial */
	uint32_t messages;
};

enum xfr_step {
	XFR_MORE,
	XFR_DONE, /* that was the last message */
	XFR_BAD,  /* it can't be read */
};

/* query: the message as the server gets it, q its question. */
void xfr_begin(struct xfr *x, const uint8_t *query, size_t len, const struct question *q);

/*
 * One more message of the answer. It ends with an rcode other than NOERROR, without any record, with
 * the closing SOA (RFC 5936 2.2, RFC 1995 4), or at once when the server has nothing newer than asked.
 */
enum xfr_step xfr_message(struct xfr *x, const uint8_t *msg, size_t len);

#endif
