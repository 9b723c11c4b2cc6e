/*
 * Nodes of many trees, each different one once: two parts of expressions are the same if their
 * numbers are. Control thread.
 */
#ifndef CORE_REGEX_STORE_H
#define CORE_REGEX_STORE_H

#include "core/regex_tree.h"

/* A hash of what an array holds. */
struct regex_slots {
	uint32_t *slot; /* index + 1 */
	uint32_t mask;
};

struct regex_store {
	struct regex_node *nodes;
	struct regex_octets *sets;
	uint32_t nodes_n, nodes_cap, sets_n, sets_cap;
	struct regex_slots node_slots, set_slots;
};

void store_init(struct regex_store *s);
void store_fini(struct regex_store *s);

/* The number here of a tree's node and all that is below it. */
uint32_t store_node(struct regex_store *s, const struct regex_tree *t, uint32_t at);

#endif
