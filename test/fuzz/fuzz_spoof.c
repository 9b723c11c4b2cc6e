/* Answers that rules make up: whole messages to the same question, or nothing at all; and SVCB
 * data. */
#include <stdlib.h>

#include "core/dns/spoof.h"
#include "core/dns/svcb.h"

#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const uint8_t octets[] = "\xc0\0\2\1\x20\1\xd\xb8\0\0\0\0\0\0\0\1\1t";

static const struct spoof_value values[] = {
	{octets, 4}, {octets, 16}, {octets + 1, 4}, {octets + 2, 16}, {octets + 2, 4}, {octets, 0},
};

/* Priority, target, and hints of both kinds. */
static const struct spoof_value bindings[] = {
	{(const uint8_t *)"\0\1\0\0\4\0\4\xc0\0\2\1", 11},
	{(const uint8_t *)"\0\2\1t\0\0\4\0\x08\xc0\0\2\1\xc0\0\2\2", 17},
	{(const uint8_t *)"\0\0\1t\0", 5},
};

static uint32_t draws;

static uint32_t below(uint32_t n)
{
	draws = draws * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)draws * n >> 32);
}

struct made {
	uint8_t *out;
	size_t cap;
	const uint8_t *query;
	const struct question *q;
	const struct spoof *how;
	uint8_t arg;
};

static size_t make_negative(const struct made *m)
{
	static const struct soa_times times = {1, 2, 3, 4, 5};
	uint8_t rdata[SOA_RDATA_MAX];
	struct answer_record soa = {
		.owner = octets + 16,
		.owner_len = 3,
		.type = TYPE_SOA,
		.ttl_s = 60,
		.rdata = rdata,
		.rdata_len = soa_rdata(rdata, octets + 16, 3, octets + 18, 1, &times),
	};

	return msg_spoof_negative(m->out, m->cap, m->query, m->q, &m->how->form, RCODE_NXDOMAIN,
				  m->arg & 1 ? SECTION_AUTHORITY : SECTION_ADDITIONAL, &soa);
}

static size_t make(const struct made *m, unsigned what)
{
	switch (what) {
	case 0:
		return msg_spoof_addrs(m->out, m->cap, m->query, m->q, m->how, values, m->arg % 6);
	case 1:
		return msg_spoof_raw(m->out, m->cap, m->query, m->q, m->how, m->arg, values,
				     m->arg % 7);
	case 2:
		return msg_spoof_cname(m->out, m->cap, m->query, m->q, m->how, octets + 16, 3);
	case 3:
		return msg_spoof_svc(m->out, m->cap, m->query, m->q, m->how, bindings, m->arg % 4);
	case 4:
		return make_negative(m);
	}
	return msg_answer_empty(m->out, m->cap, m->cap, m->q, m->arg, &m->how->form);
}

/* The answer is whole, and to the question; records have its class, and OPT is last if it is there.
 */
static void check(const struct made *m, size_t n, bool has_opt)
{
	struct record_walk w;
	struct record rec;
	struct question q;
	struct opt opt;

	CHECK(n <= m->cap && (msg_flags(m->out) & DNS_QR));
	CHECK(msg_first_question(m->out, n, &q) == 0 && memcmp(&q, m->q, sizeof(q)) == 0);
	CHECK(msg_end(m->out, n, &q) == n && msg_opt(m->out, n, &q, &opt) == 0);
	CHECK(opt.at == 0 || (has_opt && opt.is_last && opt.payload == m->how->form.payload));
	records_begin(&w, m->out, n, &q);
	while (records_next(&w, &rec))
		CHECK(rec.type == TYPE_OPT || rec.class == q.qclass || q.qtype == TYPE_OPT);
}

static void check_spoof(const uint8_t *data, const uint8_t *query, size_t len,
			const struct question *q, const struct opt *opt)
{
	struct spoof how = {
		.form = {.bits = {data[1] % 3, data[1] / 3 % 3, data[1] / 9 % 3},
			 .opt = opt,
			 .payload = 1400},
		.ttl_s = data[2],
		.below = data[2] & 1 ? below : NULL,
	};
	struct made m = {.cap = len + data[1], .query = query, .q = q, .how = &how, .arg = data[2]};
	unsigned what = data[0] % 6;
	uint8_t *elsewhere = malloc(m.cap);
	size_t n, again;

	m.out = malloc(m.cap);
	memcpy(m.out, query, len);
	m.query = m.out;
	draws = data[2];
	n = make(&m, what);
	if (n == 0)
		CHECK(memcmp(m.out, query, len) == 0);
	else
		check(&m, n, opt->at != 0);
	/* The same is made in another buffer, where it is another. */
	if (what != 5) {
		struct made other = m;

		other.out = elsewhere;
		other.query = query;
		draws = data[2];
		again = make(&other, what);
		CHECK(again == n && memcmp(elsewhere, m.out, n) == 0);
	}
	free(elsewhere);
	free(m.out);
}

/* Parameters from what is left of the input, as far as it goes. */
static void check_svcb(const uint8_t *data, size_t len)
{
	struct wire_rd r = {.pos = data, .end = data + len};
	struct svc_param others[4];
	struct svc_value alpn[3];
	uint16_t mandatory[4], last = 0;
	struct svc_params p = {
		.priority = rd_u8(&r),
		.target = octets + 18,
		.target_len = 1,
		.mandatory = mandatory,
		.n_mandatory = rd_u8(&r) % 5,
		.alpn = alpn,
		.n_alpn = rd_u8(&r) % 4,
		.no_default_alpn = rd_u8(&r) & 1,
		.has_port = rd_u8(&r) & 1,
		.others = others,
		.n_others = rd_u8(&r) % 5,
	};
	uint8_t out[512];
	struct err err;
	int n;

	for (size_t i = 0; i < ARRAY_LEN(mandatory); i++)
		mandatory[i] = rd_u8(&r) % 12;
	for (size_t i = 0; i < ARRAY_LEN(alpn); i++)
		alpn[i] = (struct svc_value){octets, rd_u8(&r) % 5};
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		others[i] = (struct svc_param){rd_u8(&r), {octets, rd_u8(&r) % 9}};
	n = svc_rdata(&p, out, rd_u8(&r), &err);
	CHECK(n > 0 || (n == -EINVAL && err.text[0] != '\0'));
	if (n < 0)
		return;
	/* Keys ascend, and the lengths are right. */
	r = (struct wire_rd){.pos = out, .end = out + n};
	rd_skip(&r, 2);
	CHECK(rd_name_len(&r) == 1);
	for (bool first = true; rd_left(&r) > 0; first = false) {
		uint16_t key = rd_u16(&r);

		CHECK(first || key > last);
		last = key;
		rd_skip(&r, rd_u16(&r));
		CHECK(!r.bad);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const uint8_t *query = data + 3;
	struct question q;
	struct opt opt;

	check_svcb(data, len);
	if (len < 3 + DNS_HEADER_LEN || msg_first_question(query, len - 3, &q) < 0 ||
	    msg_opt(query, len - 3, &q, &opt) < 0)
		return 0;
	check_spoof(data, query, len - 3, &q, &opt);
	return 0;
}
