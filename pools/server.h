/*
 * A server (the field also says backend or downstream). Two objects: struct server is who it is and how
 * it is doing, and lives as long as anybody knows it; struct server_def is what the operator set, an
 * immutable value in the tables that a transaction replaces.
 */
#ifndef POOLS_SERVER_H
#define POOLS_SERVER_H

#include "core/addr.h"
#include "core/dns/wire.h"
#include "core/perworker.h"
#include "core/rand.h"
#include "core/tables.h"
#include "pools/health.h"

struct tls_client;

enum server_force { SERVER_AUTO, SERVER_FORCED_UP, SERVER_FORCED_DOWN };

/* What newServer was given and nothing changes later. Strings are owned by the server. */
struct server_fixed {
	struct addr addr;
	struct uuid id;
	struct addr source;       /* family 0: the kernel chooses */
	char source_itf[16];      /* "": none */
	unsigned sockets;         /* UDP sockets for each worker, >= 1 */
	uint8_t udp_timeout_s;    /* 0: the setting */
	uint16_t retries;         /* attempts over TCP */
	uint16_t tcp_connect_timeout_s, tcp_send_timeout_s, tcp_recv_timeout_s; /* 0: none */
	uint32_t max_in_flight;   /* on one stream connection; 0 and 1: one at a time */
	uint32_t max_tcp_connections; /* over all workers; 0: no limit */
	uint32_t max_outstanding;     /* 0: no limit */
	uint8_t dscp;
	bool tcp_only;            /* implied by tls */
	bool tcp_fast_open, ip_bind_addr_no_port, reconnect_on_up;
	bool use_client_subnet, disable_zero_scope;
	struct tls_client *tls;   /* NULL: plain */
	/* the probe */
	uint8_t check_name[DNS_NAME_MAX];
	uint16_t check_name_len, check_type, check_class;
	bool check_tcp, check_cd, must_resolve;
	int check_function;       /* Lua registry reference, or a negative number: none */
	int check_validator;
};

/* What an operator may change while traffic flows: immutable once published. Reference counted. */
struct server_def {
	unsigned refs; /* control thread only */
	char *name;    /* "" when it has none */
	char *tag;     /* sealed: its name-with-address, as queries carry it that shall avoid it */
	size_t tag_len;
	int weight;    /* >= 1 */
	int order;
	uint32_t qps;  /* 0: no limit */
	enum server_force force;
	struct health_params health;
};

/* One worker's counters for one server; _Atomic so that the control thread may read. */
struct server_counters {
	_Atomic uint64_t queries, responses, drops, send_errors, noncompliant_responses;
	_Atomic uint64_t tcp_died_sending, tcp_died_reading, tcp_gave_up, tcp_read_timeouts, tcp_write_timeouts,
		tcp_connect_timeouts, tcp_too_many, tcp_new, tcp_reused, tls_resumptions, tcp_closed_conns,
		tcp_queries, tcp_duration_ms;
	_Atomic uint64_t udp_latency_samples, tcp_latency_samples;
	_Atomic uint64_t udp_latency_q16, tcp_latency_q16; /* moving averages 127/128, in µs × 65536 */
	_Atomic uint32_t latency_epoch;                  /* of the server when last reset */
	_Atomic uint64_t check_failures, check_parsing, check_timeout, check_network, check_mismatch, check_invalid;
};

struct server {
	struct server_fixed fixed; /* read only once it is in the tables */

	/*
	 * What a policy reads of each member, on a line that hardly anybody writes. With outstanding on it,
	 * every policy would pull over the line of every server that another core has just sent to.
	 */
	alignas(CACHE_LINE) _Atomic bool up; /* what the health checks say, whatever is forced */
	_Atomic bool checked;                /* the first check has ended */
	_Atomic uint32_t latency_epoch; /* moves when the averages are to start anew */
	unsigned slot;             /* small number, unique while it lives: index in every worker's upstreams */
	struct perworker counters; /* struct server_counters */
	unsigned refs;             /* tables' and Lua's; control thread only */
	_Atomic unsigned users;    /* workers that have an upstream for it; let go with memory_order_release */

	/* on a line of its own: exact, written by every worker that sends to it */
	alignas(CACHE_LINE) _Atomic uint32_t outstanding;

	/* written by the worker that probes it or that opens connections, read by all */
	alignas(CACHE_LINE) struct health health; /* its state machine; only the worker that probes it */
	_Atomic uint32_t check_latency_us;
	_Atomic uint32_t tcp_connections, tcp_connections_max;
	_Atomic uint64_t qps_bucket; /* see pools/limiter.h; used when qps is set */

	/* once a second, control thread */
	struct {
		uint64_t queries, drops;
		double query_rate, drop_rate;
	} seen;
};
static_assert(offsetof(struct server, health) - offsetof(struct server, outstanding) == CACHE_LINE,
              "outstanding shares a line");

/* Gives a server with refs 1, fields of fixed taken over (also what they own), and a free slot. */
struct server *server_new(const struct server_fixed *fixed);
struct server *server_ref(struct server *s);
/* Frees when the tables, Lua and all workers have let go; until then it is parked and looked at again by servers_collect(). */
void server_unref(struct server *s);
void servers_collect(void); /* control thread, once a second */
unsigned server_slots(void); /* one more than the highest slot in use */

/* hook sees each server just before it is freed: whoever keeps something for it (Lua functions) lets go. */
void servers_on_free(void (*hook)(struct server *s));

struct server_def *server_def_new(void); /* defaults of the reference; refs 1 */
struct server_def *server_def_clone(const struct server_def *d);
struct server_def *server_def_ref(struct server_def *d);
void server_def_unref(struct server_def *d);

/* Defaults of the reference for everything but the address. */
void server_fixed_default(struct server_fixed *f);

/* Forced state, or what the checks say. Any thread. */
static inline bool server_is_up(const struct server *s, const struct server_def *d)
{
	return d->force == SERVER_FORCED_UP ||
	       (d->force == SERVER_AUTO && atomic_load_explicit(&s->up, memory_order_relaxed));
}

static inline uint32_t server_outstanding(const struct server *s)
{
	return atomic_load_explicit(&s->outstanding, memory_order_relaxed);
}

/* Up, and below maxOutstandingQueries. */
static inline bool server_is_usable(const struct server *s, const struct server_def *d)
{
	return server_is_up(s, d) &&
	       (s->fixed.max_outstanding == 0 || server_outstanding(s) < s->fixed.max_outstanding);
}

/* Takes one of the tokens of qps for a query that is being sent; false: there was none. Any thread. */
bool server_take_qps(struct server *s, const struct server_def *d, uint64_t now_us);

/* Whether there is one, taking nothing. Any thread. */
bool server_has_qps(const struct server *s, const struct server_def *d, uint64_t now_us);

/* "up", "down", "UP", "DOWN" as showServers prints it. */
const char *server_state_text(const struct server *s, const struct server_def *d);

/* "name (addr:port)" or "addr:port"; size of out at least 512. */
char *server_name_with_addr(const struct server *s, const struct server_def *d, char *out, size_t size);

/* Sums over the workers. Control thread. Latencies in µs; the mean over workers weighted by samples. */
uint64_t server_sum(const struct server *s, size_t offset_in_counters);
double server_latency_us(const struct server *s, bool tcp);

/* Owner only: folds one sample into the moving average, which starts at 0. */
void server_count_latency(const struct server *s, struct server_counters *c, bool tcp, uint32_t us);

/* The average that one worker has of a server, in µs; 0 when it has none. Any thread. */
double server_worker_latency_us(const struct server *s, unsigned worker, bool tcp);

/* Averages start anew, as on going down. Any thread. */
void server_reset_latency(struct server *s);

#endif
