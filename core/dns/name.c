/* Domain names on the wire: reading, comparing, and their case. The text form is in text.c. */
#include "core/dns/name.h"

/* Of the two top bits of a label's first octet, 11 is a pointer and 01, 10 are not in use (RFC
 * 1035 4.1.4). */
#define POINTER 0xc0

static inline uint64_t load8(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t load4(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Up to seven octets as one number, without a loop: two loads that overlap, or three octets. */
static inline uint64_t load_short(const uint8_t *p, size_t len)
{
	if (len >= 4)
		return load4(p) | load4(p + len - 4) << 32;
	if (len == 0)
		return 0;
	return (uint64_t)p[0] | (uint64_t)p[len / 2] << 8 | (uint64_t)p[len - 1] << 16;
}

static inline void lower_short(uint8_t *out, const uint8_t *in, size_t len)
{
	uint64_t v = name_lower8(load_short(in, len));
	uint32_t half;

	if (len >= 4) {
		half = (uint32_t)v;
		memcpy(out, &half, sizeof(half));
		half = (uint32_t)(v >> 32);
		memcpy(out + len - 4, &half, sizeof(half));
	} else if (len > 0) {
		out[0] = (uint8_t)v;
		out[len / 2] = (uint8_t)(v >> 8);
		out[len - 1] = (uint8_t)(v >> 16);
	}
}

void name_lower(uint8_t *out, const uint8_t *in, size_t len)
{
	uint64_t v;

	if (len < sizeof(v)) {
		lower_short(out, in, len);
		return;
	}
	/* The last eight overlap what was done before; lower case twice is lower case. */
	for (size_t i = 0; i < len - sizeof(v); i += sizeof(v)) {
		v = name_lower8(load8(in + i));
		memcpy(out + i, &v, sizeof(v));
	}
	v = name_lower8(load8(in + len - sizeof(v)));
	memcpy(out + len - sizeof(v), &v, sizeof(v));
}

bool name_equal(const uint8_t *a, const uint8_t *b, size_t len)
{
	uint64_t diff = 0;

	if (len < sizeof(diff))
		return name_lower8(load_short(a, len)) == name_lower8(load_short(b, len));
	for (size_t i = 0; i < len - sizeof(diff); i += sizeof(diff))
		diff |= name_lower8(load8(a + i)) ^ name_lower8(load8(b + i));
	a += len - sizeof(diff);
	b += len - sizeof(diff);
	return (diff | (name_lower8(load8(a)) ^ name_lower8(load8(b)))) == 0;
}

bool name_is_under(const uint8_t *name, size_t len, const uint8_t *suffix, size_t suffix_len)
{
	size_t at = 0;

	while (len - at > suffix_len)
		at += (size_t)name[at] + 1;
	return len - at == suffix_len && name_equal(name + at, suffix, suffix_len);
}

unsigned name_labels(const uint8_t *name)
{
	unsigned n = 0;

	for (; *name != 0; name += *name + 1)
		n++;
	return n;
}

size_t rd_name_len(struct wire_rd *r)
{
	size_t room = rd_left(r) < DNS_NAME_MAX ? rd_left(r) : DNS_NAME_MAX;
	size_t at = 0;

	if (r->bad)
		return 0;
	while (at < room) {
		unsigned label = r->pos[at++];

		if (label == 0) {
			r->pos += at;
			return at;
		}
		if (label > DNS_LABEL_MAX)
			break;
		at += label;
	}
	r->bad = true;
	return 0;
}

size_t rd_name(struct wire_rd *r, uint8_t out[static DNS_NAME_MAX])
{
	const uint8_t *name = r->pos;
	size_t len = rd_name_len(r);

	name_lower(out, name, len);
	return len;
}

/*
 * A name's run of labels from `at` on, appended to out. Returns the offset of what ends the run
 * (the root or a pointer), 0 when it is bad. *len is the decompressed length so far.
 */
static size_t run_of_labels(const uint8_t *msg, size_t end, size_t at, uint8_t *out, size_t *len)
{
	while (at < end && msg[at] != 0 && msg[at] < POINTER) {
		size_t n = (size_t)msg[at] + 1;

		/* one octet must stay for the root */
		if (msg[at] > DNS_LABEL_MAX || n > end - at || *len + n > DNS_NAME_MAX - 1)
			return 0;
		if (out != NULL)
			memcpy(out + *len, msg + at, n);
		*len += n;
		at += n;
	}
	if (at >= end || (msg[at] >= POINTER && end - at < 2))
		return 0;
	return at;
}

size_t rd_name_compressed(struct wire_rd *r, const uint8_t *msg, uint8_t *out)
{
	size_t end = (size_t)(r->end - msg);
	size_t start = (size_t)(r->pos - msg); /* of the run of labels being read */
	size_t len = 0, after = 0;

	while (!r->bad) {
		size_t at = run_of_labels(msg, end, start, out, &len);

		if (at == 0)
			break;
		if (after == 0)
			after = at + (msg[at] == 0 ? 1 : 2);
		if (msg[at] == 0) {
			if (out != NULL)
				out[len] = 0;
			r->pos = msg + after;
			return len + 1;
		}
		at = get_u16(msg + at) & 0x3fff;
		/* Each run begins before the last one, so this ends: at worst after as many runs as
		 * octets. */
		if (at >= start || at < DNS_HEADER_LEN)
			break;
		start = at;
	}
	r->bad = true;
	return 0;
}
