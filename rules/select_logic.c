/*
 * Selectors made of selectors. Parts are asked from left to right, and no further than needed. A
 * part that says must_drop ends it all, without a match: what its answer would have been nobody
 * knows.
 */
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "rules/registry.h"

/* They call each other on a worker's stack: some 100 octets a level. */
#define DEPTH_MAX 200

/* A selector may occur in another more than once, so that few of them, nested, ask without end. */
#define PARTS_MAX 1000000

struct logic {
	uint32_t n, depth;
	uint32_t all; /* selectors in it at any depth, each as often as it occurs */
	bool is_impure;
	struct selector **parts;
};

static void logic_visit(const void *state, void (*see)(void *ctx, const struct selector *s),
			void *ctx)
{
	const struct logic *l = state;

	for (uint32_t i = 0; i < l->n; i++)
		see(ctx, l->parts[i]);
}

/* NULL: made of no others. */
static const struct logic *logic_of(const struct selector *s)
{
	return s->type->visit == logic_visit ? (const struct logic *)s->state : NULL;
}

static int logic_add(struct logic *l, struct selector *s, struct err *err)
{
	const struct logic *part = logic_of(s);
	uint32_t depth = part != NULL ? part->depth + 1 : 1;

	l->depth = depth > l->depth ? depth : l->depth;
	l->all += 1 + (part != NULL ? part->all : 0);
	l->is_impure |= selector_is_impure(s);
	if (l->depth > DEPTH_MAX)
		return err_set(err, "rules are nested more than %d deep", DEPTH_MAX);
	if (l->all > PARTS_MAX)
		return err_set(err, "a rule is made of more than %d others", PARTS_MAX);
	l->parts[l->n++] = selector_ref(s);
	return 0;
}

static void logic_fini(void *state)
{
	struct logic *l = state;

	for (uint32_t i = 0; i < l->n; i++)
		selector_unref(l->parts[i]);
	free(l->parts);
}

static int logic_make(struct logic *l, const struct arg *list, size_t n, struct err *err)
{
	l->parts = mem_alloc((n + 1) * sizeof(struct selector *));
	for (size_t i = 0; i < n; i++) {
		if (logic_add(l, list[i].selector, err) < 0) {
			logic_fini(l);
			return -EINVAL;
		}
	}
	return 0;
}

static int list_init(void *state, const struct arg *argv, struct err *err)
{
	return logic_make(state, argv[0].list, argv[0].n, err);
}

static int not_init(void *state, const struct arg *argv, struct err *err)
{
	return logic_make(state, &argv[0], 1, err);
}

static bool logic_is_impure(const void *state)
{
	const struct logic *l = state;

	return l->is_impure;
}

static bool all_match(const void *state, struct rule_run *run)
{
	return true;
}

static bool and_match(const void *state, struct rule_run *run)
{
	const struct logic *l = state;

	for (uint32_t i = 0; i < l->n; i++)
		if (!selector_match(l->parts[i], run))
			return false;
	return true;
}

static bool or_match(const void *state, struct rule_run *run)
{
	const struct logic *l = state;

	for (uint32_t i = 0; i < l->n; i++) {
		if (selector_match(l->parts[i], run))
			return true;
		if (unlikely(run->must_drop))
			return false;
	}
	return false;
}

static bool not_match(const void *state, struct rule_run *run)
{
	const struct logic *l = state;

	return !selector_match(l->parts[0], run) && likely(!run->must_drop);
}

/* Of a selector that matches where any part does: the keys of all parts. */
static bool keys_of_all(const struct logic *l, bool negated, struct key_list *out)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (!selector_keys(l->parts[i], negated, out))
			return false;
	return true;
}

/* Behind each kind, and each number, in the order in which they narrow down. */
enum { RANK_IS_NOT = KEY_VALUE + VALUE_COUNT, RANK_EVERYTHING = RANK_IS_NOT + VALUE_COUNT };

static unsigned key_rank(const struct key *k)
{
	switch (k->kind) {
	case KEY_NAME:
		return k->below && k->name_len == 1 ? RANK_EVERYTHING : KEY_NAME;
	case KEY_SOURCE:
	case KEY_DESTINATION:
		return k->bits == 0 ? RANK_EVERYTHING : k->kind;
	case KEY_VALUE:
		return k->value_of + (k->is_not ? RANK_IS_NOT : KEY_VALUE);
	default:
		return k->kind;
	}
}

/* The less the better: the worst of the keys, then how many there are. None at all are the best. */
static unsigned keys_rank(const struct key *keys, unsigned n)
{
	unsigned worst = 0;

	for (unsigned i = 0; i < n; i++) {
		unsigned rank = key_rank(&keys[i]);

		worst = rank > worst ? rank : worst;
	}
	return worst * (KEYS_MAX + 1) + n;
}

/*
 * Of a selector that matches where all parts do: the keys of one. Parts behind an impure one don't
 * count, since where their keys are not met it would have been asked before them.
 */
static bool keys_of_best(const struct logic *l, bool negated, struct key_list *out)
{
	struct key *const best = &out->keys[out->n];
	unsigned best_rank = 0, first = out->n;
	bool found = false;

	for (uint32_t i = 0; i < l->n; i++) {
		unsigned at = out->n, n, rank;

		if (selector_keys(l->parts[i], negated, out)) {
			n = out->n - at;
			rank = keys_rank(&out->keys[at], n);
			out->n = at;
			if (!found || rank < best_rank) {
				memmove(best, &out->keys[at], n * sizeof(*best));
				out->n = first + n;
				best_rank = rank;
				found = true;
			}
		}
		if (selector_is_impure(l->parts[i]))
			break;
	}
	return found;
}

/* Not (A and B) is not A or not B, asked in the same order and as far (De Morgan). */
static bool and_keys(const void *state, bool negated, struct key_list *out)
{
	return negated ? keys_of_all(state, true, out) : keys_of_best(state, false, out);
}

static bool or_keys(const void *state, bool negated, struct key_list *out)
{
	return negated ? keys_of_best(state, true, out) : keys_of_all(state, false, out);
}

static bool not_keys(const void *state, bool negated, struct key_list *out)
{
	const struct logic *l = state;

	return selector_keys(l->parts[0], !negated, out);
}

/* It is never false: that takes no keys. */
static bool all_keys(const void *state, bool negated, struct key_list *out)
{
	return negated;
}

static void put_part(const struct selector *s, FILE *out)
{
	fputc('(', out);
	s->type->text(s->state, out);
	fputc(')', out);
}

static void put_parts(const struct logic *l, const char *between, FILE *out)
{
	for (uint32_t i = 0; i < l->n; i++) {
		if (i > 0)
			fputs(between, out);
		put_part(l->parts[i], out);
	}
}

static void all_text(const void *state, FILE *out)
{
	fputs("All", out);
}

static void and_text(const void *state, FILE *out)
{
	put_parts(state, " && ", out);
}

static void or_text(const void *state, FILE *out)
{
	put_parts(state, " || ", out);
}

static void not_text(const void *state, FILE *out)
{
	fputc('!', out);
	put_parts(state, "", out);
}

static const struct arg_spec no_args[] = {{.kind = ARG_END}};
static const struct arg_spec list_args[] = {
	{.name = "selectors", .kind = ARG_SELECTORS},
	{.kind = ARG_END},
};
static const struct arg_spec one_arg[] = {
	{.name = "selector", .kind = ARG_SELECTOR},
	{.kind = ARG_END},
};

#define LOGIC                                                                                 \
	.state_size = sizeof(struct logic), .fini = logic_fini, .is_impure = logic_is_impure, \
	.visit = logic_visit

const struct selector_type logic_selectors[] = {
	{.name = "AllRule",
	 .args = no_args,
	 .help = "always",
	 .match = all_match,
	 .text = all_text,
	 .keys = all_keys},
	{.name = "AndRule",
	 .args = list_args,
	 .help = "all of these rules match; they are asked in order, up to the first that does not",
	 .init = list_init,
	 .match = and_match,
	 .text = and_text,
	 .keys = and_keys,
	 LOGIC},
	{.name = "OrRule",
	 .args = list_args,
	 .help = "one of these rules matches; they are asked in order, up to the first that does",
	 .init = list_init,
	 .match = or_match,
	 .text = or_text,
	 .keys = or_keys,
	 LOGIC},
	{.name = "NotRule",
	 .args = one_arg,
	 .help = "this rule does not match",
	 .init = not_init,
	 .match = not_match,
	 .text = not_text,
	 .keys = not_keys,
	 LOGIC},
	{.name = NULL},
};
