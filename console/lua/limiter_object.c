/* The QPSLimiter object: a token bucket for Lua. */
#include "console/lua/rows.h"
#include "console/lua/registry.h"
#include "core/clock.h"
#include "pools/limiter.h"

struct limiter_box {
	uint32_t rate, burst;
	_Atomic uint64_t bucket;
};

static int new_limiter(lua_State *L)
{
	uint32_t rate = (uint32_t)lua_arg_integer(L, 1, "rate", 1, UINT32_MAX);
	uint32_t burst = (uint32_t)lua_arg_integer(L, 2, "burst", 1, UINT32_MAX);
	struct limiter_box *box = lua_object_new(L, &lua_limiter, sizeof(*box));

	box->rate = rate;
	box->burst = burst;
	return 1;
}

const struct lua_function limiter_functions[] = {
	{"newQPSLimiter", new_limiter, ROW_READS, "rate, burst",
	 "a QPSLimiter of so many a second, and so many at once; starts full"},
	{NULL, NULL, 0, NULL, NULL},
};

static int check(lua_State *L)
{
	struct limiter_box *box = lua_object_check(L, 1, &lua_limiter);

	lua_pushboolean(L, limiter_take(&box->bucket, box->rate, box->burst, clock_mono_us()));
	return 1;
}

static const struct lua_method methods[] = {
	METHOD("check", check, ROW_READS, "", "whether there is one to take, and takes it"),
	METHODS_END,
};

const struct lua_object lua_limiter = {"QPSLimiter", methods, NULL};
