/* See rules/index.h. */
#include "rules/index.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

struct chain_index {
	unsigned n_always;
	uint32_t always[];
};

struct chain_index *index_build(struct rule *const *rules, unsigned n)
{
	struct chain_index *ix = mem_zalloc(1, sizeof(*ix) + n * sizeof(ix->always[0]));

	for (unsigned i = 0; i < n; i++)
		ix->always[ix->n_always++] = i;
	return ix;
}

void index_free(struct chain_index *ix)
{
	free(ix);
}

bool index_find(const struct chain_index *ix, struct rule_run *run, uint32_t from,
		struct cursors *out)
{
	const uint32_t *at = ix->always;

	out->n = 0;
	while (at < ix->always + ix->n_always && *at < from)
		at++;
	if (at < ix->always + ix->n_always) {
		out->at[0] = at;
		out->end[0] = ix->always + ix->n_always;
		out->n = 1;
	}
	return true;
}

uint32_t cursors_next(struct cursors *c)
{
	uint32_t least = UINT32_MAX;

	for (unsigned i = 0; i < c->n; i++)
		if (c->at[i] < c->end[i] && *c->at[i] < least)
			least = *c->at[i];
	for (unsigned i = 0; i < c->n; i++)
		if (c->at[i] < c->end[i] && *c->at[i] == least)
			c->at[i]++;
	return least;
}

unsigned index_always(const struct chain_index *ix)
{
	return ix->n_always;
}
