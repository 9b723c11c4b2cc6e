/* Prefixes of addresses: one look-up of the longest; shorter ones follow by the parents. */
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "rules/index_parts.h"

#define BITS_MAX 128

void prefixes_put(struct index_prefixes *p, const struct key *k, uint32_t position)
{
	struct prefix_key *key;

	p->keys = draft_room(p->keys, p->n_keys, &p->cap, sizeof(*p->keys));
	key = &p->keys[p->n_keys++];
	*key = (struct prefix_key){.position = position, .bits = k->bits, .v6 = k->v6};
	memcpy(key->addr, k->addr, k->v6 ? 16 : 4);
}

static struct netmask netmask_of(const struct prefix_key *k)
{
	struct netmask nm = {.bits = k->bits};

	nm.base.sa.sa_family = k->v6 ? AF_INET6 : AF_INET;
	if (k->v6)
		memcpy(&nm.base.v6.sin6_addr, k->addr, 16);
	else
		memcpy(&nm.base.v4.sin_addr, k->addr, 4);
	return nm;
}

/* From short to long, each length in order. Gives. */
static uint32_t *sorted(const struct index_prefixes *p)
{
	uint32_t *order = mem_alloc(p->n_keys * sizeof(*order));
	uint32_t at[BITS_MAX + 2] = {0};

	for (uint32_t i = 0; i < p->n_keys; i++)
		at[p->keys[i].bits + 1]++;
	for (unsigned bits = 0; bits <= BITS_MAX; bits++)
		at[bits + 1] += at[bits];
	for (uint32_t i = 0; i < p->n_keys; i++)
		order[at[p->keys[i].bits]++] = i;
	return order;
}

/* All that could be its parent is there already, and nothing longer. */
static uint32_t node_of(struct index_prefixes *p, const struct prefix_key *k)
{
	struct netmask nm = netmask_of(k);
	uint32_t longest = netmask_table_lookup(p->table, &nm.base);

	if (longest != NETMASK_NONE && p->nodes[longest].bits == k->bits)
		return longest;
	netmask_table_add(p->table, &nm, p->n);
	p->nodes[p->n] = (struct prefix_node){LIST_EMPTY, longest, k->bits};
	return p->n++;
}

void prefixes_finish(struct index_draft *d, struct index_prefixes *p)
{
	uint32_t *order;

	static_assert(NODE_NONE == NETMASK_NONE, "what is not there is not there");
	if (p->n_keys == 0)
		return;
	order = sorted(p);
	p->table = netmask_table_new();
	p->nodes = mem_alloc(p->n_keys * sizeof(*p->nodes));
	for (uint32_t i = 0; i < p->n_keys; i++) {
		const struct prefix_key *k = &p->keys[order[i]];
		uint32_t node = node_of(p, k);

		draft_put(d, &p->nodes[node].list, k->position);
	}
	free(order);
	free(p->keys);
	p->keys = NULL;
}

bool prefixes_find(const struct chain_index *ix, const struct index_prefixes *p,
		   const struct addr *a, uint32_t from, struct cursors *out)
{
	uint32_t node = netmask_table_lookup(p->table, a);

	for (; node != NODE_NONE; node = p->nodes[node].parent)
		if (!cursors_add(out, ix, p->nodes[node].list, from))
			return false;
	return true;
}

void prefixes_free(struct index_prefixes *p)
{
	netmask_table_unref(p->table);
	free(p->nodes);
	free(p->keys);
}
