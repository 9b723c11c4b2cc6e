#include "console/server.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "console/control.h"
#include "console/session.h"
#include "core/log.h"
#include "rules/acl.h"

static struct {
	struct control_source source;
	struct addr addr;
	bool open, paused;
} listener;

static const struct console_config *config_now(void)
{
	return rcu_get(tables_live)->console_config;
}

/* Why a connection is cut off before any nonce; NULL when it is welcome. */
static const char *refusal(const struct console_config *config, const struct addr *client)
{
	if (!config->has_key)
		return "there is no valid key (setKey)";
	if (!acl_allows(config->acl, client))
		return "the console ACL does not allow it";
	if (config->max_connections && sessions_count() >= config->max_connections)
		return "there are as many as setConsoleMaximumConcurrentConnections allows";
	return NULL;
}

static void listener_pause(void)
{
	control_unwatch(&listener.source);
	listener.paused = true;
}

static void listener_ready(struct control_source *s, uint32_t events)
{
	const struct console_config *config = config_now();
	char text[ADDR_TEXT_MAX];
	struct addr client;
	socklen_t len = sizeof(client);
	const char *why;
	static const int on = 1;
	int fd = accept4(s->fd, &client.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		/* Out of descriptors: the connection stays queued; look again at the next tick, not
		 * at once. */
		if (errno == EMFILE || errno == ENFILE)
			listener_pause();
		return;
	}
	why = refusal(config, &client);
	if (why) {
		log_warning("console", "connection from %s closed: %s",
			    addr_text_port(&client, text), why);
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	session_start(fd, &client, config);
}

static int listener_open(const struct addr *addr, struct err *err)
{
	static const int on = 1;
	char text[ADDR_TEXT_MAX];
	int fd = socket(addr->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, &addr->sa, addr_len(addr)) < 0 || listen(fd, SOMAXCONN) < 0) {
		rc = -errno;
		if (fd >= 0)
			close(fd);
		err_set(err, "the console can't listen on %s: %s", addr_text_port(addr, text),
			strerror(-rc));
		return rc;
	}
	return fd;
}

static void listener_close(void)
{
	if (!listener.open)
		return;
	if (!listener.paused)
		control_unwatch(&listener.source);
	close(listener.source.fd);
	listener.open = false;
}

int console_server_follow(const struct console_config *config, struct err *err)
{
	int fd;

	if (!config->has_address) {
		listener_close();
		return 0;
	}
	if (listener.open && addr_equal(&listener.addr, &config->address))
		return 0;
	fd = listener_open(&config->address, err);
	if (fd < 0)
		return fd;
	listener_close();
	listener.source = (struct control_source){listener_ready, fd};
	listener.addr = config->address;
	listener.open = true;
	listener.paused = false;
	return control_watch(&listener.source, EPOLLIN);
}

void console_server_tick(void)
{
	sessions_tick();
	if (listener.open && listener.paused && control_watch(&listener.source, EPOLLIN) == 0)
		listener.paused = false;
}

void console_server_stop(void)
{
	listener_close();
	sessions_stop();
}
