/* See rewrite.h. */
#include "core/dns/rewrite.h"

#include "core/dns/rdata.h"

#define POINTER       0xc0
#define POINTER_REACH 0x4000 /* octets that a pointer can tell apart (RFC 1035 4.1.4) */
#define RECORD_FIXED  10     /* type, class, TTL, length of the data */

struct rewrite {
	const uint8_t *msg;
	size_t len;
	const uint8_t *old_name, *new_name; /* NULL: no name changes */
	size_t old_len, new_len;
	struct wire_wr w;
	uint16_t at[POINTER_REACH]; /* of each label of msg: where it is in out; 0: nowhere */
	uint8_t out[DNS_MESSAGE_MAX];
};

static void begin(struct rewrite *x, const uint8_t *msg, size_t len, size_t cap)
{
	x->msg = msg;
	x->len = len;
	x->old_name = NULL;
	x->w = (struct wire_wr){
		.pos = x->out,
		.end = x->out + (cap < sizeof(x->out) ? cap : sizeof(x->out)),
	};
	memset(x->at, 0, (len < POINTER_REACH ? len : POINTER_REACH) * sizeof(x->at[0]));
}

/* Writes the name that is at this offset of msg, with a pointer from the first label on that is in
 * out already. rd_name_compressed has been over it. */
static void write_name(struct rewrite *x, size_t from)
{
	while (x->msg[from] != 0) {
		size_t n = (size_t)x->msg[from] + 1, to = (size_t)(x->w.pos - x->out);

		if (x->msg[from] >= POINTER) {
			from = get_u16(x->msg + from) & (POINTER_REACH - 1);
			continue;
		}
		if (from < POINTER_REACH && x->at[from] != 0) {
			wr_u16(&x->w, POINTER << 8 | x->at[from]);
			return;
		}
		if (from < POINTER_REACH && to < POINTER_REACH)
			x->at[from] = (uint16_t)to;
		wr_bytes(&x->w, x->msg + from, n);
		from += n;
	}
	wr_bytes(&x->w, "", 1);
}

/* The name at r, and r moved over it; r->bad when it is malformed. */
static void copy_name(struct rewrite *x, struct wire_rd *r)
{
	struct wire_rd end = *r;
	uint8_t name[DNS_NAME_MAX];
	size_t from = (size_t)(r->pos - x->msg);
	size_t n = rd_name_compressed(r, x->msg, name);

	if (n == 0)
		return;
	if (x->old_name == NULL || n != x->old_len || !name_equal(name, x->old_name, n))
		write_name(x, from);
	else if (rd_name_skip(&end, x->msg) != NULL)
		wr_u16(&x->w, POINTER << 8 | DNS_HEADER_LEN);
	else /* written out before, since not every type may have pointers (RFC 3597 4) */
		wr_bytes(&x->w, x->new_name, x->new_len);
}

static void copy_rest(struct rewrite *x, struct wire_rd *r)
{
	wr_bytes(&x->w, r->pos, rd_left(r));
}

/* False when it is malformed. */
static bool copy_rdata(struct rewrite *x, const struct record *rec)
{
	const struct rdata_names *in = rdata_names_of(rec->type);
	struct wire_rd r = {.pos = x->msg + rec->rdata_at,
			    .end = x->msg + rec->rdata_at + rec->rdata_len};
	const uint8_t *start = r.pos;

	if (in != NULL && rec->rdata_len > 0) { /* without data in an update, RFC 2136 2.4 */
		rdata_names_skip(&r, in);
		wr_bytes(&x->w, start, (size_t)(r.pos - start));
		for (unsigned i = 0; i < in->names; i++)
			copy_name(x, &r);
	}
	if (!r.bad)
		copy_rest(x, &r);
	return !r.bad;
}

static bool copy_record(struct rewrite *x, const struct record *rec)
{
	struct wire_rd r = {.pos = x->msg + rec->at, .end = x->msg + x->len};
	uint8_t *fixed;
	size_t n;

	/* OPT's owner stays the root, even if that is the question's name (RFC 6891 6.1.2). */
	if (rec->type == TYPE_OPT && x->msg[rec->at] == 0)
		wr_bytes(&x->w, "", 1);
	else
		copy_name(x, &r);
	fixed = wr_room(&x->w, RECORD_FIXED);
	if (r.bad || fixed == NULL)
		return false;
	memcpy(fixed, x->msg + rec->ttl_at - 4, RECORD_FIXED);
	if (!copy_rdata(x, rec))
		return false;
	n = (size_t)(x->w.pos - fixed) - RECORD_FIXED;
	put_u16(fixed + RECORD_FIXED - 2, (uint16_t)n);
	return !x->w.full && n <= UINT16_MAX;
}

/* Further questions than the first. */
static bool copy_questions(struct rewrite *x, const struct question *q)
{
	struct wire_rd r = {.pos = x->msg + q->end, .end = x->msg + x->len};

	for (unsigned n = msg_qdcount(x->msg); n > 1 && !r.bad; n--) {
		const uint8_t *fixed;

		copy_name(x, &r);
		fixed = rd_skip(&r, 4); /* type and class */
		if (fixed != NULL)
			wr_bytes(&x->w, fixed, 4);
	}
	return !r.bad;
}

/* Header and questions; false when q is not the first of them, or another is malformed. */
static bool copy_head(struct rewrite *x, const struct question *q)
{
	struct wire_rd r = {.pos = x->msg + DNS_HEADER_LEN, .end = x->msg + x->len};

	wr_bytes(&x->w, x->msg, DNS_HEADER_LEN);
	if (q->name_len == 0)
		return true;
	if (rd_name_len(&r) != q->name_len)
		return false;
	if (x->old_name != NULL)
		wr_bytes(&x->w, x->new_name, x->new_len);
	else
		write_name(x, DNS_HEADER_LEN);
	wr_bytes(&x->w, x->msg + q->end - 4, 4);
	return copy_questions(x, q);
}

/* Puts what was written in the place of msg. */
static size_t finish(struct rewrite *x, uint8_t *msg)
{
	size_t n = (size_t)(x->w.pos - x->out);

	if (x->w.full)
		return 0;
	memcpy(msg, x->out, n);
	return n;
}

/* Records of these types; -EBADMSG when the message is malformed. */
static int count_types(const uint8_t *msg, size_t len, const struct question *q,
		       const struct type_set *types)
{
	struct record_walk w;
	struct record rec;
	int n = 0;

	records_begin(&w, msg, len, q);
	while (records_next(&w, &rec))
		n += type_set_has(types, rec.type);
	return w.r.bad ? -EBADMSG : n;
}

size_t msg_clear_types(uint8_t *msg, size_t len, size_t cap, const struct question *q,
		       const struct type_set *types)
{
	uint16_t counts[SECTION_END] = {0};
	struct record_walk w;
	struct record rec;
	struct rewrite x;
	int gone;

	if (len < DNS_HEADER_LEN)
		return 0;
	gone = count_types(msg, len, q, types);
	if (gone <= 0)
		return gone < 0 ? 0 : len;
	begin(&x, msg, len, cap);
	if (!copy_head(&x, q))
		return 0;
	records_begin(&w, msg, len, q);
	while (records_next(&w, &rec)) {
		if (type_set_has(types, rec.type))
			continue;
		if (!copy_record(&x, &rec))
			return 0;
		counts[rec.section]++;
	}
	if (x.w.full)
		return 0;
	for (unsigned i = 0; i < SECTION_END; i++)
		put_u16(x.out + 6 + 2 * i, counts[i]);
	return finish(&x, msg);
}

size_t msg_rename(uint8_t *msg, size_t len, size_t cap, const struct question *q,
		  const uint8_t *name, size_t name_len)
{
	struct record_walk w;
	struct record rec;
	struct rewrite x;

	if (q->name_len == 0 || q->end > len)
		return 0;
	begin(&x, msg, len, cap);
	x.old_name = msg + DNS_HEADER_LEN;
	x.old_len = q->name_len;
	x.new_name = name;
	x.new_len = name_len;
	if (!copy_head(&x, q))
		return 0;
	records_begin(&w, msg, len, q);
	while (records_next(&w, &rec))
		if (record_is_signature(&rec) || !copy_record(&x, &rec))
			return 0;
	return w.r.bad ? 0 : finish(&x, msg);
}
