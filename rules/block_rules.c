#include "rules/block_group.h"

#include <stdlib.h>

#include "core/mem.h"

#define RCODE_MOST 15 /* of a header */

struct block_group *block_groups;
static uint16_t last_number;

struct block_group *block_group_new(void)
{
	struct block_group *g = mem_zalloc(1, sizeof(*g));

	g->masks = (struct hitters_masks){32, 128, 0, NULL};
	g->ranges = netmask_table_new();
	g->names = suffix_table_new();
	g->number = ++last_number;
	g->next = block_groups;
	block_groups = g;
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
	struct block_group **at = &block_groups;

	if (g == NULL)
		return;
	while (*at != g)
		at = &(*at)->next;
	*at = g->next;
	block_news_forget(g);
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

bool block_rule_has_arg(unsigned kind)
{
	return kind == BLOCK_QTYPE_RATE || kind == BLOCK_RCODE_RATE || kind == BLOCK_RCODE_RATIO;
}

struct hit block_rule_counts(const struct block_rule *r)
{
	static const uint16_t kinds[BLOCK_KINDS] = {
		[BLOCK_QUERY_RATE] = HIT_QUERIES, [BLOCK_OCTET_RATE] = HIT_OCTETS,
		[BLOCK_MISS_RATIO] = HIT_MISSES,  [BLOCK_QTYPE_RATE] = HIT_QTYPE,
		[BLOCK_RCODE_RATE] = HIT_RCODE,   [BLOCK_RCODE_RATIO] = HIT_RCODE,
		[BLOCK_OTHER_RATIO] = HIT_OTHERS,
	};
	bool with_arg = block_rule_has_arg(r->kind) || r->kind == BLOCK_OTHER_RATIO;

	return (struct hit){kinds[r->kind], with_arg ? r->arg : 0};
}

unsigned block_rules_count(const struct block_rule *rules, unsigned n, struct hit *list)
{
	unsigned seconds = 0;

	for (unsigned i = 0; i < n; i++) {
		list[i] = block_rule_counts(&rules[i]);
		seconds = rules[i].seconds > seconds ? rules[i].seconds : seconds;
	}
	return seconds;
}

static int check_rule(const struct block_rule *r, struct err *err)
{
	if (!(r->limit > 0) || !(r->warning >= 0))
		return err_set(err, "a limit must be above 0, not %g",
			       r->limit > 0 ? r->warning : r->limit);
	if (block_rule_is_ratio(r->kind) && (r->limit > 1 || r->warning > 1))
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
		    (!block_rule_has_arg(like->kind) || g->rules[i].arg == like->arg))
			return &g->rules[i];
	return NULL;
}

/* Whether all rules together can be counted, when r is one of them. */
static int check_counts(const struct block_group *g, const struct block_rule *r, struct err *err)
{
	struct hit *list = mem_alloc((g->n + 1) * sizeof(list[0]));
	unsigned seconds = block_rules_count(g->rules, g->n, list);
	int rc;

	list[g->n] = block_rule_counts(r);
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

/* Who counts under other ranges counts anew, so what is there already is no change: maintenance()
 * may say it each second. */
static void set_range(struct block_group *g, const struct netmask *nm, uint32_t value)
{
	if (netmask_table_value(g->ranges, nm) == value)
		return;
	g->ranges = netmask_table_own(g->ranges);
	netmask_table_add(g->ranges, nm, value);
}

void block_group_exclude(struct block_group *g, const struct netmask *nm)
{
	set_range(g, nm, HITTERS_EXCLUDED);
}

void block_group_include(struct block_group *g, const struct netmask *nm)
{
	set_range(g, nm, HITTERS_INCLUDED);
}

bool block_group_remove_range(struct block_group *g, const struct netmask *nm)
{
	if (!netmask_table_holds(g->ranges, nm))
		return false;
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
