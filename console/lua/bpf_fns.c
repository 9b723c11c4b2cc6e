/* The kernel filter's functions: filters are made, and one is the default. */
#include <stdio.h>
#include <string.h>

#include "console/lua/bpf.h"
#include "console/lua/registry.h"
#include "rules/kernel_filters.h"

#define ENTRIES_MAX 4294967295.0

#define MAP_OPTIONS(kind, what)                                                                \
	{kind "MaxItems", OPTION_INT, 0,                                                       \
	 ENTRIES_MAX,     "entries",  "room for " what "; 0: none of them"},                   \
	{                                                                                      \
		kind "PinnedPath", OPTION_STRING, 0, 0, "",                                    \
			"where their map is on a bpf file system, shared with others and kept" \
	}

const struct lua_option bpf_options[] = {
	MAP_OPTIONS("ipv4", "IPv4 addresses"),
	MAP_OPTIONS("ipv6", "IPv6 addresses"),
	MAP_OPTIONS("cidr4", "IPv4 ranges"),
	MAP_OPTIONS("cidr6", "IPv6 ranges"),
	MAP_OPTIONS("qnames", "names"),
	{"external", OPTION_BOOL, 0, 0, "",
	 "the maps at these paths are another program's, which drops; none is loaded here"},
	{"interfaces", OPTION_TABLE, 0, 0, "",
	 "(not in dnsdist) interfaces where an XDP program drops, and truncates, before all else"},
	{"genericXDP", OPTION_BOOL, 0, 0, "",
	 "(not in dnsdist) XDP in the kernel's own mode, whatever the driver can"},
	{NULL, 0, 0, 0, NULL, NULL},
};

/*
 * Former forms: newBPFFilter(v4, v6, qnames), each a number, or a table of maxItems and pinnedPath.
 * Becomes the table at 1.
 */
static void former_one(lua_State *L, int i, enum kfilter_map map)
{
	static const char *const keys[] = {"maxItems", "pinnedPath"};
	int to = lua_gettop(L);

	if (lua_arg_missing(L, i))
		return;
	if (!lua_istable(L, i)) {
		lua_arg_integer(L, i, kfilter_max_option[map], 0, UINT32_MAX);
		lua_pushvalue(L, i);
		lua_setfield(L, to, kfilter_max_option[map]);
		return;
	}
	for (lua_pushnil(L); lua_next(L, i); lua_pop(L, 1)) {
		const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";

		if (strcmp(key, keys[0]) != 0 && strcmp(key, keys[1]) != 0)
			lua_fail(L, "an option of a map is maxItems or pinnedPath, not %s",
				 lua_value_text(L, -2));
		lua_pushvalue(L, -1);
		lua_setfield(L, to,
			     strcmp(key, keys[0]) == 0 ? kfilter_max_option[map]
						       : kfilter_path_option[map]);
	}
}

static bool is_former(lua_State *L)
{
	static const char *const keys[] = {"maxItems", "pinnedPath"};
	bool former = !lua_istable(L, 1) || !lua_arg_missing(L, 2);

	for (unsigned i = 0; i < 2 && !former; i++) {
		former = lua_getfield(L, 1, keys[i]) != LUA_TNIL;
		lua_pop(L, 1);
	}
	return former;
}

static void take_former(lua_State *L)
{
	if (lua_arg_missing(L, 1))
		lua_fail(L, "options must be a table, got %s", lua_value_text(L, 1));
	if (!is_former(L))
		return;
	lua_host_former(L, "newBPFFilter(ipv4, ipv6, qnames)",
			"newBPFFilter({ipv4MaxItems=, ipv6MaxItems=, qnamesMaxItems=})");
	lua_settop(L, 3);
	lua_newtable(L);
	former_one(L, 1, KFILTER_V4);
	former_one(L, 2, KFILTER_V6);
	former_one(L, 3, KFILTER_NAMES);
	lua_replace(L, 1);
	lua_settop(L, 1);
}

static void read_interfaces(lua_State *L, struct kfilter_options *o)
{
	if (lua_getfield(L, 1, "interfaces") == LUA_TNIL)
		return;
	for (lua_Integer i = 1; lua_geti(L, -1, i) != LUA_TNIL; i++, lua_pop(L, 1)) {
		if (lua_type(L, -1) != LUA_TSTRING)
			lua_fail(L, "interfaces must be a list of names, got %s",
				 lua_value_text(L, -1));
		if (o->n_interfaces == KFILTER_INTERFACES_MAX)
			lua_fail(L, "interfaces: more than %d", KFILTER_INTERFACES_MAX);
		o->interface[o->n_interfaces++] = lua_tostring(L, -1);
	}
	lua_pop(L, 1); /* the list holds the names, and the table it */
	if (o->n_interfaces == 0)
		lua_fail(L, "interfaces must be a list of names, such as {\"eth0\"}");
}

static struct kfilter_options read_options(lua_State *L)
{
	struct kfilter_options o = {.external = false};

	take_former(L);
	lua_options_check(L, 1, bpf_options);
	for (unsigned i = 0; i < KFILTER_MAPS; i++) {
		o.map[i].max = (uint32_t)lua_option_number(L, 1, kfilter_max_option[i], 0);
		o.map[i].pinned = lua_option_string(L, 1, kfilter_path_option[i]);
	}
	o.external = lua_option_bool(L, 1, "external", false);
	o.generic_only = lua_option_bool(L, 1, "genericXDP", false);
	read_interfaces(L, &o);
	return o;
}

/*
 * A check loads nothing and asks nobody. Where the kernel does not let us, the program goes on
 * without: one line says so, and dynamic blocks are done in user space as ever.
 */
static int new_filter(lua_State *L)
{
	struct kfilter_options o = read_options(L);
	struct bpf_box *box = lua_object_new(L, &lua_bpf_filter, sizeof(*box));
	struct err err, why;
	int rc = -ECANCELED;

	if (lua_host_role() == LUA_DAEMON)
		rc = kfilter_open(&o, &box->filter, &why);
	if (rc == -EINVAL)
		return lua_host_raise(L, &why);
	if (rc < 0 && kfilter_unopened(&o, &box->filter, &err) < 0)
		return lua_host_raise(L, &err);
	if (rc < 0 && rc != -ECANCELED)
		lua_warn(L,
			 "there is no kernel filter: %s; what dynamic blocks drop is dropped in "
			 "user space, other entries of this filter drop nothing",
			 why.text);
	kernel_filters_add(box->filter);
	return 1;
}

struct kfilter *lua_arg_bpf(lua_State *L, int i)
{
	const struct bpf_box *box = lua_object_check(L, i, &lua_bpf_filter);

	if (box->filter == NULL)
		lua_fail(L, "this BPFFilter was collected already");
	return box->filter;
}

static int set_default(lua_State *L)
{
	kernel_filter_set_default(lua_arg_bpf(L, 1));
	return 0;
}

const struct lua_function bpf_functions[] = {
	{"newBPFFilter", new_filter, ROW_STARTUP, "{options}",
	 "a BPFFilter, which has the kernel drop packets before they are read"},
	{"setDefaultBPFFilter", set_default, ROW_STARTUP, "filter",
	 "attaches this BPFFilter to all listeners, and has it do what dynamic blocks drop"},
	{NULL, NULL, 0, NULL, NULL},
};
