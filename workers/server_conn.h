/*
 * One connection to a server and the queries on it. For workers/server_conn.c, which moves bytes and
 * matches answers, and workers/stream_upstream.c, which decides what goes where and what comes after a
 * failure.
 */
#ifndef WORKERS_SERVER_CONN_H
#define WORKERS_SERVER_CONN_H

#include "workers/streams.h"
#include "workers/xfr.h"

struct conn_list {
	struct server_conn *first, *last;
	unsigned n;
};

/* Connections of one worker to one server; each is in the list that says what it is good for. */
struct stream_upstream {
	struct conn_list busy; /* queries on it, and room for more; newest first */
	struct conn_list idle; /* open, without a query; the last one used first */
	struct conn_list full; /* no query more, now or ever */
	struct tls_session_store *sessions; /* NULL: plain */
};

struct server_conn {
	struct stream stream; /* first: epoll's pointer */
	struct upstream *up;
	struct server_conn *next, *prev;
	struct conn_list *list;
	struct server_conn *next_dirty, *next_paused;
	struct timer timer; /* to connect, to write, or to be used again */
	uint64_t opened_us;
	uint32_t queries;   /* ever put on it */
	uint32_t in_flight, max_in_flight;
	bool dirty;
	bool answered;  /* by the server, at least once: it was good when it was last used */
	bool retired;   /* closed as soon as nothing is in flight */
	bool blocked;   /* output waits for the socket */
	bool paused;    /* the client of its transfer takes no more for now */
	bool readable;  /* the socket had more when it was paused */
	bool dead;      /* closed; freed at the end of the turn */
	struct xfr xfr;
	unsigned id_mask; /* buckets - 1 */
	struct query *by_id[]; /* chained by next */
};

/* A new one, connecting, in no list; NULL with *rc set. Counted against the server's limit. */
struct server_conn *server_conn_new(struct worker *w, struct upstream *up, bool is_xfr, int *rc);

/* Puts q on it under an ID of its own; 0 or -ENOMEM with q untouched. */
int server_conn_put(struct worker *w, struct server_conn *c, struct query *q);

/* Takes q off it: answered, timed out, or to go elsewhere. */
void server_conn_take(struct server_conn *c, struct query *q);

/* Any of its queries, or NULL. */
struct query *server_conn_any(const struct server_conn *c);

/* Closes it, counts it, frees it at the end of the turn. Its queries must be off it. */
void server_conn_close(struct worker *w, struct server_conn *c);

/* Writes, and goes on with transfers whose clients have room again. */
void server_conn_flush(struct worker *w, struct server_conn *c);
void server_conn_resume(struct worker *w, struct server_conn *c);

/* What server_conn.c tells stream_upstream.c. */

/* Queries came or went: c belongs to another list, or is closed. */
void upstream_conn_moved(struct worker *w, struct server_conn *c);

enum conn_failure {
	CONN_DIED,      /* refused, or ended while we connected, read or wrote */
	CONN_UNTRUSTED, /* TLS failed, which no second try would mend */
	CONN_GARBAGE,   /* what came is no answer to any query of it */
	CONN_TIMEOUT,   /* connecting or writing took too long */
	CONN_GIVEN_UP,  /* by us */
};

/* It is of no use any more: closes it, and sends its queries elsewhere or fails them. */
void upstream_conn_failed(struct worker *w, struct server_conn *c, enum conn_failure why);

#endif
