/*
 * Which blocks meet the most queries. Every ten seconds all blocks are looked at, some at a time,
 * and those with the most queries since the last time are kept for each reason; the last minute of
 * that is averaged.
 *
 * What a block had met at the last look is 4 octets beside it. A reason is the operator's text, or
 * what a visitor said, so that there may be any number: those that come first in a look are kept.
 */
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/share.h"
#include "rules/dynblocks_table.h"
#include "rules/kernel_blocks.h"

#define LOOK_US UINT64_C(10000000)
#define LOOKS   6  /* a minute */
#define MOST    20 /* blocks of a reason */
#define REASONS 64

/* Blocks that one call of block_top_step looks at: a million in eight seconds, 2 to 4 ms of each.
 */
#define STEP 131072u

struct place {
	uint64_t hits;
	char *what; /* its own */
};

struct list {
	char *reason; /* its own */
	unsigned n;
	struct place place[MOST];
};

struct look {
	double seconds; /* since the look before */
	unsigned n[DYNBLOCK_KINDS];
	struct list *list[DYNBLOCK_KINDS][REASONS];
};

static struct {
	struct look done[LOOKS], now;
	unsigned n, next;              /* of done: how many there are, where the next one goes */
	uint64_t last_us;              /* when the last one began; 0: none did */
	unsigned table;                /* BLOCK_KINDS: none is under way */
	uint32_t at;                   /* the next id */
	uint32_t *before[BLOCK_KINDS]; /* by id: what had been counted */
	uint32_t n_before[BLOCK_KINDS];
} top = {.table = BLOCK_KINDS};

static void look_free(struct look *l)
{
	for (unsigned k = 0; k < DYNBLOCK_KINDS; k++) {
		for (unsigned i = 0; i < l->n[k]; i++) {
			struct list *list = l->list[k][i];

			for (unsigned j = 0; j < list->n; j++)
				free(list->place[j].what);
			free(list->reason);
			free(list);
		}
	}
	*l = (struct look){0};
}

static void forget_all(unsigned table)
{
	free(top.before[table]);
	top.before[table] = NULL;
	top.n_before[table] = 0;
}

void block_top_reset(void)
{
	look_free(&top.now);
	for (unsigned i = 0; i < LOOKS; i++)
		look_free(&top.done[i]);
	for (unsigned t = 0; t < BLOCK_KINDS; t++)
		forget_all(t);
	top.n = top.next = 0;
	top.last_us = 0;
	top.table = BLOCK_KINDS;
}

void block_top_forget(const struct dynblock *b)
{
	/* or it is one of a transaction's own tables */
	if (b->id < top.n_before[b->table] && block_at(&dynblock_tables[b->table], b->id) == b)
		top.before[b->table][b->id] = 0;
}

/* The list of a reason; NULL: there are too many. */
static struct list *list_of(struct look *l, enum dynblock_kind kind, const char *reason)
{
	struct list *list;

	for (unsigned i = l->n[kind]; i-- > 0;) /* blocks of a reason are likely to come together */
		if (strcmp(l->list[kind][i]->reason, reason) == 0)
			return l->list[kind][i];
	if (l->n[kind] == REASONS)
		return NULL;
	list = mem_zalloc(1, sizeof(*list));
	list->reason = mem_strdup(reason);
	return l->list[kind][l->n[kind]++] = list;
}

/* Where one of so many queries belongs; NULL: there are MOST that have more. */
static struct place *place_for(struct list *list, uint64_t hits)
{
	struct place *least = &list->place[0];

	if (list->n < MOST)
		return &list->place[list->n++];
	for (unsigned i = 1; i < MOST; i++)
		if (list->place[i].hits < least->hits)
			least = &list->place[i];
	return hits > least->hits ? least : NULL;
}

static void look_at(const struct dynblock *b, uint32_t *before)
{
	bool in_kernel;
	uint64_t kernel_hits = kernel_block_hits(b, 0, &in_kernel);
	uint32_t total = (uint32_t)(block_hits(b) + kernel_hits), hits = total - *before;
	char text[DYNBLOCK_TEXT_MAX];
	struct dynblock_view v;
	struct place *p;
	struct list *list;

	*before = total;
	if (hits == 0)
		return;
	block_view(b, &v);
	list = list_of(&top.now, v.kind, v.reason);
	p = list != NULL ? place_for(list, hits) : NULL;
	if (p == NULL)
		return;
	free(p->what);
	*p = (struct place){hits, mem_strdup(dynblock_text(&v, text))};
}

static void grow(unsigned table, uint32_t n)
{
	uint32_t had = top.n_before[table];

	if (n <= had || n == 1)
		return; /* ids begin at 1: one means none */
	n += n / 2;
	top.before[table] = mem_realloc(top.before[table], n, sizeof(uint32_t));
	memset(top.before[table] + had, 0, (n - had) * sizeof(uint32_t));
	top.n_before[table] = n;
}

/* Whether the table was seen to its end. */
static bool look_some(const struct block_table *t, uint32_t *work, uint64_t now_us)
{
	for (; *work > 0 && top.at < t->end; top.at++, --*work) {
		const struct dynblock *b = block_at(t, top.at);

		share_core();
		if (b->next == BLOCK_LINKED && block_is_in_force(b, now_us))
			look_at(b, &top.before[t->kind][top.at]);
	}
	return top.at >= t->end;
}

static void finish(void)
{
	struct look *l = &top.done[top.next];

	look_free(l);
	*l = top.now;
	top.now = (struct look){0};
	top.next = (top.next + 1) % LOOKS;
	if (top.n < LOOKS)
		top.n++;
}

static bool begin_when_due(uint64_t now_us)
{
	if (top.last_us == 0)
		top.last_us =
			now_us; /* who came before the first look has its hits in the second */
	if (now_us - top.last_us < LOOK_US)
		return false;
	top.now.seconds = (double)(now_us - top.last_us) / 1e6;
	top.last_us = now_us;
	top.table = 0;
	top.at = 1;
	return true;
}

void block_top_step(uint64_t now_us)
{
	uint32_t work = STEP;

	for (unsigned t = 0; t < BLOCK_KINDS; t++)
		if (dynblock_tables[t].end == 1)
			forget_all(t); /* it has given its memory back, too */
	if (top.table == BLOCK_KINDS && !begin_when_due(now_us))
		return;
	while (work > 0 && top.table < BLOCK_KINDS) {
		const struct block_table *t = &dynblock_tables[top.table];

		grow(top.table, t->end);
		if (!look_some(t, &work, now_us))
			break;
		top.table++;
		top.at = 1;
	}
	if (top.table == BLOCK_KINDS)
		finish();
}

size_t block_top_memory(void)
{
	size_t n = 0;

	for (unsigned t = 0; t < BLOCK_KINDS; t++)
		n += top.n_before[t];
	return n * sizeof(uint32_t);
}

/* A block over all looks. */
struct total {
	const char *reason, *what;
	uint64_t hits;
};

static int by_reason_and_what(const void *va, const void *vb)
{
	const struct total *a = va, *b = vb;
	int rc = strcmp(a->reason, b->reason);

	return rc != 0 ? rc : strcmp(a->what, b->what);
}

static int by_reason_and_hits(const void *va, const void *vb)
{
	const struct total *a = va, *b = vb;
	int rc = strcmp(a->reason, b->reason);

	if (rc == 0 && a->hits != b->hits)
		rc = a->hits < b->hits ? 1 : -1;
	return rc != 0 ? rc : strcmp(a->what, b->what);
}

/* What all looks have of a kind, each block once. Gives. */
static struct total *add_up(enum dynblock_kind kind, size_t *n)
{
	struct total *all = mem_alloc(sizeof(*all) * (LOOKS * REASONS * MOST));
	size_t made = 0, got = 0;

	for (unsigned i = 0; i < top.n; i++) {
		for (unsigned r = 0; r < top.done[i].n[kind]; r++) {
			const struct list *l = top.done[i].list[kind][r];

			for (unsigned p = 0; p < l->n; p++)
				all[got++] = (struct total){l->reason, l->place[p].what,
							    l->place[p].hits};
		}
	}
	qsort(all, got, sizeof(*all), by_reason_and_what);
	for (size_t i = 0; i < got; i++) {
		if (made > 0 && by_reason_and_what(&all[made - 1], &all[i]) == 0)
			all[made - 1].hits += all[i].hits;
		else
			all[made++] = all[i];
	}
	qsort(all, made, sizeof(*all), by_reason_and_hits);
	*n = made;
	return all;
}

void dynblocks_top(enum dynblock_kind kind,
		   void (*visit)(void *ctx, const struct dynblock_offender *o), void *ctx)
{
	struct total *all;
	double seconds = 0;
	unsigned of_reason = 0;
	size_t n;

	if (top.n == 0)
		return;
	for (unsigned i = 0; i < top.n; i++)
		seconds += top.done[i].seconds;
	all = add_up(kind, &n);
	for (size_t i = 0; i < n; i++) {
		of_reason =
			i > 0 && strcmp(all[i - 1].reason, all[i].reason) == 0 ? of_reason + 1 : 1;
		if (of_reason <= MOST)
			visit(ctx, &(struct dynblock_offender){all[i].reason, all[i].what,
							       (double)all[i].hits / seconds});
	}
	free(all);
}
