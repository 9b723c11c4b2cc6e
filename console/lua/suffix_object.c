/* The SuffixMatchNode object: names, each of which stands for itself and all names below it. */
#include "console/lua/registry.h"
#include "console/lua/rows.h"
#include "core/dns/suffix.h"

struct suffix_box {
	struct suffix_table *table;
};

/* A finalizer of Lua may still hold a set that was collected just before. */
static struct suffix_table *check(lua_State *L, int i)
{
	const struct suffix_box *box = lua_object_check(L, i, &lua_suffixes);

	if (!box->table)
		lua_fail(L, "this SuffixMatchNode was collected already");
	return box->table;
}

/* For a change: rules that have the set keep it as it was. */
static struct suffix_table *check_own(lua_State *L, int i)
{
	struct suffix_box *box = lua_object_check(L, i, &lua_suffixes);

	check(L, i);
	box->table = suffix_table_own(box->table);
	return box->table;
}

struct suffix_table *lua_test_suffixes(lua_State *L, int i)
{
	return lua_object_test(L, i, &lua_suffixes) ? check(L, i) : NULL;
}

struct suffix_table *lua_push_suffixes(lua_State *L)
{
	struct suffix_box *box = lua_object_new(L, &lua_suffixes, sizeof(*box));

	box->table = suffix_table_new();
	return box->table;
}

static int new_suffixes(lua_State *L)
{
	lua_push_suffixes(L);
	return 1;
}

const struct lua_function suffix_functions[] = {
	{"newSuffixMatchNode", new_suffixes, 0, "",
	 "an empty set of names that stand for all names below them too"},
	{NULL, NULL, 0, NULL, NULL},
};

/* What is done with each name; nothing when it is only looked at. */
enum change { LOOK, ADD, REMOVE };

/* The name at an index of the stack. A DNSName of no name (of makeRelative) is below nothing. */
static void change_one(lua_State *L, int i, struct suffix_table *t, enum change change)
{
	uint8_t name[DNS_NAME_MAX];
	size_t len = lua_arg_name(L, i, "name", name);

	if (len == 0)
		lua_fail(L, "name is a DNSName without a name");
	if (change == ADD && suffix_table_add(t, name, len, 0) < 0)
		lua_fail(L, "the set is full: its names take 4 GiB");
	if (change == REMOVE)
		suffix_table_remove(t, name, len);
}

static void change_list(lua_State *L, struct suffix_table *t, enum change change)
{
	for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1))
		change_one(L, lua_gettop(L), t, change);
}

/* A large list, into a set of its own that takes the place of the empty one: each name is read
 * once. */
static void fill_list(lua_State *L)
{
	size_t n = lua_rawlen(L, 2);
	struct suffix_box *box, *filled;

	suffix_table_reserve(lua_push_suffixes(L), n, n * LUA_NAME_GUESS);
	filled = lua_touserdata(L, -1);
	change_list(L, filled->table, ADD);
	box = lua_touserdata(L, 1);
	suffix_table_unref(box->table);
	box->table = suffix_table_ref(filled->table);
}

/* A list is looked at as a whole first: one bad name, and the set stays as it is. */
static int change_all(lua_State *L, enum change change)
{
	struct suffix_table *t = check_own(L, 1);

	if (lua_istable(L, 2)) {
		lua_settop(L, 2);
		if (change == ADD && suffix_table_len(t) == 0) {
			fill_list(L);
			return 0;
		}
		change_list(L, t, LOOK);
		change_list(L, t, change);
		return 0;
	}
	if (!lua_isstring(L, 2) && !lua_object_test(L, 2, &lua_name))
		return lua_fail(L, "name must be a DNSName, a string or a table of them, got %s",
				lua_value_text(L, 2));
	change_one(L, 2, t, change);
	return 0;
}

static int add(lua_State *L)
{
	return change_all(L, ADD);
}

static int remove_names(lua_State *L)
{
	return change_all(L, REMOVE);
}

static bool best_match(lua_State *L, struct suffix_match *match)
{
	const struct suffix_table *t = check(L, 1);
	uint8_t name[DNS_NAME_MAX];
	size_t len = lua_arg_name(L, 2, "name", name);
	struct suffix_hashes hashes;
	struct suffix_walk walk;

	if (len == 0)
		return false;
	suffix_hashes_make(&hashes, name, len);
	suffix_walk_start(&walk, t, &hashes);
	return suffix_walk_next(&walk, match);
}

static int check_name(lua_State *L)
{
	struct suffix_match match;

	lua_pushboolean(L, best_match(L, &match));
	return 1;
}

static int get_best_match(lua_State *L)
{
	struct suffix_match match;

	if (best_match(L, &match))
		lua_push_name(L, match.name, match.len);
	else
		lua_pushnil(L);
	return 1;
}

/* Lists the names as the texts of rules do. */
static int to_string(lua_State *L)
{
	const struct suffix_table *t = check(L, 1);
	char text[DNS_NAME_TEXT_MAX];
	struct suffix_match entry;
	luaL_Buffer out;
	size_t at = 0;
	bool any = false;

	luaL_buffinit(L, &out);
	for (; suffix_table_next(t, &at, &entry); any = true) {
		luaL_addstring(&out, any ? ", " : "");
		luaL_addstring(&out, name_text(entry.name, entry.len, text));
	}
	luaL_pushresult(&out);
	return 1;
}

static int gc(lua_State *L)
{
	struct suffix_box *box = lua_object_check(L, 1, &lua_suffixes);

	suffix_table_unref(box->table);
	box->table = NULL;
	return 0;
}

static const struct lua_method methods[] = {
	METHOD("add", add, 0, "name|{name, …}", "adds names, and with each all that are below it"),
	METHOD("remove", remove_names, 0, "name|{name, …}",
	       "removes exactly these names; others below them stay"),
	METHOD("check", check_name, ROW_READS, "name",
	       "whether a name is one of them, or below one of them"),
	METHOD("getBestMatch", get_best_match, ROW_READS, "name",
	       "the longest of them that a name is or is below; nil when there is none"),
	METHODS_END,
};

static const luaL_Reg meta[] = {
	{"__gc", gc},
	{"__tostring", to_string},
	{NULL, NULL},
};

const struct lua_object lua_suffixes = {"SuffixMatchNode", methods, meta};
