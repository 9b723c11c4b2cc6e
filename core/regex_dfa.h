/*
 * A table that a text is run through, one look-up an octet, to see which of many pieces of
 * expressions (core/regex_nfa.h) are in it. Made in advance and whole: nothing is added while it
 * runs.
 */
#ifndef CORE_REGEX_DFA_H
#define CORE_REGEX_DFA_H

#include "core/regex_nfa.h"

/* No text goes on from here. */
#define DFA_DEAD 0

struct regex_dfa {
	uint8_t class_of[256];
	uint8_t shift; /* a row is 1 << shift elements */
	bool backward; /* texts are read from their end */
	bool exact;    /* no count of repetition was rounded */
	uint16_t start;
	uint16_t first_hit; /* this state and all above it say that a piece is there */
	uint32_t states;
	size_t memory;        /* octets in all */
	const uint16_t *next; /* rows by state, elements by class */
	/* by state, where in lists the pieces are that are there (of first_hit and above), or are
	 * if the text ends here: a count, then that many ids. 0 is an empty list. */
	const uint32_t *hits;
	const uint32_t *ends;
	const uint32_t *lists;
};

/*
 * Of at least one piece, each with an id of its own. NULL when there would be far more states than
 * the pieces have steps, or when this would take more work than there is left to be done in vain,
 * from which it is then taken: units of some 10 ns. Control thread.
 */
struct regex_dfa *regex_dfa_new(const struct regex_piece *pieces, uint32_t n, bool backward,
				uint64_t *vain);
void regex_dfa_free(struct regex_dfa *dfa);

/* Whether any of its pieces is in the text. For one that reads forward. Any thread; 2 ns an octet.
 */
bool regex_dfa_match(const struct regex_dfa *dfa, const char *text, size_t len);

#endif
