/*
 * Bytes in and out of one connection, plain TCP or TLS, nothing blocks; and DNS messages in them,
 * each behind two octets of length (RFC 1035 4.2.2, RFC 7766 8). Knows no query: clients and servers
 * stand on it alike. All of one worker.
 *
 * Descriptors are watched edge-triggered: a pause costs no system call, and whoever pauses remembers
 * that there was something to read.
 */
#ifndef WORKERS_STREAM_H
#define WORKERS_STREAM_H

#include <sys/epoll.h>

#include "core/dns/wire.h"
#include "core/tls/tls.h"
#include "workers/worker.h"

/* What one call asks of the kernel. One message at its longest fits. */
#define STREAM_READ_MAX 65537

/*
 * Output waits in pieces of this size, one TLS record at the most. Answers are far smaller: a turn's
 * output of one connection is one piece, and leaves in one call.
 */
#define STREAM_PIECE 16320

#define STREAM_END (EPOLLRDHUP | EPOLLHUP | EPOLLERR)
#define STREAM_INPUT (EPOLLIN | EPOLLRDHUP | EPOLLET)
#define STREAM_OUTPUT EPOLLOUT

struct stream_piece {
	struct stream_piece *next;
	uint32_t start, end; /* octets that are still to go */
	uint8_t data[STREAM_PIECE];
};

/* Lent to whatever stream is being read or written: idle connections hold nothing of it. */
struct stream_buffers {
	uint8_t *in; /* what was kept, and one read behind it */
	size_t in_room;
	struct stream_piece *spare;
	unsigned n_spare;
};

enum stream_phase { STREAM_OPEN, STREAM_CONNECTING, STREAM_HANDSHAKE };

struct stream {
	struct source source;   /* what epoll knows; fd is -1 when closed */
	enum stream_phase phase;
	bool ended;             /* epoll has said that the other side has closed, behind what it has sent */
	struct tls_conn *tls;   /* NULL: plain */
	struct stream_piece *out_first, *out_last;
	size_t out_len;
	uint8_t *kept;          /* input that could not be used yet; NULL: none */
	size_t kept_len;
};

enum stream_result {
	STREAM_OK,
	STREAM_AGAIN,  /* the other side has to move first */
	STREAM_CLOSED, /* it closed */
	STREAM_FAILED, /* errno, or tls_conn_error */
};

void stream_buffers_init(struct stream_buffers *b);
void stream_buffers_fini(struct stream_buffers *b);

/*
 * Begins a connection to a server, from its source address and interface, over TLS when it has that, and
 * watches it for input and output. 0, or a negative errno with s closed.
 */
int stream_connect(struct worker *w, struct stream *s, const struct server_fixed *to,
                   struct tls_session_store *sessions);

/*
 * One step towards STREAM_OPEN, when epoll said something. STREAM_OK: it is open. A failure before the
 * phase was STREAM_HANDSHAKE is one of the network.
 */
enum stream_result stream_step(struct stream *s);

/* Closes, unwatches and gives back all it holds; harmless when it is closed already. */
void stream_close(struct worker *w, struct stream_buffers *b, struct stream *s);

/*
 * Reads once behind what was kept, into b->in; *len says how much lies there in all. STREAM_OK: there may
 * be more, call again when this is used up. STREAM_AGAIN: that was all for now (*len may still be over 0).
 * STREAM_CLOSED and STREAM_FAILED: nothing more will come; what lies there came before.
 */
enum stream_result stream_read(struct stream_buffers *b, struct stream *s, size_t *len);

/* What was kept alone, without a read: its length, lying in b->in. */
size_t stream_unkeep(struct stream_buffers *b, struct stream *s);

/* Keeps len octets at data (in b->in) for the next read. False: out of memory. */
bool stream_keep(struct stream *s, const uint8_t *data, size_t len);

/* The next whole message of len octets at data, or NULL. *msg_len is its length; it begins 2 after data. */
static inline const uint8_t *stream_message(const uint8_t *data, size_t len, size_t *msg_len)
{
	if (len < 2)
		return NULL;
	*msg_len = get_u16(data);
	return len - 2 >= *msg_len ? data + 2 : NULL;
}

/*
 * Puts a message of 2 … 65535 octets into the output, with its length in front and this ID in place of
 * its own. False: out of memory, and the stream is good for nothing but closing.
 */
bool stream_put(struct stream_buffers *b, struct stream *s, const uint8_t *msg, size_t len,
                uint16_t id);

/* Writes what is in the output. STREAM_OK: all of it. STREAM_AGAIN: the rest waits for EPOLLOUT. */
enum stream_result stream_flush(struct stream_buffers *b, struct stream *s);

#endif
