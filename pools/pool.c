#include "pools/pool.h"

#include <stdlib.h>
#include <string.h>

#include "cache/cache.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/settings.h"
#include "pools/ring.h"

static struct pool *pool_new(const char *name)
{
	struct pool *p = mem_zalloc(1, sizeof(*p));

	p->name = mem_strdup(name);
	p->id = pool_name_id(name);
	p->zero_scope_set = true;
	p->consistent = true;
	p->zero_scope = true;
	return p;
}

static void *copy_of(const void *data, size_t n, size_t size)
{
	void *copy;

	if (n == 0)
		return NULL;
	copy = mem_alloc(n * size);
	memcpy(copy, data, n * size);
	return copy;
}

static struct pool *pool_clone(const struct pool *p)
{
	struct pool *copy = copy_of(p, 1, sizeof(*p));

	copy->name = mem_strdup(p->name);
	if (p->cache != NULL)
		cache_ref(p->cache);
	copy->members = copy_of(p->members, p->n, sizeof(*p->members));
	copy->weight_to = copy_of(p->weight_to, p->weight_to ? p->n : 0, sizeof(*p->weight_to));
	ring_ref(copy->ring);
	return copy;
}

static void pool_free(struct pool *p)
{
	if (p->cache != NULL)
		cache_unref(p->cache);
	ring_unref(p->ring);
	free(p->weight_to);
	free(p->members);
	free(p->name);
	free(p);
}

void pool_set_cache(struct pool *pool, struct cache *c)
{
	struct cache *old = pool->cache;

	pool->cache = c != NULL ? cache_ref(c) : NULL;
	if (old != NULL)
		cache_unref(old);
}

bool pool_is_down(const struct pool *p)
{
	for (unsigned i = 0; i < p->n; i++) {
		if (member_is_usable(&p->members[i]))
			return false;
	}
	return true;
}

static void member_read_def(struct pool_member *m)
{
	m->weight = m->def->weight;
	m->order = m->def->order;
	m->force = m->def->force;
}

static unsigned member_index(const struct pool *p, const struct server *s)
{
	unsigned i = 0;

	while (i < p->n && p->members[i].server != s)
		i++;
	return i;
}

/* Membership has changed: the reference sorts then, and at no other time. Nearly sorted as it is.
 */
static void sort_members(struct pool *p)
{
	for (unsigned i = 1; i < p->n; i++) {
		struct pool_member m = p->members[i];
		unsigned at = i;

		for (; at > 0 && p->members[at - 1].def->order > m.def->order; at--)
			p->members[at] = p->members[at - 1];
		p->members[at] = m;
	}
}

static void member_add(struct pool *p, const struct server_row *row)
{
	struct pool_member *m;

	p->members = mem_realloc(p->members, p->n + 1, sizeof(*p->members));
	m = &p->members[p->n++];
	*m = (struct pool_member){
		.server = row->server,
		.def = row->def,
		.max_outstanding = row->server->fixed.max_outstanding,
	};
	member_read_def(m);
	sort_members(p);
}

static void member_remove(struct pool *p, const struct server *s)
{
	unsigned i = member_index(p, s);

	assert(i < p->n);
	p->n--;
	memmove(&p->members[i], &p->members[i + 1], (p->n - i) * sizeof(*p->members));
	sort_members(p);
}

static unsigned pool_index(const struct pools *p, const char *name)
{
	unsigned i = 0;

	while (i < p->n_list && strcmp(p->list[i]->name, name) != 0)
		i++;
	return i;
}

const struct pool *pools_find(const struct pools *p, const char *name)
{
	unsigned i = pool_index(p, name);

	return i < p->n_list ? p->list[i] : NULL;
}

struct pool *pools_pool(struct pools *p, const char *name)
{
	unsigned i = pool_index(p, name);

	if (i == p->n_list) {
		p->list = mem_realloc(p->list, p->n_list + 1, sizeof(struct pool *));
		p->list[p->n_list++] = pool_new(name);
	}
	return p->list[i];
}

static unsigned row_index(const struct pools *p, const struct server *s)
{
	unsigned i = 0;

	while (i < p->n_rows && p->rows[i].server != s)
		i++;
	return i;
}

const struct server_row *pools_row(const struct pools *p, const struct server *s)
{
	unsigned i = row_index(p, s);

	return i < p->n_rows ? &p->rows[i] : NULL;
}

static void sort_rows(struct pools *p)
{
	for (unsigned i = 1; i < p->n_rows; i++) {
		struct server_row row = p->rows[i];
		unsigned at = i;

		for (; at > 0 && p->rows[at - 1].def->order > row.def->order; at--)
			p->rows[at] = p->rows[at - 1];
		p->rows[at] = row;
	}
}

struct server_row *pools_add_server(struct pools *p, struct server *s, struct server_def *d)
{
	assert(pools_row(p, s) == NULL);
	p->rows = mem_realloc(p->rows, p->n_rows + 1, sizeof(*p->rows));
	p->rows[p->n_rows++] = (struct server_row){.server = s, .def = d};
	sort_rows(p);
	return &p->rows[row_index(p, s)];
}

static void row_fini(struct server_row *row)
{
	for (unsigned i = 0; i < row->n_pools; i++)
		free(row->pools[i]);
	free(row->pools);
	server_def_unref(row->def);
	server_unref(row->server);
}

void pools_remove_server(struct pools *p, const struct server *s)
{
	unsigned i = row_index(p, s);

	if (i == p->n_rows)
		return;
	for (unsigned k = 0; k < p->rows[i].n_pools; k++)
		member_remove(pools_pool(p, p->rows[i].pools[k]), s);
	row_fini(&p->rows[i]);
	p->n_rows--;
	memmove(&p->rows[i], &p->rows[i + 1], (p->n_rows - i) * sizeof(*p->rows));
	sort_rows(p);
}

static unsigned pool_name_index(const struct server_row *row, const char *pool)
{
	unsigned i = 0;

	while (i < row->n_pools && strcmp(row->pools[i], pool) != 0)
		i++;
	return i;
}

void pools_join(struct pools *p, const struct server *s, const char *pool)
{
	unsigned i = row_index(p, s);
	struct server_row *row = &p->rows[i];

	if (i == p->n_rows || pool_name_index(row, pool) < row->n_pools)
		return;
	row->pools = mem_realloc(row->pools, row->n_pools + 1, sizeof(char *));
	row->pools[row->n_pools++] = mem_strdup(pool);
	member_add(pools_pool(p, pool), row);
}

void pools_leave(struct pools *p, const struct server *s, const char *pool)
{
	unsigned i = row_index(p, s), k;
	struct server_row *row = &p->rows[i];

	if (i == p->n_rows)
		return;
	k = pool_name_index(row, pool);
	if (k == row->n_pools)
		return;
	member_remove(pools_pool(p, pool), s);
	free(row->pools[k]);
	row->n_pools--;
	memmove(&row->pools[k], &row->pools[k + 1], (row->n_pools - k) * sizeof(char *));
}

struct server_def *pools_def_edit(struct pools *p, const struct server *s)
{
	unsigned i = row_index(p, s);
	struct server_row *row = &p->rows[i];
	struct server_def *own;

	if (i == p->n_rows)
		return NULL;
	if (row->def->refs == 1) /* nobody but this draft has it */
		return row->def;
	own = server_def_clone(row->def);
	server_def_unref(row->def);
	row->def = own;
	for (unsigned k = 0; k < row->n_pools; k++) {
		struct pool *pool = pools_pool(p, row->pools[k]);

		pool->members[member_index(pool, s)].def = own;
	}
	return own;
}

static struct part *create(void)
{
	struct pools *p = mem_zalloc(1, sizeof(*p));

	p->policy = &policy_least_outstanding;
	pools_pool(p, "");
	return &p->part;
}

static struct part *clone(const struct part *part)
{
	const struct pools *p = (const struct pools *)part;
	struct pools *copy = copy_of(p, 1, sizeof(*p));

	copy->rows = copy_of(p->rows, p->n_rows, sizeof(*p->rows));
	for (unsigned i = 0; i < p->n_rows; i++) {
		struct server_row *row = &copy->rows[i];

		server_ref(row->server);
		server_def_ref(row->def);
		row->pools = copy_of(row->pools, row->n_pools, sizeof(char *));
		for (unsigned k = 0; k < row->n_pools; k++)
			row->pools[k] = mem_strdup(row->pools[k]);
	}
	copy->by_id = NULL;
	copy->n_ids = 0;
	copy->list = mem_alloc(p->n_list * sizeof(struct pool *));
	for (unsigned i = 0; i < p->n_list; i++)
		copy->list[i] = pool_clone(p->list[i]);
	return &copy->part;
}

static void part_free(struct part *part)
{
	struct pools *p = container_of(part, struct pools, part);

	for (unsigned i = 0; i < p->n_list; i++)
		pool_free(p->list[i]);
	for (unsigned i = 0; i < p->n_rows; i++)
		row_fini(&p->rows[i]);
	free(p->by_id);
	free(p->list);
	free(p->rows);
	free(p);
}

void pool_agree(struct pool *p)
{
	const struct server_fixed *a = p->n > 0 ? &p->members[0].server->fixed : NULL;
	bool ecs_agreed = a != NULL, zero_scope_agreed = a != NULL, tcp_agreed = true;

	for (unsigned i = 1; i < p->n; i++) {
		const struct server_fixed *b = &p->members[i].server->fixed;

		ecs_agreed = ecs_agreed && a->use_client_subnet == b->use_client_subnet;
		zero_scope_agreed =
			zero_scope_agreed && a->disable_zero_scope == b->disable_zero_scope;
		tcp_agreed = tcp_agreed && a->tcp_only == b->tcp_only;
	}
	p->consistent = a == NULL || (ecs_agreed && zero_scope_agreed && tcp_agreed);
	p->ecs = ecs_agreed ? a->use_client_subnet : p->ecs_set;
	p->zero_scope = zero_scope_agreed ? !a->disable_zero_scope : p->zero_scope_set;
	p->tcp_only = a != NULL && tcp_agreed && a->tcp_only;
}

static void seal_weights(struct pool *p)
{
	uint64_t sum = 0;

	free(p->weight_to);
	p->weight_to = p->n > 0 ? mem_alloc(p->n * sizeof(*p->weight_to)) : NULL;
	for (unsigned i = 0; i < p->n; i++) {
		sum += (uint64_t)p->members[i].weight;
		if (sum > INT32_MAX)
			sum = INT32_MAX;
		p->weight_to[i] = (uint32_t)sum;
	}
}

static int seal_ring(struct pool *p, const struct policy *policy, struct err *err)
{
	struct ring *ring = NULL;

	if (policy == &policy_chashed && p->n > 0) {
		ring = ring_make(p->ring, p->members, p->n, p->hash_seed, err);
		if (ring == NULL) {
			err_prefix(err, "pool '%s'", p->name);
			return -EINVAL;
		}
	}
	ring_unref(p->ring);
	p->ring = ring;
	return 0;
}

/* The perturbation drawn for this process, for when the operator sets none. */
static uint32_t drawn_seed(void)
{
	static uint32_t seed;

	while (seed == 0)
		seed = rand_u32();
	return seed;
}

/* A def that is in the live tables has its tag already. */
static void seal_tags(struct pools *p)
{
	for (unsigned i = 0; i < p->n_rows; i++) {
		struct server_def *d = p->rows[i].def;
		char text[512];

		if (d->tag != NULL)
			continue;
		d->tag = mem_strdup(
			server_name_with_addr(p->rows[i].server, d, text, sizeof(text)));
		d->tag_len = strlen(d->tag);
	}
}

static void seal_ids(struct pools *p)
{
	p->n_ids = 0;
	for (unsigned i = 0; i < p->n_list; i++)
		if (p->list[i]->id >= p->n_ids)
			p->n_ids = p->list[i]->id + 1;
	free(p->by_id);
	p->by_id = mem_zalloc(p->n_ids, sizeof(struct pool *));
	for (unsigned i = 0; i < p->n_list; i++)
		p->by_id[p->list[i]->id] = p->list[i];
}

static int seal(struct part *part, const struct tables *draft, struct err *err)
{
	struct pools *p = container_of(part, struct pools, part);
	uint32_t seed = draft->settings->hash_perturbation;
	int rc = 0;

	seal_tags(p);
	seal_ids(p);
	for (unsigned i = 0; i < p->n_list && rc == 0; i++) {
		struct pool *pool = p->list[i];

		for (unsigned k = 0; k < pool->n; k++)
			member_read_def(&pool->members[k]);
		pool->hash_seed = seed != 0 ? seed : drawn_seed();
		pool_agree(pool);
		seal_weights(pool);
		rc = seal_ring(pool, pool_policy(p, pool), err);
	}
	return rc;
}

/* Under that many points a server's share of the circle differs much from its weight. */
#define CHASHED_WEIGHT_FAIR 100

static void committed(const struct part *before, const struct part *next, const struct tables *t)
{
	const struct pools *p = (const struct pools *)next;

	if (before != NULL)
		return;
	for (unsigned i = 0; i < p->n_list; i++) {
		const struct pool *pool = p->list[i];

		for (unsigned k = 0; pool->ring != NULL && k < pool->n; k++) {
			const struct pool_member *m = &pool->members[k];
			char name[512];

			if (m->weight >= CHASHED_WEIGHT_FAIR)
				continue;
			log_warning("setup",
				    "server %s has weight %d: chashed in pool '%s' spreads "
				    "unevenly with weights under %d",
				    server_name_with_addr(m->server, m->def, name, sizeof(name)),
				    m->weight, pool->name, CHASHED_WEIGHT_FAIR);
		}
	}
}

static const struct part_ops pools_ops = {
	.name = "pools",
	.create = create,
	.clone = clone,
	.seal = seal,
	.committed = committed,
	.free = part_free,
};

void pools_register(void)
{
	tables_register(PART_POOLS, &pools_ops);
}
