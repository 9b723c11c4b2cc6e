/* EDNS options: finding one, and the client subnet put into a query and out of its answer (RFC
 * 7871). */
#include "core/dns/edit.h"

#define OPTION_FIXED   4
#define ECS_FIXED      4 /* family, two prefix lengths */
#define ECS_OPTION_MAX (OPTION_FIXED + ECS_FIXED + 16)

/* What the payload size of an OPT of ours says: no more than a client without EDNS takes. */
#define PAYLOAD_WITHOUT_EDNS 512

#define TYPE_SIG  24
#define TYPE_TSIG 250

static struct wire_rd options_of(const uint8_t *msg, const struct opt *opt)
{
	return (struct wire_rd){.pos = msg + opt->at + OPT_FIXED, .end = msg + opt->at + opt->len};
}

const uint8_t *opt_find(const uint8_t *msg, const struct opt *opt, uint16_t code,
			uint16_t *data_len)
{
	struct wire_rd r = options_of(msg, opt);

	if (opt->at == 0)
		return NULL;
	while (rd_left(&r) > 0 && !r.bad) {
		uint16_t found = rd_u16(&r);
		const uint8_t *data;

		*data_len = rd_u16(&r);
		data = rd_skip(&r, *data_len);
		if (found == code)
			return data;
	}
	return NULL;
}

/* Octets of all options with this code, their own headers included; -1 when an option is cut short.
 */
static long options_len(const uint8_t *msg, const struct opt *opt, uint16_t code)
{
	struct wire_rd r = options_of(msg, opt);
	long sum = 0;

	while (rd_left(&r) > 0 && !r.bad) {
		uint16_t found = rd_u16(&r);
		uint16_t n = rd_u16(&r);

		rd_skip(&r, n);
		if (found == code)
			sum += OPTION_FIXED + n;
	}
	return r.bad ? -1 : sum;
}

/* Moves the other options together, so that as many octets as options_len said are free behind
 * them. */
static void options_drop(uint8_t *msg, const struct opt *opt, uint16_t code)
{
	struct wire_rd r = options_of(msg, opt);
	uint8_t *to = msg + opt->at + OPT_FIXED;

	while (rd_left(&r) > 0) {
		const uint8_t *option = r.pos;
		uint16_t found = rd_u16(&r);
		size_t n = (size_t)OPTION_FIXED + rd_u16(&r);

		rd_skip(&r, n - OPTION_FIXED);
		if (found == code)
			continue;
		memmove(to, option, n);
		to += n;
	}
}

/* Where the OPT of a message is, and what is around it. */
struct place {
	struct opt opt;
	unsigned n_after; /* records that follow it */
	size_t end;       /* of the last record */
	bool is_signed;   /* TSIG or SIG(0): any change makes the signature wrong */
};

static int place_find(const uint8_t *msg, size_t len, const struct question *q, struct place *p)
{
	struct record_walk w;
	struct record rec;

	memset(p, 0, sizeof(*p));
	if (msg_opt(msg, len, q, &p->opt) < 0)
		return -EBADMSG;
	records_begin(&w, msg, len, q);
	while (records_next(&w, &rec)) {
		p->n_after +=
			rec.section == SECTION_ADDITIONAL && p->opt.at != 0 && rec.at > p->opt.at;
		p->is_signed |= rec.section == SECTION_ADDITIONAL &&
				(rec.type == TYPE_TSIG || rec.type == TYPE_SIG);
	}
	p->end = (size_t)(w.r.pos - msg);
	return w.r.bad ? -EBADMSG : 0;
}

/* RFC 7871 6; bits beyond the prefix are not sent, or are zero. */
static size_t ecs_write(uint8_t out[static ECS_OPTION_MAX], const uint8_t *addr, size_t addr_len,
			unsigned prefix)
{
	size_t n;

	if (prefix > addr_len * 8)
		prefix = (unsigned)addr_len * 8;
	n = (prefix + 7) / 8;
	put_u16(out, EDNS_ECS);
	put_u16(out + 2, (uint16_t)(ECS_FIXED + n));
	put_u16(out + 4, addr_len == 4 ? 1 : 2);
	out[6] = (uint8_t)prefix;
	out[7] = 0; /* scope: for the server to say */
	memcpy(out + 8, addr, n);
	if (prefix % 8 != 0)
		out[8 + n - 1] &= (uint8_t)(0xff << (8 - prefix % 8));
	return OPTION_FIXED + ECS_FIXED + n;
}

/* A whole OPT with this option, at the end of the message. */
static size_t append_opt(uint8_t *msg, size_t end, size_t cap, const uint8_t *option, size_t n)
{
	struct wire_wr w = {.pos = msg + end, .end = msg + cap};
	uint8_t *p = wr_room(&w, OPT_FIXED + n);

	if (p == NULL || msg_arcount(msg) == UINT16_MAX)
		return 0;
	memset(p, 0, OPT_FIXED);
	put_u16(p + 1, TYPE_OPT);
	put_u16(p + 3, PAYLOAD_WITHOUT_EDNS);
	put_u16(p + 9, (uint16_t)n);
	memcpy(p + OPT_FIXED, option, n);
	put_u16(msg + 10, (uint16_t)(msg_arcount(msg) + 1));
	return end + OPT_FIXED + n;
}

/* Takes all client subnet options out of the OPT, and puts this one (n may be 0) behind the others.
 */
static size_t replace_ecs(uint8_t *msg, size_t len, size_t cap, const struct place *p,
			  const uint8_t *option, size_t n)
{
	long had = options_len(msg, &p->opt, EDNS_ECS);
	size_t keep = p->opt.len - (size_t)had; /* octets of the OPT before the new option */
	size_t new_len;

	if (had < 0 || keep + n - OPT_FIXED > UINT16_MAX)
		return 0;
	if (msg_splice_len(msg, len, cap, p->opt.at + keep, (size_t)had, n, p->n_after) == 0)
		return 0;
	options_drop(msg, &p->opt, EDNS_ECS);
	new_len = msg_splice(msg, len, cap, p->opt.at + keep, (size_t)had, n, p->n_after);
	if (n > 0)
		memcpy(msg + p->opt.at + keep, option, n);
	put_u16(msg + p->opt.at + OPT_FIXED - 2, (uint16_t)(keep + n - OPT_FIXED));
	return new_len;
}

size_t msg_add_ecs(uint8_t *msg, size_t len, size_t cap, const struct question *q,
		   const uint8_t *addr, size_t addr_len, unsigned prefix, bool override,
		   enum ecs_added *added)
{
	uint8_t option[ECS_OPTION_MAX];
	struct place p;
	uint16_t data_len;
	size_t n, new_len;
	bool had;

	*added = ECS_NONE;
	if (place_find(msg, len, q, &p) < 0)
		return 0;
	had = opt_find(msg, &p.opt, EDNS_ECS, &data_len) != NULL;
	if (p.is_signed || (had && !override))
		return p.end;
	n = ecs_write(option, addr, addr_len, prefix);
	if (p.opt.at == 0) {
		new_len = append_opt(msg, p.end, cap, option, n);
		*added = new_len ? ECS_ADDED_OPT : ECS_NONE;
	} else {
		new_len = replace_ecs(msg, len, cap, &p, option, n);
		*added = new_len && !had ? ECS_ADDED_OPTION : ECS_NONE;
	}
	return new_len;
}

/* Takes the OPT record out. An rcode above 15 is gone with it: what remains must not read as
 * another. */
static size_t remove_opt(uint8_t *msg, size_t len, const struct place *p)
{
	size_t new_len = msg_splice(msg, len, len, p->opt.at, p->opt.len, 0, p->n_after);

	if (new_len == 0)
		return 0;
	put_u16(msg + 10, (uint16_t)(msg_arcount(msg) - 1));
	if (p->opt.ext_rcode != 0)
		msg_set_flags(msg, (msg_flags(msg) & ~DNS_RCODE_MASK) | RCODE_SERVFAIL);
	return new_len;
}

size_t msg_remove_ecs(uint8_t *msg, size_t len, enum ecs_added added)
{
	struct question q = {.name_len = 0};
	struct place p;
	size_t new_len = 0;

	if (added == ECS_NONE || len < DNS_HEADER_LEN ||
	    (msg_qdcount(msg) != 0 && msg_question(msg, len, &q) < 0) ||
	    place_find(msg, len, &q, &p) < 0 || p.opt.at == 0)
		return len;
	if (added == ECS_ADDED_OPT)
		new_len = remove_opt(msg, len, &p);
	else if (options_len(msg, &p.opt, EDNS_ECS) > 0)
		new_len = replace_ecs(msg, len, len, &p, NULL, 0);
	return new_len ? new_len : len;
}

int msg_ecs(const uint8_t *msg, const struct opt *opt, struct ecs *out)
{
	uint16_t len;
	const uint8_t *data = opt_find(msg, opt, EDNS_ECS, &len);
	unsigned width, spare;

	memset(out, 0, sizeof(*out));
	if (data == NULL)
		return 0;
	if (len < ECS_FIXED)
		return -EBADMSG;
	width = data[0] != 0 ? 0 : data[1] == 1 ? 32 : data[1] == 2 ? 128 : 0;
	if (data[2] > width || data[3] > width || len != ECS_FIXED + (data[2] + 7) / 8)
		return -EBADMSG;
	/* Bits beyond the prefix must be zero (RFC 7871 6). */
	spare = data[2] % 8;
	if (spare != 0 && (data[len - 1] & (0xff >> spare)) != 0)
		return -EBADMSG;
	out->present = true;
	out->family = data[1];
	out->source_bits = data[2];
	out->scope_bits = data[3];
	memcpy(out->addr, data + ECS_FIXED, len - ECS_FIXED);
	return 0;
}
