/* Dynamic blocks: added, read, shown, cleared. */
#include <inttypes.h>
#include <string.h>

#include "console/lua/owned.h"
#include "console/lua/registry.h"
#include "console/lua/rules.h"
#include "core/clock.h"
#include "core/mem.h"
#include "core/settings.h"
#include "rules/dynblocks.h"

#define SECONDS_MAX     1000000000
#define SECONDS_DEFAULT 10

const struct lua_option dynblock_options[] = {
	{"tagName", OPTION_STRING, 0, 0, "", "the tag that DNSAction.SetTag sets"},
	{"tagValue", OPTION_STRING, 0, 0, "", "its value, by default empty"},
	{NULL, 0, 0, 0, NULL, NULL},
};

/* What the rows have in common; arguments are by position, 0 for those that a row does not have. */
static struct dynblock_new read_block(lua_State *L, int seconds, int action, int options)
{
	struct dynblock_new new = {
		.reason = lua_arg_string(L, 2, "message"),
		.seconds = SECONDS_DEFAULT,
		.action = DNS_ACTION_NONE,
		.quiet = lua_host_role() != LUA_DAEMON,
	};

	if (!lua_arg_missing(L, seconds))
		new.seconds = (uint32_t)lua_arg_integer(L, seconds, "seconds", 1, SECONDS_MAX);
	if (!lua_arg_missing(L, action))
		new.action = (uint8_t)lua_arg_integer(L, action, "action", 0, UINT8_MAX);
	if (options == 0 || lua_arg_missing(L, options))
		return new;
	lua_options_check(L, options, dynblock_options);
	new.tag_name = lua_option_string(L, options, "tagName");
	new.tag_value = lua_option_string(L, options, "tagValue");
	return new;
}

static void add(lua_State *L, const struct dynblock_new *new)
{
	struct err err;

	if (dynblocks_add(new, &err) < 0)
		lua_fail(L, "%s", err.text);
}

static unsigned width_of(const struct addr *a)
{
	return a->sa.sa_family == AF_INET6 ? 128 : 32;
}

/* A text that is no address is told and ignored, as in dnsdist: but only where all the rest is
 * right. */
static int add_dynamic_block(lua_State *L)
{
	struct dynblock_new new;
	struct addr address = {0};
	struct err err = {""};

	if (lua_type(L, 1) != LUA_TSTRING)
		lua_arg_address(L, 1, "address", 0, &address);
	else
		addr_parse(lua_tostring(L, 1), 0, &address, &err);
	new = read_block(L, 4, 3, 7);
	if (err.text[0] != '\0') {
		lua_complain(L, "nothing is blocked: %s%s", err.text,
			     strchr(lua_tostring(L, 1), '/')
				     ? "; how many bits of it count is clientIPMask, the "
				       "fifth argument"
				     : "");
		return 0;
	}
	new.addr = address;
	new.bits = (uint8_t)width_of(&new.addr);
	if (!lua_arg_missing(L, 5))
		new.bits = (uint8_t)lua_arg_integer(L, 5, "clientIPMask", 0, new.bits);
	if (!lua_arg_missing(L, 6))
		new.port_bits = (uint8_t)lua_arg_integer(L, 6, "clientIPPortMask", 0, 16);
	add(L, &new);
	return 0;
}

/* Pushes nothing. The key of a table of addresses that is at the top but one. */
static void read_key(lua_State *L, struct addr *a)
{
	int key = lua_gettop(L) - 1;

	if (lua_type(L, key) == LUA_TNUMBER)
		lua_fail(
			L,
			"addresses must be a table with addresses as keys, got a list or a number: "
			"write {[\"192.0.2.1\"]=1}");
	lua_arg_address(L, key, "an address in addresses", 0, a);
}

/* All are read before the first one is blocked. */
static int add_blocks(lua_State *L)
{
	struct dynblock_new new;

	if (!lua_istable(L, 1))
		return lua_fail(L, "addresses must be a table with addresses as keys, got %s",
				lua_value_text(L, 1));
	new = read_block(L, 3, 4, 0);
	for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1))
		read_key(L, &new.addr);
	for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
		read_key(L, &new.addr);
		new.bits = (uint8_t)width_of(&new.addr);
		add(L, &new);
	}
	return 0;
}

static int add_suffixes(lua_State *L)
{
	struct dynblock_new new;
	uint8_t name[DNS_NAME_MAX];
	lua_Integer n;

	if (!lua_istable(L, 1))
		return lua_fail(L, "names must be a list of names, got %s", lua_value_text(L, 1));
	new = read_block(L, 3, 4, 5);
	n = (lua_Integer)lua_list_len(L, 1, "names");
	for (lua_Integer i = 1; i <= n; i++, lua_pop(L, 1)) {
		lua_rawgeti(L, 1, i);
		lua_arg_name(L, lua_gettop(L), "a name in names", name);
	}
	new.name = name;
	for (lua_Integer i = 1; i <= n; i++, lua_pop(L, 1)) {
		lua_rawgeti(L, 1, i);
		new.name_len = lua_arg_name(L, lua_gettop(L), "a name in names", name);
		add(L, &new);
	}
	return 0;
}

static int clear(lua_State *L)
{
	dynblocks_clear();
	return 0;
}

/* The text of the actions that setDynBlocksAction takes. */
static int set_action(lua_State *L)
{
	uint8_t action = (uint8_t)lua_arg_integer(L, 1, "action", 0, UINT8_MAX);

	switch (action) {
	case DNS_ACTION_DROP:
	case DNS_ACTION_NOOP:
	case DNS_ACTION_NXDOMAIN:
	case DNS_ACTION_REFUSED:
	case DNS_ACTION_TRUNCATE:
	case DNS_ACTION_NO_RECURSE:
		TXN_EDIT(lua_host_txn(), SETTINGS, settings)->dynblocks_action = action;
		return 0;
	default:
		lua_complain(L,
			     "the action of dynamic blocks can be DNSAction.Drop, NoOp, Nxdomain, "
			     "Refused, Truncate or NoRecurse, not %u (%s)",
			     action, dns_action_text(action));
		return 0;
	}
}

static uint8_t effective_action(const struct dynblock_view *b)
{
	if (b->action != DNS_ACTION_NONE)
		return b->action;
	return TXN_READ(lua_host_txn(), SETTINGS, settings)->dynblocks_action;
}

static void show_one(void *ctx, const struct dynblock_view *b)
{
	const uint64_t *now_us = ctx;
	uint64_t left_s = (b->expires_us - *now_us + 999999) / 1000000;
	char what[DYNBLOCK_TEXT_MAX];

	lua_host_printf("%-24s %8" PRIu64 " %8" PRIu64 " %-10s %-20s %-10s %s\n",
			dynblock_text(b, what), left_s, b->blocks, b->warning ? "true" : "false",
			dns_action_text(effective_action(b)), b->in_kernel ? "*" : "", b->reason);
}

static int show(lua_State *L)
{
	uint64_t now_us = clock_mono_us();

	lua_host_printf("%-24s %8s %8s %-10s %-20s %-10s %s\n", "What", "Seconds", "Blocks",
			"Warning", "Action", "eBPF", "Reason");
	dynblocks_visit(DYNBLOCK_ADDRESS, show_one, &now_us);
	dynblocks_visit(DYNBLOCK_NAME, show_one, &now_us);
	return 0;
}

/* A block as it was when it was read. */
struct block {
	struct timespec until; /* of the wall clock */
	uint64_t blocks;
	uint8_t action;
	bool warning, in_kernel;
	size_t domain; /* where the name begins, behind the reason */
	char text[];
};

static struct timespec wall_clock_at(uint64_t mono_us)
{
	int64_t us = clock_real_us() + (int64_t)(mono_us - clock_mono_us());

	return (struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
}

static void push_block(void *ctx, const struct dynblock_view *b)
{
	lua_State *L = ctx;
	char what[DYNBLOCK_TEXT_MAX];
	const char *domain = dynblock_text(b, what);
	size_t reason_len = strlen(b->reason);
	struct block *block;

	if (b->kind != DYNBLOCK_NAME)
		domain += strlen(domain); /* it has none */
	block = lua_object_new(L, &lua_dynblock, sizeof(*block) + reason_len + strlen(domain) + 2);
	block->until = wall_clock_at(b->expires_us);
	block->blocks = b->blocks;
	block->action = b->action;
	block->warning = b->warning;
	block->in_kernel = b->in_kernel;
	block->domain = reason_len + 1;
	memcpy(block->text, b->reason, reason_len + 1);
	strcpy(block->text + block->domain, domain);
	lua_setfield(L, -2, what);
}

/* (kind) → table */
static int push_blocks(lua_State *L)
{
	enum dynblock_kind kind = (enum dynblock_kind)lua_tointeger(L, 1);

	lua_newtable(L);
	dynblocks_visit(kind, push_block, L);
	return 1;
}

/* What this very transaction has added may go at any time. */
static int get_blocks(lua_State *L, enum dynblock_kind kind)
{
	lua_pushcfunction(L, push_blocks);
	lua_pushinteger(L, kind);
	lua_call_uncollected(L, 1, 1);
	return 1;
}

static int get_addresses(lua_State *L)
{
	return get_blocks(L, DYNBLOCK_ADDRESS);
}

static int get_suffixes(lua_State *L)
{
	return get_blocks(L, DYNBLOCK_NAME);
}

const struct lua_function dynblock_functions[] = {
	{"addDynBlocks", add_blocks, ROW_NOT_CLIENT | ROW_EXACT,
	 "addresses, message [, seconds [, action]]",
	 "blocks the addresses that are the keys of a table, for 10 s unless told"},
	{"addDynBlockSMT", add_suffixes, ROW_NOT_CLIENT | ROW_EXACT,
	 "names, message [, seconds [, action [, options]]]",
	 "blocks a list of names and all below them, for 10 s unless told"},
	{"addDynamicBlock", add_dynamic_block, ROW_NOT_CLIENT | ROW_EXACT,
	 "address, message [, action [, seconds [, clientIPMask [, clientIPPortMask [, "
	 "options]]]]]",
	 "blocks a client, its prefix of so many bits, or a prefix of its ports, for 10 s unless "
	 "told"},
	{"getDynamicBlocks", get_addresses, ROW_READS | ROW_EXACT, "",
	 "the blocks of clients: DynBlock objects by prefix"},
	{"getDynamicBlocksSMT", get_suffixes, ROW_READS | ROW_EXACT, "",
	 "the blocks of names: DynBlock objects by name"},
	{"showDynBlocks", show, ROW_READS | ROW_EXACT, "", "lists the dynamic blocks in force"},
	{"clearDynBlocks", clear, ROW_EXACT, "", "removes all dynamic blocks"},
	{"setDynBlocksAction", set_action, ROW_EXACT, "action",
	 "what dynamic blocks do that have no action of their own; DNSAction.Drop by default"},
	{NULL, NULL, 0, NULL, NULL},
};

static const struct block *check(lua_State *L)
{
	return lua_object_check(L, 1, &lua_dynblock);
}

static int reason(lua_State *L)
{
	lua_pushstring(L, check(L)->text);
	return 1;
}

static int domain(lua_State *L)
{
	const struct block *b = check(L);

	lua_pushstring(L, b->text + b->domain);
	return 1;
}

static int until(lua_State *L)
{
	const struct block *b = check(L);

	lua_createtable(L, 0, 2);
	lua_pushinteger(L, b->until.tv_sec);
	lua_setfield(L, -2, "tv_sec");
	lua_pushinteger(L, b->until.tv_nsec);
	lua_setfield(L, -2, "tv_nsec");
	return 1;
}

static int blocks(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)check(L)->blocks);
	return 1;
}

static int action(lua_State *L)
{
	lua_pushinteger(L, check(L)->action);
	return 1;
}

static int warning(lua_State *L)
{
	lua_pushboolean(L, check(L)->warning);
	return 1;
}

static int bpf(lua_State *L)
{
	lua_pushboolean(L, check(L)->in_kernel);
	return 1;
}

static const struct lua_method methods[] = {
	ATTRIBUTE("reason", reason, NULL, "why it was made"),
	ATTRIBUTE("domain", domain, NULL, "the name it blocks; empty in a block of clients"),
	ATTRIBUTE("until", until, NULL,
		  "when it ends: tv_sec and tv_nsec, as getCurrentTime() has them"),
	ATTRIBUTE("blocks", blocks, NULL, "queries that it was applied to, when it was read"),
	ATTRIBUTE("action", action, NULL, "its DNSAction; None: the one of setDynBlocksAction()"),
	ATTRIBUTE("warning", warning, NULL, "whether it only warns"),
	ATTRIBUTE("bpf", bpf, NULL, "whether the kernel does it before we could, when it was read"),
	METHODS_END,
};

const struct lua_object lua_dynblock = {"DynBlock", methods, NULL};
