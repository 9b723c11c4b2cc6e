/*
 * Datagrams in batches: one receive call fills slots of the slab, one send call empties what was
 * answered. For workers/udp*.c, and for those who open and close them. Owner only, all of it.
 */
#ifndef WORKERS_UDP_H
#define WORKERS_UDP_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "workers/worker.h"

/* A worker's socket of one frontend. */
struct udp_listener {
	struct source source;
	const struct frontend *frontend;
	bool is_wildcard; /* answers must say where they leave from */
	bool is_dirty;    /* on the list of those with something to send */
	unsigned n_tx;
	uint64_t asked_us;  /* when the kernel was asked what is left in the buffer */
	uint64_t behind_us; /* since when it was much; 0: it was not */
	struct udp_listener *next, *next_dirty;
	struct query *tx[BATCH_MAX]; /* answered, freed when sent */
};

/* Where a datagram came to, and where one is to leave from. */
union udp_control {
	struct cmsghdr header;
	uint8_t room[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

struct udp_socket;

struct udp_io {
	/* queries from clients: slots [0, rx_used) have none and get one before the next receive */
	struct query *rx[BATCH_MAX];
	unsigned rx_used;
	size_t rx_control_len;
	struct udp_listener *listeners, *dirty_listeners;
	struct udp_socket *dirty_sockets;
	uint8_t *arena; /* answers of this turn */
	size_t arena_used;
	uint8_t *answers;  /* of servers, as they came */
	bool answers_lent; /* listeners hold some of them */
	struct mmsghdr rx_hdr[BATCH_MAX], tx_hdr[BATCH_MAX], up_hdr[BATCH_MAX],
		answer_hdr[BATCH_MAX];
	struct iovec rx_iov[BATCH_MAX], tx_iov[BATCH_MAX], up_iov[BATCH_MAX], answer_iov[BATCH_MAX];
	union udp_control rx_control[BATCH_MAX], tx_control[BATCH_MAX];
};

struct udp_io *udp_io_new(void); /* NULL when memory can't be mapped. Gives. */
void udp_io_free(struct udp_io *io);

/* The worker's sockets of the UDP frontends enter its epoll set. */
void udp_listeners_open(struct worker *w);
void udp_listeners_close(struct worker *w);

/* Room for an answer of any size that lies still until udp_flush; taken by the answer that is sent
 * from it. */
uint8_t *udp_room(struct worker *w, size_t *cap);

/* workers/udp_upstream.c: sends what the socket holds and takes it off the list of dirty ones. */
void udp_socket_flush(struct worker *w, struct udp_socket *s);

#endif
