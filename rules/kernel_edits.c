#include "rules/kernel_edits.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/mem.h"

/* What was there before an edit; with undo, what was noted. */
struct edit {
	struct kfilter *filter;
	struct kfilter_key key;
	struct kfilter_value value;
	bool was_there;
	void (*undo)(void *what, void *before);
	void (*release)(void *what, void *before);
	void *what, *before;
};

static struct {
	bool remembering;
	struct edit *list;
	size_t n, room;
} edits;

static struct edit *add(void)
{
	if (edits.n == edits.room) {
		edits.room = edits.room ? edits.room * 2 : 16;
		edits.list = mem_realloc(edits.list, edits.room, sizeof(*edits.list));
	}
	edits.list[edits.n] = (struct edit){.filter = NULL};
	return &edits.list[edits.n++];
}

static void remember(struct kfilter *f, const struct kfilter_key *k,
		     const struct kfilter_value *was)
{
	struct edit *e;

	if (!edits.remembering)
		return;
	e = add();
	e->filter = kfilter_ref(f);
	e->key = *k;
	e->was_there = was != NULL;
	if (was)
		e->value = *was;
}

/* A walk over a full map takes some milliseconds for each ten thousand entries. */
#define PURGE_US 1000000

static bool make_room(struct kfilter *f, enum kfilter_map map)
{
	static uint64_t last_us;
	uint64_t now_us = clock_mono_us();

	if (last_us != 0 && now_us - last_us < PURGE_US)
		return false;
	last_us = now_us;
	return kfilter_purge(f, map, kfilter_ns(now_us)) > 0;
}

int kernel_put(struct kfilter *f, const struct kfilter_key *k, const struct kfilter_value *v)
{
	int rc = kfilter_put(f, k, v);

	return rc == -ENOSPC && make_room(f, k->map) ? kfilter_put(f, k, v) : rc;
}

/*
 * What the entry is that a new one is to replace. Of ranges that is known only of what has been
 * taken out (a walk over all would be the other way, some milliseconds for each of ten thousand
 * rules): for the microseconds until the new one is there, the range around it decides.
 */
static bool find_old(struct kfilter *f, const struct kfilter_key *k, struct kfilter_value *was)
{
	return kfilter_is_range(k->map) ? kfilter_take(f, k, was) == 0 : kfilter_get(f, k, was);
}

int kernel_edit_put(struct kfilter *f, const struct kfilter_key *k, struct kfilter_value v)
{
	struct kfilter_value was;
	bool was_there = find_old(f, k, &was);
	int rc;

	if (was_there && kfilter_in_force(&was, clock_mono_us()))
		v.counter = was.counter;
	rc = kernel_put(f, k, &v);
	if (rc == 0)
		remember(f, k, was_there ? &was : NULL);
	else if (was_there && kfilter_is_range(k->map))
		kfilter_put(f, k, &was);
	return rc;
}

int kernel_edit_remove(struct kfilter *f, const struct kfilter_key *k)
{
	struct kfilter_value was;
	int rc = kfilter_take(f, k, &was);

	if (rc == 0)
		remember(f, k, &was);
	return rc;
}

void kernel_edit_note(void (*undo)(void *what, void *before),
		      void (*release)(void *what, void *before), void *what, void *before)
{
	struct edit *e;

	if (!edits.remembering) {
		release(what, before);
		return;
	}
	e = add();
	e->undo = undo;
	e->release = release;
	e->what = what;
	e->before = before;
}

void kernel_edits_begin(void)
{
	assert(!edits.remembering);
	edits.remembering = true;
}

static void take_back(const struct edit *e)
{
	if (e->undo)
		e->undo(e->what, e->before);
	else if (e->was_there)
		kfilter_put(e->filter, &e->key, &e->value);
	else
		kfilter_remove(e->filter, &e->key);
}

void kernel_edits_end(bool commit)
{
	edits.remembering = false;
	while (edits.n > 0) {
		const struct edit *e = &edits.list[--edits.n];

		if (!commit)
			take_back(e);
		if (e->release)
			e->release(e->what, e->before);
		kfilter_unref(e->filter);
	}
	free(edits.list);
	edits.list = NULL;
	edits.room = 0;
}
