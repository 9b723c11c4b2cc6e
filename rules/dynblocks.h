/*
 * Dynamic blocks: what is done, for a while, with the queries of a client prefix or for names below
 * a suffix. The control thread adds, extends and removes blocks one by one while workers look them
 * up without a lock; a block past its time is not found, and nothing has to sweep for that
 * (rules/dynblocks_table.c says how, rules/dynblocks_hits.c how queries are counted).
 *
 * Everything is the control thread's, but what "Worker" says.
 */
#ifndef RULES_DYNBLOCKS_H
#define RULES_DYNBLOCKS_H

#include "core/addr.h"
#include "core/dns/name.h"
#include "core/query_extra.h"
#include "rules/dns_action.h"

enum dynblock_kind { DYNBLOCK_ADDRESS, DYNBLOCK_NAME, DYNBLOCK_KINDS };

/* A block to be made. What it points to is copied. */
struct dynblock_new {
	/*
	 * A client prefix: bits of the address, and when that is all of them, port_bits of its
	 * port. IPv4-mapped IPv6 addresses, with 96 bits or more, count as IPv4.
	 */
	struct addr addr;
	uint8_t bits;
	uint8_t port_bits; /* at most 16 */

	/* Or a name with all below it, in wire format; not NULL: addr is not looked at. */
	const uint8_t *name;
	size_t name_len;

	const char *reason;
	uint32_t seconds; /* how long, at least 1 */
	uint8_t action;   /* enum dns_action; DNS_ACTION_NONE: what setDynBlocksAction says */
	bool warning;     /* only to be seen: its action is DNS_ACTION_NOOP */
	bool quiet;       /* no line in the log when it begins */
	const char *tag_name, *tag_value; /* of DNS_ACTION_SET_TAG; NULL: "" */
};

enum dynblock_added {
	DYNBLOCK_NEW,      /* nothing was in force there, or just a warning that a block replaces */
	DYNBLOCK_EXTENDED, /* in place of one that would have ended before, whose count it takes
			      over */
	DYNBLOCK_KEPT,     /* one stays that ends later, or that is no warning as the new one is */
};

/*
 * Adds one. The new block takes the place of one with exactly that prefix or name, unless it is
 * KEPT. Within a transaction (dynblocks_begin) workers see it from its commit on. Returns an enum
 * dynblock_added, or a negative errno with err set: -EINVAL for what can't be a block (port bits
 * below a part of an address, no time, SetTag without a tag, a tag that is too long), -ENOSPC for
 * one too many.
 */
int dynblocks_add(const struct dynblock_new *new, struct err *err);

/* Removes all, of both kinds. */
void dynblocks_clear(void);

/*
 * From begin to end what is added and cleared is collected, and seen by dynblocks_visit and
 * dynblocks_add alone; end applies it, or forgets it. Not one in another.
 */
void dynblocks_begin(void);
void dynblocks_end(bool commit);

/* A block as it is read. Texts and names are lent during the visit. */
struct dynblock_view {
	enum dynblock_kind kind;
	struct addr addr; /* a prefix; its port is the prefix of the port */
	uint8_t bits, port_bits;
	const uint8_t *name;
	size_t name_len;
	const char *reason, *tag_name, *tag_value;
	uint64_t expires_us; /* of the monotonic clock */
	uint64_t blocks;     /* queries that it was applied to */
	uint8_t action;      /* enum dns_action, DNS_ACTION_NONE too */
	bool warning, in_kernel; /* in_kernel: the kernel applies it as well, before we could */
};

/*
 * "192.0.2.0/24", "192.0.2.1:1024/38" (with 6 bits of the port: the length is that of both), or a
 * name with its final dot. Returns text.
 */
#define DYNBLOCK_TEXT_MAX DNS_NAME_TEXT_MAX
char *dynblock_text(const struct dynblock_view *b, char text[static DYNBLOCK_TEXT_MAX]);

/* All that have not ended, in no order. */
void dynblocks_visit(enum dynblock_kind kind,
		     void (*visit)(void *ctx, const struct dynblock_view *b), void *ctx);

/* A block that meets many queries, and how many a second. */
struct dynblock_offender {
	const char *reason, *what;
	double hits_per_s;
};

/*
 * Visits the blocks that met the most queries in the last minute, at most 20 of each reason (of 64 of
 * them), by reason, the first ones first. Texts stay until the next dynblocks_tick, clear or stop. They are looked at every ten seconds by dynblocks_tick.
 */
void dynblocks_top(enum dynblock_kind kind,
		   void (*visit)(void *ctx, const struct dynblock_offender *o), void *ctx);

/* How many there are, with those past their time that were not removed yet; without a draft. */
size_t dynblocks_count(enum dynblock_kind kind);

/* Octets of memory in all that is in use. */
size_t dynblocks_memory(void);

/*
 * Once a second: writes down how many blocks began and ended without a line of their own, and every
 * purge_s seconds (0: never) begins to remove those past their time, some milliseconds of it a
 * call. Keeps dynblocks_top up to date.
 */
void dynblocks_tick(uint64_t now_us, uint32_t purge_s);

/* Before the first block, and when all workers are gone; registers the statistic
 * dyn-block-nmg-size. */
void dynblocks_start(void);
void dynblocks_stop(void);

/*
 * Workers.
 */

/* Of which kinds there are blocks at all: a bit each. Bit DYNBLOCK_KINDS: more clients than caches
 * hold. */
extern _Atomic unsigned dynblocks_present;

static inline bool dynblocks_any(enum dynblock_kind kind)
{
	return (atomic_load_explicit(&dynblocks_present, memory_order_relaxed) >> kind & 1) != 0;
}

/* Whether loading ahead is worth its instructions. */
static inline bool dynblocks_are_many(void)
{
	return (atomic_load_explicit(&dynblocks_present, memory_order_relaxed) >> DYNBLOCK_KINDS &
		1) != 0;
}

static inline bool dynblocks_present_now(void)
{
	return atomic_load_explicit(&dynblocks_present, memory_order_relaxed) != 0;
}

/* Worker, when it begins: room for its counts. */
void dynblocks_worker_begin(unsigned worker);

/* What a block does. Stays until the worker rests. */
struct dynblock_cause {
	uint8_t action; /* enum dns_action */
	bool warning, quiet;
	uint32_t reason_len, tag_name_len, tag_value_len;
	char text[]; /* reason, tag's name, tag's value, each with a NUL behind it */
};

static inline const char *dynblock_tag_name(const struct dynblock_cause *c)
{
	return c->text + c->reason_len + 1;
}

static inline const char *dynblock_tag_value(const struct dynblock_cause *c)
{
	return dynblock_tag_name(c) + c->tag_name_len + 1;
}

struct dynblock;

/* A block that was found. Valid until the worker rests. */
struct dynblock_hit {
	struct dynblock *block;
	const struct dynblock_cause *cause;
};

/*
 * Worker: begins to load what dynblocks_find_address reads first; and, called when that has come,
 * what it reads then.
 */
void dynblocks_prefetch(const struct addr *client);
void dynblocks_prefetch_block(const struct addr *client);

/* Worker: the longest prefix that has the client, of those before their time; false: none. */
bool dynblocks_find_address(const struct addr *client, uint64_t now_us, struct dynblock_hit *hit);

/* Worker: the same for the longest suffix of a name in wire format. */
bool dynblocks_find_name(const uint8_t *name, size_t len, uint64_t now_us,
			 struct dynblock_hit *hit);

/* Worker: one query more that it was applied to. */
void dynblocks_hit(const struct dynblock_hit *hit, unsigned worker);

#endif
