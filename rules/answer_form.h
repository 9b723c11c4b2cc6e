/*
 * Answers that actions make: which header bits they have, whether they get an OPT, and where they
 * are written.
 */
#ifndef RULES_ANSWER_FORM_H
#define RULES_ANSWER_FORM_H

#include "core/dns/answer.h"
#include "rules/action.h"

/* Rows of arguments, in the order in which answer_bits_init wants them. */
#define ANSWER_BIT_ARGS                                                                           \
	{"aa", ARG_BOOL, ARG_OPTION, 0, 0, "the AA bit of the answer, clear by default"},         \
		{"ad", ARG_BOOL, ARG_OPTION, 0, 0, "the AD bit of the answer, clear by default"}, \
	{                                                                                         \
		"ra", ARG_BOOL, ARG_OPTION, 0, 0,                                                 \
			"the RA bit of the answer, by default as the RD bit of the query"         \
	}

#define ANSWER_BITS 3

/* From the arguments of those rows. Control thread. */
void answer_bits_init(struct answer_bits *bits, const struct arg argv[ANSWER_BITS]);

/* The form of an answer to this query: it gets an OPT if the client's query had one, and the
 * settings want it. Worker. */
struct answer_form answer_form(const struct rule_run *run, const struct answer_bits *bits);

#endif
