/* Load-balancing policies: one file each, one row each. */
#ifndef POOLS_POLICY_H
#define POOLS_POLICY_H

#include "core/base.h"

struct pool;
struct pool_member;
struct settings;
struct query;

/* What a policy may look at besides the members. One for each worker; the round-robin counter is its own. */
struct policy_ctx {
	const struct settings *settings;
	uint64_t now_us;
	unsigned worker;
	uint64_t round_robin; /* worker's own counter; starts at a random number */
};

struct policy {
	const char *name;
	/* The member to ask, or NULL for none. q may be NULL (benchmarks, reachability). Any worker; no lock. */
	const struct pool_member *(*pick)(const struct pool *pool, const struct query *q, struct policy_ctx *ctx);
	const char *help;
};

extern const struct policy policy_least_outstanding, policy_first_available, policy_round_robin, policy_wrandom,
	policy_whashed, policy_chashed, policy_ordered_wrand_untag;

/* All of them, for the Lua globals and the manual. */
extern const struct policy *const policies[];
extern const unsigned policy_count;
const struct policy *policy_find(const char *name); /* or NULL */

#endif
