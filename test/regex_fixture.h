/* Random regular expressions and texts for them: small alphabets, so that matches are not rare. */
#ifndef TEST_REGEX_FIXTURE_H
#define TEST_REGEX_FIXTURE_H

#include <stdio.h>
#include <string.h>

#include "core/regex.h"

/* What an expression may be made of besides POSIX extended regular expressions. */
enum regex_dialect { DIALECT_ERE, DIALECT_PCRE2, DIALECT_RE2 };

static uint64_t regex_seed = 1;

static unsigned draw(unsigned n)
{
	regex_seed = regex_seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)((regex_seed >> 32) * n >> 32);
}

struct expression {
	char text[512];
	enum regex_dialect dialect;
};

static void append(struct expression *e, const char *text)
{
	size_t len = strlen(e->text);

	snprintf(e->text + len, sizeof(e->text) - len, "%s", text);
}

static void append_one(struct expression *e, const char *const *from, unsigned n)
{
	append(e, from[draw(n)]);
}

static void append_bracket(struct expression *e)
{
	static const char *const ere[] = {"a",         "b-d",        "0-9",   "[:digit:]",
					  "[:alpha:]", "[:upper:]",  "[.-.]", "[=b=]",
					  "\\",        "[:xdigit:]", ".",     "A-C"};
	static const char *const re2[] = {"a",   "b-d",         "0-9",        "[:digit:]",
					  "\\d", "[:alpha:]",   "[:^lower:]", "\\]",
					  "A-C", "\\x61-\\x63", "\\W",        "."};
	unsigned n = 1 + draw(3);

	append(e, draw(4) == 0 ? "[^" : "[");
	while (n-- > 0) {
		if (e->dialect == DIALECT_RE2)
			append_one(e, re2, ARRAY_LEN(re2));
		else
			append_one(e, ere, ARRAY_LEN(ere));
	}
	append(e, "]");
}

static void append_atom(struct expression *e, unsigned depth);

static void append_sequence(struct expression *e, unsigned depth)
{
	static const char *const counts[] = {"*", "+", "?", "{2}", "{1,3}", "{0,2}", "{3,}", "{5}"};
	unsigned n = 1 + draw(4);

	while (n-- > 0) {
		append_atom(e, depth);
		if (draw(4) == 0) {
			append_one(e, counts, ARRAY_LEN(counts));
			if (e->dialect != DIALECT_ERE && draw(4) == 0)
				append(e, e->dialect == DIALECT_PCRE2 && draw(2) == 0 ? "+" : "?");
		}
	}
}

static void append_alternatives(struct expression *e, unsigned depth)
{
	append_sequence(e, depth);
	while (draw(4) == 0) {
		append(e, "|");
		append_sequence(e, depth);
	}
}

static void append_group(struct expression *e, unsigned depth)
{
	static const char *const pcre2[] = {"(?:",  "(?=",   "(?!", "(?>",
					    "(?i:", "(?<n>", "(?|", "("};
	static const char *const re2[] = {"(?:", "(?i:", "(?P<n>", "(", "(?-i:", "(?s:"};

	if (e->dialect == DIALECT_PCRE2)
		append_one(e, pcre2, ARRAY_LEN(pcre2));
	else if (e->dialect == DIALECT_RE2)
		append_one(e, re2, ARRAY_LEN(re2));
	else
		append(e, "(");
	append_alternatives(e, depth - 1);
	append(e, ")");
}

static void append_atom(struct expression *e, unsigned depth)
{
	static const char *const octets[] = {"a", "b",   "c", "d",   "A",  "1",  "2",
					     "-", "\\.", "_", "foo", "x.", "com"};
	static const char *const extras[] = {"\\d", "\\w", "\\b", "\\D", "\\S", "(?i)", "\\x62"};
	static const char *const pcre2[] = {"\\1", "(?<=a)", "(?<!b)",  "\\z",
					    "\\<", "{,2}",   "\\Qa.\\E"};

	switch (draw(12)) {
	case 0:
	case 1:
		if (depth > 0) {
			append_group(e, depth);
			return;
		}
		break;
	case 2:
	case 3:
		append_bracket(e);
		return;
	case 4:
		append(e, ".");
		return;
	case 5:
		if (e->dialect == DIALECT_ERE)
			break;
		if (e->dialect == DIALECT_PCRE2 && draw(2) == 0)
			append_one(e, pcre2, ARRAY_LEN(pcre2));
		else
			append_one(e, extras, ARRAY_LEN(extras));
		return;
	}
	append_one(e, octets, ARRAY_LEN(octets));
}

/* May be none: a look-behind that is too wide, a quantifier for what has none. */
static void random_expression(struct expression *e, enum regex_dialect dialect, unsigned depth)
{
	e->text[0] = '\0';
	e->dialect = dialect;
	if (draw(3) == 0)
		append(e, draw(3) == 0 ? "(^|\\.)" : "^");
	if (draw(5) == 0)
		append(e, ".*");
	append_alternatives(e, depth);
	if (draw(3) == 0)
		append(e, draw(3) == 0 ? "(\\.|$)" : "$");
}

static size_t random_text(char *text, size_t max)
{
	static const char octets[] = "abcdABC12-._x";
	static const char *const words[] = {"foo", "com", "aaaa", "1212", "abc", ".a"};
	size_t len = 0, want = draw((unsigned)max - 8);

	while (len < want) {
		const char *word = words[draw(ARRAY_LEN(words))];

		if (draw(4) != 0) {
			text[len++] = octets[draw(sizeof(octets) - 1)];
			continue;
		}
		memcpy(text + len, word, strlen(word));
		len += strlen(word);
	}
	text[len] = '\0';
	return len;
}

#endif
