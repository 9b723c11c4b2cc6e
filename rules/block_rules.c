#include "rules/block_rules.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/stats.h"
#include "rules/hitters.h"

/* A block that is there is not made longer more often than this. */
#define AGAIN_US (1 * UINT64_C(1000000))

#define COMPLAIN_EVERY_US (60 * UINT64_C(1000000))

#define RCODE_MOST 15 /* of a header */

struct block_group {
	struct block_group *next;
	struct block_rule *rules; /* sorted; their texts are the group's */
	unsigned n;
	struct hitters_masks masks;   /* ranges is NULL */
	struct netmask_table *ranges; /* HITTERS_INCLUDED, HITTERS_EXCLUDED */
	struct suffix_table *names;   /* excluded */
	bool quiet;
	uint16_t number;
	uint64_t applied_us; /* 0: never */
	void (*hook)(void *ctx, const struct dynblock_new *b);
	void *hook_ctx;
};

static struct block_group *groups;
static uint16_t last_number;

/* New blocks that hooks are still to be told of. */
static struct {
	struct news {
		struct block_group *group; /* NULL: gone meanwhile */
		struct dynblock_new block;
	} * list;
	size_t n, cap;
	bool telling;
} news;

struct block_group *block_group_new(void)
{
	struct block_group *g = mem_zalloc(1, sizeof(*g));

	g->masks = (struct hitters_masks){32, 128, 0, NULL};
	g->ranges = netmask_table_new();
	g->names = suffix_table_new();
	g->number = ++last_number;
	g->next = groups;
	groups = g;
	return g;
}

static void rule_free(struct block_rule *r)
{
	free((char *)r->reason);
	free((char *)r->tag_name);
	free((char *)r->tag_value);
}

void block_group_free(struct block_group *g)
{
	struct block_group **at = &groups;

	if (g == NULL)
		return;
	while (*at != g)
		at = &(*at)->next;
	*at = g->next;
	for (size_t i = 0; i < news.n; i++)
		if (news.list[i].group == g)
			news.list[i].group = NULL;
	for (unsigned i = 0; i < g->n; i++)
		rule_free(&g->rules[i]);
	free(g->rules);
	netmask_table_unref(g->ranges);
	suffix_table_unref(g->names);
	free(g);
}

bool block_rule_is_ratio(unsigned kind)
{
	return kind == BLOCK_MISS_RATIO || kind == BLOCK_RCODE_RATIO || kind == BLOCK_OTHER_RATIO;
}

static bool is_ratio(const struct block_rule *r)
{
	return block_rule_is_ratio(r->kind);
}

static bool has_arg(unsigned kind)
{
	return kind == BLOCK_QTYPE_RATE || kind == BLOCK_RCODE_RATE || kind == BLOCK_RCODE_RATIO;
}

/* What the rule counts; of ratios the part. */
static struct hit counted(const struct block_rule *r)
{
	static const uint16_t kinds[BLOCK_KINDS] = {
		[BLOCK_QUERY_RATE] = HIT_QUERIES, [BLOCK_OCTET_RATE] = HIT_OCTETS,
		[BLOCK_MISS_RATIO] = HIT_MISSES,  [BLOCK_QTYPE_RATE] = HIT_QTYPE,
		[BLOCK_RCODE_RATE] = HIT_RCODE,   [BLOCK_RCODE_RATIO] = HIT_RCODE,
		[BLOCK_OTHER_RATIO] = HIT_OTHERS,
	};
	bool with_arg = has_arg(r->kind) || r->kind == BLOCK_OTHER_RATIO;

	return (struct hit){kinds[r->kind], with_arg ? r->arg : 0};
}

/* The counts of all rules, and the longest of their windows. n has room for one more. */
static unsigned collect(const struct block_rule *rules, unsigned n, struct hit *list)
{
	unsigned seconds = 0;

	for (unsigned i = 0; i < n; i++) {
		list[i] = counted(&rules[i]);
		seconds = rules[i].seconds > seconds ? rules[i].seconds : seconds;
	}
	return seconds;
}

static int check_rule(const struct block_rule *r, struct err *err)
{
	if (!(r->limit > 0) || !(r->warning >= 0))
		return err_set(err, "a limit must be above 0, not %g",
			       r->limit > 0 ? r->warning : r->limit);
	if (is_ratio(r) && (r->limit > 1 || r->warning > 1))
		return err_set(err, "a ratio is a part of all answers, at most 1, not %g",
			       r->limit > 1 ? r->limit : r->warning);
	if (r->block_s == 0)
		return err_set(err, "a block must last at least 1 second");
	if (r->action == DNS_ACTION_SET_TAG && (r->tag_name == NULL || *r->tag_name == '\0'))
		return err_set(err, "DNSAction.SetTag needs the option tagName");
	if ((r->kind == BLOCK_RCODE_RATE || r->kind == BLOCK_RCODE_RATIO) && r->arg > RCODE_MOST)
		return err_set(err, "response codes of a header are 0 to %d, not %u", RCODE_MOST,
			       r->arg);
	return 0;
}

static int by_kind(const void *va, const void *vb)
{
	const struct block_rule *a = va, *b = vb;

	return a->kind != b->kind ? a->kind - b->kind : a->arg - b->arg;
}

static struct block_rule *find_rule(const struct block_group *g, const struct block_rule *like)
{
	for (unsigned i = 0; i < g->n; i++)
		if (g->rules[i].kind == like->kind &&
		    (!has_arg(like->kind) || g->rules[i].arg == like->arg))
			return &g->rules[i];
	return NULL;
}

/* Whether all rules together can be counted, when r is one of them. */
static int check_counts(const struct block_group *g, const struct block_rule *r, struct err *err)
{
	struct hit *list = mem_alloc((g->n + 1) * sizeof(list[0]));
	unsigned seconds = collect(g->rules, g->n, list);
	int rc;

	list[g->n] = counted(r);
	rc = hitters_can(list, g->n + 1,
			 r->seconds == 0 || r->seconds > seconds ? r->seconds : seconds, err);
	free(list);
	return rc;
}

int block_group_set(struct block_group *g, const struct block_rule *r, struct err *err)
{
	struct block_rule *at;

	if (check_rule(r, err) < 0 || check_counts(g, r, err) < 0)
		return -EINVAL;
	at = find_rule(g, r);
	if (at != NULL) {
		rule_free(at);
	} else {
		g->rules = mem_realloc(g->rules, g->n + 1, sizeof(g->rules[0]));
		at = &g->rules[g->n++];
	}
	*at = *r;
	at->reason = mem_strdup(r->reason);
	at->tag_name = r->tag_name ? mem_strdup(r->tag_name) : NULL;
	at->tag_value = r->tag_value ? mem_strdup(r->tag_value) : NULL;
	qsort(g->rules, g->n, sizeof(g->rules[0]), by_kind);
	return 0;
}

int block_group_set_masks(struct block_group *g, unsigned v4, unsigned v6, unsigned port,
			  struct err *err)
{
	if (v4 > 32 || v6 > 128 || port > 16)
		return err_set(
			err,
			"masks have at most 32 bits for IPv4, 128 for IPv6 and 16 for ports, "
			"not %u, %u, %u",
			v4, v6, port);
	if (port > 0 && v4 != 32)
		return err_set(err,
			       "ports count only with all 32 bits of an IPv4 address, not with %u",
			       v4);
	g->masks = (struct hitters_masks){(uint8_t)v4, (uint8_t)v6, (uint8_t)port, NULL};
	return 0;
}

void block_group_exclude(struct block_group *g, const struct netmask *nm)
{
	g->ranges = netmask_table_own(g->ranges);
	netmask_table_add(g->ranges, nm, HITTERS_EXCLUDED);
}

void block_group_include(struct block_group *g, const struct netmask *nm)
{
	g->ranges = netmask_table_own(g->ranges);
	netmask_table_add(g->ranges, nm, HITTERS_INCLUDED);
}

bool block_group_remove_range(struct block_group *g, const struct netmask *nm)
{
	g->ranges = netmask_table_own(g->ranges);
	return netmask_table_remove(g->ranges, nm);
}

int block_group_exclude_name(struct block_group *g, const uint8_t *name, size_t len)
{
	return suffix_table_add(g->names, name, len, 0);
}

bool block_group_name_is_excluded(const struct block_group *g, const uint8_t *name, size_t len)
{
	return suffix_table_lookup(g->names, name, len) != SUFFIX_NONE;
}

void block_group_set_quiet(struct block_group *g, bool quiet)
{
	g->quiet = quiet;
}

bool block_group_is_quiet(const struct block_group *g)
{
	return g->quiet;
}

void block_group_on_new(struct block_group *g,
			void (*hook)(void *ctx, const struct dynblock_new *b), void *ctx)
{
	g->hook = hook;
	g->hook_ctx = ctx;
}

static void note_news(struct block_group *g, const struct dynblock_new *b)
{
	struct news *n;

	if (news.n == news.cap) {
		news.cap = news.cap ? 2 * news.cap : 16;
		news.list = mem_realloc(news.list, news.cap, sizeof(news.list[0]));
	}
	n = &news.list[news.n++];
	*n = (struct news){g, *b};
	n->block.reason = mem_strdup(b->reason);
	n->block.tag_name = n->block.tag_value = NULL;
	if (b->name) {
		n->block.name = mem_alloc(b->name_len);
		memcpy((uint8_t *)n->block.name, b->name, b->name_len);
	}
}

/* A hook may do anything, also make more news: those are told by the call that is at it. */
void block_groups_tell(void)
{
	if (news.telling)
		return;
	news.telling = true;
	for (size_t i = 0; i < news.n; i++) {
		struct news n = news.list[i];

		if (n.group && n.group->hook)
			n.group->hook(n.group->hook_ctx, &n.block);
		free((char *)n.block.reason);
		free((uint8_t *)n.block.name);
	}
	free(news.list);
	news.list = NULL;
	news.n = news.cap = 0;
	news.telling = false;
}

void block_group_insert(struct block_group *g, struct dynblock_new *b)
{
	static uint64_t said_us;
	uint64_t now_us = clock_mono_us();
	struct err err = {""};
	int added;

	b->quiet = g->quiet;
	added = dynblocks_add(b, &err);
	if (added == DYNBLOCK_NEW && g->hook)
		note_news(g, b);
	if (added >= 0 || (said_us && now_us - said_us < COMPLAIN_EVERY_US))
		return;
	said_us = now_us;
	log_error("dynblocks", "a rule's block can't be made: %s", err.text);
}

/*
 * Judging.
 */

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
	if (!is_ratio(r))
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
	return !has_arg(r->kind);
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

		j.number[i] = hitters_number(s, counted(r));
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
	seconds = collect(g->rules, g->n, list);
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
	for (struct block_group *g = groups; g; g = g->next)
		if (g->applied_us && now_us - g->applied_us <= BLOCK_ARMED_US)
			judge_all(g, false);
	block_groups_tell();
}

const struct block_rule *block_group_rule(const struct block_group *g, unsigned i)
{
	return i < g->n ? &g->rules[i] : NULL;
}

void block_group_masks(const struct block_group *g, unsigned *v4, unsigned *v6, unsigned *port)
{
	*v4 = g->masks.v4;
	*v6 = g->masks.v6;
	*port = g->masks.port;
}

const struct netmask_table *block_group_ranges(const struct block_group *g)
{
	return g->ranges;
}

const struct suffix_table *block_group_names(const struct block_group *g)
{
	return g->names;
}
