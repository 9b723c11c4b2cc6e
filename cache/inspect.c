/* Looking at a cache from the control thread: counters, memory, and its entries one by one. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cache/internal.h"
#include "core/mem.h"

size_t cache_size(const struct cache *c)
{
	size_t n = 0;

	for (uint32_t i = 0; i < c->n_shards; i++)
		n += load_relaxed(&c->shards[i].n);
	return n;
}

/* Pages of a mapping that are in memory: it is filled lazily, and only the kernel knows how far. */
static size_t resident(const void *map, size_t octets)
{
	unsigned char page_in[4096];
	size_t page = (size_t)sysconf(_SC_PAGESIZE), step = page * sizeof(page_in), n = 0;

	for (size_t done = 0; done < octets; done += step) {
		size_t part = octets - done < step ? octets - done : step;

		if (mincore((char *)map + done, part, page_in) < 0)
			return octets;
		for (size_t i = 0; i < (part + page - 1) / page; i++)
			n += page_in[i] & 1;
	}
	return n * page;
}

size_t cache_memory(const struct cache *c)
{
	size_t used = ((size_t)load_relaxed(&c->chunks_used) * CHUNK_WORDS + ARENA_FIRST) * 8;

	return resident(c->buckets, c->table_octets) + resident(c->words, used) +
	       c->n_shards * sizeof(c->shards[0]) + sizeof(*c);
}

#define SUM(field) perworker_sum(&c->workers, offsetof(struct cache_worker, field))

void cache_stats(const struct cache *c, struct cache_stats *out)
{
	*out = (struct cache_stats){
		.entries = cache_size(c),
		.max_entries = c->options.max_entries,
		.hits = SUM(hits),
		.misses = SUM(misses),
		.deferred_inserts = SUM(deferred_inserts),
		.deferred_lookups = SUM(deferred_lookups),
		.lookup_collisions = SUM(lookup_collisions),
		.insert_collisions = SUM(insert_collisions),
		.ttl_too_shorts = SUM(ttl_too_shorts),
		.cleanup_count = SUM(cleanups),
		.evictions = SUM(evictions),
		.inserts = SUM(inserts),
	};
}

/* Where an entry is put together again to be looked at. */
struct visit {
	struct cache_key key;
	uint8_t query[2 + CACHE_KEY_MAX];
	uint8_t answer[DNS_MESSAGE_MAX];
};

/*
 * The query that the key was made of, without its ID, and with zeroes for what was left out: it is
 * as long as the query was, so it fits.
 */
static size_t query_of(const struct cache *c, const struct cache_key *key, uint8_t *out)
{
	struct wire_rd r = {.pos = key->bytes, .end = key->bytes + key->len - 1};
	struct wire_wr w = {.pos = out + 2, .end = out + 2 + CACHE_KEY_MAX};
	size_t fixed = CACHE_KEY_NAME + key->name_len + 4u + OPT_FIXED;

	if (!(key->bytes[key->len - 1] & KEY_SKIPPED))
		fixed = rd_left(&r);
	wr_bytes(&w, rd_skip(&r, fixed), fixed);
	while (rd_left(&r) > 0) {
		uint16_t code = rd_u16(&r), len = rd_u16(&r);
		uint8_t *to;

		wr_u16(&w, code);
		wr_u16(&w, len);
		to = wr_room(&w, len);
		if (to == NULL || r.bad)
			return 0;
		if (key_skips(c, code))
			memset(to, 0, len);
		else
			memcpy(to, rd_skip(&r, len), len);
	}
	return (size_t)(w.pos - out);
}

static void read_subnet(const struct cache *c, struct visit *v, struct ecs *subnet)
{
	size_t len = query_of(c, &v->key, v->query);
	struct question q;
	struct opt opt;

	if (key_skips(c, EDNS_ECS) || len == 0 || msg_question(v->query, len, &q) < 0 ||
	    msg_opt(v->query, len, &q, &opt) < 0 || msg_ecs(v->query, &opt, subnet) < 0)
		*subnet = (struct ecs){.present = false};
}

static void view_entry(const struct cache *c, const _Atomic uint64_t *w, struct visit *v,
		       struct cache_entry_view *e)
{
	uint64_t times = load_relaxed(&w[0]), info = load_relaxed(&w[1]);
	uint16_t name_len = (uint16_t)info_name_len(info);
	const uint8_t *type = v->key.bytes + CACHE_KEY_NAME + name_len;

	entry_key(w, &v->key);
	entry_octets(w, ENTRY_ANSWER, v->answer, info_answer_len(info));
	msg_set_id(v->answer, 0);
	*e = (struct cache_entry_view){
		.answer = v->answer,
		.len = info_answer_len(info),
		.key = v->key.bytes,
		.key_len = v->key.len,
		.hash = v->key.hash,
		.question = {.name_len = name_len,
			     .qtype = get_u16(type),
			     .qclass = get_u16(type + 2),
			     .end = (uint16_t)(DNS_HEADER_LEN + name_len + 4)},
		.added_s = entry_added_s(times),
		.expires_s = entry_expires_s(times),
		.query_flags = get_u16(v->key.bytes),
		.over_udp = (v->key.bytes[v->key.len - 1] & KEY_UDP) != 0,
		.dnssec_ok = v->key.dnssec_ok,
	};
	read_subnet(c, v, &e->subnet);
}

/* Bucket by bucket, so that inserts get their turn; entries do not move between buckets. */
size_t cache_visit(struct cache *c, bool (*visit)(void *ctx, const struct cache_entry_view *e),
		   void *ctx)
{
	struct visit *v = mem_alloc(sizeof(*v));
	struct cache_entry_view e;
	size_t visited = 0;
	bool more = true;

	for (uint32_t i = 0; i < c->n_buckets && more; i++) {
		struct bucket *b = &c->buckets[i];
		struct shard *sh = &c->shards[i / c->shards[0].n_buckets];

		pthread_mutex_lock(&sh->lock);
		for (unsigned s = 0; s < BUCKET_WAYS && more; s++) {
			uint32_t at = load_relaxed(&b->at[s]);

			if (at == 0)
				continue;
			view_entry(c, &c->words[at], v, &e);
			more = visit(ctx, &e);
			visited++;
		}
		pthread_mutex_unlock(&sh->lock);
	}
	free(v);
	return visited;
}
