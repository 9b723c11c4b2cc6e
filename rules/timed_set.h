/*
 * A set of addresses, each until a time of its own. The control thread writes one address at a time
 * while workers look up, without a lock on either side; an address past its time is not found, and
 * nothing has to sweep for that.
 */
#ifndef RULES_TIMED_SET_H
#define RULES_TIMED_SET_H

#include "core/addr.h"

/* Ports do not count, nor do scopes; IPv4-mapped IPv6 is the same as IPv4. */
struct timed_set;

/* With one reference. The count is the control thread's, like everything here but timed_set_has. */
struct timed_set *timed_set_new(void);
struct timed_set *timed_set_ref(struct timed_set *s); /* returns s */

/* The last one frees: by then no worker may look up any more. Harmless on NULL. */
void timed_set_unref(struct timed_set *s);

/*
 * a is in the set until expires_us; when it is already, until the later of both. A time that is past
 * adds nothing. Now and then, as entries and changes grow (every 4,000 changes of a small set, and
 * never twice in a quarter of a large one), it moves what is alive, and waits for a grace period.
 */
void timed_set_add(struct timed_set *s, const struct addr *a, uint64_t expires_us, uint64_t now_us);

/* True when it was there, past its time or not. */
bool timed_set_remove(struct timed_set *s, const struct addr *a);

/* All addresses; or those past their time. The memory is given back. */
void timed_set_clear(struct timed_set *s);
void timed_set_cleanup(struct timed_set *s, uint64_t now_us);

/* Addresses, with those past their time that are still kept. */
size_t timed_set_size(const struct timed_set *s);

/* Octets, with those that wait for a grace period. */
size_t timed_set_memory(const struct timed_set *s);

/* Whether a is there and now_us is before its time. Any worker, between rcu_wake and rcu_rest. */
bool timed_set_has(const struct timed_set *s, const struct addr *a, uint64_t now_us);

#endif
