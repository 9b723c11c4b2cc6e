/*
 * The NetmaskGroup object: a set of netmasks, those with '!' in front negative. The longest match
 * decides, as in the ACL, whose table it is.
 */
#include "console/lua/rows.h"
#include "console/lua/registry.h"
#include "rules/acl.h"

struct group_box {
	struct netmask_table *table; /* owned; values as in the ACL */
};

struct netmask_table *lua_push_netmask_group(lua_State *L)
{
	struct group_box *box = lua_object_new(L, &lua_netmask_group, sizeof(*box));

	box->table = netmask_table_new();
	return box->table;
}

static int new_group(lua_State *L)
{
	if (lua_gettop(L) > 0)
		return lua_fail(L, "takes no argument, got %s: write newNMG() and then addMask()",
				lua_value_text(L, 1));
	lua_push_netmask_group(L);
	return 1;
}

const struct lua_function netmask_group_functions[] = {
	{"newNMG", new_group, 0, "", "an empty NetmaskGroup"},
	{NULL, NULL, 0, NULL, NULL},
};

/* A finalizer of Lua may still hold a group that was collected just before. */
static struct group_box *check(lua_State *L, int i)
{
	struct group_box *box = lua_object_check(L, i, &lua_netmask_group);

	if (box->table == NULL)
		lua_fail(L, "this NetmaskGroup was collected already");
	return box;
}

/* For a change: rules that have the group keep it as it was. */
static struct group_box *check_own(lua_State *L, int i)
{
	struct group_box *box = check(L, i);

	box->table = netmask_table_own(box->table);
	return box;
}

struct netmask_table *lua_test_netmask_group(lua_State *L, int i)
{
	return lua_object_test(L, i, &lua_netmask_group) ? check(L, i)->table : NULL;
}

static int gc(lua_State *L)
{
	struct group_box *box = lua_object_check(L, 1, &lua_netmask_group);

	netmask_table_unref(box->table);
	box->table = NULL;
	return 0;
}

/* Replaces the table of the group. Takes next. */
static void replace(struct group_box *box, struct netmask_table *next)
{
	netmask_table_unref(box->table);
	box->table = next;
}

bool lua_add_netmask(lua_State *L, int i, struct netmask_table *t, struct err *err)
{
	struct netmask nm;

	if (lua_type(L, i) == LUA_TSTRING)
		return acl_add(t, lua_tostring(L, i), err) == 0;
	if (!lua_read_netmask(L, i, &nm, err))
		return false;
	netmask_table_add(t, &nm, ACL_ALLOW);
	return true;
}

/*
 * Adds the entries of the table at index 2: of a list its values; else the keys, as the tables of
 * counts by address have them. Raises nothing, so that the caller can free t.
 */
static bool add_entries(lua_State *L, struct netmask_table *t, struct err *err)
{
	bool good = true;

	for (lua_pushnil(L); good && lua_next(L, 2); lua_pop(L, 1)) {
		good = lua_add_netmask(L, lua_type(L, -2) == LUA_TNUMBER ? -1 : -2, t, err);
		if (!good)
			err_prefix(err, "entry %s", lua_value_text(L, -2));
	}
	return good;
}

static void merge(struct group_box *box, const struct netmask_table *from)
{
	for (size_t i = 0; i < netmask_table_len(from); i++) {
		uint32_t verdict;
		const struct netmask *nm = netmask_table_at(from, i, &verdict);

		netmask_table_add(box->table, nm, verdict);
	}
}

/* A table is read apart first, so that a bad entry leaves the group as it was. */
static void add_table(lua_State *L, struct group_box *box)
{
	struct netmask_table *read = netmask_table_new();
	struct err err;

	if (!add_entries(L, read, &err)) {
		netmask_table_unref(read);
		lua_host_raise(L, &err);
	}
	if (netmask_table_len(box->table) == 0) {
		replace(box, read);
		return;
	}
	merge(box, read);
	netmask_table_unref(read);
}

static int add_mask(lua_State *L)
{
	struct group_box *box = check_own(L, 1);
	struct err err;

	if (lua_istable(L, 2))
		add_table(L, box);
	else if (!lua_add_netmask(L, 2, box->table, &err))
		return lua_host_raise(L, &err);
	return 0;
}

static int add_masks(lua_State *L)
{
	struct group_box *box = check_own(L, 1);

	if (!lua_istable(L, 2))
		return lua_fail(L, "netmasks must be a table, got %s", lua_value_text(L, 2));
	add_table(L, box);
	return 0;
}

static int add_group(lua_State *L)
{
	struct group_box *box = check_own(L, 1);
	const struct group_box *other = check(L, 2);

	if (netmask_table_len(box->table) == 0)
		replace(box, netmask_table_clone(other->table));
	else
		merge(box, other->table);
	return 0;
}

/* Built anew: to take netmasks out one by one costs a pass over all for each. */
static int delete_group(lua_State *L)
{
	struct group_box *box = check(L, 1);
	const struct group_box *other = check(L, 2);
	struct netmask_table *left = netmask_table_new();

	for (size_t i = 0; i < netmask_table_len(box->table); i++) {
		uint32_t verdict;
		const struct netmask *nm = netmask_table_at(box->table, i, &verdict);

		if (!netmask_table_holds(other->table, nm))
			netmask_table_add(left, nm, verdict);
	}
	replace(box, left);
	return 0;
}

static int clear(lua_State *L)
{
	replace(check(L, 1), netmask_table_new());
	return 0;
}

static int match(lua_State *L)
{
	const struct group_box *box = check(L, 1);
	struct addr a;

	lua_arg_address(L, 2, "address", 0, &a);
	lua_pushboolean(L, netmask_table_lookup(box->table, &a) == ACL_ALLOW);
	return 1;
}

static int size(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)netmask_table_len(check(L, 1)->table));
	return 1;
}

static int to_string(lua_State *L)
{
	const struct netmask_table *t = check(L, 1)->table;
	char text[NETMASK_TEXT_MAX];
	luaL_Buffer b;

	luaL_buffinit(L, &b);
	luaL_addstring(&b, "NetmaskGroup ");
	for (size_t i = 0; i < netmask_table_len(t); i++) {
		uint32_t verdict;
		const struct netmask *nm = netmask_table_at(t, i, &verdict);

		luaL_addstring(&b, i ? ", " : "");
		luaL_addstring(&b, verdict == ACL_DENY ? "!" : "");
		luaL_addstring(&b, netmask_text(nm, text));
	}
	luaL_pushresult(&b);
	return 1;
}

#define MASKS "netmask|{netmask, …}"
static const struct lua_method methods[] = {
	METHOD("addMask", add_mask, 0, MASKS, "adds it; with '!' in front it does not match"),
	METHOD("addMasks", add_masks, 0, "{netmask, …}|{[address]=count, …}",
	       "adds all netmasks of a list, or all addresses of a table of counts"),
	METHOD("addNMG", add_group, 0, "group", "adds what another NetmaskGroup holds"),
	METHOD("deleteNMG", delete_group, 0, "group",
	       "takes out exactly the netmasks that another NetmaskGroup holds"),
	METHOD("clear", clear, 0, "", "takes out all netmasks"),
	METHOD("match", match, ROW_READS, "address",
	       "whether the longest netmask with the address is there, and has no '!'"),
	METHOD("size", size, ROW_READS, "", "how many netmasks it holds"),
	METHOD("toString", to_string, ROW_READS, "", "'NetmaskGroup ' and its netmasks"),
	METHODS_END,
};

static const luaL_Reg meta[] = {
	{"__gc", gc},
	{"__tostring", to_string},
	{NULL, NULL},
};

const struct lua_object lua_netmask_group = {"NetmaskGroup", methods, meta};
