/* The filter's own state, for core/bpf alone. */
#ifndef CORE_BPF_INTERNAL_H
#define CORE_BPF_INTERNAL_H

#include "core/bpf/kfilter.h"

struct bpf_object;

struct kfilter {
	unsigned refs;
	bool live, external, generic_only;
	uint32_t max[KFILTER_MAPS]; /* 0: no such kind */
	char *pin[KFILTER_MAPS];    /* where a map of ours is to be pinned; NULL: nowhere, or done */
	char *interface[KFILTER_INTERFACES_MAX];
	unsigned n_interfaces;
	/* descriptors; -1: none */
	int map_fd[KFILTER_MAPS], endpoints_fd, totals_fd;
	int udp_fd, tcp_fd, xdp_fd;
	int link_fd[KFILTER_INTERFACES_MAX];
	struct bpf_object *object; /* has the descriptors, unless external */
};

/* With all descriptors -1. */
struct kfilter *kfilter_new(const struct kfilter_options *o);

/* core/bpf/load.c, or none.c in a build without it: what kfilter_open does to a new one; and undoes. */
int kfilter_load(struct kfilter *f, const struct kfilter_options *o, struct err *err);
void kfilter_unload(struct kfilter *f);

#endif
