/*
 * The programs that the kernel runs: one for UDP sockets, one for TCP sockets, one for interfaces
 * (XDP). They drop by source address, by range, and over UDP by the question's name and type; XDP
 * also answers with TC. What they do not understand they let pass: an odd label, a fragment, an
 * option they were not made for, or a header cut short is the business of who reads it properly.
 *
 * An entry carries its end and is no entry from then on, so that nobody has to take it away in time.
 */
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

#define SOCKET_PASS 0xffffffffu /* so many octets of it */
#define SOCKET_DROP 0

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
	__uint(max_entries, KFILTER_TOTALS);
	__type(key, __u32);
	__type(value, __u64);
} kf_totals SEC(".maps");

/* Kinds of entries there can be at all; the verifier removes the code for the others. In a section
 * of its own, which is all of a map's value then. */
const volatile __u8 kf_uses[KFILTER_MAPS] SEC(".rodata.uses");

char kf_license[] SEC("license") = "GPL"; /* GPL-2.0-or-later, as all of this */

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
 * Lengths of labels are below any letter, so all octets are treated alike; eight at a time. Unrolled:
 * without CAP_PERFMON the verifier takes no loop over the stack.
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
	__u32 which = v->owner == KFILTER_DYNBLOCK ? KFILTER_BY_DYNBLOCK : KFILTER_BY_OTHERS;
	__u64 *total = bpf_map_lookup_elem(&kf_totals, &which);

	__sync_fetch_and_add(&v->counter, 1);
	if (total && v->action != KFILTER_PASS)
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
#define NAME_LEN(function, context, load)                                   \
	__attribute__((noinline)) int function(struct context *ctx, __u32 at)  \
	{                                                                   \
		__u32 off = 0;                                              \
                                                                            \
		for (int i = 0; i < LABELS_MAX; i++) {                      \
			__u8 label = 0;                                     \
                                                                            \
			if (off > NAME_MAX - 1 || load(ctx, at + off, &label, 1)) \
				return 0;                                   \
			off += 1 + label;                                   \
			if (label > LABEL_MAX)                              \
				return 0;                                   \
			if (label == 0)                                     \
				return (int)off;                            \
		}                                                           \
		return 0;                                                   \
	}
NAME_LEN(kf_skb_name_len, __sk_buff, bpf_skb_load_bytes)
NAME_LEN(kf_xdp_name_len, xdp_md, bpf_xdp_load_bytes)

/* Reads the question of the datagram whose UDP header is at an offset; its name's length, or 0. */
#define READ_QUESTION(ctx, load, name_len, udp_at, n)                                              \
	({                                                                               \
		struct dns_header h;                                                     \
		__be16 type[2]; /* and the class */                                      \
		__u32 len = 0;                                                           \
		if (!load(ctx, (udp_at) + UDP_HEADER, &h, sizeof(h)) && is_query(&h))    \
			len = (__u32)name_len(ctx, (udp_at) + QUESTION_AT);               \
		if (len < 1 || len > NAME_MAX ||                                         \
		    load(ctx, (udp_at) + QUESTION_AT, (n)->octets, len) ||               \
		    load(ctx, (udp_at) + QUESTION_AT + len, type, sizeof(type)))         \
			len = 0;                                                         \
		else                                                                     \
			(n)->qtype = bpf_ntohs(type[0]);                                 \
		len;                                                                     \
	})

/*
 * Sockets. Offset 0 is the header of UDP or TCP; the network's is found from its own beginning. TCP
 * has no names: they come when a connection has been taken.
 */
static __always_inline struct kfilter_value *by_source(struct __sk_buff *skb)
{
	__u8 version;

	if (bpf_skb_load_bytes_relative(skb, 0, &version, 1, BPF_HDR_START_NET))
		return 0;
	if (version >> 4 == 4) {
		struct kfilter_cidr4 who = {.bits = 32};

		if (bpf_skb_load_bytes_relative(skb, offsetof(struct iphdr, saddr), who.addr, 4,
						BPF_HDR_START_NET))
			return 0;
		return by_v4(&who);
	}
	if (version >> 4 == 6) {
		struct kfilter_cidr6 who = {.bits = 128};

		if (bpf_skb_load_bytes_relative(skb, offsetof(struct ipv6hdr, saddr), who.addr, 16,
						BPF_HDR_START_NET))
			return 0;
		return by_v6(&who);
	}
	return 0;
}

/* What asks for TC is answered by who gets it. */
static __always_inline int socket_verdict(struct kfilter_value *v)
{
	if (!v || v->action == KFILTER_TRUNCATE)
		return SOCKET_PASS;
	count(v);
	return v->action == KFILTER_DROP ? SOCKET_DROP : SOCKET_PASS;
}

SEC("socket")
int kf_udp(struct __sk_buff *skb)
{
	struct kfilter_value *v = by_source(skb);

	if (!v && kf_uses[KFILTER_NAMES]) {
		struct kfilter_name n = {};

		if (READ_QUESTION(skb, bpf_skb_load_bytes, kf_skb_name_len, 0, &n))
			v = by_name(&n);
	}
	return socket_verdict(v);
}

SEC("socket")
int kf_tcp(struct __sk_buff *skb)
{
	return socket_verdict(by_source(skb));
}

/*
 * Interfaces.
 */
struct frame {
	void *data, *end;
	__u32 network_at, transport_at;
	__u8 version, protocol;
};

/* Finds the headers; 0 for what is none of ours. */
static __always_inline int read_frame(struct xdp_md *ctx, struct frame *f)
{
	struct ethhdr *eth;
	__be16 type;

	f->data = (void *)(long)ctx->data;
	f->end = (void *)(long)ctx->data_end;
	eth = f->data;
	if ((void *)(eth + 1) > f->end)
		return 0;
	type = eth->h_proto;
	f->network_at = sizeof(*eth);
	if (type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD)) {
		__be16 *tag = (void *)(eth + 1);

		if ((void *)(tag + 2) > f->end)
			return 0;
		type = tag[1];
		f->network_at += 4;
	}
	if (type == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = f->data + f->network_at;

		/* a fragment may be the rest of anything */
		if ((void *)(ip + 1) > f->end || ip->version != 4 || ip->ihl != 5 ||
		    (ip->frag_off & bpf_htons(0x3fff)))
			return 0;
		f->version = 4;
		f->protocol = ip->protocol;
		f->transport_at = f->network_at + sizeof(*ip);
	} else if (type == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = f->data + f->network_at;

		if ((void *)(ip + 1) > f->end || ip->version != 6)
			return 0;
		f->version = 6;
		f->protocol = ip->nexthdr;
		f->transport_at = f->network_at + sizeof(*ip);
	} else {
		return 0;
	}
	return f->protocol == IPPROTO_UDP || f->protocol == IPPROTO_TCP;
}

static __always_inline struct kfilter_value *by_sender(const struct frame *f)
{
	if (f->version == 4) {
		struct iphdr *ip = f->data + f->network_at;
		struct kfilter_cidr4 who = {.bits = 32};

		if ((void *)(ip + 1) > f->end)
			return 0;
		__builtin_memcpy(who.addr, &ip->saddr, sizeof(who.addr));
		return by_v4(&who);
	} else {
		struct ipv6hdr *ip = f->data + f->network_at;
		struct kfilter_cidr6 who = {.bits = 128};

		if ((void *)(ip + 1) > f->end)
			return 0;
		__builtin_memcpy(who.addr, &ip->saddr, sizeof(who.addr));
		return by_v6(&who);
	}
}

static __always_inline int is_for_listener(const struct frame *f)
{
	struct kfilter_endpoint to = {.version = f->version, .protocol = f->protocol};
	__be16 *ports = f->data + f->transport_at;

	if ((void *)(ports + 2) > f->end)
		return 0;
	to.port = ports[1];
	if (bpf_map_lookup_elem(&kf_endpoints, &to))
		return 1;
	if (f->version == 4) {
		struct iphdr *ip = f->data + f->network_at;

		if ((void *)(ip + 1) > f->end)
			return 0;
		__builtin_memcpy(to.addr, &ip->daddr, sizeof(ip->daddr));
	} else {
		struct ipv6hdr *ip = f->data + f->network_at;

		if ((void *)(ip + 1) > f->end)
			return 0;
		__builtin_memcpy(to.addr, &ip->daddr, sizeof(ip->daddr));
	}
	return bpf_map_lookup_elem(&kf_endpoints, &to) != 0;
}

static __always_inline __u16 folded(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)(sum + (sum >> 16));
}

/* From an offset to the end of the frame, which holds one question and its headers. */
__attribute__((noinline)) __u32 kf_sum_to_end(struct xdp_md *ctx, __u32 at)
{
	void *end = (void *)(long)ctx->data_end;
	__u8 *p = (void *)(long)ctx->data + (at & 0xff);
	__u32 sum = 0;

	for (int i = 0; i < (QUESTION_AT + NAME_MAX + 5) / 2; i++, p += 2) {
		if ((void *)(p + 2) > end) {
			if ((void *)(p + 1) <= end)
				sum += bpf_htons((__u16)(*p << 8));
			break;
		}
		sum += *(__u16 *)p;
	}
	return sum;
}

static __always_inline void swap_octets(__u8 *a, __u8 *b, int n)
{
	for (int i = 0; i < n; i++) {
		__u8 kept = a[i];

		a[i] = b[i];
		b[i] = kept;
	}
}

static __always_inline __u32 sum_words(const void *p, int octets)
{
	const __u16 *w = p;
	__u32 sum = 0;

	for (int i = 0; i < octets / 2; i++)
		sum += w[i];
	return sum;
}

/* The network's header of the answer; what it adds to UDP's sum. 0, which can't be: cut short. */
static __always_inline __u32 turn_network(struct frame *f, __u16 udp_len)
{
	__u32 sum = bpf_htons(IPPROTO_UDP) + bpf_htons(udp_len);

	if (f->version == 4) {
		struct iphdr *ip = f->data + f->network_at;

		if ((void *)(ip + 1) > f->end)
			return 0;
		swap_octets((__u8 *)&ip->saddr, (__u8 *)&ip->daddr, 4);
		ip->tot_len = bpf_htons((__u16)(udp_len + sizeof(*ip)));
		ip->tos = 0;
		ip->ttl = 64;
		ip->check = 0;
		ip->check = (__u16)~folded(sum_words(ip, sizeof(*ip)));
		return sum + sum_words(&ip->saddr, 8);
	} else {
		struct ipv6hdr *ip = f->data + f->network_at;

		if ((void *)(ip + 1) > f->end)
			return 0;
		swap_octets((__u8 *)&ip->saddr, (__u8 *)&ip->daddr, 16);
		ip->payload_len = bpf_htons(udp_len);
		ip->priority = 0;
		__builtin_memset(ip->flow_lbl, 0, sizeof(ip->flow_lbl));
		ip->hop_limit = 64;
		return sum + sum_words(&ip->saddr, 32);
	}
}

static __always_inline int find_again(struct xdp_md *ctx, struct frame *f)
{
	f->data = (void *)(long)ctx->data;
	f->end = (void *)(long)ctx->data_end;
	return f->data + sizeof(struct ethhdr) <= f->end;
}

/*
 * Sends the query back as its own answer: header and question, TC set, nothing else, so that no
 * answer is larger than its query. The checksum is made anew, since that of a query from this very
 * machine may not have been made yet.
 */
static __always_inline int answer_cut(struct xdp_md *ctx, struct frame *f, __u32 name_len)
{
	__u32 udp_len = QUESTION_AT + name_len + 4;
	__u32 want = f->transport_at + udp_len, have = (__u32)(f->end - f->data), sum;
	struct udphdr *udp;
	struct dns_header *h;
	struct ethhdr *eth;

	if (have < want || bpf_xdp_adjust_tail(ctx, (int)want - (int)have) || !find_again(ctx, f))
		return XDP_PASS;
	eth = f->data;
	udp = f->data + f->transport_at;
	h = (void *)(udp + 1);
	if ((void *)(h + 1) > f->end)
		return XDP_DROP;
	sum = turn_network(f, (__u16)udp_len);
	if (sum == 0)
		return XDP_DROP;
	swap_octets(eth->h_source, eth->h_dest, ETH_ALEN);
	swap_octets((__u8 *)&udp->source, (__u8 *)&udp->dest, 2);
	udp->len = bpf_htons((__u16)udp_len);
	udp->check = 0;
	/* QR and TC; opcode, RD and CD stay */
	h->flags = (h->flags & bpf_htons(0x7910)) | bpf_htons(0x8200);
	h->answers = h->authorities = h->additionals = 0;
	sum += kf_sum_to_end(ctx, f->transport_at);
	if (!find_again(ctx, f) || f->data + f->transport_at + sizeof(*udp) > f->end)
		return XDP_DROP;
	udp = f->data + f->transport_at;
	udp->check = (__u16)~folded(sum);
	if (udp->check == 0)
		udp->check = 0xffff; /* RFC 768: 0 says that there is none */
	return XDP_TX;
}

SEC("xdp")
int kf_xdp(struct xdp_md *ctx)
{
	struct kfilter_value *v;
	struct kfilter_name n = {};
	struct frame f = {};
	__u32 name_len = 0;

	if (!read_frame(ctx, &f))
		return XDP_PASS;
	v = by_sender(&f);
	if ((!v && !(kf_uses[KFILTER_NAMES] && f.protocol == IPPROTO_UDP)) || !is_for_listener(&f))
		return XDP_PASS;
	if (f.protocol == IPPROTO_UDP && (!v || v->action == KFILTER_TRUNCATE)) {
		name_len = READ_QUESTION(ctx, bpf_xdp_load_bytes, kf_xdp_name_len,
					 f.transport_at, &n);
		if (name_len && !v)
			v = by_name(&n);
	}
	if (!v)
		return XDP_PASS;
	switch (v->action) {
	case KFILTER_DROP:
		count(v);
		return XDP_DROP;
	case KFILTER_TRUNCATE:
		if (f.protocol != IPPROTO_UDP || name_len < 1 || name_len > NAME_MAX)
			return XDP_PASS;
		count(v);
		return answer_cut(ctx, &f, name_len);
	default:
		return XDP_PASS; /* counted where it would have been dropped else: at the socket */
	}
}
