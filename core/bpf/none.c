/* A build without the programs: no filter is ever live. */
#include "core/bpf/internal.h"

bool kfilter_is_built(void)
{
	return false;
}

int kfilter_load(struct kfilter *f, const struct kfilter_options *o, struct err *err)
{
	err_set(err, "it is not built in (libbpf and clang were not there at build time)");
	return -EOPNOTSUPP;
}

void kfilter_unload(struct kfilter *f)
{
}

int kfilter_begin(struct kfilter *f, struct err *err)
{
	return 0;
}

int kfilter_put(struct kfilter *f, const struct kfilter_key *k, const struct kfilter_value *value)
{
	return 0;
}

int kfilter_remove(struct kfilter *f, const struct kfilter_key *k)
{
	return -ENOENT;
}

int kfilter_take(struct kfilter *f, const struct kfilter_key *k, struct kfilter_value *out)
{
	return -ENOENT;
}

bool kfilter_get(const struct kfilter *f, const struct kfilter_key *k, struct kfilter_value *out)
{
	return false;
}

bool kfilter_covering(const struct kfilter *f, const struct kfilter_key *range,
		      struct kfilter_value *out)
{
	return false;
}

void kfilter_visit(struct kfilter *f, enum kfilter_map map,
		   void (*visit)(void *ctx, const struct kfilter_key *k,
				 const struct kfilter_value *v),
		   void *ctx)
{
}

int kfilter_listener(struct kfilter *f, const struct addr *a, int protocol, bool on)
{
	return 0;
}

uint64_t kfilter_total(const struct kfilter *f)
{
	return 0;
}
