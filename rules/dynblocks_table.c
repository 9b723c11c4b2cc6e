/*
 * Open addressing over 8 octets a slot, of which half is a tag: who is not blocked, which is nearly
 * everybody, costs one line of memory and reads no block. A chain of blocks would cost a line for
 * each block that happens to hang in the same place, a trie a line a step.
 *
 * The index grows while it is used, some slots at each block that is added: what is added meanwhile
 * goes into both, and the new one is published when it has all. So neither a worker nor the control
 * thread ever waits for a million blocks to be moved. Removing leaves a mark that ends no search
 * and is used again; the place of the block itself is used again only after a grace period.
 */
#include "rules/dynblocks_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

#define SLOTS_MIN 64

#define EMPTY   0          /* ends a search */
#define REMOVED UINT32_MAX /* of the lower half; no id is that large */

/* A new index is begun when this is taken, in eighths, and is complete some thirtieth later. */
#define FULL_EIGHTHS 5
#define STEP_SLOTS   64

void block_table_init(struct block_table *t, enum block_kind kind)
{
	memset(t, 0, sizeof(*t));
	t->end = 1;
	t->kind = (uint8_t)kind;
}

static uint64_t slot_of(const struct dynblock *b)
{
	return (b->hash >> 32 << 32) | b->id;
}

static bool has_key(const struct dynblock *b, const struct block_key *k)
{
	if (b->length != k->length || b->lo != k->lo)
		return false;
	if (b->table == BLOCK_NAME)
		return name_equal(b->name, k->name, k->lo);
	return b->hi == k->hi && b->port == k->port;
}

static uint64_t load(const struct block_index *x, size_t i)
{
	return atomic_load_explicit(&x->slot[i & x->mask], memory_order_acquire);
}

static void store(struct block_index *x, size_t i, uint64_t slot)
{
	atomic_store_explicit(&x->slot[i & x->mask], slot, memory_order_release);
}

struct dynblock *block_table_find(const struct block_table *t, const struct block_key *k)
{
	const struct block_index *x = rcu_get(t->index);
	uint64_t slot;

	if (x == NULL)
		return NULL;
	for (size_t i = k->hash; (slot = load(x, i)) != EMPTY; i++) {
		struct dynblock *b;

		if (slot >> 32 != k->hash >> 32 || (uint32_t)slot == REMOVED)
			continue;
		b = block_at(t, (uint32_t)slot);
		if (has_key(b, k))
			return b;
	}
	return NULL;
}

void block_table_prefetch(const struct block_table *t, uint64_t hash)
{
	const struct block_index *x = rcu_get(t->index);

	if (x != NULL)
		__builtin_prefetch((const void *)&x->slot[hash & x->mask]);
}

/* Where it stands is loaded by now: the block itself follows, if there is one. */
void block_table_prefetch_block(const struct block_table *t, uint64_t hash)
{
	const struct block_index *x = rcu_get(t->index);
	uint64_t slot;

	if (x == NULL)
		return;
	for (size_t i = hash; (slot = load(x, i)) != EMPTY; i++) {
		if (slot >> 32 != hash >> 32 || (uint32_t)slot == REMOVED)
			continue;
		__builtin_prefetch(block_at(t, (uint32_t)slot));
		return;
	}
}

static struct block_index *index_for(size_t n)
{
	size_t slots = SLOTS_MIN;
	struct block_index *x;

	while (slots / 2 < n)
		slots *= 2;
	x = mem_table(sizeof(*x) + slots * sizeof(x->slot[0]));
	x->mask = slots - 1;
	return x;
}

static size_t index_memory(const struct block_index *x)
{
	return x ? sizeof(*x) + (x->mask + 1) * sizeof(x->slot[0]) : 0;
}

static void index_free(struct block_index *x)
{
	mem_table_free(x, index_memory(x));
}

/* In the first slot that may be taken; once. There is an empty one. Whether that was empty. */
static bool put(struct block_index *x, const struct dynblock *b)
{
	uint64_t slot, own = slot_of(b);
	size_t to = SIZE_MAX, i;

	for (i = b->hash; (slot = load(x, i)) != EMPTY; i++) {
		if (slot == own)
			return false;
		if ((uint32_t)slot == REMOVED && to == SIZE_MAX)
			to = i;
	}
	store(x, to == SIZE_MAX ? i : to, own);
	return to == SIZE_MAX;
}

/* Leaves a mark, unless the search would end behind it anyway. How many slots became empty. */
static size_t take_out(struct block_index *x, const struct dynblock *b)
{
	uint64_t slot, own = slot_of(b);
	size_t i, emptied = 0;

	for (i = b->hash; (slot = load(x, i)) != own; i++)
		if (slot == EMPTY)
			return 0;
	store(x, i, REMOVED);
	if (load(x, i + 1) != EMPTY)
		return 0;
	for (; (uint32_t)load(x, i) == REMOVED; i--, emptied++)
		store(x, i, EMPTY);
	return emptied;
}

static void begin_coming(struct block_table *t)
{
	t->coming = index_for((size_t)t->n + 1);
	t->coming_used = t->moved = 0;
}

static void end_coming(struct block_table *t)
{
	struct block_index *old = rcu_get(t->index);

	rcu_publish(t->index, t->coming);
	t->used = t->coming_used;
	t->coming = NULL;
	old->next = t->retired;
	t->retired = old;
}

static void move_slots(struct block_table *t, size_t slots)
{
	const struct block_index *x = rcu_get(t->index);

	for (; slots > 0 && t->moved <= x->mask; slots--, t->moved++) {
		uint32_t id = (uint32_t)load(x, t->moved);

		if (id != EMPTY && id != REMOVED)
			t->coming_used += put(t->coming, block_at(t, id));
	}
	if (t->moved > x->mask)
		end_coming(t);
}

static bool is_far_too_large(const struct block_table *t, const struct block_index *x)
{
	return x->mask >= SLOTS_MIN && t->n < x->mask / 16;
}

void block_table_step(struct block_table *t, size_t slots)
{
	const struct block_index *x = rcu_get(t->index);

	if (x == NULL)
		return;
	if (t->coming == NULL && is_far_too_large(t, x))
		begin_coming(t);
	if (t->coming != NULL)
		move_slots(t, slots);
}

static void link_block(struct block_table *t, const struct dynblock *b)
{
	struct block_index *x = rcu_get(t->index);

	if (x == NULL) {
		x = index_for(1);
		rcu_publish(t->index, x);
	}
	t->used += put(x, b);
	if (t->coming == NULL && t->used > (x->mask + 1) / 8 * FULL_EIGHTHS)
		begin_coming(t);
	if (t->coming == NULL)
		return;
	t->coming_used += put(t->coming, b);
	move_slots(t, STEP_SLOTS);
}

static size_t piece_size(unsigned i)
{
	return sizeof(struct dynblock) * PIECE_FIRST << i;
}

static void make_piece(struct block_table *t, uint32_t id)
{
	uint32_t at = id - 1 + PIECE_FIRST;
	unsigned log = 31 - (unsigned)__builtin_clz(at);

	assert(log >= 8 && log - 8 < ARRAY_LEN(t->piece));
	if (at != 1u << log)
		return;
	rcu_publish(t->piece[log - 8], (struct dynblock *)mem_table(piece_size(log - 8)));
}

static struct dynblock *new_place(struct block_table *t)
{
	struct dynblock *b;

	if (t->free == 0) {
		if (t->end > BLOCKS_MAX)
			return NULL;
		make_piece(t, t->end);
		b = block_at(t, t->end);
		b->id = t->end++;
		return b;
	}
	b = block_at(t, t->free);
	t->free = b->next;
	return b;
}

static void note_length(struct block_table *t, unsigned length)
{
	_Atomic uint64_t *word = &t->lengths[length / 64];
	uint64_t bit = UINT64_C(1) << length % 64;

	if (t->n_of[length]++ == 0)
		atomic_store_explicit(word, counter_get(word) | bit, memory_order_release);
}

static void forget_length(struct block_table *t, unsigned length)
{
	_Atomic uint64_t *word = &t->lengths[length / 64];
	uint64_t bit = UINT64_C(1) << length % 64;

	if (--t->n_of[length] == 0)
		atomic_store_explicit(word, counter_get(word) & ~bit, memory_order_release);
}

static void set_key(struct dynblock *b, const struct block_key *k, enum block_kind kind)
{
	b->hash = k->hash;
	b->lo = k->lo;
	b->length = k->length;
	b->port = k->port;
	b->table = (uint8_t)kind;
	if (kind == BLOCK_NAME)
		b->name = memcpy(mem_alloc(k->lo), k->name, k->lo);
	else
		b->hi = k->hi;
}

struct dynblock *block_table_add(struct block_table *t, const struct block_key *k,
				 const struct dynblock_cause *cause, uint64_t expires_us)
{
	struct dynblock *b = new_place(t);

	if (b == NULL) {
		cause_unref(cause);
		return NULL;
	}
	set_key(b, k, (enum block_kind)t->kind);
	b->next = BLOCK_LINKED;
	block_hits_reset(b);
	atomic_store_explicit(&b->expires_us, expires_us, memory_order_relaxed);
	atomic_store_explicit(&b->cause, cause, memory_order_relaxed);
	link_block(t, b);
	note_length(t, b->length);
	t->n++;
	return b;
}

void block_table_remove(struct block_table *t, struct dynblock *b)
{
	assert(b->next == BLOCK_LINKED);
	t->used -= take_out(rcu_get(t->index), b);
	if (t->coming != NULL)
		t->coming_used -= take_out(t->coming, b);
	forget_length(t, b->length);
	t->n--;
	b->next = t->limbo;
	t->limbo = b->id;
	t->n_limbo++;
}

bool block_table_unsettled(const struct block_table *t)
{
	return t->limbo != 0 || t->retired != NULL;
}

static void free_content(struct dynblock *b)
{
	if (b->table == BLOCK_NAME)
		free(b->name);
	cause_unref(atomic_load_explicit(&b->cause, memory_order_relaxed));
}

void block_table_settle(struct block_table *t)
{
	while (t->limbo != 0) {
		struct dynblock *b = block_at(t, t->limbo);

		t->limbo = b->next;
		free_content(b);
		b->next = t->free;
		t->free = b->id;
	}
	t->n_limbo = 0;
	while (t->retired != NULL) {
		struct block_index *x = t->retired;

		t->retired = x->next;
		index_free(x);
	}
}

static void free_pieces(struct dynblock *piece[static PIECES])
{
	for (unsigned i = 0; i < PIECES; i++)
		mem_table_free(piece[i], piece_size(i));
}

static void free_contents(struct block_table *t)
{
	for (uint32_t id = 1; id < t->end; id++) {
		struct dynblock *b = block_at(t, id);

		if (b->next == BLOCK_LINKED)
			free_content(b);
	}
}

/* Workers must have left the index before they can miss a piece, and the pieces before they go. */
void block_table_clear(struct block_table *t, bool waits)
{
	struct block_index *x = rcu_get(t->index);
	struct dynblock *piece[PIECES];

	rcu_publish(t->index, NULL);
	if (waits)
		rcu_wait();
	block_table_settle(t);
	free_contents(t);
	for (unsigned i = 0; i < PIECES; i++) {
		piece[i] = rcu_get(t->piece[i]);
		rcu_publish(t->piece[i], NULL);
	}
	for (unsigned i = 0; i < LENGTH_WORDS; i++)
		atomic_store_explicit(&t->lengths[i], 0, memory_order_relaxed);
	if (waits)
		rcu_wait();
	free_pieces(piece);
	index_free(x);
	index_free(t->coming);
	t->coming = NULL;
	memset(t->n_of, 0, sizeof(t->n_of));
	t->n = t->free = 0;
	t->used = 0;
	t->end = 1;
}

static size_t names_memory(const struct block_table *t)
{
	size_t len = 0;

	for (uint32_t id = 1; t->kind == BLOCK_NAME && id < t->end; id++) {
		const struct dynblock *b = block_at(t, id);

		len += b->next == BLOCK_LINKED ? b->lo : 0;
	}
	return len;
}

size_t block_table_memory(const struct block_table *t)
{
	size_t len = (size_t)(t->end - 1) * sizeof(struct dynblock) + names_memory(t);

	len += index_memory(rcu_get(t->index)) + index_memory(t->coming);
	for (const struct block_index *x = t->retired; x; x = x->next)
		len += index_memory(x);
	return len;
}
