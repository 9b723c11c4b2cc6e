/*
 * The packet cache: answers by the whole normalised query, compared in full, so that a collision of
 * hashes can't serve a wrong answer.
 *
 * One table for all workers: buckets of nine slots, one line each, and entries as contiguous blobs
 * in one mapped arena, addressed by offset. Any worker reads anything, without a lock and without a
 * write but for a reference bit that is not yet set. A worker inserts under the lock of the shard
 * (a run of buckets with its share of the entries) if it is free, and gives up after some tries if
 * not. Shards k, k+N, … are cleaned by worker k when idle. Full means evict (expired first, then
 * second chance with a probation segment), never refuse. There are never more than max_entries;
 * and of just so many different names at least 98 % are kept, for the others met a bucket or a
 * shard that was full before the rest.
 */
#ifndef CACHE_CACHE_H
#define CACHE_CACHE_H

#include "core/dns/message.h"
#include "core/perworker.h"

/* Rows of the reference's packetcache-options, in seconds and octets. */
struct cache_options {
	uint32_t max_entries;
	uint32_t max_ttl_s, min_ttl_s, temp_failure_ttl_s, stale_ttl_s, max_negative_ttl_s,
		truncated_ttl_s;
	uint32_t shards;           /* hint: see shards_for in cache.c */
	uint32_t max_entry_octets; /* answers longer than this are not kept */
	bool dont_age, keep_stale, parse_ecs, cookie_hashing, deferrable_insert_lock, shuffle;
	uint16_t skip_options[32];
	unsigned n_skip_options;
	uint16_t payload_ranks[32]; /* ascending */
	unsigned n_payload_ranks;
};

#define CACHE_KEY_MAX  4096 /* a longer query is not cached */
#define CACHE_KEY_NAME 10   /* behind the octets 2-11 of the header */

struct cache;

/* A query normalised: lower-case name, no ID, skipped options' content gone, payload ranked, UDP or
 * not. */
struct cache_key {
	uint64_t hash;
	uint16_t len;     /* 0: this query is not to be cached */
	uint8_t name_len; /* the name begins at bytes[CACHE_KEY_NAME] */
	bool dnssec_ok;
	alignas(8) uint8_t bytes[CACHE_KEY_MAX];
};

void cache_options_default(struct cache_options *o, uint32_t max_entries);

/* NULL with err set when an option is out of its range. Gives; refs start at 1. Control thread. */
struct cache *cache_new(const struct cache_options *o, struct err *err);

/* References are held by pools of a generation and by Lua handles. Control thread only. */
struct cache *cache_ref(struct cache *c);
void cache_unref(struct cache *c);

const struct cache_options *cache_options(const struct cache *c);

/* Once by each worker that will use it, before its first look-up; again is harmless. Allocates. */
void cache_join(struct cache *c, unsigned worker);

/*
 * Builds the key of a query as it stands. over_udp is part of it. opt is the query's OPT (at = 0:
 * none). Only the octets written are touched, so a scratch key for each slot of a batch stays
 * cheap.
 */
void cache_key(const struct cache *c, const uint8_t *msg, size_t len, const struct question *q,
	       const struct opt *opt, bool over_udp, struct cache_key *key);

/*
 * Starts loading what the look-up of this hash will read: first where to look, then, when that has
 * had time to come (the other queries of a batch), the entry itself. Any worker; both may be left
 * out.
 */
void cache_prefetch(const struct cache *c, uint64_t hash);
void cache_prefetch_entry(const struct cache *c, uint64_t hash);

enum cache_result {
	CACHE_MISS,
	CACHE_HIT,
	CACHE_STALE, /* expired, within the stale time allowed: TTLs are stale_ttl_s */
};

struct cache_ask {
	uint32_t now_s;
	uint32_t stale_s;    /* accept what expired less than this ago; 0: no */
	uint16_t id;         /* of the answer */
	uint16_t flags;      /* the client's: its RD and CD go into the answer */
	const uint8_t *name; /* the client's spelling of the name goes into the question */
	bool count;          /* a miss counts; false for the look-up before ECS is added */
};

/*
 * Copies the answer to out (cap octets; one that is longer is a miss), aged, with the client's ID,
 * name and flags. *len says how many. Any worker; neither locks nor allocates.
 */
enum cache_result cache_lookup(struct cache *c, unsigned worker, const struct cache_key *key,
			       const struct cache_ask *ask, uint8_t *out, size_t cap, size_t *len);

/*
 * Keeps an answer for the key, if its rcode, TTLs and size allow. temp_failure_ttl_s: UINT32_MAX
 * for the cache's own. Any worker; skipped (and counted deferred) when the shard's lock is taken.
 * qtype AXFR and IXFR are never kept.
 */
void cache_insert(struct cache *c, unsigned worker, const struct cache_key *key,
		  const uint8_t *answer, size_t len, uint32_t now_s, uint32_t temp_failure_ttl_s);

/*
 * Worker's housekeeping when it is idle: removes expired entries of the shards it owns (worker,
 * worker + n_workers, …) while more than keep are in the cache, at most max (over 0), at some 80 ns
 * each; returns how many. Fewer than max: that was the end of this cleaning. keep 0: all expired.
 */
size_t cache_clean(struct cache *c, unsigned worker, unsigned n_workers, uint32_t now_s,
		   size_t keep, size_t max);

/* What follows is for the control thread and takes the shards' locks one after another. */
size_t cache_expunge(struct cache *c, size_t keep); /* also valid ones; returns removed */
size_t cache_purge_expired(struct cache *c, size_t keep, uint32_t now_s);

/* name in lower-case wire format; qtype TYPE_ANY: all; under: also what is below it. Returns
 * removed. */
size_t cache_expunge_name(struct cache *c, const uint8_t *name, size_t len, uint16_t qtype,
			  bool under);

size_t cache_size(const struct cache *c);
size_t cache_memory(const struct cache *c); /* octets mapped and touched */

struct cache_stats {
	uint64_t entries, max_entries, hits, misses, deferred_inserts, deferred_lookups,
		lookup_collisions, insert_collisions, ttl_too_shorts, cleanup_count, evictions,
		inserts;
};
void cache_stats(const struct cache *c, struct cache_stats *out);

/* One entry as a dump or a scan sees it; all lent until visit returns. */
struct cache_entry_view {
	const uint8_t *answer; /* ID 0 */
	size_t len;
	const uint8_t *key;
	size_t key_len;
	uint64_t hash;
	struct question question;
	uint32_t added_s, expires_s;
	uint16_t query_flags;
	bool over_udp, dnssec_ok;
	struct ecs subnet; /* of the query; not present where the content of that option is skipped */
};

/* Visits every entry; visit returns false to end. Returns how many were visited. */
size_t cache_visit(struct cache *c, bool (*visit)(void *ctx, const struct cache_entry_view *e),
		   void *ctx);

#endif
