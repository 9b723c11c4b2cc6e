/* For filter.bpf.c: the maps, and who finds a packet in them. */
#ifndef CORE_BPF_LOOKUP_BPF_H
#define CORE_BPF_LOOKUP_BPF_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "core/bpf/layout.h"

#define NAME_MAX    255
#define LABEL_MAX   63
#define LABELS_MAX  128 /* with the root */
#define DNS_HEADER  12
#define UDP_HEADER  8
#define QUESTION_AT (UDP_HEADER + DNS_HEADER)

#define SIZED_MAP(name, kind, key_type)                   \
	struct {                                          \
		__uint(type, kind);                       \
		__uint(map_flags, BPF_F_NO_PREALLOC);     \
		__uint(max_entries, 1); /* set at load */ \
		__type(key, key_type);                    \
		__type(value, struct kfilter_value);      \
	} name SEC(".maps")

SIZED_MAP(kf_v4, BPF_MAP_TYPE_HASH, __u32);
SIZED_MAP(kf_v6, BPF_MAP_TYPE_HASH, struct in6_addr);
SIZED_MAP(kf_cidr4, BPF_MAP_TYPE_LPM_TRIE, struct kfilter_cidr4);
SIZED_MAP(kf_cidr6, BPF_MAP_TYPE_LPM_TRIE, struct kfilter_cidr6);
SIZED_MAP(kf_names, BPF_MAP_TYPE_HASH, struct kfilter_name);

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, KFILTER_ENDPOINTS_MAX);
	__type(key, struct kfilter_endpoint);
	__type(value, __u8);
} kf_endpoints SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, KFILTER_TOTAL + 1);
	__type(key, __u32);
	__type(value, __u64);
} kf_totals SEC(".maps");

/* Kinds of entries there can be at all; the verifier removes the code for the others. In a section
 * of its own, which is all of a map's value then. */
const volatile __u8 kf_uses[KFILTER_MAPS] SEC(".rodata.uses");

static __always_inline struct kfilter_value *in_force(struct kfilter_value *v)
{
	return v && v->until_ns != 0 && v->until_ns <= bpf_ktime_get_ns() ? 0 : v;
}

/* Its range is longest-prefix: an entry of bits 32 or 128 is the question, not an answer. */
static __always_inline struct kfilter_value *by_v4(struct kfilter_cidr4 *who)
{
	struct kfilter_value *v = 0;

	if (kf_uses[KFILTER_V4])
		v = in_force(bpf_map_lookup_elem(&kf_v4, who->addr));
	if (!v && kf_uses[KFILTER_CIDR4])
		v = in_force(bpf_map_lookup_elem(&kf_cidr4, who));
	return v;
}

static __always_inline struct kfilter_value *by_v6(struct kfilter_cidr6 *who)
{
	struct kfilter_value *v = 0;

	if (kf_uses[KFILTER_V6])
		v = in_force(bpf_map_lookup_elem(&kf_v6, who->addr));
	if (!v && kf_uses[KFILTER_CIDR6])
		v = in_force(bpf_map_lookup_elem(&kf_cidr6, who));
	return v;
}

/*
 * Lengths of labels are below any letter, so all octets are treated alike; eight at a time.
 * Unrolled: without CAP_PERFMON the verifier takes no loop over the stack.
 */
static __always_inline void lower_case(struct kfilter_name *n)
{
	const __u64 ones = 0x0101010101010101ull;

#pragma unroll
	for (int i = 0; i < KFILTER_NAME_WORDS; i++) {
		__u64 w = n->words[i], low = w & 0x7f * ones;
		__u64 from_a = low + (0x80 - 'A') * ones, above_z = low + (0x7f - 'Z') * ones;

		n->words[i] = w | ((from_a ^ above_z) & ~w & 0x80 * ones) >> 2;
	}
}

static __always_inline struct kfilter_value *by_name(struct kfilter_name *n)
{
	struct kfilter_value *v;

	lower_case(n);
	v = in_force(bpf_map_lookup_elem(&kf_names, n));
	if (v)
		return v;
	n->qtype = KFILTER_ANY_TYPE;
	return in_force(bpf_map_lookup_elem(&kf_names, n));
}

static __always_inline void count(struct kfilter_value *v)
{
	__u32 at = KFILTER_TOTAL;
	__u64 *total;

	__sync_fetch_and_add(&v->counter, 1);
	if (v->owner != KFILTER_DYNBLOCK)
		return;
	total = bpf_map_lookup_elem(&kf_totals, &at);
	if (total)
		*total += 1;
}

/* A query with one question; flags and counts are as they came. */
struct dns_header {
	__be16 id, flags, questions, answers, authorities, additionals;
};

static __always_inline int is_query(const struct dns_header *h)
{
	return !(h->flags & bpf_htons(0x8000)) && h->questions == bpf_htons(1);
}

/*
 * Length of the name at an offset of the datagram; 0: none that is whole and has plain labels. For
 * an skb and an XDP frame. Global functions, which the verifier looks at once instead of on every
 * way that leads to them.
 */
#define NAME_LEN(function, context, load)                                         \
	__attribute__((noinline)) int function(struct context *ctx, __u32 at)     \
	{                                                                         \
		__u32 off = 0;                                                    \
                                                                                  \
		for (int i = 0; i < LABELS_MAX; i++) {                            \
			__u8 label = 0;                                           \
                                                                                  \
			if (off > NAME_MAX - 1 || load(ctx, at + off, &label, 1)) \
				return 0;                                         \
			off += 1 + label;                                         \
			if (label > LABEL_MAX)                                    \
				return 0;                                         \
			if (label == 0)                                           \
				return (int)off;                                  \
		}                                                                 \
		return 0;                                                         \
	}
NAME_LEN(kf_skb_name_len, __sk_buff, bpf_skb_load_bytes)
NAME_LEN(kf_xdp_name_len, xdp_md, bpf_xdp_load_bytes)

/* Reads the question of the datagram whose UDP header is at an offset; its name's length, or 0. */
#define READ_QUESTION(ctx, load, name_len, udp_at, n)                                 \
	({                                                                            \
		struct dns_header h;                                                  \
		__be16 type[2]; /* and the class */                                   \
		__u32 len = 0;                                                        \
		if (!load(ctx, (udp_at) + UDP_HEADER, &h, sizeof(h)) && is_query(&h)) \
			len = (__u32)name_len(ctx, (udp_at) + QUESTION_AT);           \
		if (len < 1 || len > NAME_MAX ||                                      \
		    load(ctx, (udp_at) + QUESTION_AT, (n)->octets, len) ||            \
		    load(ctx, (udp_at) + QUESTION_AT + len, type, sizeof(type)))      \
			len = 0;                                                      \
		else                                                                  \
			(n)->qtype = bpf_ntohs(type[0]);                              \
		len;                                                                  \
	})

#endif
