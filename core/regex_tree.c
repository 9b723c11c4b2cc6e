#include "core/regex_tree.h"

#include <stdlib.h>

#include "core/mem.h"

/* A tree serves to rule an expression out; one this large would cost more than it saves. */
#define NODES_MAX 16384
/* PCRE2 nests no deeper; bounds the stack here and in what walks the tree. */
#define DEPTH_MAX 250

struct parser {
	const char *pos;
	enum regex_kind kind;
	unsigned depth;
	bool chooses;
	bool caseless;
	bool dot_is_any;    /* or anything but the end of a line */
	bool has_set_flags; /* the parenthesis just read was no group, but (?i) or its like */
	bool inexact;
	bool lost; /* something the tree has no word for, not even "anything" */
	struct regex_tree *tree;
};

static uint32_t alternatives(struct parser *p);

static uint32_t node(struct parser *p, struct regex_node n)
{
	struct regex_tree *t = p->tree;

	if (t->nodes_n == NODES_MAX) {
		p->lost = true;
		return 0;
	}
	if ((t->nodes_n & (t->nodes_n - 1)) == 0)
		t->nodes = mem_realloc(t->nodes, t->nodes_n == 0 ? 1 : t->nodes_n * 2,
				       sizeof(t->nodes[0]));
	t->nodes[t->nodes_n] = n;
	return t->nodes_n++;
}

static uint32_t leaf(struct parser *p, enum regex_node_kind kind)
{
	return node(p, (struct regex_node){.kind = (uint8_t)kind});
}

static uint32_t lost(struct parser *p)
{
	p->lost = true;
	return 0;
}

static uint32_t octet_of(struct parser *p, const struct regex_octets *set)
{
	struct regex_tree *t = p->tree;
	uint32_t i = 0;

	while (i < t->sets_n && !octets_equal(&t->sets[i], set))
		i++;
	if (i == t->sets_n) {
		if ((i & (i - 1)) == 0)
			t->sets = mem_realloc(t->sets, i == 0 ? 1 : i * 2, sizeof(t->sets[0]));
		t->sets[t->sets_n++] = *set;
	}
	return node(p, (struct regex_node){.kind = NODE_OCTET, .left = i});
}

/* RE2 folds letters beyond ASCII when it is asked to. */
static uint32_t literal(struct parser *p, uint8_t octet)
{
	struct regex_octets set = {{0}};

	if (p->kind == REGEX_RE2 && octet >= 0x80)
		return lost(p);
	octets_add(&set, octet);
	if (p->caseless)
		octets_fold(&set);
	return octet_of(p, &set);
}

static uint32_t any_octet(struct parser *p)
{
	struct regex_octets set = {{0}};

	octets_invert(&set);
	return octet_of(p, &set);
}

static uint32_t dot(struct parser *p)
{
	struct regex_octets set = {{0}};

	if (!p->dot_is_any)
		octets_add(&set, '\n');
	octets_invert(&set);
	return octet_of(p, &set);
}

static uint32_t repeat(struct parser *p, uint32_t what, unsigned min, unsigned max)
{
	return node(p, (struct regex_node){.kind = NODE_REPEAT,
					   .min = (uint16_t)min,
					   .max = (uint16_t)max,
					   .left = what});
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int hex(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The octet of an escape that means one, at p->pos behind its backslash; -1 when it means something
 * else. */
static int escaped_octet(struct parser *p)
{
	char c = p->pos[0];

	if (c == 'x' && hex(p->pos[1]) >= 0 && hex(p->pos[2]) >= 0) {
		p->pos += 3;
		return hex(p->pos[-2]) * 16 + hex(p->pos[-1]);
	}
	if (c == '\0' || is_alnum(c))
		return -1;
	p->pos++;
	return (uint8_t)c;
}

/* \d and its like, by letter. */
static bool add_escaped_class(struct regex_octets *set, char c)
{
	struct regex_octets class = {{0}};
	const char *name;

	switch (c | 0x20) {
	case 'd':
		name = "digit";
		break;
	case 'w':
		name = "word";
		break;
	case 's':
		name = "space";
		break;
	default:
		return false;
	}
	octets_add_class(&class, name, strlen(name));
	if (c < 'a')
		octets_invert(&class);
	octets_add_all(set, &class);
	return true;
}

static uint32_t escape(struct parser *p)
{
	struct regex_octets set = {{0}};
	int octet = escaped_octet(p);
	char c = *p->pos;

	if (octet >= 0)
		return literal(p, (uint8_t)octet);
	if (c == '\0')
		return lost(p);
	p->pos++;
	if (add_escaped_class(&set, c))
		return octet_of(p, &set);
	switch (c) {
	case 'b':
	case 'B':
		p->inexact = true;
		return leaf(p, NODE_EMPTY);
	case 'A':
		return leaf(p, NODE_BEGIN);
	case 'z':
		return leaf(p, NODE_END);
	}
	p->inexact = true;
	/* two digits could be a back-reference or an octal number */
	if (c >= '1' && c <= '9' && !is_digit(*p->pos))
		return repeat(p, any_octet(p), 0, REPEAT_MANY);
	return lost(p);
}

/* [:alpha:] or [:^alpha:] at p->pos; false when it is something else that begins like this. */
static bool named_class(struct parser *p, struct regex_octets *set)
{
	struct regex_octets class = {{0}};
	const char *name = p->pos + 2;
	bool negated = *name == '^';
	const char *end = strstr(name, ":]");

	name += negated;
	if (p->pos[1] != ':' || end == NULL || end < name ||
	    !octets_add_class(&class, name, (size_t)(end - name)))
		return false;
	if (negated && p->caseless)
		octets_fold(&class);
	if (negated)
		octets_invert(&class);
	octets_add_all(set, &class);
	p->pos = end + 2;
	return true;
}

/* An octet of a bracket; -1: a class, which was added to set, -2: something else. */
static int bracket_octet(struct parser *p, struct regex_octets *set)
{
	int octet;

	if (*p->pos == '\0')
		return -2;
	if (p->pos[0] == '[' && strchr(":.=", p->pos[1]) != NULL && p->pos[1] != '\0')
		return named_class(p, set) ? -1 : -2;
	if (*p->pos != '\\')
		return (uint8_t)*p->pos++;
	p->pos++;
	octet = escaped_octet(p);
	if (octet >= 0)
		return octet;
	return add_escaped_class(set, *p->pos++) ? -1 : -2;
}

static bool bracket_element(struct parser *p, struct regex_octets *set)
{
	int from = bracket_octet(p, set), to = from;

	if (from == -1)
		return true;
	if (from >= 0 && p->pos[0] == '-' && p->pos[1] != ']') {
		p->pos++;
		to = bracket_octet(p, set);
	}
	if (from < 0 || to < from || (p->kind == REGEX_RE2 && to >= 0x80))
		return false;
	octets_add_range(set, (unsigned)from, (unsigned)to);
	return true;
}

static uint32_t bracket(struct parser *p)
{
	struct regex_octets set = {{0}};
	bool negated = *p->pos == '^';

	p->pos += negated;
	do {
		if (!bracket_element(p, &set))
			return lost(p);
	} while (*p->pos != ']');
	p->pos++;
	if (p->caseless)
		octets_fold(&set);
	if (negated)
		octets_invert(&set);
	return octet_of(p, &set);
}

/* The end of a group, whose ( is behind us. */
static uint32_t group(struct parser *p)
{
	uint32_t what = alternatives(p);

	if (*p->pos != ')')
		return lost(p);
	p->pos++;
	return what;
}

/* (?i) and (?i-s:…), which last until the group around them ends. */
static uint32_t flags(struct parser *p)
{
	bool on = true;

	for (; *p->pos == 'i' || *p->pos == 's' || *p->pos == '-'; p->pos++) {
		if (*p->pos == 'i')
			p->caseless = on;
		else if (*p->pos == 's')
			p->dot_is_any = on;
		else
			on = false;
	}
	if (*p->pos == ':') {
		p->pos++;
		return group(p);
	}
	if (*p->pos++ != ')')
		return lost(p);
	/* to RE2, what comes next repeats what stands before the flags */
	if (*p->pos != '\0' && strchr("*+?{", *p->pos) != NULL)
		return lost(p);
	p->has_set_flags = true;
	return leaf(p, NODE_EMPTY);
}

/* What begins with (?, with p->pos behind it. */
static uint32_t special_group(struct parser *p)
{
	const char *name = p->pos[0] == 'P' && p->pos[1] == '<' ? p->pos + 2 : p->pos + 1;
	char c = p->pos[0];

	if (c == ':' || c == '>' || c == '|') {
		p->inexact |= c == '>';
		p->pos++;
		return group(p);
	}
	if (c == '=' || c == '!' || (c == '<' && (p->pos[1] == '=' || p->pos[1] == '!'))) {
		p->inexact = true;
		p->pos += c == '<' ? 2 : 1;
		group(p);
		return leaf(p, NODE_EMPTY);
	}
	if (c == '<' || name > p->pos + 1) {
		name = strchr(name, '>');
		if (name == NULL)
			return lost(p);
		p->pos = name + 1;
		return group(p);
	}
	return flags(p);
}

static uint32_t parenthesis(struct parser *p)
{
	bool caseless = p->caseless, dot_is_any = p->dot_is_any;
	uint32_t what;

	if (p->pos[0] == '*' || p->depth == DEPTH_MAX)
		return lost(p);
	p->depth++;
	if (p->pos[0] == '?') {
		p->pos++;
		what = special_group(p);
	} else {
		what = group(p);
	}
	p->depth--;
	if (!p->has_set_flags) {
		p->caseless = caseless;
		p->dot_is_any = dot_is_any;
	}
	p->has_set_flags = false;
	return what;
}

static uint32_t atom(struct parser *p)
{
	char c = *p->pos++;

	switch (c) {
	case '(':
		return parenthesis(p);
	case '[':
		return bracket(p);
	case '\\':
		return escape(p);
	case '.':
		return dot(p);
	case '^':
		return leaf(p, NODE_BEGIN);
	case '$':
		return leaf(p, NODE_END);
	case '*':
	case '+':
	case '?':
		return lost(p);
	}
	return literal(p, (uint8_t)c);
}

/* {n}, {n,} or {n,m} at p->pos; false when the { is itself, or has a meaning that only later PCRE2
 * know. */
static bool braces(struct parser *p, unsigned *min, unsigned *max)
{
	char *end;

	if (!is_digit(p->pos[1])) {
		p->lost |= p->pos[1] == ' ' || p->pos[1] == '\t' ||
			   (p->pos[1] == ',' && p->kind == REGEX_POSIX);
		return false;
	}
	*min = *max = (unsigned)strtoul(p->pos + 1, &end, 10);
	if (*end == ',') {
		*max = REPEAT_MANY;
		if (is_digit(*++end))
			*max = (unsigned)strtoul(end, &end, 10);
	}
	p->lost |= *end != '}' || *min >= REPEAT_MANY || *max > REPEAT_MANY || *min > *max;
	p->pos = end + (*end == '}');
	return true;
}

static bool quantifier(struct parser *p, unsigned *min, unsigned *max)
{
	*min = *p->pos == '+';
	*max = *p->pos == '?' ? 1 : REPEAT_MANY;
	if (*p->pos == '{')
		return braces(p, min, max);
	if (*p->pos != '*' && *p->pos != '+' && *p->pos != '?')
		return false;
	p->pos++;
	return true;
}

static uint32_t repeated(struct parser *p)
{
	uint32_t what = atom(p);
	unsigned min, max, times = 0;

	while (!p->lost && quantifier(p, &min, &max)) {
		what = repeat(p, what, min, max);
		p->chooses |= min != max;
		/* lazy or possessive: the same texts, or fewer */
		p->inexact |= *p->pos == '+';
		if (*p->pos == '?' || *p->pos == '+')
			p->pos++;
		if (++times == DEPTH_MAX)
			return lost(p);
	}
	return what;
}

static uint32_t concatenation(struct parser *p)
{
	uint32_t left = leaf(p, NODE_EMPTY);

	while (!p->lost && *p->pos != '\0' && *p->pos != '|' && *p->pos != ')') {
		uint32_t right = repeated(p);

		left = node(p, (struct regex_node){.kind = NODE_CAT, .left = left, .right = right});
	}
	return left;
}

static uint32_t alternatives(struct parser *p)
{
	uint32_t left = concatenation(p);

	while (!p->lost && *p->pos == '|') {
		uint32_t right;

		p->pos++;
		p->chooses = true;
		right = concatenation(p);
		left = node(p, (struct regex_node){.kind = NODE_ALT, .left = left, .right = right});
	}
	return left;
}

static void list_items(struct regex_tree *t, uint32_t at)
{
	const struct regex_node *n = &t->nodes[at];

	if (n->kind == NODE_CAT) {
		list_items(t, n->left);
		list_items(t, n->right);
	} else if (n->kind != NODE_EMPTY) {
		t->items[t->items_n++] = at;
	}
}

struct regex_tree *regex_tree_new(enum regex_kind kind, const char *text)
{
	struct regex_tree *t = mem_zalloc(1, sizeof(*t));
	struct parser p = {.pos = text,
			   .kind = kind,
			   .caseless = kind == REGEX_POSIX,
			   .dot_is_any = kind == REGEX_POSIX,
			   .tree = t};
	uint32_t begin = leaf(&p, NODE_BEGIN), end = leaf(&p, NODE_END);
	uint32_t root = alternatives(&p);

	if (p.lost || *p.pos != '\0') {
		regex_tree_free(t);
		return NULL;
	}
	t->items = mem_zalloc(t->nodes_n, sizeof(t->items[0]));
	/* RE2's has to match from end to end */
	if (kind == REGEX_RE2)
		list_items(t, begin);
	list_items(t, root);
	if (kind == REGEX_RE2)
		list_items(t, end);
	t->exact = !p.inexact;
	t->chooses = p.chooses;
	t->nodes = mem_realloc(t->nodes, t->nodes_n, sizeof(t->nodes[0]));
	return t;
}

void regex_tree_free(struct regex_tree *tree)
{
	if (tree == NULL)
		return;
	free(tree->nodes);
	free(tree->sets);
	free(tree->items);
	free(tree);
}
