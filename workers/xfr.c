#include "workers/xfr.h"

/* Moves over the record's name and reads what is fixed; rdata is then left to the caller. */
static void rd_record(struct wire_rd *r, const uint8_t *msg, uint16_t *type, uint16_t *rdata_len)
{
	rd_name_compressed(r, msg, NULL);
	*type = rd_u16(r);
	rd_skip(r, 2 + 4); /* class, TTL */
	*rdata_len = rd_u16(r);
}

/* The serial of an SOA whose rdata begins at r; r itself stays. */
static uint32_t soa_serial(struct wire_rd r, const uint8_t *msg, bool *bad)
{
	uint32_t serial;

	rd_name_compressed(&r, msg, NULL);
	rd_name_compressed(&r, msg, NULL);
	serial = rd_u32(&r);
	*bad |= r.bad;
	return serial;
}

/* RFC 1982 3.2 */
static bool serial_is_newer(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

static void skip_questions(struct wire_rd *r, const uint8_t *msg)
{
	for (unsigned i = msg_qdcount(msg); i > 0 && !r->bad; i--) {
		rd_name_compressed(r, msg, NULL);
		rd_skip(r, 4);
	}
}

void xfr_begin(struct xfr *x, const uint8_t *query, size_t len, const struct question *q)
{
	struct wire_rd r = {.pos = query + DNS_HEADER_LEN, .end = query + len};
	uint16_t type, rdata_len;
	bool bad = false;

	*x = (struct xfr){.is_ixfr = q->qtype == TYPE_IXFR};
	if (!x->is_ixfr || msg_nscount(query) == 0)
		return;
	skip_questions(&r, query);
	rd_record(&r, query, &type, &rdata_len);
	if (!r.bad && type == TYPE_SOA)
		x->asked_serial = soa_serial(r, query, &bad);
	if (r.bad || bad || type != TYPE_SOA)
		x->is_ixfr = false; /* the server decides what it makes of it; we wait for the
				       closing SOA */
}

static bool soa_ends_it(struct xfr *x, uint32_t serial)
{
	x->soas++;
	if (x->soas == 1) {
		x->serial = serial;
		x->seen = 1;
		return x->is_ixfr && !serial_is_newer(serial, x->asked_serial);
	}
	if (serial != x->serial)
		return false;
	x->seen++;
	return x->soas == 2 || x->seen == 3;
}

enum xfr_step xfr_message(struct xfr *x, const uint8_t *msg, size_t len)
{
	struct wire_rd r = {.pos = msg + DNS_HEADER_LEN, .end = msg + len};
	bool bad = false;

	if (len < DNS_HEADER_LEN)
		return XFR_BAD;
	x->messages++;
	if ((msg_flags(msg) & DNS_RCODE_MASK) != RCODE_NOERROR || msg_ancount(msg) == 0)
		return XFR_DONE;
	skip_questions(&r, msg);
	for (unsigned i = msg_ancount(msg); i > 0; i--) {
		uint16_t type, rdata_len;

		rd_record(&r, msg, &type, &rdata_len);
		if (r.bad)
			return XFR_BAD;
		if (type == TYPE_SOA && soa_ends_it(x, soa_serial(r, msg, &bad)))
			return bad ? XFR_BAD : XFR_DONE;
		rd_skip(&r, rdata_len);
		if (r.bad || bad)
			return XFR_BAD;
	}
	return XFR_MORE;
}
