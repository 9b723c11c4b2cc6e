/* The walk over the records of a message. */
#include "core/dns/record.h"

#define POINTER 0xc0

const uint8_t *rd_name_skip(struct wire_rd *r, const uint8_t *msg)
{
	const uint8_t *start = r->pos;

	for (;;) {
		const uint8_t *at = r->pos;
		uint8_t label = rd_u8(r);
		unsigned target;

		if (label == 0)
			return NULL; /* the root; or the end, since reading past it gives 0 */
		if (label <= DNS_LABEL_MAX) {
			rd_skip(r, label);
			continue;
		}
		target = (label & 0x3fu) << 8 | rd_u8(r);
		if (label >= POINTER && target >= DNS_HEADER_LEN && msg + target < start)
			return at;
		r->bad = true;
		return NULL;
	}
}

void records_begin(struct record_walk *w, const uint8_t *msg, size_t len, const struct question *q)
{
	*w = (struct record_walk){
		.r = {.pos = msg + (q->name_len ? q->end : DNS_HEADER_LEN), .end = msg + len},
		.msg = msg,
		.left = {msg_ancount(msg), msg_nscount(msg), msg_arcount(msg)},
	};
	if (unlikely(q->end > len))
		w->r.bad = true;
	for (unsigned n = msg_qdcount(msg); n > 1 && !w->r.bad; n--) {
		rd_name_skip(&w->r, msg);
		rd_skip(&w->r, 4); /* type and class */
	}
}

bool records_next(struct record_walk *w, struct record *rec)
{
	struct wire_rd *r = &w->r;

	while (w->section < SECTION_END && w->left[w->section] == 0)
		w->section++;
	if (w->section == SECTION_END || r->bad)
		return false;
	w->left[w->section]--;
	rec->section = w->section;
	rec->at = (uint16_t)(r->pos - w->msg);
	rd_name_skip(r, w->msg);
	rec->type = rd_u16(r);
	rec->class = rd_u16(r);
	rec->ttl_at = (uint16_t)(r->pos - w->msg);
	rec->ttl_s = rd_u32(r);
	rec->rdata_len = rd_u16(r);
	rec->rdata_at = (uint16_t)(r->pos - w->msg);
	rd_skip(r, rec->rdata_len);
	return !r->bad;
}
