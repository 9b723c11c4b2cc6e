/* Names and netmasks that stand for a selector, wherever one is wanted; and makeRule, which says
 * so. */
#include "console/lua/registry.h"
#include "console/lua/rules.h"
#include "rules/select_texts.h"

/* Makes what is on top of the stack, a string or a DNSName, its text. */
static void entry_text(lua_State *L, const char *what, size_t k, struct arg *out)
{
	if (lua_object_test(L, -1, &lua_name)) {
		luaL_tolstring(L, -1, NULL);
		lua_replace(L, -2);
		if (lua_rawlen(L, -1) == 0)
			lua_fail(L, "entry %zu of %s is a DNSName without a name", k, what);
	}
	if (lua_type(L, -1) != LUA_TSTRING) /* a number would be a name that nobody meant */
		lua_fail(L, "entry %zu of %s must be a string or a DNSName, got %s", k, what,
			 lua_value_text(L, -1));
	out->given = true;
	out->text = lua_tolstring(L, -1, &out->len);
}

/*
 * Pushes a table of the texts of a list, and behind it the array that is given, which lends them
 * from there.
 */
static struct arg *push_texts(lua_State *L, int list, const char *what, size_t n)
{
	struct arg *texts;

	lua_createtable(L, (int)n, 0);
	texts = lua_newuserdatauv(L, n * sizeof(*texts), 0);
	for (size_t k = 1; k <= n; k++) {
		lua_rawgeti(L, list, (lua_Integer)k);
		entry_text(L, what, k, &texts[k - 1]);
		lua_rawseti(L, -3, (lua_Integer)k);
	}
	return texts;
}

/* Pushes the selector that these texts stand for. */
static struct selector *push_of_texts(lua_State *L, const struct arg *texts, size_t n,
				      const char *what)
{
	struct selector **box = lua_object_new(L, &lua_selector, sizeof(*box));
	struct err err;

	*box = selector_of_texts(texts, n, &err);
	if (*box == NULL) {
		err_prefix(&err, "%s", what);
		lua_host_raise(L, &err);
	}
	return *box;
}

/* Pushes the selector that the list at an absolute index stands for. */
static struct selector *of_list(lua_State *L, int list, const char *what)
{
	size_t n = lua_list_len(L, list, what);
	struct selector *s;
	struct arg *texts;
	const char *ignored;

	if (n == 0)
		lua_fail(L, "%s must have at least one entry", what);
	texts = push_texts(L, list, what, n);
	s = push_of_texts(L, texts, n, what);
	ignored = selector_ignored_text(texts, n);
	if (ignored != NULL)
		lua_warn(L, "%s: '%.100s' counts for nothing beside netmasks", what, ignored);
	lua_replace(L, -3);
	lua_pop(L, 1);
	return s;
}

struct selector *lua_arg_selector(lua_State *L, int i, const char *what)
{
	struct selector *s = lua_test_selector(L, i);

	luaL_checkstack(L, 10, NULL);
	i = lua_absindex(L, i);
	if (s != NULL) {
		lua_pushvalue(L, i);
		return s;
	}
	if (lua_istable(L, i))
		return of_list(L, i, what);
	if (lua_type(L, i) != LUA_TSTRING && !lua_object_test(L, i, &lua_name))
		lua_fail(L,
			 "%s must be a DNSRule, a name, a netmask or a list of names or netmasks, "
			 "got %s",
			 what, lua_value_text(L, i));
	lua_createtable(L, 1, 0);
	lua_pushvalue(L, i);
	lua_rawseti(L, -2, 1);
	s = of_list(L, lua_gettop(L), what);
	lua_replace(L, -2);
	return s;
}

struct selector *lua_arg_rule(lua_State *L, int i, const char *what)
{
	bool is_former = lua_test_selector(L, i) == NULL;
	struct selector *s = lua_arg_selector(L, i, what);

	if (is_former)
		lua_host_former(L, "names or netmasks in the place of a rule",
				"QNameSuffixRule() or NetmaskGroupRule()");
	return s;
}

static int make_rule(lua_State *L)
{
	lua_arg_selector(L, 1, "rule");
	lua_host_former(L, "makeRule()", "NetmaskGroupRule() or QNameSuffixRule()");
	return 1;
}

const struct lua_function rule_text_functions[] = {
	{"makeRule", make_rule, ROW_READS, "name|netmask|{name|netmask, …}",
	 "a DNSRule of netmasks if there are any, else of names and all names below them; former"},
	{NULL, NULL, 0, NULL, NULL},
};
