/*
 * Configuration is a value: every run of Lua (the file, a console command, maintenance(), a write
 * through the API) is a transaction. It edits a draft, copied part by part on first touch, and its
 * end publishes the draft with one pointer store, or drops it whole. Control thread only.
 */
#ifndef CORE_TXN_H
#define CORE_TXN_H

#include "core/tables.h"

struct txn;

/* Begins on top of the live tables (or of an empty configuration, before the first). Gives. */
struct txn *txn_begin(void);

/* The part as the transaction sees it: the draft's when edited, else the live one. Lent until the end. */
const struct part *txn_read(struct txn *txn, enum table_part id);

/* The draft's own copy, made on first call. Lent until the end. */
struct part *txn_edit(struct txn *txn, enum table_part id);

/* Typed: TXN_READ(txn, POOLS, pools) is a const struct pools *. */
#define TXN_READ(txn, id, name) ((const struct name *)txn_read((txn), PART_##id))
#define TXN_EDIT(txn, id, name) ((struct name *)txn_edit((txn), PART_##id))

bool txn_changed(const struct txn *txn);

/*
 * Whether a worker that has nothing to do must follow soon: something else was edited than parts
 * that are only live, which it looks at when the next query comes.
 */
bool txn_is_urgent(const struct txn *txn);

/*
 * Seals what was edited and publishes. Takes txn, whatever comes out. With nothing edited it publishes
 * nothing. 0, or a negative errno with err set and the live tables untouched.
 */
int txn_commit(struct txn *txn, struct err *err);

/* Seals as txn_commit does but publishes nothing and calls no committed(): --check-config. Takes txn. */
int txn_check(struct txn *txn, struct err *err);

/* Nothing happened. Takes txn. */
void txn_drop(struct txn *txn);

#endif
