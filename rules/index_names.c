/*
 * Names: one look-up of the longest name that is the one asked for, or above it. Shorter ones
 * follow by the parents.
 */
#include <stdlib.h>

#include "core/mem.h"
#include "rules/index_parts.h"

/* Octets of a name, of which the table makes room at first for one a rule. */
#define LEN_GUESSED 20

/* NODE_NONE: there are too many names. */
static uint32_t node_of(struct index_names *names, const struct key *k)
{
	uint32_t node = suffix_table_join(names->table, k->name, k->name_len, names->n);

	if (node != names->n)
		return node;
	names->nodes = draft_room(names->nodes, names->n, &names->cap, sizeof(*names->nodes));
	names->nodes[names->n++] = (struct name_node){LIST_EMPTY, LIST_EMPTY, NODE_NONE};
	return node;
}

void names_put(struct index_draft *d, const struct key *k, uint32_t position)
{
	struct index_names *names = &d->ix->names;
	uint32_t node;

	if (names->table == NULL) {
		names->table = suffix_table_new();
		suffix_table_reserve(names->table, d->n_rules - position,
				     (size_t)(d->n_rules - position) * LEN_GUESSED);
	}
	node = node_of(names, k);
	if (node == NODE_NONE)
		draft_put_always(d, position);
	else
		draft_put(d, k->below ? &names->nodes[node].below : &names->nodes[node].alone,
			  position);
}

static uint32_t name_above(const struct index_names *names, const struct suffix_match *name)
{
	const size_t label = name->name[0] + 1u;

	if (name->len == 1)
		return NODE_NONE;
	return suffix_table_lookup(names->table, name->name + label, name->len - label);
}

/* Those with nothing for names below them are passed over. */
static uint32_t parent_of(const struct name_node *nodes, uint32_t node)
{
	do
		node = nodes[node].parent;
	while (node != NODE_NONE && nodes[node].below == LIST_EMPTY);
	return node;
}

void names_finish(struct chain_index *ix)
{
	const struct index_names *names = &ix->names;
	struct suffix_match name;
	size_t at = 0;

	static_assert(NODE_NONE == SUFFIX_NONE, "what is not there is not there");
	if (names->n == 0)
		return;
	while (suffix_table_next(names->table, &at, &name))
		names->nodes[name.value].parent = name_above(names, &name);
	for (uint32_t i = 0; i < names->n; i++)
		names->nodes[i].parent = parent_of(names->nodes, i);
}

bool names_find(const struct chain_index *ix, const struct suffix_hashes *h, uint32_t from,
		struct cursors *out)
{
	const struct name_node *nodes = ix->names.nodes;
	struct suffix_walk walk;
	struct suffix_match match;
	uint32_t node;

	suffix_walk_start(&walk, ix->names.table, h);
	if (!suffix_walk_next(&walk, &match))
		return true;
	node = match.value;
	if (match.len == h->len && !cursors_add(out, ix, nodes[node].alone, from))
		return false;
	for (; node != NODE_NONE; node = nodes[node].parent)
		if (!cursors_add(out, ix, nodes[node].below, from))
			return false;
	return true;
}

void names_free(struct index_names *names)
{
	suffix_table_unref(names->table);
	free(names->nodes);
}
