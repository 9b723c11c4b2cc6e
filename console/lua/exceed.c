/*
 * The exceed… functions: clients over a rate, as a table for addDynBlocks. What they ask for is
 * counted from their first call on (rules/hitters.h), and given up a minute after the last.
 */
#include <string.h>

#include "console/lua/owned.h"
#include "console/lua/registry.h"
#include "console/tally.h"
#include "core/clock.h"
#include "core/settings.h"
#include "rules/hitters.h"
#include "rules/traffic.h"

static const struct hitters_masks hosts = {32, 128, 0, NULL};

struct over {
	lua_State *L;
	struct hitters_set *set;
	int number;
	unsigned seconds;
	double limit;
};

static void add_over(void *ctx, struct hitter *h)
{
	const struct over *o = ctx;
	uint64_t n = hitter_sum(h, o->number, o->seconds);

	if ((double)n <= o->limit)
		return;
	lua_push_address(o->L, &h->addr);
	lua_pushinteger(o->L, (lua_Integer)n);
	lua_rawset(o->L, -3);
}

/* (over) → table. The set is one of hitters_find, which another exceed… would free. */
static int push_over(lua_State *L)
{
	struct over *o = lua_touserdata(L, 1);

	lua_newtable(L);
	hitters_visit(o->set, true, add_over, o);
	return 1;
}

/*
 * With 0 seconds all that the ring holds counts, over the age of the oldest of it: the ring is then
 * walked, as counts by second do not go back for ever.
 */
struct walk {
	struct hit hit;
	struct tally *tally;
	uint64_t oldest_us;
};

static bool is_counted(const struct walk *w, const struct traffic_record *r)
{
	if (r->kind == TRAFFIC_ANSWERS && r->latency_us == TRAFFIC_TIMEOUT)
		return false;
	if (w->hit.kind == HIT_QTYPE)
		return r->qtype == w->hit.arg;
	if (w->hit.kind == HIT_RCODE)
		return (r->flags & DNS_RCODE_MASK) == w->hit.arg;
	return true;
}

static void walk_one(void *ctx, const struct traffic_record *r)
{
	struct walk *w = ctx;
	struct addr client = r->client;

	if (!is_counted(w, r))
		return;
	addr_set_port(&client, 0);
	tally_add(w->tally, &client, addr_len(&client), w->hit.kind == HIT_OCTETS ? r->size : 1);
	if (r->when_us < w->oldest_us)
		w->oldest_us = r->when_us;
}

/* One of so many is in the ring. */
static uint64_t sampling(void)
{
	uint32_t one_of = TXN_READ(lua_host_txn(), SETTINGS, settings)->ring_sampling;

	return one_of > 1 ? one_of : 1;
}

static int exceed_in_ring(lua_State *L, double rate, struct hit hit)
{
	bool queries = hit.kind == HIT_QUERIES || hit.kind == HIT_QTYPE;
	void **own = lua_own(L, (void (*)(void *))tally_free);
	struct walk w = {.hit = hit, .oldest_us = UINT64_MAX, .tally = tally_new()};
	uint64_t now_us = clock_mono_us();
	double limit;

	*own = w.tally;
	traffic_visit(queries ? TRAFFIC_QUERIES : TRAFFIC_ANSWERS, walk_one, &w);
	limit = w.oldest_us < now_us ? rate * (double)(now_us - w.oldest_us) / 1e6 : 0;
	lua_newtable(L);
	for (size_t i = 0; i < tally_len(w.tally); i++) {
		const uint8_t *key;
		size_t len;
		uint64_t n = tally_at(w.tally, i, &key, &len) * sampling();
		struct addr client = {0};

		if ((double)n <= limit)
			continue;
		memcpy(&client, key, len);
		lua_push_address(L, &client);
		lua_pushinteger(L, (lua_Integer)n);
		lua_rawset(L, -3);
	}
	lua_disown(own);
	return 1;
}

/* The arguments at, rate, and at + 1, seconds. */
static int exceed(lua_State *L, int at, struct hit hit)
{
	double rate = lua_arg_number(L, at, "rate", 0, UINT32_MAX);
	unsigned seconds = (unsigned)lua_arg_integer(L, at + 1, "seconds", 0, UINT32_MAX);
	struct over over = {.L = L, .seconds = seconds, .limit = rate * seconds};
	struct err err;

	if (rate <= 0)
		return lua_fail(L, "rate must be above 0, got %s", lua_value_text(L, at));
	if (seconds == 0)
		return exceed_in_ring(L, rate, hit);
	if (hitters_ask(&hosts, &hit, 1, seconds, &err) < 0)
		return lua_fail(L, "%s", err.text);
	over.set = hitters_find(&hosts);
	if (over.set == NULL) {
		lua_newtable(L);
		return 1;
	}
	over.number = hitters_number(over.set, hit);
	lua_pushcfunction(L, push_over);
	lua_pushlightuserdata(L, &over);
	lua_call_uncollected(L, 1, 1);
	return 1;
}

static int exceed_queries(lua_State *L)
{
	return exceed(L, 1, (struct hit){HIT_QUERIES, 0});
}

static int exceed_type(lua_State *L)
{
	uint16_t type;

	if (lua_type(L, 1) != LUA_TSTRING || type_parse(lua_tostring(L, 1), &type) < 0)
		type = (uint16_t)lua_arg_integer(L, 1, "qtype", 0, UINT16_MAX);
	return exceed(L, 2, (struct hit){HIT_QTYPE, type});
}

static int exceed_servfails(lua_State *L)
{
	return exceed(L, 1, (struct hit){HIT_RCODE, RCODE_SERVFAIL});
}

static int exceed_nxdomains(lua_State *L)
{
	return exceed(L, 1, (struct hit){HIT_RCODE, RCODE_NXDOMAIN});
}

static int exceed_octets(lua_State *L)
{
	return exceed(L, 1, (struct hit){HIT_OCTETS, 0});
}

#define OVER "clients, as a table of counts by address, "
const struct lua_function exceed_functions[] = {
	{"exceedQRate", exceed_queries, ROW_READS | ROW_EXACT, "rate, seconds",
	 OVER "that asked more than rate × seconds queries in the last seconds"},
	{"exceedQTypeRate", exceed_type, ROW_READS | ROW_EXACT, "qtype, rate, seconds",
	 OVER "with more than rate × seconds queries of a type"},
	{"exceedServFails", exceed_servfails, ROW_READS | ROW_EXACT, "rate, seconds",
	 OVER "with more than rate × seconds answers SERVFAIL"},
	{"exceedNXDOMAINs", exceed_nxdomains, ROW_READS | ROW_EXACT, "rate, seconds",
	 OVER "with more than rate × seconds answers NXDOMAIN"},
	{"exceedRespByterate", exceed_octets, ROW_READS | ROW_EXACT, "rate, seconds",
	 OVER "that got more than rate × seconds octets of answers"},
	{NULL, NULL, 0, NULL, NULL},
};
