/* statNodeRespRing: a function of the configuration over the tree of names that were answered. */
#include "console/lua/stat_node.h"

#include <string.h>

#include "console/lua/owned.h"
#include "console/lua/registry.h"
#include "core/clock.h"
#include "core/dns/name.h"

/* Values, so that a visitor may keep it. */
struct node_box {
	uint8_t name[DNS_NAME_MAX], name_len;
	unsigned labels, n_children;
};

static void push_counts(lua_State *L, const struct stat_counts *counts)
{
	struct stat_counts *box = lua_object_new(L, &lua_stat_counts, sizeof(*box));

	*box = *counts;
}

void lua_push_stat_node(lua_State *L, const struct stat_node *node)
{
	struct node_box *box = lua_object_new(L, &lua_stat_node, sizeof(*box));

	memcpy(box->name, node->name, node->name_len);
	box->name_len = node->name_len;
	box->labels = node->labels;
	box->n_children = node->n_children;
	push_counts(L, node->self);
	push_counts(L, node->all);
}

/* The root is the empty text, as it always was. */
static int get_fullname(lua_State *L)
{
	const struct node_box *box = lua_object_check(L, 1, &lua_stat_node);
	char text[DNS_NAME_TEXT_MAX];

	lua_pushstring(L, box->labels > 0 ? name_text(box->name, box->name_len, text) : "");
	return 1;
}

static int get_labels(lua_State *L)
{
	const struct node_box *box = lua_object_check(L, 1, &lua_stat_node);

	lua_pushinteger(L, box->labels);
	return 1;
}

static int num_children(lua_State *L)
{
	const struct node_box *box = lua_object_check(L, 1, &lua_stat_node);

	lua_pushinteger(L, box->n_children);
	return 1;
}

static const struct lua_method node_methods[] = {
	ATTRIBUTE("fullname", get_fullname, NULL, "its name; empty for the root"),
	ATTRIBUTE("labelsCount", get_labels, NULL, "labels of its name"),
	METHOD("numChildren", num_children, ROW_READS | ROW_EXACT, "",
	       "names that are one label longer"),
	METHODS_END,
};

const struct lua_object lua_stat_node = {"StatNode", node_methods, NULL};

#define COUNT(field)                                                                    \
	static int get_##field(lua_State *L)                                            \
	{                                                                               \
		const struct stat_counts *c = lua_object_check(L, 1, &lua_stat_counts); \
                                                                                        \
		lua_pushinteger(L, (lua_Integer)c->field);                              \
		return 1;                                                               \
	}
COUNT(queries)
COUNT(noerrors)
COUNT(nxdomains)
COUNT(servfails)
COUNT(drops)
COUNT(bytes)
COUNT(hits)
#undef COUNT

static const struct lua_method count_methods[] = {
	ATTRIBUTE("queries", get_queries, NULL, "queries, whatever became of them"),
	ATTRIBUTE("noerrors", get_noerrors, NULL, "answers NOERROR"),
	ATTRIBUTE("nxdomains", get_nxdomains, NULL, "answers NXDOMAIN"),
	ATTRIBUTE("servfails", get_servfails, NULL, "answers SERVFAIL"),
	ATTRIBUTE("drops", get_drops, NULL, "queries that no server answered in time"),
	ATTRIBUTE("bytes", get_bytes, NULL, "octets of answers"),
	ATTRIBUTE("hits", get_hits, NULL, "answers from the cache, and those made here"),
	METHODS_END,
};

const struct lua_object lua_stat_counts = {"StatNodeStats", count_methods, NULL};

/* The visitor is argument 1. */
static void call_visitor(void *ctx, const struct stat_node *node)
{
	lua_State *L = ctx;

	lua_pushvalue(L, 1);
	lua_push_stat_node(L, node);
	lua_call(L, 3, 0);
}

static int stat_node_resp_ring(lua_State *L)
{
	struct stat_tree *tree;
	uint64_t age_us = 0;
	void **own;

	lua_arg_function(L, 1, "visitor");
	if (!lua_arg_missing(L, 2))
		age_us = (uint64_t)(1e6 * lua_arg_number(L, 2, "seconds", 0, UINT32_MAX));
	own = lua_own(L, (void (*)(void *))stat_tree_free);
	*own = tree = stat_tree_new();
	stat_tree_fill(tree, clock_mono_us(), age_us);
	stat_tree_visit(tree, call_visitor, L);
	lua_disown(own);
	return 0;
}

const struct lua_function stat_node_functions[] = {
	{"statNodeRespRing", stat_node_resp_ring, ROW_READS | ROW_EXACT,
	 "function(node, self, children) [, seconds]",
	 "calls the function for each name of the tree of recent answers, those below a name first; "
	 "children counts the node, too"},
	{NULL, NULL, 0, NULL, NULL},
};
