/*
 * Regular expressions over names and other short texts. Compiled once on the control thread and
 * never changed after, so that all workers match the same one at once, without a lock or an
 * allocation.
 *
 * REGEX_POSIX: POSIX extended regular expressions (XBD 9.4) in the C locale, letter case ignored,
 * searched for anywhere in the text. They run on PCRE2, so what POSIX leaves undefined means what
 * PCRE2 makes of it:
 *  - Brackets are POSIX's alone: [\d] is a backslash or a d; [[:digit:]], [[.-.]], [[=a=]] are known.
 *  - \< \> \` \' and {,n} are as in the GNU library, an unmatched ) is itself.
 *  - $ and ^ match at the very end and begin of the text only; a dot is any octet.
 *  - PCRE2's: \d \w \s \b, back-references, (?:…), look-around, lazy and possessive repetition,
 *    (?i), \Q…\E. A { that begins no repetition is itself. Never UTF: a character is an octet.
 *
 * REGEX_RE2: RE2's syntax in Latin-1, letter case kept; the whole text has to match. Needs libre2
 * when built; regex_has_re2 says whether it was there.
 *
 * About a query, the text asked is name_text_bare (core/dns/name.h) of its name, made once a query.
 */
#ifndef CORE_REGEX_H
#define CORE_REGEX_H

#include "core/err.h"

enum regex_kind { REGEX_POSIX, REGEX_RE2 };

struct regex;

/*
 * Copies text. NULL with err set when it is no expression of that kind: what is wrong, and the
 * offset in octets at which it was noticed. Control thread.
 */
struct regex *regex_new(enum regex_kind kind, const char *text, struct err *err);

/* NULL is let be. Control thread, once no worker can still match it. */
void regex_free(struct regex *re);

/*
 * Whether re matches the len octets of text, which need no end mark. Any thread.
 *
 * The cost is bounded. Where backtracking takes long, a regular expression in the strict sense is
 * matched in another way, in time that len bounds (core/regex_sim.h): 60 us for names of 253 octets
 * and expressions made to be slow, 2 ms for the largest of these and 1,000 octets of text. Others
 * (with back-references or look-around, or very large) count as no match after REGEX_STEPS_MAX
 * steps, or fewer where references compare a long text: at most some 3 ms. REGEX_RE2: linear in
 * len; core/regex_re2.cc says which few may allocate or lock.
 */
bool regex_match(const struct regex *re, const char *text, size_t len);

/* Of backtracking, wherever in the text it begins; without back-references 2 len for each octet of
 * text, if that is more. */
#define REGEX_STEPS_MAX 500000

/*
 * Makes what regex_match needs on the calling thread: some 40 KiB, given back when the thread ends.
 * For a worker before its first packet; the first match of a thread that never called this makes it.
 */
void regex_thread_init(void);

/* The expression as it was given. Lent. */
const char *regex_text(const struct regex *re);
enum regex_kind regex_kind(const struct regex *re);

/* False where the system forbids memory that is written and run (MemoryDenyWriteExecute=): matching
 * then costs some ten times as much. Control thread. */
bool regex_jit_is_available(void);
bool regex_has_re2(void);

#endif
