#include "core/regex_nfa.h"

#include <stdlib.h>

#include "core/mem.h"

/* More steps than an item may have, and so few that sums of them fit. */
#define STEPS_MANY (1u << 20)

/* No count is written out further than this: there are no labels longer than 63 octets. */
#define COUNT_MAX 64

/* A piece as the numbers of its items in the store, in the order in which they are read. */
struct sequence {
	uint32_t *items;
	uint32_t n;
	uint32_t id;
};

struct emitter {
	struct regex_nfa *nfa;
	uint32_t owner;
	uint32_t item_steps;
	unsigned count_max; /* of a repetition */
	bool backward;
};

void nfa_push(struct regex_nfa *nfa, uint32_t number)
{
	if (nfa->pool_n == nfa->pool_cap) {
		nfa->pool_cap *= 2;
		nfa->pool = mem_realloc(nfa->pool, nfa->pool_cap, sizeof(nfa->pool[0]));
	}
	nfa->pool[nfa->pool_n++] = number;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

void nfa_sort(uint32_t *numbers, uint32_t n)
{
	if (n > 24) {
		qsort(numbers, n, sizeof(numbers[0]), compare);
		return;
	}
	for (uint32_t i = 1; i < n; i++) {
		uint32_t v = numbers[i], k = i;

		for (; k > 0 && numbers[k - 1] > v; k--)
			numbers[k] = numbers[k - 1];
		numbers[k] = v;
	}
}

static uint32_t emit_step(struct emitter *e, enum nfa_kind kind, uint32_t what, uint32_t next,
			  uint32_t other)
{
	struct regex_nfa *nfa = e->nfa;

	if (nfa->steps_n == nfa->steps_cap) {
		nfa->steps_cap = nfa->steps_cap * 2 + 256;
		nfa->steps = mem_realloc(nfa->steps, nfa->steps_cap, sizeof(nfa->steps[0]));
	}
	nfa->steps[nfa->steps_n] = (struct nfa_step){.kind = (uint8_t)kind,
						     .what = what,
						     .owner = e->owner,
						     .next = next,
						     .other = other};
	return nfa->steps_n++;
}

/* How often a repetition is written out. */
static void rounded(const struct regex_node *n, unsigned count_max, unsigned *min, unsigned *max)
{
	*min = n->min;
	*max = n->max;
	if (*min > count_max) {
		*min = count_max;
		*max = REPEAT_MANY;
	}
	if (*max != REPEAT_MANY && *max - *min > count_max)
		*max = REPEAT_MANY;
}

/* Steps that a node becomes, or many. */
static uint32_t count_steps(const struct regex_store *s, uint32_t at, unsigned count_max)
{
	const struct regex_node *n = &s->nodes[at];
	uint64_t sum = 1;
	unsigned min, max;

	if (n->kind == NODE_CAT || n->kind == NODE_ALT) {
		sum += count_steps(s, n->left, count_max);
		sum += count_steps(s, n->right, count_max);
	} else if (n->kind == NODE_REPEAT) {
		rounded(n, count_max, &min, &max);
		sum = count_steps(s, n->left, count_max) + 1;
		sum *= max == REPEAT_MANY ? min + 1 : max;
	}
	return sum > STEPS_MANY ? STEPS_MANY : (uint32_t)sum;
}

static uint32_t emit(struct emitter *e, uint32_t at, uint32_t next);

static uint32_t emit_repeat(struct emitter *e, const struct regex_node *n, uint32_t next)
{
	unsigned min, max;
	uint32_t entry = next;

	rounded(n, e->count_max, &min, &max);
	e->nfa->rounded |= min != n->min || max != n->max;
	if (max == REPEAT_MANY) {
		uint32_t body;

		entry = emit_step(e, NFA_SPLIT, 0, next, next);
		body = emit(e, n->left, entry);
		e->nfa->steps[entry].other = body;
	} else {
		for (unsigned i = min; i < max; i++)
			entry = emit_step(e, NFA_SPLIT, 0, emit(e, n->left, entry), next);
	}
	for (unsigned i = 0; i < min; i++)
		entry = emit(e, n->left, entry);
	return entry;
}

/* Steps are made from the last to the first; returns the first. */
static uint32_t emit(struct emitter *e, uint32_t at, uint32_t next)
{
	const struct regex_node *n = &e->nfa->store.nodes[at];
	uint32_t left;

	switch (n->kind) {
	case NODE_OCTET:
		return emit_step(e, NFA_OCTET, n->left, next, 0);
	case NODE_CAT:
		next = emit(e, e->backward ? n->left : n->right, next);
		return emit(e, e->backward ? n->right : n->left, next);
	case NODE_ALT:
		left = emit(e, n->left, next);
		return emit_step(e, NFA_SPLIT, 0, left, emit(e, n->right, next));
	case NODE_REPEAT:
		return emit_repeat(e, n, next);
	case NODE_BEGIN:
	case NODE_END:
		return emit_step(e, (n->kind == NODE_BEGIN) == e->backward ? NFA_END : NFA_BEGIN, 0,
				 next, 0);
	}
	return next;
}

/* An item by its number in the store. */
static uint32_t emit_item(struct emitter *e, uint32_t item, uint32_t next)
{
	const struct regex_store *s = &e->nfa->store;
	uint32_t least = count_steps(s, item, 1);

	e->count_max = COUNT_MAX;
	while (e->count_max > 1 && count_steps(s, item, e->count_max) > least + e->item_steps)
		e->count_max /= 2;
	return emit(e, item, next);
}

static uint32_t emit_match(struct emitter *e, uint32_t id)
{
	e->owner = id;
	return emit_step(e, NFA_MATCH, id, 0, 0);
}

/* What a sequence has from an item on. */
static uint32_t emit_rest(struct emitter *e, const struct sequence *s, uint32_t from)
{
	uint32_t next = emit_match(e, s->id);

	for (uint32_t i = s->n; i > from; i--)
		next = emit_item(e, s->items[i - 1], next);
	return next;
}

static int compare_sequences(const void *a, const void *b)
{
	const struct sequence *x = a, *y = b;

	for (uint32_t i = 0; i < x->n && i < y->n; i++)
		if (x->items[i] != y->items[i])
			return x->items[i] < y->items[i] ? -1 : 1;
	return (x->n > y->n) - (x->n < y->n);
}

/* How many items all of these have alike: sorted as they are, the first and the last of them. */
static uint32_t alike(const struct sequence *s, uint32_t n)
{
	const struct sequence *last = &s[n - 1];
	uint32_t k = 0;

	while (k < s->n && k < last->n && s->items[k] == last->items[k])
		k++;
	return k;
}

/* n sorted sequences, alike up to an item, from this item on. */
static uint32_t emit_all(struct emitter *e, const struct sequence *s, uint32_t n, uint32_t from)
{
	uint32_t common = alike(s, n), next, i = 0;

	if (n == 1)
		return emit_rest(e, s, from);
	/* those that have nothing more come first */
	next = UINT32_MAX;
	while (i < n) {
		uint32_t group = i + 1, entry;

		while (group < n && s[i].n > common && s[group].items[common] == s[i].items[common])
			group++;
		entry = s[i].n > common ? emit_all(e, s + i, group - i, common)
					: emit_match(e, s[i].id);
		e->owner = NFA_SHARED;
		next = next == UINT32_MAX ? entry : emit_step(e, NFA_SPLIT, 0, entry, next);
		i = group;
	}
	e->owner = NFA_SHARED;
	for (i = common; i > from; i--)
		next = emit_item(e, s->items[i - 1], next);
	return next;
}

static void emit_pieces(struct regex_nfa *nfa, const struct regex_piece *pieces, uint32_t n,
			bool backward, uint32_t item_steps)
{
	struct emitter e = {.nfa = nfa, .backward = backward, .item_steps = item_steps};
	struct sequence *s = mem_zalloc(n, sizeof(s[0]));

	for (uint32_t i = 0; i < n; i++) {
		const struct regex_piece *p = &pieces[i];

		s[i].id = p->id;
		s[i].n = p->to - p->from;
		s[i].items = mem_alloc((s[i].n + 1) * sizeof(s[i].items[0]));
		for (uint32_t k = 0; k < s[i].n; k++)
			s[i].items[k] =
				store_node(&nfa->store, p->tree,
					   p->tree->items[backward ? p->to - 1 - k : p->from + k]);
	}
	qsort(s, n, sizeof(s[0]), compare_sequences);
	nfa->start = emit_all(&e, s, n, 0);
	for (uint32_t i = 0; i < n; i++)
		free(s[i].items);
	free(s);
}

/* Splits every class of which a set has some octets and lacks others. */
static void make_classes(struct regex_nfa *nfa)
{
	uint8_t rep[256];

	nfa->classes_n = 1;
	for (uint32_t s = 0; s < nfa->store.sets_n && nfa->classes_n < 256; s++) {
		int16_t moved[2][256];
		uint32_t n = 0;

		memset(moved, -1, sizeof(moved));
		for (unsigned i = 0; i < 256; i++) {
			int16_t *to = &moved[octets_have(&nfa->store.sets[s], i)][nfa->class_of[i]];

			if (*to < 0)
				*to = (int16_t)n++;
			nfa->class_of[i] = (uint8_t)*to;
		}
		nfa->classes_n = n;
	}
	for (unsigned i = 0; i < 256; i++)
		rep[nfa->class_of[i]] = (uint8_t)i;
	nfa->set_classes = mem_alloc((nfa->store.sets_n + 1) * sizeof(nfa->set_classes[0]));
	for (uint32_t s = 0; s < nfa->store.sets_n; s++) {
		nfa->set_classes[s].at = nfa->pool_n;
		for (uint32_t c = 0; c < nfa->classes_n; c++)
			if (octets_have(&nfa->store.sets[s], rep[c]))
				nfa_push(nfa, c);
		nfa->set_classes[s].n = nfa->pool_n - nfa->set_classes[s].at;
	}
}

struct nfa_list nfa_closure(struct regex_nfa *nfa, uint32_t step, bool at_begin, bool at_end)
{
	struct nfa_list list = {.at = nfa->pool_n};
	uint32_t top = 0;

	nfa->round++;
	nfa->stack[top++] = step;
	while (top > 0) {
		uint32_t at = nfa->stack[--top];
		const struct nfa_step *s = &nfa->steps[at];

		if (nfa->mark[at] == nfa->round)
			continue;
		nfa->mark[at] = nfa->round;
		if (s->kind == NFA_OCTET || s->kind == NFA_MATCH || (s->kind == NFA_END && !at_end))
			nfa_push(nfa, at);
		else if (s->kind != NFA_BEGIN || at_begin)
			nfa->stack[top++] = s->next;
		if (s->kind == NFA_SPLIT)
			nfa->stack[top++] = s->other;
	}
	list.n = nfa->pool_n - list.at;
	nfa_sort(nfa->pool + list.at, list.n);
	return list;
}

/* Of the list at the end of the pool: nothing is read any more behind the end of a text. */
static struct nfa_list matches_only(struct regex_nfa *nfa, struct nfa_list list)
{
	nfa->pool_n = list.at;
	for (uint32_t i = 0; i < list.n; i++)
		if (nfa->steps[nfa->pool[list.at + i]].kind == NFA_MATCH)
			nfa_push(nfa, nfa->pool[list.at + i]);
	list.n = nfa->pool_n - list.at;
	return list;
}

/* What follows a step that reads is the same wherever in the text it was read, but at the begin. */
static void make_follows(struct regex_nfa *nfa)
{
	nfa->mark = mem_zalloc(nfa->steps_n + 1, sizeof(nfa->mark[0]));
	/* each step is marked once and leaves at most two behind */
	nfa->stack = mem_alloc(((size_t)nfa->steps_n * 2 + 2) * sizeof(nfa->stack[0]));
	for (uint32_t i = 0; i < nfa->steps_n; i++) {
		struct nfa_step *s = &nfa->steps[i];
		struct nfa_list list;

		if (s->kind != NFA_OCTET && s->kind != NFA_END)
			continue;
		list = nfa_closure(nfa, s->next, false, s->kind == NFA_END);
		if (s->kind == NFA_END)
			list = matches_only(nfa, list);
		s->follow = list.at;
		s->follow_n = list.n;
	}
}

void nfa_init(struct regex_nfa *nfa, const struct regex_piece *pieces, uint32_t n, bool backward,
	      uint32_t item_steps)
{
	*nfa = (struct regex_nfa){.pool_cap = n * 16 + 256};
	nfa->pool = mem_alloc(nfa->pool_cap * sizeof(nfa->pool[0]));
	store_init(&nfa->store);
	emit_pieces(nfa, pieces, n, backward, item_steps);
	make_classes(nfa);
	make_follows(nfa);
}

void nfa_fini(struct regex_nfa *nfa)
{
	store_fini(&nfa->store);
	free(nfa->steps);
	free(nfa->pool);
	free(nfa->set_classes);
	free(nfa->mark);
	free(nfa->stack);
}
