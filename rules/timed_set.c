#include "rules/timed_set.h"

#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/mem.h"
#include "core/rcu.h"

/*
 * Open addressing in a table that is published as a whole. Within a table an entry's address is
 * written once, before its time; from then on only the time changes, and removing sets it to a time
 * that is always past. So one more address needs neither a copy nor a grace period. When entries,
 * removed ones included, fill three quarters, those still alive move to a new table.
 *
 * A replaced table waits for others to share its grace period: there is one for each 256 KiB, or
 * when memory is to be given back. A set of 4,000 addresses changes about as many times for one;
 * the bound is what a set may hold in vain.
 */
#define SLOTS_MIN   64
#define RETIRED_MAX (256u << 10)

#define NEVER   0 /* expires_us of a slot that is free, and ends a search */
#define REMOVED 1 /* before any time of a clock */

struct entry {
	uint64_t key[2];
	_Atomic uint64_t expires_us;
};

struct table {
	struct table *next; /* retired ones */
	size_t mask;
	size_t used; /* slots that are not free: control thread only */
	struct entry entry[];
};

struct timed_set {
	_Atomic(struct table *) table; /* NULL: nothing in it */
	struct table *retired;
	size_t retired_len; /* octets */
	size_t n;
	unsigned refs;
};

struct timed_set *timed_set_new(void)
{
	struct timed_set *s = mem_zalloc(1, sizeof(*s));

	s->refs = 1;
	return s;
}

struct timed_set *timed_set_ref(struct timed_set *s)
{
	s->refs++;
	return s;
}

static void free_retired(struct timed_set *s)
{
	while (s->retired != NULL) {
		struct table *t = s->retired;

		s->retired = t->next;
		free(t);
	}
	s->retired_len = 0;
}

void timed_set_unref(struct timed_set *s)
{
	if (s == NULL || --s->refs > 0)
		return;
	free_retired(s);
	free(rcu_get(s->table));
	free(s);
}

static size_t table_len(const struct table *t)
{
	return sizeof(*t) + (t->mask + 1) * sizeof(t->entry[0]);
}

/* IPv4 as IPv4-mapped IPv6. */
static void key_of(const struct addr *a, uint64_t key[static 2])
{
	struct in6_addr mapped = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

	if (a->sa.sa_family == AF_INET6)
		mapped = a->v6.sin6_addr;
	else
		memcpy(&mapped.s6_addr[12], &a->v4.sin_addr, sizeof(a->v4.sin_addr));
	memcpy(key, &mapped, sizeof(mapped));
}

/* The slot of that key, or the free one where it would go; its time through expires_us. */
static struct entry *find(struct table *t, const uint64_t key[static 2], uint64_t *expires_us)
{
	for (size_t i = hash_keyed(key, 2 * sizeof(key[0]));; i++) {
		struct entry *e = &t->entry[i & t->mask];

		*expires_us = atomic_load_explicit(&e->expires_us, memory_order_acquire);
		if (*expires_us == NEVER || (e->key[0] == key[0] && e->key[1] == key[1]))
			return e;
	}
}

static void put(struct table *t, const uint64_t key[static 2], uint64_t expires_us)
{
	uint64_t was;
	struct entry *e = find(t, key, &was);

	if (was == NEVER) {
		memcpy(e->key, key, sizeof(e->key));
		t->used++;
	}
	atomic_store_explicit(&e->expires_us, expires_us, memory_order_release);
}

static void retire(struct timed_set *s, struct table *t, size_t keep)
{
	t->next = s->retired;
	s->retired = t;
	s->retired_len += table_len(t);
	if (s->retired_len <= keep)
		return;
	rcu_wait();
	free_retired(s);
}

/* How many there are that do not expire by now_us. */
static size_t count_alive(struct table *t, uint64_t now_us)
{
	size_t n = 0;

	for (size_t i = 0; i <= t->mask; i++)
		n += atomic_load_explicit(&t->entry[i].expires_us, memory_order_relaxed) > now_us;
	return n;
}

static struct table *table_for(size_t n)
{
	size_t slots = SLOTS_MIN;
	struct table *t;

	while (slots / 2 < n)
		slots *= 2;
	t = mem_zalloc(1, sizeof(*t) + slots * sizeof(t->entry[0]));
	t->mask = slots - 1;
	return t;
}

/* Moves those that are alive to a table of their own, with room for one more. The old one may be
 * kept so long as retired ones are not more than keep octets. */
static void rebuild(struct timed_set *s, uint64_t now_us, size_t keep)
{
	struct table *old = rcu_get(s->table), *next;
	size_t alive = old != NULL ? count_alive(old, now_us) : 0;

	next = table_for(alive + 1);
	for (size_t i = 0; old != NULL && i <= old->mask; i++) {
		struct entry *e = &old->entry[i];
		uint64_t expires_us = atomic_load_explicit(&e->expires_us, memory_order_relaxed);

		if (expires_us > now_us)
			put(next, e->key, expires_us);
	}
	s->n = alive;
	rcu_publish(s->table, next);
	if (old != NULL)
		retire(s, old, keep);
}

void timed_set_add(struct timed_set *s, const struct addr *a, uint64_t expires_us, uint64_t now_us)
{
	struct table *t = rcu_get(s->table);
	uint64_t key[2], was;

	assert(now_us >= REMOVED);
	if (expires_us <= now_us)
		return;
	if (t == NULL || t->used >= (t->mask + 1) / 4 * 3) {
		rebuild(s, now_us, RETIRED_MAX);
		t = rcu_get(s->table);
	}
	key_of(a, key);
	find(t, key, &was);
	s->n += was <= REMOVED;
	if (expires_us > was)
		put(t, key, expires_us);
}

bool timed_set_remove(struct timed_set *s, const struct addr *a)
{
	struct table *t = rcu_get(s->table);
	uint64_t key[2], was;
	struct entry *e;

	if (t == NULL)
		return false;
	key_of(a, key);
	e = find(t, key, &was);
	if (was <= REMOVED)
		return false;
	atomic_store_explicit(&e->expires_us, REMOVED, memory_order_release);
	s->n--;
	return true;
}

void timed_set_clear(struct timed_set *s)
{
	struct table *t = rcu_get(s->table);

	if (t == NULL)
		return;
	rcu_publish(s->table, NULL);
	s->n = 0;
	retire(s, t, 0);
}

void timed_set_cleanup(struct timed_set *s, uint64_t now_us)
{
	struct table *t = rcu_get(s->table);
	size_t alive;

	if (t == NULL)
		return;
	alive = count_alive(t, now_us);
	if (alive == 0)
		timed_set_clear(s);
	else if (alive < t->used || s->retired != NULL)
		rebuild(s, now_us, 0);
}

size_t timed_set_size(const struct timed_set *s)
{
	return s->n;
}

size_t timed_set_memory(const struct timed_set *s)
{
	const struct table *t = rcu_get(s->table);

	return sizeof(*s) + s->retired_len + (t != NULL ? table_len(t) : 0);
}

bool timed_set_has(const struct timed_set *s, const struct addr *a, uint64_t now_us)
{
	struct table *t = rcu_get(s->table);
	uint64_t key[2], expires_us;

	if (t == NULL)
		return false;
	key_of(a, key);
	find(t, key, &expires_us);
	return expires_us > now_us;
}
