#include "rules/kernel_blocks.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/settings.h"
#include "core/stats.h"
#include "rules/dynblocks_table.h"
#include "rules/kernel_edits.h"

/* So long before its end a block is ours alone, if it is longer than twice that. */
#define LEAD_US 2000000

/*
 * The automatic filter takes a block that drops so many packets a second: below, the some hundred
 * nanoseconds each are not worth a filter that all packets of the socket go through.
 */
#define HOT_RATE 1000

/* One line about entries that the kernel did not take in so many seconds. */
#define LINE_US 60000000

static struct {
	struct kfilter *filter; /* NULL: none */
	void (*attach)(bool on);
	uint32_t process;
	bool attached;
	bool refused;               /* for good */
	bool late;                  /* some were refused for now */
	bool has_ports[BLOCK_NAME]; /* there are blocks of a part of the ports */
	uint8_t default_action;     /* as blocks without one had it last */
	struct netmask_table *held; /* addresses that the filter has, and some that have ended */
	uint64_t seen;              /* packets of the total that are in dyn-blocked */
	uint64_t line_us;           /* when the last line about a refusal was written; 0: none */
} kernel;

static unsigned width_of(const struct dynblock *b)
{
	return b->table == BLOCK_V4 ? 32 : 128;
}

static void key_of(const struct dynblock *b, struct kfilter_key *k)
{
	struct dynblock_view v;

	block_view_key(b, &v);
	kfilter_key_address(&v.addr, k);
}

/* A block of ports is longer than one of the address, and decides before it: the kernel knows no
 * ports, so it has none of either then. */
static bool has_ports(unsigned table)
{
	const struct block_table *t = &dynblock_tables[table];
	unsigned width = table == BLOCK_V4 ? 32 : 128;

	for (unsigned length = width + 1; length <= width + 16; length++)
		if (t->n_of[length] > 0)
			return true;
	return false;
}

static unsigned default_action(void)
{
	const struct tables *t = rcu_get(tables_live);

	return t ? t->settings->dynblocks_action : DNS_ACTION_DROP;
}

/* What the kernel is to do for a block; KFILTER_PASS: nothing. */
static unsigned wanted(const struct dynblock *b, uint64_t now_us)
{
	const struct dynblock_cause *c = atomic_load_explicit(&b->cause, memory_order_relaxed);
	unsigned action = c->action == DNS_ACTION_NONE ? kernel.default_action : c->action;

	if (b->table == BLOCK_NAME || b->length != width_of(b) || kernel.has_ports[b->table] ||
	    !block_is_in_force(b, now_us))
		return KFILTER_PASS;
	if (action == DNS_ACTION_DROP)
		return KFILTER_DROP;
	return action == DNS_ACTION_TRUNCATE && kfilter_can_truncate(kernel.filter)
		       ? KFILTER_TRUNCATE
		       : KFILTER_PASS;
}

static bool is_address(const struct dynblock *b)
{
	return kernel.filter != NULL && b->table != BLOCK_NAME && b->length == width_of(b);
}

/* Another process has blocks of its own in maps that are shared. */
static bool is_ours(const struct kfilter_value *v)
{
	return v->owner == KFILTER_DYNBLOCK && v->process == kernel.process;
}

static struct netmask netmask_of(const struct dynblock *b)
{
	struct dynblock_view v;

	block_view_key(b, &v);
	return (struct netmask){.base = v.addr, .bits = (uint8_t)width_of(b)};
}

/* The entry of a block, if it has one of its own. Most have none, and then the kernel is not asked.
 */
static bool find(const struct dynblock *b, struct kfilter_key *k, struct kfilter_value *v)
{
	struct netmask nm;

	if (!is_address(b) || netmask_table_len(kernel.held) == 0)
		return false;
	nm = netmask_of(b);
	if (netmask_table_lookup(kernel.held, &nm.base) == NETMASK_NONE)
		return false;
	key_of(b, k);
	return kfilter_get(kernel.filter, k, v) && is_ours(v);
}

static void refused(enum kfilter_map map, int rc, uint64_t now_us)
{
	kernel.refused |= rc == -EPERM;
	kernel.late |= rc != -EPERM && rc != -ENOSPC;
	if (!kernel.refused && kernel.line_us != 0 && now_us - kernel.line_us < LINE_US)
		return;
	log_warning("kernel filter", "%s: what it has no place for is dropped in user space",
		    kfilter_put_error(kernel.filter, map, rc).text);
	kernel.line_us = now_us;
}

static void hold(const struct dynblock *b)
{
	struct netmask nm = netmask_of(b);

	netmask_table_add(kernel.held, &nm, 0);
	if (kernel.attach == NULL || kernel.attached)
		return;
	kernel.attach(true);
	kernel.attached = true;
}

static void give_up(const struct dynblock *b, const struct kfilter_key *k)
{
	struct netmask nm = netmask_of(b);

	kfilter_remove(kernel.filter, k);
	if (kernel.attach == NULL) /* an automatic one looks itself, and detaches with the last */
		netmask_table_remove(kernel.held, &nm);
}

/* Its count begins at what the kernel has counted for it. Whether it is there. */
static bool put(const struct dynblock *b, unsigned action, uint64_t counter)
{
	uint64_t now_us = clock_mono_us(), until_us = counter_get(&b->expires_us);
	struct kfilter_value v = {
		.counter = counter,
		.action = (uint16_t)action,
		.owner = KFILTER_DYNBLOCK,
		.process = kernel.process,
	};
	struct kfilter_key k;
	int rc;

	if (kernel.refused)
		return false;
	if (until_us - now_us > 2 * LEAD_US)
		until_us -= LEAD_US;
	v.until_ns = kfilter_ns(until_us);
	key_of(b, &k);
	rc = kernel_put(kernel.filter, &k, &v);
	if (rc < 0)
		refused(k.map, rc, now_us);
	else
		hold(b);
	return rc == 0;
}

/* What was counted there is not lost with it. */
static void take_back(struct dynblock *b)
{
	struct kfilter_value v;
	struct kfilter_key k;

	if (!find(b, &k, &v))
		return;
	give_up(b, &k);
	atomic_fetch_add_explicit(&b->hits, v.counter, memory_order_relaxed);
}

static void bring_in_line(struct dynblock *b, bool was_in_force)
{
	struct kfilter_value v;
	struct kfilter_key k;
	unsigned action = wanted(b, clock_mono_us());

	if (kernel.refused)
		return;
	if (action == KFILTER_PASS) {
		take_back(b);
		return;
	}
	if (kernel.attach != NULL && !find(b, &k, &v))
		return; /* until it is hot */
	key_of(b, &k);
	if (!kfilter_get(kernel.filter, &k, &v)) {
		put(b, action, 0);
		return;
	}
	/* the entry of the operator, of a DynBPFFilter, of another process says what happens */
	if (!is_ours(&v) && kfilter_in_force(&v, clock_mono_us()))
		return;
	/* first, since the count of the former block is not this one's, should it be refused */
	if (is_ours(&v) && !was_in_force)
		kfilter_remove(kernel.filter, &k);
	put(b, action, was_in_force && is_ours(&v) ? v.counter : 0);
}

static struct dynblock *block_of(const struct kfilter_key *k)
{
	struct addr a = {0};
	struct block_key at;
	enum block_kind kind;

	a.sa.sa_family = k->map == KFILTER_V4 ? AF_INET : AF_INET6;
	if (k->map == KFILTER_V4)
		memcpy(&a.v4.sin_addr, k->v4, sizeof(k->v4));
	else
		memcpy(&a.v6.sin6_addr, k->v6, sizeof(k->v6));
	kind = block_key_address(&a, k->map == KFILTER_V4 ? 32 : 128, &at);
	return block_table_find(&dynblock_tables[kind], &at);
}

/* By a process that could not clean up. */
static bool is_left_behind(const struct kfilter_value *v)
{
	return v->owner == KFILTER_DYNBLOCK && kill((pid_t)v->process, 0) < 0 && errno == ESRCH;
}

/* The block has been made longer since, and the kernel did not take it then. */
static bool ends_too_soon(const struct dynblock *b, const struct kfilter_value *v)
{
	return v->until_ns < kfilter_ns(counter_get(&b->expires_us) - LEAD_US);
}

static void check_entry(void *ctx, const struct kfilter_key *k, const struct kfilter_value *v)
{
	struct dynblock *b = is_ours(v) ? block_of(k) : NULL;
	unsigned action = b ? wanted(b, clock_mono_us()) : KFILTER_PASS;

	if (b == NULL) {
		if (is_ours(v) || is_left_behind(v))
			kfilter_remove(kernel.filter, k);
	} else if (action == KFILTER_PASS) {
		take_back(b);
	} else if (action != v->action || ends_too_soon(b, v)) {
		put(b, action, v->counter);
	}
}

/* Of another, an entry that has ended is none. */
static bool has_none(const struct kfilter_key *k, uint64_t now_us)
{
	struct kfilter_value v;

	return !kfilter_get(kernel.filter, k, &v) ||
	       (!is_ours(&v) && !kfilter_in_force(&v, now_us));
}

/* What is there first, then what lacks: blocks may be many more than the kernel has room for. */
static void bring_all_in_line(unsigned table)
{
	struct block_table *t = &dynblock_tables[table];
	uint64_t now_us = clock_mono_us();

	kfilter_visit(kernel.filter, table == BLOCK_V4 ? KFILTER_V4 : KFILTER_V6, check_entry,
		      NULL);
	for (uint32_t id = 1; kernel.attach == NULL && id < t->end; id++) {
		struct dynblock *b = block_at(t, id);
		unsigned action = b->next == BLOCK_LINKED ? wanted(b, now_us) : KFILTER_PASS;
		struct kfilter_key k;

		if (action == KFILTER_PASS)
			continue;
		key_of(b, &k);
		if (has_none(&k, now_us) && !put(b, action, 0))
			return;
	}
}

/* Whether there are blocks of ports has changed, and all of the family with it. */
static bool follow_ports(unsigned table)
{
	bool now = has_ports(table);

	if (now == kernel.has_ports[table])
		return false;
	kernel.has_ports[table] = now;
	bring_all_in_line(table);
	return true;
}

void kernel_block_changed(struct dynblock *b, bool was_in_force)
{
	if (kernel.filter == NULL || b->table == BLOCK_NAME)
		return;
	if (!follow_ports(b->table) && is_address(b))
		bring_in_line(b, was_in_force);
}

void kernel_block_goes(struct dynblock *b)
{
	struct kfilter_value v;
	struct kfilter_key k;

	if (find(b, &k, &v))
		give_up(b, &k);
}

static void remove_own(void *ctx, const struct kfilter_key *k, const struct kfilter_value *v)
{
	if (is_ours(v))
		kfilter_remove(kernel.filter, k);
}

static void forget_held(void)
{
	netmask_table_unref(kernel.held);
	kernel.held = netmask_table_new();
	if (kernel.attached)
		kernel.attach(false);
	kernel.attached = false;
}

void kernel_blocks_clear(void)
{
	if (kernel.filter == NULL)
		return;
	kfilter_visit(kernel.filter, KFILTER_V4, remove_own, NULL);
	kfilter_visit(kernel.filter, KFILTER_V6, remove_own, NULL);
	kernel.has_ports[BLOCK_V4] = kernel.has_ports[BLOCK_V6] = false;
	forget_held();
}

uint64_t kernel_block_hits(const struct dynblock *b, uint64_t now_us, bool *in_kernel)
{
	struct kfilter_value v;
	struct kfilter_key k;
	bool found = find(b, &k, &v);

	*in_kernel = found && kfilter_in_force(&v, now_us);
	return found ? v.counter : 0;
}

void kernel_blocks_follow_settings(void)
{
	uint8_t action = (uint8_t)default_action();

	if (kernel.filter == NULL || action == kernel.default_action)
		return;
	kernel.default_action = action;
	bring_all_in_line(BLOCK_V4);
	bring_all_in_line(BLOCK_V6);
}

/* A block that the automatic filter is to have, since its packets are many. */
static void see_hot(void *ctx, struct dynblock *b)
{
	struct kfilter_value v;
	struct kfilter_key k;
	unsigned action = wanted(b, *(const uint64_t *)ctx);

	if (action != KFILTER_PASS && !kernel.refused && !find(b, &k, &v))
		put(b, action, 0);
}

/* Addresses whose entry has ended are given up, with their entry; at the last one, the filter. */
static void let_go(uint64_t now_us)
{
	struct netmask_table *stays = netmask_table_new();

	for (size_t i = 0; i < netmask_table_len(kernel.held); i++) {
		const struct netmask *nm = netmask_table_at(kernel.held, i, NULL);
		struct kfilter_value v;
		struct kfilter_key k;
		struct dynblock *b;

		kfilter_key_address(&nm->base, &k);
		if (!kfilter_get(kernel.filter, &k, &v))
			continue;
		b = block_of(&k);
		if (kfilter_in_force(&v, now_us))
			netmask_table_add(stays, nm, 0);
		else if (b != NULL)
			take_back(b);
		else
			kfilter_remove(kernel.filter, &k);
	}
	netmask_table_unref(kernel.held);
	kernel.held = stays;
	if (kernel.attached && netmask_table_len(stays) == 0)
		forget_held();
}

/* dyn-blocked has what the kernel did of it. */
static void count(void)
{
	uint64_t total;

	if (kernel.filter == NULL)
		return;
	total = kfilter_total(kernel.filter);
	stat_add(stats_control(), STAT_DYN_BLOCKED, total - kernel.seen);
	kernel.seen = total;
}

/* In the automatic filter, entries that were to change: a block that is still hot comes by itself.
 */
static void put_late(void)
{
	if (!kernel.late)
		return;
	kernel.late = false;
	bring_all_in_line(BLOCK_V4);
	bring_all_in_line(BLOCK_V6);
}

void kernel_blocks_tick(uint64_t now_us)
{
	if (kernel.filter == NULL)
		return;
	follow_ports(BLOCK_V4);
	follow_ports(BLOCK_V6);
	put_late();
	if (kernel.attach == NULL)
		return;
	block_hits_hot(HOT_RATE, see_hot, &now_us);
	let_go(now_us);
}

void kernel_blocks_start(struct kfilter *f, void (*attach)(bool on))
{
	assert(kernel.filter == NULL);
	if (!kfilter_is_live(f))
		return;
	kernel.filter = kfilter_ref(f);
	kernel.attach = attach;
	kernel.process = (uint32_t)getpid();
	kernel.held = netmask_table_new();
	kernel.default_action = (uint8_t)default_action();
	kernel.seen = kfilter_total(f);
	stats_before_reading(count);
	for (unsigned table = BLOCK_V4; table <= BLOCK_V6; table++) {
		kernel.has_ports[table] = has_ports(table);
		bring_all_in_line(table);
	}
}

/* Entries of maps that others have, or that are pinned, do not outlive the tables they are of. */
void kernel_blocks_stop(void)
{
	if (kernel.filter == NULL)
		return;
	kernel_blocks_clear();
	stats_before_reading(NULL);
	netmask_table_unref(kernel.held);
	kfilter_unref(kernel.filter);
	memset(&kernel, 0, sizeof(kernel));
}
