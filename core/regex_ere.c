#include "core/regex_ere.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/regex_octets.h"

struct translation {
	const char *ere;
	const char *pos;
	struct regex_source *out;
	unsigned open; /* parentheses */
	struct err *err;
};

static int fail(struct translation *t, const char *at, const char *why)
{
	return err_set(t->err, "'%.400s' is not a regular expression: %s at offset %zu", t->ere,
		       why, (size_t)(at - t->ere));
}

/* Appends len octets that stand for what begins at `from`. */
static void put(struct translation *t, const char *text, size_t len, const char *from)
{
	struct regex_source *out = t->out;

	if (out->len + len >= out->cap) {
		out->cap = (out->len + len) * 2 + 32;
		out->text = mem_realloc(out->text, out->cap, 1);
		out->offset = mem_realloc(out->offset, out->cap, sizeof(out->offset[0]));
	}
	memcpy(out->text + out->len, text, len);
	for (size_t i = 0; i <= len; i++)
		out->offset[out->len + i] = (uint32_t)(from - t->ere);
	out->len += len;
	out->text[out->len] = '\0';
}

/* len octets as they are, each from its own place. */
static void keep(struct translation *t, size_t len)
{
	for (size_t i = 0; i < len; i++, t->pos++)
		put(t, t->pos, 1, t->pos);
}

/* Instead of len octets. */
static void replace(struct translation *t, size_t len, const char *text)
{
	put(t, text, strlen(text), t->pos);
	t->pos += len;
}

/* "[:alpha:]" and its like at t->pos, which stands behind the inner [. Its text, and moves behind
 * its ]. */
static const char *symbol(struct translation *t, size_t *len)
{
	const char end[3] = {t->pos[0], ']', '\0'};
	const char *text = t->pos + 1;
	const char *close = *text == '\0' ? NULL : strstr(text + 1, end);

	if (close == NULL)
		return NULL;
	*len = (size_t)(close - text);
	t->pos = close + 2;
	return text;
}

/*
 * One element of a bracket: an octet, or a class, which is added to set. The octet, -1 for a class,
 * -2 when it is bad.
 */
static int element(struct translation *t, struct regex_octets *set)
{
	const char *at = t->pos;
	const char *text;
	size_t len = 0;

	if (at[0] != '[' || (at[1] != ':' && at[1] != '.' && at[1] != '='))
		return (uint8_t)*t->pos++;
	t->pos++;
	text = symbol(t, &len);
	if (text == NULL)
		fail(t, at, "missing end of a [: :], [. .] or [= =]");
	else if (at[1] == ':' && octets_add_class(set, text, len))
		return -1;
	else if (at[1] != ':' && len == 1)
		return (uint8_t)text[0];
	else
		fail(t, at, at[1] == ':' ? "unknown class" : "unknown collating element");
	return -2;
}

/* From the element to the end of its range, if it begins one. */
static int add_element(struct translation *t, struct regex_octets *set)
{
	const char *at = t->pos;
	int from = element(t, set), to = from;

	if (from == -1)
		return 0;
	if (from >= 0 && t->pos[0] == '-' && t->pos[1] != ']' && t->pos[1] != '\0') {
		t->pos++;
		to = element(t, set);
		if (to == -1)
			return fail(t, at, "a class ends a range");
		if (to >= 0 && to < from)
			return fail(t, at, "range out of order");
	}
	if (from < 0 || to < 0)
		return -EINVAL;
	octets_add_range(set, (unsigned)from, (unsigned)to);
	return 0;
}

/* Written by number, so that nothing in it is special to PCRE2. */
static void put_set(struct translation *t, const struct regex_octets *set, const char *from)
{
	for (unsigned i = 0; i < 256; i++) {
		unsigned last = i;
		char text[16];

		if (!octets_have(set, i))
			continue;
		while (last < 255 && octets_have(set, last + 1))
			last++;
		put(t, text, (size_t)snprintf(text, sizeof(text), "\\x%02x", i), from);
		if (last > i)
			put(t, text, (size_t)snprintf(text, sizeof(text), "-\\x%02x", last), from);
		i = last;
	}
}

static int bracket(struct translation *t)
{
	const char *open = t->pos++;
	bool negated = *t->pos == '^';
	struct regex_octets set = {{0}};

	t->pos += negated;
	/* a ] that comes first is one of the octets */
	do {
		if (*t->pos == '\0')
			return fail(t, open, "missing closing bracket of the one");
		if (add_element(t, &set) < 0)
			return -EINVAL;
	} while (*t->pos != ']');
	t->pos++;
	put(t, negated ? "[^" : "[", negated ? 2 : 1, open);
	put_set(t, &set, open);
	put(t, "]", 1, open);
	return 0;
}

static void escape(struct translation *t)
{
	static const struct {
		char c;
		const char *pcre;
	} gnu[] = {{'<', "\\b(?=\\w)"}, {'>', "\\b(?<=\\w)"}, {'`', "\\A"}, {'\'', "\\z"}};
	const char *end;
	char c = t->pos[1];

	for (size_t i = 0; i < ARRAY_LEN(gnu); i++) {
		if (c == gnu[i].c) {
			replace(t, 2, gnu[i].pcre);
			return;
		}
	}
	if (c == 'Q') {
		end = strstr(t->pos, "\\E");
		keep(t, end == NULL ? strlen(t->pos) : (size_t)(end + 2 - t->pos));
		return;
	}
	if ((c >= '1' && c <= '9') || c == 'g' || c == 'k')
		t->out->groups_are_plain = false;
	keep(t, c == '\0' ? 1 : 2);
}

static void parenthesis(struct translation *t)
{
	const char *end;

	if (t->pos[0] == ')' && t->open == 0) {
		replace(t, 1, "\\)");
		return;
	}
	if (t->pos[0] == ')') {
		t->open--;
		keep(t, 1);
		return;
	}
	t->open++;
	if (t->pos[1] == '?' || t->pos[1] == '*')
		t->out->groups_are_plain = false;
	if (t->pos[1] == '?' && t->pos[2] == '#') {
		end = strchr(t->pos, ')');
		keep(t, end == NULL ? strlen(t->pos) : (size_t)(end - t->pos));
		return;
	}
	keep(t, 1);
}

static void brace(struct translation *t)
{
	size_t digits = t->pos[1] == ',' ? strspn(t->pos + 2, "0123456789") : 0;

	if (digits > 0 && t->pos[2 + digits] == '}')
		replace(t, 1, "{0");
	else
		keep(t, 1);
}

int regex_translate(const char *ere, struct regex_source *out, struct err *err)
{
	struct translation t = {.ere = ere, .pos = ere, .out = out, .err = err};

	*out = (struct regex_source){.groups_are_plain = true};
	put(&t, "", 0, ere);
	while (*t.pos != '\0') {
		switch (*t.pos) {
		case '[':
			if (bracket(&t) < 0)
				goto fail;
			break;
		case '\\':
			escape(&t);
			break;
		case '(':
		case ')':
			parenthesis(&t);
			break;
		case '{':
			brace(&t);
			break;
		default:
			keep(&t, 1);
		}
	}
	put(&t, "", 0, t.pos);
	return 0;
fail:
	free(out->text);
	free(out->offset);
	return -EINVAL;
}
