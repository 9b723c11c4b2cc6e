/* Numbers of the query: a hash of those that rules want, and a few lists of rules that want others.
 */
#include <stdlib.h>

#include "core/mem.h"
#include "rules/index_parts.h"

static uint64_t key_of(unsigned of, uint32_t value)
{
	return ((uint64_t)of << 32 | value) + 1;
}

/* The slot of a key, or the empty one where it would go; there is always one. */
static inline struct value_slot *find(const struct index_values *v, uint64_t key)
{
	uint32_t at = (uint32_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 32);

	while (v->slots[at & v->mask].key != 0 && v->slots[at & v->mask].key != key)
		at++;
	return &v->slots[at & v->mask];
}

/* Half full at most. */
static void grow(struct index_values *v)
{
	struct index_values old = *v;

	v->mask = old.slots != NULL ? 2 * old.mask + 1 : 15;
	v->slots = mem_zalloc(v->mask + 1, sizeof(*v->slots));
	for (uint32_t i = 0; old.slots != NULL && i <= old.mask; i++)
		if (old.slots[i].key != 0)
			*find(v, old.slots[i].key) = old.slots[i];
	free(old.slots);
}

static void put_wanted(struct index_draft *d, const struct key *k, uint32_t position)
{
	struct index_values *v = &d->ix->values;
	struct value_slot *slot;

	if (v->slots == NULL || v->n > v->mask / 2)
		grow(v);
	slot = find(v, key_of(k->value_of, k->value));
	if (slot->key == 0) {
		*slot = (struct value_slot){key_of(k->value_of, k->value), LIST_EMPTY};
		v->n++;
	}
	draft_put(d, &slot->list, position);
	v->listed |= 1u << k->value_of;
	v->kinds |= 1u << k->value_of;
}

static void put_unwanted(struct index_draft *d, const struct key *k, uint32_t position)
{
	struct index_values *v = &d->ix->values;
	uint32_t i = 0, n = v->nots[k->value_of].n;
	uint32_t *value = v->nots[k->value_of].value, *list = v->nots[k->value_of].list;

	while (i < n && value[i] != k->value)
		i++;
	if (i == NOTS_MAX) {
		draft_put_always(d, position);
		return;
	}
	if (i == n) {
		value[i] = k->value;
		list[i] = LIST_EMPTY;
		v->nots[k->value_of].n++;
	}
	draft_put(d, &list[i], position);
	v->kinds |= 1u << k->value_of;
}

void values_put(struct index_draft *d, const struct key *k, uint32_t position)
{
	if (k->is_not)
		put_unwanted(d, k, position);
	else
		put_wanted(d, k, position);
}

bool values_find(const struct chain_index *ix, const struct rule_run *run, uint32_t from,
		 struct cursors *out)
{
	const struct index_values *v = &ix->values;

	for (uint32_t left = v->kinds; left != 0; left &= left - 1) {
		unsigned of = (unsigned)__builtin_ctz(left);
		uint32_t value = key_value_of((enum key_value)of, run);

		if ((v->listed >> of & 1) != 0 &&
		    !cursors_add(out, ix, find(v, key_of(of, value))->list, from))
			return false;
		for (uint32_t i = 0; i < v->nots[of].n; i++)
			if (v->nots[of].value[i] != value &&
			    !cursors_add(out, ix, v->nots[of].list[i], from))
				return false;
	}
	return true;
}

void values_free(struct index_values *v)
{
	free(v->slots);
}
