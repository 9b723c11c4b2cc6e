/*
 * What the packet cache costs: nanoseconds for a key, a hit, a miss and an insert, and octets an
 * entry, at 10, 10,000 and 1,000,000 entries. One thread; the best of several rounds, because
 * machines change speed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cache/cache.h"
#include "core/hash.h"
#include "core/mem.h"

#define BATCH  64 /* queries between two clock readings of a worker; prefetched together */
#define ROUNDS 7
#define OPS    (1u << 20) /* a round */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

struct sample {
	uint8_t bytes[64];
	size_t len;
	struct question q;
};

/* The query for name number n: 40 octets, so that its answer with one address has 56. */
static void make_query(struct sample *s, unsigned n)
{
	uint8_t name[24] = "\12n000000000\7example\3com";
	char digits[10];

	snprintf(digits, sizeof(digits), "%09u", n % 1000000000);
	memcpy(name + 2, digits, 9);
	s->len = msg_make_query(s->bytes, (uint16_t)n, DNS_RD, name, 24, TYPE_A, CLASS_IN);
	msg_question(s->bytes, s->len, &s->q);
}

static size_t make_answer(const struct sample *s, uint8_t *out)
{
	struct wire_wr w = {.pos = out + s->len, .end = out + 128};

	memcpy(out, s->bytes, s->len);
	msg_set_flags(out, DNS_QR | DNS_RD | DNS_RA);
	put_u16(out + 6, 1);
	wr_bytes(&w, "\xc0\x0c\0\1\0\1\0\0\x0e\x10\0\4\xc0\0\2\1", 16);
	return (size_t)(w.pos - out);
}

static const struct opt no_opt = {.at = 0};
static struct cache_key keys[BATCH];
static struct sample samples[BATCH];

struct costs {
	double key, hit, hit_plain, miss, replace, evict;
};

static void keep_best(double *best, uint64_t ns, double ops)
{
	if (*best == 0 || (double)ns / ops < *best)
		*best = (double)ns / ops;
}

static void prepare(const struct cache *c, unsigned first, unsigned n, uint64_t *seed)
{
	for (unsigned i = 0; i < BATCH; i++) {
		*seed = *seed * 6364136223846793005u + 1442695040888963407u;
		make_query(&samples[i], first + (unsigned)((*seed >> 32) * n >> 32));
		cache_key(c, samples[i].bytes, samples[i].len, &samples[i].q, &no_opt, true,
			  &keys[i]);
	}
}

static uint64_t time_keys(const struct cache *c)
{
	uint64_t start = now_ns();

	for (unsigned i = 0; i < BATCH; i++)
		cache_key(c, samples[i].bytes, samples[i].len, &samples[i].q, &no_opt, true,
			  &keys[i]);
	return now_ns() - start;
}

static uint64_t time_lookups(struct cache *c, bool prefetch, enum cache_result want)
{
	struct cache_ask ask = {.now_s = 10, .count = true};
	uint8_t out[512];
	size_t len;
	unsigned others = 0;
	uint64_t start = now_ns();

	if (prefetch) {
		for (unsigned i = 0; i < BATCH; i++)
			cache_prefetch(c, keys[i].hash);
		for (unsigned i = 0; i < BATCH; i++)
			cache_prefetch_entry(c, keys[i].hash);
	}
	for (unsigned i = 0; i < BATCH; i++) {
		ask.id = (uint16_t)i;
		ask.name = samples[i].bytes + DNS_HEADER_LEN;
		others += cache_lookup(c, 0, &keys[i], &ask, out, sizeof(out), &len) != want;
	}
	start = now_ns() - start;
	/* some in a thousand found their bucket full when the cache was filled */
	if (others > BATCH / 8)
		abort();
	return start;
}

static uint64_t time_inserts(struct cache *c, uint32_t now_s)
{
	uint8_t answers[BATCH][128];
	size_t len = 0;
	uint64_t start;

	for (unsigned i = 0; i < BATCH; i++)
		len = make_answer(&samples[i], answers[i]);
	start = now_ns();
	for (unsigned i = 0; i < BATCH; i++)
		cache_insert(c, 0, &keys[i], answers[i], len, now_s, UINT32_MAX);
	return now_ns() - start;
}

static void fill(struct cache *c, unsigned n)
{
	uint8_t answer[128];

	for (unsigned k = 0; k < n; k++) {
		size_t len;

		make_query(&samples[0], k);
		len = make_answer(&samples[0], answer);
		cache_key(c, samples[0].bytes, samples[0].len, &samples[0].q, &no_opt, true,
			  &keys[0]);
		cache_insert(c, 0, &keys[0], answer, len, 1, UINT32_MAX);
	}
}

/* Rounds of all kinds in turn, so that a slow second of the machine hits none in particular. */
static void measure(struct cache *c, unsigned n, struct costs *costs)
{
	uint64_t seed = 1;

	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t key = 0, hit = 0, plain = 0, miss = 0;

		for (unsigned i = 0; i < OPS / BATCH; i++) {
			prepare(c, 0, n, &seed);
			key += time_keys(c);
			hit += time_lookups(c, true, CACHE_HIT);
			prepare(c, 0, n, &seed);
			plain += time_lookups(c, false, CACHE_HIT);
			prepare(c, 1u << 27, 1u << 26, &seed);
			miss += time_lookups(c, true, CACHE_MISS);
		}
		keep_best(&costs->key, key, OPS);
		keep_best(&costs->hit, hit, OPS);
		keep_best(&costs->hit_plain, plain, OPS);
		keep_best(&costs->miss, miss, OPS);
	}
}

static void measure_inserts(struct cache *c, unsigned n, struct costs *costs)
{
	uint64_t seed = 2;
	unsigned batches = (n < OPS ? n : OPS) / BATCH + 1;

	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t replace = 0, evict = 0;

		for (unsigned i = 0; i < batches; i++) {
			prepare(c, 0, n, &seed);
			replace += time_inserts(c, 2 + round);
		}
		for (unsigned i = 0; i < batches; i++) {
			prepare(c, 1u << 26, 1u << 26, &seed);
			evict += time_inserts(c, 2 + round);
		}
		keep_best(&costs->replace, replace, batches * BATCH);
		keep_best(&costs->evict, evict, batches * BATCH);
	}
}

int main(int argc, char **argv)
{
	static const unsigned all[] = {10, 10000, 1000000};
	const unsigned one = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
	const unsigned *sizes = one != 0 ? &one : all;

	hash_init(1);
	printf("%10s %8s %8s %8s %8s %8s %8s %8s\n", "entries", "key ns", "hit", "no pref.", "miss",
	       "replace", "evict", "octets");
	for (size_t i = 0; i < (one != 0 ? 1 : ARRAY_LEN(all)); i++) {
		struct cache_options o;
		struct costs costs = {0};
		struct err err;
		struct cache *c;
		double octets;

		cache_options_default(&o, sizes[i]);
		o.shards = 20;
		c = cache_new(&o, &err);
		if (c == NULL) {
			fprintf(stderr, "%s\n", err.text);
			return 1;
		}
		cache_join(c, 0);
		fill(c, sizes[i] - sizes[i] / 50);
		octets = (double)cache_memory(c) / (double)cache_size(c);
		measure(c, sizes[i] - sizes[i] / 50, &costs);
		measure_inserts(c, sizes[i], &costs);
		printf("%10u %8.1f %8.1f %8.1f %8.1f %8.1f %8.1f %8.1f\n", sizes[i], costs.key,
		       costs.hit, costs.hit_plain, costs.miss, costs.replace, costs.evict, octets);
		cache_unref(c);
	}
	return 0;
}
