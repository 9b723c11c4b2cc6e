/* What a worker holds for its streams: w->streams. For the files that make up clients' and servers' connections. */
#ifndef WORKERS_STREAMS_H
#define WORKERS_STREAMS_H

#include "workers/stream.h"

struct client;
struct listener;
struct server_conn;

struct streams {
	struct stream_buffers io;
	struct client *clients, *last_client; /* all that are open; those idle longest are last */
	struct client *dirty_clients;    /* have something to write or to go on with, this turn */
	struct listener **listeners;
	unsigned n_listeners;
	struct server_conn *dirty_servers;
	struct server_conn *paused_servers; /* transfers whose clients read too slowly */
	bool clients_moved;              /* one took its output or went: paused servers may go on */
	int fd_limit;                    /* descriptors from here on are not for clients */
	uint64_t fd_short_logged_us;
	uint64_t fd_short;               /* how often one was missing since then */
};

/* The worker's, made at its first use. */
struct streams *streams_get(struct worker *w);

/* Work off the dirty ones. workers/stream_clients.c, workers/stream_upstream.c */
void stream_clients_flush(struct worker *w, struct streams *ss);
void stream_upstreams_flush(struct worker *w, struct streams *ss);

/*
 * How the client of a transfer (q->is_xfr) takes what has been sent to it: asked after pipeline_answer,
 * and again when clients_moved.
 */
enum xfr_client { XFR_CLIENT_READY, XFR_CLIENT_SLOW, XFR_CLIENT_GONE };
enum xfr_client stream_client_state(const struct query *q);

#endif
