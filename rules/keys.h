/*
 * Keys: what a selector says about the queries it can match, so that a chain finds its candidates
 * by look-up instead of asking each rule. A selector may match only where at least one of its keys
 * is met; a key that is met says no more than "ask it". Where none is met it is not asked, so then
 * asking must not have changed anything either.
 *
 * No keys at all are keys too: what has none is never met, and its rule never asked. A selector
 * that can't say gives no list (selector_type.keys returns false), and is asked always.
 */
#ifndef RULES_KEYS_H
#define RULES_KEYS_H

#include "core/base.h"

struct rule_run;
struct netmask;
struct regex;

/* By how much each narrows down, the best first: of an And's selectors the first of these is taken.
 */
enum key_kind {
	KEY_NAME,
	KEY_SOURCE,      /* the client's address */
	KEY_DESTINATION, /* the address that was asked */
	KEY_REGEX,
	KEY_VALUE, /* a small number of the query, see enum key_value */
	KEY_KINDS
};

/* The numbers that keys know, the most telling first. */
enum key_value {
	VALUE_QTYPE,
	VALUE_PORT, /* that was asked */
	VALUE_OPCODE,
	VALUE_RCODE, /* of the header */
	VALUE_QCLASS,
	VALUE_LABELS,
	VALUE_NAME_LEN,
	VALUE_STREAM, /* 1: came over TCP or its like */
	VALUE_RD,
	VALUE_PROTO, /* enum proto */
	VALUE_COUNT
};

struct key {
	uint8_t kind; /* enum key_kind */
	union {
		struct {
			uint8_t name_len;
			bool below;          /* also all names below it */
			const uint8_t *name; /* wire format; lent by the selector */
		};
		struct {
			uint8_t bits;
			bool v6;
			uint8_t addr[16]; /* network order, host bits zero */
		};
		struct {
			uint8_t value_of; /* enum key_value */
			bool is_not;      /* met by all other values */
			uint32_t value;
		};
		const struct regex *regex; /* lent by the selector */
	};
};

/* More keys of one selector than this, and it is asked always: a large set is looked up in itself.
 */
#define KEYS_MAX 256

/* What a selector's keys are gathered in. */
struct key_list {
	unsigned n;
	struct key keys[KEYS_MAX];
};

/* Each adds one; false when the list is full. */
bool keys_add_name(struct key_list *l, const uint8_t *name, size_t len, bool below);
bool keys_add_prefix(struct key_list *l, enum key_kind kind, const struct netmask *nm);
bool keys_add_value(struct key_list *l, enum key_value of, uint32_t value, bool is_not);
bool keys_add_regex(struct key_list *l, const struct regex *re);

/*
 * The number of this query: of its header as the message stands, of its question as it was asked,
 * even where an answer came without one; 0 where there never was one. Selectors compare this and
 * nothing else. Any worker.
 */
uint32_t key_value_of(enum key_value of, const struct rule_run *run);

#endif
