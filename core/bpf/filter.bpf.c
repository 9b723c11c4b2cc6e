/*
 * The programs that the kernel runs: one for UDP sockets, one for TCP sockets, one for interfaces
 * (XDP). They drop by source address, by range, and over UDP by the question's name and type; XDP
 * also answers with TC. What they do not understand they let pass: an odd label, a fragment, an
 * option they were not made for, or a header cut short is the business of who reads it properly.
 *
 * An entry carries its end and is no entry from then on, so that nobody has to take it away in
 * time.
 */
#include "core/bpf/frame.bpf.h"
#include "core/bpf/lookup.bpf.h"

#define SOCKET_PASS 0xffffffffu /* so many octets of it */
#define SOCKET_DROP 0

char kf_license[] SEC("license") = "GPL"; /* GPL-2.0-or-later, as all of this */

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
 * Interfaces: programs for drivers, or for the kernel in their place.
 */
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
		name_len =
			READ_QUESTION(ctx, bpf_xdp_load_bytes, kf_xdp_name_len, f.transport_at, &n);
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
