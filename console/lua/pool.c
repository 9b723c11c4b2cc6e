/* Pools and policies. A pool's object holds its name; a policy's, the policy. */
#include <string.h>

#include "cache/cache.h"
#include "console/lua/cache.h"
#include "console/lua/registry.h"
#include "console/lua/server.h"

struct pool_box {
	char name[256];
};

static const char *check_pool_name(lua_State *L, int i)
{
	const char *name = lua_arg_string(L, i, "pool");

	if (strlen(name) >= sizeof(((struct pool_box *)0)->name))
		lua_fail(L, "the name of a pool has at most 255 octets, this one has %d",
			 (int)strlen(name));
	return name;
}

static const struct pool *check_known_pool(lua_State *L, int i)
{
	const char *name = check_pool_name(L, i);
	const struct pool *pool = pools_find(lua_pools(), name);
	const struct pools *all = lua_pools();
	const char *names[256];
	const char *nearest;
	unsigned n;

	if (pool)
		return pool;
	for (n = 0; n < all->n_list && n < ARRAY_LEN(names); n++)
		names[n] = all->list[n]->name;
	nearest = err_nearest(name, names, n);
	if (nearest && *nearest)
		lua_fail(L, "No pool named %s (did you mean '%s'?)", name, nearest);
	lua_fail(L, "No pool named %s", name);
	return NULL;
}

static int get_pool(lua_State *L)
{
	const char *name = check_pool_name(L, 1);
	struct pool_box *box;

	if (pools_find(lua_pools(), name) == NULL)
		pools_pool(lua_pools_edit(), name);
	box = lua_object_new(L, &lua_pool, sizeof(*box));
	strcpy(box->name, name);
	return 1;
}

static int get_pool_names(lua_State *L)
{
	const struct pools *p = lua_pools();

	lua_createtable(L, (int)p->n_list, 0);
	for (unsigned i = 0; i < p->n_list; i++) {
		lua_pushstring(L, p->list[i]->name);
		lua_rawseti(L, -2, i + 1);
	}
	return 1;
}

/*
 * The servers of a pool by order, as its members will be once sealed: the draft that Lua sees may
 * have none yet. Pushes a table of {position, Server} pairs.
 */
static int get_pool_servers(lua_State *L)
{
	const struct pool *pool = check_known_pool(L, 1);
	const struct pools *p = lua_pools();
	int n = 0;

	lua_newtable(L);
	for (unsigned i = 0; i < p->n_rows; i++) {
		if (!lua_row_in_pool(&p->rows[i], pool->name))
			continue;
		lua_createtable(L, 2, 0);
		lua_pushinteger(L, ++n);
		lua_rawseti(L, -2, 1);
		lua_push_server(L, p->rows[i].server);
		lua_rawseti(L, -2, 2);
		lua_rawseti(L, -2, n);
	}
	return 1;
}

bool lua_row_in_pool(const struct server_row *row, const char *pool)
{
	for (unsigned i = 0; i < row->n_pools; i++)
		if (strcmp(row->pools[i], pool) == 0)
			return true;
	return false;
}

static const struct policy *check_policy(lua_State *L, int i)
{
	const struct policy **box = lua_object_check(L, i, &lua_policy);

	return *box;
}

static int set_server_policy(lua_State *L)
{
	const struct policy *policy = check_policy(L, 1);

	lua_pools_edit()->policy = policy;
	return 0;
}

static int set_pool_server_policy(lua_State *L)
{
	const struct policy *policy = check_policy(L, 1);
	const char *name = check_pool_name(L, 2);

	pools_pool(lua_pools_edit(), name)->policy = policy;
	return 0;
}

static int show_server_policy(lua_State *L)
{
	lua_host_printf("%s\n", lua_pools()->policy->name);
	return 0;
}

static int show_pool_server_policy(lua_State *L)
{
	const struct pool *pool = check_known_pool(L, 1);

	lua_host_printf("%s\n", pool_policy(lua_pools(), pool)->name);
	return 0;
}

const struct lua_function pool_functions[] = {
	{"getPool", get_pool, 0, "name",
	 "the ServerPool of this name, made when missing; '' is the default one"},
	{"getPoolNames", get_pool_names, ROW_READS, "", "a table of the names of all pools"},
	{"getPoolServers", get_pool_servers, ROW_READS, "name",
	 "a table of {position, Server} of a pool"},
	{"setServerPolicy", set_server_policy, 0, "policy",
	 "the policy of pools that have none of their own"},
	{"setPoolServerPolicy", set_pool_server_policy, 0, "policy, pool",
	 "the policy of one pool"},
	{"showServerPolicy", show_server_policy, ROW_READS, "",
	 "shows the name of the default policy"},
	{"showPoolServerPolicy", show_pool_server_policy, ROW_READS, "pool",
	 "shows the name of the policy of a pool"},
	{NULL, NULL, 0, NULL, NULL},
};

/* The draft's own struct; a pool can't go away, so the name always finds or makes it. */
static struct pool *edit_pool(lua_State *L)
{
	const struct pool_box *box = lua_object_check(L, 1, &lua_pool);

	return pools_pool(lua_pools_edit(), box->name);
}

static const struct pool *read_pool(lua_State *L)
{
	const struct pool_box *box = lua_object_check(L, 1, &lua_pool);
	const struct pool *pool = pools_find(lua_pools(), box->name);

	return pool ? pool : edit_pool(L);
}

static int pool_set(lua_State *L)
{
	struct cache *c = lua_check_cache(L, 2);

	pool_set_cache(edit_pool(L), c);
	return 0;
}

static int pool_unset(lua_State *L)
{
	pool_set_cache(edit_pool(L), NULL);
	return 0;
}

static int pool_get_cache(lua_State *L)
{
	struct cache *c = read_pool(L)->cache;

	if (c == NULL)
		return 0;
	lua_push_cache(L, c);
	return 1;
}

/* The pool as it will be: members may have come since the draft was begun. */
static struct pool agreed_pool(lua_State *L)
{
	struct pool p = *read_pool(L);

	pool_agree(&p);
	return p;
}

static int get_ecs(lua_State *L)
{
	lua_pushboolean(L, agreed_pool(L).ecs);
	return 1;
}

static int set_ecs(lua_State *L)
{
	bool on = lua_arg_bool(L, 2, "ECS");

	edit_pool(L)->ecs_set = on;
	return 0;
}

static int get_zero_scope(lua_State *L)
{
	lua_pushboolean(L, agreed_pool(L).zero_scope);
	return 1;
}

static int set_zero_scope(lua_State *L)
{
	bool on = lua_arg_bool(L, 2, "zeroScope");

	edit_pool(L)->zero_scope_set = on;
	return 0;
}

static const struct lua_method pool_methods[] = {
	METHOD("setCache", pool_set, 0, "PacketCache", "answers of this pool are kept there"),
	METHOD("getCache", pool_get_cache, ROW_READS, "", "its PacketCache, or nil"),
	METHOD("unsetCache", pool_unset, 0, "", "no cache any more"),
	METHOD("getECS", get_ecs, ROW_READS, "",
	       "whether the client's subnet is part of the cache's key"),
	METHOD("setECS", set_ecs, 0, "true|false", "the same, for pools whose servers disagree"),
	METHOD("getZeroScope", get_zero_scope, ROW_READS, "",
	       "whether answers valid for all subnets are shared"),
	METHOD("setZeroScope", set_zero_scope, 0, "true|false",
	       "the same, for pools whose servers disagree"),
	METHODS_END,
};

static int pool_to_string(lua_State *L)
{
	const struct pool_box *box = lua_object_check(L, 1, &lua_pool);

	lua_pushfstring(L, "ServerPool '%s'", box->name);
	return 1;
}

static const luaL_Reg pool_meta[] = {{"__tostring", pool_to_string}, {NULL, NULL}};

const struct lua_object lua_pool = {"ServerPool", pool_methods, pool_meta};

void lua_push_policy(lua_State *L, const struct policy *p)
{
	const struct policy **box = lua_object_new(L, &lua_policy, sizeof(*box));

	*box = p;
}

static int policy_name(lua_State *L)
{
	lua_pushstring(L, check_policy(L, 1)->name);
	return 1;
}

static int policy_false(lua_State *L)
{
	check_policy(L, 1);
	lua_pushboolean(L, false);
	return 1;
}

static int policy_to_string(lua_State *L)
{
	lua_pushfstring(L, "ServerPolicy %s (C++)", check_policy(L, 1)->name);
	return 1;
}

static const struct lua_method policy_methods[] = {
	METHOD("toString", policy_to_string, ROW_READS, "", "'ServerPolicy NAME' and its kind"),
	ATTRIBUTE("name", policy_name, NULL, "its name"),
	ATTRIBUTE("isLua", policy_false, NULL, "whether it is a function of the configuration"),
	ATTRIBUTE("isFFI", policy_false, NULL, "whether it is a function over FFI"),
	ATTRIBUTE("isPerThread", policy_false, NULL, "whether each thread has a copy of it"),
	METHODS_END,
};
static const luaL_Reg policy_meta[] = {{"__tostring", policy_to_string}, {NULL, NULL}};

const struct lua_object lua_policy = {"ServerPolicy", policy_methods, policy_meta};

/* The built-in policies are globals. */
void lua_policies_setup(lua_State *L)
{
	for (unsigned i = 0; i < policy_count; i++) {
		lua_push_policy(L, policies[i]);
		lua_setglobal(L, policies[i]->name);
	}
}
