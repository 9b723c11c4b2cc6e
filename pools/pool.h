/*
 * Pools: the part of the tables that says which servers there are, in which pools, with which policy
 * and cache. A pool is one immutable struct of a generation; queries in flight keep it by their pin.
 */
#ifndef POOLS_POOL_H
#define POOLS_POOL_H

#include "core/rand.h"
#include "core/tables.h"
#include "pools/names.h"
#include "pools/policy.h"
#include "pools/server.h"

struct cache;

/* A server in the tables, and its def of this generation. */
struct server_row {
	struct server *server;   /* holds a reference */
	struct server_def *def;  /* holds a reference */
	char **pools;            /* names of the pools it is in, order of joining; owned */
	unsigned n_pools;
};

/* Two to a cache line: what policies need of the operator's values is copied here by the sealing. */
struct pool_member {
	struct server *server;
	const struct server_def *def;
	int weight, order;
	uint32_t max_outstanding; /* 0: no limit */
	enum server_force force;
};
static_assert(sizeof(struct pool_member) == 32, "a member has grown");

struct ring;

struct pool {
	char *name; /* "" is the default pool */
	unsigned id; /* of the name, see pools/names.h */
	struct cache *cache;          /* NULL: none; holds a reference */
	const struct policy *policy;  /* NULL: the default one */
	bool ecs_set, zero_scope_set; /* by the operator, for pools whose servers disagree */
	/* sealed: */
	struct pool_member *members;  /* by order as it was when the last one came or went, stable */
	unsigned n;
	uint32_t *weight_to;          /* sums of the weights up to and with each member, INT32_MAX at most */
	struct ring *ring;            /* under chashed, else NULL */
	uint32_t hash_seed;           /* of whashed and chashed: the perturbation */
	bool consistent;              /* members agree on ECS, zero scope and TCP-only */
	bool ecs, zero_scope, tcp_only;
};

struct pools {
	struct part part;
	struct server_row *rows; /* by order at insertion, as showServers lists them */
	unsigned n_rows;
	struct pool **list;      /* pools in order of creation; [0] is the default pool */
	unsigned n_list;
	const struct policy *policy; /* the default one */
	/* sealed: */
	const struct pool **by_id; /* by number of their names; NULL: there is no such pool */
	unsigned n_ids;
};

void pools_register(void);

/* Draft edits; control thread. Names are copied. */
struct pool *pools_pool(struct pools *p, const char *name); /* makes it when missing */
const struct pool *pools_find(const struct pools *p, const char *name); /* or NULL */

/*
 * The pool whose name has this number (pool_name_id), in a sealed generation; NULL when there is none.
 * Any thread.
 */
static inline const struct pool *pools_by_id(const struct pools *p, unsigned id)
{
	return id < p->n_ids ? p->by_id[id] : NULL;
}

/* Adds with one reference taken over from the caller to server and def. */
struct server_row *pools_add_server(struct pools *p, struct server *s, struct server_def *d);
void pools_remove_server(struct pools *p, const struct server *s);
void pools_join(struct pools *p, const struct server *s, const char *pool);
void pools_leave(struct pools *p, const struct server *s, const char *pool);

/* The row of a server, or NULL. pools_def_edit gives the draft's own def, cloned on first touch, or NULL. */
const struct server_row *pools_row(const struct pools *p, const struct server *s);
struct server_def *pools_def_edit(struct pools *p, const struct server *s);

/* Takes a reference of its own; NULL detaches. */
void pool_set_cache(struct pool *pool, struct cache *c);

/*
 * Sets what its members agree on (consistent, ecs, zero_scope, tcp_only); where they don't, it is what the
 * operator set for the pool. Done when a draft is sealed; looks at members and the operator's wishes alone.
 */
void pool_agree(struct pool *p);

/* Effective policy. */
static inline const struct policy *pool_policy(const struct pools *all, const struct pool *p)
{
	return p->policy ? p->policy : all->policy;
}

/* As server_is_usable, from the member's own copies: but for up, no line of the server is read. */
static inline bool member_is_usable(const struct pool_member *m)
{
	const struct server *s = m->server;

	if (m->force == SERVER_FORCED_DOWN)
		return false;
	if (m->force == SERVER_AUTO && !atomic_load_explicit(&s->up, memory_order_relaxed))
		return false;
	return m->max_outstanding == 0 || server_outstanding(s) < m->max_outstanding;
}

/* Whether no member is usable (keepStaleData, stale look-ups). */
bool pool_is_down(const struct pool *p);

#endif
