/*
 * DynBPFFilter: blocks of addresses for a while, in a kernel filter. Each entry carries its end, so
 * that purging only gives its place back. Where the filter has no kernel, or no room, the blocks
 * are dynamic blocks, which do the same in user space. Control thread.
 */
#ifndef RULES_DYN_FILTER_H
#define RULES_DYN_FILTER_H

#include "core/bpf/kfilter.h"

struct dyn_filter;

/* Gives one reference; has one to the filter. */
struct dyn_filter *dyn_filter_new(struct kfilter *f);
struct dyn_filter *dyn_filter_ref(struct dyn_filter *d);
void dyn_filter_unref(struct dyn_filter *d); /* blocks stay until their end */

/*
 * Blocks an address for some seconds, unless it is excluded or blocked for longer. quiet: no line
 * in the log. 0, or what dynblocks_add says.
 */
int dyn_filter_block(struct dyn_filter *d, const struct addr *a, uint32_t seconds,
		     const char *reason, bool quiet, struct err *err);

/* Addresses of this range are never blocked; or they are again. The longest range decides. */
void dyn_filter_exclude(struct dyn_filter *d, const struct netmask *nm);
void dyn_filter_include(struct dyn_filter *d, const struct netmask *nm);

/* Takes all that is past its time out of the map. */
void dyn_filter_purge(struct dyn_filter *d, uint64_t now_us);

/*
 * Purged each second, as long as it is registered, some ten thousand addresses at a time: a million
 * take a minute. Twice is once.
 */
void dyn_filter_register(struct dyn_filter *d);
void dyn_filter_unregister(struct dyn_filter *d);

/* Once a second. */
void dyn_filters_tick(uint64_t now_us);
void dyn_filters_stop(void); /* all are unregistered */

#endif
