/*
 * What regular expressions over names cost: nanoseconds for a name's text, for a set of 1 to 10,000
 * expressions asked for its candidates, for trying these, and for trying all expressions instead;
 * and what building takes. One thread; the best of several rounds, because machines change speed.
 */
#include <time.h>

#include "core/dns/name.h"
#include "core/mem.h"
#include "core/regex_set.h"
#include "tools/cli.h"

#define NAMES  512
#define ROUNDS 9

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t seed = 1;

static unsigned draw(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)((seed >> 32) * n >> 32);
}

/* Word number n, as domain names have them: of two to four syllables, all words different. */
static const char *word(unsigned n, char out[static 16])
{
	static const char first[] = "bcdfghjklmnprstvwz", second[] = "aeiou";
	char *o = out;

	n += 90 * 30;
	for (; n > 0; n /= 90) {
		*o++ = first[n % 18];
		*o++ = second[n % 90 / 18];
	}
	*o = '\0';
	return out;
}

/* What lists of rules are made of. The last kinds say nothing but how long a run is; few of them
 * differ. */
/* before and after the word */
static const char *const kinds[][2] = {
	{"[0-9]{4,}\\.", "\\.example$"},
	{"(^|\\.)", "[a-z0-9-]*\\.(com|net|org)$"},
	{"", "\\.(ru|cn|tk|top)$"},
	{"^[a-z0-9]{20,}\\.", "\\."},
	{"(tracker|metrics|telemetry)-?", ""},
	{"^xn--", ""},
	{"^(www|mail|ftp)[0-9]*\\.", "\\.com$"},
	{"", ".*\\.bad\\."},
	{"ads?[0-9]*\\.", ""},
	{"", "[0-9]{3,}\\.cdn[0-9]+\\."},
	{"^([a-z]+-)*", "\\.(dyn|dsl|pool)\\."},
	{"[.-]", "([.-]|$)"},
};

static const char *const runs[] = {"[0-9]{9,}", "[a-z0-9]{24,}", "[bcdfghjklmnpqrstvwxz]{7,}",
				   "^[a-f0-9]{16,}\\."};

static struct regex *expression(unsigned i, bool re2)
{
	struct err err;
	struct regex *re;
	char text[128], w[16];

	if (i % 32 == 31)
		snprintf(text, sizeof(text), "%s", runs[i / 32 % ARRAY_LEN(runs)]);
	else
		snprintf(text, sizeof(text), "%s%s%s", kinds[i % ARRAY_LEN(kinds)][0], word(i, w),
			 kinds[i % ARRAY_LEN(kinds)][1]);
	if (re2) {
		char whole[160];

		snprintf(whole, sizeof(whole), ".*(%s).*", text);
		re = regex_new(REGEX_RE2, whole, &err);
	} else {
		re = regex_new(REGEX_POSIX, text, &err);
	}
	if (re == NULL)
		die("expression", err.text);
	return re;
}

struct name {
	uint8_t wire[DNS_NAME_MAX];
	char text[DNS_NAME_TEXT_MAX];
	size_t len, text_len;
};

static struct name names[NAMES];

/* Most are none that an expression wants, but have what they are made of. */
static void make_name(struct name *n, unsigned i)
{
	char a[16], b[16], text[128];
	int len;

	word(draw(20000), a);
	word(20000 + draw(20000), b);
	switch (i % 8) {
	case 0:
		snprintf(text, sizeof(text), "p%07u.example.com", draw(10000000));
		break;
	case 1:
		snprintf(text, sizeof(text), "www.mail-%u.example.org", draw(10));
		break;
	case 2:
		snprintf(text, sizeof(text), "%s.%s.net", a, b);
		break;
	case 3:
		snprintf(text, sizeof(text), "www.%s-%s.com", b, a);
		break;
	case 4:
		snprintf(text, sizeof(text), "cdn%u.img.%s.co.uk", draw(100), b);
		break;
	case 5:
		snprintf(text, sizeof(text), "e%u.a.akamai%s.net", draw(10000), b);
		break;
	case 6:
		snprintf(text, sizeof(text), "%u.%u.0.10.in-addr.arpa", draw(256), draw(256));
		break;
	default:
		snprintf(text, sizeof(text), "api-%s.prod.eu-west-%u.%s.io", b, draw(4), b);
	}
	len = name_parse(text, n->wire, NULL);
	if (len < 0)
		die(text, "not a name");
	n->len = (size_t)len;
	n->text_len = name_text_bare(n->wire, n->len, n->text);
}

struct costs {
	double text, find, try, all;
};

static void keep_best(double *best, uint64_t start, double ops)
{
	double ns = (double)(now_ns() - start) / ops;

	if (*best == 0 || ns < *best)
		*best = ns;
}

static volatile unsigned sink;

static void measure(const struct regex_set *set, struct regex *const *re, unsigned n, uint32_t *out,
		    struct costs *c)
{
	unsigned all_names = n > 1000 ? NAMES / 16 : NAMES;
	uint64_t start = now_ns();

	for (unsigned i = 0; i < NAMES; i++)
		sink += (unsigned)name_text_bare(names[i].wire, names[i].len, names[i].text);
	keep_best(&c->text, start, NAMES);
	start = now_ns();
	for (unsigned i = 0; i < NAMES; i++)
		sink += regex_set_find(set, names[i].text, names[i].text_len, out);
	keep_best(&c->find, start, NAMES);
	start = now_ns();
	for (unsigned i = 0; i < NAMES; i++) {
		uint32_t found = regex_set_find(set, names[i].text, names[i].text_len, out);

		for (uint32_t k = 0; k < found; k++)
			sink += regex_match(re[out[k]], names[i].text, names[i].text_len);
	}
	keep_best(&c->try, start, NAMES);
	start = now_ns();
	for (unsigned i = 0; i < all_names; i++)
		for (unsigned k = 0; k < n; k++)
			sink += regex_match(re[k], names[i].text, names[i].text_len);
	keep_best(&c->all, start, all_names);
}

/* How many candidates a name has, and how many of them match. */
static void count(const struct regex_set *set, struct regex *const *re, uint32_t *out,
		  double *candidates, double *matches)
{
	for (unsigned i = 0; i < NAMES; i++) {
		uint32_t found = regex_set_find(set, names[i].text, names[i].text_len, out);

		*candidates += (double)found / NAMES;
		for (uint32_t k = 0; k < found; k++)
			*matches +=
				(double)regex_match(re[out[k]], names[i].text, names[i].text_len) /
				NAMES;
	}
}

static void bench(unsigned n, bool re2)
{
	struct regex **re = mem_alloc(n * sizeof(re[0]));
	double compile = 0, build = 0, candidates = 0, matches = 0;
	struct costs c = {0};
	struct regex_set_facts f;
	struct regex_set *set = NULL;
	uint64_t start = now_ns();
	uint32_t *out;

	for (unsigned i = 0; i < n; i++)
		re[i] = expression(i, re2);
	keep_best(&compile, start, 1e6);
	for (unsigned round = 0; round < 3; round++) {
		regex_set_free(set);
		start = now_ns();
		set = regex_set_new((const struct regex *const *)re, n);
		keep_best(&build, start, 1e6);
	}
	f = regex_set_facts(set);
	out = mem_alloc(regex_set_room(set) * sizeof(out[0]));
	count(set, re, out, &candidates, &matches);
	for (unsigned round = 0; round < ROUNDS; round++)
		measure(set, re, n, out, &c);
	printf("%6u %6.1f %8.1f %8.1f %9.0f %7.2f %7.2f %8.1f %8.2f %4u %6u %5u %7.1f\n", n, c.text,
	       c.find, c.try, c.all, candidates, matches, compile, build, f.automata, f.states,
	       f.always, (double)f.memory / 1024);
	for (unsigned i = 0; i < n; i++)
		regex_free(re[i]);
	regex_set_free(set);
	free(re);
	free(out);
}

int main(int argc, char **argv)
{
	static const unsigned sizes[] = {1, 4, 10, 30, 100, 300, 1000, 3000, 10000};
	bool re2 = cli_flag(argc, argv, "re2");

	pin_to((int)cli_number(argc, argv, "core", -1));
	for (unsigned i = 0; i < NAMES; i++)
		make_name(&names[i], i);
	printf("     n   text     find find+try       all cand/nm  hit/nm  compile    build"
	       "  tab states  always   KiB\n");
	printf("           ns       ns       ns        ns                       ms       ms\n");
	for (unsigned i = 0; i < ARRAY_LEN(sizes); i++)
		bench(sizes[i], re2);
	return 0;
}
