/*
 * Whom a DynBlockRulesGroup leaves alone: ranges of clients, names. All of a list is read before
 * anything is done with it.
 */
#include "console/lua/block_group.h"
#include "console/lua/rules.h"

/* A table of the netmasks at index 2, which lends it to the stack. */
static const struct netmask_table *read_ranges(lua_State *L)
{
	const struct netmask_table *given = lua_test_netmask_group(L, 2);
	struct netmask_table *read;
	struct err err;

	if (given)
		return given;
	if (lua_arg_missing(L, 2))
		lua_fail(L, "ranges must be a netmask, a list of them or a NetmaskGroup, got %s",
			 lua_value_text(L, 2));
	read = lua_push_netmask_group(L);
	if (!lua_istable(L, 2)) {
		if (!lua_add_netmask(L, 2, read, &err))
			lua_fail(L, "%s", err.text);
		return read;
	}
	for (size_t i = 1, n = lua_list_len(L, 2, "ranges"); i <= n; i++) {
		lua_rawgeti(L, 2, (lua_Integer)i);
		if (!lua_add_netmask(L, -1, read, &err))
			lua_fail(L, "entry %d of ranges: %s", (int)i, err.text);
		lua_pop(L, 1);
	}
	return read;
}

int lua_block_ranges(lua_State *L, struct block_group *g,
		     void (*each)(struct block_group *, const struct netmask *))
{
	const struct netmask_table *t = read_ranges(L);

	for (size_t i = 0; i < netmask_table_len(t); i++)
		each(g, netmask_table_at(t, i, NULL));
	return 0;
}

int lua_block_remove_ranges(lua_State *L, struct block_group *g)
{
	const struct netmask_table *t = read_ranges(L);

	for (size_t i = 0; i < netmask_table_len(t); i++) {
		struct netmask nm = *netmask_table_at(t, i, NULL);
		char text[NETMASK_TEXT_MAX];

		if (!block_group_remove_range(g, &nm))
			lua_warn(L, "%s was neither excluded nor included",
				 netmask_text(&nm, text));
	}
	return 0;
}

/* The names at index 2; with add false they are only read. */
static void read_names(lua_State *L, struct block_group *g, bool add)
{
	uint8_t name[DNS_NAME_MAX];
	size_t n = lua_istable(L, 2) ? lua_list_len(L, 2, "domains") : 1, len;

	for (size_t i = 1; i <= n; i++) {
		if (lua_istable(L, 2))
			lua_rawgeti(L, 2, (lua_Integer)i);
		else
			lua_pushvalue(L, 2);
		len = lua_arg_name(L, lua_gettop(L), "a name in domains", name);
		if (add && block_group_exclude_name(g, name, len) < 0)
			lua_fail(L, "too many names");
		lua_pop(L, 1);
	}
}

int lua_block_exclude_names(lua_State *L, struct block_group *g)
{
	read_names(L, g, false);
	read_names(L, g, true);
	return 0;
}
