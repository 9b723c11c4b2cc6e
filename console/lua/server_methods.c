/* The Server object. It holds a reference; what an operator sets goes into the draft's def. */
#include <stdlib.h>

#include "console/lua/server.h"
#include "core/clock.h"
#include "core/mem.h"
#include "pools/limiter.h"
#include "workers/workers.h"

void lua_push_server(lua_State *L, struct server *s)
{
	struct server **box = lua_object_new(L, &lua_server, sizeof(*box));

	*box = server_ref(s);
}

/* A finalizer of Lua may still hold a server that was collected just before. */
struct server *lua_check_server(lua_State *L, int i)
{
	struct server **box = lua_object_check(L, i, &lua_server);

	if (!*box)
		lua_fail(L, "this Server was collected already");
	return *box;
}

static int removed(lua_State *L, const struct server *s)
{
	char addr[ADDR_TEXT_MAX];

	return lua_fail(L, "server %s was removed", addr_text_port(&s->fixed.addr, addr));
}

const struct server_row *lua_server_row(lua_State *L, struct server *s)
{
	const struct server_row *row = pools_row(lua_pools(), s);

	if (row == NULL)
		removed(L, s);
	return row;
}

struct server_def *lua_server_edit(lua_State *L, struct server *s)
{
	lua_server_row(L, s);
	return pools_def_edit(lua_pools_edit(), s);
}

static int add_pool(lua_State *L)
{
	struct server *s = lua_check_server(L, 1);
	const char *pool = lua_arg_string(L, 2, "pool");

	lua_server_row(L, s);
	pools_join(lua_pools_edit(), s, pool);
	return 0;
}

static int rm_pool(lua_State *L)
{
	struct server *s = lua_check_server(L, 1);
	const char *pool = lua_arg_string(L, 2, "pool");

	lua_server_row(L, s);
	pools_leave(lua_pools_edit(), s, pool);
	return 0;
}

static int set_qps(lua_State *L)
{
	struct server *s = lua_check_server(L, 1);
	double qps = lua_arg_number(L, 2, "limit", -1e9, 1000000);

	lua_server_edit(L, s)->qps = qps > 0 ? (uint32_t)qps : 0;
	return 0;
}

static int push_count(lua_State *L, uint64_t n)
{
	lua_pushinteger(L, (lua_Integer)n);
	return 1;
}

static int get_outstanding(lua_State *L)
{
	return push_count(L, server_outstanding(lua_check_server(L, 1)));
}

static int get_drops(lua_State *L)
{
	return push_count(
		L, server_sum(lua_check_server(L, 1), offsetof(struct server_counters, drops)));
}

static int get_queries(lua_State *L)
{
	return push_count(
		L, server_sum(lua_check_server(L, 1), offsetof(struct server_counters, queries)));
}

static int get_latency(lua_State *L)
{
	struct server *s = lua_check_server(L, 1);

	lua_push_number(L, server_latency_us(s, s->fixed.tcp_only));
	return 1;
}

/* A server that was removed is up for nobody. */
static int is_up(lua_State *L)
{
	struct server *s = lua_check_server(L, 1);
	const struct server_row *row = pools_row(lua_pools(), s);

	lua_pushboolean(L, row && server_is_up(s, row->def));
	return 1;
}

static int can_accept(lua_State *L)
{
	struct server *s = lua_check_server(L, 1);
	bool with_qps = !lua_arg_missing(L, 2) && lua_arg_bool(L, 2, "enforceQPS");
	const struct server_row *row = pools_row(lua_pools(), s);
	bool yes = row && server_is_usable(s, row->def);

	if (yes && with_qps && row->def->qps)
		yes = limiter_has(&s->qps_bucket, row->def->qps, row->def->qps, clock_mono_us());
	lua_pushboolean(L, yes);
	return 1;
}

static void apply_status(struct server *s, bool up)
{
	workers_set_server_status(s, up);
}

static void apply_reset(struct server *s, bool value)
{
	server_reset_latency(s);
}

/* Before there are workers the state is ours to write; later its worker does it, once we commit. */
static void set_status(struct server *s, bool up)
{
	if (lua_host_is_startup())
		atomic_store(&s->up, up);
	else
		lua_host_defer(s, apply_status, up);
}

static int set_down(lua_State *L)
{
	struct server *s = lua_check_server(L, 1);

	lua_server_edit(L, s)->force = SERVER_FORCED_DOWN;
	if (!lua_host_is_startup())
		lua_host_defer(s, apply_reset, true);
	return 0;
}

static int set_up(lua_State *L)
{
	lua_server_edit(L, lua_check_server(L, 1))->force = SERVER_FORCED_UP;
	return 0;
}

/* mode NULL: the one it has. The optional status at 2 becomes the present state. */
static int set_automatic(lua_State *L, const enum health_mode *mode)
{
	struct server *s = lua_check_server(L, 1);
	bool given = !lua_arg_missing(L, 2);
	bool up = given && lua_arg_bool(L, 2, "status");
	struct server_def *d = lua_server_edit(L, s);

	d->force = SERVER_AUTO;
	if (mode)
		d->health.mode = *mode;
	if (given)
		set_status(s, up);
	if (given && !up && !lua_host_is_startup())
		lua_host_defer(s, apply_reset, true);
	return 0;
}

static int set_auto(lua_State *L)
{
	return set_automatic(L, NULL);
}

static int set_active_auto(lua_State *L)
{
	static const enum health_mode mode = HEALTH_ACTIVE;

	return set_automatic(L, &mode);
}

static int set_lazy_auto(lua_State *L)
{
	static const enum health_mode mode = HEALTH_LAZY;

	return set_automatic(L, &mode);
}

static int get_health_check_mode(lua_State *L)
{
	const struct server_row *row = lua_server_row(L, lua_check_server(L, 1));

	lua_pushstring(L, row->def->health.mode == HEALTH_LAZY ? "lazy" : "active");
	return 1;
}

static const struct lua_option health_options[] = {
	{"maxCheckFailures", OPTION_INT, 0, 255, "checks", "failures in a row until it is down"},
	{"rise", OPTION_INT, 0, 255, "checks", "successes in a row until it is up"},
	{"checkTimeout", OPTION_INT, 0, 65535, "ms", "time to answer a health check"},
	{"checkInterval", OPTION_INT, 0, 4294967295.0, "s", "seconds between health checks"},
	{NULL, 0, 0, 0, NULL, NULL},
};

/* Absent and zero both leave a value as it is. */
static unsigned changed(lua_State *L, const char *key, unsigned now)
{
	unsigned value = (unsigned)lua_option_number(L, 2, key, 0);

	return value ? value : now;
}

static int set_health_check_params(lua_State *L)
{
	struct server *s = lua_check_server(L, 1);
	struct health_params *h;

	lua_options_check(L, 2, health_options);
	h = &lua_server_edit(L, s)->health;
	h->max_failures = (uint8_t)changed(L, "maxCheckFailures", h->max_failures);
	h->rise = (uint8_t)changed(L, "rise", h->rise);
	h->timeout_ms = (uint16_t)changed(L, "checkTimeout", h->timeout_ms);
	h->interval_s = changed(L, "checkInterval", h->interval_s);
	return 0;
}

static int set_validator(lua_State *L)
{
	struct server *s = lua_check_server(L, 1);

	lua_arg_function(L, 2, "validator");
	if (!lua_host_is_startup())
		return lua_fail(L, "cannot be used at runtime, only by the configuration file");
	if (s->fixed.check_validator >= 0)
		luaL_unref(L, LUA_REGISTRYINDEX, s->fixed.check_validator);
	lua_pushvalue(L, 2);
	s->fixed.check_validator = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

static int get_name(lua_State *L)
{
	struct server *s = lua_check_server(L, 1);
	const struct server_row *row = pools_row(lua_pools(), s);

	lua_pushstring(L, row ? row->def->name : "");
	return 1;
}

static int get_name_with_addr(lua_State *L)
{
	struct server *s = lua_check_server(L, 1);
	const struct server_row *row = pools_row(lua_pools(), s);
	char text[512];

	if (row)
		server_name_with_addr(s, row->def, text, sizeof(text));
	else
		addr_text_port(&s->fixed.addr, text);
	lua_pushstring(L, text);
	return 1;
}

static int get_id(lua_State *L)
{
	char text[UUID_TEXT_MAX];

	lua_pushstring(L, uuid_text(&lua_check_server(L, 1)->fixed.id, text));
	return 1;
}

static int set_name(lua_State *L)
{
	const char *name = lua_arg_string(L, 2, "name");
	struct server_def *d = lua_server_edit(L, lua_check_server(L, 1));

	free(d->name);
	d->name = mem_strdup(name);
	return 0;
}

static int get_up_status(lua_State *L)
{
	lua_pushboolean(L, atomic_load(&lua_check_server(L, 1)->up));
	return 1;
}

static int set_up_status(lua_State *L)
{
	set_status(lua_check_server(L, 1), lua_arg_bool(L, 2, "upStatus"));
	return 0;
}

static int get_weight(lua_State *L)
{
	return push_count(L, (uint64_t)lua_server_row(L, lua_check_server(L, 1))->def->weight);
}

static int set_weight(lua_State *L)
{
	struct server *s = lua_check_server(L, 1);
	lua_Integer weight = lua_arg_integer(L, 2, "weight", INT32_MIN, INT32_MAX);

	lua_server_row(L, s);
	if (weight < 1) {
		lua_complain(L, "weight must be 1 or more, got %lld: it stays %d",
			     (long long)weight, lua_server_row(L, s)->def->weight);
		return 0;
	}
	lua_server_edit(L, s)->weight = (int)weight;
	return 0;
}

static int get_order(lua_State *L)
{
	lua_pushinteger(L, lua_server_row(L, lua_check_server(L, 1))->def->order);
	return 1;
}

static int set_order(lua_State *L)
{
	lua_Integer order = lua_arg_integer(L, 2, "order", INT32_MIN, INT32_MAX);

	lua_server_edit(L, lua_check_server(L, 1))->order = (int)order;
	return 0;
}

static int to_string(lua_State *L)
{
	struct server *s = lua_check_server(L, 1);
	const struct server_row *row = lua_host_has_txn() ? pools_row(lua_pools(), s) : NULL;
	char addr[ADDR_TEXT_MAX];

	if (row && *row->def->name)
		lua_pushstring(L, row->def->name);
	else
		lua_pushstring(L, addr_text_port(&s->fixed.addr, addr));
	return 1;
}

static int equal(lua_State *L)
{
	struct server **a = lua_object_test(L, 1, &lua_server);
	struct server **b = lua_object_test(L, 2, &lua_server);

	lua_pushboolean(L, a && b && *a == *b);
	return 1;
}

static int collect(lua_State *L)
{
	struct server **box = lua_object_check(L, 1, &lua_server);

	if (*box)
		server_unref(*box);
	*box = NULL;
	return 0;
}

static const struct lua_method methods[] = {
	METHOD("addPool", add_pool, 0, "pool", "joins a pool, which is made when missing"),
	METHOD("rmPool", rm_pool, 0, "pool", "leaves a pool"),
	METHOD("setQPS", set_qps, 0, "limit",
	       "queries a second that firstAvailable sends; 0 or less: no limit"),
	METHOD("getOutstanding", get_outstanding, ROW_READS, "", "queries in flight"),
	METHOD("getDrops", get_drops, ROW_READS, "", "queries it did not answer in time"),
	METHOD("getQueries", get_queries, ROW_READS, "", "queries sent to it"),
	METHOD("getLatency", get_latency, ROW_READS, "", "moving average of its latency in µs"),
	METHOD("canAcceptQueries", can_accept, ROW_READS, "[enforceQPS]",
	       "whether it is up and below its limits"),
	METHOD("isUp", is_up, ROW_READS, "", "its forced state, or what the health checks say"),
	METHOD("setDown", set_down, 0, "", "forces it down; no health checks"),
	METHOD("setUp", set_up, 0, "", "forces it up; no health checks"),
	METHOD("setAuto", set_auto, 0, "[status]",
	       "health checks decide; status is its state until then"),
	METHOD("setActiveAuto", set_active_auto, 0, "[status]", "the same, with regular checks"),
	METHOD("setLazyAuto", set_lazy_auto, 0, "[status]",
	       "the same, with checks only when queries fail"),
	METHOD("getHealthCheckMode", get_health_check_mode, ROW_READS, "", "'active' or 'lazy'"),
	METHOD("setHealthCheckParams", set_health_check_params, 0,
	       "{maxCheckFailures=, rise=, checkTimeout=, checkInterval=}",
	       "changes its health checks"),
	METHOD("setHealthCheckResponseValidator", set_validator, 0, "function(packet)",
	       "has the last word on a health check's answer; true: it is good"),
	METHOD("getName", get_name, ROW_READS, "", "its name, '' when it has none"),
	METHOD("getNameWithAddr", get_name_with_addr, ROW_READS, "",
	       "'name (addr:port)' or 'addr:port'"),
	METHOD("getID", get_id, ROW_READS, "", "its UUID"),
	ATTRIBUTE("name", get_name, set_name, "its name"),
	ATTRIBUTE("upStatus", get_up_status, set_up_status, "what the health checks say"),
	ATTRIBUTE("weight", get_weight, set_weight, "its share under the weighted policies"),
	ATTRIBUTE("order", get_order, set_order, "lower is preferred"),
	METHODS_END,
};

static const luaL_Reg meta[] = {
	{"__gc", collect},
	{"__eq", equal},
	{"__tostring", to_string},
	{NULL, NULL},
};

const struct lua_object lua_server = {"Server", methods, meta};
