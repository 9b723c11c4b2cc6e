/* For filter.bpf.c: frames of an interface read, and sent back as an answer with TC. */
#ifndef CORE_BPF_FRAME_BPF_H
#define CORE_BPF_FRAME_BPF_H

#include "core/bpf/lookup.bpf.h"

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

#endif
