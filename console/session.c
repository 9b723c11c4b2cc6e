#include "console/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "console/control.h"
#include "console/crypto.h"
#include "console/lua/host.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"

/*
 * How long a client may take to send its nonce and a first message that decrypts. A person's client
 * does it at once; whoever only holds the connection open would use up the sessions of others.
 */
#define SESSION_PROOF_S 10

/* Nonces, lengths and messages taken in one turn, so that one busy client does not hold up the
 * others. */
#define SESSION_STEPS_MAX 32

#define FRAME_LEN 4 /* the length in front of each message */

enum session_state {
	SESSION_NONCE,   /* waiting for the client's nonce */
	SESSION_LENGTH,  /* waiting for the length of a message */
	SESSION_MESSAGE, /* waiting for its octets */
};

struct session {
	struct control_source source;
	struct session *next, *prev;
	struct addr client;
	struct console_crypto crypto;
	enum session_state state;
	bool proved; /* a message decrypted */
	bool log;    /* connections are logged */
	uint64_t start_us;
	uint32_t max_message;
	uint8_t head[CONSOLE_NONCE_LEN]; /* a nonce or a length as it comes in */
	uint8_t *in;                     /* the message as it comes in, want octets */
	size_t have, want;               /* of head or in */
	uint8_t *out;                    /* what goes out; NULL: nothing */
	size_t out_len, out_sent;
};

static struct session *sessions;
static unsigned n_sessions;

static void session_end(struct session *s, const char *why)
{
	char text[ADDR_TEXT_MAX];

	if (why)
		log_warning("console", "connection from %s closed: %s",
			    addr_text_port(&s->client, text), why);
	else if (s->log)
		log_info("console", "connection from %s closed", addr_text_port(&s->client, text));
	control_unwatch(&s->source);
	close(s->source.fd);
	if (s->prev)
		s->prev->next = s->next;
	else
		sessions = s->next;
	if (s->next)
		s->next->prev = s->prev;
	n_sessions--;
	free(s->in);
	free(s->out);
	free(s);
}

/* Sends what can be sent now. False: the session has ended. */
static bool session_flush(struct session *s)
{
	while (s->out_sent < s->out_len) {
		ssize_t n = send(s->source.fd, s->out + s->out_sent, s->out_len - s->out_sent,
				 MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			/* Reading the next command waits, so that a client that does not read can't
			 * pile up answers. */
			control_rewatch(&s->source, EPOLLOUT);
			return true;
		}
		if (n < 0) {
			session_end(s, NULL);
			return false;
		}
		s->out_sent += (size_t)n;
	}
	free(s->out);
	s->out = NULL;
	s->out_len = s->out_sent = 0;
	return true;
}

/* The length and the message in one piece, so that they leave in one segment where they fit. */
static void session_answer(struct session *s, const char *text, size_t len)
{
	size_t sealed = len + CONSOLE_MAC_LEN;

	s->out = mem_alloc(FRAME_LEN + sealed);
	s->out[0] = (uint8_t)(sealed >> 24);
	s->out[1] = (uint8_t)(sealed >> 16);
	s->out[2] = (uint8_t)(sealed >> 8);
	s->out[3] = (uint8_t)sealed;
	console_seal(&s->crypto, (const uint8_t *)text, len, s->out + FRAME_LEN);
	s->out_len = FRAME_LEN + sealed;
	s->out_sent = 0;
}

static void session_command(struct session *s, const char *line)
{
	size_t len = 0;
	char *text = lua_host_command(line, &len);

	if (len + CONSOLE_MAC_LEN > s->max_message) {
		char why[128];
		int n = snprintf(
			why, sizeof(why),
			"Error: the output has %zu octets, setConsoleOutputMaxMsgSize allows %u\n",
			len, s->max_message);

		session_answer(s, why, (size_t)n);
	} else {
		session_answer(s, text, len);
	}
	free(text);
}

static void expect(struct session *s, enum session_state state, size_t want)
{
	s->state = state;
	s->have = 0;
	s->want = want;
}

static void nonce_came(struct session *s)
{
	console_crypto_peer(&s->crypto, s->head);
	s->out = mem_alloc(CONSOLE_NONCE_LEN);
	memcpy(s->out, s->crypto.own, CONSOLE_NONCE_LEN);
	s->out_len = CONSOLE_NONCE_LEN;
	expect(s, SESSION_LENGTH, FRAME_LEN);
}

/* False: the session has ended. */
static bool length_came(struct session *s)
{
	uint32_t len = get_u32(s->head);

	if (len == 0) { /* no message, no nonce counted: the same comes back */
		s->out = mem_zalloc(1, FRAME_LEN);
		s->out_len = FRAME_LEN;
		expect(s, SESSION_LENGTH, FRAME_LEN);
		return true;
	}
	if (len > s->max_message) {
		session_end(s, "it announced a message above setConsoleOutputMaxMsgSize");
		return false;
	}
	/* Grows with what really comes: a length alone must not cost a client nothing and us
	 * megabytes. */
	expect(s, SESSION_MESSAGE, len);
	return true;
}

static const char has_nul[] = "Error: the command holds an octet of value 0\n";

static bool message_came(struct session *s)
{
	size_t len = s->want - CONSOLE_MAC_LEN;

	if (s->want < CONSOLE_MAC_LEN || console_open(&s->crypto, s->in, s->want, s->in) < 0) {
		session_end(s, s->proved ? "a message could not be decrypted"
					 : "its key is another one");
		return false;
	}
	s->proved = true;
	if (len == 0) { /* the client tries its key */
		session_answer(s, "", 0);
	} else if (memchr(s->in, '\0', len) != NULL) { /* its first part alone is another command */
		session_answer(s, has_nul, sizeof(has_nul) - 1);
	} else {
		s->in[len] = '\0'; /* the MAC left room */
		session_command(s, (const char *)s->in);
	}
	free(s->in);
	s->in = NULL;
	expect(s, SESSION_LENGTH, FRAME_LEN);
	return true;
}

/* Reads towards want. 1: it is there; 0: not yet; -1: the session has ended. */
static int session_fill(struct session *s)
{
	size_t want = s->want - s->have;
	uint8_t *to = s->head + s->have;
	ssize_t n;

	if (s->state == SESSION_MESSAGE) {
		if (want > 65536)
			want = 65536;
		s->in = mem_realloc(s->in, s->have + want, 1);
		to = s->in + s->have;
	}
	n = recv(s->source.fd, to, want, 0);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (n <= 0) {
		session_end(s, NULL);
		return -1;
	}
	s->have += (size_t)n;
	return s->have == s->want;
}

/* What is complete is done, one message after another; an answer that can't leave stops the
 * reading. */
static void session_ready(struct control_source *source, uint32_t events)
{
	struct session *s = container_of(source, struct session, source);
	bool blocked = s->out != NULL;

	if (blocked) {
		if (!session_flush(s) || s->out)
			return;
		control_rewatch(&s->source, EPOLLIN);
	}
	for (unsigned steps = 0; steps < SESSION_STEPS_MAX; steps++) {
		int rc = session_fill(s);
		bool alive = true;

		if (rc <= 0)
			return;
		if (s->state == SESSION_NONCE)
			nonce_came(s);
		else if (s->state == SESSION_LENGTH)
			alive = length_came(s);
		else
			alive = message_came(s);
		if (!alive || !session_flush(s) || s->out)
			return;
		if (lua_host_wants_exit()) { /* shutdown(), and its answer has left */
			control_end();
			return;
		}
	}
}

void session_start(int fd, const struct addr *client, const struct console_config *config)
{
	struct session *s = mem_zalloc(1, sizeof(*s));
	char text[ADDR_TEXT_MAX];

	s->source = (struct control_source){session_ready, fd};
	s->client = *client;
	s->log = config->log_connections;
	s->max_message = config->max_message;
	s->start_us = clock_mono_us();
	console_crypto_init(&s->crypto, config->key);
	expect(s, SESSION_NONCE, CONSOLE_NONCE_LEN);
	s->next = sessions;
	if (sessions)
		sessions->prev = s;
	sessions = s;
	n_sessions++;
	if (s->log)
		log_info("console", "connection from %s", addr_text_port(client, text));
	control_watch(&s->source, EPOLLIN);
}

unsigned sessions_count(void)
{
	return n_sessions;
}

void sessions_tick(void)
{
	uint64_t now_us = clock_mono_us();
	struct session *next;

	for (struct session *s = sessions; s; s = next) {
		next = s->next;
		if (!s->proved && now_us - s->start_us > SESSION_PROOF_S * 1000000ull)
			session_end(s, "it did not prove its key in time");
	}
}

void sessions_stop(void)
{
	while (sessions)
		session_end(sessions, NULL);
}
