/* RE2, for C. Nothing of it throws but std::bad_alloc, which ends the process as elsewhere. */
#ifndef CORE_REGEX_RE2_H
#define CORE_REGEX_RE2_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct regex_re2;

/* NULL with a sentence of at most why_len octets when text is no expression. Control thread. */
struct regex_re2 *regex_re2_new(const char *text, char *why, size_t why_len);
void regex_re2_free(struct regex_re2 *re);

/* Whether the whole text matches. Any thread. */
bool regex_re2_match(const struct regex_re2 *re, const char *text, size_t len);

#ifdef __cplusplus
}
#endif

#endif
