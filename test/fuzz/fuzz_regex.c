/*
 * Regular expressions: the input is lines, of which the last is a text and the others are
 * expressions, of RE2 when they begin with a tab. What a set rules out must not match, and the two
 * ways to match one must agree.
 */
#include <stdlib.h>
#include <string.h>

#include "core/regex_re2.h"
#include "core/regex_set.h"
#include "core/regex_sim.h"

#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define EXPRESSIONS_MAX 32

static struct regex *re[EXPRESSIONS_MAX];
static uint32_t re_n, others_n;

/* What the others have to share tables with. */
static const char *const others[] = {"zzzzzz1", "^zzzzzz2", "zzzzzz3$", "[0-9]{9}", "[a-z]{40}"};

static void add(const char *line, size_t len)
{
	char text[512];
	struct err err;
	bool re2 = len > 0 && line[0] == '\t';

	if (len >= sizeof(text) || re_n == EXPRESSIONS_MAX || memchr(line, 0, len) != NULL)
		return;
	memcpy(text, line, len);
	text[len] = '\0';
	re[re_n] = regex_new(re2 ? REGEX_RE2 : REGEX_POSIX, text + re2, &err);
	CHECK(re[re_n] != NULL || strlen(err.text) > 0);
	re_n += re[re_n] != NULL;
}

/* RE2 itself, without what core/regex.c has instead of it. */
static bool library_match(const struct regex *r, const char *text, size_t len)
{
#ifdef HAVE_RE2
	if (regex_kind(r) == REGEX_RE2) {
		char why[100];
		struct regex_re2 *re2 = regex_re2_new(regex_text(r), why, sizeof(why));
		bool match;

		CHECK(re2 != NULL);
		match = regex_re2_match(re2, text, len);
		regex_re2_free(re2);
		return match;
	}
#endif
	return regex_match(r, text, len);
}

/* At most as long as a name. */
static void check(const char *text, size_t len)
{
	struct regex_set *set = regex_set_new((const struct regex *const *)re, re_n);
	uint32_t out[EXPRESSIONS_MAX + 1], n, at = 0;

	CHECK(regex_set_room(set) <= EXPRESSIONS_MAX + 1);
	n = regex_set_find(set, text, len, out);
	for (uint32_t i = 0; i < re_n; i++) {
		bool matches = library_match(re[i], text, len);
		const struct regex_tree *tree = regex_tree(re[i]);
		struct regex_sim *sim = tree == NULL ? NULL : regex_sim_new(tree);

		CHECK(regex_match(re[i], text, len) == matches);
		CHECK(!matches || (at < n && out[at] == i));
		at += at < n && out[at] == i;
		if (sim != NULL)
			CHECK(regex_sim_match(sim, text, len) == matches);
		regex_sim_free(sim);
	}
	CHECK(at == n);
	regex_set_free(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *line = (const char *)data, *end = line + len, *next;

	for (; others_n < sizeof(others) / sizeof(others[0]); others_n++)
		add(others[others_n], strlen(others[others_n]));
	re_n = others_n;
	for (; (next = memchr(line, '\n', (size_t)(end - line))) != NULL; line = next + 1)
		add(line, (size_t)(next - line));
	check(line, (size_t)(end - line) < 253 ? (size_t)(end - line) : 253);
	for (uint32_t i = others_n; i < re_n; i++)
		regex_free(re[i]);
	return 0;
}
