/* See edit.h. */
#include "core/dns/edit.h"

#include "core/dns/rdata.h"

#define POINTER_MAX 0x3fff

/* The octets that change, and by how much what follows them moves. */
struct shift {
	size_t from, to; /* offsets as they were */
	long by;
	bool apply;  /* else only look whether it can be done */
	bool failed; /* it can't */
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

static void shift_rdata(struct wire_rd r, uint8_t *msg, const struct rdata_names *in,
			struct shift *s)
{
	rdata_names_skip(&r, in);
	for (unsigned i = 0; i < in->names; i++)
		shift_name(&r, msg, s);
	if (r.bad)
		s->failed = true;
}

/* The record at r, and r moved over it. */
static void shift_record(struct wire_rd *r, uint8_t *msg, struct shift *s)
{
	const struct rdata_names *in;
	const uint8_t *rdata;
	uint16_t type, len;

	shift_name(r, msg, s);
	type = rd_u16(r);
	rd_skip(r, 6); /* class, TTL */
	len = rd_u16(r);
	rdata = rd_skip(r, len);
	in = rdata_names_of(type);
	if (in != NULL && rdata != NULL && len > 0) /* without data in an update, RFC 2136 2.4 */
		shift_rdata((struct wire_rd){.pos = rdata, .end = rdata + len}, msg, in, s);
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

/* OPT is nearly always the last record, so that most edits move and mend nothing. */
static size_t splice_last(size_t cap, size_t from, size_t new_len)
{
	return from + new_len <= cap ? from + new_len : 0;
}

size_t msg_splice_len(uint8_t *msg, size_t len, size_t cap, size_t from, size_t old_len,
		      size_t new_len, unsigned n_after)
{
	struct shift s = {.from = from, .to = from + old_len, .by = (long)new_len - (long)old_len};

	if (n_after == 0)
		return splice_last(cap, from, new_len);
	return splice(msg, len, cap, new_len, n_after, &s);
}

size_t msg_splice(uint8_t *msg, size_t len, size_t cap, size_t from, size_t old_len, size_t new_len,
		  unsigned n_after)
{
	struct shift s = {.from = from, .to = from + old_len, .by = (long)new_len - (long)old_len};

	if (n_after == 0)
		return splice_last(cap, from, new_len);
	if (splice(msg, len, cap, new_len, n_after, &s) == 0)
		return 0;
	s.apply = true;
	return splice(msg, len, cap, new_len, n_after, &s);
}
