/* Actions that choose the pool, and actions that look at a rate. */
#include "pools/limiter.h"
#include "pools/pool.h"
#include "rules/registry.h"

struct to_pool {
	unsigned id; /* of the pool's name */
	bool stop;
};

static const struct arg_spec pool_args[] = {
	{"poolname", ARG_TEXT, 0, 0, 0, NULL},
	{"stop", ARG_BOOL, ARG_OPTIONAL, 0, 0, NULL},
	{.name = NULL},
};

static void to_pool_init(struct to_pool *p, const struct arg argv[2])
{
	p->id = pool_name_id(argv[0].text);
	p->stop = !argv[1].given || argv[1].boolean;
}

/* The pool as this generation has it. */
static enum verdict to_pool(const struct to_pool *p, struct rule_run *run)
{
	struct query *q = run->q;

	q->pool = pools_by_id(run->t->pools, p->id);
	q->no_pool = q->pool == NULL;
	return p->stop ? VERDICT_STOP : VERDICT_NEXT;
}

static int pool_init(void *state, const struct arg *argv, struct err *err)
{
	to_pool_init(state, argv);
	return 0;
}

static enum verdict pool(void *state, struct rule_run *run)
{
	return to_pool(state, run);
}

static void pool_text(const void *state, FILE *out)
{
	const struct to_pool *p = state;

	fprintf(out, "to pool %s", pool_name_of(p->id));
}

static const char *pool_of(const void *state)
{
	const struct to_pool *p = state;

	return pool_name_of(p->id);
}

/* The bucket is written by all workers; it is the only thing of the state that a query reads. */
struct rate {
	_Atomic uint64_t bucket;
	uint32_t qps;
};

static bool within(struct rate *r, const struct rule_run *run)
{
	return limiter_take(&r->bucket, r->qps, r->qps, run->now_us);
}

static const struct arg_spec qps_args[] = {
	{"maxqps", ARG_INT, 0, 0, UINT32_MAX, NULL},
	{.name = NULL},
};

static int qps_init(void *state, const struct arg *argv, struct err *err)
{
	struct rate *r = state;

	r->qps = (uint32_t)argv[0].integer;
	return 0;
}

static enum verdict qps(void *state, struct rule_run *run)
{
	if (within(state, run))
		return VERDICT_NEXT;
	stat_inc(run->stats, STAT_RULE_DROP);
	return VERDICT_DROP;
}

static void qps_text(const void *state, FILE *out)
{
	const struct rate *r = state;

	fprintf(out, "qps limit to %u", r->qps);
}

struct qps_pool {
	struct rate rate;
	struct to_pool to;
};

static const struct arg_spec qps_pool_args[] = {
	{"maxqps", ARG_INT, 0, 0, UINT32_MAX, NULL},
	{"poolname", ARG_TEXT, 0, 0, 0, NULL},
	{"stop", ARG_BOOL, ARG_OPTIONAL, 0, 0, NULL},
	{.name = NULL},
};

static int qps_pool_init(void *state, const struct arg *argv, struct err *err)
{
	struct qps_pool *p = state;

	to_pool_init(&p->to, argv + 1);
	return qps_init(&p->rate, argv, err);
}

static enum verdict qps_pool(void *state, struct rule_run *run)
{
	struct qps_pool *p = state;

	return within(&p->rate, run) ? to_pool(&p->to, run) : VERDICT_NEXT;
}

static void qps_pool_text(const void *state, FILE *out)
{
	const struct qps_pool *p = state;

	fprintf(out, "max %u to pool %s", p->rate.qps, pool_name_of(p->to.id));
}

static const char *qps_pool_of(const void *state)
{
	const struct qps_pool *p = state;

	return pool_name_of(p->to.id);
}

const struct action_type pool_actions[] = {
	{.name = "PoolAction",
	 .args = pool_args,
	 .help = "sends the query to this pool; stop=false: unless a later rule says otherwise",
	 .state_size = sizeof(struct to_pool),
	 .init = pool_init,
	 .run = pool,
	 .text = pool_text,
	 .pool = pool_of},
	{.name = "QPSAction",
	 .args = qps_args,
	 .help = "drops what is above so many queries a second",
	 .state_size = sizeof(struct rate),
	 .init = qps_init,
	 .run = qps,
	 .text = qps_text},
	{.name = "QPSPoolAction",
	 .args = qps_pool_args,
	 .help = "sends so many queries a second to this pool; others go on with the next rule",
	 .state_size = sizeof(struct qps_pool),
	 .init = qps_pool_init,
	 .run = qps_pool,
	 .text = qps_pool_text,
	 .pool = qps_pool_of},
	{.name = NULL},
};
