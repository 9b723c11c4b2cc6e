/*
 * Every edit of a message by a rule: what was not to change means the same afterwards, whatever the
 * message. The first three octets choose the edit and its arguments.
 */
#include <stdlib.h>

#include "core/dns/answer.h"
#include "core/dns/inspect.h"
#include "core/dns/option.h"
#include "core/dns/rdata.h"
#include "core/dns/rewrite.h"
#include "core/dns/ttl.h"

#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What a message says, with all names in full and in lower case. */
struct meaning {
	uint8_t octets[1 << 20];
	struct wire_wr w;
	unsigned n;
	bool odd; /* a pointer leads to what is not a name, where no edit looks for another pointer
		   */
	bool is_label[1 << 14];
};

/* What is left out of it. */
struct but {
	bool opt;
	const struct type_set *types;
};

/* Notes where the labels of a good name are, and where its pointer leads. */
static void note_labels(struct meaning *m, const uint8_t *msg, size_t at)
{
	for (;; at += msg[at] + 1u) {
		if (msg[at] >= 0xc0)
			m->odd |= !m->is_label[get_u16(msg + at) & 0x3fff];
		if (at < ARRAY_LEN(m->is_label))
			m->is_label[at] = true;
		if (msg[at] >= 0xc0 || msg[at] == 0)
			return;
	}
}

static bool mean_name(struct meaning *m, struct wire_rd *r, const uint8_t *msg)
{
	uint8_t name[DNS_NAME_MAX];
	size_t at = (size_t)(r->pos - msg), n = rd_name_compressed(r, msg, name);

	if (n > 0)
		note_labels(m, msg, at);

	name_lower(name, name, n);
	wr_bytes(&m->w, name, n);
	return n > 0;
}

static bool mean_rdata(struct meaning *m, const struct record *rec, const uint8_t *msg)
{
	const struct rdata_names *in = rec->rdata_len > 0 ? rdata_names_of(rec->type) : NULL;
	struct wire_rd r = {.pos = msg + rec->rdata_at,
			    .end = msg + rec->rdata_at + rec->rdata_len};

	if (in != NULL) {
		rdata_names_skip(&r, in);
		wr_bytes(&m->w, msg + rec->rdata_at, (size_t)(r.pos - (msg + rec->rdata_at)));
		for (unsigned i = 0; i < in->names; i++)
			if (!mean_name(m, &r, msg))
				return false;
	}
	if (!r.bad)
		wr_bytes(&m->w, r.pos, rd_left(&r));
	return !r.bad;
}

static bool mean_record(struct meaning *m, const struct record *rec, const uint8_t *msg, size_t len)
{
	struct wire_rd r = {.pos = msg + rec->at, .end = msg + len};

	wr_bytes(&m->w, &rec->section, 1);
	wr_u16(&m->w, rec->type);
	wr_u16(&m->w, rec->class);
	wr_u32(&m->w, rec->ttl_s);
	m->n++;
	return mean_name(m, &r, msg) && mean_rdata(m, rec, msg);
}

/* False when a name or a record is malformed. */
static bool meaning_of(struct meaning *m, const uint8_t *msg, size_t len, const struct question *q,
		       struct but but)
{
	struct wire_rd r = {.pos = msg + DNS_HEADER_LEN, .end = msg + len};
	struct record_walk w;
	struct record rec;

	m->w = (struct wire_wr){.pos = m->octets, .end = m->octets + sizeof(m->octets)};
	m->n = 0;
	m->odd = false;
	memset(m->is_label, 0, sizeof(m->is_label));
	wr_bytes(&m->w, msg, 6);
	for (unsigned n = msg_qdcount(msg); n > 0; n--) {
		const uint8_t *fixed;

		if (!mean_name(m, &r, msg))
			return false;
		fixed = rd_skip(&r, 4);
		if (fixed == NULL)
			return false;
		wr_bytes(&m->w, fixed, 4);
	}
	records_begin(&w, msg, len, q);
	while (records_next(&w, &rec)) {
		if (but.types != NULL && type_set_has(but.types, rec.type))
			continue;
		if (but.opt && rec.type == TYPE_OPT && rec.section == SECTION_ADDITIONAL)
			continue;
		if (!mean_record(m, &rec, msg, len))
			return false;
	}
	return !w.r.bad;
}

static struct meaning before, after;

static void check_same_meaning(void)
{
	CHECK(!before.w.full && !after.w.full && before.n == after.n);
	CHECK(before.w.pos - before.octets == after.w.pos - after.octets);
	CHECK(memcmp(before.octets, after.octets, (size_t)(before.w.pos - before.octets)) == 0);
}

/* A message that is edited, and what it was. */
struct edit {
	const uint8_t *was;
	size_t len, end, cap;
	uint8_t *msg; /* cap octets, no more */
	struct question q;
	uint8_t a, b; /* arguments */
};

/* What an edit of options has made: nothing else means anything new. */
static void check_but_options(struct edit *e, size_t n, uint16_t code)
{
	struct opt was, is;
	struct wire_rd r, s;
	struct option o, p;

	CHECK(n <= e->cap && msg_end(e->msg, n, &e->q) == n);
	if (meaning_of(&before, e->was, e->len, &e->q, (struct but){.opt = true}) && !before.odd) {
		CHECK(meaning_of(&after, e->msg, n, &e->q, (struct but){.opt = true}));
		check_same_meaning();
	}
	CHECK(msg_opt(e->was, e->len, &e->q, &was) == 0 && msg_opt(e->msg, n, &e->q, &is) == 0);
	if (was.at == 0 || is.at == 0)
		return;
	CHECK(memcmp(e->was + was.at, e->msg + is.at, OPT_FIXED - 2) == 0);
	r = options_begin(e->was, &was);
	s = options_begin(e->msg, &is);
	while (option_next(&r, &o)) {
		if (o.code == code)
			continue;
		do
			CHECK(option_next(&s, &p));
		while (p.code == code);
		CHECK(p.code == o.code && p.len == o.len && memcmp(p.data, o.data, o.len) == 0);
	}
}

static void check_nothing_changed(struct edit *e)
{
	CHECK(memcmp(e->msg, e->was, e->len) == 0);
}

/* Options of this code in a message, and the last option of all. */
static unsigned options_of(const uint8_t *msg, size_t len, const struct question *q, uint16_t code,
			   struct option *last)
{
	struct opt opt;
	struct wire_rd r;
	unsigned n = 0;

	CHECK(msg_opt(msg, len, q, &opt) == 0);
	r = options_begin(msg, &opt);
	while (option_next(&r, last))
		n += last->code == code;
	return n;
}

static void edit_option(struct edit *e)
{
	static const uint16_t codes[] = {EDNS_ECS, EDNS_COOKIE, EDNS_EDE, 65001};
	struct option o = {codes[e->a % 4], e->b % 32,
			   (const uint8_t *)"0123456789abcdef"
					    "0123456789abcdef"};
	enum option_how how = (enum option_how)(e->a / 4 % 3);
	uint16_t payload = e->a & 0x80 ? 1232 : 0;
	enum option_change change;
	unsigned had, has;
	struct option last;
	size_t n = msg_put_option(e->msg, e->len, e->cap, &e->q, &o, how, payload, &change);

	if (n == 0) {
		CHECK(change == OPTION_UNCHANGED);
		check_nothing_changed(e);
		return;
	}
	check_but_options(e, n, o.code);
	if (change == OPTION_UNCHANGED) {
		CHECK(n == e->end && memcmp(e->msg, e->was, n) == 0);
		return;
	}
	had = options_of(e->was, e->len, &e->q, o.code, &last);
	has = options_of(e->msg, n, &e->q, o.code, &last);
	CHECK(last.code == o.code && last.len == o.len && memcmp(last.data, o.data, o.len) == 0);
	CHECK(has == (how == OPTION_APPEND ? had + 1 : 1));
	CHECK((change == OPTION_REPLACED) == (had > 0));
	if (change != OPTION_REPLACED) {
		CHECK(msg_undo_option(e->msg, n, o.code, change) == e->end);
		CHECK(memcmp(e->msg, e->was, e->end) == 0);
	}
}

static void edit_remove(struct edit *e)
{
	uint16_t code = e->a % 2 ? EDNS_COOKIE : EDNS_PADDING;
	struct option last;
	struct opt opt;
	size_t n;

	if (e->a & 2) {
		n = msg_remove_option(e->msg, e->len, &e->q, code);
		if (n != 0 && n != e->len) {
			check_but_options(e, n, code);
			CHECK(options_of(e->msg, n, &e->q, code, &last) == 0);
		} else {
			check_nothing_changed(e);
		}
		return;
	}
	n = msg_remove_opt(e->msg, e->len, &e->q);
	if (n == 0 || n == e->len) {
		check_nothing_changed(e);
		return;
	}
	CHECK(msg_opt(e->msg, n, &e->q, &opt) == 0 && opt.at == 0);
	msg_set_flags(e->msg, msg_flags(e->was)); /* the rcode may be another */
	check_but_options(e, n, 0);
}

static void edit_ede(struct edit *e)
{
	struct option last;
	size_t n = msg_add_ede(e->msg, e->len, e->cap, &e->q, e->b, "because", e->b % 8, e->a & 1);
	struct opt opt;

	if (n == 0) {
		check_nothing_changed(e);
		return;
	}
	check_but_options(e, n, EDNS_EDE);
	CHECK(msg_opt(e->msg, n, &e->q, &opt) == 0);
	if (n == e->end && memcmp(e->msg, e->was, n) == 0)
		return; /* no OPT, or signed; or the same was there */
	CHECK(opt.at != 0 && options_of(e->msg, n, &e->q, EDNS_EDE, &last) > 0);
	CHECK(last.code == EDNS_EDE && last.len == 2 + e->b % 8 && get_u16(last.data) == e->b);
}

static void edit_pad(struct edit *e)
{
	size_t block = 1 + (e->a | (e->b & 3) << 8);
	size_t n = msg_pad(e->msg, e->len, e->cap, &e->q, block);
	struct option last;

	if (n == 0) {
		check_nothing_changed(e);
		return;
	}
	check_but_options(e, n, EDNS_PADDING);
	if (n == e->end && memcmp(e->msg, e->was, n) == 0)
		return;
	if (options_of(e->msg, n, &e->q, EDNS_PADDING, &last) > 0) {
		CHECK(options_of(e->msg, n, &e->q, EDNS_PADDING, &last) == 1);
		CHECK(last.code == EDNS_PADDING && (n % block == 0 || n == e->cap));
	}
}

static uint32_t ttl_is_0(void *ctx, enum section section, uint16_t class, uint16_t type,
			 uint32_t ttl_s)
{
	CHECK(section < SECTION_END && ttl_s <= INT32_MAX);
	++*(unsigned *)ctx;
	return 0;
}

/* The message but its TTLs, octet for octet. */
static void check_only_ttls(struct edit *e, const uint16_t *ttl_at, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		memcpy(e->msg + ttl_at[i], e->was + ttl_at[i], 4);
	check_nothing_changed(e);
}

static uint32_t ttl(const uint8_t *msg, uint16_t at)
{
	return get_u32(msg + at) > INT32_MAX ? 0 : get_u32(msg + at);
}

static void edit_ttls(struct edit *e)
{
	uint32_t min_s = e->b, max_s = (uint32_t)e->b + (e->a >> 2);
	static const struct type_set all;
	uint16_t ttl_at[256];
	struct answer_info info;
	unsigned seen = 0;
	int rc = msg_answer_info(e->was, e->len, &info, ttl_at, 256), done;

	if (rc == -E2BIG)
		return;
	switch (e->a % 4) {
	case 0:
		done = msg_limit_ttls(e->msg, e->len, &e->q, min_s, max_s, &all);
		break;
	case 1:
		done = msg_cap_ttls(e->msg, e->len, &e->q, max_s);
		break;
	case 2:
		done = msg_reduce_ttls(e->msg, e->len, &e->q, e->b % 101);
		break;
	default:
		done = msg_edit_ttls(e->msg, e->len, &e->q, ttl_is_0, &seen);
	}
	/* Two OPTs are no matter here. */
	CHECK(done == 0 ? e->end != 0 : e->end == 0 && done == -EBADMSG);
	if (rc < 0 || done < 0) {
		if (done < 0)
			check_nothing_changed(e);
		return;
	}
	for (unsigned i = 0; i < info.n_ttls; i++) {
		uint32_t was = ttl(e->was, ttl_at[i]), is = get_u32(e->msg + ttl_at[i]);

		CHECK(e->a % 4 != 0 || (is >= min_s && (max_s == 0 || is <= max_s)));
		CHECK(e->a % 4 != 1 || is == (was < max_s ? was : max_s));
		CHECK(e->a % 4 != 2 || is == (uint64_t)was * (e->b % 101) / 100);
		CHECK(e->a % 4 != 3 || is == 0);
	}
	CHECK(e->a % 4 != 3 || seen == info.n_ttls);
	check_only_ttls(e, ttl_at, info.n_ttls);
}

static void edit_clear(struct edit *e)
{
	uint16_t types[2] = {e->a, e->b};
	struct type_set set = {types, 2};
	size_t n = msg_clear_types(e->msg, e->len, e->cap, &e->q, &set);

	if (n == 0) {
		check_nothing_changed(e);
		return;
	}
	CHECK(n <= e->cap);
	for (unsigned section = INSPECT_ANSWER; section < INSPECT_END; section++)
		CHECK(msg_count_type(e->msg, n, &e->q, section, e->a) == 0 &&
		      msg_count_type(e->msg, n, &e->q, section, e->b) == 0);
	if (n == e->len && memcmp(e->msg, e->was, n) == 0)
		return;
	CHECK(msg_end(e->msg, n, &e->q) == n);
	CHECK(meaning_of(&after, e->msg, n, &e->q, (struct but){0}));
	CHECK(meaning_of(&before, e->was, e->len, &e->q, (struct but){.types = &set}));
	check_same_meaning();
}

static bool has_name(const uint8_t *octets, size_t len, const uint8_t *name, size_t n)
{
	return memmem(octets, len, name, n) != NULL;
}

static void edit_rename(struct edit *e)
{
	static const uint8_t names[][16] = {"\1n", "\6longer\4name", "\1a\1b\1c\1d\1e\1f\1g"};
	const uint8_t *name = names[e->a % 3];
	size_t name_len = strlen((const char *)name) + 1;
	uint8_t *back = malloc(DNS_MESSAGE_MAX);
	struct question q;
	size_t n = msg_rename(e->msg, e->len, e->cap, &e->q, name, name_len);

	if (n == 0) {
		check_nothing_changed(e);
		free(back);
		return;
	}
	CHECK(n <= e->cap && msg_question(e->msg, n, &q) == 0);
	CHECK(q.name_len == name_len && memcmp(e->msg + DNS_HEADER_LEN, name, name_len) == 0);
	CHECK(q.qtype == e->q.qtype && q.qclass == e->q.qclass);
	CHECK(msg_end(e->msg, n, &q) == n);
	CHECK(meaning_of(&before, e->was, e->len, &e->q, (struct but){0}));
	/* Undone it is what it was, unless the new name was in it. */
	if (!has_name(before.octets, (size_t)(before.w.pos - before.octets), name, name_len)) {
		memcpy(back, e->msg, n);
		n = msg_rename(back, n, DNS_MESSAGE_MAX, &q, e->was + DNS_HEADER_LEN,
			       e->q.name_len);
		CHECK(n != 0 && meaning_of(&after, back, n, &e->q, (struct but){0}));
		check_same_meaning();
	}
	free(back);
}

static void edit_cut(struct edit *e)
{
	struct opt opt, is;
	struct question q;
	size_t n;

	if (msg_opt(e->was, e->len, &e->q, &opt) < 0)
		return;
	n = msg_truncate(e->msg, e->len, &e->q, &opt);
	CHECK(n <= e->len && msg_first_question(e->msg, n, &q) == 0);
	CHECK(memcmp(&q, &e->q, sizeof(q)) == 0 && msg_end(e->msg, n, &q) == n);
	CHECK(msg_opt(e->msg, n, &q, &is) == 0 && (is.at != 0) == (opt.at != 0));
	CHECK(is.dnssec_ok == opt.dnssec_ok && is.payload == opt.payload);
	CHECK(msg_flags(e->msg) & DNS_TC);
}

static void look(struct edit *e)
{
	unsigned sum = 0;

	CHECK(msg_has_trailing(e->was, e->len, &e->q) == (e->end != 0 && e->end < e->len));
	for (unsigned type = 0; type <= UINT8_MAX; type++)
		for (unsigned section = 0; section < INSPECT_END; section++) {
			int n = msg_count_type(e->was, e->len, &e->q, section, (uint16_t)type);

			CHECK(n >= 0 || e->end == 0);
			CHECK(n <= (int)msg_count(e->was, section));
			sum += n > 0 ? (unsigned)n : 0;
		}
	CHECK(sum <= msg_count(e->was, 0) + msg_count(e->was, 1) + msg_count(e->was, 2) +
			     msg_count(e->was, 3));
}

static void (*const edits[])(struct edit *) = {
	edit_option, edit_remove, edit_ede, edit_pad, edit_ttls,
	edit_clear,  edit_rename, edit_cut, look,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct edit e;

	if (len < 3 + DNS_HEADER_LEN)
		return 0;
	e.was = data + 3;
	e.len = len - 3;
	e.a = data[1];
	e.b = data[2];
	if (msg_first_question(e.was, e.len, &e.q) < 0)
		return 0;
	e.end = msg_end(e.was, e.len, &e.q);
	e.cap = e.len + (data[0] / ARRAY_LEN(edits)) * 8;
	e.msg = malloc(e.cap);
	memcpy(e.msg, e.was, e.len);
	edits[data[0] % ARRAY_LEN(edits)](&e);
	free(e.msg);
	return 0;
}
