#include "rules/kernel_filters.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"

static struct {
	struct kfilter **list, *by_default;
	unsigned n;
} filters;

void kernel_filters_add(struct kfilter *f)
{
	filters.list = mem_realloc(filters.list, filters.n + 1, sizeof(struct kfilter *));
	filters.list[filters.n++] = kfilter_ref(f);
}

void kernel_filters_visit(void (*visit)(void *ctx, struct kfilter *f), void *ctx)
{
	for (unsigned i = 0; i < filters.n; i++)
		visit(ctx, filters.list[i]);
}

unsigned kernel_filters_count(void)
{
	return filters.n;
}

struct entries {
	kernel_entry_visit *visit;
	void *ctx;
	uint64_t now_us;
};

static void see_entry(void *ctx, const struct kfilter_key *k, const struct kfilter_value *v)
{
	const struct entries *e = ctx;
	char text[KFILTER_TEXT_MAX];

	if (kfilter_in_force(v, e->now_us))
		e->visit(e->ctx, kfilter_key_text(k, text), v->counter);
}

void kernel_filter_entries(struct kfilter *f, kernel_entry_visit *visit, void *ctx)
{
	struct entries e = {visit, ctx, clock_mono_us()};

	for (unsigned i = 0; i < KFILTER_MAPS; i++)
		kfilter_visit(f, i, see_entry, &e);
}

void kernel_filters_entries(kernel_entry_visit *visit, void *ctx)
{
	for (unsigned i = 0; i < filters.n; i++)
		kernel_filter_entries(filters.list[i], visit, ctx);
}

struct kfilter *kernel_filter_default(void)
{
	return filters.by_default;
}

void kernel_filter_set_default(struct kfilter *f)
{
	struct kfilter *was = filters.by_default;

	filters.by_default = f ? kfilter_ref(f) : NULL;
	kfilter_unref(was);
}

static void begin(void *ctx, struct kfilter *f)
{
	struct err err = {""};

	if (kfilter_begin(f, &err) < 0)
		log_error("kernel filter", "%s", err.text);
}

void kernel_filters_begin(void)
{
	kernel_filters_visit(begin, NULL);
}

/* Entries take memory when they come; empty, each map is some hundred kilobytes of the kernel's. */
struct kfilter *kernel_filter_automatic(struct err *err)
{
	const struct kfilter_options o = {
		.map[KFILTER_V4].max = KERNEL_AUTOMATIC_MAX,
		.map[KFILTER_V6].max = KERNEL_AUTOMATIC_MAX,
	};
	struct kfilter *f;

	return kfilter_open(&o, &f, err) < 0 ? NULL : f;
}

void kernel_filters_stop(void)
{
	kernel_filter_set_default(NULL);
	for (unsigned i = 0; i < filters.n; i++)
		kfilter_unref(filters.list[i]);
	free(filters.list);
	filters.list = NULL;
	filters.n = 0;
}
