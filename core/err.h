/* What a user is told when something he asked for can't be done. */
#ifndef CORE_ERR_H
#define CORE_ERR_H

#include "core/base.h"

/* One sentence the user can act on: where, what, and what would be right. Empty: no error. */
struct err {
	char text[1024];
};

/* Sets the sentence (cut to fit) and returns -EINVAL, so that a check can be one line. */
int err_set(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Puts "prefix: " in front of the sentence. Keeps its end when both do not fit. */
void err_prefix(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/*
 * The candidate nearest to word by edit distance (letter case costs nothing), or NULL when none is
 * near enough to be a likely slip. Lends one of the candidates.
 */
const char *err_nearest(const char *word, const char *const *candidates, size_t n);

#endif
