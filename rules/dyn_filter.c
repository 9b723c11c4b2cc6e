#include "rules/dyn_filter.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "rules/dynblocks.h"
#include "rules/kernel_edits.h"

/* Lines a second about new blocks. The rest is one number. */
#define LINES_MAX 100

/* Blocks that a call of dyn_filters_tick looks at, some fifty milliseconds where all are past their
 * time. */
#define PURGE_STEP 16384

#define COMPLAIN_EVERY_US (60 * UINT64_C(1000000))

enum { EXCLUDED, INCLUDED };

/*
 * Purging goes through blocked, and gathers what stays: a table is not to be changed while one
 * walks it. What is blocked meanwhile goes where what stays goes.
 */
struct dyn_filter {
	unsigned refs;
	struct kfilter *filter;
	struct netmask_table *ranges; /* EXCLUDED or INCLUDED */
	/* whole addresses, with the second when they are to be looked at */
	struct netmask_table *blocked, *stays;
	size_t at;               /* of blocked: the next one to be looked at */
	struct dyn_filter *next; /* of those that are registered */
	bool registered;
};

static struct dyn_filter *registered;
static unsigned lines, held_back;

struct dyn_filter *dyn_filter_new(struct kfilter *f)
{
	struct dyn_filter *d = mem_zalloc(1, sizeof(*d));

	d->refs = 1;
	d->filter = kfilter_ref(f);
	d->ranges = netmask_table_new();
	d->blocked = netmask_table_new();
	d->stays = netmask_table_new();
	return d;
}

struct dyn_filter *dyn_filter_ref(struct dyn_filter *d)
{
	d->refs++;
	return d;
}

void dyn_filter_unref(struct dyn_filter *d)
{
	if (--d->refs > 0)
		return;
	netmask_table_unref(d->ranges);
	netmask_table_unref(d->blocked);
	netmask_table_unref(d->stays);
	kfilter_unref(d->filter);
	free(d);
}

static struct netmask whole(const struct addr *a)
{
	struct netmask nm = {.base = *a, .bits = a->sa.sa_family == AF_INET6 ? 128 : 32};

	addr_mask(&nm.base, nm.bits);
	return nm;
}

static void tell(const struct addr *a, uint32_t seconds, const char *reason)
{
	char text[ADDR_TEXT_MAX];

	if (lines++ < LINES_MAX)
		log_notice("kernel filter", "block of %s begins, for %u s: %s", addr_text(a, text),
			   seconds, reason);
	else
		held_back++;
}

static int block_in_user_space(const struct addr *a, uint32_t seconds, const char *reason,
			       bool quiet, struct err *err)
{
	struct dynblock_new new = {
		.addr = *a,
		.bits = whole(a).bits,
		.reason = reason,
		.seconds = seconds,
		.action = DNS_ACTION_DROP,
		.quiet = quiet,
	};
	int rc = dynblocks_add(&new, err);

	return rc < 0 ? rc : 0;
}

/* An attack has more sources than any map has room: an error would undo what else maintenance()
 * did, and so leave all of them unblocked. */
static void complain(const struct dyn_filter *d, enum kfilter_map map, int rc, uint64_t now_us)
{
	static uint64_t said_us;

	if (said_us != 0 && now_us - said_us < COMPLAIN_EVERY_US)
		return;
	said_us = now_us;
	log_warning("kernel filter",
		    "%s: what a DynBPFFilter has no place for is blocked in user space",
		    kfilter_put_error(d->filter, map, rc).text);
}

/* Whether an address needs no more looking after: it is not blocked, or by somebody else. */
static bool is_done(struct dyn_filter *d, const struct addr *a, uint64_t now_us)
{
	struct kfilter_value v;
	struct kfilter_key k;

	kfilter_key_address(a, &k);
	if (!kfilter_get(d->filter, &k, &v) || v.owner != KFILTER_TIMED)
		return true;
	if (kfilter_in_force(&v, now_us))
		return false;
	kfilter_remove(d->filter, &k);
	return true;
}

/* So many of them; at the end of a round the next one begins with what stays. */
static void purge_some(struct dyn_filter *d, size_t n, uint64_t now_us)
{
	uint32_t now_s = (uint32_t)(now_us / 1000000), when;

	for (; n > 0 && d->at < netmask_table_len(d->blocked); n--, d->at++) {
		struct netmask nm = *netmask_table_at(d->blocked, d->at, &when);

		if ((when > now_s || !is_done(d, &nm.base, now_us)) &&
		    !netmask_table_holds(d->stays, &nm))
			netmask_table_add(d->stays, &nm, when);
	}
	if (d->at < netmask_table_len(d->blocked))
		return;
	netmask_table_unref(d->blocked);
	d->blocked = d->stays;
	d->stays = netmask_table_new();
	d->at = 0;
}

void dyn_filter_purge(struct dyn_filter *d, uint64_t now_us)
{
	purge_some(d, SIZE_MAX, now_us); /* the round that is under way */
	purge_some(d, SIZE_MAX, now_us);
}

/* One that nobody purges knows more addresses than the kernel can have, some time. */
static void remember(struct dyn_filter *d, const struct addr *a, uint64_t now_us, uint64_t until_us)
{
	size_t room =
		(size_t)kfilter_max(d->filter, KFILTER_V4) + kfilter_max(d->filter, KFILTER_V6);
	struct netmask host = whole(a);

	netmask_table_add(d->stays, &host, (uint32_t)(until_us / 1000000));
	if (netmask_table_len(d->blocked) + netmask_table_len(d->stays) > 2 * room + PURGE_STEP)
		dyn_filter_purge(d, now_us);
}

int dyn_filter_block(struct dyn_filter *d, const struct addr *a, uint32_t seconds,
		     const char *reason, bool quiet, struct err *err)
{
	uint64_t now_us = clock_mono_us(), until_us = now_us + (uint64_t)seconds * 1000000;
	struct kfilter_value was, v = {.until_ns = kfilter_ns(until_us),
				       .action = KFILTER_DROP,
				       .owner = KFILTER_TIMED};
	struct kfilter_key k;
	bool is_new;
	int rc;

	if (netmask_table_lookup(d->ranges, a) == EXCLUDED)
		return 0;
	if (!kfilter_is_live(d->filter))
		return block_in_user_space(a, seconds, reason, quiet, err);
	kfilter_key_address(a, &k);
	is_new = !kfilter_get(d->filter, &k, &was) || !kfilter_in_force(&was, now_us);
	if (!is_new && (was.until_ns == 0 || was.until_ns >= v.until_ns))
		return 0;
	rc = kernel_edit_put(d->filter, &k, v);
	if (rc < 0) {
		complain(d, k.map, rc, now_us);
		return block_in_user_space(a, seconds, reason, quiet, err);
	}
	remember(d, a, now_us, until_us);
	if (is_new && !quiet)
		tell(a, seconds, reason);
	return 0;
}

void dyn_filter_exclude(struct dyn_filter *d, const struct netmask *nm)
{
	netmask_table_add(d->ranges, nm, EXCLUDED);
}

void dyn_filter_include(struct dyn_filter *d, const struct netmask *nm)
{
	netmask_table_add(d->ranges, nm, INCLUDED);
}

void dyn_filter_register(struct dyn_filter *d)
{
	if (d->registered)
		return;
	d->registered = true;
	d->next = registered;
	registered = dyn_filter_ref(d);
}

void dyn_filter_unregister(struct dyn_filter *d)
{
	struct dyn_filter **at = &registered;

	if (!d->registered)
		return;
	while (*at != d)
		at = &(*at)->next;
	*at = d->next;
	d->registered = false;
	dyn_filter_unref(d);
}

void dyn_filters_tick(uint64_t now_us)
{
	for (struct dyn_filter *d = registered; d; d = d->next)
		purge_some(d, PURGE_STEP, now_us);
	if (held_back > 0)
		log_notice("kernel filter", "%u more blocks have begun", held_back);
	lines = held_back = 0;
}

void dyn_filters_stop(void)
{
	while (registered != NULL)
		dyn_filter_unregister(registered);
}
