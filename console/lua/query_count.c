/*
 * Queries counted by name: setQueryCount and its family. Workers note them (rules/asked.h), this
 * thread counts, so that no query waits for the function that decides what is counted.
 */
#include <string.h>

#include "console/lua/dns_question.h"
#include "console/lua/registry.h"
#include "console/lua/state.h"
#include "console/tally.h"
#include "core/clock.h"
#include "core/dns/name.h"
#include "core/log.h"
#include "core/settings.h"
#include "core/stats.h"

/*
 * What is kept at most: with the tables around them some 25 MB. Clients choose the names, and a
 * flood of random ones shall neither fill the memory nor push out what was there before.
 */
#define NAMES_MAX  100000
#define OCTETS_MAX (8u << 20)

/* A reading goes on for so long at most, so that the console and maintenance() get their turns. */
#define READ_US 20000

/* A name that a filter may give. A DNS name as text fits. */
#define NAME_MAX_LEN 1024
static_assert(DNS_NAME_TEXT_MAX <= NAME_MAX_LEN, "a DNS name as text does not fit");

#define FILTERS "dnsdist.query_count_filters"

static struct {
	struct tally *names;
	uint64_t others;      /* queries whose name found no room */
	uint64_t failed;      /* queries for which the filter failed */
	uint64_t lost_before; /* asked_lost() when it was last cleared */
	uint32_t filter;      /* in force: an index of FILTERS; 0: none */
	uint32_t stuck;       /* one that ran into the limit of time and is not called again */
	uint32_t last;        /* the last one that was set */
	bool reading;
} count;

static void add(const char *name, size_t len)
{
	if (count.names == NULL)
		count.names = tally_new();
	if (!tally_add_within(count.names, name, len, 1, NAMES_MAX, OCTETS_MAX))
		count.others++;
}

/* Under its name in lower case, without the dot at the end, as it always was written. */
static void add_question(const struct asked *a)
{
	char text[DNS_NAME_TEXT_MAX];
	uint8_t name[DNS_NAME_MAX];
	size_t len = a->question.name_len;

	name_lower(name, a->packet + DNS_HEADER_LEN, len);
	len = strlen(name_text(name, len, text));
	add(text, len > 1 ? len - 1 : len);
}

struct verdict {
	const struct asked *asked;
	bool counts;
	char name[NAME_MAX_LEN];
	size_t len;
};

/* (filter, verdict) */
static int ask_filter(lua_State *L)
{
	struct verdict *v = lua_touserdata(L, 2);
	const char *name;

	lua_pushvalue(L, 1);
	lua_push_question(L, v->asked);
	lua_call(L, 1, 2);
	v->counts = lua_toboolean(L, -2);
	if (!v->counts)
		return 0;
	if (!lua_isstring(L, -1))
		return luaL_error(L,
				  "it returns whether to count, and the name to count under; it "
				  "returned %s as the name",
				  lua_value_text(L, -1));
	name = lua_tolstring(L, -1, &v->len);
	if (v->len > NAME_MAX_LEN)
		return luaL_error(L, "the name to count under has %I octets, more than %d",
				  (LUAI_UACINT)v->len, NAME_MAX_LEN);
	memcpy(v->name, name, v->len);
	return 0;
}

static void add_filtered(const struct asked *a)
{
	static uint64_t last_us;
	lua_State *L = host.L;
	struct verdict v = {.asked = a};
	struct err err;

	if (count.filter == count.stuck) {
		count.failed++;
		return;
	}
	lua_pushcfunction(L, ask_filter);
	luaL_getsubtable(L, LUA_REGISTRYINDEX, FILTERS);
	lua_rawgeti(L, -1, count.filter);
	lua_remove(L, -2);
	lua_pushlightuserdata(L, &v);
	if (lua_host_call_txn(L, 2, &err) == 0) {
		if (v.counts)
			add(v.name, v.len);
		return;
	}
	count.failed++;
	lua_host_failed("the filter of setQueryCountFilter()", &err, &last_us);
	if (host.was_late) {
		/* or each query would hold this thread for as long */
		count.stuck = count.filter;
		log_error("setup",
			  "the filter of setQueryCountFilter() is not called again until one "
			  "is set anew");
	}
}

static bool count_one(void *ctx, const struct asked *a)
{
	const uint64_t *until_us = ctx;

	/* what is not here whole came before there was a filter */
	if (count.filter == 0 || a->len < a->size)
		add_question(a);
	else
		add_filtered(a);
	return !host.interrupted && clock_mono_us() < *until_us;
}

void lua_query_count_read(void)
{
	uint64_t until_us;

	if (!asked_on() || count.reading || host.txn != NULL)
		return;
	count.reading = true;
	until_us = clock_mono_us() + READ_US;
	asked_read(count_one, &until_us);
	count.reading = false;
	lua_query_count_follow(); /* a filter may have set another one */
}

/* Functions that no table asks for any more go. */
static void keep_only(lua_State *L, uint32_t filter)
{
	luaL_getsubtable(L, LUA_REGISTRYINDEX, FILTERS);
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
		if (lua_tointeger(L, -2) == (lua_Integer)filter)
			continue;
		lua_pushvalue(L, -2);
		lua_pushnil(L);
		lua_rawset(L, -5); /* of a key that is there, which a walk allows */
	}
	lua_pop(L, 1);
}

void lua_query_count_follow(void)
{
	const struct settings *s = rcu_get(tables_live)->settings;

	if (count.reading || host.txn != NULL)
		return;
	if (count.last != s->query_count_filter || count.filter != s->query_count_filter) {
		keep_only(host.L, s->query_count_filter);
		count.last = count.filter = s->query_count_filter;
	}
	asked_follow(s->query_count, s->query_count_filter != 0);
}

void lua_query_count_stop(void)
{
	tally_free(count.names);
	memset(&count, 0, sizeof(count));
}

static int set_filter(lua_State *L)
{
	lua_arg_function(L, 1, "filter");
	luaL_getsubtable(L, LUA_REGISTRYINDEX, FILTERS);
	lua_pushvalue(L, 1);
	lua_rawseti(L, -2, ++count.last);
	TXN_EDIT(lua_host_txn(), SETTINGS, settings)->query_count_filter = count.last;
	return 0;
}

static size_t records(void)
{
	return count.names ? tally_len(count.names) : 0;
}

static void print_rest(void)
{
	uint64_t lost = asked_lost() - count.lost_before;

	if (count.others > 0)
		lua_host_printf(
			"%llu request(s) are not in the buffer, which holds %u names at most\n",
			(unsigned long long)count.others, NAMES_MAX);
	if (count.failed > 0)
		lua_host_printf("%llu request(s) were not counted, as the filter failed\n",
				(unsigned long long)count.failed);
	if (lost > 0)
		lua_host_printf("%llu request(s) were not counted, as they came faster than they "
				"were read\n",
				(unsigned long long)lost);
}

static int get_counters(lua_State *L)
{
	bool on = TXN_READ(lua_host_txn(), SETTINGS, settings)->query_count;
	size_t max = 10;

	if (!lua_arg_missing(L, 1))
		max = (size_t)lua_arg_integer(L, 1, "max", 0, UINT32_MAX);
	lua_host_printf("query counting is currently: %s (%zu records in buffer)\n",
			on ? "enabled" : "disabled", records());
	if (count.names)
		tally_sort(count.names);
	for (size_t i = 0; i < max && i < records(); i++) {
		const uint8_t *name;
		size_t len;
		uint64_t n = tally_at(count.names, i, &name, &len);

		lua_host_printf("%-4zu%.*s: %llu request(s)\n", i + 1, (int)len, (const char *)name,
				(unsigned long long)n);
	}
	print_rest();
	return 0;
}

static int clear_counters(lua_State *L)
{
	lua_host_printf("%zu records cleared from query counter buffer\n", records());
	tally_free(count.names);
	count.names = NULL;
	count.others = count.failed = 0;
	count.lost_before = asked_lost();
	return 0;
}

const struct lua_function query_count_functions[] = {
	{"setQueryCountFilter", set_filter, ROW_EXACT, "function(dq)",
	 "decides how queries are counted: it is shown a DNSQuestion, and returns whether to count it, and "
	 "the name to count it under"},
	{"getQueryCounters", get_counters, ROW_READS | ROW_EXACT, "[max]",
	 "how many queries each name had, the first max (10) of them, most asked first; 100000 names are "
	 "kept at most"},
	{"clearQueryCounters", clear_counters, ROW_EXACT, "", "forgets them"},
	{NULL, NULL, 0, NULL, NULL},
};

void lua_query_count_setup(lua_State *L)
{
	stats_provide("query-count-lost", asked_lost);
}
