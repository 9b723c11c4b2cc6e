/* See option.h. An edit asks first whether the whole of it can be done, and then does it. */
#include "core/dns/option.h"

#include "core/dns/edit.h"

#define OPTION_FIXED 4

struct wire_rd options_begin(const uint8_t *msg, const struct opt *opt)
{
	if (opt->at == 0)
		return (struct wire_rd){.pos = msg, .end = msg};
	return (struct wire_rd){.pos = msg + opt->at + OPT_FIXED, .end = msg + opt->at + opt->len};
}

bool option_next(struct wire_rd *r, struct option *o)
{
	if (rd_left(r) == 0 || r->bad)
		return false;
	o->code = rd_u16(r);
	o->len = rd_u16(r);
	o->data = rd_skip(r, o->len);
	return !r->bad;
}

const uint8_t *opt_find(const uint8_t *msg, const struct opt *opt, uint16_t code,
			uint16_t *data_len)
{
	struct wire_rd r = options_begin(msg, opt);
	struct option o;

	while (option_next(&r, &o)) {
		if (o.code != code)
			continue;
		*data_len = o.len;
		return o.data;
	}
	return NULL;
}

/* Octets of all options with this code, their own headers included; -1 when an option is cut short.
 */
static long options_len(const uint8_t *msg, const struct opt *opt, uint16_t code)
{
	struct wire_rd r = options_begin(msg, opt);
	struct option o;
	long sum = 0;

	while (option_next(&r, &o))
		if (o.code == code)
			sum += OPTION_FIXED + o.len;
	return r.bad ? -1 : sum;
}

/* Moves the other options together, so that as many octets as options_len said are free behind
 * them. */
static void options_drop(uint8_t *msg, const struct opt *opt, uint16_t code)
{
	struct wire_rd r = options_begin(msg, opt);
	uint8_t *to = msg + opt->at + OPT_FIXED;
	const uint8_t *from = to;
	struct option o;

	while (option_next(&r, &o)) {
		size_t n = (size_t)(r.pos - from);

		if (o.code != code) {
			memmove(to, from, n);
			to += n;
		}
		from = r.pos;
	}
}

/* Where the OPT of a message is, and what is around it. */
struct place {
	struct opt opt;
	unsigned n_after; /* records that follow it */
	size_t end;       /* of the last record */
	bool is_signed;
	long had; /* octets of the options with the code in question; -1 when an option is cut short
		   */
};

static int place_find(const uint8_t *msg, size_t len, const struct question *q, uint16_t code,
		      struct place *p)
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
		p->is_signed |= record_is_signature(&rec);
	}
	p->end = (size_t)(w.r.pos - msg);
	p->had = p->opt.at != 0 ? options_len(msg, &p->opt, code) : 0;
	return w.r.bad ? -EBADMSG : 0;
}

/* The option that is put: its data is written by who asked for it. */
struct room {
	uint16_t code;
	size_t len;    /* of the data */
	uint8_t *data; /* where it goes */
};

static void room_set(struct room *o, uint8_t *at)
{
	put_u16(at, o->code);
	put_u16(at + 2, (uint16_t)o->len);
	o->data = at + OPTION_FIXED;
}

/* A whole OPT with this option, at the end of the message. */
static size_t append_opt(uint8_t *msg, const struct place *at, size_t cap, uint16_t payload,
			 struct room *o)
{
	struct wire_wr w = {.pos = msg + at->end, .end = msg + cap};
	size_t n = OPTION_FIXED + o->len;
	uint8_t *p;

	if (n > UINT16_MAX || at->end > cap || msg_arcount(msg) == UINT16_MAX)
		return 0;
	p = wr_room(&w, OPT_FIXED + n);
	if (p == NULL)
		return 0;
	memset(p, 0, OPT_FIXED);
	put_u16(p + 1, TYPE_OPT);
	put_u16(p + 3, payload);
	put_u16(p + 9, (uint16_t)n);
	room_set(o, p + OPT_FIXED);
	put_u16(msg + 10, (uint16_t)(msg_arcount(msg) + 1));
	return at->end + OPT_FIXED + n;
}

/* Takes the options of a code out of the OPT if drop says so, and makes room for one, if o is not
 * NULL, behind the others. */
static size_t change_options(uint8_t *msg, size_t len, size_t cap, const struct place *p,
			     uint16_t code, bool drop, struct room *o)
{
	size_t had = drop ? (size_t)p->had : 0, n = o != NULL ? OPTION_FIXED + o->len : 0;
	size_t keep = p->opt.len - had; /* octets of the OPT before the new option */
	size_t new_len;

	if (p->had < 0)
		return 0;
	/* A pointer into the options, or their length, is one into what changes. */
	if (keep + n - OPT_FIXED > UINT16_MAX ||
	    msg_splice_len(msg, len, cap, p->opt.at + OPT_FIXED - 2, p->opt.len - (OPT_FIXED - 2u),
			   keep + n - (OPT_FIXED - 2), p->n_after) == 0)
		return 0;
	if (had > 0)
		options_drop(msg, &p->opt, code);
	new_len = msg_splice(msg, len, cap, p->opt.at + keep, had, n, p->n_after);
	if (o != NULL)
		room_set(o, msg + p->opt.at + keep);
	put_u16(msg + p->opt.at + OPT_FIXED - 2, (uint16_t)(keep + n - OPT_FIXED));
	return new_len;
}

static size_t put(uint8_t *msg, size_t len, size_t cap, const struct question *q,
		  enum option_how how, uint16_t payload, struct room *o, enum option_change *change)
{
	struct place p;
	size_t new_len;

	*change = OPTION_UNCHANGED;
	o->data = NULL;
	if (place_find(msg, len, q, o->code, &p) < 0)
		return 0;
	if (p.is_signed || (p.had > 0 && how == OPTION_KEEP) || (p.opt.at == 0 && payload == 0))
		return p.end;
	if (p.opt.at == 0)
		new_len = append_opt(msg, &p, cap, payload, o);
	else
		new_len = change_options(msg, len, cap, &p, o->code, how == OPTION_REPLACE, o);
	if (new_len != 0)
		*change = p.opt.at == 0 ? OPTION_ADDED_OPT
			  : p.had > 0   ? OPTION_REPLACED
					: OPTION_ADDED;
	return new_len;
}

size_t msg_put_option(uint8_t *msg, size_t len, size_t cap, const struct question *q,
		      const struct option *o, enum option_how how, uint16_t payload,
		      enum option_change *change)
{
	struct room room = {.code = o->code, .len = o->len};
	size_t new_len = put(msg, len, cap, q, how, payload, &room, change);

	if (room.data != NULL && o->len > 0)
		memcpy(room.data, o->data, o->len);
	return new_len;
}

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

static size_t remove_option(uint8_t *msg, size_t len, const struct place *p, uint16_t code)
{
	if (p->had == 0)
		return len;
	return change_options(msg, len, len, p, code, true, NULL);
}

size_t msg_remove_option(uint8_t *msg, size_t len, const struct question *q, uint16_t code)
{
	struct place p;

	if (place_find(msg, len, q, code, &p) < 0)
		return 0;
	return remove_option(msg, len, &p, code);
}

size_t msg_remove_opt(uint8_t *msg, size_t len, const struct question *q)
{
	struct place p;

	if (place_find(msg, len, q, 0, &p) < 0)
		return 0;
	return p.opt.at != 0 ? remove_opt(msg, len, &p) : len;
}

size_t msg_undo_option(uint8_t *msg, size_t len, uint16_t code, enum option_change change)
{
	struct question q;
	size_t new_len = 0;

	if (change != OPTION_ADDED && change != OPTION_ADDED_OPT)
		return len;
	if (msg_first_question(msg, len, &q) == 0)
		new_len = change == OPTION_ADDED ? msg_remove_option(msg, len, &q, code)
						 : msg_remove_opt(msg, len, &q);
	return new_len ? new_len : len;
}

size_t msg_add_ede(uint8_t *msg, size_t len, size_t cap, const struct question *q,
		   uint16_t info_code, const char *text, size_t text_len, bool clear)
{
	struct room room = {.code = EDNS_EDE, .len = 2 + text_len};
	enum option_change change;
	size_t new_len =
		put(msg, len, cap, q, clear ? OPTION_REPLACE : OPTION_APPEND, 0, &room, &change);

	if (room.data == NULL)
		return new_len;
	put_u16(room.data, info_code);
	if (text_len > 0)
		memcpy(room.data + 2, text, text_len);
	return new_len;
}

size_t msg_pad(uint8_t *msg, size_t len, size_t cap, const struct question *q, size_t block)
{
	struct room room = {.code = EDNS_PADDING};
	struct place p;
	size_t least, target, new_len;

	if (place_find(msg, len, q, EDNS_PADDING, &p) < 0 || p.had < 0)
		return 0;
	if (p.opt.at == 0 || p.is_signed)
		return p.end;
	least = p.end - (size_t)p.had + OPTION_FIXED;
	target = (least + block - 1) / block * block;
	if (target > cap)
		target = cap;
	if (target < least)
		return remove_option(msg, p.end, &p, EDNS_PADDING);
	room.len = target - least;
	new_len = change_options(msg, len, cap, &p, EDNS_PADDING, true, &room);
	if (new_len != 0)
		memset(room.data, 0, room.len);
	return new_len;
}
