/*
 * Regular expressions: one pass over the name's text says which of them may match.
 *
 * What that takes is dear to build, milliseconds for a hundred expressions, so chains that follow
 * each other by small edits share it. An expression that is gone, or stands before one that it
 * followed, is then ruled out by its number; one that is new, or was moved, is a candidate always,
 * until there are too many of both.
 */
#include <stdlib.h>

#include "core/mem.h"
#include "core/regex_set.h"
#include "rules/index_parts.h"

/* How many may be gone, or new, of n: building anew is paid for by so many edits. */
#define STRAY_MAX(n) (8 + (n) / 8)

struct regex_base {
	unsigned refs; /* indices; control thread only */
	uint32_t n;
	struct regex_set *set;
	const struct regex **expressions; /* by number */
	struct selector **owners;         /* references, so that no other gets their addresses */
};

static struct regex_base *base_new(const struct index_regexes *r, struct rule *const *rules)
{
	struct regex_base *b = mem_zalloc(1, sizeof(*b));

	b->refs = 1;
	b->n = r->n_keys;
	b->expressions = mem_zalloc(b->n, sizeof(*b->expressions));
	b->owners = mem_zalloc(b->n, sizeof(*b->owners));
	for (uint32_t i = 0; i < b->n; i++) {
		b->expressions[i] = r->keys[i].regex;
		b->owners[i] = selector_ref(rules[r->keys[i].position]->selector);
	}
	b->set = regex_set_new(b->expressions, b->n);
	return b;
}

static void base_unref(struct regex_base *b)
{
	if (b == NULL || --b->refs > 0)
		return;
	for (uint32_t i = 0; i < b->n; i++)
		selector_unref(b->owners[i]);
	regex_set_free(b->set);
	free(b->expressions);
	free(b->owners);
	free(b);
}

void regexes_put(struct index_draft *d, const struct key *k, uint32_t position)
{
	struct index_regexes *r = &d->ix->regexes;

	r->keys = draft_room(r->keys, r->n_keys, &r->cap, sizeof(*r->keys));
	r->keys[r->n_keys++] = (struct regex_key){k->regex, position, NODE_NONE};
}

/* The number of an expression, if it is one of the next few. */
static uint32_t number_of(const struct regex_base *b, const struct regex *re, uint32_t next,
			  uint32_t few)
{
	for (uint32_t i = next; i < b->n && i - next <= few; i++)
		if (b->expressions[i] == re)
			return i;
	return NODE_NONE;
}

/* Gives keys the numbers that they have in the base of an earlier index, so that they ascend.
 * False: too few would have one. */
static bool fits(struct index_regexes *r, const struct regex_base *b)
{
	uint32_t most = STRAY_MAX(b->n), next = 0, gone = 0, added = 0;

	for (uint32_t i = 0; i < r->n_keys && added <= most; i++) {
		uint32_t number = number_of(b, r->keys[i].regex, next, most - gone);

		r->keys[i].number = number;
		if (number == NODE_NONE) {
			added++;
		} else {
			gone += number - next;
			next = number + 1;
		}
	}
	return added <= most && gone + b->n - next <= most;
}

static void take_base(struct index_regexes *r, struct rule *const *rules,
		      const struct chain_index *before)
{
	if (before != NULL && before->regexes.base != NULL && fits(r, before->regexes.base)) {
		r->base = before->regexes.base;
		r->base->refs++;
		return;
	}
	if (r->n_keys > 0)
		r->base = base_new(r, rules);
	for (uint32_t i = 0; i < r->n_keys; i++)
		r->keys[i].number = r->base != NULL ? i : NODE_NONE;
}

void regexes_finish(struct index_draft *d, struct rule *const *rules,
		    const struct chain_index *before)
{
	struct index_regexes *r = &d->ix->regexes;

	if (r->n_keys == 0)
		return;
	take_base(r, rules, before);
	if (r->base != NULL) {
		r->position = mem_alloc(r->base->n * sizeof(*r->position));
		for (uint32_t i = 0; i < r->base->n; i++)
			r->position[i] = NODE_NONE;
	}
	for (uint32_t i = 0; i < r->n_keys; i++) {
		if (r->keys[i].number == NODE_NONE)
			draft_put(d, &r->unknown, r->keys[i].position);
		else
			r->position[r->keys[i].number] = r->keys[i].position;
	}
	free(r->keys);
	r->keys = NULL;
}

size_t regexes_room(const struct index_regexes *r)
{
	return r->base != NULL ? regex_set_room(r->base->set) : 0;
}

bool regexes_find(const struct chain_index *ix, struct rule_run *run, uint32_t from,
		  struct cursors *out)
{
	const struct index_regexes *r = &ix->regexes;
	uint32_t *found = run->scratch->found;
	uint32_t n, kept = 0;
	const char *text;
	size_t len;

	if (!cursors_add(out, ix, r->unknown, from))
		return false;
	if (r->base == NULL)
		return true;
	assert(run->scratch->found_room >= regexes_room(r));
	text = run_name_text(run, &len);
	n = regex_set_find(r->base->set, text, len, found);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t position = r->position[found[i]];

		if (position != NODE_NONE && position >= from &&
		    (kept == 0 || position != found[kept - 1]))
			found[kept++] = position;
	}
	return cursors_add_range(out, found, found + kept);
}

void regexes_free(struct index_regexes *r)
{
	base_unref(r->base);
	free(r->position);
	free(r->keys);
}

bool index_has_regexes(const struct chain_index *ix)
{
	return ix->regexes.n_keys > 0;
}
