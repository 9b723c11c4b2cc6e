#include <string.h>

#include "core/hash.h"
#include "workers/client_limits.h"

#define OPEN_BITS  24
#define OPEN_MASK  ((UINT64_C(1) << OPEN_BITS) - 1)
#define COUNT_MASK ((UINT64_C(1) << 24) - 1)

static_assert(CLIENT_SLOTS % CLIENT_WAYS == 0, "a bucket is cut");

struct client_limits client_limits;

/* Who counts as one client: its prefix, and the leading bits of its port when those are asked for.
 */
static uint64_t client_hash(const struct settings *s, const struct addr *client)
{
	bool v4 = client->sa.sa_family == AF_INET;
	uint8_t key[1 + 16 + 2] = {v4};
	struct addr masked = *client;
	const uint8_t *bytes;
	size_t len;

	addr_mask(&masked, v4 ? s->tcp_mask_v4 : s->tcp_mask_v6);
	bytes = addr_bytes(&masked, &len);
	memcpy(key + 1, bytes, len);
	if (v4 && s->tcp_mask_v4 == 32 && s->tcp_mask_v4_port > 0) {
		unsigned port = addr_port(client) & (0xffffu << (16 - s->tcp_mask_v4_port));

		key[17] = (uint8_t)(port >> 8);
		key[18] = (uint8_t)port;
	}
	return hash_keyed(key, sizeof(key));
}

static uint64_t head_of(uint64_t hash)
{
	uint64_t tag = hash & ~OPEN_MASK;

	return tag != 0 ? tag : OPEN_MASK + 1; /* 0 is for free slots */
}

static struct client_slot *bucket_of(struct client_limits *l, uint64_t hash)
{
	/* The low bits: the tag is the high ones. */
	return l->slots + (hash & OPEN_MASK) % (CLIENT_SLOTS / CLIENT_WAYS) * CLIENT_WAYS;
}

static bool is_banned(const struct client_slot *slot, uint64_t now_us)
{
	return atomic_load_explicit(&slot->banned_until_us, memory_order_relaxed) > now_us;
}

static uint16_t interval_at(const struct settings *s, uint64_t now_us)
{
	return (uint16_t)(now_us / (s->tcp_rate_interval_min * UINT64_C(60000000)));
}

/* Whether nothing about its client needs to be remembered. */
static bool is_stale(const struct client_slot *slot, const struct settings *s, uint64_t now_us)
{
	uint64_t rate = atomic_load_explicit(&slot->rate, memory_order_relaxed);

	if (is_banned(slot, now_us))
		return false;
	return s->tcp_rate_per_client == 0 || rate == 0 ||
	       (uint16_t)(interval_at(s, now_us) - (uint16_t)(rate >> 48)) > 1;
}

/* One connection more for the slot, if it is still this client's. */
static bool slot_hold(struct client_slot *slot, uint64_t tag)
{
	uint64_t head = atomic_load_explicit(&slot->head, memory_order_relaxed);

	while ((head & ~OPEN_MASK) == tag && (head & OPEN_MASK) < OPEN_MASK) {
		if (atomic_compare_exchange_weak_explicit(&slot->head, &head, head + 1,
							  memory_order_acq_rel,
							  memory_order_relaxed))
			return true;
	}
	return false;
}

/*
 * Takes a slot over whose client needs it no more. A ban that its client gets between the look and
 * the exchange is lost: it needs a connection of that client to begin, misbehave and end in some
 * nanoseconds.
 */
static bool slot_take(struct client_slot *slot, uint64_t tag, const struct settings *s,
		      uint64_t now_us)
{
	uint64_t head = atomic_load_explicit(&slot->head, memory_order_relaxed);

	if ((head & OPEN_MASK) != 0 || (head != 0 && !is_stale(slot, s, now_us)))
		return false;
	if (!atomic_compare_exchange_strong_explicit(&slot->head, &head, tag + 1,
						     memory_order_acq_rel, memory_order_relaxed))
		return false;
	atomic_store_explicit(&slot->rate, 0, memory_order_relaxed);
	atomic_store_explicit(&slot->banned_until_us, 0, memory_order_relaxed);
	return true;
}

/* The client's slot with one connection more on it; NULL when its bucket is full of others. */
static struct client_slot *slot_get(struct client_limits *l, const struct settings *s,
				    const struct addr *client, uint64_t now_us)
{
	uint64_t hash = client_hash(s, client), tag = head_of(hash);
	struct client_slot *bucket = bucket_of(l, hash);

	for (unsigned i = 0; i < CLIENT_WAYS; i++) {
		if (slot_hold(&bucket[i], tag))
			return &bucket[i];
	}
	for (unsigned i = 0; i < CLIENT_WAYS; i++) {
		if (slot_take(&bucket[i], tag, s, now_us))
			return &bucket[i];
	}
	return NULL;
}

void client_leave(struct client_slot *slot)
{
	if (slot != NULL)
		atomic_fetch_sub_explicit(&slot->head, 1, memory_order_release);
}

/*
 * Counts one connection of the last interval_min minutes, estimated from two fixed intervals: this
 * one, and of the one before the part that still overlaps. False, and not counted: there were too
 * many.
 */
static bool rate_allows(struct client_slot *slot, const struct settings *s, uint64_t now_us)
{
	uint64_t length_us = s->tcp_rate_interval_min * UINT64_C(60000000);
	uint64_t limit = (uint64_t)s->tcp_rate_per_client * s->tcp_rate_interval_min * 60;
	uint64_t rate = atomic_load_explicit(&slot->rate, memory_order_relaxed), next;
	uint16_t now = interval_at(s, now_us);

	do {
		uint16_t then = (uint16_t)(rate >> 48);
		uint64_t count = rate >> 24 & COUNT_MASK, before = rate & COUNT_MASK;

		if (now != then) {
			before = (uint16_t)(now - then) == 1 ? count : 0;
			count = 0;
		}
		if (count + before * (length_us - now_us % length_us) / length_us >= limit)
			return false;
		if (count < COUNT_MASK)
			count++;
		next = (uint64_t)now << 48 | count << 24 | before;
	} while (!atomic_compare_exchange_weak_explicit(
		&slot->rate, &rate, next, memory_order_relaxed, memory_order_relaxed));
	return true;
}

static void raise_to(_Atomic uint64_t *word, uint64_t value)
{
	uint64_t old = atomic_load_explicit(word, memory_order_relaxed);

	while (old < value &&
	       !atomic_compare_exchange_weak_explicit(word, &old, value, memory_order_relaxed,
						      memory_order_relaxed))
		;
}

static void slot_ban(struct client_limits *l, struct client_slot *slot, uint32_t ban_s,
		     uint64_t now_us)
{
	uint64_t until_us = now_us + ban_s * UINT64_C(1000000);

	if (ban_s == 0)
		return;
	raise_to(&slot->banned_until_us, until_us);
	raise_to(&l->any_ban_until_us, until_us);
}

static enum client_verdict judge(struct client_limits *l, const struct settings *s,
				 struct client_slot *slot, uint64_t now_us)
{
	uint64_t open = atomic_load_explicit(&slot->head, memory_order_relaxed) & OPEN_MASK;

	if (is_banned(slot, now_us))
		return CLIENT_BANNED;
	if (s->tcp_max_per_client > 0 && open > s->tcp_max_per_client)
		return CLIENT_TOO_MANY;
	if (s->tcp_rate_per_client > 0 && !rate_allows(slot, s, now_us)) {
		slot_ban(l, slot, s->tcp_ban_rate_s, now_us);
		return CLIENT_TOO_FAST;
	}
	if (s->tcp_max_per_client > 0 && s->tcp_overload_percent > 0 &&
	    open * 100 > (uint64_t)s->tcp_max_per_client * s->tcp_overload_percent)
		return CLIENT_RESTRICTED;
	return CLIENT_WELCOME;
}

enum client_verdict client_enter(struct client_limits *l, const struct settings *s,
				 const struct addr *client, uint64_t now_us,
				 struct client_slot **slot)
{
	enum client_verdict v;

	*slot = NULL;
	if (s->tcp_max_per_client == 0 && s->tcp_rate_per_client == 0 &&
	    atomic_load_explicit(&l->any_ban_until_us, memory_order_relaxed) <= now_us)
		return CLIENT_WELCOME;
	*slot = slot_get(l, s, client, now_us);
	if (*slot == NULL)
		return CLIENT_WELCOME;
	v = judge(l, s, *slot, now_us);
	if (v != CLIENT_WELCOME && v != CLIENT_RESTRICTED) {
		client_leave(*slot);
		*slot = NULL;
	}
	return v;
}

void client_ban(struct client_limits *l, const struct settings *s, const struct addr *client,
		uint32_t ban_s, uint64_t now_us)
{
	struct client_slot *slot = ban_s > 0 ? slot_get(l, s, client, now_us) : NULL;

	if (slot == NULL)
		return;
	slot_ban(l, slot, ban_s, now_us);
	client_leave(slot);
}
