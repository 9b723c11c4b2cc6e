/* POSIX extended regular expressions in PCRE2's syntax. core/regex.h says what means what. */
#ifndef CORE_REGEX_ERE_H
#define CORE_REGEX_ERE_H

#include "core/err.h"

struct regex_source {
	char *text;       /* ends with NUL; both for free() */
	uint32_t *offset; /* by octet of text, its NUL too: where in the original it comes from */
	size_t len, cap;
	bool groups_are_plain; /* nothing refers to a group: none has to be captured */
};

/* 0, or -EINVAL with err set and nothing to free: only brackets are checked here. Control thread.
 */
int regex_translate(const char *ere, struct regex_source *out, struct err *err);

#endif
