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
#include "core/settings.h"
#include "core/stats.h"
#include "pools/pool.h"
#include "rules/traffic.h"
#include "workers/frontend.h"

#define BATCH_MAX 64

struct worker;
struct upstream;
struct udp_io;
struct slab;

/* Anything with a descriptor in the worker's epoll set; data.ptr points here. */
struct source {
	void (*ready)(struct worker *w, struct source *s, uint32_t events);
	int fd;
};

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
	struct policy_ctx policy;
	struct traffic_ring *ring;
	struct log_queue *log;
	struct streams *streams;       /* clients' connections, see workers/stream_clients.c */
	struct source inbox_source;
	struct timer clean_timer;
	bool serving;                  /* listeners are in the epoll set */
	pthread_t thread;

	alignas(CACHE_LINE) struct worker_stats stats; /* owner adds, control thread sums */

	struct mailbox inbox;                  /* any thread posts */
	alignas(CACHE_LINE) atomic_bool stop;  /* control thread sets, owner polls */
	atomic_bool serve;
};
static_assert(offsetof(struct worker, stop) % CACHE_LINE == 0, "stop shares a line");

/* workers/loop.c */
void worker_watch(struct worker *w, struct source *s, uint32_t events);   /* EPOLL_CTL_ADD */
void worker_rewatch(struct worker *w, struct source *s, uint32_t events); /* EPOLL_CTL_MOD */
void worker_unwatch(struct worker *w, struct source *s);

/* Frees mem at the end of the turn, when no event of this batch can point to it any more. */
void worker_free_later(struct worker *w, void *mem);

/* A mail to the control thread. */
void worker_tell_control(struct mail *mail);

/* workers/query_slab.c: a query with packet room of at least len octets, zeroed but for the packet; NULL at the bound. */
struct query *query_new(struct worker *w, size_t len);
void query_free(struct worker *w, struct query *q);

/*
 * workers/pipeline.c, the life of a query. In: pipeline_query for one, pipeline_batch for many of one
 * turn (parsed and hashed first, then looked up). What comes back from a server: pipeline_answer;
 * no answer: pipeline_failed.
 */
void pipeline_query(struct worker *w, struct query *q);
void pipeline_batch(struct worker *w, struct query **q, unsigned n);

/* answer: len octets, writable with cap octets of room, lent until this returns. The caller has matched ID and source. */
void pipeline_answer(struct worker *w, struct query *q, uint8_t *answer, size_t len, size_t cap);

enum failure { FAILURE_TIMEOUT, FAILURE_NETWORK };
void pipeline_failed(struct worker *w, struct query *q, enum failure why);

/*
 * workers/upstream.c: the worker's side of a server. Found or made; NULL when it can't be (no sockets).
 * Both sends park the query with the upstream; they return 0, or a negative errno with q untouched.
 */
struct upstream {
	struct server *server;
	struct server_counters *counters;
	const struct server_def *def;   /* of the worker's present generation */
	bool removed;                   /* out of the tables: no new query, freed when none is in flight */
	bool watched_up;                /* last state this worker saw, for reconnectOnUp */
	unsigned in_flight;             /* of this worker, all transports */
	struct udp_upstream *udp;       /* workers/udp_upstream.c */
	struct stream_upstream *stream; /* workers/stream_upstream.c */
	struct probe *probe;            /* workers/probe.c; only in the worker that owns its checks */
};

struct upstream *upstream_get(struct worker *w, struct server *s);
int udp_upstream_send(struct worker *w, struct upstream *up, struct query *q);
void udp_upstream_close(struct worker *w, struct upstream *up);     /* in-flight queries fail; frees up->udp */
void udp_upstream_reconnect(struct worker *w, struct upstream *up); /* new sockets; in-flight ones keep the old until they end */
int stream_upstream_send(struct worker *w, struct upstream *up, struct query *q);
void stream_upstream_close(struct worker *w, struct upstream *up);

/* Flushes what the batch has written to servers' UDP sockets and to listeners. */
void udp_flush(struct worker *w);

/* Called when the worker sees a new generation: upstreams, probes, caches, listeners follow the tables. */
void worker_reconcile(struct worker *w);
void probe_reconcile(struct worker *w);
void stream_clients_reconcile(struct worker *w);

/* A real query to a server ended: feeds lazy health checks (may mail the owner of its probe). */
void probe_query_result(struct worker *w, struct upstream *up, bool bad);

/* One probe over the paths of ordinary queries: sends q (is_probe set) over UDP or a stream. */
extern const struct transport probe_transport;

#endif
