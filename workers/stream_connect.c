/* Connections to servers: sockets as their options want them, and the way to the first byte. */
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "workers/stream.h"

/* The six upper bits of the octet (RFC 2474 3). */
static int set_dscp(int fd, const struct server_fixed *to)
{
	int tos = to->dscp << 2;

	if (to->dscp == 0)
		return 0;
	if (to->addr.sa.sa_family == AF_INET6)
		return setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof(tos));
	return setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
}

/* The port may stay open until connect, which then can share it between servers. */
static int bind_source(int fd, const struct server_fixed *to)
{
	int on = 1;

	if (to->source_itf[0] != '\0' && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, to->source_itf,
						    (socklen_t)strlen(to->source_itf)) < 0)
		return -1;
	if (to->source.sa.sa_family == AF_UNSPEC)
		return 0;
	if (to->ip_bind_addr_no_port &&
	    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) < 0)
		return -1;
	return bind(fd, &to->source.sa, addr_len(&to->source));
}

static int set_options(int fd, const struct server_fixed *to)
{
	int on = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		return -1;
	/* connect returns at once, and the SYN carries what is written first. */
	if (to->tcp_fast_open &&
	    setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof(on)) < 0)
		return -1;
	return set_dscp(fd, to) < 0 ? -1 : bind_source(fd, to);
}

static int socket_connect(const struct server_fixed *to)
{
	int fd = socket(to->addr.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -errno;
	if (set_options(fd, to) < 0)
		goto fail;
	if (connect(fd, &to->addr.sa, addr_len(&to->addr)) < 0 && errno != EINPROGRESS)
		goto fail;
	return fd;
fail:
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
