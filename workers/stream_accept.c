/* TCP listeners: who gets a connection, and who does not. */
#include <limits.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/log.h"
#include "core/mem.h"
#include "rules/acl.h"
#include "workers/stream_client.h"

/* Connections of one turn and listener: more wait in the kernel's queue while others are served. */
#define ACCEPTS_A_TURN 16

/* Out of descriptors or memory: the queue is left alone for so long, since epoll would only spin on
 * it. */
#define ACCEPT_PAUSE_US 100000

/* One line in so long says how often. */
#define SHORT_LOG_US 10000000

/* Of the sysctl net.ipv4.tcp_fastopen: listeners take data with the SYN. */
#define FAST_OPEN_SERVER 2

/* Descriptors kept from clients: an eighth, but no more than servers and sessions are likely to
 * need. */
#define RESERVED_SHARE 8
#define RESERVED_MAX   512

struct listener {
	struct source source; /* first: epoll's pointer */
	struct frontend *frontend;
	struct timer pause;
};

/* The share of its limit from which on a connection is restricted. */
static bool is_overloaded(const struct settings *s, const struct frontend *f, uint32_t open)
{
	uint64_t limit = f->options.max_tcp_connections;

	return limit > 0 && s->tcp_overload_percent > 0 &&
	       (uint64_t)open * 100 > limit * s->tcp_overload_percent;
}

/* One connection more on the listener, over all workers; 0: it has its limit. */
static uint32_t frontend_enter(struct frontend *f)
{
	uint32_t open = atomic_fetch_add_explicit(&f->tcp_connections, 1, memory_order_relaxed) + 1;
	uint32_t most = atomic_load_explicit(&f->tcp_connections_max, memory_order_relaxed);

	if (f->options.max_tcp_connections > 0 && open > f->options.max_tcp_connections) {
		atomic_fetch_sub_explicit(&f->tcp_connections, 1, memory_order_relaxed);
		return 0;
	}
	while (open > most &&
	       !atomic_compare_exchange_weak_explicit(&f->tcp_connections_max, &most, open,
						      memory_order_relaxed, memory_order_relaxed))
		;
	return open;
}

static void accepted(struct worker *w, struct frontend *f, int fd, const struct addr *from)
{
	struct client_slot *slot;
	enum client_verdict v;
	uint32_t open;

	if (!acl_allows(w->t->acl->table, from)) {
		stat_inc(&w->stats, STAT_ACL_DROPS);
		close(fd);
		return;
	}
	v = client_enter(&client_limits, w->settings, from, w->now_us, &slot);
	if (v != CLIENT_WELCOME && v != CLIENT_RESTRICTED) {
		close(fd);
		return;
	}
	open = frontend_enter(f);
	if (open == 0) {
		client_leave(slot);
		close(fd);
		return;
	}
	client_begin(w, f, fd, from, slot,
		     v == CLIENT_RESTRICTED || is_overloaded(w->settings, f, open));
}

static void resume(struct timer *timer, void *ctx)
{
	struct listener *l = container_of(timer, struct listener, pause);
	struct worker *w = ctx;

	if (worker_watch(w, &l->source, EPOLLIN) < 0)
		timer_start(timers_queue(&w->timers, ACCEPT_PAUSE_US), timer, w->now_us);
}

/* Descriptors are short: one line in a while says how often. */
static void log_short(struct worker *w, const struct listener *l, const char *what)
{
	struct streams *ss = w->streams;
	char text[ADDR_TEXT_MAX];

	ss->fd_short++;
	if (ss->fd_short_logged_us != 0 && w->now_us - ss->fd_short_logged_us < SHORT_LOG_US)
		return;
	log_warning("tcp", "listener %s is short of descriptors: %s (%llu times)",
		    addr_text_port(&l->frontend->addr, text), what,
		    (unsigned long long)ss->fd_short);
	ss->fd_short_logged_us = w->now_us;
	ss->fd_short = 0;
}

static void accept_failed(struct worker *w, struct listener *l, int error)
{
	log_short(w, l, strerror(error));
	worker_unwatch(w, &l->source);
	timer_start(timers_queue(&w->timers, ACCEPT_PAUSE_US), &l->pause, w->now_us);
}

/*
 * Clients must not take the last descriptors, which servers, their checks and the console need:
 * near the limit the connection that has been idle longest makes room for the new one. False: it
 * has none.
 */
static bool has_room(struct worker *w, const struct listener *l, int fd)
{
	if (likely(fd < w->streams->fd_limit))
		return true;
	if (client_evict(w)) {
		log_short(w, l, "an idle connection was closed for a new one");
		return true;
	}
	log_short(w, l, "a new connection was refused");
	return false;
}

static void listener_ready(struct worker *w, struct source *source, uint32_t events)
{
	struct listener *l = container_of(source, struct listener, source);

	(void)events;
	for (unsigned i = 0; i < ACCEPTS_A_TURN; i++) {
		struct addr from;
		socklen_t len = sizeof(from);
		int fd = accept4(source->fd, &from.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			if (has_room(w, l, fd))
				accepted(w, l->frontend, fd, &from);
			else
				close(fd);
			continue;
		}
		if (errno == EAGAIN)
			return;
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			accept_failed(w, l, errno);
			return;
		}
		/* The others are of connections that died in the queue. */
	}
}

/* Connections inherit TCP_NODELAY: a turn's answers leave in one piece, with no wait for the
 * client's ACK. */
static int start_listening(const struct frontend *f, int fd)
{
	const struct frontend_options *o = &f->options;
	int on = 1, queue = (int)o->tcp_fast_open_queue;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		return -errno;
	if (queue > 0 && setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof(queue)) < 0)
		return -errno;
	if (listen(fd, o->tcp_listen_queue > 0 ? (int)o->tcp_listen_queue : SOMAXCONN) < 0)
		return -errno;
	return 0;
}

/* The option is accepted whatever the kernel thinks of it, so somebody has to look. */
static void warn_if_fast_open_is_off(const struct worker *w, const struct frontend *f)
{
	FILE *file = w->id == 0 && f->options.tcp_fast_open_queue > 0
			     ? fopen("/proc/sys/net/ipv4/tcp_fastopen", "re")
			     : NULL;
	char text[ADDR_TEXT_MAX];
	int value;

	if (file == NULL)
		return;
	if (fscanf(file, "%d", &value) == 1 && !(value & FAST_OPEN_SERVER))
		log_warning("tcp",
			    "listener %s: tcpFastOpenQueueSize has no effect until the sysctl "
			    "net.ipv4.tcp_fastopen has bit %d, it is %d",
			    addr_text_port(&f->addr, text), FAST_OPEN_SERVER, value);
	fclose(file);
}

static int clients_fd_limit(void)
{
	struct rlimit limit;
	rlim_t reserved;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > INT_MAX)
		return INT_MAX;
	reserved = limit.rlim_cur / RESERVED_SHARE;
	return (int)(limit.rlim_cur - (reserved < RESERVED_MAX ? reserved : RESERVED_MAX));
}

void listener_open(struct worker *w, struct frontend *f)
{
	struct streams *ss = streams_get(w);
	char text[ADDR_TEXT_MAX];
	struct listener *l;
	int rc;

	for (unsigned i = 0; i < ss->n_listeners; i++) {
		if (ss->listeners[i]->frontend == f)
			return;
	}
	ss->fd_limit = clients_fd_limit();
	warn_if_fast_open_is_off(w, f);
	l = mem_zalloc(1, sizeof(*l));
	l->source = (struct source){.ready = listener_ready, .fd = f->fd[w->id]};
	l->frontend = f;
	l->pause.fire = resume;
	rc = start_listening(f, l->source.fd);
	if (rc == 0)
		rc = worker_watch(w, &l->source, EPOLLIN);
	if (rc < 0) {
		log_error("tcp", "listener %s takes no connections: %s",
			  addr_text_port(&f->addr, text), strerror(-rc));
		free(l);
		return;
	}
	ss->listeners = mem_realloc(ss->listeners, ss->n_listeners + 1, sizeof(*ss->listeners));
	ss->listeners[ss->n_listeners++] = l;
}

void listeners_close(struct worker *w)
{
	struct streams *ss = streams_get(w);

	for (unsigned i = 0; i < ss->n_listeners; i++) {
		struct listener *l = ss->listeners[i];

		if (timer_is_running(&l->pause))
			timer_stop(&l->pause);
		else
			worker_unwatch(w, &l->source);
		free(l);
	}
	ss->n_listeners = 0;
}
