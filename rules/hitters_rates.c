/*
 * From workers' counts to rates: each reading takes what was added to a slot since the last one,
 * and adds it to the history of the slot's client, which is one for all workers. All of it happened
 * after the last reading, so it belongs to the second that was open then: whoever sums the seconds
 * that began within a window never has more than happened in it, however late a reading is.
 *
 * Clients have room as in the workers' tables: 8 ways a line, the coldest gives way. A flood from
 * many sources brings more newcomers than there is room for, nearly all of one query; while it
 * lasts, a count of one waits in its slot until there is a second one.
 */
#include "rules/hitters_table.h"

#include <string.h>

#include "core/clock.h"
#include "core/fence.h"
#include "core/share.h"

#define SECOND_US 1000000

/* This part of the room taken by newcomers of one reading is crowded. */
#define CROWDED_PART 16

static struct hitter_client *client_at(const struct hitters_set *s, size_t i)
{
	return (struct hitter_client *)(s->clients + i * s->client_stride);
}

static struct hitter_seen *seen_at(const struct hitters_set *s, size_t i)
{
	return (struct hitter_seen *)(s->seen + i * s->seen_stride);
}

static bool same_key(const struct hitter_key *a, const struct hitter_key *b)
{
	return a->hi == b->hi && a->lo == b->lo && a->tail == b->tail;
}

/* Of clients, heat halves with each second of the window, at least. */
static uint16_t client_period(const struct hitters_set *s)
{
	return (uint16_t)(s->read_us / SECOND_US / s->period_s);
}

static struct hitter_client *client_find(struct hitters_set *s, const struct hitter_key *k,
					 uint32_t came)
{
	uint64_t hash = hitter_hash(k);
	size_t line = hash_line(hash, s->client_lines);
	struct ways *w = &s->client_ways[line];
	uint16_t now = client_period(s);
	struct hitter_client *c;
	unsigned way, heat;

	for (unsigned m = ways_with(w, hash_tag(hash)); m; m &= m - 1) {
		way = (unsigned)__builtin_ctz(m);
		c = client_at(s, line * WAYS + way);
		if (likely(same_key(&c->key, k))) {
			way_warm(w, way, now, came);
			return c;
		}
	}
	s->newcomers++;
	way = ways_coldest(w, now, &heat);
	if (heat > came)
		return NULL;
	c = client_at(s, line * WAYS + way);
	/* whoever had the place may stand among the touched, and must not do so twice */
	*c = (struct hitter_client){.key = *k, .newest = s->open, .beat = c->beat};
	memset(c->sums, 0, sizeof(c->sums[0]) * s->n * s->buckets);
	w->tag[way] = hash_tag(hash);
	w->heat[way] = (uint16_t)(came < UINT16_MAX ? came : UINT16_MAX);
	w->at[way] = now;
	return c;
}

static uint32_t *bucket_of(const struct hitters_set *s, struct hitter_client *c, uint32_t number)
{
	return c->sums + (size_t)(number % s->buckets) * s->n;
}

/* Empties what was not used since it last came round. */
static void client_advance(const struct hitters_set *s, struct hitter_client *c)
{
	if (s->open - c->newest >= s->buckets)
		memset(c->sums, 0, sizeof(c->sums[0]) * s->n * s->buckets);
	else
		for (uint32_t b = c->newest + 1; b <= s->open; b++)
			memset(bucket_of(s, c, b), 0, sizeof(c->sums[0]) * s->n);
	c->newest = s->open;
}

static void add(struct hitters_set *s, const struct hitter_key *k, uint32_t number,
		const uint32_t *more)
{
	struct hitter_client *c;
	uint32_t *sums;

	if (s->open - number >= s->buckets)
		return;
	c = client_find(s, k, more[0]);
	if (c == NULL)
		return;
	client_advance(s, c);
	sums = bucket_of(s, c, number);
	for (unsigned i = 0; i < s->n; i++)
		sums[i] = sums[i] + more[i] < more[i] ? UINT32_MAX : sums[i] + more[i];
	if (c->beat == s->beat)
		return;
	c->beat = s->beat;
	s->touched[s->n_touched++] =
		(uint32_t)((size_t)((uint8_t *)c - s->clients) / s->client_stride);
}

/*
 * A consistent copy of the slot: false when it is new in another's hands. Counts are read from the
 * last to the first, the other way round than they are written, so that no part is above its whole.
 */
static bool slot_read(const struct hitters_set *s, const struct hitter_slot *slot, uint32_t seq,
		      struct hitter_key *k, uint32_t *counts)
{
	k->hi = atomic_load_explicit(&slot->hi, memory_order_acquire);
	k->lo = atomic_load_explicit(&slot->lo, memory_order_acquire);
	k->tail = atomic_load_explicit(&slot->tail, memory_order_acquire);
	for (unsigned i = s->n; i-- > 0;)
		counts[i] = atomic_load_explicit(&slot->count[i], memory_order_acquire);
	return atomic_load_explicit(&slot->seq, memory_order_relaxed) == seq;
}

static void read_slot(struct hitters_set *s, const struct hitter_slot *slot,
		      struct hitter_seen *seen)
{
	uint32_t seq = atomic_load_explicit(&slot->seq, memory_order_acquire);
	uint32_t counts[HITTERS_TALLIES_MAX], more[HITTERS_TALLIES_MAX];
	struct hitter_key k;

	if (seq == 0 || seq & 1)
		return;
	if (seen->seq == seq &&
	    atomic_load_explicit(&slot->count[0], memory_order_relaxed) == seen->count[0])
		if (s->n == 1 || !s->answers)
			return;
	if (!slot_read(s, slot, seq, &k, counts))
		return;
	if (seen->seq != seq) {
		memset(seen, 0, s->seen_stride);
		seen->seq = seq;
	}
	if (memcmp(counts, seen->count, s->n * sizeof(counts[0])) == 0)
		return;
	for (unsigned i = 0; i < s->n; i++)
		more[i] = counts[i] - seen->count[i];
	if (s->crowded && more[0] < 2) {
		if (seen->waits == 0)
			seen->waits = s->open;
		return;
	}
	add(s, &k, seen->waits ? seen->waits : s->open, more);
	seen->waits = 0;
	memcpy(seen->count, counts, s->n * sizeof(counts[0]));
}

/* A new second begins when the open one has lasted one. */
static void open_next(struct hitters_set *s)
{
	if (s->read_us - s->start_us[s->open % s->buckets] < SECOND_US)
		return;
	s->open++;
	s->start_us[s->open % s->buckets] = s->read_us;
}

/* Takes the workers' notes of which slots have news; all have when the cores can't be fenced. */
static void take_news(struct hitters_set *s)
{
	size_t words = news_words(s->lines);
	uint64_t *out = s->news;

	for (unsigned w = 0; w < s->n_workers; w++)
		for (size_t i = 0; i < words; i++, out++) {
			_Atomic uint64_t *word = &s->tables[w].news[i];

			*out = atomic_load_explicit(word, memory_order_relaxed);
			if (*out != 0)
				*out = atomic_exchange_explicit(word, 0, memory_order_acquire);
		}
	if (!fence_all_cores())
		memset(s->news, 0xff, s->n_workers * words * sizeof(s->news[0]));
}

static void read_worker(struct hitters_set *s, unsigned worker)
{
	size_t words = news_words(s->lines), slots = s->lines * WAYS;

	for (size_t i = 0; i < words; i++)
		for (uint64_t left = s->news[worker * words + i]; left; left &= left - 1) {
			size_t at = i * 64 + (unsigned)__builtin_ctzll(left);

			if (at < slots)
				read_slot(s, table_slot(s, &s->tables[worker], at),
					  seen_at(s, worker * slots + at));
			share_core();
		}
}

void hitters_read_set(struct hitters_set *s)
{
	uint64_t now_us = clock_mono_us();

	s->n_touched = 0;
	s->newcomers = 0;
	s->beat++;
	take_news(s);
	for (unsigned w = 0; w < s->n_workers; w++)
		read_worker(s, w);
	s->read_us = now_us; /* what came after this may be in: it is later than the next second's
				beginning, so that it leaves the window early and not late */
	open_next(s);
	s->crowded = s->newcomers > s->client_lines * WAYS / CROWDED_PART;
}

/* Where each window begins: s->open + 1 when not even the open bucket began in it. */
static void find_windows(struct hitters_set *s)
{
	uint32_t kept = s->open < s->buckets ? s->open : s->buckets, b = s->open;
	uint64_t now_us = clock_mono_us();

	for (unsigned seconds = 0; seconds <= HITTERS_SECONDS_MAX; seconds++) {
		while (b > s->open - kept &&
		       now_us - s->start_us[b % s->buckets] <= (uint64_t)seconds * SECOND_US)
			b--;
		s->first[seconds] = b + 1;
	}
}

uint64_t hitter_sum(const struct hitter *h, int number, unsigned seconds)
{
	const struct hitters_set *s = h->set;
	struct hitter_client *c = h->client;
	uint64_t sum = 0;

	if (number < 0)
		return 0;
	for (uint32_t b = s->first[seconds]; b <= c->newest; b++)
		if (c->newest - b < s->buckets)
			sum += bucket_of(s, c, b)[number];
	return sum;
}

static void view(const struct hitters_set *s, struct hitter_client *c, struct hitter *h)
{
	bool v6 = (c->key.tail & KEY_IS_V6) != 0;
	uint64_t hi = __builtin_bswap64(c->key.hi), lo = __builtin_bswap64(c->key.lo);

	*h = (struct hitter){.set = s, .client = c, .bits = v6 ? s->masks.v6 : s->masks.v4};
	if (h->bits == (v6 ? 128 : 32))
		h->port_bits = s->masks.port;
	if (v6) {
		h->addr.v6.sin6_family = AF_INET6;
		memcpy(h->addr.v6.sin6_addr.s6_addr, &hi, 8);
		memcpy(h->addr.v6.sin6_addr.s6_addr + 8, &lo, 8);
	} else {
		h->addr.v4.sin_family = AF_INET;
		memcpy(&h->addr.v4.sin_addr, &hi, 4);
	}
	addr_set_port(&h->addr, (uint16_t)c->key.tail);
}

static void visit_client(struct hitters_set *s, size_t i, void (*visit)(void *, struct hitter *),
			 void *ctx)
{
	struct hitter h;

	share_core();
	view(s, client_at(s, i), &h);
	visit(ctx, &h);
}

void hitters_visit(struct hitters_set *s, bool all, void (*visit)(void *ctx, struct hitter *h),
		   void *ctx)
{
	find_windows(s);
	if (!all) {
		for (size_t i = 0; i < s->n_touched; i++)
			visit_client(s, s->touched[i], visit, ctx);
		return;
	}
	for (size_t line = 0; line < s->client_lines; line++)
		for (unsigned way = 0; way < WAYS; way++)
			if (s->client_ways[line].tag[way])
				visit_client(s, line * WAYS + way, visit, ctx);
}

void hitter_note(const struct hitter *h, uint16_t who, uint8_t how)
{
	h->client->note_us = clock_mono_us();
	h->client->note_who = who;
	h->client->note_how = how;
}

bool hitter_noted(const struct hitter *h, uint16_t who, uint8_t how, uint64_t within_us)
{
	const struct hitter_client *c = h->client;

	return c->note_us != 0 && c->note_who == who && c->note_how == how &&
	       clock_mono_us() - c->note_us < within_us;
}
