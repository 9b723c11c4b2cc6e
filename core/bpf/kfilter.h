/*
 * The kernel filter: maps of what is dropped before it reaches us, and the programs that look into
 * them, for sockets and for interfaces (core/bpf/filter.bpf.c). Whether the kernel, our capabilities
 * and this build permit it is known when one is opened; what cannot be done there is the caller's to
 * do in user space.
 *
 * Everything is the control thread's. The maps are the kernel's, so an edit holds at once, for
 * packets on all cores.
 */
#ifndef CORE_BPF_KFILTER_H
#define CORE_BPF_KFILTER_H

#include "core/bpf/layout.h"
#include "core/dns/name.h"
#include "core/netmask.h"

#define KFILTER_INTERFACES_MAX 32

struct kfilter_options {
	struct {
		uint32_t max;       /* entries; 0: none of this kind, unless it is pinned */
		const char *pinned; /* path on a bpf file system; NULL: nowhere */
	} map[KFILTER_MAPS];
	/* Maps are there already, each at its path, and so is the program that reads them. */
	bool external;
	/* Where the XDP program is to run. */
	const char *interface[KFILTER_INTERFACES_MAX];
	unsigned n_interfaces;
	bool generic_only; /* XDP in the kernel's own mode, whatever the driver can */
};

struct kfilter;

/* Names of the options that say how many entries and where: "ipv4MaxItems", "ipv4PinnedPath". */
extern const char *const kfilter_max_option[KFILTER_MAPS], *const kfilter_path_option[KFILTER_MAPS];

/* Whether the programs are in this build. */
bool kfilter_is_built(void);

/*
 * Opens maps and loads programs; nothing is pinned and nothing attached yet. Gives one reference.
 * 0; -EINVAL for what is wrong with the options (a path without a map, a map with other sizes, an
 * unknown interface), or another negative errno when the kernel or our capabilities do not permit
 * it; err says which, and what would be right. Without a capability for it bpf(2) is not called.
 */
int kfilter_open(const struct kfilter_options *o, struct kfilter **out, struct err *err);

/*
 * One without a kernel: it is never live, and what is done with it does nothing. The options are
 * checked as far as that goes without a look at the system. Gives one reference. 0 or -EINVAL.
 */
int kfilter_unopened(const struct kfilter_options *o, struct kfilter **out, struct err *err);

struct kfilter *kfilter_ref(struct kfilter *f);
void kfilter_unref(struct kfilter *f); /* harmless on NULL; the last one detaches and frees */

/* Whether entries have an effect. */
bool kfilter_is_live(const struct kfilter *f);

/* Whether its maps belong to another program, so that there is nothing to attach. */
bool kfilter_is_external(const struct kfilter *f);

/* Whether KFILTER_TRUNCATE is more than letting pass: an XDP program is there, or may be. */
bool kfilter_can_truncate(const struct kfilter *f);

/* Most entries of a kind, as its map has it; 0: there is no such kind. */
uint32_t kfilter_max(const struct kfilter *f, enum kfilter_map map);

/*
 * When the configuration is in force: pins what was made for a path, and attaches to interfaces.
 * Needs the privileges of the start. 0, or a negative errno with err set: what was done stays.
 */
int kfilter_begin(struct kfilter *f, struct err *err);

/* The program for sockets of a protocol, a descriptor that is lent; -1: none. */
int kfilter_program(const struct kfilter *f, int protocol);

/* Has the XDP program work for a listener, or no longer. 0 or a negative errno. */
int kfilter_listener(struct kfilter *f, const struct addr *a, int protocol, bool on);

/* What an entry is found by. */
struct kfilter_key {
	enum kfilter_map map;
	union {
		uint8_t v4[4];
		uint8_t v6[16];
		struct kfilter_cidr4 cidr4;
		struct kfilter_cidr6 cidr6;
		struct kfilter_name name;
	};
};

/* IPv4-mapped IPv6 addresses, and ranges of 96 bits or more of them, are IPv4. */
void kfilter_key_address(const struct addr *a, struct kfilter_key *k);
void kfilter_key_range(const struct netmask *nm, struct kfilter_key *k);
void kfilter_key_name(const uint8_t *name, size_t len, uint16_t qtype, struct kfilter_key *k);

/* "192.0.2.1", "2001:db8::/32", "example.org. AAAA", or "example.org." for all types. Returns text. */
#define KFILTER_TEXT_MAX (DNS_NAME_TEXT_MAX + 16)
char *kfilter_key_text(const struct kfilter_key *k, char text[static KFILTER_TEXT_MAX]);

/*
 * Adds an entry or replaces one; value->counter is where its count begins. 0, -ENOSPC (the map is
 * full, or there is none of this kind), -EPERM (the kernel takes none from us any more), or what
 * the kernel said several times in a row, which may pass (-ENOMEM, -EBUSY …).
 */
int kfilter_put(struct kfilter *f, const struct kfilter_key *k, const struct kfilter_value *value);

/* What kfilter_put's negative errno means, for who asked. */
struct err kfilter_put_error(const struct kfilter *f, enum kfilter_map map, int rc);

/* 0 or -ENOENT. */
int kfilter_remove(struct kfilter *f, const struct kfilter_key *k);

/* As kfilter_remove, and says what the entry was; out is undefined where there was none. */
int kfilter_take(struct kfilter *f, const struct kfilter_key *k, struct kfilter_value *out);

/* Of a map of ranges: the kernel says what covers a range, but not whether it has exactly that one.
 */
static inline bool kfilter_is_range(enum kfilter_map map)
{
	return map == KFILTER_CIDR4 || map == KFILTER_CIDR6;
}

/* Whether there is an entry of exactly this key, past its time or not. Not of ranges. */
bool kfilter_get(const struct kfilter *f, const struct kfilter_key *k, struct kfilter_value *out);

/* The longest range that has this address or range in it, or has the same bits. */
bool kfilter_covering(const struct kfilter *f, const struct kfilter_key *range,
		      struct kfilter_value *out);

/* All entries of a kind, in no order; visit may remove the one it sees. */
void kfilter_visit(struct kfilter *f, enum kfilter_map map,
		   void (*visit)(void *ctx, const struct kfilter_key *k,
				 const struct kfilter_value *v),
		   void *ctx);

/* Takes out the entries of a kind that are past their time, of all owners. Returns how many. */
size_t kfilter_purge(struct kfilter *f, enum kfilter_map map, uint64_t now_ns);

/* Packets that the programs loaded here dropped or truncated for dynamic blocks, since then. */
uint64_t kfilter_total(const struct kfilter *f);

/* CLOCK_MONOTONIC as entries have it. */
static inline uint64_t kfilter_ns(uint64_t mono_us)
{
	return mono_us * 1000;
}

static inline bool kfilter_in_force(const struct kfilter_value *v, uint64_t now_us)
{
	return v->until_ns == 0 || v->until_ns > kfilter_ns(now_us);
}

#endif
