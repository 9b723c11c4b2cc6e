/* Selectors on how often, and by chance. Asking them changes what they say next. */
#include "core/rand.h"
#include "pools/limiter.h"
#include "rules/client_qps.h"
#include "rules/registry.h"

/* The one part of a selector that workers write: all of them, by limiter_take. */
struct rate {
	_Atomic uint64_t bucket;
	uint32_t qps, burst;
};

/* An argument that is left out, or 0, stands for the rate. */
static uint32_t burst_of(const struct arg *burst, uint32_t qps)
{
	return burst->given && burst->integer != 0 ? (uint32_t)burst->integer : qps;
}

static int rate_init(void *state, const struct arg *argv, struct err *err)
{
	struct rate *s = state;

	s->qps = (uint32_t)argv[0].integer;
	s->burst = burst_of(&argv[1], s->qps);
	return 0;
}

/* True under the limit, unlike the limit by client. */
static bool rate_match(const void *state, struct rule_run *run)
{
	struct rate *s = (struct rate *)state;

	return limiter_take(&s->bucket, s->qps, s->burst, run->now_us);
}

static void rate_text(const void *state, FILE *out)
{
	const struct rate *s = state;

	fprintf(out, "Max %u qps", s->qps);
}

struct by_client {
	struct client_qps *table;
	uint32_t qps, burst;
	uint8_t v4_bits, v6_bits;
};

static int by_client_init(void *state, const struct arg *argv, struct err *err)
{
	struct by_client *s = state;
	struct client_qps_options o = {.slots = 0};

	s->qps = o.qps = (uint32_t)argv[0].integer;
	o.v4_bits = argv[1].given ? (unsigned)argv[1].integer : 32;
	o.v6_bits = argv[2].given ? (unsigned)argv[2].integer : 64;
	s->burst = o.burst = burst_of(&argv[3], s->qps);
	s->v4_bits = (uint8_t)o.v4_bits;
	s->v6_bits = (uint8_t)o.v6_bits;
	s->table = client_qps_new(&o, err);
	return s->table != NULL ? 0 : -EINVAL;
}

static void by_client_fini(void *state)
{
	struct by_client *s = state;

	client_qps_free(s->table);
}

static bool by_client_match(const void *state, struct rule_run *run)
{
	const struct by_client *s = state;

	return client_qps_over(s->table, &run->q->client, run->now_us);
}

static void by_client_prefetch(const void *state, const struct query *q)
{
	const struct by_client *s = state;

	client_qps_prefetch(s->table, &q->client);
}

static void by_client_text(const void *state, FILE *out)
{
	const struct by_client *s = state;

	fprintf(out, "IP (/%u, /%u) match for QPS over %u burst %u", s->v4_bits, s->v6_bits, s->qps,
		s->burst);
}

struct chance {
	double probability;
	uint64_t below; /* of 2^32 equal draws, those that match */
};

static int chance_init(void *state, const struct arg *argv, struct err *err)
{
	struct chance *s = state;

	s->probability = argv[0].number;
	if (!(s->probability >= 0 && s->probability <= 1))
		return err_set(err, "probability is %g, which is not between 0 and 1",
			       s->probability);
	s->below = (uint64_t)(s->probability * 4294967296.0);
	return 0;
}

static bool chance_match(const void *state, struct rule_run *run)
{
	const struct chance *s = state;

	return rand_u32() < s->below;
}

static void chance_text(const void *state, FILE *out)
{
	const struct chance *s = state;

	fprintf(out, "match with prob. %.2f", s->probability);
}

static const struct arg_spec rate_args[] = {
	{"qps", ARG_INT, 0, 0, UINT32_MAX, NULL},
	{"burst", ARG_INT, ARG_OPTIONAL, 0, UINT32_MAX, NULL},
	{NULL, ARG_END, 0, 0, 0, NULL},
};

static const struct arg_spec by_client_args[] = {
	{"qps", ARG_INT, 0, 0, UINT32_MAX, NULL},
	{"v4Mask", ARG_INT, ARG_OPTIONAL, 0, 32, NULL},
	{"v6Mask", ARG_INT, ARG_OPTIONAL, 0, 128, NULL},
	{"burst", ARG_INT, ARG_OPTIONAL, 0, UINT32_MAX, NULL},
	{"expiration", ARG_INT, ARG_OPTIONAL, 0, UINT32_MAX, NULL},
	{"cleanupDelay", ARG_INT, ARG_OPTIONAL, 0, UINT32_MAX, NULL},
	{"scanFraction", ARG_INT, ARG_OPTIONAL, 1, UINT32_MAX, NULL},
	{"shards", ARG_INT, ARG_OPTIONAL, 1, UINT32_MAX, NULL},
	{NULL, ARG_END, 0, 0, 0, NULL},
};

static const struct arg_spec chance_args[] = {
	{"probability", ARG_NUMBER, 0, 0, 1, NULL},
	{NULL, ARG_END, 0, 0, 0, NULL},
};

const struct selector_type rate_selectors[] = {
	{.name = "MaxQPSRule",
	 .args = rate_args,
	 .help = "qps queries a second have not been seen yet: it matches under the limit",
	 .state_size = sizeof(struct rate),
	 .flags = SELECTOR_IMPURE,
	 .init = rate_init,
	 .match = rate_match,
	 .text = rate_text},
	{.name = "MaxQPSIPRule",
	 .args = by_client_args,
	 .help = "the client asks more than qps a second: it matches over the limit; expiration and "
		 "what follows it have no effect, since nothing has to be cleaned up",
	 .state_size = sizeof(struct by_client),
	 .flags = SELECTOR_IMPURE,
	 .init = by_client_init,
	 .fini = by_client_fini,
	 .match = by_client_match,
	 .prefetch = by_client_prefetch,
	 .text = by_client_text},
	{.name = "ProbaRule",
	 .args = chance_args,
	 .help = "with this probability, 0 to 1",
	 .state_size = sizeof(struct chance),
	 .flags = SELECTOR_IMPURE,
	 .init = chance_init,
	 .match = chance_match,
	 .text = chance_text},
	{.name = NULL},
};
