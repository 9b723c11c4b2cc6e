/* Messages of our own making: an answer cut down, an answer built from a query, a query. */
#include "core/dns/answer.h"

#define RECORD_FIXED 10 /* type, class, TTL, length of the data */

#define POINTER_LEN         2
#define POINTER_TO_QUESTION (0xc000 | DNS_HEADER_LEN)

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

size_t answer_record_len(const struct answer_record *rec)
{
	return (rec->owner != NULL ? rec->owner_len : POINTER_LEN) + RECORD_FIXED + rec->rdata_len;
}

static size_t opt_len(const struct answer_form *form)
{
	return form->opt != NULL && form->opt->at != 0 ? OPT_FIXED : 0;
}

size_t answer_room(size_t cap, const struct question *q, const struct answer_form *form)
{
	size_t taken = question_end(q) + opt_len(form);

	return cap > taken ? cap - taken : 0;
}

/* A bit of an answer's flags. */
static unsigned flag(uint8_t want, unsigned usual, unsigned bit)
{
	return want == ANSWER_BIT_SET ? bit : want == ANSWER_BIT_CLEAR ? 0 : usual;
}

static unsigned answer_flags(unsigned query, const struct answer_bits *bits, unsigned rcode)
{
	static const unsigned kept = DNS_OPCODE_MASK | DNS_RD | DNS_CD;

	return DNS_QR | (query & kept) | flag(bits->aa, 0, DNS_AA) | flag(bits->ad, 0, DNS_AD) |
	       flag(bits->ra, query & DNS_RD ? DNS_RA : 0, DNS_RA) | (rcode & DNS_RCODE_MASK);
}

int answer_begin(struct answer *a, uint8_t *out, size_t cap, const uint8_t *query,
		 const struct question *q, unsigned rcode, const struct answer_form *form)
{
	size_t end = question_end(q), opt = opt_len(form);

	if (cap < end)
		return -ENOSPC;
	if (out != query)
		memcpy(out, query, end);
	*a = (struct answer){
		.msg = out,
		.qclass = q->qclass,
		.payload = form->payload,
		.ext_rcode = (uint8_t)(rcode >> 4),
		.has_question = q->name_len != 0,
		.has_opt = opt != 0 && cap - end >= opt,
		.dnssec_ok = opt != 0 && form->opt->dnssec_ok,
	};
	a->w.pos = out + end;
	a->w.end = out + cap - (a->has_opt ? opt : 0);
	msg_set_flags(out, (uint16_t)answer_flags(msg_flags(out), &form->bits, rcode));
	put_u16(out + 4, a->has_question);
	return 0;
}

bool answer_add(struct answer *a, enum section section, const struct answer_record *rec)
{
	uint8_t *p;

	assert(section >= a->section && section < SECTION_END);
	assert(rec->owner != NULL || a->has_question);
	if (rec->rdata_len > UINT16_MAX || a->counts[section] == UINT16_MAX ||
	    (size_t)(a->w.end - a->w.pos) < answer_record_len(rec))
		return false;
	if (rec->owner != NULL)
		wr_bytes(&a->w, rec->owner, rec->owner_len);
	else
		wr_u16(&a->w, POINTER_TO_QUESTION);
	p = wr_room(&a->w, RECORD_FIXED);
	put_u16(p, rec->type);
	put_u16(p + 2, a->qclass);
	put_u32(p + 4, rec->ttl_s);
	put_u16(p + 8, (uint16_t)rec->rdata_len);
	wr_bytes(&a->w, rec->rdata, rec->rdata_len);
	a->section = (uint8_t)section;
	a->counts[section]++;
	return true;
}

size_t answer_end(struct answer *a)
{
	uint8_t *p = a->w.pos;

	if (a->has_opt) {
		memset(p, 0, OPT_FIXED);
		put_u16(p + 1, TYPE_OPT);
		put_u16(p + 3, a->payload);
		p[5] = a->ext_rcode;
		p[7] = a->dnssec_ok ? 0x80 : 0;
		p += OPT_FIXED;
		a->counts[SECTION_ADDITIONAL]++;
	}
	for (unsigned i = 0; i < SECTION_END; i++)
		put_u16(a->msg + 6 + 2 * i, a->counts[i]);
	return (size_t)(p - a->msg);
}

size_t msg_answer_empty(uint8_t *msg, size_t len, size_t cap, const struct question *q,
			unsigned rcode, const struct answer_form *form)
{
	struct answer a;

	return answer_begin(&a, msg, cap, msg, q, rcode, form) == 0 ? answer_end(&a) : 0;
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
