/*
 * What texts a regular expression can match, as a tree that never stands for fewer than it does:
 * what the tree has no word for (look-around, back-references) stands for anything. For
 * core/regex_set.c, which rules expressions out; whether one matches is for PCRE2 and RE2 to say.
 */
#ifndef CORE_REGEX_TREE_H
#define CORE_REGEX_TREE_H

#include "core/regex.h"
#include "core/regex_octets.h"

enum regex_node_kind {
	NODE_EMPTY,
	NODE_OCTET,  /* one of a set */
	NODE_CAT,    /* left, then right */
	NODE_ALT,    /* left or right */
	NODE_REPEAT, /* left, min to max times */
	NODE_BEGIN,  /* of the text; nothing of it is consumed, as by NODE_END */
	NODE_END,
};

#define REPEAT_MANY UINT16_MAX

struct regex_node {
	uint8_t kind;
	uint16_t min, max;
	uint32_t left, right; /* indices of nodes; left of NODE_OCTET is an index of a set */
};

struct regex_tree {
	struct regex_node *nodes;
	struct regex_octets *sets;
	uint32_t *items;           /* nodes whose concatenation the whole is */
	uint32_t nodes_n, sets_n, items_n;
	bool exact;   /* stands for no more than the expression matches */
	bool chooses; /* there is something that backtracking could try anew */
};

/*
 * Of an expression that PCRE2 (translated: core/regex_ere.h) or RE2 has accepted. NULL when it has
 * parts that could mean anything, or is too large; such an expression can't be ruled out. Control
 * thread.
 */
struct regex_tree *regex_tree_new(enum regex_kind kind, const char *text);
void regex_tree_free(struct regex_tree *tree);

/* Lends that of an expression; NULL when it has none. */
const struct regex_tree *regex_tree(const struct regex *re);

#endif
