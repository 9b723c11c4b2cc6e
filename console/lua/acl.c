/* Who may ask, and who may use the console: two tables of netmasks with the same functions. */
#include "rules/acl.h"

#include <stdlib.h>

#include "console/config.h"
#include "console/lua/rows.h"
#include "console/lua/registry.h"

static struct acl *edit_acl(void)
{
	return TXN_EDIT(lua_host_txn(), ACL, acl);
}

static struct console_config *edit_console(void)
{
	return TXN_EDIT(lua_host_txn(), CONSOLE, console_config);
}

static void add(lua_State *L, struct netmask_table *t, const char *text)
{
	struct err err;

	if (acl_add(t, text, &err) < 0)
		lua_host_raise(L, &err);
}

/*
 * Replaces what *t holds by the netmask or the table of netmasks at index 1. A bad one is an error,
 * which drops the whole draft; the old table goes with it.
 */
static void replace(lua_State *L, struct netmask_table **t)
{
	if (!lua_isstring(L, 1) && !lua_istable(L, 1))
		lua_fail(L, "expected a netmask or a table of netmasks, got %s",
			 lua_value_text(L, 1));
	netmask_table_free(*t);
	*t = netmask_table_new();
	if (lua_isstring(L, 1)) {
		add(L, *t, lua_tostring(L, 1));
		return;
	}
	for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
		if (!lua_isstring(L, -1))
			lua_fail(L, "a netmask must be a string, got %s", lua_value_text(L, -1));
		add(L, *t, lua_tostring(L, -1));
	}
}

static void show(const struct netmask_table *t)
{
	char text[NETMASK_TEXT_MAX];

	for (size_t i = 0; i < netmask_table_len(t); i++) {
		uint32_t value;
		const struct netmask *nm = netmask_table_at(t, i, &value);

		lua_host_printf("%s%s\n", value == ACL_DENY ? "!" : "", netmask_text(nm, text));
	}
}

static int add_acl(lua_State *L)
{
	add(L, edit_acl()->table, lua_arg_string(L, 1, "netmask"));
	return 0;
}

static int rm_acl(lua_State *L)
{
	const char *text = lua_arg_string(L, 1, "netmask");
	struct err err;

	if (acl_remove(edit_acl()->table, text, &err) < 0)
		return lua_host_raise(L, &err);
	return 0;
}

static int set_acl(lua_State *L)
{
	replace(L, &edit_acl()->table);
	return 0;
}

static int set_acl_from_file(lua_State *L)
{
	const char *path = lua_arg_string(L, 1, "path");
	struct acl *a = edit_acl();
	struct err err;

	netmask_table_free(a->table);
	a->table = netmask_table_new();
	if (acl_add_file(a->table, path, &err) < 0)
		return lua_host_raise(L, &err);
	return 0;
}

static int show_acl(lua_State *L)
{
	show(TXN_READ(lua_host_txn(), ACL, acl)->table);
	return 0;
}

static int add_console_acl(lua_State *L)
{
	add(L, edit_console()->acl, lua_arg_string(L, 1, "netmask"));
	return 0;
}

static int set_console_acl(lua_State *L)
{
	replace(L, &edit_console()->acl);
	return 0;
}

static int show_console_acl(lua_State *L)
{
	show(TXN_READ(lua_host_txn(), CONSOLE, console_config)->acl);
	return 0;
}

const struct lua_function acl_functions[] = {
	{"addACL", add_acl, 0, "netmask", "lets these clients ask; with '!' in front: does not"},
	{"rmACL", rm_acl, 0, "netmask", "takes exactly this netmask out of the ACL"},
	{"setACL", set_acl, 0, "netmask|{netmask, …}", "replaces the whole ACL"},
	{"setACLFromFile", set_acl_from_file, ROW_NOT_CLIENT, "path",
	 "replaces the ACL by a file of one netmask a line"},
	{"showACL", show_acl, ROW_READS, "", "shows the ACL"},
	{"addConsoleACL", add_console_acl, 0, "netmask", "lets these clients use the console"},
	{"setConsoleACL", set_console_acl, 0, "netmask|{netmask, …}", "replaces the console's ACL"},
	{"showConsoleACL", show_console_acl, ROW_READS, "", "shows the console's ACL"},
	{NULL, NULL, 0, NULL, NULL},
};
