/*
 * Actions: what a rule does with a query (DNSAction) or with an answer (DNSResponseAction) that its
 * selector matches. A kind of action is one row in the file that implements it, as with selectors.
 */
#ifndef RULES_ACTION_H
#define RULES_ACTION_H

#include <stdio.h>

#include "rules/arg.h"
#include "rules/run.h"

struct action_type {
	const char *name;
	bool is_response; /* for chains of answers */
	const struct arg_spec *args;
	const char *help; /* one line, lower case: what it does */
	size_t state_size;

	/* Control thread. state is zeroed. 0, or -EINVAL with err set and nothing owned. May be
	 * NULL. */
	int (*init)(void *state, const struct arg *argv, struct err *err);

	/* When nobody has it any more; may be NULL. Control thread. */
	void (*fini)(void *state);

	/* A rule with it is in force, after a transaction that did not fail: opens files. May be
	 * called again; NULL: there is nothing to open. Control thread. */
	void (*begin)(void *state);

	/* Any worker; what it writes of its state is its own affair to argue. */
	enum verdict (*run)(void *state, struct rule_run *run);

	/* As showRules prints it. Control thread. */
	void (*text)(const void *state, FILE *out);

	/* Its figures, for getStats() and printStats(); NULL: it has none. Control thread. */
	void (*stats)(const void *state, void (*see)(void *ctx, const char *name, double value),
		      void *ctx);

	/* Opens its files anew; 0, or -EINVAL with err set. NULL: it has none. Control thread. */
	int (*reload)(void *state, struct err *err);

	/* The name of the pool that it sends to, for a warning when there is none; NULL: to no
	 * pool. */
	const char *(*pool)(const void *state);
};

struct action {
	const struct action_type *type;
	unsigned refs; /* rules', other actions' and Lua's; control thread only */
	alignas(CACHE_LINE) uint8_t state[];
};

/* All families, ended by NULL; each an array ended by a NULL name. */
extern const struct action_type *const action_families[];

/* Gives, with refs 1; NULL with err set. argv has an entry for each row of the type's arguments. */
struct action *action_new(const struct action_type *type, const struct arg *argv, struct err *err);
struct action *action_ref(struct action *a);
void action_unref(struct action *a); /* harmless on NULL */

/* What showRules prints. Gives; free(). */
char *action_text(const struct action *a);

static inline enum verdict action_run(struct action *a, struct rule_run *run)
{
	return a->type->run(a->state, run);
}

#endif
