/* Whole messages: the question, the OPT record, and what a cache asks of an answer. */
#include "core/dns/record.h"

int msg_question(const uint8_t *msg, size_t len, struct question *q)
{
	struct wire_rd r = {.pos = msg + DNS_HEADER_LEN, .end = msg + len};

	if (len < DNS_HEADER_LEN)
		return -EBADMSG;
	q->name_len = (uint16_t)rd_name_len(&r);
	q->qtype = rd_u16(&r);
	q->qclass = rd_u16(&r);
	q->end = (uint16_t)(r.pos - msg);
	return r.bad ? -EBADMSG : 0;
}

int msg_first_question(const uint8_t *msg, size_t len, struct question *q)
{
	memset(q, 0, sizeof(*q));
	if (len < DNS_HEADER_LEN)
		return -EBADMSG;
	return msg_qdcount(msg) != 0 ? msg_question(msg, len, q) : 0;
}

/* The fields of the OPT record of len octets at this offset. */
static void opt_fields(const uint8_t *msg, size_t at, size_t len, struct opt *opt)
{
	const uint8_t *p = msg + at;

	opt->at = (uint16_t)at;
	opt->len = (uint16_t)len;
	opt->payload = get_u16(p + 3);
	opt->ext_rcode = p[5];
	opt->version = p[6];
	opt->dnssec_ok = p[7] & 0x80;
}

/* A record of type OPT: at most one, with the root as its owner (RFC 6891 6.1.1). */
static int opt_take(const uint8_t *msg, const struct record *rec, struct opt *opt)
{
	if (opt->at != 0 || msg[rec->at] != 0)
		return -EBADMSG;
	opt_fields(msg, rec->at, (size_t)OPT_FIXED + rec->rdata_len, opt);
	return 0;
}

static int opt_walk(const uint8_t *msg, size_t len, const struct question *q, struct opt *opt)
{
	struct record_walk w;
	struct record rec;

	records_begin(&w, msg, len, q);
	while (records_next(&w, &rec)) {
		if (rec.section != SECTION_ADDITIONAL || rec.type != TYPE_OPT)
			continue;
		if (opt_take(msg, &rec, opt) < 0)
			return -EBADMSG;
	}
	opt->is_last = opt->at != 0 && (size_t)opt->at + opt->len == len;
	return w.r.bad ? -EBADMSG : 0;
}

int msg_opt(const uint8_t *msg, size_t len, const struct question *q, struct opt *opt)
{
	/* One question, and in the additional section one record or none. */
	static const uint8_t only_opt[8] = {0, 1, 0, 0, 0, 0, 0, 1};
	static const uint8_t no_record[8] = {0, 1, 0, 0, 0, 0, 0, 0};
	const uint8_t *counts = msg + 4, *p = msg + q->end;
	size_t n;

	memset(opt, 0, sizeof(*opt));
	if (unlikely(q->end > len))
		return -EBADMSG;
	if (memcmp(counts, no_record, sizeof(no_record)) == 0)
		return 0;
	if (unlikely(memcmp(counts, only_opt, sizeof(only_opt)) != 0 || len - q->end < OPT_FIXED ||
		     p[0] != 0 || get_u16(p + 1) != TYPE_OPT))
		return opt_walk(msg, len, q, opt);
	n = OPT_FIXED + (size_t)get_u16(p + 9);
	if (n > len - q->end)
		return -EBADMSG;
	opt_fields(msg, q->end, n, opt);
	opt->is_last = q->end + n == len;
	return 0;
}

size_t msg_end(const uint8_t *msg, size_t len, const struct question *q)
{
	struct record_walk w;
	struct record rec;

	records_begin(&w, msg, len, q);
	while (records_next(&w, &rec))
		;
	return w.r.bad ? 0 : (size_t)(w.r.pos - msg);
}

int msg_answer_info(const uint8_t *msg, size_t len, struct answer_info *info, uint16_t *ttl_at,
		    unsigned max_ttls)
{
	struct record_walk w;
	struct record rec;

	memset(info, 0, sizeof(*info));
	info->min_ttl_s = UINT32_MAX;
	if (msg_first_question(msg, len, &info->question) < 0)
		return -EBADMSG;
	records_begin(&w, msg, len, &info->question);
	while (records_next(&w, &rec)) {
		if (rec.type == TYPE_OPT && rec.section == SECTION_ADDITIONAL) {
			if (opt_take(msg, &rec, &info->opt) < 0)
				return -EBADMSG;
			continue;
		}
		if (info->n_ttls == max_ttls)
			return -E2BIG;
		ttl_at[info->n_ttls++] = rec.ttl_at;
		info->records++;
		/* A TTL with its top bit set counts as zero (RFC 2181 8). */
		if (rec.ttl_s > INT32_MAX)
			rec.ttl_s = 0;
		if (rec.ttl_s < info->min_ttl_s)
			info->min_ttl_s = rec.ttl_s;
		if (rec.type == TYPE_SOA && rec.section == SECTION_AUTHORITY)
			info->soa_in_authority = true;
	}
	info->opt.is_last = info->opt.at != 0 && (size_t)info->opt.at + info->opt.len == len;
	return w.r.bad ? -EBADMSG : 0;
}

bool msg_question_equal(const uint8_t *answer, size_t len, const uint8_t *query,
			const struct question *q)
{
	size_t name_end = (size_t)DNS_HEADER_LEN + q->name_len;

	/* The labels' lengths are among the octets compared, so the answer's name ends where ours
	 * does. */
	return len >= q->end && msg_qdcount(answer) == 1 &&
	       memcmp(answer + name_end, query + name_end, 4) == 0 &&
	       name_equal(answer + DNS_HEADER_LEN, query + DNS_HEADER_LEN, q->name_len);
}
