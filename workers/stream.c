#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/mem.h"
#include "workers/stream.h"

/* Kept input is less than one message and one read; then comes one read. */
#define IN_ROOM (3 * STREAM_READ_MAX)

/* Pieces kept for reuse by one worker: 4 MiB, what 256 connections with answers under way need. */
#define SPARE_MAX 256

/* Pieces written by one call; more than a socket's buffer takes. */
#define PIECES_A_CALL 16

void stream_buffers_init(struct stream_buffers *b)
{
	*b = (struct stream_buffers){.in = mem_alloc(IN_ROOM), .in_room = IN_ROOM};
}

void stream_buffers_fini(struct stream_buffers *b)
{
	while (b->spare != NULL) {
		struct stream_piece *p = b->spare;

		b->spare = p->next;
		free(p);
	}
	free(b->in);
}

static struct stream_piece *piece_new(struct stream_buffers *b)
{
	struct stream_piece *p = b->spare;

	if (likely(p != NULL)) {
		b->spare = p->next;
		b->n_spare--;
	} else {
		p = malloc(sizeof(*p));
		if (p == NULL)
			return NULL;
	}
	p->next = NULL;
	p->start = p->end = 0;
	return p;
}

static void piece_free(struct stream_buffers *b, struct stream_piece *p)
{
	if (b->n_spare == SPARE_MAX) {
		free(p);
		return;
	}
	p->next = b->spare;
	b->spare = p;
	b->n_spare++;
}

void stream_close(struct worker *w, struct stream_buffers *b, struct stream *s)
{
	while (s->out_first != NULL) {
		struct stream_piece *p = s->out_first;

		s->out_first = p->next;
		piece_free(b, p);
	}
	s->out_last = NULL;
	s->out_len = 0;
	free(s->kept);
	s->kept = NULL;
	s->kept_len = 0;
	tls_conn_free(s->tls);
	s->tls = NULL;
	if (s->source.fd >= 0) {
		worker_unwatch(w, &s->source);
		close(s->source.fd);
		s->source.fd = -1;
	}
}

size_t stream_unkeep(struct stream_buffers *b, struct stream *s)
{
	size_t len = s->kept_len;

	if (len == 0)
		return 0;
	memcpy(b->in, s->kept, len);
	free(s->kept);
	s->kept = NULL;
	s->kept_len = 0;
	return len;
}

bool stream_keep(struct stream *s, const uint8_t *data, size_t len)
{
	assert(s->kept == NULL);
	if (len == 0)
		return true;
	s->kept = malloc(len);
	if (s->kept == NULL)
		return false;
	memcpy(s->kept, data, len);
	s->kept_len = len;
	return true;
}

static enum stream_result read_plain(struct stream *s, uint8_t *buf, size_t *done)
{
	ssize_t n;

	do
		n = recv(s->source.fd, buf, STREAM_READ_MAX, 0);
	while (n < 0 && errno == EINTR);
	if (likely(n > 0)) {
		*done = (size_t)n;
		/*
		 * A short read has emptied the socket, and what comes later is a new edge; but an
		 * end that came with the data has had its edge.
		 */
		return n < STREAM_READ_MAX && !s->ended ? STREAM_AGAIN : STREAM_OK;
	}
	if (n == 0)
		return STREAM_CLOSED;
	return errno == EAGAIN ? STREAM_AGAIN : STREAM_FAILED;
}

static enum stream_result from_tls(enum tls_result r)
{
	switch (r) {
	case TLS_OK:
		return STREAM_OK;
	case TLS_WANT_READ:
	case TLS_WANT_WRITE:
		return STREAM_AGAIN;
	case TLS_CLOSED:
		return STREAM_CLOSED;
	default:
		return STREAM_FAILED;
	}
}

/* Record by record until the library has no more, so that nothing is left where epoll can't see it.
 */
static enum stream_result read_tls(struct stream *s, uint8_t *buf, size_t *done)
{
	enum tls_result r = TLS_OK;

	while (r == TLS_OK && *done < STREAM_READ_MAX) {
		size_t n;

		r = tls_read(s->tls, buf + *done, STREAM_READ_MAX - *done, &n);
		*done += n;
	}
	return from_tls(r);
}

enum stream_result stream_read(struct stream_buffers *b, struct stream *s, size_t *len)
{
	size_t kept = stream_unkeep(b, s), done = 0;
	enum stream_result r;

	assert(kept + STREAM_READ_MAX <= b->in_room);
	r = s->tls == NULL ? read_plain(s, b->in + kept, &done) : read_tls(s, b->in + kept, &done);
	*len = kept + done;
	return r;
}

/* Room for at least one octet at the end of the output; *room says for how many. */
static uint8_t *put_room(struct stream_buffers *b, struct stream *s, size_t *room)
{
	struct stream_piece *p = s->out_last;

	if (p == NULL || p->end == STREAM_PIECE) {
		p = piece_new(b);
		if (p == NULL)
			return NULL;
		if (s->out_last != NULL)
			s->out_last->next = p;
		else
			s->out_first = p;
		s->out_last = p;
	}
	*room = STREAM_PIECE - p->end;
	return p->data + p->end;
}

static bool put_bytes(struct stream_buffers *b, struct stream *s, const uint8_t *data, size_t len)
{
	while (len > 0) {
		size_t room, n;
		uint8_t *at = put_room(b, s, &room);

		if (at == NULL)
			return false;
		n = len < room ? len : room;
		memcpy(at, data, n);
		s->out_last->end += (uint32_t)n;
		s->out_len += n;
		data += n;
		len -= n;
	}
	return true;
}

bool stream_put(struct stream_buffers *b, struct stream *s, const uint8_t *msg, size_t len,
		uint16_t id)
{
	uint8_t head[4];

	assert(len >= 2 && len <= DNS_MESSAGE_MAX);
	put_u16(head, (uint16_t)len);
	put_u16(head + 2, id);
	return put_bytes(b, s, head, sizeof(head)) && put_bytes(b, s, msg + 2, len - 2);
}

static void put_done(struct stream_buffers *b, struct stream *s, size_t n)
{
	s->out_len -= n;
	while (n > 0) {
		struct stream_piece *p = s->out_first;
		size_t part = p->end - p->start;

		if (n < part) {
			p->start += (uint32_t)n;
			return;
		}
		n -= part;
		s->out_first = p->next;
		if (s->out_first == NULL)
			s->out_last = NULL;
		piece_free(b, p);
	}
}

static enum stream_result write_plain(struct stream *s, size_t *done)
{
	struct iovec iov[PIECES_A_CALL];
	struct msghdr msg = {.msg_iov = iov};
	ssize_t n;

	for (struct stream_piece *p = s->out_first; p != NULL; p = p->next) {
		if (msg.msg_iovlen == PIECES_A_CALL)
			break;
		iov[msg.msg_iovlen].iov_base = p->data + p->start;
		iov[msg.msg_iovlen++].iov_len = p->end - p->start;
	}
	do {
		if (likely(msg.msg_iovlen == 1))
			n = send(s->source.fd, iov[0].iov_base, iov[0].iov_len, MSG_NOSIGNAL);
		else
			n = sendmsg(s->source.fd, &msg, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? STREAM_AGAIN : STREAM_FAILED;
	*done = (size_t)n;
	return STREAM_OK;
}

static enum stream_result write_tls(struct stream *s, size_t *done)
{
	const struct stream_piece *p = s->out_first;

	return from_tls(tls_write(s->tls, p->data + p->start, p->end - p->start, done));
}

enum stream_result stream_flush(struct stream_buffers *b, struct stream *s)
{
	while (s->out_len > 0) {
		size_t done = 0;
		enum stream_result r = s->tls == NULL ? write_plain(s, &done) : write_tls(s, &done);

		put_done(b, s, done);
		if (r != STREAM_OK)
			return r;
	}
	return STREAM_OK;
}
