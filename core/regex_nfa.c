#include "core/regex_nfa.h"

#include <stdlib.h>

#include "core/mem.h"

/* Steps of one piece. A longer one has its counts of repetition rounded, upwards to "any number". */
#define PIECE_STEPS 512

#define SET_SLOTS 4096

struct emitter {
	struct regex_nfa *nfa;
	const struct regex_tree *tree;
	uint32_t *set_of; /* by set of the tree */
	uint32_t owner;
	unsigned count_max; /* of a repetition */
	bool backward;
};

void nfa_push(struct regex_nfa *nfa, uint32_t number)
{
	if (nfa->pool_n == nfa->pool_cap) {
		nfa->pool_cap = nfa->pool_cap * 2 + 256;
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

static uint32_t intern_set(struct regex_nfa *nfa, const struct regex_octets *set)
{
	uint64_t h = 0;
	uint32_t slot;

	for (unsigned i = 0; i < ARRAY_LEN(set->bits); i++)
		h = (h ^ set->bits[i]) * UINT64_C(0x9e3779b97f4a7c15);
	/* sets beyond half of the slots are stored without looking for their like again */
	slot = (uint32_t)(h >> 52) % SET_SLOTS;
	for (; nfa->set_slots[slot] != 0; slot = (slot + 1) % SET_SLOTS)
		if (octets_equal(&nfa->sets[nfa->set_slots[slot] - 1], set))
			return nfa->set_slots[slot] - 1;
	if (nfa->sets_n == nfa->sets_cap) {
		nfa->sets_cap = nfa->sets_cap * 2 + 64;
		nfa->sets = mem_realloc(nfa->sets, nfa->sets_cap, sizeof(nfa->sets[0]));
	}
	nfa->sets[nfa->sets_n] = *set;
	if (nfa->sets_n < SET_SLOTS / 2)
		nfa->set_slots[slot] = nfa->sets_n + 1;
	return nfa->sets_n++;
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

/* Steps that a node becomes; more than PIECE_STEPS count as this plus one. */
static uint32_t count_steps(const struct regex_tree *t, uint32_t at, unsigned count_max)
{
	const struct regex_node *n = &t->nodes[at];
	uint64_t sum = 1;
	unsigned min, max;

	if (n->kind == NODE_CAT || n->kind == NODE_ALT) {
		sum += count_steps(t, n->left, count_max);
		sum += count_steps(t, n->right, count_max);
	} else if (n->kind == NODE_REPEAT) {
		rounded(n, count_max, &min, &max);
		sum = count_steps(t, n->left, count_max) + 1;
		sum *= max == REPEAT_MANY ? min + 1 : max;
	}
	return sum > PIECE_STEPS ? PIECE_STEPS + 1 : (uint32_t)sum;
}

static uint32_t emit(struct emitter *e, uint32_t at, uint32_t next);

static uint32_t emit_repeat(struct emitter *e, const struct regex_node *n, uint32_t next)
{
	unsigned min, max;
	uint32_t entry = next;

	rounded(n, e->count_max, &min, &max);
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
	const struct regex_node *n = &e->tree->nodes[at];
	uint32_t left;

	switch (n->kind) {
	case NODE_OCTET:
		return emit_step(e, NFA_OCTET, e->set_of[n->left], next, 0);
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

static void choose_count(struct emitter *e, const struct regex_piece *p)
{
	uint32_t sum;

	e->count_max = 128;
	do {
		e->count_max /= 2;
		sum = 0;
		for (uint32_t i = p->from; i < p->to; i++)
			sum += count_steps(p->tree, p->tree->items[i], e->count_max);
	} while (sum > PIECE_STEPS && e->count_max > 1);
}

static uint32_t emit_piece(struct emitter *e, const struct regex_piece *p)
{
	uint32_t next = emit_step(e, NFA_MATCH, p->id, 0, 0);

	e->tree = p->tree;
	e->set_of = mem_alloc((p->tree->sets_n + 1) * sizeof(e->set_of[0]));
	for (uint32_t i = 0; i < p->tree->sets_n; i++)
		e->set_of[i] = intern_set(e->nfa, &p->tree->sets[i]);
	choose_count(e, p);
	for (uint32_t i = 0; i < p->to - p->from; i++)
		next = emit(e, p->tree->items[e->backward ? p->from + i : p->to - 1 - i], next);
	free(e->set_of);
	return next;
}

/* Splits every class of which a set has some octets and lacks others. */
static void make_classes(struct regex_nfa *nfa)
{
	uint8_t rep[256];

	nfa->classes_n = 1;
	for (uint32_t s = 0; s < nfa->sets_n && nfa->classes_n < 256; s++) {
		int16_t moved[2][256];
		uint32_t n = 0;

		memset(moved, -1, sizeof(moved));
		for (unsigned i = 0; i < 256; i++) {
			int16_t *to = &moved[octets_have(&nfa->sets[s], i)][nfa->class_of[i]];

			if (*to < 0)
				*to = (int16_t)n++;
			nfa->class_of[i] = (uint8_t)*to;
		}
		nfa->classes_n = n;
	}
	for (unsigned i = 0; i < 256; i++)
		rep[nfa->class_of[i]] = (uint8_t)i;
	nfa->set_classes = mem_alloc((nfa->sets_n + 1) * sizeof(nfa->set_classes[0]));
	for (uint32_t s = 0; s < nfa->sets_n; s++) {
		nfa->set_classes[s].at = nfa->pool_n;
		for (uint32_t c = 0; c < nfa->classes_n; c++)
			if (octets_have(&nfa->sets[s], rep[c]))
				nfa_push(nfa, c);
		nfa->set_classes[s].n = nfa->pool_n - nfa->set_classes[s].at;
	}
}

struct nfa_list nfa_closure(struct regex_nfa *nfa, const uint32_t *steps, uint32_t n, bool at_begin,
			    bool at_end)
{
	struct nfa_list list = {.at = nfa->pool_n};

	nfa->round++;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t top = 0;

		nfa->stack[top++] = steps[i];
		while (top > 0) {
			uint32_t at = nfa->stack[--top];
			const struct nfa_step *s = &nfa->steps[at];

			if (nfa->mark[at] == nfa->round)
				continue;
			nfa->mark[at] = nfa->round;
			if (s->kind == NFA_OCTET || s->kind == NFA_MATCH ||
			    (s->kind == NFA_END && !at_end))
				nfa_push(nfa, at);
			else if (s->kind != NFA_BEGIN || at_begin)
				nfa->stack[top++] = s->next;
			if (s->kind == NFA_SPLIT)
				nfa->stack[top++] = s->other;
		}
	}
	list.n = nfa->pool_n - list.at;
	nfa_sort(nfa->pool + list.at, list.n);
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
		list = nfa_closure(nfa, &s->next, 1, false, s->kind == NFA_END);
		s->follow = list.at;
		s->follow_n = list.n;
	}
}

void nfa_init(struct regex_nfa *nfa, const struct regex_piece *pieces, uint32_t n, bool backward)
{
	struct emitter e = {.nfa = nfa, .backward = backward};

	*nfa = (struct regex_nfa){.pieces_n = n};
	nfa->starts = mem_alloc((n + 1) * sizeof(nfa->starts[0]));
	nfa->set_slots = mem_zalloc(SET_SLOTS, sizeof(nfa->set_slots[0]));
	for (uint32_t i = 0; i < n; i++) {
		e.owner = i;
		nfa->starts[i] = emit_piece(&e, &pieces[i]);
	}
	make_classes(nfa);
	make_follows(nfa);
}

void nfa_fini(struct regex_nfa *nfa)
{
	free(nfa->steps);
	free(nfa->pool);
	free(nfa->starts);
	free(nfa->sets);
	free(nfa->set_classes);
	free(nfa->set_slots);
	free(nfa->mark);
	free(nfa->stack);
}
