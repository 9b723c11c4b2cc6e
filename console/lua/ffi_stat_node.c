/* ffi.C: what visitors of setSuffixMatchRuleFFI call. */
#include <string.h>

#include "console/lua/block_group.h"
#include "console/lua/ffi.h"
#include "console/lua/registry.h"
#include "console/stat_tree.h"
#include "core/dns/name.h"

#define NODE "dnsdist_ffi_stat_node_t *"

/* Counts are copied: the tree goes on under a visitor that keeps its node. User value 1: the
 * reason. */
struct node_box {
	bool ended;
	uint8_t name[DNS_NAME_MAX], name_len;
	unsigned labels, n_children;
	struct stat_counts self, all;
	int action; /* -1: none was set */
};

void lua_ffi_push_node(lua_State *L, const struct stat_node *node)
{
	struct node_box *box = lua_newuserdatauv(L, sizeof(*box), 1);

	*box = (struct node_box){
		.name_len = node->name_len,
		.labels = node->labels,
		.n_children = node->n_children,
		.self = *node->self,
		.all = *node->all,
		.action = -1,
	};
	memcpy(box->name, node->name, node->name_len);
	if (luaL_newmetatable(L, NODE)) {
		lua_pushliteral(L, "opaque: functions of ffi.C take it");
		lua_setfield(L, -2, "__metatable");
	}
	lua_setmetatable(L, -2);
}

int lua_ffi_end_node(lua_State *L, int i)
{
	struct node_box *box = luaL_testudata(L, i, NODE);

	box->ended = true;
	lua_getiuservalue(L, i, 1);
	return box->action;
}

static struct node_box *check(lua_State *L)
{
	struct node_box *box = luaL_testudata(L, 1, NODE);

	if (box == NULL)
		lua_fail(L, "node must be the " NODE " that a visitor is given, got %s",
			 lua_value_text(L, 1));
	if (box->ended)
		lua_fail(L, "node is good only until its visitor returns");
	return box;
}

#define COUNT(name, field)                                        \
	static int get_##name(lua_State *L)                       \
	{                                                         \
		lua_pushinteger(L, (lua_Integer)check(L)->field); \
		return 1;                                         \
	}
COUNT(queries, self.queries)
COUNT(noerrors, self.noerrors)
COUNT(nxdomains, self.nxdomains)
COUNT(servfails, self.servfails)
COUNT(drops, self.drops)
COUNT(bytes, self.bytes)
COUNT(hits, self.hits)
COUNT(labels, labels)
COUNT(children, n_children)
COUNT(all_queries, all.queries)
COUNT(all_noerrors, all.noerrors)
COUNT(all_nxdomains, all.nxdomains)
COUNT(all_servfails, all.servfails)
COUNT(all_drops, all.drops)
COUNT(all_bytes, all.bytes)
COUNT(all_hits, all.hits)
#undef COUNT

/* (node, const char **name, size_t *size). The text that fullname of a StatNode is, as in dnsdist,
 * whatever "raw" means there. */
static int get_full_name_raw(lua_State *L)
{
	const struct node_box *box = check(L);
	char text[DNS_NAME_TEXT_MAX] = "";

	if (box->labels > 0)
		name_text(box->name, box->name_len, text);
	lua_ffi_put_octets(L, 2, "name", "nameSize", text, strlen(text));
	return 0;
}

/* (node, const char *reason, size_t size) */
static int set_reason(lua_State *L)
{
	size_t len = (size_t)lua_arg_integer(L, 3, "reasonSize", 0, UINT16_MAX);
	const char *reason;

	check(L);
	reason = lua_ffi_octets(L, 2, "reason", len);
	lua_pushlstring(L, reason, strnlen(reason, len));
	lua_setiuservalue(L, 1, 1);
	return 0;
}

/* (node, int action) */
static int set_action(lua_State *L)
{
	struct node_box *box = check(L);
	double number = lua_arg_number(L, 2, "blockAction", 0, UINT8_MAX);

	if (!lua_is_block_action(number))
		lua_fail(L, "blockAction must be a DNSAction, got %s", lua_value_text(L, 2));
	box->action = (int)number;
	return 0;
}

#define GET(name) "dnsdist_ffi_stat_node_get_" name
#define ALL       GET("children_")
#define BELOW     " of the node and all below it"
static const struct lua_method functions[] = {
	METHOD(GET("queries_count"), get_queries, ROW_READS | ROW_EXACT, "node", "queries"),
	METHOD(GET("noerrors_count"), get_noerrors, ROW_READS | ROW_EXACT, "node",
	       "answers NOERROR"),
	METHOD(GET("nxdomains_count"), get_nxdomains, ROW_READS | ROW_EXACT, "node",
	       "answers NXDOMAIN"),
	METHOD(GET("servfails_count"), get_servfails, ROW_READS | ROW_EXACT, "node",
	       "answers SERVFAIL"),
	METHOD(GET("drops_count"), get_drops, ROW_READS | ROW_EXACT, "node",
	       "queries that no server answered in time"),
	METHOD(GET("bytes"), get_bytes, ROW_READS | ROW_EXACT, "node", "octets of answers"),
	METHOD(GET("hits"), get_hits, ROW_READS | ROW_EXACT, "node",
	       "answers from the cache, and those made here"),
	METHOD(GET("labels_count"), get_labels, ROW_READS | ROW_EXACT, "node",
	       "labels of its name"),
	METHOD(GET("full_name_raw"), get_full_name_raw, ROW_READS | ROW_EXACT,
	       "node, name, nameSize",
	       "fills in its name, empty for the root, and how many octets that has"),
	METHOD(GET("children_count"), get_children, ROW_READS | ROW_EXACT, "node",
	       "names that are one label longer"),
	METHOD(ALL "queries_count", get_all_queries, ROW_READS | ROW_EXACT, "node",
	       "queries" BELOW),
	METHOD(ALL "noerrors_count", get_all_noerrors, ROW_READS | ROW_EXACT, "node",
	       "answers NOERROR" BELOW),
	METHOD(ALL "nxdomains_count", get_all_nxdomains, ROW_READS | ROW_EXACT, "node",
	       "answers NXDOMAIN" BELOW),
	METHOD(ALL "servfails_count", get_all_servfails, ROW_READS | ROW_EXACT, "node",
	       "answers SERVFAIL" BELOW),
	METHOD(ALL "drops_count", get_all_drops, ROW_READS | ROW_EXACT, "node",
	       "queries" BELOW " that no server answered in time"),
	METHOD(ALL "bytes_count", get_all_bytes, ROW_READS | ROW_EXACT, "node",
	       "octets of answers" BELOW),
	METHOD(ALL "hits", get_all_hits, ROW_READS | ROW_EXACT, "node",
	       "answers" BELOW " from the cache, and those made here"),
	METHOD("dnsdist_ffi_state_node_set_reason", set_reason, ROW_EXACT,
	       "node, reason, reasonSize", "the reason of the block, in place of the rule's"),
	METHOD("dnsdist_ffi_state_node_set_action", set_action, ROW_EXACT, "node, blockAction",
	       "the DNSAction of the block, in place of the rule's"),
	METHODS_END,
};

const struct lua_object lua_ffi_library = {"ffi.C", functions, lua_library};
