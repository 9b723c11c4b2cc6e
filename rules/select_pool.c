/*
 * Selectors on the state of a pool. Where there is no pool of that name, the query is to be
 * dropped: that makes them impure, since And and Or must then not pass them over.
 */
#include <inttypes.h>

#include "pools/pool.h"
#include "rules/registry.h"

struct in_pool {
	unsigned id; /* of the name: the pool may come and go */
	uint64_t limit;
};

static int available_init(void *state, const struct arg *argv, struct err *err)
{
	struct in_pool *s = state;

	s->id = pool_name_id(argv[0].text);
	return 0;
}

static int outstanding_init(void *state, const struct arg *argv, struct err *err)
{
	struct in_pool *s = state;

	s->limit = (uint64_t)argv[1].integer;
	return available_init(state, argv, err);
}

static const struct pool *pool_of(const struct in_pool *s, struct rule_run *run)
{
	const struct pool *p = pools_by_id(run->t->pools, s->id);

	if (unlikely(p == NULL))
		run->must_drop = true;
	return p;
}

static bool available_match(const void *state, struct rule_run *run)
{
	const struct pool *p = pool_of(state, run);

	if (p == NULL)
		return false;
	for (unsigned i = 0; i < p->n; i++) {
		const struct pool_member *m = &p->members[i];

		if (member_is_usable(m) && server_has_qps(m->server, m->def, run->now_us))
			return true;
	}
	return false;
}

static void available_text(const void *state, FILE *out)
{
	const struct in_pool *s = state;

	fprintf(out, "pool '%s' is available", pool_name_of(s->id));
}

static bool outstanding_match(const void *state, struct rule_run *run)
{
	const struct in_pool *s = state;
	const struct pool *p = pool_of(s, run);
	uint64_t sum = 0;

	if (p == NULL)
		return false;
	for (unsigned i = 0; i < p->n; i++)
		sum += server_outstanding(p->members[i].server);
	return sum > s->limit;
}

static void outstanding_text(const void *state, FILE *out)
{
	const struct in_pool *s = state;

	fprintf(out, "pool '%s' outstanding > %" PRIu64, pool_name_of(s->id), s->limit);
}

static const struct arg_spec available_args[] = {
	{"poolname", ARG_TEXT, 0, 0, 0, NULL},
	{NULL, ARG_END, 0, 0, 0, NULL},
};

/* Bounds are doubles, as numbers of Lua may be: the largest up to which each integer is one. */
#define LIMIT_MAX 9007199254740992.0

static const struct arg_spec outstanding_args[] = {
	{"poolname", ARG_TEXT, 0, 0, 0, NULL},
	{"limit", ARG_INT, 0, 0, LIMIT_MAX, NULL},
	{NULL, ARG_END, 0, 0, 0, NULL},
};

const struct selector_type pool_selectors[] = {
	{.name = "PoolAvailableRule",
	 .args = available_args,
	 .help = "a server of the pool can take a query",
	 .state_size = sizeof(struct in_pool),
	 .flags = SELECTOR_IMPURE,
	 .init = available_init,
	 .match = available_match,
	 .text = available_text},
	{.name = "PoolOutstandingRule",
	 .args = outstanding_args,
	 .help = "the servers of the pool have more than limit queries in flight together",
	 .state_size = sizeof(struct in_pool),
	 .flags = SELECTOR_IMPURE,
	 .init = outstanding_init,
	 .match = outstanding_match,
	 .text = outstanding_text},
	{.name = NULL},
};
