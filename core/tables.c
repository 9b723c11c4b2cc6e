#include "core/tables.h"

#include <stdlib.h>

#include "core/mem.h"

_Atomic(const struct tables *) tables_live;

/* All of the control thread only. */
static const struct part_ops *owners[PART_COUNT];
static struct tables **graveyard; /* replaced, and perhaps still pinned */
static unsigned n_graves;
static unsigned n_settled; /* of them a grace period has passed for the first */

/* Generations that may wait for one grace period together. */
#define UNSETTLED_MAX 16

void tables_register(enum table_part id, const struct part_ops *ops)
{
	owners[id] = ops;
}

const struct part_ops *tables_owner(enum table_part id)
{
	return owners[id];
}

static void let_go(struct tables *t, unsigned id)
{
	struct part *p = t->part[id];

	t->part[id] = NULL;
	if (p == NULL)
		return;
	assert(p->refs > 0);
	if (--p->refs == 0)
		p->ops->free(p);
}

void tables_free(struct tables *t)
{
	if (t == NULL)
		return;
	for (unsigned i = 0; i < PART_COUNT; i++)
		let_go(t, i);
	free(t);
}

/*
 * Every generation in the graveyard has seen a grace period after it was replaced, so a worker that had
 * loaded it has entered it by now and counts among its holders, and no other can load it any more.
 * Acquire: what the last holder read it has read.
 */
static bool is_held(const struct tables *t)
{
	return atomic_load_explicit(&t->holders, memory_order_acquire) != 0;
}

/* From here on no worker can load any of those in the graveyard. */
static void settle(void)
{
	if (n_settled == n_graves)
		return;
	rcu_wait();
	for (; n_settled < n_graves; n_settled++)
		for (unsigned i = 0; i < PART_COUNT; i++)
			if (owners[i] != NULL && owners[i]->only_live)
				let_go(graveyard[n_settled], i);
}

unsigned tables_collect(void)
{
	unsigned held = 0;

	settle();
	for (unsigned i = 0; i < n_graves; i++) {
		if (is_held(graveyard[i]))
			graveyard[held++] = graveyard[i];
		else
			tables_free(graveyard[i]);
	}
	n_graves = n_settled = held;
	return held;
}

/* Nothing but parts whose replaced ones only take memory. */
static bool may_wait(const struct tables *old, const struct tables *next)
{
	for (unsigned i = 0; i < PART_COUNT; i++)
		if (old->part[i] != next->part[i] && (owners[i] == NULL || !owners[i]->only_live))
			return false;
	return true;
}

void tables_publish(struct tables *next)
{
	struct tables *old =
		(struct tables *)atomic_load_explicit(&tables_live, memory_order_relaxed);
	bool waits;

	assert(old == NULL || next->gen > old->gen);
	rcu_publish(tables_live, next);
	if (old == NULL)
		return; /* nobody can have seen anything */
	waits = may_wait(old, next);
	graveyard = mem_realloc(graveyard, n_graves + 1, sizeof(struct tables *));
	graveyard[n_graves++] = old;
	if (!waits || n_graves - n_settled >= UNSETTLED_MAX)
		tables_collect();
}

void tables_shutdown(void)
{
	tables_free((struct tables *)atomic_exchange(&tables_live, NULL));
	for (unsigned i = 0; i < n_graves; i++)
		tables_free(graveyard[i]);
	free(graveyard);
	graveyard = NULL;
	n_graves = n_settled = 0;
}

/* Workers see generations as const; who holds them is the one thing they may say. */
static _Atomic unsigned *holders_of(const struct tables *t)
{
	return &((struct tables *)t)->holders;
}

static void pin_release(struct pins *p, struct pin *pin)
{
	if (pin->prev != NULL)
		pin->prev->next = pin->next;
	if (pin->next != NULL)
		pin->next->prev = pin->prev;
	/* Release: whoever frees it sees that our reads are done. */
	atomic_fetch_sub_explicit(holders_of(pin->t), 1, memory_order_release);
	if (p->spare == NULL)
		p->spare = pin;
	else
		free(pin);
}

bool pins_enter(struct pins *p, const struct tables *t)
{
	struct pin *before = p->current, *pin;

	/* The current generation is held, so its address can't have come back as another one's. */
	if (likely(before != NULL && before->t == t))
		return false;
	/* Relaxed: the grace period that the control thread waits for orders it. */
	atomic_fetch_add_explicit(holders_of(t), 1, memory_order_relaxed);
	pin = p->spare != NULL ? p->spare : mem_alloc(sizeof(*pin));
	p->spare = NULL;
	*pin = (struct pin){.t = t, .prev = before};
	p->current = pin;
	if (before == NULL)
		return true;
	before->next = pin;
	if (before->n == 0)
		pin_release(p, before);
	return true;
}

void pin_drop(struct pins *p, struct pin *pin)
{
	assert(pin->n > 0);
	if (--pin->n == 0 && pin != p->current)
		pin_release(p, pin);
}

void pins_fini(struct pins *p)
{
	while (p->current != NULL) {
		struct pin *gone = p->current;

		p->current = gone->prev;
		atomic_fetch_sub_explicit(holders_of(gone->t), 1, memory_order_release);
		free(gone);
	}
	free(p->spare);
	p->spare = NULL;
}
