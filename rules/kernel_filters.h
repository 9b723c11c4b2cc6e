/*
 * The kernel filters that the configuration has made, and which of them is the default one: it is
 * attached to all listeners and does dynamic blocks (rules/kernel_blocks.h). Control thread.
 */
#ifndef RULES_KERNEL_FILTERS_H
#define RULES_KERNEL_FILTERS_H

#include "core/bpf/kfilter.h"

/* Known from now on, and kept until the end: each with a reference of its own. */
void kernel_filters_add(struct kfilter *f);

/* All of them, in the order they were made. */
void kernel_filters_visit(void (*visit)(void *ctx, struct kfilter *f), void *ctx);
unsigned kernel_filters_count(void);

/*
 * Entries in force, of one filter, or of all: as kfilter_key_text writes them, with the packets they
 * were applied to. The text is lent during the visit.
 */
typedef void kernel_entry_visit(void *ctx, const char *text, uint64_t packets);
void kernel_filter_entries(struct kfilter *f, kernel_entry_visit *visit, void *ctx);
void kernel_filters_entries(kernel_entry_visit *visit, void *ctx);

/* The default one, lent; NULL: there is none. */
struct kfilter *kernel_filter_default(void);
void kernel_filter_set_default(struct kfilter *f);

/* The configuration is in force: maps are pinned, interfaces attached. Failures are told, no more. */
void kernel_filters_begin(void);

/*
 * The one that nobody asked for: room for so many addresses of each family. NULL with err set where the
 * kernel, our capabilities or this build do not permit it. Gives.
 */
#define KERNEL_AUTOMATIC_MAX 65536
struct kfilter *kernel_filter_automatic(struct err *err);

/* All are let go of; what nobody else holds is detached. */
void kernel_filters_stop(void);

#endif
