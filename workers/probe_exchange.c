/* One question of a health check to a server, and its answer: over UDP, TCP or TLS, on a connection
 * of its own. */
#include <string.h>
#include <unistd.h>

#include "core/rand.h"
#include "workers/probe.h"
#include "workers/streams.h"
#include "workers/udp_socket.h"

static bool over_stream(const struct server_fixed *f)
{
	return f->check_tcp || f->tcp_only || f->tls != NULL;
}

enum probe_failure probe_judge(const struct probe *p, const struct server_fixed *fixed,
			       const uint8_t *answer, size_t len)
{
	struct question got;
	unsigned rcode;

	if (len < DNS_HEADER_LEN)
		return PROBE_PARSING;
	if (msg_id(answer) != msg_id(p->query))
		return PROBE_MISMATCH;
	rcode = msg_flags(answer) & DNS_RCODE_MASK;
	if (!(msg_flags(answer) & DNS_QR) || rcode == RCODE_SERVFAIL)
		return PROBE_INVALID;
	if (fixed->must_resolve && (rcode == RCODE_NXDOMAIN || rcode == RCODE_REFUSED))
		return PROBE_INVALID;
	if (msg_qdcount(answer) == 0)
		return PROBE_MISMATCH;
	if (msg_question(answer, len, &got) < 0)
		return PROBE_PARSING;
	return msg_question_equal(answer, len, p->query, &p->question) ? PROBE_GOOD
								       : PROBE_MISMATCH;
}

void probe_exchange_stop(struct worker *w, struct probe *p)
{
	timer_stop(&p->timeout);
	if (p->udp.fd >= 0) {
		worker_unwatch(w, &p->udp);
		close(p->udp.fd);
		p->udp.fd = -1;
	}
	if (p->stream.source.fd >= 0)
		stream_close(w, &streams_get(w)->io, &p->stream);
}

static void end(struct worker *w, struct probe *p, enum probe_failure why, const char *text)
{
	probe_exchange_stop(w, p);
	probe_ended(w, p, why, text);
}

/* A socket that can't be had says something about us, one that can't reach the server about the
 * server. */
static void end_with_errno(struct worker *w, struct probe *p, int error)
{
	bool ours = error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;

	end(w, p, ours ? PROBE_UNSENT : PROBE_NETWORK, strerror(error));
}

static void got_answer(struct worker *w, struct probe *p, const uint8_t *answer, size_t len)
{
	enum probe_failure why = probe_judge(p, &p->up->server->fixed, answer, len);
	char text[24];

	if (why == PROBE_GOOD) {
		probe_exchange_stop(w, p);
		probe_answered(w, p, answer, len);
	} else if (why == PROBE_INVALID) {
		end(w, p, why, rcode_text(msg_flags(answer) & DNS_RCODE_MASK, text));
	} else {
		end(w, p, why, NULL);
	}
}

static void timed_out(struct timer *timer, void *ctx)
{
	struct probe *p = container_of(timer, struct probe, timeout);
	struct stream *s = &p->stream;
	bool connecting = s->source.fd >= 0 && s->phase == STREAM_CONNECTING;

	end(ctx, p, PROBE_TIMEOUT, connecting ? "no connection" : NULL);
}

static void udp_ready(struct worker *w, struct source *source, uint32_t events)
{
	struct probe *p = container_of(source, struct probe, udp);
	uint8_t *in = streams_get(w)->io.in;
	ssize_t n = recv(source->fd, in, STREAM_READ_MAX, 0);

	if (n >= 0)
		got_answer(w, p, in, (size_t)n);
	else if (errno != EAGAIN && errno != EINTR)
		end_with_errno(w, p, errno);
}

static void send_udp(struct worker *w, struct probe *p)
{
	int fd = udp_socket_connect(&p->up->server->fixed);

	if (fd < 0) {
		end_with_errno(w, p, -fd);
		return;
	}
	p->udp = (struct source){.ready = udp_ready, .fd = fd};
	if (worker_watch(w, &p->udp, EPOLLIN) < 0 ||
	    send(fd, p->query, p->query_len, MSG_NOSIGNAL) < 0)
		end_with_errno(w, p, errno);
}

static void stream_failed(struct worker *w, struct probe *p, enum stream_result r)
{
	const char *tls = p->stream.tls != NULL ? tls_conn_error(p->stream.tls) : "";
	char text[200];

	if (tls[0] != '\0')
		strncat(strcpy(text, "TLS: "), tls, sizeof(text) - sizeof("TLS: "));
	else
		strcpy(text, r == STREAM_CLOSED ? "connection closed" : strerror(errno));
	end(w, p, PROBE_NETWORK, text);
}

static void read_stream(struct worker *w, struct probe *p)
{
	struct stream_buffers *io = &streams_get(w)->io;
	enum stream_result r;

	do {
		size_t len, msg_len;
		const uint8_t *msg;

		r = stream_read(io, &p->stream, &len);
		msg = stream_message(io->in, len, &msg_len);
		if (msg != NULL) {
			got_answer(w, p, msg, msg_len);
			return;
		}
		if (!stream_keep(&p->stream, io->in, len)) {
			end_with_errno(w, p, ENOMEM);
			return;
		}
	} while (r == STREAM_OK);
	if (r != STREAM_AGAIN)
		stream_failed(w, p, r);
}

static void stream_ready(struct worker *w, struct source *source, uint32_t events)
{
	struct probe *p = container_of(source, struct probe, stream.source);
	struct stream *s = &p->stream;
	enum stream_result r = s->phase != STREAM_OPEN ? stream_step(s) : STREAM_OK;

	s->ended |= (events & STREAM_END) != 0;
	if (r == STREAM_OK && s->out_len > 0)
		r = stream_flush(&streams_get(w)->io, s);
	if (r == STREAM_OK)
		read_stream(w, p);
	else if (r != STREAM_AGAIN)
		stream_failed(w, p, r);
}

/*
 * A full handshake each time, no session resumed: only that shows whether the certificate is still
 * what it should be.
 */
static void send_stream(struct worker *w, struct probe *p)
{
	int rc;

	memset(&p->stream, 0, sizeof(p->stream));
	p->stream.source.ready = stream_ready;
	rc = stream_connect(w, &p->stream, &p->up->server->fixed, NULL);
	if (rc == 0 &&
	    !stream_put(&streams_get(w)->io, &p->stream, p->query, p->query_len, msg_id(p->query)))
		rc = -ENOMEM;
	if (rc < 0)
		end_with_errno(w, p, -rc);
}

void probe_exchange(struct worker *w, struct probe *p)
{
	const struct check_question *a = &p->asked;
	uint64_t timeout_us = p->up->def->health.timeout_ms * UINT64_C(1000);

	p->state = PROBE_EXCHANGING;
	p->started_us = w->now_us;
	p->query_len = msg_make_query(p->query, rand_u16(), a->flags, a->name, a->name_len,
				      a->qtype, a->qclass);
	if (msg_question(p->query, p->query_len, &p->question) < 0) {
		end(w, p, PROBE_INVALID, "the name of the check is malformed");
		return;
	}
	p->timeout.fire = timed_out;
	timer_start(timers_queue(&w->timers, timeout_us), &p->timeout, w->now_us);
	if (over_stream(&p->up->server->fixed))
		send_stream(w, p);
	else
		send_udp(w, p);
}
