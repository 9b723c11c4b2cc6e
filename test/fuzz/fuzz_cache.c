/*
 * The cache under arbitrary orders: whatever is inserted, expired, evicted and expunged, a hit is
 * the answer that was put in for that query, and the arena's blocks add up. And arbitrary octets as
 * query and answer.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cache/internal.h"
#include "test/cache_packets.h"

#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

#define NAMES 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Blocks of a chunk: no two free ones in a row, each knows of the one before, all in their lists.
 */
static void check_chunk(const struct cache *c, uint32_t first, uint32_t *entries,
			uint32_t *free_blocks)
{
	uint32_t at = first, end = first + CHUNK_WORDS - 2, before = 0;

	while (at < end) {
		uint64_t info = c->words[at + 1];

		CHECK(((info & INFO_PREV_FREE) != 0) == (before != 0));
		if (info & INFO_FREE) {
			CHECK(before == 0);
			before = (uint32_t)info;
			CHECK(c->words[at + before - 1] == before);
			at += before;
			++*free_blocks;
		} else {
			at += info_words(info) +
			      (uint32_t)((info & INFO_SLACK) >> INFO_SLACK_SHIFT);
			before = 0;
			++*entries;
		}
	}
	CHECK(at == end);
	CHECK(((c->words[end + 1] & INFO_PREV_FREE) != 0) == (before != 0));
}

static void check_arena(const struct cache *c)
{
	uint32_t entries = 0, free_blocks = 0, listed = 0, in_slots = 0, n_protected = 0;

	for (uint32_t i = 0; i < c->chunks_used; i++)
		check_chunk(c, ARENA_FIRST + i * CHUNK_WORDS, &entries, &free_blocks);
	for (unsigned bin = 0; bin < BINS; bin++) {
		uint32_t at = c->shards[0].bin[bin];

		CHECK((at != 0) == (c->shards[0].bin_map[bin / 64] >> bin % 64 & 1));
		for (; at != 0; at = (uint32_t)c->words[at])
			listed++;
	}
	for (uint32_t i = 0; i < c->n_buckets; i++) {
		for (unsigned s = 0; s < BUCKET_WAYS; s++) {
			in_slots += c->buckets[i].at[s] != 0;
			n_protected += c->buckets[i].at[s] != 0 &&
				       slot_level(&c->buckets[i], s) == LEVEL_PROTECTED;
		}
	}
	CHECK(listed == free_blocks);
	CHECK(entries == in_slots && entries == cache_size(c));
	CHECK(n_protected == c->shards[0].n_protected);
}

static struct cache *new_cache(uint32_t max_entries)
{
	struct cache_options o;
	struct err err;

	cache_options_default(&o, max_entries);
	o.max_entry_octets = 65535;
	return cache_new(&o, &err);
}

/* Name k with n TXT octets, all k: long enough to fill the arena of a small cache. */
static size_t name_answer(const struct packet *query, unsigned k, uint32_t n, uint32_t ttl_s,
			  uint8_t *out)
{
	struct packet head = make_answer(query, 0);
	struct wire_wr w = {.pos = out, .end = out + 65535};

	wr_bytes(&w, head.bytes, head.len);
	put_u16(out + 6, 1);
	wr_bytes(&w, "\xc0\x0c\0\x10\0\1", 6);
	wr_u32(&w, ttl_s);
	wr_u16(&w, (uint16_t)n);
	memset(wr_room(&w, n), (int)k, n);
	return (size_t)(w.pos - out);
}

struct model {
	uint32_t octets; /* of the TXT, 0: nothing was inserted */
	uint32_t expires_s;
};

static void insert_name(struct cache *c, struct model *m, unsigned k, uint32_t n, uint32_t ttl_s,
			uint32_t now_s)
{
	static uint8_t answer[65535];
	char text[64];
	struct packet query = make_query(numbered(text, "n", k), TYPE_A, k % 2);
	struct cache_key key;
	size_t len = name_answer(&query, k, n, ttl_s, answer);

	make_key(c, &query, true, &key);
	cache_insert(c, 0, &key, answer, len, now_s, UINT32_MAX);
	/* what lives longer stays; what was evicted or expunged meanwhile does not, so a hit may be
	 * either */
	if (m->octets == 0 || m->expires_s <= now_s || now_s + ttl_s > m->expires_s)
		*m = (struct model){n, now_s + ttl_s};
}

static bool lookup_name(struct cache *c, unsigned k, uint32_t now_s, uint32_t *n)
{
	static uint8_t out[65535], want[65535];
	char text[64];
	struct packet query = make_query(numbered(text, "n", k), TYPE_A, k % 2);
	const struct cache_ask ask = {.now_s = now_s, .id = 7, .flags = DNS_RD};
	struct cache_key key;
	size_t len, at, want_len;

	make_key(c, &query, true, &key);
	if (cache_lookup(c, 0, &key, &ask, out, sizeof(out), &len) == CACHE_MISS)
		return false;
	at = make_answer(&query, 0).len;
	*n = get_u16(out + at + 10);
	CHECK(get_u32(out + at + 6) > 0);
	want_len = name_answer(&query, k, *n, get_u32(out + at + 6), want);
	put_u16(want, 7);
	CHECK(len == want_len && memcmp(out, want, len) == 0);
	return true;
}

static void fuzz_orders(const uint8_t *data, size_t len)
{
	struct cache *c = new_cache(data[0] % NAMES + 1u);
	struct model model[NAMES] = {{0}};
	uint32_t now_s = 1, n;

	for (const uint8_t *p = data + 1; p + 4 <= data + len; p += 4) {
		unsigned k = p[1] % NAMES, order = p[0] % 16;

		if (order < 8)
			insert_name(c, &model[k], k, 1 + p[2] * (p[0] & 0x80 ? 200u : 2u),
				    1 + p[3] % 32, now_s);
		else if (order < 12 && lookup_name(c, k, now_s, &n))
			CHECK(model[k].octets != 0);
		else if (order == 12)
			now_s += p[1] % 8;
		else if (order == 13)
			cache_clean(c, 0, 1, now_s, p[1] % 8, 1u + p[1] / 8);
		else if (order == 14)
			cache_purge_expired(c, p[1] % 8, now_s);
		else if (order == 15)
			cache_expunge(c, p[1]);
		CHECK(cache_size(c) <= cache_options(c)->max_entries);
	}
	check_arena(c);
	cache_expunge(c, 0);
	check_arena(c);
	CHECK(cache_size(c) == 0);
	cache_unref(c);
}

static bool count_entry(void *ctx, const struct cache_entry_view *e)
{
	size_t *octets = ctx;

	*octets += e->len + e->key_len;
	return true;
}

/* What was kept comes back as it went in, but for ID, flags and the case of the name. */
static void fuzz_packets(const uint8_t *query, size_t query_len, const uint8_t *answer, size_t len)
{
	static uint8_t out[65535];
	const struct cache_ask ask = {.now_s = 1, .name = query + DNS_HEADER_LEN};
	struct question q;
	struct opt opt;
	struct cache_key key;
	struct cache *c;
	size_t out_len, octets = 0;

	if (query_len < DNS_HEADER_LEN || msg_question(query, query_len, &q) != 0)
		return;
	if (msg_opt(query, query_len, &q, &opt) != 0)
		opt = (struct opt){.at = 0};
	c = new_cache(10);
	cache_key(c, query, query_len, &q, &opt, true, &key);
	cache_insert(c, 0, &key, answer, len, 1, UINT32_MAX);
	CHECK(cache_visit(c, count_entry, &octets) == cache_size(c));
	if (cache_lookup(c, 0, &key, &ask, out, sizeof(out), &out_len) == CACHE_HIT) {
		size_t name_end = DNS_HEADER_LEN + q.name_len;

		CHECK(out_len == len);
		CHECK(memcmp(out + 4, answer + 4, 8) == 0);
		CHECK(memcmp(out + DNS_HEADER_LEN, query + DNS_HEADER_LEN, q.name_len) == 0);
		CHECK(memcmp(out + name_end, answer + name_end, len - name_end) == 0);
		CHECK(octets == len + key.len);
	} else {
		CHECK(cache_size(c) == 0);
	}
	check_arena(c);
	cache_unref(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	hash_init(1);
	if (len >= 2 && data[0] % 2 == 0) {
		fuzz_orders(data + 1, len - 1);
	} else if (len >= 3 && data[1] <= len - 2) {
		uint8_t *query = malloc(data[1] ? data[1] : 1), *answer = malloc(len - 1 - data[1]);
		size_t answer_len = len - 2 - data[1];

		/* blocks of their own, so that reading beyond either shows */
		CHECK(query != NULL && answer != NULL);
		memcpy(query, data + 2, data[1]);
		memcpy(answer, data + 2 + data[1], answer_len);
		fuzz_packets(query, data[1], answer, answer_len);
		free(query);
		free(answer);
	}
	return 0;
}
