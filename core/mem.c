#include "core/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void *or_end(void *p, size_t len)
{
	if (p != NULL)
		return p;
	fprintf(stderr, "out of memory: %zu octets were wanted\n", len);
	abort();
}

static size_t product(size_t n, size_t size)
{
	size_t len;

	if (__builtin_mul_overflow(n, size, &len))
		or_end(NULL, SIZE_MAX);
	return len != 0 ? len : 1; /* never NULL for success */
}

void *mem_alloc(size_t len)
{
	return or_end(malloc(len != 0 ? len : 1), len);
}

void *mem_zalloc(size_t n, size_t size)
{
	size_t len = product(n, size);

	return or_end(calloc(1, len), len);
}

void *mem_realloc(void *old, size_t n, size_t size)
{
	size_t len = product(n, size);

	return or_end(realloc(old, len), len);
}

char *mem_strdup(const char *s)
{
	size_t len = strlen(s) + 1;

	return memcpy(mem_alloc(len), s, len);
}

char *mem_textdup(const char *text, size_t len)
{
	char *copy = mem_alloc(len + 1);

	if (len > 0)
		memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

void *mem_lines(size_t len)
{
	size_t lines = len == 0 ? 1 : len / CACHE_LINE + (len % CACHE_LINE != 0);
	size_t whole = product(lines, CACHE_LINE);

	return memset(or_end(aligned_alloc(CACHE_LINE, whole), whole), 0, whole);
}

void *mem_pages(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return or_end(p != MAP_FAILED ? p : NULL, len);
}

void mem_pages_free(void *p, size_t len)
{
	if (p != NULL)
		munmap(p, len);
}

/* A walk over a table of some huge pages' size is mostly misses of the TLB otherwise. */
#define HUGE_FROM (4u << 20)

void *mem_table(size_t len)
{
	void *p;

	if (len < HUGE_FROM)
		return mem_lines(len);
	p = mem_pages(len);
	madvise(p, len, MADV_HUGEPAGE); /* where it is not taken all works as well */
	return p;
}

void mem_table_free(void *p, size_t len)
{
	if (p != NULL && len >= HUGE_FROM)
		munmap(p, len);
	else
		free(p);
}

/* jemalloc's, where the program is linked with it. */
extern int mallctl(const char *name, void *old, size_t *old_len, void *value, size_t len)
	__attribute__((weak));

void mem_decay(void)
{
	if (mallctl != NULL)
		mallctl("arena.4096.decay", NULL, NULL, NULL, 0); /* MALLCTL_ARENAS_ALL */
}
