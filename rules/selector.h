/*
 * Selectors (DNSRule in the configuration language): conditions on a query or an answer. A kind of
 * selector is one row in the file that implements it; constructor, help, completion and manual come
 * from the row. A selector is immutable, but for limiters, and shared by all generations of the
 * tables.
 */
#ifndef RULES_SELECTOR_H
#define RULES_SELECTOR_H

#include <stdio.h>

#include "rules/arg.h"
#include "rules/keys.h"
#include "rules/run.h"

enum selector_flags {
	/* Asking it changes something (a token, a random number, must_drop): it is asked neither
	 * more nor less often than a walk over all rules would. It has no keys. */
	SELECTOR_IMPURE = 1,
};

struct selector_type {
	const char *name;
	const struct arg_spec *args;
	const char *help; /* one line, lower case: when it matches */
	size_t state_size;
	unsigned flags;

	/* Control thread. state is zeroed. 0, or -EINVAL with err set and nothing owned. May be
	 * NULL. */
	int (*init)(void *state, const struct arg *argv, struct err *err);

	/* When nobody has it any more; may be NULL. Control thread. */
	void (*fini)(void *state);

	/* Any worker. */
	bool (*match)(const void *state, struct rule_run *run);

	/* As showRules prints it. Control thread. */
	void (*text)(const void *state, FILE *out);

	/*
	 * Adds keys of which one at least is met wherever it matches (negated: wherever it does not
	 * match), and wherever asking it would ask an impure one that it holds. None: that is never
	 * so. False: it can't say, and what it has added is thrown away. NULL: it never can.
	 * Control thread.
	 */
	bool (*keys)(const void *state, bool negated, struct key_list *out);

	/*
	 * Begins to load what match will need of memory that is seldom in cache, when the query has been
	 * parsed: the other queries of a batch give it time to come. Any worker. NULL: it needs none.
	 */
	void (*prefetch)(const void *state, const struct query *q);

	/* Whether it, or one that it holds, is impure; NULL: as the flags say. */
	bool (*is_impure)(const void *state);

	/* For each selector in it; NULL: there is none. Control thread. */
	void (*visit)(const void *state, void (*see)(void *ctx, const struct selector *s),
		      void *ctx);
};

#define SELECTOR_NO_COUNTER UINT32_MAX

struct selector {
	const struct selector_type *type;
	unsigned refs;    /* rules', other selectors' and Lua's; control thread only */
	uint32_t counter; /* of its matches, see rules/counters.h; SELECTOR_NO_COUNTER until a rule
			     has it */
	alignas(CACHE_LINE) uint8_t state[];
};

/* All families, ended by NULL; each an array ended by a NULL name. */
extern const struct selector_type *const selector_families[];

/* Gives, with refs 1; NULL with err set. argv has an entry for each row of the type's arguments. */
struct selector *selector_new(const struct selector_type *type, const struct arg *argv,
			      struct err *err);
struct selector *selector_ref(struct selector *s);
void selector_unref(struct selector *s); /* harmless on NULL */

bool selector_is_impure(const struct selector *s);
bool selector_keys(const struct selector *s, bool negated, struct key_list *out);

/* What showRules prints. Gives; free(). */
char *selector_text(const struct selector *s);

static inline bool selector_match(const struct selector *s, struct rule_run *run)
{
	return s->type->match(s->state, run);
}

/* How often it matched as a rule, over all workers. */
uint64_t selector_matches(const struct selector *s);

#endif
