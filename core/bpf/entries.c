/* Entries of the maps: a system call each. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdlib.h>
#include <string.h>

#include "core/bpf/internal.h"
#include "core/mem.h"

int kfilter_put(struct kfilter *f, const struct kfilter_key *k, const struct kfilter_value *value)
{
	int rc;

	if (!f->live)
		return 0;
	if (f->map_fd[k->map] < 0)
		return -ENOSPC;
	rc = bpf_map_update_elem(f->map_fd[k->map], k->v6, value, BPF_ANY);
	return rc == -E2BIG ? -ENOSPC : rc;
}

int kfilter_remove(struct kfilter *f, const struct kfilter_key *k)
{
	if (!f->live || f->map_fd[k->map] < 0)
		return -ENOENT;
	return bpf_map_delete_elem(f->map_fd[k->map], k->v6);
}

/* A trie answers with what covers a key, so it is walked for exactly that one. */
struct search {
	const struct kfilter_key *key;
	struct kfilter_value *out;
	bool found;
};

static void compare(void *ctx, const struct kfilter_key *k, const struct kfilter_value *v)
{
	struct search *s = ctx;

	if (memcmp(k, s->key, sizeof(*k)) != 0)
		return;
	*s->out = *v;
	s->found = true;
}

bool kfilter_get(const struct kfilter *f, const struct kfilter_key *k, struct kfilter_value *out)
{
	struct search s = {k, out, false};

	if (!f->live || f->map_fd[k->map] < 0)
		return false;
	if (k->map != KFILTER_CIDR4 && k->map != KFILTER_CIDR6)
		return bpf_map_lookup_elem(f->map_fd[k->map], k->v6, out) == 0;
	kfilter_visit((struct kfilter *)(uintptr_t)f, k->map, compare, &s);
	return s.found;
}

bool kfilter_covering(const struct kfilter *f, const struct kfilter_key *range,
		      struct kfilter_value *out)
{
	return f->live && f->map_fd[range->map] >= 0 &&
	       bpf_map_lookup_elem(f->map_fd[range->map], range->v6, out) == 0;
}

/*
 * Who takes away the key that a walk stands at has it begin anew, and pinned maps are others' too:
 * so the walk has an end of its own.
 */
void kfilter_visit(struct kfilter *f, enum kfilter_map map,
		   void (*visit)(void *ctx, const struct kfilter_key *k,
				 const struct kfilter_value *v),
		   void *ctx)
{
	struct kfilter_key key, next;
	struct kfilter_value v;
	int fd = f->live ? f->map_fd[map] : -1;
	uint64_t left = 2 * (uint64_t)f->max[map];
	bool more;

	memset(&key, 0, sizeof(key));
	key.map = map;
	next = key;
	more = fd >= 0 && bpf_map_get_next_key(fd, NULL, key.v6) == 0;
	for (; more && left > 0; left--) {
		bool there = bpf_map_lookup_elem(fd, key.v6, &v) == 0;

		more = bpf_map_get_next_key(fd, key.v6, next.v6) == 0;
		if (there)
			visit(ctx, &key, &v);
		key = next;
	}
}

int kfilter_listener(struct kfilter *f, const struct addr *a, int protocol, bool on)
{
	struct kfilter_endpoint e = {.port = a->v4.sin_port, .protocol = (uint8_t)protocol};
	const uint8_t one = 1;
	size_t len;
	const uint8_t *octets = addr_bytes(a, &len);

	if (!f->live || f->xdp_fd < 0)
		return 0;
	e.version = len == 4 ? 4 : 6;
	memcpy(e.addr, octets, len);
	if (on)
		return bpf_map_update_elem(f->endpoints_fd, &e, &one, BPF_ANY);
	return bpf_map_delete_elem(f->endpoints_fd, &e);
}

uint64_t kfilter_total(const struct kfilter *f, enum kfilter_total which)
{
	int n = libbpf_num_possible_cpus();
	uint64_t sum = 0, *each;
	uint32_t key = which;

	if (!f->live || f->totals_fd < 0 || n < 1)
		return 0;
	each = mem_zalloc((size_t)n, sizeof(*each));
	if (bpf_map_lookup_elem(f->totals_fd, &key, each) == 0)
		for (int i = 0; i < n; i++)
			sum += each[i];
	free(each);
	return sum;
}
