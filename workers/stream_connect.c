/* Connections to servers: the way to the first byte. */
#include <netinet/tcp.h>
#include <unistd.h>

#include "workers/server_socket.h"
#include "workers/stream.h"

static int set_options(int fd, const struct server_fixed *to)
{
	static const int on = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		return -1;
	if (!to->tcp_fast_open)
		return 0;
	/* connect returns at once, and the SYN carries what is written first. */
	return setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof(on));
}

static int socket_connect(const struct server_fixed *to)
{
	int fd = server_socket(to, SOCK_STREAM);
	int rc;

	if (fd < 0)
		return fd;
	if (set_options(fd, to) == 0 &&
	    (connect(fd, &to->addr.sa, addr_len(&to->addr)) == 0 || errno == EINPROGRESS))
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

int stream_connect(struct worker *w, struct stream *s, const struct server_fixed *to,
		   struct tls_session_store *sessions)
{
	int rc = socket_connect(to);

	s->source.fd = rc;
	if (rc < 0)
		return rc;
	s->phase = STREAM_CONNECTING;
	if (to->tls != NULL) {
		s->tls = tls_conn_new(to->tls, s->source.fd, sessions, w->now_us / 1000000);
		rc = s->tls != NULL ? 0 : -ENOMEM;
	}
	if (rc >= 0)
		rc = worker_watch(w, &s->source, STREAM_INPUT | STREAM_OUTPUT);
	if (rc >= 0)
		return 0;
	tls_conn_free(s->tls);
	s->tls = NULL;
	close(s->source.fd);
	s->source.fd = -1;
	return rc;
}

static enum stream_result step_connect(struct stream *s)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(s->source.fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return STREAM_FAILED;
	if (error != 0) {
		errno = error;
		return STREAM_FAILED;
	}
	s->phase = s->tls != NULL ? STREAM_HANDSHAKE : STREAM_OPEN;
	return STREAM_OK;
}

static enum stream_result step_handshake(struct stream *s)
{
	switch (tls_handshake(s->tls)) {
	case TLS_OK:
		s->phase = STREAM_OPEN;
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

enum stream_result stream_step(struct stream *s)
{
	enum stream_result r = STREAM_OK;

	if (s->phase == STREAM_CONNECTING)
		r = step_connect(s);
	if (r == STREAM_OK && s->phase == STREAM_HANDSHAKE)
		r = step_handshake(s);
	return r;
}
