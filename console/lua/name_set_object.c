/* The DNSNameSet object: names that stand for nothing but themselves. */
#include "console/lua/registry.h"
#include "console/lua/rows.h"
#include "core/dns/suffix.h"

struct set_box {
	struct suffix_table *table;
};

/* A finalizer of Lua may still hold a set that was collected just before. */
static struct set_box *check(lua_State *L, int i)
{
	struct set_box *box = lua_object_check(L, i, &lua_name_set);

	if (!box->table)
		lua_fail(L, "this DNSNameSet was collected already");
	return box;
}

/* For a change: rules that have the set keep it as it was. */
static struct set_box *check_own(lua_State *L, int i)
{
	struct set_box *box = check(L, i);

	box->table = suffix_table_own(box->table);
	return box;
}

struct suffix_table *lua_test_name_set(lua_State *L, int i)
{
	return lua_object_test(L, i, &lua_name_set) ? check(L, i)->table : NULL;
}

static int new_set(lua_State *L)
{
	struct set_box *box = lua_object_new(L, &lua_name_set, sizeof(*box));

	box->table = suffix_table_new();
	return 1;
}

const struct lua_function name_set_functions[] = {
	{"newDNSNameSet", new_set, 0, "", "an empty set of names"},
	{NULL, NULL, 0, NULL, NULL},
};

static int add(lua_State *L)
{
	const struct set_box *box = check_own(L, 1);
	uint8_t name[DNS_NAME_MAX];
	size_t len = lua_arg_name(L, 2, "name", name);

	if (len == 0)
		return lua_fail(L, "name is a DNSName without a name");
	if (suffix_table_add(box->table, name, len, 0) < 0)
		return lua_fail(L, "the set is full: its names take 4 GiB");
	return 0;
}

/* A DNSName of no name, which makeRelative may give, is in no set. */
static int check_name(lua_State *L)
{
	const struct set_box *box = check(L, 1);
	uint8_t name[DNS_NAME_MAX];
	size_t len = lua_arg_name(L, 2, "name", name);

	lua_pushboolean(L, len && suffix_table_exact(box->table, name, len) != SUFFIX_NONE);
	return 1;
}

static int delete (lua_State *L)
{
	const struct set_box *box = check_own(L, 1);
	uint8_t name[DNS_NAME_MAX];
	size_t len = lua_arg_name(L, 2, "name", name);

	lua_pushinteger(L, len && suffix_table_remove(box->table, name, len));
	return 1;
}

static int size(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)suffix_table_len(check(L, 1)->table));
	return 1;
}

static int empty(lua_State *L)
{
	lua_pushboolean(L, suffix_table_len(check(L, 1)->table) == 0);
	return 1;
}

static int clear(lua_State *L)
{
	struct set_box *box = check(L, 1);

	suffix_table_unref(box->table);
	box->table = suffix_table_new();
	return 0;
}

static int to_string(lua_State *L)
{
	const struct set_box *box = check(L, 1);
	char text[DNS_NAME_TEXT_MAX];
	struct suffix_match entry;
	luaL_Buffer out;
	size_t at = 0;
	bool any = false;

	luaL_buffinit(L, &out);
	for (; suffix_table_next(box->table, &at, &entry); any = true) {
		luaL_addstring(&out, any ? " " : "");
		luaL_addstring(&out, name_text(entry.name, entry.len, text));
	}
	luaL_pushresult(&out);
	return 1;
}

static int gc(lua_State *L)
{
	struct set_box *box = lua_object_check(L, 1, &lua_name_set);

	suffix_table_unref(box->table);
	box->table = NULL;
	return 0;
}

static const struct lua_method methods[] = {
	METHOD("add", add, 0, "name", "adds a name"),
	METHOD("check", check_name, ROW_READS, "name",
	       "whether a name is one of them, whatever its letter case"),
	METHOD("delete", delete, 0, "name", "removes a name; how many it removed, 0 or 1"),
	METHOD("size", size, ROW_READS, "", "how many names there are"),
	METHOD("empty", empty, ROW_READS, "", "whether there are none"),
	METHOD("clear", clear, 0, "", "removes all names"),
	METHOD("toString", to_string, ROW_READS, "", "the names with blanks between them"),
	METHODS_END,
};

static const luaL_Reg meta[] = {
	{"__gc", gc},
	{"__tostring", to_string},
	{NULL, NULL},
};

const struct lua_object lua_name_set = {"DNSNameSet", methods, meta};
