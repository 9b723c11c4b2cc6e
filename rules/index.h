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

/*
 * Of n rules. What is dear to build is taken from before when it fits: the index that these rules
 * had before they were edited, or NULL. Gives, with refs 1. Control thread, like the counts of
 * references.
 */
struct chain_index *index_build(struct rule *const *rules, unsigned n,
				const struct chain_index *before);
struct chain_index *index_ref(struct chain_index *ix); /* harmless on NULL, like index_unref */
void index_unref(struct chain_index *ix);

/* Numbers that index_find needs room for in the scratch, see rule_scratch_join. */
size_t index_room(const struct chain_index *ix);

/*
 * The lists of candidates for this query, those at positions below from left out. False: there are
 * more lists than cursors, and every rule is a candidate.
 */
bool index_find(const struct chain_index *ix, struct rule_run *run, uint32_t from,
		struct cursors *out);

/* The least position of all, taken off all lists; UINT32_MAX when there is none. */
uint32_t cursors_next(struct cursors *c);

/* Whether rules are found by regular expressions. */
bool index_has_regexes(const struct chain_index *ix);

/* How many rules it was built of: their numbers are their positions then. */
uint32_t index_size(const struct chain_index *ix);

/* How many rules are candidates always. */
unsigned index_always(const struct chain_index *ix);

#endif
