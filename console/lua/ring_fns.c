/* How much of the traffic is remembered. */
#include "console/lua/registry.h"
#include "console/lua/rows.h"
#include "core/settings.h"

/*
 * A ring takes at most 336 octets an entry: two of ten million, 6.7 GB. More would not only be slow
 * to look through while the console waits, but is more likely a slip of the finger.
 */
#define ENTRIES_MAX 10000000
#define SHARDS_MAX  65536

const struct lua_option ring_options[] = {
	{"lockRetries", OPTION_INT, 0, UINT32_MAX, "", "hint: rings have no locks"},
	{"recordQueries", OPTION_BOOL, 0, 0, "", "whether queries are recorded (true)"},
	{"recordResponses", OPTION_BOOL, 0, 0, "", "whether answers are recorded (true)"},
	{"samplingRate", OPTION_INT, 0, UINT32_MAX, "",
	 "of so many queries, and of so many answers, one is recorded (0: all are)"},
	{NULL, 0, 0, 0, NULL, NULL},
};

static struct settings *edit(void)
{
	return TXN_EDIT(lua_host_txn(), SETTINGS, settings);
}

static int set_size(lua_State *L)
{
	uint32_t entries = (uint32_t)lua_arg_integer(L, 1, "capacity", 1, ENTRIES_MAX);

	if (!lua_arg_missing(L, 2))
		lua_arg_integer(L, 2, "shards", 1, SHARDS_MAX);
	edit()->ring_entries = entries;
	return 0;
}

static int set_options(lua_State *L)
{
	struct settings *s;

	lua_options_check(L, 1, ring_options);
	s = edit();
	s->ring_queries = lua_option_bool(L, 1, "recordQueries", s->ring_queries);
	s->ring_answers = lua_option_bool(L, 1, "recordResponses", s->ring_answers);
	s->ring_sampling = (uint32_t)lua_option_number(L, 1, "samplingRate", s->ring_sampling);
	return 0;
}

static int former_lock_retries(lua_State *L)
{
	lua_arg_integer(L, 1, "retries", 0, UINT32_MAX);
	lua_host_former(L, "setRingBuffersLockRetries", "nothing: rings have no locks");
	return 0;
}

static int get_sampling(lua_State *L)
{
	lua_pushinteger(L, TXN_READ(lua_host_txn(), SETTINGS, settings)->ring_sampling);
	return 1;
}

const struct lua_function ring_functions[] = {
	{"setRingBuffersSize", set_size, ROW_STARTUP | ROW_EXACT, "capacity [, shards]",
	 "how many of the last queries, and as many of the last answers, are remembered (10000); "
	 "shards are a hint: each worker has its share"},
	{"setRingBuffersOptions", set_options, ROW_STARTUP | ROW_EXACT, "options",
	 "which queries and answers are remembered"},
	{"setRingBuffersLockRetries", former_lock_retries, ROW_STARTUP | ROW_EXACT, "retries",
	 "formerly: attempts to get a lock; has no effect"},
	{"getRingBuffersSamplingRate", get_sampling, ROW_READS | ROW_EXACT, "",
	 "of how many queries one is recorded; 0: all are"},
	{NULL, NULL, 0, NULL, NULL},
};
