/*
 * Rules about names between two calls of apply(): visitors are asked again as soon as enough new
 * answers came, so that an attack on a zone is met while it is new, and not up to a second later.
 */
#include "console/lua/block_group.h"
#include "console/lua/registry.h"
#include "console/lua/state.h"
#include "core/clock.h"
#include "rules/traffic.h"

/*
 * Worth a walk: a tenth of what the rings hold, and no more than NEWS_MAX, since on large rings an
 * attack is seen long before it has filled a tenth. At less a second apply() does as well.
 */
#define NEWS_PART 10
#define NEWS_MAX  1000

/* A walk calls Lua for each name: after one there is rest for so many times what it took. */
#define REST 9

static struct block_suffix *watched;

static void walk(lua_State *L, struct block_suffix *s)
{
	uint64_t begin_us = clock_mono_us(), end_us, room;

	s->watch.noted = traffic_noted(TRAFFIC_ANSWERS, &room);
	lua_block_suffix_apply(L, s, s->watch.group);
	end_us = clock_mono_us();
	s->watch.again_us = end_us + REST * (end_us - begin_us);
}

void lua_block_suffix_arm(lua_State *L, int i, struct block_suffix *s, struct block_group *g)
{
	if (s->kept == LUA_NOREF)
		return;
	s->watch.applied_us = clock_mono_us();
	if (s->watch.self == LUA_NOREF) {
		lua_pushvalue(L, i);
		s->watch.self = luaL_ref(L, LUA_REGISTRYINDEX); /* it is not collected meanwhile */
		s->watch.group = g;
		s->watch.next = watched;
		watched = s;
	}
	walk(L, s);
}

void lua_block_suffix_unwatch(lua_State *L, struct block_suffix *s)
{
	struct block_suffix **at = &watched;

	if (s->watch.self == LUA_NOREF)
		return;
	while (*at != s)
		at = &(*at)->watch.next;
	*at = s->watch.next;
	luaL_unref(L, LUA_REGISTRYINDEX, s->watch.self);
	s->watch.self = LUA_NOREF;
}

static bool is_due(const struct block_suffix *s, uint64_t now_us)
{
	uint64_t room, noted = traffic_noted(TRAFFIC_ANSWERS, &room);
	uint64_t news = room / NEWS_PART < NEWS_MAX ? room / NEWS_PART : NEWS_MAX;

	if (s->kept == LUA_NOREF || s->failed || now_us < s->watch.again_us)
		return false;
	/* Fewer than before: there are other rings now. */
	return noted < s->watch.noted || noted - s->watch.noted > news;
}

static int walk_in_txn(lua_State *L)
{
	walk(L, lua_touserdata(L, 1));
	return 0;
}

bool lua_block_rules_watched(void)
{
	return watched != NULL;
}

void lua_block_rules_check(void)
{
	lua_State *L = host.L;
	uint64_t now_us = clock_mono_us();
	struct err err;

	/* A visitor may apply other groups, which come in front, but end nobody's watch. */
	for (struct block_suffix *s = watched, *next; s; s = next) {
		if (now_us - s->watch.applied_us > BLOCK_ARMED_US) {
			next = s->watch.next;
			lua_block_suffix_unwatch(L, s);
			continue;
		}
		if (is_due(s, now_us)) {
			lua_pushcfunction(L, walk_in_txn);
			lua_pushlightuserdata(L, s);
			if (lua_host_call_txn(L, 1, &err) < 0)
				lua_host_failed("setSuffixMatchRule()", &err, NULL);
			block_groups_tell();
		}
		next = s->watch.next;
	}
}
