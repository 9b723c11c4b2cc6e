/* Messages of our own making: an answer cut down, an answer without records, a query. */
#include "core/dns/message.h"

/* The counts of a message that has its first question and this many additional records. */
static void set_counts(uint8_t *msg, const struct question *q, unsigned additional)
{
	put_u16(msg + 4, q->name_len != 0);
	put_u32(msg + 6, 0);
	put_u16(msg + 10, (uint16_t)additional);
}

/* Without a question (QDCOUNT 0) q is all zero, and the message ends with the header. */
static size_t question_end(const struct question *q)
{
	return q->name_len != 0 ? q->end : DNS_HEADER_LEN;
}

size_t msg_truncate(uint8_t *msg, size_t len, const struct question *q, const struct opt *opt)
{
	size_t end = question_end(q);

	msg_set_flags(msg, (uint16_t)(msg_flags(msg) | DNS_TC));
	if (opt == NULL || opt->at == 0) {
		set_counts(msg, q, 0);
		return end;
	}
	set_counts(msg, q, 1);
	memmove(msg + end, msg + opt->at, OPT_FIXED);
	put_u16(msg + end + OPT_FIXED - 2, 0);
	return end + OPT_FIXED;
}

size_t msg_answer_empty(uint8_t *msg, size_t len, size_t cap, const struct question *q,
			unsigned rcode, const struct opt *opt, uint16_t payload)
{
	static const unsigned kept = DNS_OPCODE_MASK | DNS_RD | DNS_CD;
	unsigned flags = msg_flags(msg);
	size_t end = question_end(q);
	uint8_t *p = msg + end;

	flags = DNS_QR | (flags & kept) | (flags & DNS_RD ? DNS_RA : 0) | (rcode & DNS_RCODE_MASK);
	msg_set_flags(msg, (uint16_t)flags);
	if (opt == NULL || opt->at == 0 || cap - end < OPT_FIXED) {
		set_counts(msg, q, 0);
		return end;
	}
	set_counts(msg, q, 1);
	memset(p, 0, OPT_FIXED);
	put_u16(p + 1, TYPE_OPT);
	put_u16(p + 3, payload);
	p[5] = (uint8_t)(rcode >> 4);
	p[7] = opt->dnssec_ok ? 0x80 : 0;
	return end + OPT_FIXED;
}

size_t msg_make_query(uint8_t *out, uint16_t id, uint16_t flags, const uint8_t *name,
		      size_t name_len, uint16_t qtype, uint16_t qclass)
{
	uint8_t *p = out + DNS_HEADER_LEN + name_len;

	memset(out, 0, DNS_HEADER_LEN);
	msg_set_id(out, id);
	msg_set_flags(out, flags);
	put_u16(out + 4, 1);
	memcpy(out + DNS_HEADER_LEN, name, name_len);
	put_u16(p, qtype);
	put_u16(p + 2, qclass);
	return DNS_HEADER_LEN + name_len + 4;
}
