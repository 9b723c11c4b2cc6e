/*
 * Chains: rules in order. A chain is edited as part of a draft, and sealed with an index that says
 * which of its rules can match a query (rules/index.h), so that the others cost nothing.
 */
#ifndef RULES_CHAIN_H
#define RULES_CHAIN_H

#include "core/rand.h"
#include "rules/action.h"
#include "rules/selector.h"

/* A selector with its action. Immutable; shared by chains and Lua. */
struct rule {
	unsigned refs; /* control thread only */
	struct selector *selector;
	struct action *action;
	char *name; /* "" when it has none */
	struct uuid id;
	uint64_t creation_order;
	bool in_force; /* it has been in the live tables; control thread only */
};

/* Takes a reference to each; id NULL: a random one. name is copied. Gives, with refs 1. */
struct rule *rule_new(struct selector *s, struct action *a, const char *name,
		      const struct uuid *id);
struct rule *rule_ref(struct rule *r);
void rule_unref(struct rule *r);

struct chain_index;
struct places;

/* A rule as the driver wants it. */
struct sealed_rule {
	bool (*match)(const void *state, struct rule_run *run);
	const void *selector;
	enum verdict (*run)(void *state, struct rule_run *run);
	void *action;
	uint32_t counter;
};

/* A selector that wants memory fetched early. */
struct prefetcher {
	void (*prefetch)(const void *state, const struct query *q);
	const void *selector;
};

/* For more than these the memory of one is gone again when the last has come. */
#define PREFETCHERS_MAX 4

struct chain {
	unsigned refs; /* generations and drafts; control thread only */
	unsigned n, cap;
	struct rule **rules;
	uint32_t *numbers; /* [n] in index, or while it is being edited in before: rules/places.h */
	struct sealed_rule *sealed; /* [n]; NULL while it is being edited */
	struct chain_index *index;
	struct places *places; /* where rules stand now; NULL: where they stood in the index */
	unsigned n_prefetchers;
	struct prefetcher prefetchers[PREFETCHERS_MAX]; /* sealed: the first of them */
	struct chain_index *before; /* while it is being edited: of what it is a copy of, or NULL */
};

struct chain *chain_new(void);
struct chain *chain_ref(struct chain *c);
void chain_unref(struct chain *c);

/* Edits of a chain that nobody else has and that is not sealed. Positions are 0-based. */
void chain_append(struct chain *c, struct rule *r); /* takes a reference of its own */
void chain_remove(struct chain *c, unsigned at);
/* from moves in front of to, which may be c->n. */
void chain_move(struct chain *c, unsigned from, unsigned to);

/* A copy for editing that shares the rules. Gives. */
struct chain *chain_clone(const struct chain *c);

/* Sealed, it is to have an index of its own: none of its rules a stray. */
void chain_renumber(struct chain *c);

/* Makes it fit for workers. */
void chain_seal(struct chain *c);

/* Begins to load what the chain will need for this query. Any worker; the chain is sealed. */
static inline void chain_prefetch(const struct chain *c, const struct query *q)
{
	for (unsigned i = 0; i < c->n_prefetchers; i++)
		c->prefetchers[i].prefetch(c->prefetchers[i].selector, q);
}

/*
 * Runs the rules that match, in order, until one says stop or drop. Any worker; the chain is
 * sealed. Each match counts. VERDICT_NEXT at the end of the chain.
 */
enum verdict chain_run(const struct chain *c, struct rule_run *run);

/* The same by asking every rule: what chain_run must never differ from. For tests. */
enum verdict chain_run_plain(const struct chain *c, struct rule_run *run);

#endif
