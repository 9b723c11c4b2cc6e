#include "core/regex_piece.h"

/*
 * A set with more than half of the octets of usual names is wide: many of them in a row go on
 * through any name, and beside them each word that begins within would need states of its own.
 */
#define WIDE 20

/* Quarters of a bit: what a part must tell at least for it to be looked for as a word. */
#define WORD_WORTH 32

/* More is no better, and keeps sums small. */
#define WORTH_MAX 4096

/* Letters of one case, digits and three signs. */
static unsigned width(const struct regex_octets *set)
{
	unsigned n = octets_have(set, '-') + octets_have(set, '.') + octets_have(set, '_');

	for (unsigned c = 'a'; c <= 'z'; c++)
		n += octets_have(set, c);
	for (unsigned c = '0'; c <= '9'; c++)
		n += octets_have(set, c);
	return n;
}

static bool is_wide(const struct regex_tree *t, const struct regex_node *n)
{
	return n->kind == NODE_OCTET && width(&t->sets[n->left]) > WIDE;
}

static bool has_wide(const struct regex_tree *t, uint32_t at)
{
	const struct regex_node *n = &t->nodes[at];

	if (n->kind == NODE_CAT || n->kind == NODE_ALT)
		return has_wide(t, n->left) || has_wide(t, n->right);
	return n->kind == NODE_REPEAT ? has_wide(t, n->left) : is_wide(t, n);
}

/* Whether an item can go on through a name for long. A lone wide octet can't. */
static bool is_gap(const struct regex_tree *t, uint32_t at)
{
	const struct regex_node *n = &t->nodes[at];

	if (n->kind == NODE_REPEAT && n->max < 2)
		return is_gap(t, n->left);
	return n->kind != NODE_OCTET && has_wide(t, at);
}

/* Whether it may be left out: a part that asks for the begin or the end may not. */
static bool is_optional(const struct regex_tree *t, uint32_t at)
{
	const struct regex_node *n = &t->nodes[at];

	switch (n->kind) {
	case NODE_EMPTY:
		return true;
	case NODE_CAT:
		return is_optional(t, n->left) && is_optional(t, n->right);
	case NODE_ALT:
		return is_optional(t, n->left) || is_optional(t, n->right);
	case NODE_REPEAT:
		return n->min == 0 || is_optional(t, n->left);
	}
	return false;
}

/* Any number of any octets; without the end of a line, it is still taken for all that there is. */
static bool is_anything(const struct regex_tree *t, uint32_t at)
{
	const struct regex_node *n = &t->nodes[at];
	struct regex_octets missing;

	if (n->kind != NODE_REPEAT || n->min > 0 || n->max != REPEAT_MANY ||
	    t->nodes[n->left].kind != NODE_OCTET)
		return false;
	missing = t->sets[t->nodes[n->left].left];
	octets_add(&missing, '\n');
	octets_invert(&missing);
	return octets_equal(&missing, &(struct regex_octets){{0}});
}

/* Whether it matches nowhere but at the begin, or at the end. */
static bool is_tied(const struct regex_tree *t, uint32_t at, enum regex_node_kind to)
{
	const struct regex_node *n = &t->nodes[at];

	if (n->kind == NODE_CAT)
		return is_tied(t, to == NODE_BEGIN ? n->left : n->right, to);
	if (n->kind == NODE_ALT)
		return is_tied(t, n->left, to) && is_tied(t, n->right, to);
	return n->kind == to;
}

/* How much less likely a part makes it that a text matches. */
static unsigned worth(const struct regex_tree *t, uint32_t at)
{
	const struct regex_node *n = &t->nodes[at];
	unsigned left, right;

	switch (n->kind) {
	case NODE_OCTET:
		/* log2(39 / width) */
		left = width(&t->sets[n->left]);
		return left == 0 ? 21 : 21 - 4 * (31 - (unsigned)__builtin_clz(left));
	case NODE_CAT:
		left = worth(t, n->left) + worth(t, n->right);
		return left < WORTH_MAX ? left : WORTH_MAX;
	case NODE_ALT:
		left = worth(t, n->left);
		right = worth(t, n->right);
		return left < right ? left : right;
	case NODE_REPEAT:
		if (n->min == 0)
			return 0;
		left = worth(t, n->left);
		return left < WORTH_MAX / n->min ? left * n->min : WORTH_MAX;
	}
	return 0;
}

/* Items that change nothing about whether a text matches, at ends that are not tied. */
static void trim(struct regex_piece *p)
{
	const struct regex_tree *t = p->tree;
	const uint32_t *items = t->items;

	while (p->to - p->from >= 2 && t->nodes[items[p->from]].kind == NODE_BEGIN &&
	       is_anything(t, items[p->from + 1]))
		p->from += 2;
	while (p->to - p->from >= 2 && t->nodes[items[p->to - 1]].kind == NODE_END &&
	       is_anything(t, items[p->to - 2]))
		p->to -= 2;
	while (p->from < p->to && is_optional(t, items[p->from]))
		p->from++;
	while (p->from < p->to && is_optional(t, items[p->to - 1]))
		p->to--;
}

/* The part between gaps that is worth most; returns its worth. */
static unsigned best_word(const struct regex_piece *p, struct regex_piece *best)
{
	const struct regex_tree *t = p->tree;
	unsigned most = 0, sum = 0;
	uint32_t from = p->from;

	for (uint32_t i = p->from; i < p->to; i++) {
		bool wide = is_wide(t, &t->nodes[t->items[i]]);

		if (is_gap(t, t->items[i])) {
			from = i + 1;
			sum = 0;
			continue;
		}
		/* two wide ones in a row are a gap */
		if (wide && i > from && is_wide(t, &t->nodes[t->items[i - 1]])) {
			from = i;
			sum = 0;
		}
		sum += worth(t, t->items[i]);
		if (sum > most) {
			most = sum;
			best->from = from;
			best->to = i + 1;
		}
	}
	return most;
}

enum piece_kind piece_choose(const struct regex_tree *tree, struct regex_piece *piece)
{
	struct regex_piece word;

	*piece = (struct regex_piece){.tree = tree, .to = tree->items_n};
	trim(piece);
	if (piece->from == piece->to)
		return PIECE_ANY;
	if (is_tied(tree, tree->items[piece->to - 1], NODE_END))
		return PIECE_AT_END;
	if (is_tied(tree, tree->items[piece->from], NODE_BEGIN))
		return PIECE_AT_BEGIN;
	word = *piece;
	if (best_word(piece, &word) < WORD_WORTH)
		return PIECE_RUN;
	*piece = word;
	trim(piece);
	return PIECE_WORD;
}
