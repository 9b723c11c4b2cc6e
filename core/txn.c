#include "core/txn.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

struct txn {
	const struct tables *base; /* live at the beginning; NULL before the first publication */
	struct tables
		*draft; /* a reference to each part of base, until an edit puts a copy there */
	bool edited[PART_COUNT];
};

static const struct tables *live(void)
{
	return atomic_load_explicit(&tables_live,
				    memory_order_relaxed); /* we are the only writer */
}

/* A tree that shares every part with t. */
static struct tables *share(const struct tables *t)
{
	struct tables *copy = mem_zalloc(1, sizeof(*copy));

	copy->gen = t->gen;
	memcpy(copy->part, t->part, sizeof(copy->part));
	for (unsigned i = 0; i < PART_COUNT; i++) {
		if (copy->part[i] != NULL)
			copy->part[i]->refs++;
	}
	return copy;
}

static void hold(struct txn *txn, enum table_part id, struct part *p)
{
	const struct part_ops *ops = tables_owner(id);

	p->ops = ops;
	p->refs = 1; /* a clone may have copied the count of its original */
	txn->draft->part[id] = p;
	txn->edited[id] = true;
}

struct txn *txn_begin(void)
{
	struct txn *txn = mem_zalloc(1, sizeof(*txn));

	txn->base = live();
	if (txn->base != NULL) {
		txn->draft = share(txn->base);
		txn->draft->gen++;
		return txn;
	}
	txn->draft = mem_zalloc(1, sizeof(*txn->draft));
	txn->draft->gen = 1;
	for (unsigned i = 0; i < PART_COUNT; i++) {
		if (tables_owner(i) != NULL)
			hold(txn, i, tables_owner(i)->create());
	}
	return txn;
}

const struct part *txn_read(struct txn *txn, enum table_part id)
{
	return txn->draft->part[id];
}

struct part *txn_edit(struct txn *txn, enum table_part id)
{
	struct part *p = txn->draft->part[id];

	if (txn->edited[id] || p == NULL)
		return p;
	assert(p->refs >
	       1); /* base holds it too, so what we give back is never the last reference */
	p->refs--;
	hold(txn, id, p->ops->clone(p));
	return txn->draft->part[id];
}

bool txn_changed(const struct txn *txn)
{
	for (unsigned i = 0; i < PART_COUNT; i++) {
		if (txn->edited[i])
			return true;
	}
	return false;
}

bool txn_is_urgent(const struct txn *txn)
{
	for (unsigned i = 0; i < PART_COUNT; i++) {
		if (txn->edited[i] && !txn->draft->part[i]->ops->only_live)
			return true;
	}
	return false;
}

static int seal(struct txn *txn, struct err *err)
{
	for (unsigned i = 0; i < PART_COUNT; i++) {
		struct part *p = txn->draft->part[i];
		int rc = txn->edited[i] ? p->ops->seal(p, txn->draft, err) : 0;

		if (rc < 0)
			return rc;
	}
	return 0;
}

static void tell_owners(const struct tables *before, const struct tables *next)
{
	for (unsigned i = 0; i < PART_COUNT; i++) {
		const struct part *p = next->part[i],
				  *old = before != NULL ? before->part[i] : NULL;

		if (p != old && p->ops->committed != NULL)
			p->ops->committed(old, p, next);
	}
}

int txn_commit(struct txn *txn, struct err *err)
{
	struct tables *before = NULL;
	int rc;

	assert(txn->base == live()); /* one transaction at a time */
	rc = txn_changed(txn) ? seal(txn, err) : 0;
	if (rc < 0 || !txn_changed(txn)) {
		txn_drop(txn);
		return rc;
	}
	if (txn->base != NULL)
		before =
			share(txn->base); /* publishing may free base, and owners compare with it */
	tables_publish(txn->draft);
	tell_owners(before, txn->draft);
	tables_free(before);
	free(txn);
	return 0;
}

int txn_check(struct txn *txn, struct err *err)
{
	int rc = seal(txn, err);

	txn_drop(txn);
	return rc;
}

void txn_drop(struct txn *txn)
{
	tables_free(txn->draft);
	free(txn);
}
