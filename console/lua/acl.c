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

/* Adds the netmask or the table of netmasks at index 1. Raises nothing, so that the caller can free
 * t. */
static int fill(lua_State *L, struct netmask_table *t, struct err *err)
{
	int rc = 0;

	if (lua_isstring(L, 1))
		return acl_add(t, lua_tostring(L, 1), err);
	if (!lua_istable(L, 1))
		return err_set(err, "expected a netmask or a table of netmasks, got %s",
			       lua_value_text(L, 1));
	for (lua_pushnil(L); rc == 0 && lua_next(L, 1); lua_pop(L, 1)) {
		if (lua_isstring(L, -1))
			rc = acl_add(t, lua_tostring(L, -1), err);
		else
			rc = err_set(err, "a netmask must be a string, got %s",
				     lua_value_text(L, -1));
	}
	return rc;
}

/* Replaces what *t holds, or raises the error and leaves it: the configuration may catch it. */
static void replace(lua_State *L, struct netmask_table **t,
		    int (*add_all)(lua_State *L, struct netmask_table *t, struct err *err))
{
	struct netmask_table *next = netmask_table_new();
	struct err err;

	if (add_all(L, next, &err) < 0) {
		netmask_table_unref(next);
		lua_host_raise(L, &err);
	}
	netmask_table_unref(*t);
	*t = next;
}

static int fill_from_file(lua_State *L, struct netmask_table *t, struct err *err)
{
	return acl_add_file(t, lua_tostring(L, 1), err);
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
	replace(L, &edit_acl()->table, fill);
	return 0;
}

static int set_acl_from_file(lua_State *L)
{
	lua_arg_string(L, 1, "path");
	replace(L, &edit_acl()->table, fill_from_file);
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
	replace(L, &edit_console()->acl, fill);
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
