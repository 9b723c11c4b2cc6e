/* See spoof.h. */
#include "core/dns/spoof.h"

#include "core/dns/svcb.h"

/* No message has more records: header, the smallest question, and records of an empty rdata. */
#define PICKS_MAX ((DNS_MESSAGE_MAX - DNS_HEADER_LEN - 5) / 12)

/* The values of which an answer is made, by their numbers. */
struct picks {
	unsigned n;
	uint16_t at[PICKS_MAX];
};

/* Draws the next one from those not drawn yet, which are at[i] and behind it. */
static unsigned draw(struct picks *p, unsigned i, const struct spoof *how)
{
	unsigned j = how->below != NULL ? i + how->below(p->n - i) : i;
	uint16_t drawn = p->at[j];

	p->at[j] = p->at[i];
	p->at[i] = drawn;
	return drawn;
}

static uint16_t addr_type(const struct spoof_value *addr)
{
	return addr->len == 4 ? TYPE_A : TYPE_AAAA;
}

/* The records of these values, in the order drawn; type 0: the type of each address. */
static size_t answer_values(uint8_t *out, size_t cap, const uint8_t *query,
			    const struct question *q, const struct spoof *how, uint16_t type,
			    const struct spoof_value *values, struct picks *p)
{
	size_t room = answer_room(cap, q, &how->form);
	struct answer a = {.msg = NULL};

	if (q->name_len == 0)
		return 0;
	for (unsigned i = 0; i < p->n; i++) {
		const struct spoof_value *v = &values[draw(p, i, how)];
		struct answer_record rec = {
			.type = type != 0 ? type : addr_type(v),
			.ttl_s = how->ttl_s,
			.rdata = v->data,
			.rdata_len = v->len,
		};

		/* Before the first one that fits nothing is written. */
		if (answer_record_len(&rec) > room)
			continue;
		if (a.msg == NULL)
			answer_begin(&a, out, cap, query, q, RCODE_NOERROR, &how->form);
		answer_add(&a, SECTION_ANSWER, &rec);
		room -= answer_record_len(&rec);
	}
	return a.msg != NULL ? answer_end(&a) : 0;
}

size_t msg_spoof_addrs(uint8_t *out, size_t cap, const uint8_t *query, const struct question *q,
		       const struct spoof *how, const struct spoof_value *addrs, size_t n)
{
	struct picks p;

	p.n = 0;
	for (size_t i = 0; i < n && p.n < PICKS_MAX; i++)
		if (q->qtype == TYPE_ANY || q->qtype == addr_type(&addrs[i]))
			p.at[p.n++] = (uint16_t)i;
	return answer_values(out, cap, query, q, how, 0, addrs, &p);
}

size_t msg_spoof_raw(uint8_t *out, size_t cap, const uint8_t *query, const struct question *q,
		     const struct spoof *how, uint16_t type_for_any,
		     const struct spoof_value *values, size_t n)
{
	bool is_any = q->qtype == TYPE_ANY && type_for_any != 0;
	struct picks p;

	for (p.n = 0; p.n < n && p.n < PICKS_MAX; p.n++)
		p.at[p.n] = (uint16_t)p.n;
	return answer_values(out, cap, query, q, how, is_any ? type_for_any : q->qtype, values, &p);
}

/* An answer of one record. */
static size_t answer_one(uint8_t *out, size_t cap, const uint8_t *query, const struct question *q,
			 const struct answer_form *form, unsigned rcode, enum section section,
			 const struct answer_record *rec)
{
	struct answer a;

	if (q->name_len == 0 || answer_record_len(rec) > answer_room(cap, q, form))
		return 0;
	answer_begin(&a, out, cap, query, q, rcode, form);
	answer_add(&a, section, rec);
	return answer_end(&a);
}

size_t msg_spoof_cname(uint8_t *out, size_t cap, const uint8_t *query, const struct question *q,
		       const struct spoof *how, const uint8_t *target, size_t target_len)
{
	struct answer_record rec = {
		.type = TYPE_CNAME,
		.ttl_s = how->ttl_s,
		.rdata = target,
		.rdata_len = target_len,
	};

	return answer_one(out, cap, query, q, &how->form, RCODE_NOERROR, SECTION_ANSWER, &rec);
}

/* The addresses of a hint in the data of a record, and the record's target. */
struct hints {
	const uint8_t *target;
	size_t target_len;
	struct wire_rd addrs;
	unsigned width;
};

static struct hints hints_of(const struct spoof_value *v, uint16_t key)
{
	struct wire_rd r = {.pos = v->data, .end = v->data + v->len};
	struct hints h = {.width = key == SVC_IPV4HINT ? 4 : 16};

	rd_skip(&r, 2); /* priority */
	h.target = r.pos;
	h.target_len = rd_name_len(&r);
	while (rd_left(&r) > 0 && !r.bad) {
		uint16_t found = rd_u16(&r), n = rd_u16(&r);
		const uint8_t *data = rd_skip(&r, n);

		if (found == key && data != NULL)
			h.addrs = (struct wire_rd){.pos = data, .end = data + n};
	}
	return h;
}

/* Whether one of the first n records gives this address for this target. */
static bool hinted_before(const struct spoof_value *rdatas, size_t n, uint16_t key,
			  const struct hints *of, const uint8_t *addr)
{
	for (size_t i = 0; i < n; i++) {
		struct hints h = hints_of(&rdatas[i], key);
		const uint8_t *other;

		if (h.target_len != of->target_len ||
		    !name_equal(h.target, of->target, of->target_len))
			continue;
		while ((other = rd_skip(&h.addrs, h.width)) != NULL)
			if (memcmp(other, addr, h.width) == 0)
				return true;
	}
	return false;
}

static void add_hints(struct answer *a, const struct spoof_value *rdatas, size_t i, uint16_t key,
		      uint32_t ttl_s)
{
	struct hints h = hints_of(&rdatas[i], key);
	const uint8_t *addr;

	while (h.addrs.pos != NULL && (addr = rd_skip(&h.addrs, h.width)) != NULL) {
		struct answer_record rec = {
			.owner = h.target_len > 1 ? h.target : NULL,
			.owner_len = h.target_len,
			.type = key == SVC_IPV4HINT ? TYPE_A : TYPE_AAAA,
			.ttl_s = ttl_s,
			.rdata = addr,
			.rdata_len = h.width,
		};

		if (!hinted_before(rdatas, i, key, &h, addr))
			answer_add(a, SECTION_ADDITIONAL, &rec);
	}
}

size_t msg_spoof_svc(uint8_t *out, size_t cap, const uint8_t *query, const struct question *q,
		     const struct spoof *how, const struct spoof_value *rdatas, size_t n)
{
	struct answer_record rec = {.type = q->qtype, .ttl_s = how->ttl_s};
	struct answer a;
	size_t fit = 0; /* records from the first one on: the order is the operator's */

	if (n == 0 || q->name_len == 0 || (q->qtype != TYPE_SVCB && q->qtype != TYPE_HTTPS))
		return 0;
	rec.rdata_len = rdatas[0].len;
	if (answer_record_len(&rec) > answer_room(cap, q, &how->form))
		return 0;
	answer_begin(&a, out, cap, query, q, RCODE_NOERROR, &how->form);
	for (bool fits = true; fits && fit < n; fit += fits) {
		rec.rdata = rdatas[fit].data;
		rec.rdata_len = rdatas[fit].len;
		fits = answer_add(&a, SECTION_ANSWER, &rec);
	}
	for (size_t i = 0; i < fit; i++) {
		add_hints(&a, rdatas, i, SVC_IPV4HINT, how->ttl_s);
		add_hints(&a, rdatas, i, SVC_IPV6HINT, how->ttl_s);
	}
	return answer_end(&a);
}

size_t soa_rdata(uint8_t out[static SOA_RDATA_MAX], const uint8_t *mname, size_t mname_len,
		 const uint8_t *rname, size_t rname_len, const struct soa_times *times)
{
	struct wire_wr w = {.pos = out, .end = out + SOA_RDATA_MAX};

	wr_bytes(&w, mname, mname_len);
	wr_bytes(&w, rname, rname_len);
	wr_u32(&w, times->serial);
	wr_u32(&w, times->refresh_s);
	wr_u32(&w, times->retry_s);
	wr_u32(&w, times->expire_s);
	wr_u32(&w, times->minimum_s);
	return (size_t)(w.pos - out);
}

size_t msg_spoof_negative(uint8_t *out, size_t cap, const uint8_t *query, const struct question *q,
			  const struct answer_form *form, unsigned rcode, enum section section,
			  const struct answer_record *soa)
{
	return answer_one(out, cap, query, q, form, rcode, section, soa);
}
