/*
 * What the kernel filter's programs and we both read and write: keys and values of its maps. Pinned
 * maps are shared with other processes, so a field that changes its place is another layout, and
 * sizes must then differ: they are what is checked when a map is opened.
 *
 * Included by core/bpf/filter.bpf.c too: kernel types only. Numbers are of the host's byte order
 * unless it says otherwise.
 */
#ifndef CORE_BPF_LAYOUT_H
#define CORE_BPF_LAYOUT_H

#include <linux/types.h>

/* What is done with a packet. The first of address, range and name that has a word on it decides. */
enum kfilter_action {
	KFILTER_PASS,     /* of a range, inside of one that drops */
	KFILTER_DROP,
	KFILTER_TRUNCATE, /* answered with TC over UDP by the XDP program; sockets get it */
	KFILTER_ACTIONS
};

/* Who made an entry, and so who takes it away. */
enum kfilter_owner {
	KFILTER_OPERATOR, /* block(), addRangeRule(), blockQName() */
	KFILTER_TIMED,    /* a DynBPFFilter */
	KFILTER_DYNBLOCK, /* a dynamic block, which is in our own tables as well */
};

/* Maps that hold entries. */
enum kfilter_map {
	KFILTER_V4,    /* hash: 4 octets of a source address */
	KFILTER_V6,    /* hash: 16 octets */
	KFILTER_CIDR4, /* trie of longest prefixes: struct kfilter_cidr4 */
	KFILTER_CIDR6,
	KFILTER_NAMES, /* hash: struct kfilter_name */
	KFILTER_MAPS
};

struct kfilter_value {
	__u64 counter;  /* packets that it was applied to; the program adds */
	__u64 until_ns; /* of CLOCK_MONOTONIC; from then on it is as if it were not there. 0: no end */
	__u16 action;   /* enum kfilter_action */
	__u16 owner;    /* enum kfilter_owner */
	__u32 process;  /* of KFILTER_DYNBLOCK: whose, since pinned maps are shared */
};

struct kfilter_cidr4 {
	__u32 bits;
	__u8 addr[4];
};

struct kfilter_cidr6 {
	__u32 bits;
	__u8 addr[16];
};

/* An exact name in wire format and lower case, zeroes behind it. In words, since that is how it is
 * put in lower case. */
#define KFILTER_NAME_WORDS 32
#define KFILTER_ANY_TYPE   0xffff
struct kfilter_name {
	union {
		__u8 octets[KFILTER_NAME_WORDS * 8];
		__u64 words[KFILTER_NAME_WORDS];
	};
	__u16 qtype; /* KFILTER_ANY_TYPE: all */
	__u16 zero[3];
};

/*
 * Where listeners are that the XDP program works for: what it drops elsewhere would be another
 * server's, or on its way through this machine. A wildcard is the address of zeroes.
 */
struct kfilter_endpoint {
	__u8 addr[16]; /* IPv4: the first 4 */
	__u16 port;    /* network order */
	__u8 version;  /* 4 or 6 */
	__u8 protocol; /* IPPROTO_UDP, IPPROTO_TCP */
};
#define KFILTER_ENDPOINTS_MAX 4096

/* Packets in all that were dropped or truncated by an entry of KFILTER_DYNBLOCK; a counter each CPU
 * at this index of an array. */
#define KFILTER_TOTAL 0

#endif
