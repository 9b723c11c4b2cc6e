#include "rules/overload.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/rand.h"

#define EPOCH_SHIFT 15 /* counts are of 33 ms */

/* What is usual is learnt and forgotten in so many epochs, half a minute. Before one second of it
 * has been learnt nobody is refused. */
#define MEMORY 1024
#define YOUNG  32

/* Of a datagram an epoch, for what is usual: one in half a minute is still something. */
#define USUAL_ONE 4096

/* In an epoch no more is learnt than twice what is usual and this: the beginning of a flood, which
 * comes before anybody is behind, is not to be anybody's usual. */
#define GROWTH 16

/* Less than one datagram an epoch of all together, 30 queries a second: nobody is there to be
 * protected. */
#define WORTH_IT USUAL_ONE

/*
 * What a network may send beyond twice its usual, in 64ths of a datagram an epoch. It begins where
 * a single flooding network is met and hardly anybody else; below one datagram it is a chance.
 */
#define LEVEL_ONE   64
#define LEVEL_FIRST (64 * LEVEL_ONE)
#define LEVEL_LEAST 1
#define LEVEL_OFF   (4096 * LEVEL_ONE) /* as much as a worker takes in of all together */

#define PATIENCE_US 16000 /* what a burst may take */
#define CUT_US      4000  /* between two cuts: what the last one does is to be seen first */

/* Who was there before may always send so much in an epoch: some queries for one page. */
#define KNOWN_LEAST 2

/* A new network may send one, unless such first ones are a part so large of all that comes. */
#define MANY_FIRSTS 4

/* While all are let in and the worker is busy, one datagram in so many is counted, for all of them;
 * and one in so many of those for its client. Which, is chance: clients that take turns are all
 * met. */
#define SAMPLE        4
#define CLIENT_SAMPLE 4
#define BUSY          16 /* datagrams in a batch */

#define WAYS          4
#define NETWORK_LINES 4096
#define CLIENT_LINES  1024

/* A network, or a client. */
struct sender {
	uint32_t tag;   /* 0: none */
	uint32_t epoch; /* of its last datagram */
	uint32_t count; /* in that */
	uint32_t usual; /* an epoch, in USUAL_ONEths; 0: new, or not seen for long */
};

struct line {
	alignas(CACHE_LINE) struct sender way[WAYS];
};
static_assert(sizeof(struct line) == CACHE_LINE, "a look-up touches one line");

struct overload {
	struct line *networks, *clients;
	uint64_t secret[2];
	uint32_t epoch;
	/* what came in epochs [calm_until, calm_from) is nobody's usual; while is_learning is false
	 * that has no end yet */
	uint32_t calm_until, calm_from;
	bool is_learning;
	uint32_t learnt;  /* epochs, up to MEMORY */
	uint32_t level;   /* LEVEL_OFF: all are let in */
	bool pressed;     /* in this epoch */
	uint32_t kept_up; /* epochs since the last one that was */
	uint32_t sample;  /* one in so many is counted: a power of two */
	uint64_t cut_us;  /* when the level was cut last */
	uint64_t count;   /* of all, in this epoch */
	uint64_t usual;   /* of all, learnt as for one */
	uint64_t sum;     /* of all, whatever came */
	/* while not all are let in, with half of what was an epoch ago: what came, and first ones
	 * of new networks */
	uint64_t came, firsts;
	uint32_t random;
};

static uint32_t epoch_of(uint64_t us)
{
	return (uint32_t)(us >> EPOCH_SHIFT);
}

/* Counters of epochs may wrap. */
static bool is_before(uint32_t epoch, uint32_t other)
{
	return (int32_t)(epoch - other) < 0;
}

struct overload *overload_new(uint64_t now_us)
{
	struct overload *o = mem_lines(sizeof(*o));

	o->networks = mem_pages(NETWORK_LINES * sizeof(struct line));
	o->clients = mem_pages(CLIENT_LINES * sizeof(struct line));
	rand_bytes(o->secret, sizeof(o->secret));
	o->secret[0] |= 1;
	o->random = rand_u32() | 1;
	o->level = LEVEL_OFF;
	o->sample = 1;
	o->epoch = o->calm_until = o->calm_from = epoch_of(now_us);
	o->is_learning = true;
	return o;
}

void overload_free(struct overload *o)
{
	if (o == NULL)
		return;
	mem_pages_free(o->networks, NETWORK_LINES * sizeof(struct line));
	mem_pages_free(o->clients, CLIENT_LINES * sizeof(struct line));
	free(o);
}

bool overload_is_on(const struct overload *o)
{
	return o->level != LEVEL_OFF;
}

/* What has been learnt for a part of the time only is that part of what is usual. */
static uint64_t in_full(const struct overload *o, uint64_t usual)
{
	return usual * MEMORY / (o->learnt > 0 ? o->learnt : 1);
}

/* After some epochs, in the first of which so many came. All is forgotten after MEMORY of them. */
static uint64_t average(uint64_t usual, uint64_t count, uint32_t epochs)
{
	usual += count * (USUAL_ONE / MEMORY);
	return epochs >= MEMORY ? 0 : usual - usual * epochs / MEMORY;
}

static uint64_t follow_usual(const struct overload *o, uint64_t usual, uint64_t count,
			     uint32_t epochs)
{
	uint64_t most = 2 * in_full(o, usual) / USUAL_ONE + GROWTH;

	return average(usual, count < most ? count : most, epochs);
}

/* After so many epochs in which the worker kept up, the attack is rather over than held. */
#define HELD 8

/* More for each epoch in which the worker kept up. */
static void relax(struct overload *o, uint32_t epochs)
{
	for (; epochs > 0 && o->level < LEVEL_OFF; epochs--)
		o->level += o->level / (++o->kept_up > HELD ? 2 : 8) + 1;
	if (o->level > LEVEL_OFF)
		o->level = LEVEL_OFF;
}

static void begin_epoch(struct overload *o, uint32_t epoch)
{
	uint32_t passed = epoch - o->epoch;

	if (overload_is_on(o))
		relax(o, o->pressed ? passed - 1 : passed);
	if (o->is_learning) {
		o->usual = follow_usual(o, o->usual, o->count, passed);
		o->sum = average(o->sum, o->count, passed);
		o->learnt = passed < MEMORY - o->learnt ? o->learnt + passed : MEMORY;
	} else if (!o->pressed && !overload_is_on(o)) {
		o->is_learning = true;
		o->calm_from = epoch;
	}
	o->pressed = false;
	o->count = 0;
	o->came /= 2;
	o->firsts /= 2;
	o->epoch = epoch;
}

static void follow_time(struct overload *o, uint64_t now_us)
{
	uint32_t epoch = epoch_of(now_us);

	if (unlikely(epoch != o->epoch))
		begin_epoch(o, epoch);
}

static bool is_worth_it(const struct overload *o)
{
	return o->learnt >= YOUNG && in_full(o, o->usual) >= WORTH_IT;
}

void overload_pressed(struct overload *o, uint64_t since_us, uint64_t now_us)
{
	follow_time(o, now_us);
	o->pressed = true;
	o->kept_up = 0;
	if (o->is_learning) {
		o->is_learning = false;
		o->calm_until = epoch_of(since_us);
	}
	if (!overload_is_on(o)) {
		if (now_us - since_us < PATIENCE_US || !is_worth_it(o))
			return;
		o->level = LEVEL_FIRST;
	} else if (now_us - o->cut_us < CUT_US) {
		return;
	} else if (o->level > LEVEL_LEAST) {
		o->level /= 2;
	}
	o->cut_us = now_us;
}

static uint64_t usual_now(const struct overload *o, const struct sender *s)
{
	bool is_calm = is_before(s->epoch, o->calm_until) ||
		       (o->is_learning && !is_before(s->epoch, o->calm_from));
	uint32_t until = o->is_learning ? o->epoch : o->calm_until;
	uint32_t passed = is_before(s->epoch, until) ? until - s->epoch : 0;

	return follow_usual(o, s->usual, is_calm ? s->count : 0, passed);
}

static void follow_epoch(const struct overload *o, struct sender *s)
{
	uint64_t usual;

	if (s->epoch == o->epoch)
		return;
	usual = usual_now(o, s);
	s->usual = usual > UINT32_MAX ? UINT32_MAX : (uint32_t)usual;
	s->count = 0;
	s->epoch = o->epoch;
}

/* Rather one that has been silent, of those that ask least. */
static struct sender *least_of(const struct overload *o, struct line *l)
{
	struct sender *least = NULL;
	uint64_t least_usual = 0;

	for (unsigned i = 0; i < WAYS; i++) {
		struct sender *s = &l->way[i];
		uint64_t usual = usual_now(o, s);

		if (least != NULL && (usual > least_usual ||
				      (usual == least_usual && !is_before(s->epoch, least->epoch))))
			continue;
		least = s;
		least_usual = usual;
	}
	return least;
}

/* Twice: once leaves keys that follow each other in a few of the lines, for some secrets. */
static uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static struct sender *find(const struct overload *o, struct line *lines, unsigned n, uint64_t key)
{
	uint64_t hash = fold(fold(key, o->secret[0]) ^ o->secret[1], UINT64_C(0x9e3779b97f4a7c15));
	uint32_t tag = (uint32_t)(hash >> 32) | 1;
	struct line *l = &lines[hash % n];
	struct sender *s;

	for (unsigned i = 0; i < WAYS; i++) {
		if (likely(l->way[i].tag == tag)) {
			follow_epoch(o, &l->way[i]);
			return &l->way[i];
		}
	}
	s = least_of(o, l);
	*s = (struct sender){.tag = tag, .epoch = o->epoch};
	return s;
}

/* An IPv4 address, also one in IPv6's clothes. */
static bool is_v4(const struct addr *a, uint32_t *v4)
{
	if (likely(a->sa.sa_family == AF_INET))
		memcpy(v4, &a->v4.sin_addr, sizeof(*v4));
	else if (IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr))
		memcpy(v4, a->v6.sin6_addr.s6_addr + 12, sizeof(*v4));
	else
		return false;
	return true;
}

/* The family is in the last octet, which a /56 leaves free. */
static struct sender *network_of(struct overload *o, const struct addr *a)
{
	uint64_t key = 0;
	uint32_t v4;

	if (likely(is_v4(a, &v4))) {
		key = (uint64_t)(ntohl(v4) >> 8) << 8 | AF_INET;
	} else {
		memcpy(&key, a->v6.sin6_addr.s6_addr, sizeof(key));
		key = (be64toh(key) & ~UINT64_C(0xff)) | AF_INET6;
	}
	return find(o, o->networks, NETWORK_LINES, key);
}

static struct sender *client_of(struct overload *o, const struct addr *a)
{
	uint64_t key, more;
	uint32_t v4;

	if (likely(is_v4(a, &v4))) {
		key = v4;
	} else {
		memcpy(&key, a->v6.sin6_addr.s6_addr, sizeof(key));
		memcpy(&more, a->v6.sin6_addr.s6_addr + 8, sizeof(more));
		key ^= more * UINT64_C(0x9e3779b97f4a7c15);
	}
	return find(o, o->clients, CLIENT_LINES, key);
}

/* xorshift32 (Marsaglia 2003). */
static uint32_t draw(struct overload *o)
{
	o->random ^= o->random << 13;
	o->random ^= o->random >> 17;
	o->random ^= o->random << 5;
	return o->random;
}

static bool is_within(const struct overload *o, const struct sender *s, uint32_t beyond)
{
	return s->count <= beyond || s->count - beyond <= 2 * in_full(o, s->usual) / USUAL_ONE;
}

/*
 * Where a few new networks send much each, or those that are known are too many for us, it would
 * help nobody to refuse a new one altogether; where new networks are the flood, nothing else helps.
 */
static bool is_newcomer_let_in(struct overload *o, const struct sender *network)
{
	o->firsts += network->count == 1;
	if (o->level >= LEVEL_ONE)
		return network->count <= o->level / LEVEL_ONE;
	if (network->count > 1)
		return false;
	return o->firsts < o->came / MANY_FIRSTS || draw(o) % LEVEL_ONE < o->level;
}

/* While not all are let in. */
static bool is_let_in(struct overload *o, const struct sender *network, const struct addr *client)
{
	uint32_t beyond = o->level / LEVEL_ONE;
	struct sender *s;

	o->came++;
	if (network->usual == 0)
		return is_newcomer_let_in(o, network);
	s = client_of(o, client);
	s->count++;
	if (s->usual > o->sum / 2)
		return true;
	return is_within(o, network, beyond > KNOWN_LEAST ? beyond : KNOWN_LEAST) ||
	       is_within(o, s, KNOWN_LEAST);
}

static void learn(struct overload *o, const struct addr *client, uint64_t now_us)
{
	follow_time(o, now_us);
	o->count += o->sample;
	network_of(o, client)->count += o->sample;
	if (o->random / SAMPLE % CLIENT_SAMPLE == 0)
		client_of(o, client)->count += o->sample * CLIENT_SAMPLE;
}

void overload_batch(struct overload *o, unsigned n)
{
	o->sample = n < BUSY ? 1 : SAMPLE;
}

bool overload_admits(struct overload *o, const struct addr *client, uint64_t now_us)
{
	struct sender *network;

	if (likely(!overload_is_on(o))) {
		if ((draw(o) & (o->sample - 1)) == 0)
			learn(o, client, now_us);
		return true;
	}
	follow_time(o, now_us);
	network = network_of(o, client);
	network->count++;
	return is_let_in(o, network, client);
}
