/*
 * What a chain costs of which no rule matches: nanoseconds to run it by its index and by asking
 * each rule, microseconds to seal it anew, which is done on every change. Of time on the processor,
 * the best of several rounds, because machines change speed and others run on them.
 */
#include <time.h>

#include "test/chain_selectors.h"

#define QUERIES 64
#define ROUNDS  7

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static unsigned dummy[2];

static struct selector *suffix(unsigned i)
{
	char text[64];

	snprintf(text, sizeof(text), "d%u.example.com", i);
	return select_below(text);
}

static struct selector *exact(unsigned i)
{
	char text[64];

	snprintf(text, sizeof(text), "www.d%u.example.com", i);
	return select_name(text);
}

static struct selector *netmask(unsigned i)
{
	char text[64];

	snprintf(text, sizeof(text), "10.%u.%u.0/24", i / 256 % 256, i % 256);
	return select_from(text);
}

static struct selector *qtype(unsigned i)
{
	return select_value(VALUE_QTYPE, 256 + i, 256 + i);
}

static struct selector *mixed(unsigned i)
{
	switch (i % 6) {
	case 0:
		return suffix(i);
	case 1:
		return exact(i);
	case 2:
		return netmask(i);
	case 3:
		return qtype(i);
	case 4:
		return select_value(VALUE_OPCODE, 5, 5);
	default:
		return NOT(select_value(VALUE_QTYPE, TYPE_A, TYPE_A));
	}
}

static struct selector *nested(unsigned i)
{
	return AND(select_value(VALUE_QTYPE, TYPE_A, TYPE_A),
		   AND(netmask(i), OR(suffix(i), exact(i))), select_nth(2, 0, dummy));
}

/* Twenty names, as lists of blocked domains have. */
static struct selector *twenty(unsigned i)
{
	const char *names[20];
	char text[20][64];

	for (unsigned k = 0; k < 20; k++) {
		snprintf(text[k], sizeof(text[k]), "d%u.example.com", 20 * i + k);
		names[k] = text[k];
	}
	return select_names(true, names, 20);
}

static struct selector *regex(unsigned i)
{
	char text[64];
	struct arg arg = {.given = true, .text = text};
	struct err err;

	snprintf(text, sizeof(text), "^(ads|track)%u[a-z]*\\.", i);
	arg.len = strlen(text);
	return selector_new(&regex_selectors[0], &arg, &err);
}

static const struct {
	const char *label;
	struct selector *(*make)(unsigned i);
	unsigned most; /* rules */
} kinds[] = {
	{"suffix", suffix, 10000},      {"name", exact, 10000},  {"netmask", netmask, 10000},
	{"type", qtype, 10000},         {"mixed", mixed, 10000}, {"nested", nested, 10000},
	{"20 suffixes", twenty, 10000}, {"regex", regex, 1000},
};

static struct asked *make_queries(void)
{
	struct asked *all = calloc(QUERIES, sizeof(*all));

	for (unsigned i = 0; i < QUERIES; i++) {
		char text[64];

		snprintf(text, sizeof(text), "www.n%u.example.com", 1000003 * (i + 1));
		asked_begin(&all[i], text, TYPE_A);
	}
	return all;
}

static double time_runs(const struct chain *c, struct asked *queries, unsigned times,
			enum verdict (*walk)(const struct chain *c, struct rule_run *run))
{
	uint64_t start = now_ns();

	for (unsigned i = 0; i < times; i++) {
		struct rule_run *run = &queries[i % QUERIES].run;

		run->has_hashes = false;
		run->text_len = 0;
		if (walk(c, run) != VERDICT_NEXT)
			abort();
	}
	return (double)(now_ns() - start) / times;
}

static double time_seal(const struct chain *c)
{
	struct chain *copy = chain_clone(c);
	uint64_t start = now_ns();
	double us;

	chain_seal(copy);
	us = (double)(now_ns() - start) / 1000;
	chain_unref(copy);
	return us;
}

static void keep_least(double *best, double got)
{
	if (*best == 0 || got < *best)
		*best = got;
}

static void measure(const char *label, struct chain *c, struct asked *queries)
{
	double found = 0, plain = 0, seal = 0;

	fixture_seal(c);
	for (unsigned round = 0; round < ROUNDS; round++) {
		keep_least(&found, time_runs(c, queries, 200000, chain_run));
		keep_least(&plain, time_runs(c, queries, 500000 / c->n + 64, chain_run_plain));
		keep_least(&seal, time_seal(c));
	}
	printf("%12s %8u %10.1f %10.1f %10.1f\n", label, c->n, found, plain, seal);
}

int main(void)
{
	struct asked *queries;

	hash_init(1);
	queries = make_queries();
	printf("%12s %8s %10s %10s %10s\n", "kind", "rules", "run ns", "plain ns", "seal us");
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		for (unsigned n = 1; n <= kinds[k].most; n *= 10) {
			struct chain *c = chain_new();

			for (unsigned i = 0; i < n; i++)
				fixture_add(c, kinds[k].make(i), fixture_verdict("DropAction"));
			measure(kinds[k].label, c, queries);
			chain_unref(c);
		}
	}
	free(queries);
	counters_fini();
	return 0;
}
