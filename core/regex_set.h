/*
 * Which of many regular expressions may match a text, found in a few passes over it whatever their
 * number. For the rules of a chain: built when the chain is published, never changed after, asked by
 * any worker without a lock or an allocation.
 *
 * The answer errs on one side only. An expression that is not in it does not match; one that is in it
 * has to be tried with regex_match. With lists as operators have them, few others are in it.
 *
 * Names of 22 octets that match nothing (tools/bench_regex.c), against PCRE2 one after the other:
 *
 *   expressions        1      10      100    1,000   10,000
 *   ns                14      85      130      130      250
 *   PCRE2 ns          36     210    3,600  140,000        -
 *   ms to build    0.01     0.1      0.6        5      110
 *   KiB                1      10       63      455    4,800
 *
 * Expressions tied to the end of a text, or its begin, and words cost least. What is in every answer:
 * those of which core/regex_tree.h has no tree, those that may match any text, and those that together
 * would need tables out of proportion, as many like ^.*ab.*cd.*ef.
 */
#ifndef CORE_REGEX_SET_H
#define CORE_REGEX_SET_H

#include "core/regex.h"

struct regex_set;

/*
 * From n expressions, known from now on by their positions, 0 to n - 1. They are looked at here and
 * not later; NULL stands for one that may always match. A thousand take some milliseconds. Control
 * thread.
 */
struct regex_set *regex_set_new(const struct regex *const *expressions, uint32_t n);
void regex_set_free(struct regex_set *set);

/* How many elements regex_set_find needs: more than n, because it keeps its own notes behind them.
 */
size_t regex_set_room(const struct regex_set *set);

/*
 * Puts the positions of all expressions that may match the len octets of text into out, ascending,
 * and returns how many. out is the caller's, of regex_set_room elements. Any thread.
 */
uint32_t regex_set_find(const struct regex_set *set, const char *text, size_t len, uint32_t *out);

/* What became of the expressions, for logs and tests. */
struct regex_set_facts {
	uint32_t automata; /* passes over a text */
	uint32_t states;   /* of all of them */
	uint32_t always;   /* expressions that are in every answer */
	size_t memory;     /* octets in all */
};

struct regex_set_facts regex_set_facts(const struct regex_set *set);

#endif
