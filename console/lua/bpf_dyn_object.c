/* The DynBPFFilter object, and what blocks with it. */
#include <string.h>

#include "console/lua/bpf.h"
#include "console/lua/registry.h"
#include "core/clock.h"
#include "rules/dyn_filter.h"

#define SECONDS_MAX     1000000000
#define SECONDS_DEFAULT 10

struct dyn_box {
	struct dyn_filter *filter;
};

static struct dyn_filter *arg(lua_State *L, int i)
{
	const struct dyn_box *box = lua_object_check(L, i, &lua_dyn_bpf_filter);

	if (box->filter == NULL)
		lua_fail(L, "this DynBPFFilter was collected already");
	return box->filter;
}

static int new_filter(lua_State *L)
{
	struct kfilter *f = lua_arg_bpf(L, 1);
	struct dyn_box *box = lua_object_new(L, &lua_dyn_bpf_filter, sizeof(*box));

	box->filter = dyn_filter_new(f);
	return 1;
}

/* seconds and message at these positions. */
struct how {
	uint32_t seconds;
	const char *reason;
};

static struct how read_how(lua_State *L, int seconds, int message)
{
	struct how h = {SECONDS_DEFAULT, ""};

	if (!lua_arg_missing(L, seconds))
		h.seconds = (uint32_t)lua_arg_integer(L, seconds, "seconds", 1, SECONDS_MAX);
	if (!lua_arg_missing(L, message))
		h.reason = lua_arg_string(L, message, "message");
	return h;
}

static void block_one(lua_State *L, struct dyn_filter *d, const struct addr *a, const struct how *h)
{
	bool quiet = lua_host_role() != LUA_DAEMON;
	struct err err;

	if (dyn_filter_block(d, a, h->seconds, h->reason, quiet, &err) < 0)
		lua_fail(L, "%s", err.text);
}

/* All are read before the first one is blocked. */
static int add_blocks(lua_State *L)
{
	struct dyn_filter *d = arg(L, 2);
	struct how h = read_how(L, 3, 4);
	struct addr a;

	if (!lua_istable(L, 1))
		return lua_fail(L, "addresses must be a table with addresses as keys, got %s",
				lua_value_text(L, 1));
	for (unsigned pass = 0; pass < 2; pass++) {
		for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
			lua_pushvalue(L, -2); /* reading a number as text would change the key */
			lua_arg_address(L, lua_gettop(L), "an address in addresses", 0, &a);
			lua_pop(L, 1);
			if (pass == 1)
				block_one(L, d, &a, &h);
		}
	}
	return 0;
}

static int register_filter(lua_State *L)
{
	dyn_filter_register(arg(L, 1));
	return 0;
}

static int unregister_filter(lua_State *L)
{
	dyn_filter_unregister(arg(L, 1));
	return 0;
}

const struct lua_function bpf_dyn_functions[] = {
	{"newDynBPFFilter", new_filter, ROW_READS, "filter",
	 "a DynBPFFilter, which blocks addresses in a BPFFilter for a while"},
	{"addBPFFilterDynBlocks", add_blocks, ROW_NOT_CLIENT,
	 "addresses, dynfilter [, seconds [, message]]",
	 "blocks the addresses that are the keys of a table in the kernel, for 10 s unless told"},
	{"registerDynBPFFilter", register_filter, 0, "dynfilter",
	 "has what is past its time taken out of a DynBPFFilter each second"},
	{"unregisterDynBPFFilter", unregister_filter, 0, "dynfilter", "no longer does so"},
	{NULL, NULL, 0, NULL, NULL},
};

static int block(lua_State *L)
{
	struct dyn_filter *d = arg(L, 1);
	struct how h = read_how(L, 3, 4);
	struct addr a;

	lua_arg_address(L, 2, "address", 0, &a);
	block_one(L, d, &a, &h);
	return 0;
}

static int purge(lua_State *L)
{
	dyn_filter_purge(arg(L, 1), clock_mono_us());
	return 0;
}

/* A netmask, or a list of them; all are read first. */
static int change_ranges(lua_State *L, void (*change)(struct dyn_filter *, const struct netmask *))
{
	struct dyn_filter *d = arg(L, 1);
	struct netmask nm;
	struct err err;

	if (!lua_istable(L, 2)) {
		if (!lua_read_netmask(L, 2, &nm, &err))
			return lua_host_raise(L, &err);
		change(d, &nm);
		return 0;
	}
	for (unsigned pass = 0; pass < 2; pass++) {
		for (lua_Integer i = 1; lua_geti(L, 2, i) != LUA_TNIL; i++, lua_pop(L, 1)) {
			if (!lua_read_netmask(L, lua_gettop(L), &nm, &err))
				return lua_host_raise(L, &err);
			if (pass == 1)
				change(d, &nm);
		}
		lua_pop(L, 1);
	}
	return 0;
}

static int exclude(lua_State *L)
{
	return change_ranges(L, dyn_filter_exclude);
}

static int include(lua_State *L)
{
	return change_ranges(L, dyn_filter_include);
}

static int gc(lua_State *L)
{
	struct dyn_box *box = lua_object_check(L, 1, &lua_dyn_bpf_filter);

	if (box->filter)
		dyn_filter_unref(box->filter);
	box->filter = NULL;
	return 0;
}

static const struct lua_method methods[] = {
	METHOD("block", block, ROW_NOT_CLIENT, "address [, seconds [, message]]",
	       "(not in dnsdist) drops what comes from there, for 10 s unless told"),
	METHOD("purgeExpired", purge, 0, "",
	       "takes out what is past its time, which drops nothing any more"),
	METHOD("excludeRange", exclude, 0, "netmask|{netmask, …}",
	       "never blocks addresses of these"),
	METHOD("includeRange", include, 0, "netmask|{netmask, …}",
	       "blocks addresses of these again; the longest netmask decides"),
	METHODS_END,
};

static const luaL_Reg meta[] = {{"__gc", gc}, {NULL, NULL}};

const struct lua_object lua_dyn_bpf_filter = {"DynBPFFilter", methods, meta};
