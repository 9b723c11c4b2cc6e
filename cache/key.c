/*
 * The key: octets 2-11 of the query's header, the name in lower case, everything behind it, and one
 * octet that says how it came. Where the content of options is skipped that octet says so too: else
 * a broken OPT that ends where the content was skipped would have the key of a sound one.
 */
#include "cache/internal.h"
#include "core/hash.h"

/* Comparing works in words and may look 7 octets behind the key's end. */
#define KEY_SLOP 8

static inline void copy_lower8(uint8_t *out, const uint8_t *in)
{
	uint64_t v;

	memcpy(&v, in, 8);
	v = name_lower8(v);
	memcpy(out, &v, 8);
}

/*
 * Header and question. Whole words, the last of which overlaps the one before: it ends with the
 * question, so nothing behind the message is read, and the octets around the name are set right
 * afterwards.
 */
static void key_question(uint8_t *out, const uint8_t *msg, const struct question *q)
{
	const uint8_t *name = msg + DNS_HEADER_LEN;
	uint8_t *to = out + CACHE_KEY_NAME;
	size_t len = q->name_len + 4u, i;

	for (i = 0; i + 8 <= len; i += 8)
		copy_lower8(to + i, name + i);
	if (i < len)
		copy_lower8(to + len - 8, name + len - 8);
	memcpy(out, msg + 2, CACHE_KEY_NAME);
	memcpy(to + q->name_len, name + q->name_len, 4);
}

bool key_skips(const struct cache *c, uint16_t code)
{
	if (code < 64)
		return c->skip_low >> code & 1;
	for (unsigned i = 0; i < c->options.n_skip_options; i++) {
		if (c->options.skip_options[i] == code)
			return true;
	}
	return false;
}

/* The largest rank not above the payload; smaller ones stay. */
static uint16_t payload_rank(const struct cache_options *o, uint16_t payload)
{
	for (unsigned i = o->n_payload_ranks; i-- > 0;) {
		if (o->payload_ranks[i] <= payload)
			return o->payload_ranks[i];
	}
	return payload;
}

/* Most queries have an OPT without options, or none: nothing to skip. */
static bool may_be_edited(const struct cache *c, const struct opt *opt)
{
	return opt->at != 0 && !c->key_plain &&
	       (opt->len > OPT_FIXED || c->options.n_payload_ranks != 0);
}

/* One question, one OPT behind it, and nothing else: the only shape in which anything is left out.
 */
static bool is_simple(const uint8_t *msg, const struct question *q, const struct opt *opt)
{
	return opt->at == q->end && opt->is_last && msg_qdcount(msg) == 1 &&
	       msg_ancount(msg) == 0 && msg_nscount(msg) == 0 && msg_arcount(msg) == 1;
}

/*
 * The OPT without the content of skipped options. Returns its length, 0 when the options do not
 * fill the record exactly: then it is to be taken as it is.
 */
static size_t key_opt(const struct cache *c, const uint8_t *record, size_t len, uint8_t *out)
{
	const struct wire_rd whole = {.pos = record, .end = record + len};
	struct wire_rd r = whole;
	uint8_t *p = out;

	memcpy(p, rd_skip(&r, OPT_FIXED), OPT_FIXED);
	put_u16(p + 3, payload_rank(&c->options, get_u16(p + 3)));
	p += OPT_FIXED;
	while (rd_left(&r) > 0) {
		const uint8_t *option = r.pos;
		uint16_t code = rd_u16(&r), data_len = rd_u16(&r);
		size_t keep = key_skips(c, code) ? 4 : 4u + data_len;

		rd_skip(&r, data_len);
		if (r.bad)
			return 0;
		memcpy(p, option, keep);
		p += keep;
	}
	return (size_t)(p - out);
}

void cache_key(const struct cache *c, const uint8_t *msg, size_t len, const struct question *q,
	       const struct opt *opt, bool over_udp, struct cache_key *key)
{
	size_t tail_len = len - q->end, opt_len = 0;
	uint8_t *tail = key->bytes + q->end - 2, how = over_udp ? KEY_UDP : 0;

	key->len = 0;
	if (len + KEY_SLOP > CACHE_KEY_MAX || q->qtype == TYPE_AXFR || q->qtype == TYPE_IXFR)
		return;

	key_question(key->bytes, msg, q);
	if (may_be_edited(c, opt) && is_simple(msg, q, opt))
		opt_len = key_opt(c, msg + opt->at, opt->len, tail);
	if (opt_len != 0) {
		tail_len = opt_len;
		how |= KEY_SKIPPED;
	} else {
		memcpy(tail, msg + q->end, tail_len);
	}
	tail[tail_len] = how;
	key->name_len = (uint8_t)q->name_len;
	key->dnssec_ok = opt->at != 0 && opt->dnssec_ok;
	key->len = (uint16_t)(q->end - 2u + tail_len + 1);
	key->hash = hash_bytes(key->bytes, key->len);
}
