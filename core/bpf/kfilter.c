#include "core/bpf/kfilter.h"

#include <stdlib.h>
#include <string.h>

#include "core/bpf/internal.h"
#include "core/mem.h"

const char *const kfilter_max_option[KFILTER_MAPS] = {
	[KFILTER_V4] = "ipv4MaxItems",      [KFILTER_V6] = "ipv6MaxItems",
	[KFILTER_CIDR4] = "cidr4MaxItems",  [KFILTER_CIDR6] = "cidr6MaxItems",
	[KFILTER_NAMES] = "qnamesMaxItems",
};

const char *const kfilter_path_option[KFILTER_MAPS] = {
	[KFILTER_V4] = "ipv4PinnedPath",      [KFILTER_V6] = "ipv6PinnedPath",
	[KFILTER_CIDR4] = "cidr4PinnedPath",  [KFILTER_CIDR6] = "cidr6PinnedPath",
	[KFILTER_NAMES] = "qnamesPinnedPath",
};

struct kfilter *kfilter_new(const struct kfilter_options *o)
{
	struct kfilter *f = mem_zalloc(1, sizeof(*f));

	f->refs = 1;
	f->external = o->external;
	f->generic_only = o->generic_only;
	f->endpoints_fd = f->totals_fd = f->udp_fd = f->tcp_fd = f->xdp_fd = -1;
	for (unsigned i = 0; i < KFILTER_MAPS; i++) {
		f->map_fd[i] = -1;
		f->max[i] = o->map[i].max;
	}
	for (unsigned i = 0; i < KFILTER_INTERFACES_MAX; i++)
		f->link_fd[i] = -1;
	f->n_interfaces = o->n_interfaces;
	for (unsigned i = 0; i < o->n_interfaces; i++)
		f->interface[i] = mem_strdup(o->interface[i]);
	return f;
}

static int check(const struct kfilter_options *o, struct err *err)
{
	unsigned kinds = 0;

	if (o->external && o->n_interfaces > 0)
		return err_set(err, "external=true and interfaces do not go together: the program "
				    "of an external filter is not loaded here");
	for (unsigned i = 0; i < KFILTER_MAPS; i++) {
		kinds += o->map[i].pinned != NULL || (!o->external && o->map[i].max > 0);
		if (o->external && o->map[i].max > 0 && o->map[i].pinned == NULL)
			return err_set(err, "external=true with %s needs %s, where that map is",
				       kfilter_max_option[i], kfilter_path_option[i]);
	}
	if (kinds > 0)
		return 0;
	if (o->external)
		return err_set(err, "external=true needs a path, such as %s",
			       kfilter_path_option[KFILTER_V4]);
	return err_set(err, "a filter without room for anything: give %s, %s or their like",
		       kfilter_max_option[KFILTER_V4], kfilter_max_option[KFILTER_V6]);
}

int kfilter_open(const struct kfilter_options *o, struct kfilter **out, struct err *err)
{
	int rc = check(o, err);
	struct kfilter *f;

	*out = NULL;
	if (rc < 0)
		return rc;
	f = kfilter_new(o);
	rc = kfilter_load(f, o, err);
	f->live = rc == 0;
	if (rc < 0)
		kfilter_unref(f);
	else
		*out = f;
	return rc;
}

int kfilter_unopened(const struct kfilter_options *o, struct kfilter **out, struct err *err)
{
	int rc = check(o, err);

	*out = rc < 0 ? NULL : kfilter_new(o);
	return rc;
}

struct kfilter *kfilter_ref(struct kfilter *f)
{
	f->refs++;
	return f;
}

void kfilter_unref(struct kfilter *f)
{
	if (f == NULL || --f->refs > 0)
		return;
	kfilter_unload(f);
	for (unsigned i = 0; i < KFILTER_MAPS; i++)
		free(f->pin[i]);
	for (unsigned i = 0; i < f->n_interfaces; i++)
		free(f->interface[i]);
	free(f);
}

bool kfilter_is_live(const struct kfilter *f)
{
	return f->live;
}

bool kfilter_is_external(const struct kfilter *f)
{
	return f->external;
}

bool kfilter_can_truncate(const struct kfilter *f)
{
	return f->external || f->n_interfaces > 0;
}

uint32_t kfilter_max(const struct kfilter *f, enum kfilter_map map)
{
	return f->max[map];
}

int kfilter_program(const struct kfilter *f, int protocol)
{
	return protocol == IPPROTO_UDP ? f->udp_fd : f->tcp_fd;
}

struct err kfilter_put_error(const struct kfilter *f, enum kfilter_map map, int rc)
{
	struct err err;

	if (rc == -ENOSPC && f->max[map] == 0)
		err_set(&err, "the filter was made without room for this: %s is 0",
			kfilter_max_option[map]);
	else if (rc == -ENOSPC)
		err_set(&err, "the kernel's map is full: %s is %u", kfilter_max_option[map],
			f->max[map]);
	else if (rc == -EPERM)
		err_set(&err, "the kernel lets us no longer change the filter: before Linux 5.19 "
			      "addCapabilitiesToRetain('CAP_BPF') is needed with --uid");
	else
		err_set(&err, "the kernel's map can't be changed: %s", strerror(-rc));
	return err;
}

struct purge {
	struct kfilter *filter;
	uint64_t now_ns;
	size_t n;
};

static void purge_one(void *ctx, const struct kfilter_key *k, const struct kfilter_value *v)
{
	struct purge *p = ctx;

	if (v->until_ns != 0 && v->until_ns <= p->now_ns && kfilter_remove(p->filter, k) == 0)
		p->n++;
}

size_t kfilter_purge(struct kfilter *f, enum kfilter_map map, uint64_t now_ns)
{
	struct purge p = {f, now_ns, 0};

	kfilter_visit(f, map, purge_one, &p);
	return p.n;
}
