/*
 * One worker: a thread, pinned, that owns everything it touches for a packet. Only files in workers/
 * include this.
 */
#ifndef WORKERS_WORKER_H
#define WORKERS_WORKER_H

#include <pthread.h>

#include "cache/cache.h"
#include "core/mailbox.h"
#include "core/query.h"
#include "core/query_extra.h"
#include "core/settings.h"
#include "core/stats.h"
#include "pools/pool.h"
#include "rules/traffic.h"
#include "workers/frontend.h"

#define BATCH_MAX 64 /* datagrams of one receive or send call */

struct worker;
struct upstream;
struct udp_io;
struct slab;
struct delay_rooms;
struct rule_scratch;
struct overload;

/* Anything with a descriptor in the worker's epoll set; data.ptr points here. */
struct source {
	/* events of EPOLLIN and family. May unwatch and free any source, itself too. */
	void (*ready)(struct worker *w, struct source *s, uint32_t events);
	int fd;
};

/* A scratch key: an odd number of lines, so that a batch of them spreads over all sets. */
struct cache_slot {
	alignas(CACHE_LINE) struct cache_key key;
};
static_assert(sizeof(struct cache_slot) / CACHE_LINE % 2 == 1, "scratch keys share sets");

struct worker {
	/* owner only */
	alignas(CACHE_LINE) unsigned id;
	int epoll_fd;
	uint64_t now_us;               /* monotonic, read once a turn */
	uint32_t now_s;                /* the same in seconds: ages of the cache */
	const struct tables *t;        /* of this turn; NULL at rest */
	const struct settings *settings; /* t->settings */
	struct pins pins;
	struct timers timers;
	struct slab *queries;          /* struct query with room for a packet behind it */
	struct udp_io *udp;            /* receive and send batches, see workers/udp.c */
	struct upstream **upstreams;   /* by server slot; NULL where it has not sent yet */
	unsigned n_upstreams;
	unsigned in_flight;            /* queries with servers */
	bool upstreams_ended;          /* one that was removed has nothing in flight any more */
	struct cache_slot *keys;       /* BATCH_MAX scratch keys of the cache */
	struct policy_ctx policy;
	uint32_t answer_cap;           /* room of the answer that is under way */
	unsigned held;                 /* answers that wait for their delay */
	struct delay_rooms *delay_rooms; /* for the long ones, see workers/delay.h */
	struct extra_pool *extras;     /* tags and the like, see core/query_extra.h */
	struct rule_scratch *scratch;
	struct log_sink *sink;         /* queries and answers for log files */
	struct tee_socket *tees;       /* to servers that get copies of queries, see workers/tee.c */
	struct overload *overload;     /* who is let in when too much comes */
	struct traffic_ring *query_ring, *answer_ring; /* NULL: not recorded */
	struct log_queue *log;
	struct streams *streams;       /* clients' connections, see workers/stream_clients.c */
	struct source inbox_source;
	struct timer clean_timer;
	unsigned clean_pool;           /* where a cleaning that was interrupted goes on */
	unsigned n_workers;
	unsigned received;             /* datagrams of this turn: whether it was busy */
	bool serving;                  /* listeners are in the epoll set */
	pthread_t thread;
	struct turn *turn;             /* events of this turn and what to free at its end, see loop.c */

	alignas(CACHE_LINE) struct worker_stats stats; /* owner adds, control thread sums */

	struct mailbox inbox;                  /* any thread posts */
	alignas(CACHE_LINE) atomic_bool stop;  /* control thread sets, owner polls */
	atomic_bool serve;
};
static_assert(offsetof(struct worker, stop) % CACHE_LINE == 0, "stop shares a line");

/* workers/loop.c */
int worker_watch(struct worker *w, struct source *s, uint32_t events);   /* EPOLL_CTL_ADD; 0 or -errno */
int worker_rewatch(struct worker *w, struct source *s, uint32_t events); /* EPOLL_CTL_MOD; 0 or -errno */

/* EPOLL_CTL_DEL, before s->fd is closed. No event of this turn reaches s any more: it may be freed. */
void worker_unwatch(struct worker *w, struct source *s);

/* Frees mem at the end of the turn, for what a caller up the stack still looks at. */
void worker_free_later(struct worker *w, void *mem);

/* A mail to the control thread, where run()'s owner is the const struct workers_hooks *. Any worker. Takes mail. */
void worker_tell_control(struct mail *mail);

/* The control thread calls workers_drain soon. Any worker. */
void workers_wake_control(void);

/*
 * workers/query_slab.c: a query with packet room of at least len octets plus QUERY_HEADROOM (cap says
 * how many), zeroed but for the packet; NULL at the bound. Up to QUERY_UDP_MAX it allocates nothing.
 */
struct query *query_new(struct worker *w, size_t len);
void query_free(struct worker *w, struct query *q);

/*
 * workers/pipeline.c, the life of a query. In: pipeline_query for one, pipeline_batch for many of one
 * turn (parsed and hashed first, then looked up); each takes the query. The transport has set
 * transport, frontend, conn, client, local, client_proto, packet and len; n is at most BATCH_MAX.
 * What comes back from a server: pipeline_answer; no answer: pipeline_failed. Both take the query
 * out of its upstream (q->upstream is NULL by then) and end with one call of the transport's respond or
 * drop.
 */
void pipeline_query(struct worker *w, struct query *q);
void pipeline_batch(struct worker *w, struct query **q, unsigned n);

/*
 * answer: len octets, writable with cap octets of room, lent until this returns, or until the next
 * udp_flush when q->answer_stays is set. The caller has matched ID, source, and upstream_answer_fits.
 * With q->more_coming the query stays in its upstream and with the caller: respond sends and keeps it.
 * While a query is in flight the ID in q->packet is the upstream's to change.
 */
void pipeline_answer(struct worker *w, struct query *q, uint8_t *answer, size_t len, size_t cap);

/* Its transport's drop is called with q->failure set. */
enum failure { FAILURE_NONE, FAILURE_TIMEOUT, FAILURE_NETWORK };
void pipeline_failed(struct worker *w, struct query *q, enum failure why);

/*
 * workers/upstream.c: the worker's side of a server.
 */
struct upstream {
	struct server *server;
	struct server_counters *counters;
	const struct server_def *def;   /* of the worker's present generation; last_def once removed */
	struct server_def last_def;     /* a copy without the name */
	bool removed;                   /* out of the tables: no new query, freed when none is in flight */
	bool watched_up;                /* last state this worker saw, for reconnectOnUp */
	unsigned in_flight;             /* of this worker, all transports */
	struct udp_upstream *udp;       /* workers/udp_upstream.c */
	struct stream_upstream *stream; /* workers/stream_upstream.c */
	struct probe *probe;            /* workers/probe.c; only in the worker that owns its checks */
	unsigned lazy_good;             /* outcomes that the owner of its checks has not been told, see probe_query_result */
};

/* Found or made. Never NULL; its sockets open with the first query that needs them. */
struct upstream *upstream_get(struct worker *w, struct server *s);

/*
 * Sends q to the server over UDP or a stream, as server and client want it, and counts it there; it is
 * then parked with the upstream until pipeline_answer or pipeline_failed, which may come before this
 * returns. 0, or a negative errno with q untouched and nothing counted.
 */
int upstream_send(struct worker *w, struct upstream *up, struct query *q);

/* The pipeline's: q is not with its server any more; undoes what upstream_send counted as in flight. */
void upstream_done(struct worker *w, struct query *q);

/*
 * Whether an answer with the right ID is one to q: QR, and the question as it was sent. What is not is
 * counted as the reference does (noncompliant-responses); the caller decides what follows.
 */
bool upstream_answer_fits(struct worker *w, const struct query *q, const uint8_t *answer, size_t len);

/* The two ways of upstream_send, for it alone. Each returns 0 with q parked, or a negative errno with q untouched. */
int udp_upstream_send(struct worker *w, struct upstream *up, struct query *q);
int stream_upstream_send(struct worker *w, struct upstream *up, struct query *q);

/* In-flight queries fail; frees up->udp, up->stream, up->probe and what hangs off them. Harmless on NULL. */
void udp_upstream_close(struct worker *w, struct upstream *up);
void stream_upstream_close(struct worker *w, struct upstream *up);
void probe_close(struct worker *w, struct upstream *up);

/* New sockets; queries in flight keep the old ones until they end. */
void udp_upstream_reconnect(struct worker *w, struct upstream *up);

/* Flushes what the turn has written to servers' UDP sockets and to listeners. */
void udp_flush(struct worker *w);

/*
 * Called when the worker sees a new generation: upstreams, probes, caches, listeners follow the
 * tables. stream_clients_reconcile runs again when the worker begins to serve; only then (w->serving)
 * it listens on fd[w->id] of the stream frontends and watches them.
 */
void worker_reconcile(struct worker *w);
void probe_reconcile(struct worker *w);
void stream_clients_reconcile(struct worker *w);

/*
 * The end of a turn, before udp_flush, after timers: writes out what the turn has put into streams, and
 * goes on with queries that clients sent ahead. May run pipeline_query, pipeline_answer, pipeline_failed.
 */
void streams_flush(struct worker *w);

/* The thread ends: closes clients' connections without answering. Before upstreams are closed. */
void stream_clients_fini(struct worker *w);

/* After that and after all upstreams are closed: frees w->streams. */
void streams_fini(struct worker *w);

/* A real query to a server ended: feeds lazy health checks (may mail the owner of its probe). Only called for lazy servers. */
void probe_query_result(struct worker *w, struct upstream *up, bool bad);

/* The operator set the state of a server whose checks this worker owns (workers_set_server_status). */
void probe_set_status(struct worker *w, struct server *s, bool up);

/* Which worker probes a server. */
static inline unsigned probe_owner(const struct worker *w, const struct server *s)
{
	return s->slot % w->n_workers;
}

/* The inbox of a worker, for mails between workers; owner of run() is its struct worker. */
struct mailbox *workers_inbox(unsigned worker);

extern const struct transport udp_transport;

#endif
