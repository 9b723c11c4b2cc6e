/*
 * All that workers share: one immutable tree behind one pointer. Each part of it belongs to a room
 * (settings, ACL, pools with their servers, rules, listeners, console); a transaction copies only
 * the parts it touches, and what it did not touch is shared by the old tree and the new.
 *
 * Lifetime. A worker sees one generation from one rcu_quiet/rcu_rest to the next. A query in flight
 * outlives that, so it pins the generation it began with: a count of its worker's own, no shared
 * line is written. The control thread frees a generation when RCU has passed and no worker holds it.
 * Reference counts of parts are plain integers, because only the control thread moves them.
 */
#ifndef CORE_TABLES_H
#define CORE_TABLES_H

#include "core/err.h"
#include "core/rcu.h"

/* One row a part: enum suffix, type of the struct, name of the field. */
#define TABLE_PARTS(X)             \
	X(SETTINGS, settings)      \
	X(ACL, acl)                \
	X(POOLS, pools)            \
	X(RULES, rules)            \
	X(FRONTENDS, frontends)    \
	X(CONSOLE, console_config)

enum table_part {
#define X(id, name) PART_##id,
	TABLE_PARTS(X)
#undef X
	PART_COUNT
};

#define X(id, name) struct name;
TABLE_PARTS(X)
#undef X

struct tables;
struct txn;
struct part;

/* What the room that owns a part can do with it. All on the control thread. */
struct part_ops {
	const char *name; /* for messages: "pools" */

	/* The part of an empty configuration, mutable. Gives. */
	struct part *(*create)(void);

	/* A mutable copy for a draft; may share immutable innards by reference. Gives. */
	struct part *(*clone)(const struct part *p);

	/*
	 * Makes the draft part fit for workers: resolves, sorts, compiles, and opens nothing. draft is the
	 * whole tree as it will be, parts with lower numbers sealed already. 0, or a negative errno with
	 * err set; the draft is then dropped.
	 */
	int (*seal)(struct part *p, const struct tables *draft, struct err *err);

	/*
	 * After workers can see next: what follows from the change (a socket to open, a line to log).
	 * Called for each part that differs; before is NULL at the first publication. May be NULL.
	 */
	void (*committed)(const struct part *before, const struct part *next, const struct tables *t);

	/* Nobody can see it any more. */
	void (*free)(struct part *p);

	/*
	 * A query that comes back meets the live part and not the one it began with: a replaced one is let go
	 * as soon as no worker can have it in hand, whatever is in flight, and the field is then NULL.
	 */
	bool only_live;
};

/* First member of every part's struct. */
struct part {
	const struct part_ops *ops;
	unsigned refs; /* generations and drafts that hold it; control thread only */
};

struct tables {
	uint64_t gen;             /* 1, 2, 3 … */
	_Atomic unsigned holders; /* workers that hold it: once a generation and worker, not a query */
	union {
		struct {
#define X(id, name) const struct name *name;
			TABLE_PARTS(X)
#undef X
		};
		struct part *part[PART_COUNT];
	};
};

/* The live tree. Workers: rcu_get(tables_live) once a batch. Never NULL once start-up has published. */
extern _Atomic(const struct tables *) tables_live;

/*
 * Registers who owns a part, before the first transaction. Each room has one function for that, and
 * main calls them all.
 */
void tables_register(enum table_part id, const struct part_ops *ops);

/* The registered owner, or NULL. */
const struct part_ops *tables_owner(enum table_part id);

/*
 * Makes next the live tree. Takes next; waits until no worker picks up the old one any more, which
 * is freed as soon as no query in flight pins it (tables_collect). Where only parts differ that are
 * only live, a few generations wait together, until the next tables_collect at most. Control thread
 * only.
 */
void tables_publish(struct tables *next);

/* Frees old generations that no worker pins; may wait for workers, as tables_publish. Returns how many are still
 * held. Control thread, once a second. */
unsigned tables_collect(void);

/* At the end of the process, when all workers are gone: frees the live tree and all old ones. */
void tables_shutdown(void);

void tables_free(struct tables *t); /* drops its parts' references */

/*
 * One worker's pins: a count of its own for each generation that its queries began with. Whether there
 * is one at all is what the control thread reads, in the generation's holders, so that a query that
 * waits long holds its own generation and none of those that came after it.
 */
struct pin {
	struct pin *prev, *next; /* towards older and newer generations */
	const struct tables *t;
	uint32_t n; /* queries in flight that began with t */
};

/* Owner only. Zeroed: holds none. */
struct pins {
	struct pin *current; /* the newest; held whatever its count, since pin_take tells nobody */
	struct pin *spare;
};

/*
 * t is what the worker has just loaded: true when it is a generation it had not seen, which is then
 * pins->current. Between loading t and this call the worker must not rest. Owner only.
 */
bool pins_enter(struct pins *p, const struct tables *t);

/* One query more, or one less, holds the generation. The pointer stays valid until pin_drop. Owner only. */
static inline struct pin *pin_take(struct pins *p)
{
	p->current->n++;
	return p->current;
}

void pin_drop(struct pins *p, struct pin *pin);

/* Owner only, at the end of its thread. */
void pins_fini(struct pins *p);

#endif
