/* Tables of servers, pools and listeners. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/cache.h"
#include "console/lua/cache.h"
#include "console/lua/registry.h"
#include "console/lua/server.h"
#include "core/mem.h"
#include "workers/frontend.h"

const struct lua_option show_servers_options[] = {
	{"showUUIDs", OPTION_BOOL, 0, 0, "", "a column of UUIDs"},
	{NULL, 0, 0, 0, NULL, NULL},
};

/* "31.4" in milliseconds, or "-" while nothing was measured. */
static const char *latency_text(double us, char text[static 32])
{
	if (us <= 0)
		return "-";
	snprintf(text, 32, "%.1f", us / 1000);
	return text;
}

static void show_pools_of(const struct server_row *row)
{
	for (unsigned i = 0; i < row->n_pools; i++)
		lua_host_printf("%s%s", i ? " " : "", row->pools[i]);
	lua_host_printf("\n");
}

static void show_server(unsigned at, const struct server_row *row, bool with_id, int addr_width)
{
	const struct server *s = row->server;
	char addr[ADDR_TEXT_MAX], id[UUID_TEXT_MAX], udp[32], tcp[32];

	lua_host_printf("%-3u ", at);
	if (with_id)
		lua_host_printf("%-36s ", uuid_text(&s->fixed.id, id));
	lua_host_printf(
		"%-20.20s %-*s %5s %7.1f %7u %10d %10d %10llu %7llu %5.1f %5s %5s %11u ",
		row->def->name, addr_width, addr_text_port(&s->fixed.addr, addr),
		server_state_text(s, row->def), s->seen.query_rate, row->def->qps, row->def->order,
		row->def->weight,
		(unsigned long long)server_sum(s, offsetof(struct server_counters, queries)),
		(unsigned long long)server_sum(s, offsetof(struct server_counters, drops)),
		s->seen.drop_rate, latency_text(server_latency_us(s, false), udp),
		latency_text(server_latency_us(s, true), tcp), server_outstanding(s));
	show_pools_of(row);
}

static int wider(int width, const struct addr *a)
{
	char text[ADDR_TEXT_MAX];
	int len = (int)strlen(addr_text_port(a, text));

	return len > width ? len : width;
}

int lua_servers_width(const struct pools *p)
{
	int width = 20;

	for (unsigned i = 0; i < p->n_rows; i++)
		width = wider(width, &p->rows[i].server->fixed.addr);
	return width;
}

int lua_frontends_width(const struct frontends *f)
{
	int width = 20;

	for (unsigned i = 0; i < f->n; i++)
		width = wider(width, &f->list[i]->addr);
	return width;
}

static int show_servers(lua_State *L)
{
	const struct pools *p = lua_pools();
	int width = lua_servers_width(p);
	uint64_t queries = 0, drops = 0;
	bool with_id = false;
	double rate = 0;

	if (!lua_arg_missing(L, 1)) {
		lua_options_check(L, 1, show_servers_options);
		with_id = lua_option_bool(L, 1, "showUUIDs", false);
	}
	lua_host_printf("%-3s ", "#");
	if (with_id)
		lua_host_printf("%-36s ", "UUID");
	lua_host_printf("%-20s %-*s %5s %7s %7s %10s %10s %10s %7s %5s %5s %5s %11s %s\n", "Name",
			width, "Address", "State", "Qps", "Qlim", "Ord", "Wt", "Queries", "Drops",
			"Drate", "Lat", "TCP", "Outstanding", "Pools");
	for (unsigned i = 0; i < p->n_rows; i++) {
		const struct server *s = p->rows[i].server;

		show_server(i, &p->rows[i], with_id, width);
		rate += s->seen.query_rate;
		queries += server_sum(s, offsetof(struct server_counters, queries));
		drops += server_sum(s, offsetof(struct server_counters, drops));
	}
	lua_host_printf("%-3s ", "All");
	if (with_id)
		lua_host_printf("%-36s ", "");
	lua_host_printf("%-20s %-*s %5s %7.1f %7s %10s %10s %10llu %7llu\n", "", width, "", "",
			rate, "", "", "", (unsigned long long)queries, (unsigned long long)drops);
	return 0;
}

static void show_pool(const struct pools *p, const struct pool *pool)
{
	char occupancy[64] = "", name[512];
	bool first = true;

	if (pool->cache)
		snprintf(occupancy, sizeof(occupancy), "%zu/%u", cache_size(pool->cache),
			 cache_options(pool->cache)->max_entries);
	lua_host_printf("%-20.20s %20s %20s ", pool->name, occupancy, pool_policy(p, pool)->name);
	for (unsigned i = 0; i < p->n_rows; i++) {
		const struct server_row *row = &p->rows[i];
		char addr[ADDR_TEXT_MAX];

		if (!lua_row_in_pool(row, pool->name))
			continue;
		snprintf(name, sizeof(name), "%s%s", row->def->name, *row->def->name ? " " : "");
		lua_host_printf("%s%s%s", first ? "" : ", ", name,
				addr_text_port(&row->server->fixed.addr, addr));
		first = false;
	}
	lua_host_printf("\n");
}

static int compare_pools(const void *a, const void *b)
{
	return strcmp((*(const struct pool *const *)a)->name,
		      (*(const struct pool *const *)b)->name);
}

static int show_pools(lua_State *L)
{
	const struct pools *p = lua_pools();
	const struct pool **sorted = mem_alloc((p->n_list + 1) * sizeof(struct pool *));

	for (unsigned i = 0; i < p->n_list; i++)
		sorted[i] = p->list[i];
	qsort(sorted, p->n_list, sizeof(*sorted), compare_pools);
	lua_host_printf("%-20s %20s %20s %s\n", "Name", "Cache", "ServerPolicy", "Servers");
	for (unsigned i = 0; i < p->n_list; i++)
		show_pool(p, sorted[i]);
	free(sorted);
	return 0;
}

static int show_binds(lua_State *L)
{
	const struct frontends *f = TXN_READ(lua_host_txn(), FRONTENDS, frontends);
	int width = lua_frontends_width(f);
	char addr[ADDR_TEXT_MAX];

	lua_host_printf("%-3s %-*s %-20s %s\n", "#", width, "Address", "Protocol", "Queries");
	for (unsigned i = 0; i < f->n; i++) {
		const struct frontend *at = f->list[i];

		lua_host_printf("%-3u %-*s %-20s %llu\n", i, width, addr_text_port(&at->addr, addr),
				at->proto == PROTO_UDP ? "UDP" : "TCP",
				(unsigned long long)frontend_sum(
					at, offsetof(struct frontend_counters, queries)));
	}
	return 0;
}

const struct lua_function show_functions[] = {
	{"showServers", show_servers, ROW_READS, "[{showUUIDs=true}]",
	 "shows all servers, their state, load and latency"},
	{"showPools", show_pools, ROW_READS, "",
	 "shows all pools, their cache, policy and servers"},
	{"showBinds", show_binds, ROW_READS, "",
	 "shows all listeners and how many queries they received"},
	{NULL, NULL, 0, NULL, NULL},
};
