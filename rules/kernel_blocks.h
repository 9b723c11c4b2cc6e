/*
 * Dynamic blocks in the kernel: those of whole addresses that drop (or truncate, where XDP can) are
 * put into the default kernel filter, and stay in our own tables as well, so that nothing depends on
 * the kernel. Control thread.
 *
 * - With a filter of the configuration's, each such block goes there as it begins.
 * - The automatic one, which nobody asked for, gets those that drop many packets. So it costs
 *   nothing while there are none: it is at the sockets only as long as it has a block; and who is
 *   dropped now and then is still seen in the rings.
 *
 * The kernel lets go of a block shortly before its end. Packets that it drops are counted by no rule
 * that blocks; so who still floods is seen at the end, and his block made longer, as without it.
 */
#ifndef RULES_KERNEL_BLOCKS_H
#define RULES_KERNEL_BLOCKS_H

#include "core/bpf/kfilter.h"

/*
 * From now on: blocks that are in force, and what comes. attach, unless NULL, says that the filter
 * is automatic: it is called with true before the first block is put there, and with false when the
 * last one is gone. Holds a reference to the filter.
 */
void kernel_blocks_start(struct kfilter *f, void (*attach)(bool on));
void kernel_blocks_stop(void);

/* Once a second; and after a transaction, which may have changed the action of dynamic blocks. */
void kernel_blocks_tick(uint64_t now_us);
void kernel_blocks_follow_settings(void);

/*
 * For rules/dynblocks*.c: a block was added or changed (was_in_force: and its count goes on), is
 * about to go, or all are.
 */
struct dynblock;
void kernel_block_changed(struct dynblock *b, bool was_in_force);
void kernel_block_goes(struct dynblock *b);
void kernel_blocks_clear(void);

/* Packets that the kernel counted for a block; in_kernel: whether it would drop one now. */
uint64_t kernel_block_hits(const struct dynblock *b, uint64_t now_us, bool *in_kernel);

#endif
