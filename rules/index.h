/*
 * The index of a chain: which of its rules can match this query. Rules with keys (rules/keys.h) are
 * found by look-up, one for each kind of key that the chain has; the others are candidates always.
 */
#ifndef RULES_INDEX_H
#define RULES_INDEX_H

#include "rules/chain.h"

/* Lists of positions, each ascending, that the candidates are merged from. */
#define CURSORS_MAX 24

struct cursors {
	unsigned n;
	const uint32_t *at[CURSORS_MAX], *end[CURSORS_MAX];
};

/* Gives. */
struct chain_index *index_build(struct rule *const *rules, unsigned n);
void index_free(struct chain_index *ix); /* harmless on NULL */

/*
 * The lists of candidates for this query, those at positions below from left out. False: there are
 * more lists than cursors, and every rule is a candidate.
 */
bool index_find(const struct chain_index *ix, struct rule_run *run, uint32_t from,
		struct cursors *out);

/* The least position of all, taken off all lists; UINT32_MAX when there is none. */
uint32_t cursors_next(struct cursors *c);

/* How many rules are candidates always. */
unsigned index_always(const struct chain_index *ix);

#endif
