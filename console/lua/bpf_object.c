/* The BPFFilter object: entries of a kernel filter. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "console/lua/bpf.h"
#include "console/lua/registry.h"
#include "rules/kernel_edits.h"
#include "rules/kernel_filters.h"
#include "workers/frontend.h"

static struct kfilter *check(lua_State *L)
{
	return lua_arg_bpf(L, 1);
}

static void put(lua_State *L, struct kfilter *f, const struct kfilter_key *k, unsigned action)
{
	struct kfilter_value v = {.action = (uint16_t)action, .owner = KFILTER_OPERATOR};
	int rc = kernel_edit_put(f, k, v);

	if (rc < 0)
		lua_fail(L, "%s", kfilter_put_error(f, k->map, rc).text);
}

/* One without a kernel has no entries to miss. */
static void take_out(lua_State *L, struct kfilter *f, const struct kfilter_key *k)
{
	char text[KFILTER_TEXT_MAX];

	if (kernel_edit_remove(f, k) < 0 && kfilter_is_live(f))
		lua_complain(L, "%s is not in this filter", kfilter_key_text(k, text));
}

static struct kfilter_key address_key(lua_State *L)
{
	struct kfilter_key k;
	struct addr a;

	lua_arg_address(L, 2, "address", 0, &a);
	kfilter_key_address(&a, &k);
	return k;
}

static int drop(lua_State *L, struct kfilter_key k)
{
	put(L, check(L), &k, KFILTER_DROP);
	return 0;
}

static int drop_no_more(lua_State *L, struct kfilter_key k)
{
	take_out(L, check(L), &k);
	return 0;
}

static int block(lua_State *L)
{
	return drop(L, address_key(L));
}

static int unblock(lua_State *L)
{
	return drop_no_more(L, address_key(L));
}

static struct kfilter_key name_key(lua_State *L)
{
	uint8_t name[DNS_NAME_MAX];
	size_t len = lua_arg_name(L, 2, "name", name);
	uint16_t type = KFILTER_ANY_TYPE;
	struct kfilter_key k;

	if (!lua_arg_missing(L, 3))
		type = (uint16_t)lua_arg_integer(L, 3, "qtype", 0, UINT16_MAX);
	kfilter_key_name(name, len, type, &k);
	return k;
}

static int block_name(lua_State *L)
{
	return drop(L, name_key(L));
}

static int unblock_name(lua_State *L)
{
	return drop_no_more(L, name_key(L));
}

static struct kfilter_key range_key(lua_State *L)
{
	struct kfilter_key k;
	struct netmask nm;
	struct err err;

	if (!lua_read_netmask(L, 2, &nm, &err))
		lua_host_raise(L, &err);
	kfilter_key_range(&nm, &k);
	return k;
}

static int add_range(lua_State *L)
{
	struct kfilter *f = check(L);
	struct kfilter_key k = range_key(L);
	unsigned action = (unsigned)lua_arg_integer(L, 3, "action", 0, KFILTER_ACTIONS - 1);
	bool force = lua_arg_missing(L, 4) ? false : lua_arg_bool(L, 4, "force");
	char text[KFILTER_TEXT_MAX];
	struct kfilter_value v;

	if (action == KFILTER_TRUNCATE && !kfilter_can_truncate(f))
		return lua_fail(L,
				"action 2 (truncate) needs an XDP program, since a socket can only "
				"drop: give newBPFFilter interfaces={…}");
	if (!force && kfilter_covering(f, &k, &v) && v.action == action) {
		lua_complain(
			L,
			"%s is in a range with that action already; force=true adds it all the same",
			kfilter_key_text(&k, text));
		return 0;
	}
	put(L, f, &k, action);
	return 0;
}

static int remove_range(lua_State *L)
{
	return drop_no_more(L, range_key(L));
}

static const char *action_text(unsigned action)
{
	static const char *const texts[KFILTER_ACTIONS] = {"pass", "drop", "truncate"};

	return action < KFILTER_ACTIONS ? texts[action] : "?";
}

static void add_line(void *ctx, const struct kfilter_key *k, const struct kfilter_value *v)
{
	char text[KFILTER_TEXT_MAX], line[KFILTER_TEXT_MAX + 64];

	luaL_addlstring(ctx, line,
			(size_t)snprintf(line, sizeof(line), "%-44s %-10s %10" PRIu64 "\n",
					 kfilter_key_text(k, text), action_text(v->action),
					 (uint64_t)v->counter));
}

static int list_ranges(lua_State *L)
{
	struct kfilter *f = check(L);
	char head[128];
	luaL_Buffer b;

	luaL_buffinit(L, &b);
	luaL_addlstring(&b, head,
			(size_t)snprintf(head, sizeof(head), "%-44s %-10s %10s\n", "Range",
					 "Action", "Matches"));
	kfilter_visit(f, KFILTER_CIDR4, add_line, &b);
	kfilter_visit(f, KFILTER_CIDR6, add_line, &b);
	luaL_pushresult(&b);
	return 1;
}

static void add_count(void *L, const char *text, uint64_t packets)
{
	lua_pushinteger(L, (lua_Integer)packets);
	lua_setfield(L, -2, text);
}

static int get_stats(lua_State *L)
{
	struct kfilter *f = check(L);

	lua_newtable(L);
	kernel_filter_entries(f, add_count, L);
	return 1;
}

static int attach_to_all(lua_State *L)
{
	struct kfilter *f = check(L);
	const struct frontends *all = TXN_READ(lua_host_txn(), FRONTENDS, frontends);

	for (unsigned i = 0; i < all->n; i++)
		lua_attach_filter(L, all->list[i], f);
	return 0;
}

static int gc(lua_State *L)
{
	struct bpf_box *box = lua_object_check(L, 1, &lua_bpf_filter);

	kfilter_unref(box->filter);
	box->filter = NULL;
	return 0;
}

static const struct lua_method methods[] = {
	METHOD("attachToAllBinds", attach_to_all, 0, "",
	       "filters what comes to all present listeners"),
	METHOD("block", block, 0, "address", "drops what comes from there"),
	METHOD("unblock", unblock, 0, "address", "no longer drops what comes from there"),
	METHOD("blockQName", block_name, 0, "name [, qtype]",
	       "drops queries over UDP for exactly this name, of one type or of all (65535)"),
	METHOD("unblockQName", unblock_name, 0, "name [, qtype]", "no longer drops them"),
	METHOD("addRangeRule", add_range, 0, "netmask, action [, force]",
	       "what happens to a range: 0 passes, 1 is dropped, 2 is told over UDP to come over TCP (XDP); the longest decides"),
	METHOD("rmRangeRule", remove_range, 0, "netmask", "removes exactly this range"),
	METHOD("lsRangeRule", list_ranges, ROW_READS, "", "the ranges, a line each, as text"),
	METHOD("getStats", get_stats, ROW_READS, "",
	       "a table of what was applied how often: packets by address, range, or name with type"),
	METHODS_END,
};

static const luaL_Reg meta[] = {{"__gc", gc}, {NULL, NULL}};

const struct lua_object lua_bpf_filter = {"BPFFilter", methods, meta};
