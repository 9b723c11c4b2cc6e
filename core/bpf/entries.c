/* Entries of the maps: a system call each. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdlib.h>
#include <string.h>

#include "core/bpf/internal.h"
#include "core/mem.h"

/* What may be over a moment later. */
static bool is_for_now(int rc)
{
	return rc == -ENOMEM || rc == -EBUSY || rc == -EAGAIN || rc == -EINTR || rc == -EDEADLK ||
	       rc == -ETIMEDOUT;
}

/* Memory of an entry comes from a small store of the CPU's, which an interrupt fills up again. */
#define PUT_TRIES 10

int kfilter_put(struct kfilter *f, const struct kfilter_key *k, const struct kfilter_value *value)
{
	int rc, tries = PUT_TRIES;

	if (!f->live)
		return 0;
	if (f->map_fd[k->map] < 0)
		return -ENOSPC;
	do
		rc = bpf_map_update_elem(f->map_fd[k->map], k->v6, value, BPF_ANY);
	while (is_for_now(rc) && --tries > 0);
	return rc == -E2BIG ? -ENOSPC : rc;
}

int kfilter_remove(struct kfilter *f, const struct kfilter_key *k)
{
	if (!f->live || f->map_fd[k->map] < 0)
		return -ENOENT;
	return bpf_map_delete_elem(f->map_fd[k->map], k->v6);
}

int kfilter_take(struct kfilter *f, const struct kfilter_key *k, struct kfilter_value *out)
{
	if (!f->live || f->map_fd[k->map] < 0 ||
	    bpf_map_lookup_elem(f->map_fd[k->map], k->v6, out) < 0)
		return -ENOENT;
	return kfilter_remove(f, k);
}

bool kfilter_get(const struct kfilter *f, const struct kfilter_key *k, struct kfilter_value *out)
{
	assert(!kfilter_is_range(k->map));
	return f->live && f->map_fd[k->map] >= 0 &&
	       bpf_map_lookup_elem(f->map_fd[k->map], k->v6, out) == 0;
}

bool kfilter_covering(const struct kfilter *f, const struct kfilter_key *range,
		      struct kfilter_value *out)
{
	return f->live && f->map_fd[range->map] >= 0 &&
	       bpf_map_lookup_elem(f->map_fd[range->map], range->v6, out) == 0;
}

/* Sees kfilter_visit's entries; a walk of one kind. */
struct walk {
	int fd;
	enum kfilter_map map;
	void (*visit)(void *ctx, const struct kfilter_key *k, const struct kfilter_value *v);
	void *ctx;
	uint64_t
		left; /* pinned maps are others' too, who may add while we walk: so it has an end */
};

static void see(struct walk *w, const uint8_t *octets, size_t len, const struct kfilter_value *v)
{
	struct kfilter_key k;

	memset(&k, 0, sizeof(k));
	k.map = w->map;
	memcpy(k.v6, octets, len);
	w->visit(w->ctx, &k, v);
}

/* So many at a time: ten times as fast as one by one, and more than are ever in one bucket. */
#define CHUNK 256

static void walk_hash(struct walk *w, size_t key_size)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	struct kfilter_value values[CHUNK];
	uint8_t keys[CHUNK * sizeof(struct kfilter_name)];
	uint32_t at, n;
	bool begun = false;
	int rc = 0;

	while (rc == 0 && w->left > 0) {
		n = CHUNK;
		rc = bpf_map_lookup_batch(w->fd, begun ? &at : NULL, &at, keys, values, &n, &opts);
		if (rc < 0 && rc != -ENOENT)
			return; /* ENOENT: these were the last */
		begun = true;
		for (uint32_t i = 0; i < n; i++)
			see(w, keys + i * key_size, key_size, &values[i]);
		w->left -= n < w->left ? n : w->left;
	}
}

/* Whose key goes while we stand at it has us begin anew, which is why the next is found first. */
static void walk_trie(struct walk *w, size_t key_size)
{
	uint8_t key[sizeof(struct kfilter_cidr6)], next[sizeof(struct kfilter_cidr6)];
	struct kfilter_value v;
	bool more = bpf_map_get_next_key(w->fd, NULL, key) == 0;

	for (; more && w->left > 0; w->left--) {
		bool there = bpf_map_lookup_elem(w->fd, key, &v) == 0;

		more = bpf_map_get_next_key(w->fd, key, next) == 0;
		if (there)
			see(w, key, key_size, &v);
		memcpy(key, next, key_size);
	}
}

void kfilter_visit(struct kfilter *f, enum kfilter_map map,
		   void (*visit)(void *ctx, const struct kfilter_key *k,
				 const struct kfilter_value *v),
		   void *ctx)
{
	struct walk w = {f->map_fd[map], map, visit, ctx, 2 * (uint64_t)f->max[map]};

	if (!f->live || w.fd < 0)
		return;
	if (map == KFILTER_CIDR4)
		walk_trie(&w, sizeof(struct kfilter_cidr4));
	else if (map == KFILTER_CIDR6)
		walk_trie(&w, sizeof(struct kfilter_cidr6));
	else
		walk_hash(&w, map == KFILTER_V4   ? 4
			      : map == KFILTER_V6 ? 16
						  : sizeof(struct kfilter_name));
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

uint64_t kfilter_total(const struct kfilter *f)
{
	int n = libbpf_num_possible_cpus();
	uint64_t sum = 0, *each;
	uint32_t key = KFILTER_TOTAL;

	if (!f->live || f->totals_fd < 0 || n < 1)
		return 0;
	each = mem_zalloc((size_t)n, sizeof(*each));
	if (bpf_map_lookup_elem(f->totals_fd, &key, each) == 0)
		for (int i = 0; i < n; i++)
			sum += each[i];
	free(each);
	return sum;
}
