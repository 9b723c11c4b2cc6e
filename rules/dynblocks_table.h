/*
 * What dynamic blocks are kept in: one table for IPv4, IPv6, and names. The files
 * rules/dynblocks*.c share it, and nobody else includes it.
 */
#ifndef RULES_DYNBLOCKS_TABLE_H
#define RULES_DYNBLOCKS_TABLE_H

#include "core/rcu.h"
#include "rules/dynblocks.h"

/*
 * One block: a line. The key is written before the block is in the index and stays until no worker
 * can see it; time and cause change in place, so that a block is extended without another.
 */
struct dynblock {
	union {
		uint64_t hi;   /* upper bits of a prefix: IPv4 has the upper half */
		uint8_t *name; /* its own */
	};
	uint64_t lo; /* lower bits of a prefix; the length of a name */
	_Atomic uint64_t expires_us;
	_Atomic(const struct dynblock_cause *) cause;
	_Atomic uint64_t hits; /* but for those that stand with workers, see dynblocks_hits.c */
	uint64_t hash;
	_Atomic uint32_t serial; /* of this life of the place; another one begins its count anew */
	uint32_t next; /* free places, and blocks that wait for workers; else BLOCK_LINKED */
	uint32_t id;
	uint16_t port;
	uint8_t length; /* bits, those of the port too; labels of a name */
	uint8_t table;  /* enum block_kind */
};
static_assert(sizeof(struct dynblock) == CACHE_LINE, "a block is not a line");

#define BLOCK_LINKED UINT32_MAX

enum block_kind { BLOCK_V4, BLOCK_V6, BLOCK_NAME, BLOCK_KINDS };

struct block_key {
	uint64_t hi, lo; /* as in the block; of a name hi is nothing */
	uint64_t hash;
	const uint8_t *name;
	uint16_t port;
	uint8_t length;
};

/* Where a hash begins to look is its lower half; the upper half stands in the slot, over the id. */
struct block_index {
	size_t mask;
	struct block_index *next; /* retired ones */
	_Atomic uint64_t slot[];
};

/*
 * Blocks lie in pieces, each twice as large as the one before, so that none ever moves. As many as
 * these hold are 33 million, 2 GiB.
 */
#define PIECE_FIRST 256u
#define PIECES      17
#define BLOCKS_MAX  (PIECE_FIRST * ((1u << PIECES) - 1))

/* Lengths of a kind: 128 bits of an address and 16 of a port; 127 labels. */
#define LENGTH_WORDS 3
#define LENGTH_COUNT (128 + 16 + 1)

struct block_table {
	_Atomic(struct block_index *) index; /* NULL: there is no block */
	_Atomic(struct dynblock *) piece[PIECES];
	_Atomic uint64_t lengths[LENGTH_WORDS]; /* a bit for each length that occurs */

	/* control thread only */
	uint32_t n_of[LENGTH_COUNT];
	uint32_t n;
	uint32_t end;   /* ids begin at 1; none has been given from here on */
	uint32_t free;  /* places, chained; 0: none */
	uint32_t limbo; /* blocks that workers may still see, chained */
	uint32_t n_limbo;
	size_t used; /* slots of the index that are not empty: of removed ones, too */
	struct block_index *coming; /* the index that replaces the present one, partly filled */
	size_t coming_used, moved;  /* slots of the present one that were looked at */
	struct block_index *retired;
	uint8_t kind;
};

void block_table_init(struct block_table *t, enum block_kind kind);

/* Frees all. waits: workers may see it, so that it takes two grace periods. */
void block_table_clear(struct block_table *t, bool waits);

/* Any reader. The block of exactly this key, past its time or not; or NULL. */
struct dynblock *block_table_find(const struct block_table *t, const struct block_key *k);

/* Any reader. Begins to load where it would stand; and then, when that is there, the block. */
void block_table_prefetch(const struct block_table *t, uint64_t hash);
void block_table_prefetch_block(const struct block_table *t, uint64_t hash);

/* Adds a block of a key that is not there. Takes the reference to cause. NULL: as many as there can
 * be. */
struct dynblock *block_table_add(struct block_table *t, const struct block_key *k,
				 const struct dynblock_cause *cause, uint64_t expires_us);

/* Takes a block out. It stays as it is until block_table_settle. */
void block_table_remove(struct block_table *t, struct dynblock *b);

/* Work that is due, so many slots of it: a new index filled, or begun when the present one is far
 * too large. */
void block_table_step(struct block_table *t, size_t slots);

/* Whether settle has something to do; and does it: no worker sees what was taken out any more. */
bool block_table_unsettled(const struct block_table *t);
void block_table_settle(struct block_table *t);

size_t block_table_memory(const struct block_table *t);

/* The block of an id that was given once; NULL when all have been cleared since. Any reader. */
static inline struct dynblock *block_at(const struct block_table *t, uint32_t id)
{
	uint32_t at = id - 1 + PIECE_FIRST;
	unsigned log = 31 - (unsigned)__builtin_clz(at);
	struct dynblock *piece = rcu_get(t->piece[log - 8]);

	return piece ? piece + (at - (1u << log)) : NULL;
}
static_assert(PIECE_FIRST == 1 << 8, "block_at knows the first piece's size");

struct block_key block_key_of(const struct dynblock *b);

/* Secrets of the hashes; once. */
void block_keys_start(void);

/* The key of that many bits of an address and of its port (bits beyond the address's), or of a
 * name. */
enum block_kind block_key_address(const struct addr *a, unsigned length, struct block_key *k);
void block_key_name(const uint8_t *name, size_t len, struct block_key *k);

/*
 * rules/dynblocks_cause.c: causes, of which blocks have the same one when they say the same.
 */

/* With a reference for the caller. */
const struct dynblock_cause *cause_get(const struct dynblock_new *new);
const struct dynblock_cause *cause_ref(const struct dynblock_cause *c);
void cause_unref(const struct dynblock_cause *c);
bool causes_unsettled(void);
void causes_settle(void); /* frees what nobody refers to: no worker sees it any more */
size_t causes_memory(void);

/*
 * rules/dynblocks_hits.c
 */
uint64_t block_hits(const struct dynblock *b);
void block_hits_reset(struct dynblock *b);
size_t block_hits_memory(void);

/* Blocks that met so many queries a second since the last call, about one second ago, or more. */
void block_hits_hot(uint64_t rate, void (*see)(void *ctx, struct dynblock *b), void *ctx);
void block_hits_stop(void);

/*
 * rules/dynblocks_view.c
 */
void block_view(const struct dynblock *b, struct dynblock_view *v);
void block_view_key(const struct dynblock *b, struct dynblock_view *v); /* prefix or name, no more */
void block_log_begin(const struct dynblock *b, uint64_t now_us);
void block_log_end(const struct dynblock *b);
void block_log_clear(size_t n); /* so many were removed at once */
void block_log_held_back(void); /* how many lines there would have been more, since the last call */

/*
 * rules/dynblocks_purge.c: nothing is under way.
 */
void block_purge_reset(void);

/*
 * rules/dynblocks_top.c: looks at some blocks when it is time; a block has begun anew; all have gone.
 */
void block_top_step(uint64_t now_us);
void block_top_forget(const struct dynblock *b);
void block_top_reset(void);
size_t block_top_memory(void);

/*
 * rules/dynblocks.c
 */

/* After what workers look into has changed. */
void blocks_note_present(void);

/* Frees what was taken out, once more blocks than that wait for it: they share a grace period. */
void blocks_settle(uint32_t limbo_max);

/* Whether there is one, and it is not past its time. */
static inline bool block_is_in_force(const struct dynblock *b, uint64_t now_us)
{
	return b != NULL && counter_get(&b->expires_us) > now_us;
}

/* The tables that workers look into. */
extern struct block_table dynblock_tables[BLOCK_KINDS];

#endif
