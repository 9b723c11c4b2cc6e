/* Which of the remembered queries and answers are looked for, and how they are shown. Control
 * thread; no Lua. */
#ifndef CONSOLE_GREPQ_H
#define CONSOLE_GREPQ_H

#include <stdio.h>

#include "core/err.h"

struct grepq;

struct grepq *grepq_new(void);    /* looks for everything. Gives */
void grepq_free(struct grepq *g); /* harmless on NULL */

/*
 * One more thing that must hold: a netmask of clients, "12ms" or "1.5ms" (answers that took longer;
 * no queries then), or a name, which stands for all below it, too. 0, or -EINVAL with err set.
 */
int grepq_add(struct grepq *g, const char *selector, struct err *err);

/* Of queries, and of answers, not more than the last limit of them. 0: all. */
void grepq_limit(struct grepq *g, uint64_t limit);

/* Looks into the rings and writes a table in order of time; now_us is monotonic. */
void grepq_run(struct grepq *g, uint64_t now_us, FILE *out);

/* Short names of protocols, "DoUDP". proto is an enum proto. */
const char *proto_text(unsigned proto);

#endif
