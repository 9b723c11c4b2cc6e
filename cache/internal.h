/*
 * What the files of this room share: the table, the entry's layout, the arena and the shards.
 *
 * Who may touch what. Words of buckets and of the arena are atomics, because readers look at them
 * while a writer changes them; all accesses are relaxed, and the bucket's sequence number says
 * afterwards whether what was read belonged together. Writers hold the lock of the shard;
 * everything else of a shard is theirs.
 */
#ifndef CACHE_INTERNAL_H
#define CACHE_INTERNAL_H

#include <pthread.h>
#include <string.h>

#include "cache/cache.h"

/*
 * Nine is what fits in one line beside sequence, flags and a hint of expiry: one miss of the CPU's
 * cache for each look-up. Two lines would hold 20 and could be filled higher, but the entry costs
 * more lines than that saves octets.
 */
#define BUCKET_WAYS 9

/*
 * at: position of the entry in the arena in words of 8 octets, 0 when the slot is empty. tags: 16
 * bits of the hash for slots 0-7, four to a word, slot 0 lowest. last: slot 8's tag, and in the
 * upper half a lower bound of the expiry times in the bucket (table.c has the unit). meta: see
 * below.
 */
struct bucket {
	_Atomic uint32_t seq; /* odd: being changed */
	_Atomic uint32_t meta;
	_Atomic uint64_t tags[2];
	_Atomic uint32_t last;
	_Atomic uint32_t at[BUCKET_WAYS];
};
static_assert(sizeof(struct bucket) == CACHE_LINE, "a bucket is one line");

/*
 * How well an entry has earned its place. NEW entries become OLD when the hand passes and are
 * evicted when it passes again, unless they were read meanwhile, which makes them PROTECTED. An
 * empty slot may be the GHOST of who was evicted from it: its tag is still there, and who comes
 * back in time is PROTECTED at once.
 */
enum level { LEVEL_OLD, LEVEL_NEW, LEVEL_PROTECTED, LEVEL_GHOST };

/* meta: bit s: slot s was read since the hand cleared it (readers set it); above, two bits of level
 * a slot. */
static inline uint32_t meta_ref(unsigned slot)
{
	return 1u << slot;
}

static inline unsigned meta_level_shift(unsigned slot)
{
	return BUCKET_WAYS + 2 * slot;
}

/* The last octet of a key: how the query came, and whether the content of options was left out. */
#define KEY_UDP     1
#define KEY_SKIPPED 2

/* Whether keys leave out the content of this EDNS option. */
bool key_skips(const struct cache *c, uint16_t code);

/*
 * An entry in words of 8 octets:
 *   0  added_s, expires_s
 *   1  entry_info, below
 *   2  octets 2-9 of the query; its octets 10-11 are where the answer's ID would be
 *   3… the answer, its name in lower case, so that its question is the key's as well
 *   then octet by octet what follows the question in the key, and at the next even octet the
 * offsets of the TTLs in the answer, 16 bits each in host order.
 */
#define ENTRY_HEAD   16 /* octet of the key's first octet */
#define ENTRY_ANSWER 24 /* octet of the answer's first octet */

#define INFO_HOW_SHIFT 56
#define INFO_HOW       (3ull << INFO_HOW_SHIFT) /* the key's last octet */
#define INFO_DO        (1ull << 58)
#define INFO_PREV_FREE \
	(1ull << 59) /* arena's: the block before is free, its size is in its last word */
#define INFO_SLACK       (3ull << 60) /* arena's: words of the block that the entry does not need */
#define INFO_FREE        (1ull << 62) /* arena's: no entry but a free block; words in the lower half */
#define INFO_ARENA       (INFO_PREV_FREE | INFO_SLACK | INFO_FREE)
#define INFO_SLACK_SHIFT 60

static inline uint32_t info_answer_len(uint64_t info)
{
	return info & 0xffff;
}

static inline uint32_t info_tail_len(uint64_t info)
{
	return info >> 16 & 0xffff;
}

static inline uint32_t info_ttls(uint64_t info)
{
	return info >> 32 & 0xffff;
}

static inline uint32_t info_name_len(uint64_t info)
{
	return info >> 48 & 0xff;
}

/* Octet where the TTL offsets begin. */
static inline uint32_t info_ttl_octet(uint64_t info)
{
	return (ENTRY_ANSWER + info_answer_len(info) + info_tail_len(info) + 1) & ~1u;
}

/* Words the entry fills, without the arena's slack. */
static inline uint32_t info_words(uint64_t info)
{
	return (info_ttl_octet(info) + 2 * info_ttls(info) + 7) / 8;
}

/* No entry is longer: 16-bit lengths throughout. Mapped behind the arena, so that a reader who
 * meets a torn length stays inside the mapping until the sequence number tells him. */
#define ENTRY_OCTETS_MAX (ENTRY_ANSWER + 4 * 65536)

/*
 * Arena: chunks of this many words are lent to shards for good. It bounds the largest block (an
 * entry of 64 KiB answer, 4 KiB key and 6,000 TTLs is 82 KiB), and is what a small cache maps at
 * least.
 */
#define CHUNK_WORDS 32768u
#define ARENA_FIRST 8u /* 0 means empty, so the first chunk begins a line later */

/* Free blocks by size: below 128 words one list a size, then eight lists each doubling. */
#define BIN_EXACT 128
#define BINS      (BIN_EXACT + 8 * 8)

/*
 * One part in so many is never protected: the ground on which new entries prove themselves. Hits in
 * a simulation of 100,000 names in a cache of 5,000, one run each, in % for a fifth, a tenth, a
 * twentieth, and for LRU:
 *
 * - Zipf 0.9, 30 % strangers: 58.0, 59.0, 59.4; 45.5
 *
 * - Zipf 1.0, 10 % strangers, ranks move by one every 50 queries: 65.4, 65.1, 64.8; 62.9
 *
 * - the same, every 25 queries: 60.5, 59.5, not run; 61.5
 *
 * - the same, every 10 queries: 50.4, 48.0, 46.3; 56.6
 *
 * So LRU is better where popularity moves very fast, but it has no defence against a flood. A
 * smaller part also makes the hand go further for a victim.
 */
#define PROBATION_SHARE 10

struct shard {
	alignas(CACHE_LINE) pthread_mutex_t lock;
	_Atomic uint32_t n; /* entries; the lock's owner writes, anybody reads */
	uint32_t cap;
	uint32_t n_protected, protected_cap;
	uint32_t first_bucket, n_buckets;
	uint32_t hand_bucket; /* from first_bucket; where the next search for a victim goes on */
	uint32_t hand_slot;
	uint32_t chunks;     /* it has */
	uint32_t freed_last; /* the free block that the entry removed last became part of */
	uint64_t bin_map[BINS / 64];
	uint32_t bin[BINS];
};

/* A worker's own: counters, and room to put an entry together before the lock is taken. */
struct cache_worker {
	_Atomic uint64_t hits, misses, deferred_inserts, deferred_lookups, lookup_collisions,
		insert_collisions, ttl_too_shorts, cleanups, evictions, inserts;
	uint32_t turn;      /* of shuffled answers */
	uint32_t clean_round, clean_bucket; /* where an interrupted cleaning goes on */
	uint64_t scratch[]; /* scratch_words of the entry, then the TTL offsets */
};

struct cache {
	/* read by every look-up */
	struct bucket *buckets;
	_Atomic uint64_t *words; /* the arena */
	uint32_t n_buckets;
	uint32_t n_shards;
	struct shard *shards;
	bool key_plain;    /* nothing to skip, nothing to rank: every key is a copy */
	uint64_t skip_low; /* bit c: option code c < 64 is skipped */
	struct cache_options options;
	uint32_t scratch_words, max_ttls;
	uint32_t chunks_total, chunks_each; /* a shard has at most chunks_each */
	size_t table_octets, arena_octets;
	unsigned refs;
	struct perworker workers;

	alignas(CACHE_LINE) _Atomic uint32_t chunks_used;
};

/*
 * Fences and TSan: it does not model them, and gcc says so; nothing hangs on that here since all
 * that races is atomic. Without the pragma a build for TSan would end at this warning.
 */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wtsan"
#endif
static inline void fence_acquire(void)
{
	atomic_thread_fence(memory_order_acquire);
}

static inline void fence_release(void)
{
	atomic_thread_fence(memory_order_release);
}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

#define load_relaxed(p)     atomic_load_explicit((p), memory_order_relaxed)
#define store_relaxed(p, v) atomic_store_explicit((p), (v), memory_order_relaxed)

/* Multiply and shift, so that the number of buckets need not be a power of two. */
static inline uint32_t bucket_index(const struct cache *c, uint64_t hash)
{
	return (uint32_t)((hash >> 32) * c->n_buckets >> 32);
}

/* The same bits scaled to shards: n_buckets is a multiple of n_shards, so a shard's buckets lie
 * together. */
static inline struct shard *shard_of(const struct cache *c, uint64_t hash)
{
	return &c->shards[(hash >> 32) * c->n_shards >> 32];
}

static inline uint16_t hash_tag(uint64_t hash)
{
	return (uint16_t)hash;
}

/* The calling worker's block; made now when he did not join. */
static inline struct cache_worker *worker_block(struct cache *c, unsigned worker)
{
	struct cache_worker *w = perworker_peek(&c->workers, worker);

	return likely(w != NULL) ? w : perworker_get(&c->workers, worker);
}

/* table.c: lock held by the caller. */

/* Bit s set: slot s is empty. */
unsigned slots_empty(const struct bucket *b);
/* The slot of this tag's ghost, or BUCKET_WAYS. */
unsigned slot_of_ghost(const struct bucket *b, uint16_t tag);
/* An empty slot; one that is no ghost if possible, else one ghost after the other. There must be
 * one. */
unsigned slot_empty(const struct bucket *b);
/* Readers see the slot with all of the entry or not at all. */
void slot_fill(struct cache *c, struct shard *sh, struct bucket *b, unsigned slot, uint16_t tag,
	       uint32_t at, enum level level);
/* Empties the slot and frees its entry. as is LEVEL_GHOST or LEVEL_OLD. */
void slot_clear(struct cache *c, struct shard *sh, struct bucket *b, unsigned slot, enum level as);
enum level slot_level(const struct bucket *b, unsigned slot);
/* Also forgets that the slot was read. */
void slot_set_level(struct shard *sh, struct bucket *b, unsigned slot, enum level level);
static inline bool slot_was_read(const struct bucket *b, unsigned slot)
{
	return (load_relaxed(&b->meta) & meta_ref(slot)) != 0;
}
/* Whether an entry of the bucket may have expired. Cheap: reads nothing but the bucket. */
bool bucket_is_due(const struct bucket *b, uint32_t now_s);
/* Removes at most max expired entries of the bucket; returns how many there were. */
unsigned bucket_expire(struct cache *c, struct shard *sh, struct bucket *b, uint32_t now_s,
		       size_t max);

/* entry.c */

/* What an insert knows of an entry before it has a place. */
struct entry_parts {
	const struct cache_key *key;
	const uint8_t *answer;
	uint32_t len; /* of the answer */
	const uint16_t *ttl_at;
	uint32_t n_ttls;
	uint32_t added_s, expires_s;
};

/* Puts the entry together in out, which has room for it; returns its words. */
uint32_t entry_build(const struct entry_parts *p, uint64_t *out);
/* Plain copy of an entry's octets from … from + len, lock held. */
void entry_octets(const _Atomic uint64_t *w, uint32_t from, uint8_t *out, uint32_t len);
/* Rebuilds the key (bytes, len, name_len, dnssec_ok, hash), lock held. */
void entry_key(const _Atomic uint64_t *w, struct cache_key *key);

static inline uint32_t entry_added_s(uint64_t word0)
{
	return (uint32_t)word0;
}

static inline uint32_t entry_expires_s(uint64_t word0)
{
	return (uint32_t)(word0 >> 32);
}

/* arena.c: lock held. */

/* A block of so many words, 0 when the shard has none. Its word 1 holds the arena's bits, which
 * must stay. */
uint32_t arena_alloc(struct cache *c, struct shard *sh, uint32_t words);
/* Frees the block; returns where the free block begins that it became part of. */
uint32_t arena_free(struct cache *c, struct shard *sh, uint32_t at);
/* Words of the free block at this place. */
uint32_t arena_free_words(const struct cache *c, uint32_t at);
/* The block behind the free block at this place; 0 when the chunk ends there. */
uint32_t arena_neighbour(const struct cache *c, uint32_t at);

/* evict.c: lock held. */

/* Removes an entry of the shard, several when they have expired; false: it has none. */
bool evict_one(struct cache *c, struct shard *sh, struct cache_worker *w, uint32_t now_s);
/* Empties a slot of a full bucket. */
void evict_in_bucket(struct cache *c, struct shard *sh, struct bucket *b, struct cache_worker *w,
		     uint32_t now_s);
/* A block of so many words, evicting what it takes; 0 when that does not help. */
uint32_t evict_for_room(struct cache *c, struct shard *sh, struct cache_worker *w, uint32_t now_s,
			uint32_t words);

/* options.c: puts options into their canonical form, or says what is wrong. */
int options_check(struct cache_options *o, struct err *err);

/* shuffle.c: rotates each run of A or AAAA records with one owner; ttl_at are offsets of TTLs in
 * order. */
void answer_rotate(uint8_t *answer, size_t len, size_t question_end, const uint16_t *ttl_at,
		   unsigned n, uint32_t turn);

#endif
