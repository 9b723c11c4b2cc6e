/* Memory for the control thread and for start-up, where having none ends the process. */
#ifndef CORE_MEM_H
#define CORE_MEM_H

#include "core/base.h"

/* All but mem_table and mem_pages give memory for free(); on exhaustion they say so on stderr and abort. Not for the path. */
void *mem_alloc(size_t len);
void *mem_zalloc(size_t n, size_t size);
void *mem_realloc(void *old, size_t n, size_t size);
char *mem_strdup(const char *s);
char *mem_textdup(const char *text, size_t len); /* with a NUL behind it; text may be NULL when len is 0 */

/* Zeroed, aligned to a cache line and rounded up to whole lines. For free(). */
void *mem_lines(size_t len);

/* Zeroed pages of the system's, of which those that nobody touches take no memory. For mem_pages_free. */
void *mem_pages(size_t len);
void mem_pages_free(void *p, size_t len); /* harmless on NULL */

/*
 * Zeroed, aligned to a cache line, for what is read at random: when it is large, of huge pages if
 * the system has some to give, and pages that nobody writes take no memory. For mem_table_free.
 */
void *mem_table(size_t len);
void mem_table_free(void *p, size_t len); /* harmless on NULL */

/*
 * Has the allocator give back to the system what nobody has used for some seconds. It does that by itself
 * only in a thread that allocates, and the control thread is idle once a large configuration is in force.
 * Control thread, once a second; nothing with another allocator than jemalloc.
 */
void mem_decay(void);

#endif
