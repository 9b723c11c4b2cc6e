/*
 * What is counted: sets of tallies, one for each masks that somebody asks for, made by the control
 * thread and published as a whole.
 *
 * Memory. The first set takes up to SET_OCTETS, each further one half of the one before, so that
 * all together stay below twice that, 32 MB. Half of a set is the workers' and half the clients'
 * histories. With the default of one rule for queries over 10 seconds that is room for 130,000
 * clients in the workers' tables and 80,000 with a history; with five tallies for 70,000 and
 * 28,000.
 */
#include "rules/hitters_table.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/fence.h"
#include "core/mem.h"
#include "core/rand.h"

#define SET_OCTETS (16u << 20)

/* What nobody asks for any more is kept so long, for those that ask now and then. */
#define GIVE_UP_US (60 * UINT64_C(1000000))

/* Who did not ask for so long makes room for others. */
#define IN_USE_US (2 * UINT64_C(1000000))

/* Marks at the door for each slot of a worker. With a million newcomers a second a mark then stays
 * for some 0.4 s. */
#define DOORS_A_SLOT 8

/* Heat halves so many times in a window. */
#define HALVINGS 5

static struct {
	unsigned n_workers;
	struct hitters *now; /* what hitters_live says */
} state;

static void *pages(struct hitters_set *s, size_t len)
{
	s->memory += len;
	return mem_pages(len);
}

static size_t power_of_two_below(size_t n)
{
	size_t p = 1;

	while (p * 2 <= n)
		p *= 2;
	return p;
}

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

/* Slots of 32 to 256 octets, so that the common ones do not straddle lines. */
static size_t slot_stride(unsigned n)
{
	size_t want = sizeof(struct hitter_slot) + n * sizeof(uint32_t), stride = 32;

	while (stride < want)
		stride *= 2;
	return stride;
}

static void size_tables(struct hitters_set *s, size_t octets)
{
	size_t slot, client, line;

	s->stride = slot_stride(s->n);
	s->seen_stride = sizeof(struct hitter_seen) + s->n * sizeof(uint32_t);
	slot = s->stride + s->seen_stride + sizeof(uint16_t) * DOORS_A_SLOT;
	line = slot * WAYS + sizeof(struct ways);
	s->lines = octets / 2 / s->n_workers / line;
	if (s->lines == 0)
		s->lines = 1;
	s->doors = power_of_two_below(s->lines * WAYS * DOORS_A_SLOT);
	s->buckets = s->seconds + 2;
	s->client_stride =
		round_up(sizeof(struct hitter_client) + sizeof(uint32_t) * s->n * s->buckets,
			 sizeof(uint64_t));
	client = s->client_stride + sizeof(uint32_t);
	s->client_lines = octets / 2 / (client * WAYS + sizeof(struct ways));
	if (s->client_lines == 0)
		s->client_lines = 1;
}

static void make_tables(struct hitters_set *s)
{
	size_t slots = s->lines * WAYS;

	s->tables = mem_lines(s->n_workers * sizeof(s->tables[0]));
	for (unsigned i = 0; i < s->n_workers; i++) {
		struct hitter_table *t = &s->tables[i];

		t->ways = pages(s, s->lines * sizeof(struct ways));
		t->slots = pages(s, slots * s->stride);
		t->door = pages(s, s->doors * sizeof(uint16_t));
		t->news = pages(s, news_words(s->lines) * sizeof(uint64_t));
		t->random = rand_u32() | 1;
		t->last.tail = KEY_IS_NONE;
	}
	s->seen = pages(s, s->n_workers * slots * s->seen_stride);
	s->news = mem_zalloc(s->n_workers * news_words(s->lines), sizeof(s->news[0]));
	s->client_ways = pages(s, s->client_lines * sizeof(struct ways));
	s->clients = pages(s, s->client_lines * WAYS * s->client_stride);
	s->touched = pages(s, s->client_lines * WAYS * sizeof(uint32_t));
	s->start_us = mem_zalloc(s->buckets, sizeof(s->start_us[0]));
}

/* When no worker can see it. */
static void set_free(struct hitters_set *s)
{
	size_t slots;

	if (s == NULL)
		return;
	slots = s->lines * WAYS;
	for (unsigned i = 0; i < s->n_workers; i++) {
		mem_pages_free(s->tables[i].ways, s->lines * sizeof(struct ways));
		mem_pages_free(s->tables[i].slots, slots * s->stride);
		mem_pages_free(s->tables[i].door, s->doors * sizeof(uint16_t));
		mem_pages_free(s->tables[i].news, news_words(s->lines) * sizeof(uint64_t));
	}
	mem_pages_free(s->seen, s->n_workers * slots * s->seen_stride);
	mem_pages_free(s->client_ways, s->client_lines * sizeof(struct ways));
	mem_pages_free(s->clients, s->client_lines * WAYS * s->client_stride);
	mem_pages_free(s->touched, s->client_lines * WAYS * sizeof(uint32_t));
	netmask_table_unref(s->masks.ranges);
	free(s->news);
	free(s->start_us);
	free(s->tables);
	free(s);
}

static struct hitter_key address_mask(unsigned bits, unsigned width, unsigned port_bits)
{
	struct hitter_key m = {0, 0, 0};

	m.hi = bits == 0 ? 0 : UINT64_MAX << (bits < 64 ? 64 - bits : 0);
	m.lo = bits <= 64 ? 0 : UINT64_MAX << (128 - bits);
	if (bits == width)
		m.tail = 0xffff & 0xffff0000u >> port_bits;
	return m;
}

int hitters_number(const struct hitters_set *s, struct hit t)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->tally[i].kind == t.kind && s->tally[i].arg == t.arg)
			return (int)i;
	return -1;
}

static bool is_of_queries(const struct hit *t)
{
	return t->kind == HIT_QUERIES || t->kind == HIT_QTYPE;
}

static int by_kind(const void *va, const void *vb)
{
	const struct hit *a = va, *b = vb;

	return a->kind != b->kind ? a->kind - b->kind : a->arg - b->arg;
}

/* Adds those that are missing, with the wholes of which they are parts. Returns how many there are
 * then; n may be above the bound, and list is then not written beyond it. */
static unsigned merge(struct hit *list, unsigned n, const struct hit *more, unsigned n_more)
{
	for (unsigned i = 0; i < 2 * n_more; i++) {
		struct hit t = more[i / 2];
		bool there = false;

		if (i % 2 == 0)
			t = (struct hit){is_of_queries(&t) ? HIT_QUERIES : HIT_ANSWERS, 0};
		for (unsigned j = 0; j < n && j < HITTERS_TALLIES_MAX; j++)
			there |= list[j].kind == t.kind && list[j].arg == t.arg;
		if (there)
			continue;
		if (n < HITTERS_TALLIES_MAX)
			list[n] = t;
		n++;
	}
	return n;
}

/* For workers: where what is counted. */
static void fill_numbers(struct hitters_set *s)
{
	s->all_queries = (int8_t)hitters_number(s, (struct hit){HIT_QUERIES, 0});
	s->all_answers = (int8_t)hitters_number(s, (struct hit){HIT_ANSWERS, 0});
	s->octets = (int8_t)hitters_number(s, (struct hit){HIT_OCTETS, 0});
	s->misses = (int8_t)hitters_number(s, (struct hit){HIT_MISSES, 0});
	s->queries = s->all_queries >= 0;
	s->answers = s->all_answers >= 0;
	for (unsigned i = 0; i < RCODES; i++)
		s->rcode[i] = (int8_t)hitters_number(s, (struct hit){HIT_RCODE, (uint16_t)i});
	for (unsigned i = 0; i < s->n; i++) {
		if (s->tally[i].kind == HIT_OTHERS) {
			s->others[s->n_others].codes = s->tally[i].arg;
			s->others[s->n_others++].at = (int8_t)i;
		} else if (s->tally[i].kind == HIT_QTYPE) {
			s->qtypes[s->n_qtypes].qtype = s->tally[i].arg;
			s->qtypes[s->n_qtypes++].at = (int8_t)i;
		}
	}
}

static struct hitters_set *set_new(const struct hitters_masks *masks, const struct hit *list,
				   unsigned n, unsigned seconds, unsigned size_class)
{
	struct hitters_set *s = mem_zalloc(1, sizeof(*s));

	if (hitters_secret[0] == 0)
		rand_bytes(hitters_secret, sizeof(hitters_secret));
	s->masks = *masks;
	if (s->masks.ranges)
		netmask_table_ref(s->masks.ranges);
	s->v4_mask = address_mask(masks->v4, 32, masks->port);
	s->v6_mask = address_mask(masks->v6, 128, masks->port);
	s->n = n;
	s->seconds = seconds;
	memcpy(s->tally, list, n * sizeof(list[0]));
	qsort(s->tally, n, sizeof(s->tally[0]), by_kind);
	fill_numbers(s);
	s->period_s = seconds / HALVINGS > 1 ? seconds / HALVINGS : 1;
	s->n_workers = state.n_workers;
	s->size_class = size_class;
	size_tables(s, SET_OCTETS >> size_class);
	make_tables(s);
	s->open = 1;
	s->began_us = s->asked_us = s->read_us = clock_mono_us();
	s->start_us[s->open % s->buckets] = s->began_us;
	return s;
}

/* Publishes sets; those that are in the old ones only are freed. */
static void publish(const struct hitters_set *gone, struct hitters *next)
{
	struct hitters *old = state.now;

	state.now = next;
	rcu_publish(hitters_live, next);
	if (old == NULL)
		return;
	rcu_wait();
	set_free((struct hitters_set *)gone);
	free(old);
}

static int place_of(const struct hitters_masks *m)
{
	const struct hitters *h = state.now;

	for (unsigned i = 0; h && i < h->n; i++)
		if (h->set[i]->masks.v4 == m->v4 && h->set[i]->masks.v6 == m->v6 &&
		    h->set[i]->masks.port == m->port && h->set[i]->masks.ranges == m->ranges)
			return (int)i;
	return -1;
}

struct hitters_set *hitters_find(const struct hitters_masks *masks)
{
	int i = place_of(masks);

	return i < 0 ? NULL : state.now->set[i];
}

static bool covers(const struct hitters_set *s, const struct hit *tallies, unsigned n,
		   unsigned seconds)
{
	for (unsigned i = 0; i < n; i++)
		if (hitters_number(s, tallies[i]) < 0)
			return false;
	return seconds <= s->seconds;
}

static int can(unsigned n, unsigned seconds, struct err *err)
{
	if (seconds == 0 || seconds > HITTERS_SECONDS_MAX) {
		err_set(err, "an interval of %u seconds can't be measured: 1 to %u are kept",
			seconds, HITTERS_SECONDS_MAX);
		return -EINVAL;
	}
	if (n > HITTERS_TALLIES_MAX) {
		err_set(err,
			"%u different counts for each client are asked for: at most %u are kept", n,
			HITTERS_TALLIES_MAX);
		return -EINVAL;
	}
	return 0;
}

int hitters_can(const struct hit *tallies, unsigned n, unsigned seconds, struct err *err)
{
	struct hit list[HITTERS_TALLIES_MAX];

	return can(merge(list, 0, tallies, n), seconds, err);
}

static struct hitters *copy(void)
{
	struct hitters *next = mem_zalloc(1, sizeof(*next));

	if (state.now)
		*next = *state.now;
	return next;
}

/* The largest that no set has. */
static unsigned free_size_class(const struct hitters *h)
{
	unsigned taken = 0, class = 0;

	for (unsigned i = 0; i < h->n; i++)
		taken |= 1u << h->set[i]->size_class;
	while (taken >> class & 1)
		class ++;
	return class;
}

/* Gives up the set that nobody asked for since longest, if that is long enough. */
static bool give_up(uint64_t longer_than_us)
{
	struct hitters *next;
	unsigned i = 0;

	for (unsigned j = 1; j < state.now->n; j++)
		if (state.now->set[j]->asked_us < state.now->set[i]->asked_us)
			i = j;
	if (clock_mono_us() - state.now->set[i]->asked_us < longer_than_us)
		return false;
	next = copy();
	next->set[i] = next->set[--next->n];
	if (next->n == 0) {
		free(next);
		next = NULL;
	}
	publish(state.now->set[i], next);
	return true;
}

/* Of a set that is there, with what it counts already; else a new one. */
static void replace(int place, const struct hitters_masks *masks, const struct hit *list,
		    unsigned n, unsigned seconds)
{
	struct hitters *next = copy();
	struct hitters_set *old = place < 0 ? NULL : next->set[place];
	unsigned class = old ? old->size_class : free_size_class(next);
	struct hitters_set *s = set_new(masks, list, n, seconds, class);

	next->set[old ? (unsigned)place : next->n++] = s;
	publish(old, next);
}

int hitters_ask(const struct hitters_masks *masks, const struct hit *tallies, unsigned n,
		unsigned seconds, struct err *err)
{
	struct hit list[HITTERS_TALLIES_MAX];
	int place = place_of(masks);
	struct hitters_set *old = place < 0 ? NULL : state.now->set[place];
	unsigned all = 0;

	if (old && covers(old, tallies, n, seconds)) {
		old->asked_us = clock_mono_us();
		return 0;
	}
	if (old) {
		all = merge(list, 0, old->tally, old->n);
		seconds = old->seconds > seconds ? old->seconds : seconds;
	}
	all = merge(list, all, tallies, n);
	if (can(all, seconds, err) < 0)
		return -EINVAL;
	if (state.n_workers == 0)
		return 0; /* nobody will count: the configuration is only checked */
	if (old == NULL && state.now && state.now->n == HITTERS_SETS_MAX && !give_up(IN_USE_US)) {
		err_set(err, "clients are counted under %u different masks already, the most",
			HITTERS_SETS_MAX);
		return -EINVAL;
	}
	replace(place, masks, list, all, seconds);
	return 0;
}

void hitters_read(void)
{
	if (state.now == NULL)
		return;
	for (unsigned i = 0; i < state.now->n; i++)
		hitters_read_set(state.now->set[i]);
	give_up(GIVE_UP_US);
}

uint64_t hitters_age_us(const struct hitters_set *s)
{
	return clock_mono_us() - s->began_us;
}

void hitters_start(unsigned n_workers)
{
	fence_start();
	state.n_workers = n_workers;
}

void hitters_stop(void)
{
	struct hitters *h = state.now;

	rcu_publish(hitters_live, NULL);
	state.now = NULL;
	state.n_workers = 0;
	if (h == NULL)
		return;
	for (unsigned i = 0; i < h->n; i++)
		set_free(h->set[i]);
	free(h);
}

size_t hitters_memory(void)
{
	size_t sum = 0;

	for (unsigned i = 0; state.now && i < state.now->n; i++)
		sum += state.now->set[i]->memory;
	return sum;
}
