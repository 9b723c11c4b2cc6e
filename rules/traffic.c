#include "rules/traffic.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

/* Every worker's two, and what a test or a bench adds. */
#define RINGS_MAX (TRAFFIC_KINDS * WORKERS_MAX + 8)

/*
 * An entry is words, as few as it needs: three that every entry has, the client if it is IPv6, the
 * server of an answer with its latency, the name. They are written straight to their place. The
 * first eight are one line, which is all of a common entry, and lines of entries lie side by side;
 * the rest is in an array of its own, which stays untouched where names are short.
 *
 * Words are atomics, ordered by release and acquire instead of fences (which cost the same on x86,
 * nothing, and which the thread sanitizer does not understand), because the reader copies them
 * while the owner may be writing.
 */
#define LINE_WORDS  8
#define FIXED_WORDS 3
#define NAME_WORDS  ((255 + 7) / 8)
#define MOST_WORDS  (FIXED_WORDS + 3 + 4 + NAME_WORDS)
#define REST_WORDS  (MOST_WORDS - LINE_WORDS)

struct line {
	alignas(CACHE_LINE) _Atomic uint64_t word[LINE_WORDS];
};

struct rest {
	_Atomic uint64_t word[REST_WORDS];
};

struct traffic_ring {
	alignas(CACHE_LINE) _Atomic uint64_t
		seq;        /* twice the entries so far, odd while one is written */
	size_t at;          /* owner only, as all below: where the next one goes */
	uint32_t countdown; /* until one is kept */
	uint32_t sampling;
	size_t entries; /* constant, as all below */
	enum traffic_kind kind;
	struct line *lines;
	struct rest *rests;
	void *memory;
};

/* The last octet of word 1. */
enum kinds {
	KIND_PROTO = 7,
	KIND_CLIENT_V6 = 8,
	KIND_SERVER_V4 = 16,
	KIND_SERVER_V6 = 32,
};

static struct traffic_ring *rings[RINGS_MAX];
static unsigned ring_count;

/* Pages are touched as entries come. */
struct traffic_ring *traffic_new(enum traffic_kind kind, size_t entries, uint32_t sampling)
{
	struct traffic_ring *r = mem_lines(sizeof(*r));

	r->kind = kind;
	r->entries = entries;
	r->sampling = sampling > 1 ? sampling : 1;
	r->countdown = 1;
	r->memory = mem_zalloc(entries + 1, sizeof(struct line));
	r->lines = (struct line *)(((uintptr_t)r->memory + CACHE_LINE - 1) &
				   ~(uintptr_t)(CACHE_LINE - 1));
	r->rests = mem_zalloc(entries, sizeof(struct rest));
	return r;
}

void traffic_free(struct traffic_ring *r)
{
	if (r == NULL)
		return;
	free(r->memory);
	free(r->rests);
	free(r);
}

/* Where an entry is written. Small enough to live in registers, which is why all that is common is
 * inlined. */
struct place {
	struct line *line;
	struct rest *rest;
};

#define ALWAYS_INLINE inline __attribute__((always_inline))

static ALWAYS_INLINE void put(struct place p, unsigned at, uint64_t v)
{
	_Atomic uint64_t *word =
		at < LINE_WORDS ? &p.line->word[at] : &p.rest->word[at - LINE_WORDS];

	atomic_store_explicit(word, v, memory_order_release);
}

/* Whole words: up to 7 octets behind len go with them, and are not read back. Returns where the
 * next goes. */
static unsigned put_octets(struct place p, unsigned at, const void *from, size_t len)
{
	const uint8_t *octets = from;
	uint64_t v;

	for (size_t i = 0; i < len; i += sizeof(v)) {
		memcpy(&v, octets + i, sizeof(v));
		put(p, at++, v);
	}
	return at;
}

static ALWAYS_INLINE void put_from(struct place p, unsigned at, const uint8_t *from)
{
	uint64_t v;

	memcpy(&v, from, sizeof(v));
	put(p, at, v);
}

/*
 * The common name ends in the line, which is then filled: cheaper than to ask how many words it
 * has. Written out, since compilers keep the loop.
 */
static ALWAYS_INLINE void put_name(struct place p, unsigned at, const uint8_t *name, size_t len)
{
	if (unlikely(at != FIXED_WORDS || len > TRAFFIC_NAME_ROOM)) {
		put_octets(p, at, name, len);
		return;
	}
	put_from(p, FIXED_WORDS, name);
	put_from(p, FIXED_WORDS + 1, name + 8);
	put_from(p, FIXED_WORDS + 2, name + 16);
	put_from(p, FIXED_WORDS + 3, name + 24);
	put_from(p, FIXED_WORDS + 4, name + 32);
}
static_assert(LINE_WORDS == FIXED_WORDS + 5 && TRAFFIC_NAME_ROOM == 5 * 8,
	      "the line is not filled");

static ALWAYS_INLINE bool left_out(struct traffic_ring *r)
{
	if (likely(--r->countdown == 0)) {
		r->countdown = r->sampling;
		return false;
	}
	return true;
}

static ALWAYS_INLINE uint64_t begin(struct traffic_ring *r)
{
	uint64_t seq = atomic_load_explicit(&r->seq, memory_order_relaxed);

	atomic_store_explicit(&r->seq, seq + 1, memory_order_relaxed);
	return seq;
}

static ALWAYS_INLINE void end(struct traffic_ring *r, uint64_t seq)
{
	atomic_store_explicit(&r->seq, seq + 2, memory_order_release);
	if (unlikely(++r->at == r->entries))
		r->at = 0;
}

/* What queries and answers differ in. */
struct differs {
	uint16_t flags, size, answers;
	unsigned kinds;
};

/* Three words and an IPv6 client's address. Returns where the next word goes. */
static ALWAYS_INLINE unsigned put_fixed(struct place p, const struct query *q, uint64_t now_us,
					struct differs d)
{
	const struct addr *client = &q->client;
	bool v6 = client->sa.sa_family == AF_INET6;
	uint64_t start; /* family, port, and the address if it is IPv4 */

	d.kinds |= q->client_proto | (v6 ? KIND_CLIENT_V6 : 0);
	put(p, 0, now_us << 16 | d.size);
	put(p, 1,
	    d.flags | (uint64_t)q->id << 16 | (uint64_t)q->question.qtype << 32 |
		    (uint64_t)q->question.name_len << 48 | (uint64_t)d.kinds << 56);
	memcpy(&start, client, sizeof(start));
	put(p, 2, (start & ~UINT64_C(0xffff)) | d.answers);
	if (likely(!v6))
		return FIXED_WORDS;
	put(p, FIXED_WORDS, client->v6.sin6_scope_id);
	return put_octets(p, FIXED_WORDS + 1, &client->v6.sin6_addr, sizeof(client->v6.sin6_addr));
}
static_assert(offsetof(struct sockaddr_in, sin_addr) == 4, "the address is not where it is copied");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the family is not in the lowest octets");

void traffic_note_query(struct traffic_ring *r, const struct query *q, uint64_t now_us)
{
	struct place p = {&r->lines[r->at], &r->rests[r->at]};
	uint64_t seq;
	unsigned at;

	if (unlikely(left_out(r)))
		return;
	seq = begin(r);
	at = put_fixed(p, q, now_us, (struct differs){.flags = q->flags, .size = q->len});
	put_name(p, at, q->packet + DNS_HEADER_LEN, q->question.name_len);
	end(r, seq);
}

static ALWAYS_INLINE unsigned server_kind(const struct addr *server)
{
	if (server == NULL)
		return 0;
	return server->sa.sa_family == AF_INET6 ? KIND_SERVER_V6 : KIND_SERVER_V4;
}

static ALWAYS_INLINE unsigned put_server(struct place p, unsigned at, const struct addr *server,
					 uint64_t latency_us)
{
	put(p, at++, latency_us << 32 | server->v4.sin_port);
	if (unlikely(server->sa.sa_family == AF_INET6)) {
		put(p, at++, server->v6.sin6_scope_id);
		return put_octets(p, at, &server->v6.sin6_addr, sizeof(server->v6.sin6_addr));
	}
	put(p, at++, server->v4.sin_addr.s_addr);
	return at;
}

static ALWAYS_INLINE void note_answer(struct traffic_ring *r, const struct query *q,
				      struct differs d, const struct addr *server,
				      uint32_t latency_us, uint64_t now_us)
{
	struct place p = {&r->lines[r->at], &r->rests[r->at]};
	uint64_t seq;
	unsigned at;

	if (unlikely(left_out(r)))
		return;
	seq = begin(r);
	d.kinds = server_kind(server);
	at = put_fixed(p, q, now_us, d);
	if (server != NULL)
		at = put_server(p, at, server, latency_us);
	put_name(p, at, q->packet + DNS_HEADER_LEN, q->question.name_len);
	end(r, seq);
}

void traffic_note_answer(struct traffic_ring *r, const struct query *q, const struct addr *server,
			 uint32_t latency_us, uint64_t now_us)
{
	struct differs d = {.flags = msg_flags(q->answer),
			    .size = (uint16_t)q->answer_len,
			    .answers = msg_ancount(q->answer)};

	note_answer(r, q, d, server, latency_us, now_us);
}

void traffic_note_timeout(struct traffic_ring *r, const struct query *q, const struct addr *server,
			  uint64_t now_us)
{
	note_answer(r, q, (struct differs){.flags = q->flags}, server, TRAFFIC_TIMEOUT, now_us);
}

void traffic_register(struct traffic_ring *r)
{
	assert(ring_count < RINGS_MAX);
	rings[ring_count++] = r;
}

void traffic_unregister(struct traffic_ring *r)
{
	unsigned i = 0;

	while (i < ring_count && rings[i] != r)
		i++;
	if (i < ring_count)
		rings[i] = rings[--ring_count];
}

/* Words that a reader copied. */
struct copy {
	uint64_t word[MOST_WORDS];
	unsigned at;
};

static void copy_words(struct copy *c, const struct traffic_ring *r, size_t at, unsigned from,
		       unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		const _Atomic uint64_t *word =
			i < LINE_WORDS ? &r->lines[at].word[i] : &r->rests[at].word[i - LINE_WORDS];

		c->word[i] = atomic_load_explicit(word, memory_order_acquire);
	}
}

/* How many words an entry has; whatever word 1 says, not more than there are. */
static unsigned words_of(uint64_t word1)
{
	unsigned kinds = (unsigned)(word1 >> 56), name_len = word1 >> 48 & 0xff;
	unsigned words = FIXED_WORDS + (name_len + 7) / 8;

	words += kinds & KIND_CLIENT_V6 ? 3 : 0;
	if (kinds & KIND_SERVER_V6)
		words += 4;
	else if (kinds & KIND_SERVER_V4)
		words += 2;
	return words;
}
static_assert(DNS_NAME_MAX == 255, "a name's length is more than an octet");

static void take_octets(struct copy *c, void *to, size_t len)
{
	memcpy(to, &c->word[c->at], len);
	c->at += (unsigned)((len + 7) / 8);
}

static void take_client(struct copy *c, bool v6, struct traffic_record *out)
{
	in_port_t port = (in_port_t)(c->word[2] >> 16);

	if (v6) {
		out->client.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = port};
		out->client.v6.sin6_scope_id = (uint32_t)c->word[c->at++];
		take_octets(c, &out->client.v6.sin6_addr, sizeof(out->client.v6.sin6_addr));
	} else {
		out->client.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port};
		out->client.v4.sin_addr.s_addr = (uint32_t)(c->word[2] >> 32);
	}
}

static void take_server(struct copy *c, bool v6, struct traffic_record *out)
{
	uint64_t word = c->word[c->at++];
	in_port_t port = (in_port_t)word;

	out->latency_us = (uint32_t)(word >> 32);
	if (v6) {
		out->server.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = port};
		out->server.v6.sin6_scope_id = (uint32_t)c->word[c->at++];
		take_octets(c, &out->server.v6.sin6_addr, sizeof(out->server.v6.sin6_addr));
	} else {
		out->server.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port};
		out->server.v4.sin_addr.s_addr = (uint32_t)c->word[c->at++];
	}
}

static void unpack(struct copy *c, enum traffic_kind kind, struct traffic_record *out)
{
	unsigned kinds = (unsigned)(c->word[1] >> 56);

	*out = (struct traffic_record){
		.kind = kind,
		.when_us = c->word[0] >> 16,
		.size = (uint16_t)c->word[0],
		.flags = (uint16_t)c->word[1],
		.id = (uint16_t)(c->word[1] >> 16),
		.qtype = (uint16_t)(c->word[1] >> 32),
		.name_len = (uint8_t)(c->word[1] >> 48),
		.answers = (uint16_t)c->word[2],
		.proto = kinds & KIND_PROTO,
		.server.sa.sa_family = AF_UNSPEC,
	};
	c->at = FIXED_WORDS;
	take_client(c, kinds & KIND_CLIENT_V6, out);
	if (kinds & (KIND_SERVER_V4 | KIND_SERVER_V6))
		take_server(c, kinds & KIND_SERVER_V6, out);
	take_octets(c, out->name, out->name_len);
}

/* The n-th entry, or false when its owner has begun to write over it. */
static bool read_entry(const struct traffic_ring *r, uint64_t n, struct traffic_record *out)
{
	size_t at = n % r->entries;
	struct copy c;
	uint64_t begun;

	copy_words(&c, r, at, 0, FIXED_WORDS);
	copy_words(&c, r, at, FIXED_WORDS, words_of(c.word[1]));
	begun = (atomic_load_explicit(&r->seq, memory_order_relaxed) + 1) / 2;
	if (begun > n + r->entries)
		return false;
	unpack(&c, r->kind, out);
	return true;
}

static size_t visit_ring(const struct traffic_ring *r,
			 void (*visit)(void *, const struct traffic_record *), void *ctx)
{
	uint64_t last = atomic_load_explicit(&r->seq, memory_order_acquire) / 2;
	uint64_t n = last > r->entries ? last - r->entries : 0;
	size_t seen = 0;

	for (; n < last; n++) {
		struct traffic_record rec;

		if (!read_entry(r, n, &rec))
			continue;
		visit(ctx, &rec);
		seen++;
	}
	return seen;
}

size_t traffic_visit(enum traffic_kind kind,
		     void (*visit)(void *ctx, const struct traffic_record *r), void *ctx)
{
	size_t seen = 0;

	for (unsigned i = 0; i < ring_count; i++)
		if (rings[i]->kind == kind)
			seen += visit_ring(rings[i], visit, ctx);
	return seen;
}

uint64_t traffic_noted(enum traffic_kind kind, uint64_t *room)
{
	uint64_t noted = 0;

	*room = 0;
	for (unsigned i = 0; i < ring_count; i++) {
		if (rings[i]->kind != kind)
			continue;
		noted += atomic_load_explicit(&rings[i]->seq, memory_order_relaxed) / 2;
		*room += rings[i]->entries;
	}
	return noted;
}
