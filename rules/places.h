/*
 * Where the rules of an index stand in a chain that was edited since. An index is dear to build and
 * most edits are small, so a chain that was edited a little takes over the index of the one before:
 * that knows rules by number, which is where they stood when it was built, and this says where they
 * stand now. Rules that are new or were moved are strays: candidates always, in a list of their
 * own.
 */
#ifndef RULES_PLACES_H
#define RULES_PLACES_H

#include "rules/index.h"

#define NUMBER_STRAY UINT32_MAX

struct places {
	uint32_t n_numbers, n_strays;
	uint32_t *strays; /* positions, ascending; behind at */
	/* By number, not descending: twice the position, and one more when the rule is gone, and
	 * that is where the next one stands. */
	uint32_t at[];
};

/*
 * For n rules of these numbers in an index of so many. NULL when building another one costs less
 * than what strays and rules that are gone cost queries. numbers ascend but for NUMBER_STRAY.
 * Gives, to be freed with free().
 */
struct places *places_new(const uint32_t *numbers, uint32_t n, uint32_t n_numbers);

/* The rules that may match a query, in order. */
struct candidates {
	struct cursors cursors; /* numbers */
	const struct places *places;
	uint32_t known; /* position of the next that the index found; UINT32_MAX: there is none */
	const uint32_t *stray, *end;
};

bool candidates_find_placed(struct candidates *c, const struct chain_index *ix,
			    const struct places *p, struct rule_run *run, uint32_t from);
uint32_t candidates_next_placed(struct candidates *c);

/* Those at positions from on; places NULL: each stands at its number. False: all are. */
static inline bool candidates_find(struct candidates *c, const struct chain_index *ix,
				   const struct places *places, struct rule_run *run, uint32_t from)
{
	c->places = places;
	if (likely(places == NULL))
		return index_find(ix, run, from, &c->cursors);
	return candidates_find_placed(c, ix, places, run, from);
}

/* The next position; UINT32_MAX: there is none. */
static inline uint32_t candidates_next(struct candidates *c)
{
	return likely(c->places == NULL) ? cursors_next(&c->cursors) : candidates_next_placed(c);
}

#endif
