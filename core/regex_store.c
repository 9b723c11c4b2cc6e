#include "core/regex_store.h"

#include <stdlib.h>

#include "core/mem.h"

#define SLOTS_MIN 256

static void slots_init(struct regex_slots *s, uint32_t n)
{
	s->mask = n - 1;
	s->slot = mem_zalloc(n, sizeof(s->slot[0]));
}

static void slots_put(struct regex_slots *s, uint32_t hash, uint32_t value)
{
	uint32_t at = hash & s->mask;

	while (s->slot[at] != 0)
		at = (at + 1) & s->mask;
	s->slot[at] = value;
}

static uint32_t hash_words(const uint64_t *words, unsigned n)
{
	uint64_t h = n;

	for (unsigned i = 0; i < n; i++)
		h = (h ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
	return (uint32_t)(h >> 32);
}

static uint32_t hash_set(const struct regex_octets *set)
{
	return hash_words(set->bits, ARRAY_LEN(set->bits));
}

static uint32_t hash_node(const struct regex_node *n)
{
	const uint64_t words[] = {(uint64_t)n->kind << 32 | (uint32_t)n->min << 16 | n->max,
				  (uint64_t)n->left << 32 | n->right};

	return hash_words(words, ARRAY_LEN(words));
}

static bool same_node(const struct regex_node *a, const struct regex_node *b)
{
	return a->kind == b->kind && a->min == b->min && a->max == b->max && a->left == b->left &&
	       a->right == b->right;
}

void store_init(struct regex_store *s)
{
	*s = (struct regex_store){0};
	slots_init(&s->node_slots, SLOTS_MIN);
	slots_init(&s->set_slots, SLOTS_MIN);
}

void store_fini(struct regex_store *s)
{
	free(s->nodes);
	free(s->sets);
	free(s->node_slots.slot);
	free(s->set_slots.slot);
}

static uint32_t add_set(struct regex_store *s, const struct regex_octets *set)
{
	if (s->sets_n == s->sets_cap) {
		s->sets_cap = s->sets_cap * 2 + 64;
		s->sets = mem_realloc(s->sets, s->sets_cap, sizeof(s->sets[0]));
	}
	if (s->sets_n * 2 > s->set_slots.mask) {
		free(s->set_slots.slot);
		slots_init(&s->set_slots, (s->set_slots.mask + 1) * 4);
		for (uint32_t i = 0; i < s->sets_n; i++)
			slots_put(&s->set_slots, hash_set(&s->sets[i]), i + 1);
	}
	s->sets[s->sets_n++] = *set;
	slots_put(&s->set_slots, hash_set(set), s->sets_n);
	return s->sets_n - 1;
}

static uint32_t store_set(struct regex_store *s, const struct regex_octets *set)
{
	uint32_t at = hash_set(set) & s->set_slots.mask;

	for (; s->set_slots.slot[at] != 0; at = (at + 1) & s->set_slots.mask)
		if (octets_equal(&s->sets[s->set_slots.slot[at] - 1], set))
			return s->set_slots.slot[at] - 1;
	return add_set(s, set);
}

static uint32_t add_node(struct regex_store *s, const struct regex_node *n)
{
	if (s->nodes_n == s->nodes_cap) {
		s->nodes_cap = s->nodes_cap * 2 + 256;
		s->nodes = mem_realloc(s->nodes, s->nodes_cap, sizeof(s->nodes[0]));
	}
	if (s->nodes_n * 2 > s->node_slots.mask) {
		free(s->node_slots.slot);
		slots_init(&s->node_slots, (s->node_slots.mask + 1) * 4);
		for (uint32_t i = 0; i < s->nodes_n; i++)
			slots_put(&s->node_slots, hash_node(&s->nodes[i]), i + 1);
	}
	s->nodes[s->nodes_n++] = *n;
	slots_put(&s->node_slots, hash_node(n), s->nodes_n);
	return s->nodes_n - 1;
}

uint32_t store_node(struct regex_store *s, const struct regex_tree *t, uint32_t at)
{
	struct regex_node n = t->nodes[at];

	if (n.kind == NODE_OCTET)
		n.left = store_set(s, &t->sets[n.left]);
	if (n.kind == NODE_CAT || n.kind == NODE_ALT)
		n.right = store_node(s, t, n.right);
	if (n.kind == NODE_CAT || n.kind == NODE_ALT || n.kind == NODE_REPEAT)
		n.left = store_node(s, t, n.left);
	at = hash_node(&n) & s->node_slots.mask;
	for (; s->node_slots.slot[at] != 0; at = (at + 1) & s->node_slots.mask)
		if (same_node(&s->nodes[s->node_slots.slot[at] - 1], &n))
			return s->node_slots.slot[at] - 1;
	return add_node(s, &n);
}
