/* The DynBlockRulesGroup object: rules that block clients by themselves, for a while. */
#include <stdlib.h>
#include <string.h>

#include "console/lua/block_group.h"
#include "console/lua/registry.h"
#include "console/lua/rules.h"
#include "console/lua/state.h"
#include "core/clock.h"
#include "core/log.h"
#include "rules/hitters.h"

struct group_box {
	struct block_group *group;
	int hook; /* reference of a function, LUA_NOREF: none */
	struct block_suffix suffix, native; /* native: in place of suffix, where there is one */
};

/* A finalizer of Lua may still hold a group that was collected just before. */
static struct group_box *box_of(lua_State *L)
{
	struct group_box *box = lua_object_check(L, 1, &lua_block_group);

	if (box->group == NULL)
		lua_fail(L, "this DynBlockRulesGroup was collected already");
	return box;
}

static struct block_group *check(lua_State *L)
{
	return box_of(L)->group;
}

static int new_group(lua_State *L)
{
	struct group_box *box = lua_object_new(L, &lua_block_group, sizeof(*box));

	box->hook = LUA_NOREF;
	lua_block_suffix_init(&box->suffix);
	lua_block_suffix_init(&box->native);
	box->group = block_group_new();
	return 1;
}

const struct lua_function block_group_functions[] = {
	{"dynBlockRulesGroup", new_group, ROW_READS | ROW_EXACT, "",
	 "an empty DynBlockRulesGroup; its apply() is for maintenance()"},
	{NULL, NULL, 0, NULL, NULL},
};

/*
 * Rules. Arguments are read in the order in which they stand; at is the next one.
 */

struct reader {
	lua_State *L;
	int at;
	struct block_rule rule;
};

static void read_limit(struct reader *r, const char *what)
{
	lua_State *L = r->L;

	if (block_rule_is_ratio(r->rule.kind)) {
		r->rule.limit = lua_arg_number(L, r->at, what, 0, 1);
		if (r->rule.limit <= 0)
			lua_fail(L, "%s must be above 0, got %s", what, lua_value_text(L, r->at));
	} else {
		r->rule.limit = (double)lua_arg_integer(L, r->at, what, 1, UINT32_MAX);
	}
	r->at++;
}

/* seconds, reason, blockingTime */
static void read_common(struct reader *r)
{
	lua_State *L = r->L;

	r->rule.seconds = (uint32_t)lua_arg_integer(L, r->at++, "seconds", 1, UINT32_MAX);
	r->rule.reason = lua_arg_string(L, r->at++, "reason");
	r->rule.block_s = (uint32_t)lua_arg_integer(L, r->at++, "blockingTime", 1, UINT32_MAX);
}

static double read_warning(struct reader *r, int at)
{
	bool ratio = block_rule_is_ratio(r->rule.kind);

	return lua_arg_number(r->L, at, ratio ? "warningRatio" : "warningRate", 0,
			      ratio ? 1 : UINT32_MAX);
}

/* What is no action and the last argument was meant as the warning rate by whoever wrote it so. */
static void read_action(struct reader *r)
{
	lua_State *L = r->L;
	double number;

	r->rule.action = DNS_ACTION_NONE;
	if (lua_arg_missing(L, r->at))
		return;
	number = lua_arg_number(L, r->at, "action", 0, UINT32_MAX);
	if (lua_is_block_action(number)) {
		r->rule.action = (uint8_t)number;
	} else if (lua_arg_missing(L, r->at + 1)) {
		r->rule.warning = read_warning(r, r->at);
		lua_host_former(L, "a warning rate in the place of the action",
				"DNSAction.None, and then the warning rate");
	} else {
		lua_fail(L, "action must be a DNSAction, got %s", lua_value_text(L, r->at));
	}
}

/* [action [, warning [, options]]], and sets the rule. */
static int finish(struct reader *r)
{
	lua_State *L = r->L;
	struct err err;

	read_action(r);
	if (!lua_arg_missing(L, r->at + 1))
		r->rule.warning = read_warning(r, r->at + 1);
	if (!lua_arg_missing(L, r->at + 2)) {
		lua_options_check(L, r->at + 2, dynblock_options);
		r->rule.tag_name = lua_option_string(L, r->at + 2, "tagName");
		r->rule.tag_value = lua_option_string(L, r->at + 2, "tagValue");
	}
	if (r->rule.warning >= r->rule.limit)
		lua_warn(L, "a warning at %g is never seen: the limit is %g", r->rule.warning,
			 r->rule.limit);
	if (block_group_set(check(L), &r->rule, &err) < 0)
		return lua_fail(L, "%s", err.text);
	return 0;
}

static int set_rate(lua_State *L, enum block_rule_kind kind)
{
	struct reader r = {.L = L, .at = 2, .rule = {.kind = (uint16_t)kind}};

	check(L);
	read_limit(&r, "rate");
	read_common(&r);
	return finish(&r);
}

static int set_query_rate(lua_State *L)
{
	return set_rate(L, BLOCK_QUERY_RATE);
}

static int set_byte_rate(lua_State *L)
{
	return set_rate(L, BLOCK_OCTET_RATE);
}

static int set_rcode_rate(lua_State *L)
{
	struct reader r = {.L = L, .at = 3, .rule = {.kind = BLOCK_RCODE_RATE}};

	check(L);
	r.rule.arg = (uint16_t)lua_arg_integer(L, 2, "rcode", 0, 15);
	read_limit(&r, "rate");
	read_common(&r);
	return finish(&r);
}

static int set_qtype_rate(lua_State *L)
{
	struct reader r = {.L = L, .at = 3, .rule = {.kind = BLOCK_QTYPE_RATE}};

	check(L);
	if (lua_type(L, 2) != LUA_TSTRING || type_parse(lua_tostring(L, 2), &r.rule.arg) < 0)
		r.rule.arg = (uint16_t)lua_arg_integer(L, 2, "qtype", 0, UINT16_MAX);
	read_limit(&r, "rate");
	read_common(&r);
	return finish(&r);
}

static void read_least_answers(struct reader *r)
{
	r->rule.least_answers =
		(uint64_t)lua_arg_integer(r->L, r->at++, "minimumNumberOfResponses", 0, UINT32_MAX);
}

static int set_rcode_ratio(lua_State *L)
{
	struct reader r = {.L = L, .at = 3, .rule = {.kind = BLOCK_RCODE_RATIO}};

	check(L);
	r.rule.arg = (uint16_t)lua_arg_integer(L, 2, "rcode", 0, 15);
	read_limit(&r, "ratio");
	read_common(&r);
	read_least_answers(&r);
	return finish(&r);
}

static int set_allowed_ratio(lua_State *L)
{
	struct reader r = {.L = L, .at = 3, .rule = {.kind = BLOCK_OTHER_RATIO}};

	check(L);
	if (!lua_istable(L, 2))
		return lua_fail(L, "rcodes must be a list of response codes, got %s",
				lua_value_text(L, 2));
	for (size_t i = 1, n = lua_list_len(L, 2, "rcodes"); i <= n; i++) {
		lua_rawgeti(L, 2, (lua_Integer)i);
		r.rule.arg |= (uint16_t)(1u << lua_arg_integer(L, -1, "a code in rcodes", 0, 15));
		lua_pop(L, 1);
	}
	read_limit(&r, "ratio");
	read_common(&r);
	read_least_answers(&r);
	return finish(&r);
}

static int set_miss_ratio(lua_State *L)
{
	struct reader r = {.L = L, .at = 2, .rule = {.kind = BLOCK_MISS_RATIO}};

	check(L);
	read_limit(&r, "ratio");
	read_common(&r);
	read_least_answers(&r);
	r.rule.least_hits = lua_arg_number(L, r.at++, "minimumGlobalCacheHitRatio", 0, 1);
	return finish(&r);
}

static int set_masks(lua_State *L)
{
	struct block_group *g = check(L);
	unsigned v4 = (unsigned)lua_arg_integer(L, 2, "v4", 0, 32);
	unsigned v6 = (unsigned)lua_arg_integer(L, 3, "v6", 0, 128);
	unsigned port = lua_arg_missing(L, 4) ? 0 : (unsigned)lua_arg_integer(L, 4, "port", 0, 16);
	struct err err;

	if (block_group_set_masks(g, v4, v6, port, &err) < 0)
		return lua_fail(L, "%s", err.text);
	return 0;
}

static int exclude_range(lua_State *L)
{
	return lua_block_ranges(L, check(L), block_group_exclude);
}

static int include_range(lua_State *L)
{
	return lua_block_ranges(L, check(L), block_group_include);
}

static int remove_range(lua_State *L)
{
	return lua_block_remove_ranges(L, check(L));
}

static int exclude_domains(lua_State *L)
{
	return lua_block_exclude_names(L, check(L));
}

static int set_quiet(lua_State *L)
{
	block_group_set_quiet(check(L), lua_arg_bool(L, 2, "quiet"));
	return 0;
}

/*
 * The hook.
 */

/* (function, block) */
static int call_hook(lua_State *L)
{
	const struct dynblock_new *b = lua_touserdata(L, 2);
	struct dynblock_view view = {
		.kind = b->name ? DYNBLOCK_NAME : DYNBLOCK_ADDRESS,
		.addr = b->addr,
		.bits = b->bits,
		.port_bits = b->port_bits,
		.name = b->name,
		.name_len = b->name_len,
	};
	char text[DYNBLOCK_TEXT_MAX];

	lua_pushvalue(L, 1);
	lua_pushinteger(L, b->name ? 1 : 0);
	lua_pushstring(L, dynblock_text(&view, text));
	lua_pushstring(L, b->reason);
	lua_pushinteger(L, b->action);
	lua_pushinteger(L, b->seconds);
	lua_pushboolean(L, b->warning);
	lua_call(L, 6, 0);
	return 0;
}

static void on_new(void *ctx, const struct dynblock_new *b)
{
	static uint64_t said_us; /* a flood makes blocks by the thousand, and this fails for each */
	const struct group_box *box = ctx;
	lua_State *L = host.L;
	struct err err;

	lua_pushcfunction(L, call_hook);
	lua_rawgeti(L, LUA_REGISTRYINDEX, box->hook);
	lua_pushlightuserdata(L, (void *)b);
	if (lua_host_call_txn(L, 2, &err) < 0)
		lua_host_failed("a hook for new blocks", &err, &said_us);
}

static int set_hook(lua_State *L)
{
	struct group_box *box = box_of(L);

	lua_arg_function(L, 2, "hook");
	luaL_unref(L, LUA_REGISTRYINDEX, box->hook);
	lua_pushvalue(L, 2);
	box->hook = luaL_ref(L, LUA_REGISTRYINDEX);
	block_group_on_new(box->group, on_new, box);
	return 0;
}

static int set_suffix_rule(lua_State *L)
{
	lua_block_suffix_set(L, &box_of(L)->suffix, false);
	return 0;
}

static int set_native_rule(lua_State *L)
{
	lua_block_suffix_set(L, &box_of(L)->native, true);
	return 0;
}

static struct block_suffix *names_of(struct group_box *box)
{
	return box->native.kept != LUA_NOREF ? &box->native : &box->suffix;
}

static int apply(lua_State *L)
{
	struct group_box *box = box_of(L);
	struct err err;

	if (block_group_apply(box->group, &err) < 0)
		return lua_fail(L, "%s", err.text);
	if (names_of(box) != &box->suffix)
		lua_block_suffix_unwatch(L, &box->suffix);
	lua_block_suffix_arm(L, 1, names_of(box), box->group);
	block_groups_tell();
	return 0;
}

static int to_string(lua_State *L)
{
	struct group_box *box = box_of(L);

	lua_push_block_group_text(L, box->group, names_of(box));
	return 1;
}

static int gc(lua_State *L)
{
	struct group_box *box = lua_object_check(L, 1, &lua_block_group);

	block_group_free(box->group);
	box->group = NULL;
	luaL_unref(L, LUA_REGISTRYINDEX, box->hook);
	box->hook = LUA_NOREF;
	lua_block_suffix_unwatch(L, &box->suffix);
	lua_block_suffix_drop(L, &box->suffix);
	lua_block_suffix_unwatch(L, &box->native);
	lua_block_suffix_drop(L, &box->native);
	return 0;
}

#define COMMON "seconds, reason, blockingTime"
#define REST   " [, action [, warningRate [, options]]]"
#define LEAST  ", minimumNumberOfResponses"
#define R_REST " [, action [, warningRatio [, options]]]"
#define RANGES "netmask|{netmask, …}|NetmaskGroup"
#define OF_ALL "blocks clients with more than this part of their answers "
static const struct lua_method methods[] = {
	METHOD("setQueryRate", set_query_rate, ROW_EXACT, "rate, " COMMON REST,
	       "blocks clients that ask more than rate × seconds queries in so many seconds"),
	METHOD("setResponseByteRate", set_byte_rate, ROW_EXACT, "rate, " COMMON REST,
	       "blocks clients that get more than rate × seconds octets of answers"),
	METHOD("setQTypeRate", set_qtype_rate, ROW_EXACT, "qtype, rate, " COMMON REST,
	       "blocks clients with more than rate × seconds queries of a type"),
	METHOD("setRCodeRate", set_rcode_rate, ROW_EXACT, "rcode, rate, " COMMON REST,
	       "blocks clients with more than rate × seconds answers of a response code"),
	METHOD("setRCodeRatio", set_rcode_ratio, ROW_EXACT, "rcode, ratio, " COMMON LEAST R_REST,
	       OF_ALL "of a response code"),
	METHOD("setAllowedRCodesRatio", set_allowed_ratio, ROW_EXACT,
	       "{rcode, …}, ratio, " COMMON LEAST R_REST,
	       OF_ALL "of response codes that are not listed"),
	METHOD("setCacheMissRatio", set_miss_ratio, ROW_EXACT,
	       "ratio, " COMMON LEAST ", minimumGlobalCacheHitRatio" R_REST,
	       OF_ALL "not from the cache, while the cache answers at least its part of all"),
	METHOD("setSuffixMatchRule", set_suffix_rule, ROW_EXACT,
	       COMMON ", action, function(node, self, children) [, options]",
	       "blocks the names of recent answers for which the function returns true [, reason [, "
	       "action]]"),
	METHOD("setSuffixMatchRuleFFI", set_native_rule, ROW_EXACT,
	       COMMON ", action, function(node) [, options]",
	       "the same, with a function that reads its node with functions of ffi.C; where there is one, that of "
	       "setSuffixMatchRule is not called"),
	METHOD("setMasks", set_masks, ROW_EXACT, "v4, v6 [, port]",
	       "how many bits of an address, and of its port, make a client; by default 32, 128, 0"),
	METHOD("excludeRange", exclude_range, ROW_EXACT, RANGES,
	       "clients that are neither blocked nor counted"),
	METHOD("includeRange", include_range, ROW_EXACT, RANGES,
	       "exceptions from that; the longest netmask decides"),
	METHOD("removeRange", remove_range, ROW_EXACT, RANGES, "takes out exactly these netmasks"),
	METHOD("excludeDomains", exclude_domains, ROW_EXACT, "name|{name, …}",
	       "names that are not blocked, with all below them"),
	METHOD("setNewBlockInsertedHook", set_hook, ROW_EXACT,
	       "function(type, key, reason, action, duration, warning)",
	       "is called for each new block; type is 0 for clients and 1 for names"),
	METHOD("setQuiet", set_quiet, ROW_EXACT, "quiet",
	       "true: no line on the log for new blocks"),
	METHOD("apply", apply, ROW_NOT_CLIENT | ROW_EXACT, "",
	       "blocks who is over a limit now, and in the next two seconds as soon as he is"),
	METHOD("toString", to_string, ROW_READS | ROW_EXACT, "", "its rules, a line each"),
	METHODS_END,
};

static const luaL_Reg meta[] = {
	{"__gc", gc},
	{"__tostring", to_string},
	{NULL, NULL},
};

const struct lua_object lua_block_group = {"DynBlockRulesGroup", methods, meta};
