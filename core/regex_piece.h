/*
 * Which part of an expression to look for, and in which table. An automaton for many expressions at
 * once stays small when they are tied to an end of the text, or are words; so expressions are
 * sorted by this, and cut where they say "anything" for long.
 */
#ifndef CORE_REGEX_PIECE_H
#define CORE_REGEX_PIECE_H

#include "core/regex_nfa.h"

enum piece_kind {
	PIECE_AT_END,   /* ends with the text: read backwards */
	PIECE_AT_BEGIN, /* begins with it */
	PIECE_WORD,     /* anywhere: narrow, so that only few octets at a time keep it going */
	PIECE_RUN,      /* anywhere: wide, as [a-z0-9]{20} */
	PIECE_KINDS,
	PIECE_ANY = PIECE_KINDS, /* matches, or may match, every text */
};

/* Sets what to look for of an expression's tree, but for its id. */
enum piece_kind piece_choose(const struct regex_tree *tree, struct regex_piece *piece);

#endif
