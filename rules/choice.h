/* Arguments that are one word of a few. */
#ifndef RULES_CHOICE_H
#define RULES_CHOICE_H

#include "core/err.h"

/* The position of text among n words, letter case counts; -EINVAL with err set, naming the nearest
 * word or all. */
int choice_of(const char *argument, const char *text, const char *const *words, size_t n,
	      struct err *err);

#endif
