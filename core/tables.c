#include "core/tables.h"

#include <stdlib.h>

#include "core/mem.h"

_Atomic(const struct tables *) tables_live;

/* All of the control thread only. */
static const struct part_ops *owners[PART_COUNT];
static struct pins *registered[WORKERS_MAX + 1];
static unsigned n_registered;
static struct tables **graveyard; /* replaced, and perhaps still pinned */
static unsigned n_graves;

void tables_register(enum table_part id, const struct part_ops *ops)
{
	owners[id] = ops;
}

const struct part_ops *tables_owner(enum table_part id)
{
	return owners[id];
}

void tables_free(struct tables *t)
{
	if (t == NULL)
		return;
	for (unsigned i = 0; i < PART_COUNT; i++) {
		struct part *p = t->part[i];

		if (p == NULL)
			continue;
		assert(p->refs > 0);
		if (--p->refs == 0)
			p->ops->free(p);
	}
	free(t);
}

/*
 * The oldest generation that a query in flight may hold. Every generation in the graveyard has seen
 * a grace period after it was replaced, so a worker that had loaded it has entered it by now and
 * says so here, and no other can load it any more.
 */
static uint64_t oldest_pinned(void)
{
	uint64_t oldest = UINT64_MAX;

	for (unsigned i = 0; i < n_registered; i++) {
		uint64_t gen =
			atomic_load_explicit(&registered[i]->oldest_gen, memory_order_acquire);

		if (gen < oldest)
			oldest = gen;
	}
	return oldest;
}

unsigned tables_collect(void)
{
	uint64_t oldest;
	unsigned held = 0;

	if (n_graves == 0)
		return 0;
	oldest = oldest_pinned();
	for (unsigned i = 0; i < n_graves; i++) {
		if (graveyard[i]->gen < oldest)
			tables_free(graveyard[i]);
		else
			graveyard[held++] = graveyard[i];
	}
	n_graves = held;
	return held;
}

void tables_publish(struct tables *next)
{
	struct tables *old =
		(struct tables *)atomic_load_explicit(&tables_live, memory_order_relaxed);

	assert(old == NULL || next->gen > old->gen);
	rcu_publish(tables_live, next);
	if (old == NULL)
		return; /* nobody can have seen anything */
	rcu_wait();
	graveyard = mem_realloc(graveyard, n_graves + 1, sizeof(struct tables *));
	graveyard[n_graves++] = old;
	tables_collect();
}

void tables_shutdown(void)
{
	tables_free((struct tables *)atomic_exchange(&tables_live, NULL));
	for (unsigned i = 0; i < n_graves; i++)
		tables_free(graveyard[i]);
	free(graveyard);
	graveyard = NULL;
	n_graves = 0;
}

void pins_register(struct pins *p)
{
	assert(n_registered < ARRAY_LEN(registered));
	*p = (struct pins){0};
	atomic_init(&p->oldest_gen, UINT64_MAX);
	registered[n_registered++] = p;
}

void pins_unregister(struct pins *p)
{
	for (unsigned i = 0; i < n_registered; i++) {
		if (registered[i] == p) {
			registered[i] = registered[--n_registered];
			return;
		}
	}
}

/*
 * Release: whoever frees what we let go sees that our reads are done. Only on a change, so that
 * the line stays in the control thread's reach without being written each packet.
 */
static void tell_oldest(struct pins *p, uint64_t gen)
{
	if (atomic_load_explicit(&p->oldest_gen, memory_order_relaxed) != gen)
		atomic_store_explicit(&p->oldest_gen, gen, memory_order_release);
}

static void pin_release(struct pins *p, struct pin *pin)
{
	if (p->spare == NULL)
		p->spare = pin;
	else
		free(pin);
}

/*
 * Lets go from the old end what no query holds. The current one stays whatever its count: pin_take
 * counts up without a word to the control thread.
 */
static void let_go(struct pins *p)
{
	while (p->oldest != p->current && p->oldest->n == 0) {
		struct pin *gone = p->oldest;

		p->oldest = gone->next;
		pin_release(p, gone);
	}
	tell_oldest(p, p->oldest->t->gen);
}

bool pins_enter(struct pins *p, const struct tables *t)
{
	struct pin *pin;

	/* The current generation is held, so its address can't have come back as another one's. */
	if (likely(p->current != NULL && p->current->t == t))
		return false;
	pin = p->spare != NULL ? p->spare : mem_alloc(sizeof(*pin));
	p->spare = NULL;
	*pin = (struct pin){.t = t};
	if (p->current != NULL)
		p->current->next = pin;
	else
		p->oldest = pin;
	p->current = pin;
	let_go(p);
	return true;
}

void pin_drop(struct pins *p, struct pin *pin)
{
	assert(pin->n > 0);
	if (--pin->n == 0 && pin == p->oldest && pin != p->current)
		let_go(p);
}

void pins_fini(struct pins *p)
{
	while (p->oldest != NULL) {
		struct pin *gone = p->oldest;

		p->oldest = gone->next;
		free(gone);
	}
	free(p->spare);
	p->current = p->spare = NULL;
	tell_oldest(p, UINT64_MAX);
}
