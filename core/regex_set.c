#include "core/regex_set.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/regex_dfa.h"
#include "core/regex_piece.h"

/* So few that do not fit into a table together are not worth a pass over the text. */
#define PIECES_MIN 8

/*
 * Of work (core/regex_dfa.h) that may be done in vain, in all and for each expression: 60 ms for a
 * thousand. What is then still in no table is in every answer.
 */
#define VAIN_WORK      (2u << 20)
#define VAIN_WORK_EACH 4096

struct regex_set {
	uint32_t n;
	uint32_t words; /* of n bits, 32 each */
	uint32_t always_n;
	uint32_t *always;      /* positions of those in every answer */
	uint32_t *always_bits; /* the same as bits */
	struct regex_dfa **tables;
	uint32_t tables_n;
};

static void add_always(struct regex_set *set, uint32_t position)
{
	set->always_bits[position / 32] |= UINT32_C(1) << position % 32;
}

/* One table for all pieces, or several when it would be too large. */
static void add_tables(struct regex_set *set, const struct regex_piece *pieces, uint32_t n,
		       bool backward, uint64_t *vain)
{
	struct regex_dfa *dfa;

	if (n == 0)
		return;
	dfa = regex_dfa_new(pieces, n, backward, vain);
	if (dfa != NULL) {
		set->tables = mem_realloc(set->tables, set->tables_n + 1, sizeof(set->tables[0]));
		set->tables[set->tables_n++] = dfa;
	} else if (n < PIECES_MIN) {
		for (uint32_t i = 0; i < n; i++)
			add_always(set, pieces[i].id);
	} else {
		add_tables(set, pieces, n / 2, backward, vain);
		add_tables(set, pieces + n / 2, n - n / 2, backward, vain);
	}
}

static void sort_expressions(struct regex_set *set, const struct regex *const *expressions)
{
	struct regex_piece *pieces[PIECE_KINDS], piece;
	uint32_t n[PIECE_KINDS] = {0};
	uint64_t vain = VAIN_WORK + (uint64_t)VAIN_WORK_EACH * set->n;

	for (unsigned k = 0; k < PIECE_KINDS; k++)
		pieces[k] = mem_alloc((set->n + 1) * sizeof(piece));
	for (uint32_t i = 0; i < set->n; i++) {
		const struct regex_tree *tree =
			expressions[i] == NULL ? NULL : regex_tree(expressions[i]);
		enum piece_kind kind = tree == NULL ? PIECE_ANY : piece_choose(tree, &piece);

		if (kind == PIECE_ANY) {
			add_always(set, i);
			continue;
		}
		piece.id = i;
		pieces[kind][n[kind]++] = piece;
	}
	for (unsigned k = 0; k < PIECE_KINDS; k++) {
		add_tables(set, pieces[k], n[k], k == PIECE_AT_END, &vain);
		free(pieces[k]);
	}
}

/* Writes the positions of set bits, ascending. */
static uint32_t list_bits(const uint32_t *bits, uint32_t words, uint32_t *out)
{
	uint32_t n = 0;

	for (uint32_t w = 0; w < words; w++)
		for (uint32_t v = bits[w]; v != 0; v &= v - 1)
			out[n++] = w * 32 + (uint32_t)__builtin_ctz(v);
	return n;
}

struct regex_set *regex_set_new(const struct regex *const *expressions, uint32_t n)
{
	struct regex_set *set = mem_zalloc(1, sizeof(*set));

	set->n = n;
	set->words = (n + 31) / 32;
	set->always = mem_alloc((n + 1) * sizeof(set->always[0]));
	set->always_bits = mem_zalloc(set->words + 1, sizeof(set->always_bits[0]));
	sort_expressions(set, expressions);
	set->always_n = list_bits(set->always_bits, set->words, set->always);
	set->always = mem_realloc(set->always, set->always_n + 1, sizeof(set->always[0]));
	return set;
}

void regex_set_free(struct regex_set *set)
{
	if (set == NULL)
		return;
	for (uint32_t i = 0; i < set->tables_n; i++)
		regex_dfa_free(set->tables[i]);
	free(set->tables);
	free(set->always);
	free(set->always_bits);
	free(set);
}

/* The bits of all expressions, behind the room for all positions: list_bits never overtakes its
 * reading. */
size_t regex_set_room(const struct regex_set *set)
{
	return (size_t)set->n + set->words;
}

/* An answer under way. */
struct answer {
	const struct regex_set *set;
	uint32_t *bits;
	bool any; /* bits are in use */
};

static void add_list(struct answer *a, const uint32_t *list)
{
	if (!a->any)
		memcpy(a->bits, a->set->always_bits, a->set->words * sizeof(a->bits[0]));
	a->any = true;
	for (uint32_t i = 1; i <= list[0]; i++)
		a->bits[list[i] / 32] |= UINT32_C(1) << list[i] % 32;
}

static inline void run(const struct regex_dfa *dfa, const uint8_t *text, size_t len,
		       struct answer *answer)
{
	const uint8_t *at = dfa->backward && len > 0 ? text + len - 1 : text;
	const ptrdiff_t step = dfa->backward ? -1 : 1;
	uint32_t state = dfa->start;

	if (state >= dfa->first_hit)
		add_list(answer, dfa->lists + dfa->hits[state]);
	for (size_t i = 0; i < len; i++, at += step) {
		state = dfa->next[(state << dfa->shift) + dfa->class_of[*at]];
		/* dead, which is 0, or a hit */
		if (unlikely(state - 1 >= dfa->first_hit - 1u)) {
			if (state == DFA_DEAD)
				return;
			add_list(answer, dfa->lists + dfa->hits[state]);
		}
	}
	if (dfa->ends[state] != 0)
		add_list(answer, dfa->lists + dfa->ends[state]);
}

uint32_t regex_set_find(const struct regex_set *set, const char *text, size_t len, uint32_t *out)
{
	struct answer answer = {.set = set, .bits = out + set->n};

	for (uint32_t i = 0; i < set->tables_n; i++)
		run(set->tables[i], (const uint8_t *)text, len, &answer);
	if (answer.any)
		return list_bits(answer.bits, set->words, out);
	memcpy(out, set->always, set->always_n * sizeof(out[0]));
	return set->always_n;
}

struct regex_set_facts regex_set_facts(const struct regex_set *set)
{
	struct regex_set_facts f = {
		.automata = set->tables_n,
		.always = set->always_n,
		.memory = sizeof(*set) + (set->words + set->always_n) * sizeof(set->always[0]),
	};

	for (uint32_t i = 0; i < set->tables_n; i++) {
		f.states += set->tables[i]->states;
		f.memory += set->tables[i]->memory;
	}
	return f;
}
