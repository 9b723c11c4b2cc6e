#include "rules/dynblocks.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/share.h"
#include "core/stats.h"
#include "rules/dynblocks_table.h"
#include "rules/kernel_blocks.h"

/* So many of these that wait for workers share a grace period. */
#define LIMBO_MAX 4096

/* Up to here a look-up finds its two lines in the caches of a core, measured. */
#define MANY 20000

/* What a transaction has collected. */
struct draft {
	struct block_table table[BLOCK_KINDS];
	bool cleared; /* what was there before goes */
};

static struct {
	bool drafting;
	struct draft *draft; /* NULL: nothing in it yet */
} state;

_Atomic unsigned dynblocks_present;

void blocks_note_present(void)
{
	const struct block_table *t = dynblock_tables;
	size_t clients = dynblocks_count(DYNBLOCK_ADDRESS);
	unsigned bits = (unsigned)(clients > 0) << DYNBLOCK_ADDRESS |
			(unsigned)(t[BLOCK_NAME].n > 0) << DYNBLOCK_NAME |
			(unsigned)(clients > MANY) << DYNBLOCK_KINDS;

	if (atomic_load_explicit(&dynblocks_present, memory_order_relaxed) != bits)
		atomic_store_explicit(&dynblocks_present, bits, memory_order_relaxed);
}

/* Frees what was taken out, once so much waits for it that a grace period is worth its while. */
void blocks_settle(uint32_t limbo_max)
{
	bool wanted = limbo_max == 0 && causes_unsettled();

	for (unsigned i = 0; i < BLOCK_KINDS; i++)
		wanted |= dynblock_tables[i].n_limbo > limbo_max ||
			  dynblock_tables[i].retired != NULL ||
			  (limbo_max == 0 && block_table_unsettled(&dynblock_tables[i]));
	if (!wanted)
		return;
	rcu_wait();
	for (unsigned i = 0; i < BLOCK_KINDS; i++)
		block_table_settle(&dynblock_tables[i]);
	causes_settle();
}

static int check_prefix(const struct dynblock_new *new, struct err *err)
{
	bool v6 = new->addr.sa.sa_family == AF_INET6;
	unsigned width = v6 ? 128 : 32;

	if (new->bits > width)
		return err_set(err, "an address has %u bits, not %u", width, new->bits);
	if (new->port_bits > 16)
		return err_set(err, "a port has 16 bits, not %u", new->port_bits);
	if (new->port_bits > 0 && new->bits != width)
		return err_set(err,
			       "a part of the ports can be blocked of a single address only: the "
			       "prefix has %u bits of %u",
			       new->bits, width);
	if (v6 && IN6_IS_ADDR_V4MAPPED(&new->addr.v6.sin6_addr) && new->bits < 96)
		return err_set(err,
			       "a prefix of IPv4-mapped addresses has at least 96 bits, not %u",
			       new->bits);
	return 0;
}

static int check(const struct dynblock_new *new, struct err *err)
{
	size_t name_len = new->tag_name ? strlen(new->tag_name) : 0;
	size_t value_len = new->tag_value ? strlen(new->tag_value) : 0;

	if (new->seconds == 0)
		return err_set(err, "a block must last at least one second");
	if (new->action == DNS_ACTION_SET_TAG && name_len == 0)
		return err_set(err, "DNSAction.SetTag needs a tagName");
	if (name_len + value_len > EXTRA_ITEM_MAX)
		return err_set(err,
			       "a tag's name and value together can't be longer than %d octets, "
			       "these have %zu",
			       EXTRA_ITEM_MAX, name_len + value_len);
	return new->name ? 0 : check_prefix(new, err);
}

static enum block_kind key_of(const struct dynblock_new *new, struct block_key *k)
{
	unsigned length = new->bits + new->port_bits;

	if (new->name) {
		block_key_name(new->name, new->name_len, k);
		return BLOCK_NAME;
	}
	if (new->addr.sa.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&new->addr.v6.sin6_addr))
		length -= 96;
	return block_key_address(&new->addr, length, k);
}

/* A block as it is to be, and the clock. */
struct wish {
	const struct dynblock_cause *cause;
	uint64_t expires_us, now_us;
};

static const struct dynblock_cause *cause_of(const struct dynblock *b)
{
	return atomic_load_explicit(&b->cause, memory_order_relaxed);
}

/* What becomes of a wish where this block is, which may be NULL. */
static enum dynblock_added decide(const struct dynblock *old, const struct wish *w)
{
	bool was_warning;

	if (!block_is_in_force(old, w->now_us))
		return DYNBLOCK_NEW;
	was_warning = cause_of(old)->warning;
	if (was_warning != w->cause->warning)
		return was_warning ? DYNBLOCK_NEW : DYNBLOCK_KEPT;
	return counter_get(&old->expires_us) > w->expires_us ? DYNBLOCK_KEPT : DYNBLOCK_EXTENDED;
}

/* The time last: who sees the new time sees the new cause. */
static void replace(struct dynblock *b, const struct wish *w)
{
	const struct dynblock_cause *was = cause_of(b);

	if (!block_is_in_force(b, w->now_us))
		block_hits_reset(b);
	atomic_store_explicit(&b->cause, cause_ref(w->cause), memory_order_release);
	atomic_store_explicit(&b->expires_us, w->expires_us, memory_order_release);
	cause_unref(was);
}

/* Adds or replaces. The block, or NULL when there are too many. */
static struct dynblock *put(struct block_table *t, const struct block_key *k, const struct wish *w)
{
	struct dynblock *b = block_table_find(t, k);

	if (b == NULL)
		return block_table_add(t, k, cause_ref(w->cause), w->expires_us);
	replace(b, w);
	return b;
}

static int put_live(enum block_kind kind, const struct block_key *k, const struct wish *w)
{
	struct block_table *t = &dynblock_tables[kind];
	struct dynblock *b = block_table_find(t, k);
	enum dynblock_added added = decide(b, w);
	bool was_in_force = block_is_in_force(b, w->now_us);

	if (added == DYNBLOCK_KEPT)
		return added;
	b = put(t, k, w);
	if (b == NULL)
		return -ENOSPC;
	if (added == DYNBLOCK_NEW && !w->cause->quiet)
		block_log_begin(b, w->now_us);
	kernel_block_changed(b, was_in_force);
	blocks_note_present();
	blocks_settle(LIMBO_MAX);
	return added;
}

static struct draft *draft_made(void)
{
	if (state.draft == NULL) {
		state.draft = mem_zalloc(1, sizeof(*state.draft));
		for (unsigned i = 0; i < BLOCK_KINDS; i++)
			block_table_init(&state.draft->table[i], (enum block_kind)i);
	}
	return state.draft;
}

static int put_draft(enum block_kind kind, const struct block_key *k, const struct wish *w)
{
	struct draft *d = draft_made();
	const struct block_table *live = &dynblock_tables[kind];
	const struct dynblock *old = block_table_find(&d->table[kind], k);
	enum dynblock_added added;

	if (old == NULL && !d->cleared)
		old = block_table_find(live, k);
	added = decide(old, w);
	if (added == DYNBLOCK_KEPT)
		return added;
	if (live->n + d->table[kind].n >= BLOCKS_MAX)
		return -ENOSPC;
	return put(&d->table[kind], k, w) ? (int)added : -ENOSPC;
}

int dynblocks_add(const struct dynblock_new *new, struct err *err)
{
	struct wish w = {.now_us = clock_mono_us()};
	enum block_kind kind;
	struct block_key k;
	int rc = check(new, err);

	if (rc < 0)
		return rc;
	kind = key_of(new, &k);
	w.cause = cause_get(new);
	w.expires_us = w.now_us + (uint64_t) new->seconds * 1000000;
	rc = state.drafting ? put_draft(kind, &k, &w) : put_live(kind, &k, &w);
	cause_unref(w.cause);
	if (rc == -ENOSPC)
		err_set(err, "there are %u blocks, which is as many as there can be", BLOCKS_MAX);
	return rc;
}

static void clear_live(void)
{
	block_log_clear(dynblocks_count(DYNBLOCK_ADDRESS) + dynblocks_count(DYNBLOCK_NAME));
	kernel_blocks_clear();
	for (unsigned i = 0; i < BLOCK_KINDS; i++)
		if (dynblock_tables[i].end > 1)
			block_table_clear(&dynblock_tables[i], true);
	block_purge_reset();
	block_top_reset();
	blocks_note_present();
	blocks_settle(0);
}

static void free_draft(void)
{
	struct draft *d = state.draft;

	if (d == NULL)
		return;
	for (unsigned i = 0; i < BLOCK_KINDS; i++)
		block_table_clear(&d->table[i], false);
	free(d);
	state.draft = NULL;
}

void dynblocks_clear(void)
{
	if (!state.drafting) {
		clear_live();
		return;
	}
	free_draft();
	draft_made()->cleared = true;
}

void dynblocks_begin(void)
{
	assert(!state.drafting);
	state.drafting = true;
}

/* What has ended since it was added is left out. */
static void apply(const struct draft *d)
{
	uint64_t now_us = clock_mono_us();

	for (unsigned i = 0; i < BLOCK_KINDS; i++) {
		for (uint32_t id = 1; id < d->table[i].end; id++) {
			const struct dynblock *b = block_at(&d->table[i], id);
			struct wish w = {cause_of(b), counter_get(&b->expires_us), now_us};
			struct block_key k = block_key_of(b);

			if (w.expires_us > now_us)
				put_live((enum block_kind)i, &k, &w);
		}
	}
}

void dynblocks_end(bool commit)
{
	state.drafting = false;
	if (state.draft == NULL)
		return;
	if (commit && state.draft->cleared)
		clear_live();
	if (commit)
		apply(state.draft);
	free_draft();
}

/* Blocks that the transaction has replaced are seen as it left them. */
static const struct dynblock *as_drafted(const struct dynblock *b)
{
	struct block_key k = block_key_of(b);
	const struct dynblock *drafted;

	if (state.draft == NULL)
		return b;
	if (state.draft->cleared)
		return NULL;
	drafted = block_table_find(&state.draft->table[b->table], &k);
	return drafted ? drafted : b;
}

struct visit {
	void (*see)(void *ctx, const struct dynblock_view *b);
	void *ctx;
	uint64_t now_us;
};

/* With the queries that were counted for another, or NULL. */
static void visit_one(const struct visit *visit, const struct dynblock *b,
		      const struct dynblock *counted)
{
	struct dynblock_view v, w = {.blocks = 0};

	if (!block_is_in_force(b, visit->now_us))
		return;
	block_view(b, &v);
	if (counted != b) {
		if (block_is_in_force(counted, visit->now_us))
			block_view(counted, &w);
		v.blocks = w.blocks;
		v.in_kernel = w.in_kernel;
	}
	visit->see(visit->ctx, &v);
}

static void visit_live(enum block_kind kind, const struct visit *visit)
{
	const struct block_table *t = &dynblock_tables[kind];

	for (uint32_t id = 1; id < t->end; id++) {
		const struct dynblock *b = block_at(t, id);

		share_core();
		if (b->next == BLOCK_LINKED)
			visit_one(visit, as_drafted(b), b);
	}
}

/* Those that only the transaction has. */
static void visit_drafted(enum block_kind kind, const struct visit *visit)
{
	const struct draft *d = state.draft;

	for (uint32_t id = 1; d && id < d->table[kind].end; id++) {
		const struct dynblock *b = block_at(&d->table[kind], id);
		struct block_key k = block_key_of(b);

		if (d->cleared || block_table_find(&dynblock_tables[kind], &k) == NULL)
			visit_one(visit, b, NULL);
	}
}

void dynblocks_visit(enum dynblock_kind kind,
		     void (*visit)(void *ctx, const struct dynblock_view *b), void *ctx)
{
	unsigned first = kind == DYNBLOCK_NAME ? BLOCK_NAME : BLOCK_V4;
	unsigned last = kind == DYNBLOCK_NAME ? BLOCK_NAME : BLOCK_V6;
	struct visit v = {visit, ctx, clock_mono_us()};

	for (unsigned i = first; i <= last; i++)
		visit_live((enum block_kind)i, &v);
	for (unsigned i = first; i <= last; i++)
		visit_drafted((enum block_kind)i, &v);
}

size_t dynblocks_count(enum dynblock_kind kind)
{
	if (kind == DYNBLOCK_NAME)
		return dynblock_tables[BLOCK_NAME].n;
	return (size_t)dynblock_tables[BLOCK_V4].n + dynblock_tables[BLOCK_V6].n;
}

size_t dynblocks_memory(void)
{
	size_t len = causes_memory() + block_hits_memory() + block_top_memory();

	for (unsigned i = 0; i < BLOCK_KINDS; i++)
		len += block_table_memory(&dynblock_tables[i]);
	return len;
}

static uint64_t addresses(void)
{
	return dynblocks_count(DYNBLOCK_ADDRESS);
}

void dynblocks_start(void)
{
	for (unsigned i = 0; i < BLOCK_KINDS; i++)
		block_table_init(&dynblock_tables[i], (enum block_kind)i);
	block_keys_start();
	stats_provide("dyn-block-nmg-size", addresses);
}

void dynblocks_stop(void)
{
	dynblocks_end(false);
	block_purge_reset();
	block_top_reset();
	for (unsigned i = 0; i < BLOCK_KINDS; i++)
		block_table_clear(&dynblock_tables[i], false);
	blocks_note_present();
	causes_settle();
	block_hits_stop();
}
