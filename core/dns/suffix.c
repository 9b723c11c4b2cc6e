/*
 * The names lie end to end in one block, each behind its value, and a hash of 4 octets a slot finds
 * them: no pointers, no lengths, no node a label. A trie of labels would walk as many steps, each
 * through memory that the step before names; here the hash of every suffix follows from that of the
 * suffix one label shorter, so all slots are fetched at once, and the longest is looked at first.
 *
 * A mask notes which numbers of labels occur. In a set of domains two labels deep a name of any
 * length costs one probe.
 */
#include <stdlib.h>
#include <string.h>

#include "core/dns/suffix.h"
#include "core/hash.h"
#include "core/mem.h"

#define VALUE_LEN sizeof(uint32_t)

/* Comparing reads as many octets as the name asked for has, whatever is there. */
#define SLACK DNS_NAME_MAX

/* Entries begin at 1: in the index 0 is an empty slot. */
#define FIRST 1

struct suffix_table {
	unsigned refs;
	uint8_t *block; /* [cap + SLACK]: value and name, one after the other */
	size_t used, cap;
	size_t dead;     /* octets of entries that were removed: their value is SUFFIX_NONE */
	uint32_t *index; /* where in the block, in the bits of place; the rest of the hash above */
	uint32_t slots, place;
	uint32_t len;
	unsigned depth_end;                  /* above all depths of the mask */
	uint64_t depths[SUFFIX_DEPTHS / 64]; /* may keep what a removed name alone had */
};

/* Of the process: clients choose what dynamic blocks hold and what is asked. Made with the first
 * set. */
static uint64_t secret[3];

static_assert(SUFFIX_DEPTHS % 64 == 0, "the mask has a bit for each depth");

static inline uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t mix(uint64_t h, uint64_t word)
{
	unsigned __int128 product =
		(unsigned __int128)(name_lower8(word) ^ secret[0]) * (h ^ secret[1]);

	return (uint64_t)(product >> 64) ^ (uint64_t)product;
}

/*
 * The hash of a suffix from that of the one below its first label. Loads overlap rather than leave
 * the label; its length octet is part of them, so that no two labels give the same words.
 */
static inline uint64_t hash_label(uint64_t h, const uint8_t *label)
{
	size_t n = (size_t)label[0] + 1;

	if (n < 4)
		return mix(h, (uint64_t)label[0] | (uint64_t)label[n / 2] << 8 |
				      (uint64_t)label[n - 1] << 16);
	if (n < 8)
		return mix(h, load32(label) | load32(label + n - 4) << 32);
	for (size_t i = 0; i + 8 < n; i += 8)
		h = mix(h, load64(label + i));
	return mix(h, load64(label + n - 8));
}

/* Where each label begins, the root too; how many there are without it. */
static inline unsigned find_labels(const uint8_t *name, uint8_t start[static SUFFIX_DEPTHS])
{
	unsigned n = 0, at = 0;

	for (; name[at] != 0; at += name[at] + 1u)
		start[n++] = (uint8_t)at;
	start[n] = (uint8_t)at;
	return n;
}

static uint64_t hash_name(const uint8_t *name, unsigned *labels)
{
	uint8_t start[SUFFIX_DEPTHS];
	unsigned n = find_labels(name, start);
	uint64_t h = secret[2];

	*labels = n;
	while (n-- > 0)
		h = hash_label(h, name + start[n]);
	return h;
}

static inline bool has_depth(const struct suffix_table *t, unsigned depth)
{
	return t->depths[depth / 64] >> depth % 64 & 1;
}

static void note_depth(struct suffix_table *t, unsigned depth)
{
	t->depths[depth / 64] |= UINT64_C(1) << depth % 64;
	if (depth >= t->depth_end)
		t->depth_end = depth + 1;
}

/* Where a hash begins to look, and what it leaves beside the place: independent halves. */
static inline uint32_t first_slot(const struct suffix_table *t, uint64_t h)
{
	return (uint32_t)((h >> 32) * t->slots >> 32);
}

static inline uint32_t tag_of(const struct suffix_table *t, uint64_t h)
{
	return (uint32_t)h & ~t->place;
}

static inline uint32_t next_slot(const struct suffix_table *t, uint32_t slot)
{
	return slot + 1 == t->slots ? 0 : slot + 1;
}

/* The slot of a name, or the empty slot where it would go. There is always an empty one. */
static inline uint32_t find(const struct suffix_table *t, uint64_t h, const uint8_t *name,
			    size_t len)
{
	uint32_t tag = tag_of(t, h), slot = first_slot(t, h);

	for (; t->index[slot]; slot = next_slot(t, slot)) {
		uint32_t at = t->index[slot] & t->place;

		if ((t->index[slot] & ~t->place) == tag &&
		    name_equal(t->block + at + VALUE_LEN, name, len))
			break;
	}
	return slot;
}

static inline uint32_t value_at(const struct suffix_table *t, size_t at)
{
	return (uint32_t)load32(t->block + at);
}

static size_t name_len(const uint8_t *name)
{
	size_t len = 0;

	while (name[len] != 0)
		len += name[len] + 1u;
	return len + 1;
}

static struct suffix_match entry_at(const struct suffix_table *t, size_t at, size_t len)
{
	return (struct suffix_match){t->block + at + VALUE_LEN, len, value_at(t, at)};
}

static void hash_suffixes(struct suffix_hashes *h, const uint8_t *name, size_t len,
			  unsigned depth_end)
{
	uint64_t hash = secret[2];

	h->name = name;
	h->len = len;
	h->labels = find_labels(name, h->start);
	h->hash[0] = hash;
	for (unsigned depth = 1; depth <= h->labels && depth < depth_end; depth++) {
		hash = hash_label(hash, name + h->start[h->labels - depth]);
		h->hash[depth] = hash;
	}
}

void suffix_hashes_make(struct suffix_hashes *h, const uint8_t *name, size_t len)
{
	hash_suffixes(h, name, len, SUFFIX_DEPTHS);
}

void suffix_walk_start(struct suffix_walk *w, const struct suffix_table *t,
		       const struct suffix_hashes *h)
{
	w->table = t;
	w->hashes = h;
	w->left = h->labels + 1 < t->depth_end ? h->labels + 1 : t->depth_end;
	for (unsigned depth = 1; depth < w->left; depth++)
		if (has_depth(t, depth))
			__builtin_prefetch(t->index + first_slot(t, h->hash[depth]));
}

bool suffix_walk_next(struct suffix_walk *w, struct suffix_match *match)
{
	const struct suffix_table *t = w->table;
	const struct suffix_hashes *h = w->hashes;

	while (w->left > 0) {
		unsigned depth = --w->left;
		size_t from = h->start[h->labels - depth];
		uint32_t slot;

		if (!has_depth(t, depth))
			continue;
		slot = find(t, h->hash[depth], h->name + from, h->len - from);
		if (t->index[slot] == 0)
			continue;
		*match = entry_at(t, t->index[slot] & t->place, h->len - from);
		return true;
	}
	return false;
}

uint32_t suffix_table_lookup_hashed(const struct suffix_table *t, const struct suffix_hashes *h)
{
	struct suffix_walk w;
	struct suffix_match match;

	suffix_walk_start(&w, t, h);
	return suffix_walk_next(&w, &match) ? match.value : SUFFIX_NONE;
}

/* No deeper than the set is. */
uint32_t suffix_table_lookup(const struct suffix_table *t, const uint8_t *name, size_t len)
{
	struct suffix_hashes h;

	hash_suffixes(&h, name, len, t->depth_end);
	return suffix_table_lookup_hashed(t, &h);
}

/* The slot of exactly this name, whose hash and labels it is told; or UINT32_MAX. */
static uint32_t find_exact(const struct suffix_table *t, const uint8_t *name, size_t len,
			   uint64_t h, unsigned labels)
{
	uint32_t slot;

	if (!has_depth(t, labels))
		return UINT32_MAX;
	slot = find(t, h, name, len);
	return t->index[slot] ? slot : UINT32_MAX;
}

uint32_t suffix_table_exact(const struct suffix_table *t, const uint8_t *name, size_t len)
{
	unsigned labels;
	uint64_t h = hash_name(name, &labels);
	uint32_t slot = find_exact(t, name, len, h, labels);

	return slot == UINT32_MAX ? SUFFIX_NONE : value_at(t, t->index[slot] & t->place);
}

uint32_t suffix_table_exact_hashed(const struct suffix_table *t, const struct suffix_hashes *h)
{
	uint32_t slot = find_exact(t, h->name, h->len, h->hash[h->labels], h->labels);

	return slot == UINT32_MAX ? SUFFIX_NONE : value_at(t, t->index[slot] & t->place);
}

/* Puts the entry at a place into a free slot of the index. */
static void index_put(struct suffix_table *t, uint32_t at, uint64_t h)
{
	uint32_t slot = first_slot(t, h);

	while (t->index[slot])
		slot = next_slot(t, slot);
	t->index[slot] = tag_of(t, h) | at;
}

/*
 * Room for names that come: the index, at most 3/4 full or runs get long, is made 3/5 full, so
 * that the next time is far, and places get a bit more than the block needs now.
 */
static void index_resize(struct suffix_table *t, size_t names, size_t octets)
{
	uint64_t places = t->used - t->dead + octets;
	unsigned bits = 64 - (unsigned)__builtin_clzll(places + places / 4 + 1024);

	t->place = bits >= 32 ? UINT32_MAX : (UINT32_C(1) << bits) - 1;
	t->slots = (uint32_t)((uint64_t)(t->len + names) * 5 / 3) + 8;
	free(t->index);
	t->index = mem_zalloc(t->slots, sizeof(*t->index));
	memset(t->depths, 0, sizeof(t->depths));
	t->depth_end = 0;
}

/* A new index over the names that are left, moved together, and for so many more. */
static void rebuild(struct suffix_table *t, size_t names, size_t octets)
{
	size_t end = t->used, to = FIRST, size;

	index_resize(t, names, octets);
	for (size_t at = FIRST; at < end; at += size) {
		unsigned labels;
		uint64_t h;

		size = VALUE_LEN + name_len(t->block + at + VALUE_LEN);
		if (value_at(t, at) == SUFFIX_NONE)
			continue;
		memmove(t->block + to, t->block + at, size);
		h = hash_name(t->block + to + VALUE_LEN, &labels);
		note_depth(t, labels);
		index_put(t, (uint32_t)to, h);
		to += size;
	}
	t->used = to;
	t->dead = 0;
}

static bool must_rebuild(const struct suffix_table *t)
{
	return t->len + 1 > t->slots / 4 * 3 || t->used > t->place;
}

/* Grown by an eighth: large tables are to stay under 32 octets a name, and small ones are small. */
static void reserve(struct suffix_table *t, size_t size)
{
	if (t->used + size <= t->cap)
		return;
	t->cap += t->cap / 8 + size + 64;
	t->block = mem_realloc(t->block, t->cap + SLACK, 1);
	memset(t->block + t->used, 0, t->cap + SLACK - t->used);
}

void suffix_table_reserve(struct suffix_table *t, size_t names, size_t octets)
{
	octets += names * VALUE_LEN;
	if (names == 0 || t->used - t->dead + octets > UINT32_MAX / 2)
		return;
	rebuild(t, names, octets + DNS_NAME_MAX);
	reserve(t, octets);
}

/* A name that is not there. */
static int append(struct suffix_table *t, const struct suffix_match *name, uint64_t h,
		  unsigned labels)
{
	size_t size = VALUE_LEN + name->len;

	assert(name->value < SUFFIX_NONE);
	if (t->used - t->dead + size > UINT32_MAX)
		return -ENOSPC;
	if (must_rebuild(t))
		rebuild(t, 1, DNS_NAME_MAX);
	reserve(t, size);
	memcpy(t->block + t->used, &name->value, VALUE_LEN);
	memcpy(t->block + t->used + VALUE_LEN, name->name, name->len);
	note_depth(t, labels);
	index_put(t, (uint32_t)t->used, h);
	t->used += size;
	t->len++;
	return 0;
}

int suffix_table_add(struct suffix_table *t, const uint8_t *name, size_t len, uint32_t value)
{
	unsigned labels;
	uint64_t h = hash_name(name, &labels);
	uint32_t slot = find_exact(t, name, len, h, labels);

	if (slot == UINT32_MAX)
		return append(t, &(struct suffix_match){name, len, value}, h, labels);
	assert(value < SUFFIX_NONE);
	memcpy(t->block + (t->index[slot] & t->place), &value, VALUE_LEN);
	return 0;
}

uint32_t suffix_table_join(struct suffix_table *t, const uint8_t *name, size_t len, uint32_t value)
{
	unsigned labels;
	uint64_t h = hash_name(name, &labels);
	uint32_t slot = find_exact(t, name, len, h, labels);

	if (slot != UINT32_MAX)
		return value_at(t, t->index[slot] & t->place);
	return append(t, &(struct suffix_match){name, len, value}, h, labels) == 0 ? value
										   : SUFFIX_NONE;
}

/* Whether a run from home to slot has hole on its way: then its end may move there. */
static bool is_between(uint32_t home, uint32_t hole, uint32_t slot)
{
	return home <= slot ? home <= hole && hole < slot : home <= hole || hole < slot;
}

/* Empties a slot, and closes the gap in its run, so that no look-up ends there too early. */
static void index_remove(struct suffix_table *t, uint32_t hole)
{
	for (uint32_t slot = next_slot(t, hole); t->index[slot]; slot = next_slot(t, slot)) {
		const uint8_t *name = t->block + (t->index[slot] & t->place) + VALUE_LEN;
		unsigned labels;
		uint32_t home = first_slot(t, hash_name(name, &labels));

		if (!is_between(home, hole, slot))
			continue;
		t->index[hole] = t->index[slot];
		hole = slot;
	}
	t->index[hole] = 0;
}

bool suffix_table_remove(struct suffix_table *t, const uint8_t *name, size_t len)
{
	static const uint32_t none = SUFFIX_NONE;
	unsigned labels;
	uint64_t h = hash_name(name, &labels);
	uint32_t slot = find_exact(t, name, len, h, labels);

	if (slot == UINT32_MAX)
		return false;
	memcpy(t->block + (t->index[slot] & t->place), &none, VALUE_LEN);
	index_remove(t, slot);
	t->len--;
	t->dead += VALUE_LEN + len;
	if (t->dead > t->used / 4 + 256) /* seldom enough to cost nothing a removal */
		rebuild(t, 1, DNS_NAME_MAX);
	return true;
}

size_t suffix_table_len(const struct suffix_table *t)
{
	return t->len;
}

bool suffix_table_next(const struct suffix_table *t, size_t *at, struct suffix_match *entry)
{
	size_t here = *at < FIRST ? FIRST : *at;

	for (; here < t->used; here += VALUE_LEN + entry->len) {
		*entry = entry_at(t, here, name_len(t->block + here + VALUE_LEN));
		if (entry->value == SUFFIX_NONE)
			continue;
		*at = here + VALUE_LEN + entry->len;
		return true;
	}
	return false;
}

static void draw_secret(void)
{
	for (unsigned i = 0; i < ARRAY_LEN(secret); i++) {
		const char key[] = {'s', 'u', 'f', 'f', 'i', 'x', (char)i};

		secret[i] = hash_keyed(key, sizeof(key));
	}
}

struct suffix_table *suffix_table_new(void)
{
	struct suffix_table *t = mem_zalloc(1, sizeof(*t));

	if (secret[0] == 0)
		draw_secret();
	t->refs = 1;
	t->used = FIRST;
	return t;
}

struct suffix_table *suffix_table_ref(struct suffix_table *t)
{
	t->refs++;
	return t;
}

void suffix_table_unref(struct suffix_table *t)
{
	if (!t || --t->refs > 0)
		return;
	free(t->block);
	free(t->index);
	free(t);
}

struct suffix_table *suffix_table_own(struct suffix_table *t)
{
	struct suffix_table *copy;

	if (t->refs == 1)
		return t;
	copy = suffix_table_clone(t);
	t->refs--;
	return copy;
}

struct suffix_table *suffix_table_clone(const struct suffix_table *from)
{
	struct suffix_table *t = mem_alloc(sizeof(*t));

	*t = *from;
	t->refs = 1;
	if (from->block) {
		t->block = mem_alloc(t->cap + SLACK);
		memcpy(t->block, from->block, t->used);
		memset(t->block + t->used, 0, t->cap + SLACK - t->used);
	}
	if (from->index) {
		t->index = mem_alloc(t->slots * sizeof(*t->index));
		memcpy(t->index, from->index, t->slots * sizeof(*t->index));
	}
	return t;
}

size_t suffix_table_memory(const struct suffix_table *t)
{
	return sizeof(*t) + (t->block ? t->cap + SLACK : 0) + t->slots * sizeof(*t->index);
}
