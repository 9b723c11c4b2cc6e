/*
 * What the index of a chain is made of. Each kind of key has a file that builds its part and looks
 * it up; rules/index.c puts them together. Nobody else includes this.
 */
#ifndef RULES_INDEX_PARTS_H
#define RULES_INDEX_PARTS_H

#include "core/dns/suffix.h"
#include "core/netmask.h"
#include "rules/index.h"

/* Positions of rules, ascending. Lists are known by number. */
struct list {
	uint32_t *at, *end;
};

enum {
	LIST_EMPTY,  /* of whoever has no list */
	LIST_ALWAYS, /* rules without keys */
	LIST_FIRST
};

#define NODE_NONE UINT32_MAX

struct name_node {
	uint32_t alone, below; /* lists: for exactly this name; for it and all names below it */
	uint32_t parent;       /* the nearest name above it with a list for names below */
};

struct index_names {
	struct suffix_table *table; /* the values are nodes */
	struct name_node *nodes;
	uint32_t n, cap;
};

struct prefix_node {
	uint32_t list;
	uint32_t parent; /* the next shorter prefix that has it */
	uint8_t bits;
};

struct prefix_key {
	uint32_t position;
	uint8_t bits;
	bool v6;
	uint8_t addr[16];
};

struct index_prefixes {
	struct netmask_table *table; /* the values are nodes; NULL: there is none */
	struct prefix_node *nodes;
	uint32_t n;
	struct prefix_key *keys; /* while it is built */
	uint32_t n_keys, cap;
};

/*
 * So many values of a kind may each rule out the rules that want another: a look-up gives one list
 * for each of them, and most chains say no to one or two. Rules that say no to a value beyond these
 * are candidates always.
 */
#define NOTS_MAX 4

struct value_slot {
	uint64_t key; /* enum key_value and the value, plus 1; 0: empty */
	uint32_t list;
};

struct index_values {
	struct value_slot *slots;
	uint32_t n, mask;
	uint32_t kinds;  /* a bit for each enum key_value that has keys, */
	uint32_t listed; /* and for each that has values in slots */
	struct {
		uint32_t n;
		uint32_t value[NOTS_MAX], list[NOTS_MAX];
	} nots[VALUE_COUNT];
};

struct regex_base;

struct regex_key {
	const struct regex *regex;
	uint32_t position;
	uint32_t number; /* in the base; NODE_NONE: in none */
};

struct index_regexes {
	struct regex_base *base; /* NULL: there is none */
	uint32_t *position;      /* of rules, by number; NODE_NONE: it is gone */
	uint32_t unknown;        /* list of those that are not in the base */
	struct regex_key *keys;  /* while it is built */
	uint32_t n_keys, cap;
};

struct chain_index {
	unsigned refs;
	uint32_t n_rules;
	struct list *lists;
	uint32_t *positions; /* of all lists, one after the other */
	struct index_names names;
	struct index_prefixes source, destination;
	struct index_values values;
	struct index_regexes regexes;
};

/* An index that is being built: what stands in which list is noted, and laid out at the end. */
struct index_draft {
	struct chain_index *ix;
	struct draft_list {
		uint32_t n, next; /* next: above the last position in it */
	} * lists;
	struct draft_entry {
		uint32_t list, position;
	} * entries;
	uint32_t n_lists, lists_cap, n_entries, entries_cap, n_rules;
};

/*
 * Puts a position into a list, unless it is in it: above all that are. LIST_EMPTY becomes a new
 * list.
 */
void draft_put(struct index_draft *d, uint32_t *list, uint32_t position);

/* The rule is a candidate always. */
void draft_put_always(struct index_draft *d, uint32_t position);

/* An array of n elements that has room for another, larger than it was when it must be. */
void *draft_room(void *array, uint32_t n, uint32_t *cap, size_t size);

void names_put(struct index_draft *d, const struct key *k, uint32_t position);
void names_finish(struct chain_index *ix);
bool names_find(const struct chain_index *ix, const struct suffix_hashes *h, uint32_t from,
		struct cursors *out);
void names_free(struct index_names *names);

void prefixes_put(struct index_prefixes *p, const struct key *k, uint32_t position);
void prefixes_finish(struct index_draft *d, struct index_prefixes *p);
bool prefixes_find(const struct chain_index *ix, const struct index_prefixes *p,
		   const struct addr *a, uint32_t from, struct cursors *out);
void prefixes_free(struct index_prefixes *p);

void values_put(struct index_draft *d, const struct key *k, uint32_t position);
bool values_find(const struct chain_index *ix, const struct rule_run *run, uint32_t from,
		 struct cursors *out);
void values_free(struct index_values *v);

void regexes_put(struct index_draft *d, const struct key *k, uint32_t position);
void regexes_finish(struct index_draft *d, struct rule *const *rules,
		    const struct chain_index *before);
bool regexes_find(const struct chain_index *ix, struct rule_run *run, uint32_t from,
		  struct cursors *out);
size_t regexes_room(const struct index_regexes *r);
void regexes_free(struct index_regexes *r);

/* The first that is not below from. */
const uint32_t *positions_from(const uint32_t *at, const uint32_t *end, uint32_t from);

/* A cursor over this range; false when there is none left for it. */
static inline bool cursors_add_range(struct cursors *c, const uint32_t *at, const uint32_t *end)
{
	if (at == end)
		return true;
	if (unlikely(c->n == CURSORS_MAX))
		return false;
	c->at[c->n] = at;
	c->end[c->n++] = end;
	return true;
}

/* A cursor over what a list has from a position on. */
static inline bool cursors_add(struct cursors *c, const struct chain_index *ix, uint32_t list,
			       uint32_t from)
{
	const uint32_t *at = ix->lists[list].at, *end = ix->lists[list].end;

	if (unlikely(from > 0))
		at = positions_from(at, end, from);
	return cursors_add_range(c, at, end);
}

#endif
