/* The TimedIPSetRule object: addresses, each for a time, and the rule that matches them. */
#include "console/lua/registry.h"
#include "console/lua/rules.h"
#include "core/clock.h"
#include "rules/registry.h"
#include "rules/timed_set.h"

#define SECONDS_MAX 1000000000

struct timed_box {
	struct timed_set *set; /* a reference; the rules made of it have their own */
};

/* A finalizer of Lua may still hold a set that was collected just before. */
static struct timed_set *check(lua_State *L, int i)
{
	const struct timed_box *box = lua_object_check(L, i, &lua_timed_set);

	if (box->set == NULL)
		lua_fail(L, "this TimedIPSetRule was collected already");
	return box->set;
}

static int new_set(lua_State *L)
{
	struct timed_box *box;

	if (lua_gettop(L) > 0)
		return lua_fail(L, "takes no argument, got %s", lua_value_text(L, 1));
	box = lua_object_new(L, &lua_timed_set, sizeof(*box));
	box->set = timed_set_new();
	return 1;
}

const struct lua_function timed_set_functions[] = {
	{"TimedIPSetRule", new_set, ROW_READS, "",
	 "an empty set of addresses, each with a time; its slice() is the rule"},
	{NULL, NULL, 0, NULL, NULL},
};

static int add(lua_State *L)
{
	struct timed_set *set = check(L, 1);
	uint64_t now_us = clock_mono_us(), seconds;
	struct addr a;

	lua_arg_address(L, 2, "address", 0, &a);
	seconds = (uint64_t)lua_arg_integer(L, 3, "seconds", 0, SECONDS_MAX);
	timed_set_add(set, &a, now_us + seconds * 1000000, now_us);
	return 0;
}

static int remove_address(lua_State *L)
{
	struct timed_set *set = check(L, 1);
	struct addr a;

	lua_arg_address(L, 2, "address", 0, &a);
	timed_set_remove(set, &a);
	return 0;
}

static int clear(lua_State *L)
{
	timed_set_clear(check(L, 1));
	return 0;
}

static int cleanup(lua_State *L)
{
	timed_set_cleanup(check(L, 1), clock_mono_us());
	return 0;
}

static int slice(lua_State *L)
{
	const struct arg argv[] = {{.given = true, .timed_set = check(L, 1)}};
	struct selector **box = lua_object_new(L, &lua_selector, sizeof(*box));
	struct err err;

	*box = selector_new(&timed_set_selector, argv, &err);
	return *box != NULL ? 1 : lua_host_raise(L, &err);
}

static int gc(lua_State *L)
{
	struct timed_box *box = lua_object_check(L, 1, &lua_timed_set);

	timed_set_unref(box->set);
	box->set = NULL;
	return 0;
}

static const struct lua_method methods[] = {
	METHOD("add", add, 0, "address, seconds",
	       "adds an address for so long; one that is there stays until the later of both"),
	METHOD("remove", remove_address, 0, "address", "takes an address out"),
	METHOD("clear", clear, 0, "", "takes all addresses out"),
	METHOD("cleanup", cleanup, 0, "", "frees those whose time is over; no rule needs it"),
	METHOD("slice", slice, ROW_READS, "", "the DNSRule that matches these addresses"),
	METHODS_END,
};

static const luaL_Reg meta[] = {
	{"__gc", gc},
	{NULL, NULL},
};

const struct lua_object lua_timed_set = {"TimedIPSetRule", methods, meta};
