/* Counts by key, and which have the most. Control thread; no Lua. */
#ifndef CONSOLE_TALLY_H
#define CONSOLE_TALLY_H

#include "core/base.h"

struct tally;

struct tally *tally_new(void);    /* gives */
void tally_free(struct tally *t); /* harmless on NULL */

/* Adds n to what is counted under these octets, at most TALLY_KEY_MAX of them. */
#define TALLY_KEY_MAX UINT16_MAX
void tally_add(struct tally *t, const void *key, size_t len, uint64_t n);

/* The same, unless that would be a new key above so many keys, or octets of all keys: false then.
 */
bool tally_add_within(struct tally *t, const void *key, size_t len, uint64_t n, size_t max_keys,
		      size_t max_octets);

/* How many keys there are, and all that was added. */
size_t tally_len(const struct tally *t);
uint64_t tally_total(const struct tally *t);

/* Puts the most counted first; those alike stay as they came. */
void tally_sort(struct tally *t);

/* The i-th, i < tally_len. The key is lent until the next tally_add. */
uint64_t tally_at(const struct tally *t, size_t i, const uint8_t **key, size_t *len);

#endif
