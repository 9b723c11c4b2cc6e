/*
 * Many expressions as one automaton without choice of states: the step between trees
 * (core/regex_tree.h) and the table that a text is run through (core/regex_dfa.h). Control thread,
 * like all that builds.
 */
#ifndef CORE_REGEX_NFA_H
#define CORE_REGEX_NFA_H

#include "core/regex_store.h"

/* A part of an expression that every text it matches has in it. */
struct regex_piece {
	const struct regex_tree *tree;
	uint32_t from, to; /* of tree->items; to is not in it */
	uint32_t id;       /* by which it is known in a set */
};

enum nfa_kind {
	NFA_OCTET, /* reads one of set `what` */
	NFA_END,   /* goes on at the end of the text only */
	NFA_MATCH, /* piece `what` is in the text */
	/* the others read nothing and are gone from the lists of what follows */
	NFA_SPLIT,
	NFA_BEGIN,
};

/* Pieces that begin alike share the steps of what is alike. */
#define NFA_SHARED UINT32_MAX

struct nfa_step {
	uint8_t kind;
	uint32_t what;
	uint32_t owner;       /* id of the piece it is of, or NFA_SHARED */
	uint32_t next, other; /* steps */
	/* of NFA_OCTET and NFA_END: where in pool the steps that follow are; of NFA_END, matches only */
	uint32_t follow, follow_n;
};

/* A run of nfa.pool, ascending. */
struct nfa_list {
	uint32_t at, n;
};

struct regex_nfa {
	struct nfa_step *steps;
	uint32_t steps_n, steps_cap;
	uint32_t *pool;
	uint32_t pool_n, pool_cap;
	uint32_t start;
	bool rounded; /* counts of repetition: it matches more than the pieces do */

	/* Octets that no set tells apart are one class. */
	uint8_t class_of[256];
	uint32_t classes_n;
	struct nfa_list *set_classes; /* by set, octets as classes */

	struct regex_store store;
	uint32_t *mark; /* by step: the last round that met it */
	uint32_t *stack;
	uint32_t round;
};

/*
 * backward: for texts read from their end, with begin and end exchanged. Of each item, counts of
 * repetition may take item_steps steps; beyond, they are rounded upwards, to "any number".
 */
void nfa_init(struct regex_nfa *nfa, const struct regex_piece *pieces, uint32_t n, bool backward,
	      uint32_t item_steps);
void nfa_fini(struct regex_nfa *nfa);

/*
 * Appends to the pool what is reached from a step without reading: octets, ends, matches. Past
 * NFA_BEGIN at the begin of a text only, past NFA_END at its end only.
 */
struct nfa_list nfa_closure(struct regex_nfa *nfa, uint32_t step, bool at_begin, bool at_end);

/* Appends one number to the pool. */
void nfa_push(struct regex_nfa *nfa, uint32_t number);

/* Sorts the numbers of a list. */
void nfa_sort(uint32_t *numbers, uint32_t n);

#endif
