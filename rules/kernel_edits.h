/*
 * Edits of the kernel filter within a transaction. The kernel's maps are no part of the tables, and
 * whether an entry has room is known only when it is put there: so an edit is made at once, where it
 * can fail under the eyes of who asked for it, and a transaction that fails takes its edits back.
 * Others may see them in between, for the milliseconds that a command takes. Control thread.
 */
#ifndef RULES_KERNEL_EDITS_H
#define RULES_KERNEL_EDITS_H

#include "core/bpf/kfilter.h"

/* From begin to end edits are remembered; end keeps them, or takes them back. Not one in another. */
void kernel_edits_begin(void);
void kernel_edits_end(bool commit);

/* As kfilter_put; when the map is full, what is past its time makes room. Not taken back. */
int kernel_put(struct kfilter *f, const struct kfilter_key *k, const struct kfilter_value *v);

/* As kfilter_put and kfilter_remove. An entry that is replaced keeps its count. */
int kernel_edit_put(struct kfilter *f, const struct kfilter_key *k, struct kfilter_value v);
int kernel_edit_remove(struct kfilter *f, const struct kfilter_key *k);

/*
 * Something else was done, which undo(what, before) takes back. release(what, before), called in any
 * case at the end, lets go of both.
 */
void kernel_edit_note(void (*undo)(void *what, void *before),
		      void (*release)(void *what, void *before), void *what, void *before);

#endif
