/*
 * What few queries have and no fixed place is worth: tags, extended errors, the query as it was.
 * Kept in blocks of a pool of the worker's, chained behind the query and given back with it; no
 * allocation. Owner only, all of it.
 */
#ifndef CORE_QUERY_EXTRA_H
#define CORE_QUERY_EXTRA_H

#include "core/query.h"

/* What one item may take with its name and value: what a tag longer than this gets is a refusal. */
#define EXTRA_ITEM_MAX 2000

enum extra_kind {
	EXTRA_TAG,      /* name and value */
	EXTRA_ERROR,    /* an extended error: code (2 octets, network order) and text as value */
	EXTRA_ORIGINAL, /* the query as the cache was asked for it */
};

struct extra_pool;

/* max bounds the blocks in use at one time. Blocks are touched as they are first used. NULL: no
 * memory. Gives. */
struct extra_pool *extra_pool_new(unsigned max);
void extra_pool_free(struct extra_pool *p);

/* Gives q's blocks back. */
void extra_clear(struct extra_pool *p, struct query *q);

struct extra_item {
	enum extra_kind kind;
	const uint8_t *name, *value; /* lent while q keeps the item */
	size_t name_len, value_len;
};

/* Adds an item; false when it is longer than EXTRA_ITEM_MAX or the pool is empty. */
bool extra_add(struct extra_pool *p, struct query *q, const struct extra_item *item);

/* The first item of this kind and name (name_len 0: of this kind); false when there is none. */
bool extra_find(const struct query *q, enum extra_kind kind, const void *name, size_t name_len,
		struct extra_item *out);

/* Takes out all items of this kind and name (name_len 0: of this kind). */
void extra_remove(struct query *q, enum extra_kind kind, const void *name, size_t name_len);

/* All items of a kind, in the order they came: *at is 0 to begin with. */
bool extra_next(const struct query *q, enum extra_kind kind, size_t *at, struct extra_item *out);

/* Tags: a name has one value, the last that was set. Text is without NUL. */
bool tag_set(struct extra_pool *p, struct query *q, const char *name, size_t name_len,
	     const char *value, size_t value_len);
const char *tag_get(const struct query *q, const char *name, size_t name_len, size_t *value_len);

/* Octets of text of one extended error. */
#define ERROR_TEXT_MAX (EXTRA_ITEM_MAX - 2)

/*
 * Extended errors (RFC 8914) for the answer: in the order they came. With clear those that were set
 * before go, and those that the answer has already. False when it does not fit.
 */
bool error_set(struct extra_pool *p, struct query *q, uint16_t code, const char *text, size_t len,
	       bool clear);

/* All of them: *at is 0 to begin with. Text is lent, without NUL. */
bool error_next(const struct query *q, size_t *at, uint16_t *code, const char **text, size_t *len);

#endif
