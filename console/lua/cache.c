/* newPacketCache and the PacketCache object, which holds a reference. */
#include "console/lua/cache.h"
#include "console/lua/registry.h"

#include <errno.h>
#include <string.h>

#include "cache/cache.h"
#include "console/lua/cache_scan.h"
#include "core/clock.h"

#define U32 4294967295.0

const struct lua_option packet_cache_options[] = {
	{"maxTTL", OPTION_INT, 0, U32, "s", "longest life of an entry (86400)"},
	{"minTTL", OPTION_INT, 0, U32, "s", "answers with a shorter TTL are not kept (0)"},
	{"temporaryFailureTTL", OPTION_INT, 0, U32, "s",
	 "life of SERVFAIL and REFUSED (60); 0: not kept"},
	{"staleTTL", OPTION_INT, 0, U32, "s", "TTL in stale answers (60)"},
	{"maxNegativeTTL", OPTION_INT, 0, U32, "s", "longest life of NXDOMAIN and NODATA (3600)"},
	{"truncatedTTL", OPTION_INT, 0, U32, "s", "life of empty truncated answers (0: not kept)"},
	{"dontAge", OPTION_BOOL, 0, 0, "", "TTLs do not count down"},
	{"keepStaleData", OPTION_BOOL, 0, 0, "", "nothing expires while a pool has no server"},
	{"numberOfShards", OPTION_INT, 1, 4294967295.0, "shards",
	 "hint: how many parts it has (20)"},
	{"deferrableInsertLock", OPTION_BOOL, 0, 0, "", "hint: an insert never waits for a lock"},
	{"parseECS", OPTION_BOOL, 0, 0, "", "entries for all subnets are found for each"},
	{"cookieHashing", OPTION_BOOL, 0, 0, "", "an entry for each EDNS cookie"},
	{"skipOptions", OPTION_TABLE, 0, 0, "",
	 "EDNS options whose content makes no other entry ({10, 12})"},
	{"maximumEntrySize", OPTION_INT, 12, 65535, "octets", "longest answer that is kept (4096)"},
	{"payloadRanks", OPTION_TABLE, 0, 0, "",
	 "EDNS payload sizes that queries are rounded down to"},
	{"shuffle", OPTION_BOOL, 0, 0, "", "hits turn the order of A and AAAA records"},
	{NULL, 0, 0, 0, NULL, NULL},
};

/* A table of numbers from 0 to 65535 at key: how many there are. -1: the key is absent. */
static int read_u16s(lua_State *L, const char *key, uint16_t *out, int most)
{
	int n = 0;

	if (lua_getfield(L, 2, key) == LUA_TNIL) {
		lua_pop(L, 1);
		return -1;
	}
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
		double value = lua_tonumber(L, -1);

		if (!lua_isnumber(L, -1) || value < 0 || value > 65535 || value != (uint16_t)value)
			lua_fail(L, "option '%s' must have whole numbers from 0 to 65535, got %s",
				 key, lua_value_text(L, -1));
		if (n == most)
			lua_fail(L, "option '%s' has more than %d numbers", key, most);
		out[n++] = (uint16_t)value;
	}
	lua_pop(L, 1);
	return n;
}

static void read_skip_options(lua_State *L, struct cache_options *o)
{
	uint16_t codes[ARRAY_LEN(o->skip_options)];
	int n = read_u16s(L, "skipOptions", codes, ARRAY_LEN(codes) - 1);
	bool cookie = false;

	if (n < 0) {
		n = (int)o->n_skip_options;
		memcpy(codes, o->skip_options, sizeof(codes));
	}
	o->n_skip_options = 0;
	for (int i = 0; i < n; i++) {
		cookie |= codes[i] == EDNS_COOKIE;
		if (codes[i] != EDNS_COOKIE || !o->cookie_hashing)
			o->skip_options[o->n_skip_options++] = codes[i];
	}
	if (!cookie && !o->cookie_hashing)
		o->skip_options[o->n_skip_options++] = EDNS_COOKIE;
}

/* Sizes that can't be a rank are left out, as the reference has it. */
static void read_ranks(lua_State *L, struct cache_options *o)
{
	uint16_t ranks[ARRAY_LEN(o->payload_ranks)];
	int n = read_u16s(L, "payloadRanks", ranks, ARRAY_LEN(ranks));

	for (int i = 0; i < n; i++) {
		unsigned at = o->n_payload_ranks;

		if (ranks[i] < 512 || ranks[i] > o->max_entry_octets)
			continue;
		for (; at > 0 && o->payload_ranks[at - 1] > ranks[i]; at--)
			o->payload_ranks[at] = o->payload_ranks[at - 1];
		o->payload_ranks[at] = ranks[i];
		o->n_payload_ranks++;
	}
}

static uint32_t number(lua_State *L, const char *key, uint32_t def)
{
	return (uint32_t)lua_option_number(L, 2, key, def);
}

static void read_options(lua_State *L, struct cache_options *o)
{
	o->max_ttl_s = number(L, "maxTTL", o->max_ttl_s);
	o->min_ttl_s = number(L, "minTTL", o->min_ttl_s);
	o->temp_failure_ttl_s = number(L, "temporaryFailureTTL", o->temp_failure_ttl_s);
	o->stale_ttl_s = number(L, "staleTTL", o->stale_ttl_s);
	o->max_negative_ttl_s = number(L, "maxNegativeTTL", o->max_negative_ttl_s);
	o->truncated_ttl_s = number(L, "truncatedTTL", o->truncated_ttl_s);
	o->shards = number(L, "numberOfShards", o->shards);
	o->max_entry_octets = number(L, "maximumEntrySize", o->max_entry_octets);
	o->dont_age = lua_option_bool(L, 2, "dontAge", o->dont_age);
	o->keep_stale = lua_option_bool(L, 2, "keepStaleData", o->keep_stale);
	o->parse_ecs = lua_option_bool(L, 2, "parseECS", o->parse_ecs);
	o->cookie_hashing = lua_option_bool(L, 2, "cookieHashing", o->cookie_hashing);
	o->deferrable_insert_lock =
		lua_option_bool(L, 2, "deferrableInsertLock", o->deferrable_insert_lock);
	o->shuffle = lua_option_bool(L, 2, "shuffle", o->shuffle);
	read_skip_options(L, o);
	read_ranks(L, o);
}

/* newPacketCache(entries, maxTTL, minTTL, temporaryFailureTTL, staleTTL, dontAge) becomes a table
 * at 2. */
static void former_arguments(lua_State *L)
{
	static const char *const keys[] = {"maxTTL", "minTTL", "temporaryFailureTTL", "staleTTL",
					   "dontAge"};

	lua_host_former(L, "newPacketCache(entries, maxTTL, …)",
			"newPacketCache(entries, {maxTTL=, …})");
	lua_settop(L, 6);
	lua_newtable(L);
	for (int i = 0; i < 5; i++) {
		lua_pushvalue(L, 2 + i);
		lua_setfield(L, -2, keys[i]);
	}
	lua_replace(L, 2);
	lua_settop(L, 2);
}

static int new_packet_cache(lua_State *L)
{
	struct cache_options o;
	struct cache *c;
	struct err err;

	cache_options_default(&o, (uint32_t)lua_arg_integer(L, 1, "maxEntries", 1, UINT32_MAX));
	if (lua_isnumber(L, 2) || lua_gettop(L) > 2)
		former_arguments(L);
	if (!lua_arg_missing(L, 2)) {
		lua_options_check(L, 2, packet_cache_options);
		read_options(L, &o);
	}
	c = cache_new(&o, &err);
	if (c == NULL)
		return lua_host_raise(L, &err);
	lua_push_cache(L, c);
	cache_unref(c);
	return 1;
}

const struct lua_function cache_functions[] = {
	{"newPacketCache", new_packet_cache, 0, "maxEntries [, {options}]",
	 "makes a PacketCache, to be given to a pool with setCache()"},
	{NULL, NULL, 0, NULL, NULL},
};

void lua_push_cache(lua_State *L, struct cache *c)
{
	struct cache **box = lua_object_new(L, &lua_cache, sizeof(*box));

	*box = cache_ref(c);
}

struct cache *lua_check_cache(lua_State *L, int i)
{
	struct cache **box = lua_object_check(L, i, &lua_cache);

	if (!*box)
		lua_fail(L, "this PacketCache was collected already");
	return *box;
}

static int dump(lua_State *L)
{
	struct cache *c = lua_check_cache(L, 1);
	const char *path = lua_arg_string(L, 2, "file");
	bool raw = !lua_arg_missing(L, 3) && lua_arg_bool(L, 3, "raw");
	long n = lua_cache_dump(c, path, raw);

	if (n < 0)
		lua_host_printf("Error opening dump file for writing: %s\n", strerror((int)-n));
	else
		lua_host_printf("Dumped %ld records\n", n);
	return 0;
}

static size_t check_keep(lua_State *L)
{
	return lua_arg_missing(L, 2) ? 0 : (size_t)lua_arg_integer(L, 2, "entries", 0, UINT32_MAX);
}

static int expunge(lua_State *L)
{
	struct cache *c = lua_check_cache(L, 1);

	lua_pushinteger(L, (lua_Integer)cache_expunge(c, check_keep(L)));
	return 1;
}

static int purge_expired(lua_State *L)
{
	struct cache *c = lua_check_cache(L, 1);
	size_t keep = check_keep(L);

	lua_pushinteger(L, (lua_Integer)cache_purge_expired(c, keep,
							    (uint32_t)(clock_mono_us() / 1000000)));
	return 1;
}

static size_t expunge_one(lua_State *L, struct cache *c, int name_at, uint16_t qtype, bool under)
{
	uint8_t name[DNS_NAME_MAX];
	size_t len = lua_arg_name(L, name_at, "name", name);

	name_lower(name, name, len);
	return cache_expunge_name(c, name, len, qtype, under);
}

static int expunge_by_name(lua_State *L)
{
	struct cache *c = lua_check_cache(L, 1);
	uint16_t qtype = TYPE_ANY;
	bool under = !lua_arg_missing(L, 4) && lua_arg_bool(L, 4, "suffixMatch");
	size_t n = 0;

	if (!lua_arg_missing(L, 3))
		qtype = (uint16_t)lua_arg_integer(L, 3, "type", 0, 65535);
	if (lua_istable(L, 2)) {
		for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1))
			n += expunge_one(L, c, lua_gettop(L), qtype, under);
	} else {
		n = expunge_one(L, c, 2, qtype, under);
	}
	lua_host_printf("Expunged %zu records\n", n);
	return 0;
}

static int is_full(lua_State *L)
{
	struct cache *c = lua_check_cache(L, 1);

	lua_pushboolean(L, cache_size(c) >= cache_options(c)->max_entries);
	return 1;
}

static int print_stats(lua_State *L)
{
	struct cache_stats s;

	cache_stats(lua_check_cache(L, 1), &s);
	lua_host_printf("Entries: %llu/%llu\n", (unsigned long long)s.entries,
			(unsigned long long)s.max_entries);
	lua_host_printf("Hits: %llu\n", (unsigned long long)s.hits);
	lua_host_printf("Misses: %llu\n", (unsigned long long)s.misses);
	lua_host_printf("Deferred inserts: %llu\n", (unsigned long long)s.deferred_inserts);
	lua_host_printf("Deferred lookups: %llu\n", (unsigned long long)s.deferred_lookups);
	lua_host_printf("Lookup Collisions: %llu\n", (unsigned long long)s.lookup_collisions);
	lua_host_printf("Insert Collisions: %llu\n", (unsigned long long)s.insert_collisions);
	lua_host_printf("TTL Too Shorts: %llu\n", (unsigned long long)s.ttl_too_shorts);
	lua_host_printf("Cleanup Count: %llu\n", (unsigned long long)s.cleanup_count);
	lua_host_printf("Evictions: %llu\n", (unsigned long long)s.evictions);
	return 0;
}

static int get_stats(lua_State *L)
{
	struct cache_stats s;

	cache_stats(lua_check_cache(L, 1), &s);
	lua_newtable(L);
#define FIELD(name, value) (lua_pushinteger(L, (lua_Integer)(value)), lua_setfield(L, -2, name))
	FIELD("entries", s.entries);
	FIELD("maxEntries", s.max_entries);
	FIELD("hits", s.hits);
	FIELD("misses", s.misses);
	FIELD("deferredInserts", s.deferred_inserts);
	FIELD("deferredLookups", s.deferred_lookups);
	FIELD("lookupCollisions", s.lookup_collisions);
	FIELD("insertCollisions", s.insert_collisions);
	FIELD("ttlTooShorts", s.ttl_too_shorts);
	FIELD("cleanupCount", s.cleanup_count);
	FIELD("evictions", s.evictions);
#undef FIELD
	return 1;
}

static int domains_by_address(lua_State *L)
{
	struct cache *c = lua_check_cache(L, 1);
	struct addr addr;

	lua_arg_address(L, 2, "address", 0, &addr);
	lua_cache_push_names(L, c, &addr);
	return 1;
}

static int addresses_by_domain(lua_State *L)
{
	struct cache *c = lua_check_cache(L, 1);
	uint8_t name[DNS_NAME_MAX];
	size_t len = lua_arg_name(L, 2, "name", name);

	lua_cache_push_addresses(L, c, name, len);
	return 1;
}

static int describe(lua_State *L)
{
	struct cache *c = lua_check_cache(L, 1);

	lua_pushfstring(L, "PacketCache (%I/%I)", (LUAI_UACINT)cache_size(c),
			(LUAI_UACINT)cache_options(c)->max_entries);
	return 1;
}

static int collect(lua_State *L)
{
	struct cache **box = lua_object_check(L, 1, &lua_cache);

	if (*box)
		cache_unref(*box);
	*box = NULL;
	return 0;
}

static const struct lua_method methods[] = {
	METHOD("dump", dump, 0, "file [, raw]",
	       "writes all entries to a new file; raw: answers too"),
	METHOD("expunge", expunge, 0, "n", "removes entries until at most n are left"),
	METHOD("expungeByName", expunge_by_name, 0, "name [, type [, suffixMatch]]",
	       "removes the entries of one name or a table of them, or all below"),
	METHOD("isFull", is_full, ROW_READS, "", "whether it holds as many entries as it may"),
	METHOD("purgeExpired", purge_expired, 0, "n",
	       "removes expired entries while more than n are left"),
	METHOD("printStats", print_stats, ROW_READS, "", "shows its counters"),
	METHOD("getStats", get_stats, ROW_READS, "", "a table of its counters"),
	METHOD("toString", describe, ROW_READS, "", "'PacketCache (entries/maximum)'"),
	METHOD("getDomainListByAddress", domains_by_address, ROW_READS, "address",
	       "names whose cached answers have this address"),
	METHOD("getAddressListByDomain", addresses_by_domain, ROW_READS, "name",
	       "addresses in the cached answers for a name"),
	METHODS_END,
};

static const luaL_Reg meta[] = {
	{"__gc", collect},
	{"__tostring", describe},
	{NULL, NULL},
};

const struct lua_object lua_cache = {"PacketCache", methods, meta};
