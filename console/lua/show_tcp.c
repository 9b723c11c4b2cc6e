/* showTCPStats: workers, listeners and servers over TCP and TLS. */
#include <stddef.h>

#include "console/lua/server.h"
#include "console/lua/registry.h"
#include "core/settings.h"
#include "workers/workers.h"

typedef unsigned long long ull;

static double ratio(uint64_t sum, uint64_t n)
{
	return n ? (double)sum / (double)n : 0;
}

static ull of_frontend(const struct frontend *f, size_t offset)
{
	return frontend_sum(f, offset);
}

#define FRONTEND(field) of_frontend(f, offsetof(struct frontend_counters, field))
#define SERVER(field)   ((ull)server_sum(s, offsetof(struct server_counters, field)))

/* There is no queue between an acceptor and workers, so nothing can wait in it. */
static void show_workers(const struct settings *set)
{
	lua_host_printf("%-12s %-12s %-12s %-12s\n", "Workers", "Max Workers", "Queued",
			"Max Queued");
	lua_host_printf("%-12u %-12u %-12u %-12u\n", workers_count(), workers_count(), 0,
			set->tcp_max_queued);
}

static void show_frontend(unsigned at, const struct frontend *f, int width)
{
	ull conns = FRONTEND(tcp_conns);
	char addr[ADDR_TEXT_MAX];

	lua_host_printf("%-3u %-*s %-20u %-20u %-20llu %-25llu %-20llu %-20llu %-20llu %-20f %-20f "
			"%-20f %-20u %-20u %-20u %-20u %-20u %-20u\n",
			at, width, addr_text_port(&f->addr, addr), atomic_load(&f->tcp_connections),
			atomic_load(&f->tcp_connections_max), FRONTEND(tcp_died_reading),
			FRONTEND(tcp_died_sending), FRONTEND(tcp_gave_up),
			FRONTEND(tcp_client_timeouts), FRONTEND(tcp_downstream_timeouts),
			ratio(FRONTEND(tcp_conn_queries), conns),
			ratio(FRONTEND(tcp_conn_ms), conns), ratio(FRONTEND(tcp_read_ios), conns),
			0, 0, 0, 0, 0, 0);
}

static void show_frontends(const struct frontends *f)
{
	int width = lua_frontends_width(f);

	lua_host_printf("\nFrontends:\n");
	lua_host_printf(
		"%-3s %-*s %-20s %-20s %-20s %-25s %-20s %-20s %-20s %-20s %-20s %-20s %-20s "
		"%-20s %-20s %-20s %-20s %-20s\n",
		"#", width, "Address", "Connections", "Max concurrent conn", "Died reading query",
		"Died sending response", "Gave up", "Client timeouts", "Downstream timeouts",
		"Avg queries/conn", "Avg duration", "Avg read IOs/conn", "TLS new sessions",
		"TLS Resumptions", "TLS unknown ticket keys", "TLS inactive ticket keys", "TLS 1.2",
		"TLS 1.3");
	for (unsigned i = 0; i < f->n; i++)
		show_frontend(i, f->list[i], width);
}

static void show_backend(unsigned at, const struct server_row *row, int width)
{
	const struct server *s = row->server;
	ull closed = SERVER(tcp_closed_conns);
	char addr[ADDR_TEXT_MAX];

	lua_host_printf(
		"%-3u %-20.20s %-*s %-20u %-20u %-25llu %-25llu %-20llu %-20llu %-20llu %-20llu "
		"%-20llu %-20llu %-20llu %-20llu %-20f %-20f\n",
		at, row->def->name, width, addr_text_port(&s->fixed.addr, addr),
		atomic_load(&s->tcp_connections), atomic_load(&s->tcp_connections_max),
		SERVER(tcp_died_sending), SERVER(tcp_died_reading), SERVER(tcp_gave_up),
		SERVER(tcp_read_timeouts), SERVER(tcp_write_timeouts), SERVER(tcp_connect_timeouts),
		SERVER(tcp_too_many), SERVER(tcp_new), SERVER(tcp_reused), SERVER(tls_resumptions),
		ratio(SERVER(tcp_queries), closed), ratio(SERVER(tcp_duration_ms), closed));
}

static void show_backends(const struct pools *p)
{
	int width = lua_servers_width(p);

	lua_host_printf("\nBackends:\n");
	lua_host_printf(
		"%-3s %-20s %-*s %-20s %-20s %-25s %-25s %-20s %-20s %-20s %-20s %-20s %-20s "
		"%-20s %-20s %-20s %-20s\n",
		"#", "Name", width, "Address", "Connections", "Max concurrent conn",
		"Died sending query", "Died reading response", "Gave up", "Read timeouts",
		"Write timeouts", "Connect timeouts", "Too many conn", "Total connections",
		"Reused connections", "TLS resumptions", "Avg queries/conn", "Avg duration");
	for (unsigned i = 0; i < p->n_rows; i++)
		show_backend(i, &p->rows[i], width);
}

static int show_tcp_stats(lua_State *L)
{
	show_workers(TXN_READ(lua_host_txn(), SETTINGS, settings));
	show_frontends(TXN_READ(lua_host_txn(), FRONTENDS, frontends));
	show_backends(lua_pools());
	return 0;
}

static int request_dump(lua_State *L)
{
	workers_dump_streams();
	return 0;
}

const struct lua_function show_tcp_functions[] = {
	{"requestTCPStatesDump", request_dump, ROW_READS, "",
	 "has the workers log each connection of a client and to a server, and what it waits for"},
	{"showTCPStats", show_tcp_stats, ROW_READS, "",
	 "shows what happened on TCP and TLS connections of clients and to servers"},
	{NULL, NULL, 0, NULL, NULL},
};
