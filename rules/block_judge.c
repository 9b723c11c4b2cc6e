/* Who is over his limit: all clients when a group is applied, those that were active at each
 * reading. */
#include <stdlib.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/stats.h"
#include "rules/block_group.h"

/* A block that is there is not made longer more often than this. */
#define AGAIN_US (1 * UINT64_C(1000000))

struct judge {
	struct block_group *g;
	int *number;      /* [g->n] of what each rule counts */
	int answers;      /* number of all answers */
	unsigned oldest;  /* the longest window of the rules about answers */
	double hit_ratio; /* of the whole program; negative: there were only hits, or none */
};

/* Parts of all answers are parts of those in the longest window, as the reference has it. */
static bool is_over(const struct judge *j, const struct block_rule *r, double limit, uint64_t n,
		    uint64_t all)
{
	if (limit <= 0)
		return false;
	if (!block_rule_is_ratio(r->kind))
		return (double)n > limit * r->seconds;
	if (r->kind == BLOCK_MISS_RATIO && (j->hit_ratio < 0 || j->hit_ratio < r->least_hits))
		return false;
	return all >= r->least_answers && (double)n > limit * (double)all;
}

static void block(const struct judge *j, unsigned i, const struct hitter *h, bool warning)
{
	const struct block_rule *r = &j->g->rules[i];
	uint8_t how = (uint8_t)(2 * i + warning);
	struct dynblock_new b = {
		.addr = h->addr,
		.bits = h->bits,
		.port_bits = h->port_bits,
		.reason = r->reason,
		.seconds = r->block_s,
		.action = warning ? DNS_ACTION_NOOP : r->action,
		.warning = warning,
		.tag_name = r->tag_name,
		.tag_value = r->tag_value,
	};

	if (hitter_noted(h, j->g->number, how, AGAIN_US))
		return;
	hitter_note(h, j->g->number, how);
	block_group_insert(j->g, &b);
}

/* Whether one that is over its limit ends the judgement of a client, or only that of its kind. */
static bool is_final(const struct block_rule *r)
{
	return !block_rule_has_arg(r->kind);
}

static void judge(void *ctx, struct hitter *h)
{
	const struct judge *j = ctx;
	const struct block_group *g = j->g;
	uint64_t all = hitter_sum(h, j->answers, j->oldest);
	unsigned settled = BLOCK_KINDS;

	if (netmask_table_lookup(g->ranges, &h->addr) == HITTERS_EXCLUDED)
		return;
	for (unsigned i = 0; i < g->n; i++) {
		const struct block_rule *r = &g->rules[i];
		uint64_t n;

		if (r->kind == settled)
			continue;
		n = hitter_sum(h, j->number[i], r->seconds);
		if (is_over(j, r, r->limit, n, all)) {
			block(j, i, h, false);
			if (is_final(r))
				return;
			settled = r->kind;
		} else if (is_over(j, r, r->warning, n, all)) {
			block(j, i, h, true);
		}
	}
}

static double hit_ratio(void)
{
	double hits = (double)stats_sum(STAT_CACHE_HITS);
	double misses = (double)stats_sum(STAT_CACHE_MISSES);

	return hits > 0 && misses > 0 ? hits / (hits + misses) : -1;
}

/* Hosts of an excluded range must not count for a network that is blocked as a whole. */
static struct hitters_masks masks_of(const struct block_group *g)
{
	struct hitters_masks m = g->masks;

	if (netmask_table_len(g->ranges) > 0 && (m.v4 < 32 || m.v6 < 128))
		m.ranges = g->ranges;
	return m;
}

static void judge_all(struct block_group *g, bool all)
{
	struct hitters_masks m = masks_of(g);
	struct hitters_set *s = hitters_find(&m);
	struct judge j = {.g = g, .hit_ratio = hit_ratio()};

	if (s == NULL || g->n == 0)
		return;
	j.number = mem_alloc(g->n * sizeof(j.number[0]));
	j.answers = hitters_number(s, (struct hit){HIT_ANSWERS, 0});
	for (unsigned i = 0; i < g->n; i++) {
		const struct block_rule *r = &g->rules[i];

		j.number[i] = hitters_number(s, block_rule_counts(r));
		if (r->kind != BLOCK_QUERY_RATE && r->kind != BLOCK_QTYPE_RATE &&
		    r->seconds > j.oldest)
			j.oldest = r->seconds;
	}
	hitters_visit(s, all, judge, &j);
	free(j.number);
}

int block_group_apply(struct block_group *g, struct err *err)
{
	struct hitters_masks m = masks_of(g);
	struct hit *list;
	unsigned seconds;
	int rc;

	g->applied_us = clock_mono_us();
	if (g->n == 0)
		return 0;
	list = mem_alloc(g->n * sizeof(list[0]));
	seconds = block_rules_count(g->rules, g->n, list);
	rc = hitters_ask(&m, list, g->n, seconds, err);
	free(list);
	if (rc == 0)
		judge_all(g, true);
	block_groups_tell();
	return rc;
}

void block_groups_check(void)
{
	uint64_t now_us = clock_mono_us();

	hitters_read();
	for (struct block_group *g = block_groups; g; g = g->next)
		if (g->applied_us && now_us - g->applied_us <= BLOCK_ARMED_US)
			judge_all(g, false);
	block_groups_tell();
}
