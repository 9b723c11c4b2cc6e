#include "rules/chain.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "rules/counters.h"
#include "rules/places.h"

struct rule *rule_new(struct selector *s, struct action *a, const char *name, const struct uuid *id)
{
	static uint64_t created; /* control thread */
	struct rule *r = mem_zalloc(1, sizeof(*r));

	r->refs = 1;
	r->selector = selector_ref(s);
	r->action = action_ref(a);
	r->name = mem_strdup(name);
	r->id = id != NULL ? *id : uuid_random();
	r->creation_order = created++;
	return r;
}

struct rule *rule_ref(struct rule *r)
{
	r->refs++;
	return r;
}

void rule_unref(struct rule *r)
{
	if (--r->refs > 0)
		return;
	selector_unref(r->selector);
	action_unref(r->action);
	free(r->name);
	free(r);
}

struct chain *chain_new(void)
{
	struct chain *c = mem_zalloc(1, sizeof(*c));

	c->refs = 1;
	return c;
}

struct chain *chain_ref(struct chain *c)
{
	c->refs++;
	return c;
}

void chain_unref(struct chain *c)
{
	if (--c->refs > 0)
		return;
	for (unsigned i = 0; i < c->n; i++)
		rule_unref(c->rules[i]);
	index_unref(c->index);
	index_unref(c->before);
	free(c->places);
	free(c->sealed);
	free(c->numbers);
	free(c->rules);
	free(c);
}

struct chain *chain_clone(const struct chain *c)
{
	struct chain *copy = chain_new();

	copy->n = copy->cap = c->n;
	copy->rules = mem_alloc((c->n + 1) * sizeof(struct rule *));
	copy->numbers = mem_alloc((c->n + 1) * sizeof(uint32_t));
	for (unsigned i = 0; i < c->n; i++)
		copy->rules[i] = rule_ref(c->rules[i]);
	if (c->n > 0)
		memcpy(copy->numbers, c->numbers, c->n * sizeof(uint32_t));
	copy->before = index_ref(c->sealed != NULL ? c->index : c->before);
	return copy;
}

void chain_append(struct chain *c, struct rule *r)
{
	assert(c->sealed == NULL);
	if (c->n == c->cap) {
		c->cap = c->cap ? 2 * c->cap : 8;
		c->rules = mem_realloc(c->rules, c->cap, sizeof(struct rule *));
		c->numbers = mem_realloc(c->numbers, c->cap, sizeof(uint32_t));
	}
	c->numbers[c->n] = NUMBER_STRAY;
	c->rules[c->n++] = rule_ref(r);
}

void chain_remove(struct chain *c, unsigned at)
{
	assert(c->sealed == NULL && at < c->n);
	rule_unref(c->rules[at]);
	c->n--;
	memmove(&c->rules[at], &c->rules[at + 1], (c->n - at) * sizeof(struct rule *));
	memmove(&c->numbers[at], &c->numbers[at + 1], (c->n - at) * sizeof(uint32_t));
}

void chain_move(struct chain *c, unsigned from, unsigned to)
{
	unsigned at = to > from ? to - 1 : to; /* where it stands in the end */
	unsigned low = from < at ? from : at, others = from < at ? at - from : from - at;
	struct rule *r;

	assert(c->sealed == NULL && from < c->n && to <= c->n);
	if (at == from)
		return;
	r = c->rules[from];
	memmove(&c->rules[low + (at < from)], &c->rules[low + (at > from)],
		others * sizeof(struct rule *));
	memmove(&c->numbers[low + (at < from)], &c->numbers[low + (at > from)],
		others * sizeof(uint32_t));
	c->rules[at] = r;
	c->numbers[at] = NUMBER_STRAY;
}

void chain_renumber(struct chain *c)
{
	assert(c->sealed == NULL);
	for (unsigned i = 0; i < c->n; i++)
		c->numbers[i] = NUMBER_STRAY;
}

static struct sealed_rule seal_rule(const struct rule *r)
{
	struct selector *s = r->selector;

	if (s->counter == SELECTOR_NO_COUNTER)
		s->counter = counters_take();
	return (struct sealed_rule){
		.match = s->type->match,
		.selector = s->state,
		.run = r->action->type->run,
		.action = r->action->state,
		.counter = s->counter,
	};
}

/* It, or those in it. */
static void seal_prefetchers(void *ctx, const struct selector *s)
{
	struct chain *c = ctx;

	if (s->type->prefetch != NULL && c->n_prefetchers < PREFETCHERS_MAX)
		c->prefetchers[c->n_prefetchers++] =
			(struct prefetcher){s->type->prefetch, s->state};
	if (s->type->visit != NULL)
		s->type->visit(s->state, seal_prefetchers, c);
}

void chain_seal(struct chain *c)
{
	if (c->sealed != NULL)
		return;
	c->sealed = mem_alloc((c->n + 1) * sizeof(*c->sealed));
	for (unsigned i = 0; i < c->n; i++) {
		c->sealed[i] = seal_rule(c->rules[i]);
		seal_prefetchers(c, c->rules[i]->selector);
	}
	if (c->before != NULL)
		c->places = places_new(c->numbers, c->n, index_size(c->before));
	if (c->places != NULL) {
		c->index = c->before;
	} else {
		c->index = index_build(c->rules, c->n, c->before);
		index_unref(c->before);
		for (unsigned i = 0; i < c->n; i++)
			c->numbers[i] = i;
	}
	c->before = NULL;
}

/* One rule, asked and when it matches run. */
static inline enum verdict ask(const struct sealed_rule *r, struct rule_run *run)
{
	if (!r->match(r->selector, run))
		return unlikely(run->must_drop) ? VERDICT_DROP : VERDICT_NEXT;
	counters_inc(run->worker, r->counter);
	return r->run(r->action, run);
}

static enum verdict ask_all(const struct chain *c, struct rule_run *run, uint32_t from)
{
	for (uint32_t i = from; i < c->n; i++) {
		enum verdict v = ask(&c->sealed[i], run);

		if (v != VERDICT_NEXT)
			return v;
	}
	return VERDICT_NEXT;
}

enum verdict chain_run_plain(const struct chain *c, struct rule_run *run)
{
	return ask_all(c, run, 0);
}

/*
 * The candidates from a position on, for as long as the message stays as it was when they were
 * found: then *from is where to look anew. UINT32_MAX: the chain is done.
 */
static enum verdict run_from(const struct chain *c, struct rule_run *run, uint32_t *from)
{
	struct candidates candidates;
	uint32_t at = *from;

	*from = UINT32_MAX;
	run->edited = false;
	if (unlikely(!candidates_find(&candidates, c->index, c->places, run, at)))
		return ask_all(c, run, at);
	while ((at = candidates_next(&candidates)) != UINT32_MAX) {
		enum verdict v = ask(&c->sealed[at], run);

		if (v != VERDICT_NEXT)
			return v;
		if (unlikely(run->edited)) {
			*from = at + 1;
			return VERDICT_NEXT;
		}
	}
	return VERDICT_NEXT;
}

/* So few are asked in less time than looked up. */
#define FEW 2

enum verdict chain_run(const struct chain *c, struct rule_run *run)
{
	enum verdict v = VERDICT_NEXT;

	if (c->n <= FEW)
		return ask_all(c, run, 0);
	for (uint32_t from = 0; from < c->n;)
		v = run_from(c, run, &from);
	return v;
}
