/* The netmasks of a table, in the order they were added. */
#include "core/netmask_table.h"

#include <stdlib.h>

#include "core/hash.h"
#include "core/mem.h"

/* Grown by an eighth: large tables are to stay under 24 octets a prefix, and small ones are small.
 */
static size_t grown(size_t cap)
{
	return cap + cap / 8 + 8;
}

static void key_store(struct prefixes *p, enum kind kind, uint32_t i, struct key k)
{
	uint8_t *at = p->keys + (size_t)i * netmask_shapes[kind].octets;
	uint32_t v4 = (uint32_t)(k.hi >> 32);

	if (kind == V4)
		memcpy(at, &v4, sizeof(v4));
	else
		memcpy(at, &k, netmask_shapes[kind].octets);
}

/* The prefix as the table has it: IPv4-mapped ones are IPv4. Host bits are clear already. */
static enum kind kind_of(const struct netmask *nm, struct key *k, unsigned *bits)
{
	bool v6;

	*k = netmask_key_of(&nm->base, &v6);
	*bits = nm->bits;
	if (!v6 && nm->base.sa.sa_family == AF_INET6)
		*bits -= 96; /* a shorter one has lost bits of the ffff, and is no mapped address */
	return !v6 ? V4 : *bits <= 64 ? V6_SHORT : V6_LONG;
}

static void order_append(struct netmask_table *t, enum kind kind)
{
	if (t->len == t->cap) {
		t->cap = grown(t->cap);
		t->kinds = mem_realloc(t->kinds, t->cap, sizeof(*t->kinds));
		t->ranks = mem_realloc(t->ranks, t->cap / RANK_EVERY + 1, sizeof(*t->ranks));
	}
	if (t->len % RANK_EVERY == 0) /* kinds before this one: all there are so far */
		for (unsigned i = 0; i < KIND_COUNT; i++)
			t->ranks[t->len / RANK_EVERY].before[i] = t->of[i].len;
	t->kinds[t->len++] = (uint8_t)kind;
}

static void append(struct prefixes *p, enum kind kind, struct key k, unsigned bits, uint32_t value)
{
	if (p->len == p->cap) {
		p->cap = (uint32_t)grown(p->cap);
		p->keys = mem_realloc(p->keys, p->cap, netmask_shapes[kind].octets);
		p->values = mem_realloc(p->values, p->cap, sizeof(*p->values));
		p->bits = mem_realloc(p->bits, p->cap, sizeof(*p->bits));
	}
	key_store(p, kind, p->len, k);
	p->values[p->len] = value;
	p->bits[p->len] = (uint8_t)bits;
	p->len++;
}

void netmask_table_add(struct netmask_table *t, const struct netmask *nm, uint32_t value)
{
	struct key k;
	unsigned bits;
	enum kind kind = kind_of(nm, &k, &bits);
	struct prefixes *p = &t->of[kind];
	uint32_t i = netmask_index_find(t, kind, k, bits);

	assert(value < NETMASK_NONE);
	if (i != UINT32_MAX) {
		p->values[i] = value;
		return;
	}
	order_append(t, kind);
	append(p, kind, k, bits, value);
	netmask_index_add(t, kind);
}

/* Takes the at-th of kind out of the order, and counts anew from there on. */
static void order_remove(struct netmask_table *t, enum kind kind, uint32_t at)
{
	size_t i = 0;

	for (uint32_t seen = 0; t->kinds[i] != kind || seen < at; i++)
		seen += t->kinds[i] == kind;
	memmove(t->kinds + i, t->kinds + i + 1, t->len - i - 1);
	t->len--;
	for (i = i / RANK_EVERY + 1; i * RANK_EVERY < t->len; i++) {
		t->ranks[i] = t->ranks[i - 1];
		for (size_t j = (i - 1) * RANK_EVERY; j < i * RANK_EVERY; j++)
			t->ranks[i].before[t->kinds[j]]++;
	}
}

bool netmask_table_remove(struct netmask_table *t, const struct netmask *nm)
{
	struct key k;
	unsigned bits;
	enum kind kind = kind_of(nm, &k, &bits);
	struct prefixes *p = &t->of[kind];
	const size_t octets = netmask_shapes[kind].octets;
	uint32_t i = netmask_index_find(t, kind, k, bits);
	size_t after;

	if (i == UINT32_MAX)
		return false;
	order_remove(t, kind, i);
	after = p->len - i - 1;
	memmove(p->keys + i * octets, p->keys + (i + 1) * octets, after * octets);
	memmove(p->values + i, p->values + i + 1, after * sizeof(*p->values));
	memmove(p->bits + i, p->bits + i + 1, after);
	p->len--;
	netmask_index_rebuild(t, kind); /* all positions behind it have moved */
	return true;
}

uint32_t netmask_table_value(const struct netmask_table *t, const struct netmask *nm)
{
	struct key k;
	unsigned bits;
	enum kind kind = kind_of(nm, &k, &bits);
	uint32_t i = netmask_index_find(t, kind, k, bits);

	return i != UINT32_MAX ? t->of[kind].values[i] : NETMASK_NONE;
}

bool netmask_table_holds(const struct netmask_table *t, const struct netmask *nm)
{
	return netmask_table_value(t, nm) != NETMASK_NONE;
}

size_t netmask_table_len(const struct netmask_table *t)
{
	return t->len;
}

static void netmask_from(struct netmask *nm, enum kind kind, struct key k, unsigned bits)
{
	*nm = (struct netmask){.bits = (uint8_t)bits};
	if (kind == V4) {
		nm->base.v4.sin_family = AF_INET;
		nm->base.v4.sin_addr.s_addr = htonl((uint32_t)(k.hi >> 32));
		return;
	}
	nm->base.v6.sin6_family = AF_INET6;
	k = (struct key){__builtin_bswap64(k.hi), __builtin_bswap64(k.lo)};
	memcpy(&nm->base.v6.sin6_addr, &k, sizeof(k));
}

const struct netmask *netmask_table_at(const struct netmask_table *t, size_t i, uint32_t *value)
{
	static _Thread_local struct netmask lent; /* stored, it would take 32 octets a prefix */
	enum kind kind;
	uint32_t at;

	assert(i < t->len);
	kind = (enum kind)t->kinds[i];
	at = t->ranks[i / RANK_EVERY].before[kind];
	for (size_t j = i / RANK_EVERY * RANK_EVERY; j < i; j++)
		at += t->kinds[j] == kind;
	netmask_from(&lent, kind, netmask_key_load(&t->of[kind], kind, at), t->of[kind].bits[at]);
	if (value)
		*value = t->of[kind].values[at];
	return &lent;
}

struct netmask_table *netmask_table_new(void)
{
	struct netmask_table *t = mem_zalloc(1, sizeof(*t));

	t->refs = 1;
	for (unsigned i = 0; i < ARRAY_LEN(t->secret); i++)
		t->secret[i] = hash_keyed(&i, sizeof(i));
	return t;
}

struct netmask_table *netmask_table_ref(struct netmask_table *t)
{
	t->refs++;
	return t;
}

void netmask_table_unref(struct netmask_table *t)
{
	if (!t || --t->refs > 0)
		return;
	for (unsigned i = 0; i < KIND_COUNT; i++) {
		struct prefixes *p = &t->of[i];

		free(p->keys);
		free(p->values);
		free(p->bits);
		free(p->index);
		free(p->near.mask);
		free(p->far.mask);
	}
	free(t->kinds);
	free(t->ranks);
	free(t);
}

/* n elements in memory of their own with room for cap; NULL for none. */
static void *copy(const void *from, size_t n, size_t cap, size_t size)
{
	void *to;

	if (!from)
		return NULL;
	to = mem_alloc(cap * size);
	memcpy(to, from, n * size);
	return to;
}

struct netmask_table *netmask_table_clone(const struct netmask_table *from)
{
	struct netmask_table *t = copy(from, 1, 1, sizeof(*from));

	t->refs = 1;
	for (unsigned i = 0; i < KIND_COUNT; i++) {
		struct prefixes *p = &t->of[i];

		p->keys = copy(p->keys, p->len, p->cap, netmask_shapes[i].octets);
		p->values = copy(p->values, p->len, p->cap, sizeof(*p->values));
		p->bits = copy(p->bits, p->len, p->cap, sizeof(*p->bits));
		p->index = copy(p->index, p->slots, p->slots, sizeof(*p->index));
		p->near.mask = copy(p->near.mask, p->near.slots, p->near.slots, sizeof(uint64_t));
		p->far.mask = copy(p->far.mask, p->far.slots, p->far.slots, sizeof(uint64_t));
	}
	t->kinds = copy(t->kinds, t->len, t->cap, sizeof(*t->kinds));
	t->ranks =
		copy(t->ranks, t->cap / RANK_EVERY + 1, t->cap / RANK_EVERY + 1, sizeof(*t->ranks));
	return t;
}

struct netmask_table *netmask_table_own(struct netmask_table *t)
{
	struct netmask_table *own;

	if (t->refs == 1)
		return t;
	own = netmask_table_clone(t);
	t->refs--;
	return own;
}

size_t netmask_table_memory(const struct netmask_table *t)
{
	size_t sum = sizeof(*t) + t->cap + (t->cap / RANK_EVERY + 1) * sizeof(*t->ranks);

	for (unsigned i = 0; i < KIND_COUNT; i++) {
		const struct prefixes *p = &t->of[i];

		sum += (size_t)p->cap *
			       (netmask_shapes[i].octets + sizeof(*p->values) + sizeof(*p->bits)) +
		       (size_t)p->slots * sizeof(*p->index) +
		       (p->near.slots + p->far.slots) * sizeof(uint64_t);
	}
	return sum;
}
