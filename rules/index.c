/*
 * Positions are noted rule by rule, each with the list that it belongs to, and laid out list by
 * list at the end: building takes a few allocations, however many lists there are, and all lists
 * ascend because the rules did.
 */
#include <stdlib.h>

#include "core/mem.h"
#include "rules/index_parts.h"

void *draft_room(void *array, uint32_t n, uint32_t *cap, size_t size)
{
	if (n < *cap)
		return array;
	*cap = *cap ? 2 * *cap : 32;
	return mem_realloc(array, *cap, size);
}

static uint32_t new_list(struct index_draft *d)
{
	d->lists = draft_room(d->lists, d->n_lists, &d->lists_cap, sizeof(*d->lists));
	d->lists[d->n_lists] = (struct draft_list){0};
	return d->n_lists++;
}

void draft_put(struct index_draft *d, uint32_t *list, uint32_t position)
{
	struct draft_list *l;

	if (*list == LIST_EMPTY)
		*list = new_list(d);
	l = &d->lists[*list];
	if (l->next > position)
		return;
	l->n++;
	l->next = position + 1;
	d->entries = draft_room(d->entries, d->n_entries, &d->entries_cap, sizeof(*d->entries));
	d->entries[d->n_entries++] = (struct draft_entry){*list, position};
}

void draft_put_always(struct index_draft *d, uint32_t position)
{
	uint32_t list = LIST_ALWAYS;

	draft_put(d, &list, position);
}

static void put_key(struct index_draft *d, const struct key *k, uint32_t position)
{
	switch ((enum key_kind)k->kind) {
	case KEY_NAME:
		names_put(d, k, position);
		break;
	case KEY_SOURCE:
		prefixes_put(&d->ix->source, k, position);
		break;
	case KEY_DESTINATION:
		prefixes_put(&d->ix->destination, k, position);
		break;
	case KEY_REGEX:
		regexes_put(d, k, position);
		break;
	default:
		values_put(d, k, position);
	}
}

static void put_rules(struct index_draft *d, struct rule *const *rules, unsigned n)
{
	struct key_list keys;

	for (unsigned i = 0; i < n; i++) {
		keys.n = 0;
		if (!selector_keys(rules[i]->selector, false, &keys))
			draft_put_always(d, i);
		for (unsigned k = 0; k < keys.n; k++)
			put_key(d, &keys.keys[k], i);
	}
}

static void lay_out(struct chain_index *ix, const struct index_draft *d)
{
	uint32_t *at = mem_alloc((d->n_entries + 1) * sizeof(*at));

	ix->positions = at;
	ix->lists = mem_alloc(d->n_lists * sizeof(*ix->lists));
	for (uint32_t i = 0; i < d->n_lists; i++) {
		ix->lists[i] = (struct list){at, at};
		at += d->lists[i].n;
	}
	for (uint32_t i = 0; i < d->n_entries; i++)
		*ix->lists[d->entries[i].list].end++ = d->entries[i].position;
}

struct chain_index *index_build(struct rule *const *rules, unsigned n,
				const struct chain_index *before)
{
	struct chain_index *ix = mem_zalloc(1, sizeof(*ix));
	struct index_draft d = {.ix = ix, .n_rules = n};

	ix->refs = 1;
	ix->n_rules = n;
	while (d.n_lists < LIST_FIRST)
		new_list(&d);
	put_rules(&d, rules, n);
	prefixes_finish(&d, &ix->source);
	prefixes_finish(&d, &ix->destination);
	regexes_finish(&d, rules, before);
	lay_out(ix, &d);
	names_finish(ix);
	free(d.lists);
	free(d.entries);
	return ix;
}

struct chain_index *index_ref(struct chain_index *ix)
{
	if (ix != NULL)
		ix->refs++;
	return ix;
}

void index_unref(struct chain_index *ix)
{
	if (ix == NULL || --ix->refs > 0)
		return;
	names_free(&ix->names);
	prefixes_free(&ix->source);
	prefixes_free(&ix->destination);
	values_free(&ix->values);
	regexes_free(&ix->regexes);
	free(ix->lists);
	free(ix->positions);
	free(ix);
}

const uint32_t *positions_from(const uint32_t *at, const uint32_t *end, uint32_t from)
{
	while (at < end) {
		const uint32_t *middle = at + (end - at) / 2;

		if (*middle < from)
			at = middle + 1;
		else
			end = middle;
	}
	return at;
}

bool index_find(const struct chain_index *ix, struct rule_run *run, uint32_t from,
		struct cursors *out)
{
	const struct query *q = run->q;

	out->n = 0;
	if (!cursors_add(out, ix, LIST_ALWAYS, from))
		return false;
	if (ix->names.n > 0 && !names_find(ix, run_hashes(run), from, out))
		return false;
	if (ix->source.n > 0 && !prefixes_find(ix, &ix->source, &q->client, from, out))
		return false;
	if (ix->destination.n > 0 &&
	    !prefixes_find(ix, &ix->destination, run_destination(run), from, out))
		return false;
	if (ix->values.kinds != 0 && !values_find(ix, run, from, out))
		return false;
	return ix->regexes.n_keys == 0 || regexes_find(ix, run, from, out);
}

/* A list at its end gives its place to the last one. */
static inline void advance(struct cursors *c, unsigned i)
{
	if (++c->at[i] < c->end[i])
		return;
	c->n--;
	c->at[i] = c->at[c->n];
	c->end[i] = c->end[c->n];
}

uint32_t cursors_next(struct cursors *c)
{
	uint32_t least = UINT32_MAX;

	for (unsigned i = 0; i < c->n; i++)
		if (*c->at[i] < least)
			least = *c->at[i];
	for (unsigned i = c->n; i-- > 0;)
		if (*c->at[i] == least)
			advance(c, i);
	return least;
}

size_t index_room(const struct chain_index *ix)
{
	return regexes_room(&ix->regexes);
}

uint32_t index_size(const struct chain_index *ix)
{
	return ix->n_rules;
}

unsigned index_always(const struct chain_index *ix)
{
	return (unsigned)(ix->lists[LIST_ALWAYS].end - ix->lists[LIST_ALWAYS].at);
}
