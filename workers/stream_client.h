/*
 * One client's connection: let in by workers/stream_accept.c, its beginning, waits and end are in
 * workers/stream_client.c, what it asks and gets in workers/stream_clients.c.
 */
#ifndef WORKERS_STREAM_CLIENT_H
#define WORKERS_STREAM_CLIENT_H

#include "workers/client_limits.h"
#include "workers/streams.h"

/*
 * All that an idle connection holds besides its socket: 384 octets. What it sends is read into the
 * worker's buffer, what it is sent leaves within the turn; only what is cut short or blocked is kept.
 */
struct client {
	struct stream stream; /* first: epoll's pointer */
	struct client *next, *prev, *next_dirty;
	struct frontend *frontend;
	struct frontend_counters *counters;
	struct client_slot *slot;
	struct timer wait; /* for the client: to send, or to take what it was sent */
	struct timer life;
	uint64_t opened_us;
	uint32_t queries;       /* begun */
	uint32_t reads;         /* of all its life */
	uint32_t message_reads; /* of the message that is not complete yet */
	uint32_t in_flight;     /* queries in the pipeline: they point here, so it can't be freed */
	uint32_t max_in_flight;
	bool dirty;
	bool blocked;    /* its output did not fit the socket, and epoll is asked about that */
	bool readable;   /* the socket had more when we stopped */
	bool eof;        /* the client will send no more */
	bool closing;    /* no query more; ends when what is in flight is answered and written */
	bool lingering;  /* all is written, waiting for the client's end */
	bool restricted; /* by the overload threshold */
	bool dead;       /* closed; freed when nothing is in flight */
	struct addr addr, local;
};
static_assert(sizeof(struct client) <= 384, "idle connections have grown");

/* A connection that was let in. Takes fd; slot is what client_enter gave. */
void client_begin(struct worker *w, struct frontend *f, int fd, const struct addr *from,
                  struct client_slot *slot, bool restricted);

/* At once, whatever is in flight or not yet written. */
void client_close(struct worker *w, struct client *c);

/* Closes a connection that waits for its client, of those that have done so longest. False: there is none. */
bool client_evict(struct worker *w);

/*
 * After anything happened: whom does it wait for now, and is it over? wrote: output has just gone out.
 */
void client_settle(struct worker *w, struct client *c, bool wrote);

/* Throws away what a lingering client still sends; closes at its end. */
void client_linger(struct worker *w, struct client *c);

/* The last holder of a dead client lets go. */
void client_free_when_done(struct worker *w, struct client *c);

/* workers/stream_clients.c: epoll says something. */
void client_ready(struct worker *w, struct source *source, uint32_t events);

/* Watches fd[w->id] of a stream frontend, from workers/stream_accept.c; again is harmless. */
void listener_open(struct worker *w, struct frontend *f);
void listeners_close(struct worker *w);

#endif
