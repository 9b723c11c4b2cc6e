/* Queries, answers and keys for the tests of the cache. */
#ifndef TEST_CACHE_PACKETS_H
#define TEST_CACHE_PACKETS_H

#include <stdio.h>

#include "cache/cache.h"
#include "core/hash.h"

struct packet {
	uint8_t bytes[1024];
	size_t len;
};

/* A query with RD set; edns: with an OPT of 1232 octets payload, DO clear. */
static inline struct packet make_query(const char *name, uint16_t qtype, bool edns)
{
	struct packet p = {.len = 0};
	uint8_t wire[DNS_NAME_MAX];
	int name_len = name_parse(name, wire, NULL);
	struct wire_wr w = {.pos = p.bytes, .end = p.bytes + sizeof(p.bytes)};

	assert(name_len > 0);
	p.len = msg_make_query(p.bytes, 0x1234, DNS_RD, wire, (size_t)name_len, qtype, CLASS_IN);
	w.pos += p.len;
	if (edns) {
		put_u16(p.bytes + 10, 1);
		wr_bytes(&w, "\0\0\x29\x04\xd0\0\0\0\0\0\0", 11);
	}
	p.len = (size_t)(w.pos - p.bytes);
	return p;
}

/* The same with an option in the OPT. */
static inline void add_option(struct packet *p, uint16_t code, const char *data, uint16_t data_len)
{
	struct wire_wr w = {.pos = p->bytes + p->len, .end = p->bytes + sizeof(p->bytes)};
	struct question q;
	uint8_t *rdlen;

	msg_question(p->bytes, p->len, &q);
	rdlen = p->bytes + q.end + 9;
	put_u16(rdlen, (uint16_t)(get_u16(rdlen) + 4 + data_len));
	wr_u16(&w, code);
	wr_u16(&w, data_len);
	wr_bytes(&w, data, data_len);
	p->len = (size_t)(w.pos - p->bytes);
}

/* The empty answer to a query, without its OPT. */
static inline struct packet make_answer(const struct packet *query, unsigned flags)
{
	struct packet p = *query;
	struct question q;

	msg_question(query->bytes, query->len, &q);
	p.len = q.end;
	msg_set_flags(p.bytes, (uint16_t)(DNS_QR | DNS_RD | DNS_RA | flags));
	put_u16(p.bytes + 10, 0);
	return p;
}

/* Adds a record of the question's name; count_at is where its section is counted: 6 answer, 8
 * authority. */
static inline void add_record(struct packet *p, unsigned count_at, uint16_t type, uint32_t ttl_s,
			      const void *data, uint16_t data_len)
{
	struct wire_wr w = {.pos = p->bytes + p->len, .end = p->bytes + sizeof(p->bytes)};

	put_u16(p->bytes + count_at, (uint16_t)(get_u16(p->bytes + count_at) + 1));
	wr_u16(&w, 0xc00c);
	wr_u16(&w, type);
	wr_u16(&w, CLASS_IN);
	wr_u32(&w, ttl_s);
	wr_u16(&w, data_len);
	wr_bytes(&w, data, data_len);
	assert(!w.full);
	p->len = (size_t)(w.pos - p->bytes);
}

static inline void add_address(struct packet *p, uint32_t ttl_s, uint32_t address)
{
	uint8_t data[4];

	put_u32(data, address);
	add_record(p, 6, TYPE_A, ttl_s, data, 4);
}

static inline void make_key(const struct cache *c, const struct packet *query, bool over_udp,
			    struct cache_key *key)
{
	struct question q;
	struct opt opt;
	int rc = msg_question(query->bytes, query->len, &q);

	assert(rc == 0);
	if (msg_opt(query->bytes, query->len, &q, &opt) != 0)
		opt = (struct opt){.at = 0};
	cache_key(c, query->bytes, query->len, &q, &opt, over_udp, key);
}

/* Name number n, of the same length for all below a million. */
static inline const char *numbered(char text[static 64], const char *prefix, unsigned n)
{
	snprintf(text, 64, "%s%06u.cache.example.", prefix, n);
	return text;
}

/* Inserts an A record for the n-th name of a prefix: TTL as given, address n. */
static inline void insert_numbered(struct cache *c, const char *prefix, unsigned n, uint32_t ttl_s,
				   uint32_t now_s)
{
	char text[64];
	struct packet query = make_query(numbered(text, prefix, n), TYPE_A, false);
	struct packet answer = make_answer(&query, 0);
	struct cache_key key;

	add_address(&answer, ttl_s, n);
	make_key(c, &query, true, &key);
	cache_insert(c, WORKER_CONTROL, &key, answer.bytes, answer.len, now_s, UINT32_MAX);
}

static inline bool hits_numbered(struct cache *c, const char *prefix, unsigned n, uint32_t now_s)
{
	char text[64];
	struct packet query = make_query(numbered(text, prefix, n), TYPE_A, false);
	const struct cache_ask ask = {
		.now_s = now_s, .name = query.bytes + DNS_HEADER_LEN, .count = true};
	struct cache_key key;
	uint8_t out[512];
	size_t len = 0;

	make_key(c, &query, true, &key);
	return cache_lookup(c, WORKER_CONTROL, &key, &ask, out, sizeof(out), &len) == CACHE_HIT;
}

/* A cache with the defaults of its size. */
static inline struct cache *new_default_cache(uint32_t max_entries)
{
	struct cache_options o;
	struct err err = {""};
	struct cache *c;

	cache_options_default(&o, max_entries);
	c = cache_new(&o, &err);
	assert(c != NULL);
	return c;
}

#endif
