#include "console/client.h"

#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "console/crypto.h"
#include "console/editor.h"
#include "core/dns/wire.h"
#include "core/mem.h"

#define FRAME_LEN 4

struct connection {
	int fd;
	struct console_crypto crypto;
	uint32_t max_message;
};

static int send_all(int fd, const uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* 0, or a negative errno; -EPIPE when the other side closed. */
static int recv_all(int fd, uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t n = recv(fd, data, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			return -EPIPE;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static int send_message(struct connection *c, const char *text, size_t len)
{
	size_t sealed = len + CONSOLE_MAC_LEN;
	uint8_t *out = mem_alloc(FRAME_LEN + sealed);
	int rc;

	put_u32(out, (uint32_t)sealed);
	console_seal(&c->crypto, (const uint8_t *)text, len, out + FRAME_LEN);
	rc = send_all(c->fd, out, FRAME_LEN + sealed);
	free(out);
	return rc;
}

/* Gives the text, ended by a NUL, through *text. 0, or a negative errno: -EMSGSIZE, -EBADMSG … */
static int recv_message(struct connection *c, char **text, size_t *len)
{
	uint8_t head[FRAME_LEN];
	uint32_t sealed;
	uint8_t *in;
	int rc = recv_all(c->fd, head, sizeof(head));

	if (rc < 0)
		return rc;
	sealed = get_u32(head);
	if (sealed > c->max_message)
		return -EMSGSIZE;
	in = mem_alloc(sealed + 1);
	rc = recv_all(c->fd, in, sealed);
	*len = 0;
	if (rc == 0 && sealed > 0) {
		rc = console_open(&c->crypto, in, sealed, in);
		*len = sealed - CONSOLE_MAC_LEN;
	}
	if (rc < 0) {
		free(in);
		return rc;
	}
	in[*len] = '\0';
	*text = (char *)in;
	return 0;
}

static void explain_refused(const struct client_target *target)
{
	char text[ADDR_TEXT_MAX];

	fprintf(stderr,
		"Connection closed by %s: the daemon has no key, its console ACL does not allow this client, "
		"or it has too many sessions.\n",
		addr_text_port(&target->addr, text));
}

/* Connects, exchanges nonces, and tries the key with an empty message. Says what failed. */
static int client_connect(const struct client_target *target, struct connection *c)
{
	static const int on = 1;
	uint8_t peer[CONSOLE_NONCE_LEN];
	char text[ADDR_TEXT_MAX];
	char *answer;
	size_t len;

	c->max_message = target->max_message;
	c->fd = socket(target->addr.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, &target->addr.sa, addr_len(&target->addr)) < 0) {
		fprintf(stderr, "Fatal error: connecting socket to %s: %s\n",
			addr_text_port(&target->addr, text), strerror(errno));
		return -ECONNREFUSED;
	}
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	console_crypto_init(&c->crypto, target->key);
	if (send_all(c->fd, c->crypto.own, sizeof(c->crypto.own)) < 0 ||
	    recv_all(c->fd, peer, sizeof(peer)) < 0) {
		explain_refused(target);
		return -EPIPE;
	}
	console_crypto_peer(&c->crypto, peer);
	if (send_message(c, "", 0) < 0 || recv_message(c, &answer, &len) < 0) {
		fputs("The server closed the connection right away: the console keys do not match.\n",
		      stderr);
		return -EACCES;
	}
	free(answer);
	return 0;
}

/* One command and its answer, which goes to standard output. */
static int client_command(struct connection *c, const char *line, bool newline_if_empty)
{
	char *answer;
	size_t len;
	int rc = send_message(c, line, strlen(line));

	if (rc == 0)
		rc = recv_message(c, &answer, &len);
	if (rc == -EMSGSIZE)
		fputs("The answer is longer than setConsoleOutputMaxMsgSize allows here.\n",
		      stderr);
	else if (rc < 0)
		fputs("Connection closed by the server.\n", stderr);
	if (rc < 0)
		return rc;
	fwrite(answer, 1, len, stdout);
	if (len > 0 ? answer[len - 1] != '\n' : newline_if_empty)
		putchar('\n');
	fflush(stdout);
	free(answer);
	return 0;
}

int client_execute(const struct client_target *target, const char *command)
{
	struct connection c;
	int rc = client_connect(target, &c);

	if (rc == 0)
		client_command(&c, command, false);
	if (c.fd >= 0)
		close(c.fd);
	return rc == -ECONNREFUSED ? 1 : 0;
}

/* What a person types for help is a function there. */
static const char *translate(const char *line)
{
	return strcmp(line, "help") == 0 || strcmp(line, "?") == 0 ? "help()" : line;
}

int client_interactive(const struct client_target *target)
{
	bool terminal = isatty(STDIN_FILENO);
	struct connection c;
	struct editor *ed;
	char *line;
	int rc = client_connect(target, &c);

	if (rc < 0) {
		if (c.fd >= 0)
			close(c.fd);
		return rc == -ECONNREFUSED ? 1 : 0;
	}
	ed = editor_open(terminal);
	while ((line = editor_line(ed)) != NULL) {
		bool quit = strcmp(line, "quit") == 0 || strcmp(line, "exit") == 0;

		rc = quit || *line == '\0' ? 0 : client_command(&c, translate(line), terminal);
		free(line);
		if (quit || rc < 0)
			break;
	}
	editor_close(ed);
	close(c.fd);
	return 0;
}
