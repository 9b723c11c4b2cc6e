/*
 * Reading and writing wire format through a cursor, never by index (RFC 1035 section 4). Errors are
 * sticky: a reader that ran off its end says so in bad, and everything after reads as zero.
 */
#ifndef CORE_DNS_WIRE_H
#define CORE_DNS_WIRE_H

#include <string.h>

#include "core/base.h"

#define DNS_HEADER_LEN 12
#define DNS_NAME_MAX 255  /* octets on the wire, RFC 1035 2.3.4 */
#define DNS_LABEL_MAX 63
#define DNS_MESSAGE_MAX 65535

/* The flags word of the header in host order, RFC 1035 4.1.1, RFC 2535 6.1. */
#define DNS_QR 0x8000u
#define DNS_OPCODE_MASK 0x7800u
#define DNS_OPCODE_SHIFT 11
#define DNS_AA 0x0400u
#define DNS_TC 0x0200u
#define DNS_RD 0x0100u
#define DNS_RA 0x0080u
#define DNS_AD 0x0020u
#define DNS_CD 0x0010u
#define DNS_RCODE_MASK 0x000fu

enum dns_rcode {
	RCODE_NOERROR = 0,
	RCODE_FORMERR = 1,
	RCODE_SERVFAIL = 2,
	RCODE_NXDOMAIN = 3,
	RCODE_NOTIMP = 4,
	RCODE_REFUSED = 5,
};

enum dns_type {
	TYPE_A = 1,
	TYPE_NS = 2,
	TYPE_CNAME = 5,
	TYPE_SOA = 6,
	TYPE_SIG = 24,
	TYPE_AAAA = 28,
	TYPE_OPT = 41,
	TYPE_SVCB = 64,
	TYPE_HTTPS = 65,
	TYPE_TSIG = 250,
	TYPE_IXFR = 251,
	TYPE_AXFR = 252,
	TYPE_ANY = 255,
};

#define CLASS_IN 1

struct wire_rd {
	const uint8_t *pos, *end;
	bool bad;
};

struct wire_wr {
	uint8_t *pos, *end;
	bool full; /* something did not fit; nothing of it was written */
};

static inline uint16_t get_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)get_u16(p) << 16 | get_u16(p + 2);
}

static inline void put_u16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put_u32(uint8_t *p, uint32_t v)
{
	put_u16(p, (uint16_t)(v >> 16));
	put_u16(p + 2, (uint16_t)v);
}

static inline size_t rd_left(const struct wire_rd *r)
{
	return (size_t)(r->end - r->pos);
}

/* Moves over n octets; NULL with bad set when there are fewer. Lends. */
static inline const uint8_t *rd_skip(struct wire_rd *r, size_t n)
{
	const uint8_t *p = r->pos;

	if (r->bad || rd_left(r) < n) {
		r->bad = true;
		return NULL;
	}
	r->pos += n;
	return p;
}

static inline uint8_t rd_u8(struct wire_rd *r)
{
	const uint8_t *p = rd_skip(r, 1);

	return p ? *p : 0;
}

static inline uint16_t rd_u16(struct wire_rd *r)
{
	const uint8_t *p = rd_skip(r, 2);

	return p ? get_u16(p) : 0;
}

static inline uint32_t rd_u32(struct wire_rd *r)
{
	const uint8_t *p = rd_skip(r, 4);

	return p ? get_u32(p) : 0;
}

/* Room for n octets, or NULL with full set. Lends. */
static inline uint8_t *wr_room(struct wire_wr *w, size_t n)
{
	uint8_t *p = w->pos;

	if (w->full || (size_t)(w->end - w->pos) < n) {
		w->full = true;
		return NULL;
	}
	w->pos += n;
	return p;
}

static inline void wr_u16(struct wire_wr *w, uint16_t v)
{
	uint8_t *p = wr_room(w, 2);

	if (p)
		put_u16(p, v);
}

static inline void wr_u32(struct wire_wr *w, uint32_t v)
{
	uint8_t *p = wr_room(w, 4);

	if (p)
		put_u32(p, v);
}

static inline void wr_bytes(struct wire_wr *w, const void *data, size_t len)
{
	uint8_t *p = wr_room(w, len);

	if (p)
		memcpy(p, data, len);
}

/* Accessors of a message of at least DNS_HEADER_LEN octets. */
static inline uint16_t msg_id(const uint8_t *m) { return get_u16(m); }
static inline void msg_set_id(uint8_t *m, uint16_t id) { put_u16(m, id); }
static inline uint16_t msg_flags(const uint8_t *m) { return get_u16(m + 2); }
static inline void msg_set_flags(uint8_t *m, uint16_t f) { put_u16(m + 2, f); }
static inline uint16_t msg_qdcount(const uint8_t *m) { return get_u16(m + 4); }
static inline uint16_t msg_ancount(const uint8_t *m) { return get_u16(m + 6); }
static inline uint16_t msg_nscount(const uint8_t *m) { return get_u16(m + 8); }
static inline uint16_t msg_arcount(const uint8_t *m) { return get_u16(m + 10); }

#endif
