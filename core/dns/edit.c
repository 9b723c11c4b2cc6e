/* See edit.h. OPT is nearly always the last record, so that most edits move and mend nothing. */
#include "core/dns/edit.h"

#define POINTER_MAX 0x3fff

/* The octets that change, and by how much what follows them moves. */
struct shift {
	size_t from, to; /* offsets as they were */
	long by;
	bool apply;  /* else only look whether it can be done */
	bool failed; /* it can't */
};

/*
 * Where the data of a type has names that may be compressed (RFC 1035 3.3, and those which RFC 3597
 * 4 says older software compresses). All other data has none.
 */
static const struct names_in {
	uint8_t type, octets, strings,
		names; /* octets and character strings come before the names */
} names_in[] = {
	{2, 0, 0, 1},   /* NS */
	{3, 0, 0, 1},   /* MD */
	{4, 0, 0, 1},   /* MF */
	{5, 0, 0, 1},   /* CNAME */
	{6, 0, 0, 2},   /* SOA */
	{7, 0, 0, 1},   /* MB */
	{8, 0, 0, 1},   /* MG */
	{9, 0, 0, 1},   /* MR */
	{12, 0, 0, 1},  /* PTR */
	{14, 0, 0, 2},  /* MINFO */
	{15, 2, 0, 1},  /* MX */
	{17, 0, 0, 2},  /* RP */
	{18, 2, 0, 1},  /* AFSDB */
	{21, 2, 0, 1},  /* RT */
	{24, 18, 0, 1}, /* SIG */
	{26, 2, 0, 2},  /* PX */
	{30, 0, 0, 1},  /* NXT */
	{33, 6, 0, 1},  /* SRV */
	{35, 4, 3, 1},  /* NAPTR */
	{36, 2, 0, 1},  /* KX */
	{39, 0, 0, 1},  /* DNAME */
};

/* Mends the pointer that ends the name at r, if one does, and moves r over the name. */
static void shift_name(struct wire_rd *r, uint8_t *msg, const struct shift *s)
{
	const uint8_t *pointer = rd_name_skip(r, msg);
	long target;

	if (pointer == NULL || r->bad)
		return;
	target = get_u16(pointer) & POINTER_MAX;
	if (target < (long)s->from)
		return;
	target += s->by;
	if (target - s->by < (long)s->to || target > POINTER_MAX)
		r->bad = true;
	else if (s->apply)
		put_u16(msg + (pointer - msg), (uint16_t)(0xc000 | target));
}

static void shift_rdata(struct wire_rd r, uint8_t *msg, const struct names_in *in, struct shift *s)
{
	rd_skip(&r, in->octets);
	for (unsigned i = 0; i < in->strings; i++)
		rd_skip(&r, rd_u8(&r));
	for (unsigned i = 0; i < in->names; i++)
		shift_name(&r, msg, s);
	if (r.bad)
		s->failed = true;
}

/* The record at r, and r moved over it. */
static void shift_record(struct wire_rd *r, uint8_t *msg, struct shift *s)
{
	const uint8_t *rdata;
	uint16_t type, len;

	shift_name(r, msg, s);
	type = rd_u16(r);
	rd_skip(r, 6); /* class, TTL */
	len = rd_u16(r);
	rdata = rd_skip(r, len);
	for (size_t i = 0; i < ARRAY_LEN(names_in) && rdata != NULL; i++)
		if (names_in[i].type == type)
			shift_rdata((struct wire_rd){.pos = rdata, .end = rdata + len}, msg,
				    &names_in[i], s);
}

/* The records after the change. Returns where they end, 0 when one of them can't be mended. */
static size_t shift_records(uint8_t *msg, size_t len, unsigned n, struct shift *s)
{
	struct wire_rd r = {.pos = msg + s->to, .end = msg + len};

	for (; n > 0 && !r.bad && !s->failed; n--)
		shift_record(&r, msg, s);
	return r.bad || s->failed ? 0 : (size_t)(r.pos - msg);
}

static size_t splice(uint8_t *msg, size_t len, size_t cap, size_t new_len, unsigned n_after,
		     struct shift *s)
{
	size_t end = shift_records(msg, len, n_after, s);
	size_t new_end = end + (size_t)s->by;

	if (end == 0 || new_end > cap)
		return 0;
	if (s->apply)
		memmove(msg + s->from + new_len, msg + s->to, end - s->to);
	return new_end;
}

size_t msg_splice_len(uint8_t *msg, size_t len, size_t cap, size_t from, size_t old_len,
		      size_t new_len, unsigned n_after)
{
	struct shift s = {.from = from, .to = from + old_len, .by = (long)new_len - (long)old_len};

	return splice(msg, len, cap, new_len, n_after, &s);
}

size_t msg_splice(uint8_t *msg, size_t len, size_t cap, size_t from, size_t old_len, size_t new_len,
		  unsigned n_after)
{
	struct shift s = {.from = from, .to = from + old_len, .by = (long)new_len - (long)old_len};

	if (splice(msg, len, cap, new_len, n_after, &s) == 0)
		return 0;
	s.apply = true;
	return splice(msg, len, cap, new_len, n_after, &s);
}
