/* The listeners' part of the tables, and their sockets. */
#include "workers/frontend.h"

#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/settings.h"
#include "workers/udp_socket.h"

void frontend_options_default(struct frontend_options *o)
{
	*o = (struct frontend_options){.enable_proxy_protocol = true};
}

static struct frontend *frontend_new(const struct addr *addr, enum proto proto,
				     const struct frontend_options *o)
{
	struct frontend *f = mem_lines(sizeof(*f));

	f->refs = 1;
	f->addr = *addr;
	f->proto = proto;
	f->options = *o;
	perworker_init(&f->counters, sizeof(struct frontend_counters));
	for (unsigned i = 0; i < WORKERS_MAX; i++)
		f->fd[i] = -1;
	return f;
}

static void frontend_unref(struct frontend *f)
{
	if (--f->refs > 0)
		return;
	for (unsigned i = 0; i < WORKERS_MAX; i++)
		if (f->fd[i] >= 0)
			close(f->fd[i]);
	kfilter_unref(f->filter);
	perworker_fini(&f->counters);
	free(f);
}

static struct part *frontends_create(void)
{
	struct frontends *f = mem_zalloc(1, sizeof(*f));

	return &f->part;
}

static struct part *frontends_clone(const struct part *p)
{
	const struct frontends *old = (const struct frontends *)p;
	struct frontends *f = mem_zalloc(1, sizeof(*f));

	f->n = old->n;
	f->list = mem_zalloc(f->n ? f->n : 1, sizeof(struct frontend *));
	for (unsigned i = 0; i < f->n; i++) {
		f->list[i] = old->list[i];
		f->list[i]->refs++;
	}
	return &f->part;
}

void frontends_clear_local(struct frontends *f)
{
	for (unsigned i = 0; i < f->n; i++)
		frontend_unref(f->list[i]);
	f->n = 0;
}

static void frontends_free(struct part *p)
{
	struct frontends *f = (struct frontends *)p;

	frontends_clear_local(f);
	free(f->list);
	free(f);
}

/* Nothing depends on the rest of the tree: adding has checked it all. */
static int frontends_seal(struct part *p, const struct tables *draft, struct err *err)
{
	return 0;
}

void frontends_register(void)
{
	static const struct part_ops ops = {
		.name = "listeners",
		.create = frontends_create,
		.clone = frontends_clone,
		.seal = frontends_seal,
		.free = frontends_free,
	};

	tables_register(PART_FRONTENDS, &ops);
}

static void add(struct frontends *f, const struct addr *addr, enum proto proto,
		const struct frontend_options *o)
{
	f->list = mem_realloc(f->list, f->n + 1, sizeof(struct frontend *));
	f->list[f->n] = frontend_new(addr, proto, o);
	f->list[f->n]->index = f->n;
	f->n++;
}

int frontends_add_local(struct frontends *f, const struct addr *addr,
			const struct frontend_options *o, struct err *err)
{
	char text[ADDR_TEXT_MAX];

	for (unsigned i = 0; i < f->n; i++) {
		const struct frontend *other = f->list[i];

		if (!addr_equal(&other->addr, addr) ||
		    strcmp(other->options.interface, o->interface) != 0)
			continue;
		if (!o->reuse_port || !other->options.reuse_port)
			return err_set(err,
				       "listener %s is there already: give it once, or with "
				       "reusePort=true each time",
				       addr_text_port(addr, text));
	}
	add(f, addr, PROTO_UDP, o);
	add(f, addr, PROTO_TCP, o);
	return 0;
}

static int set_option(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* Answers of a wildcard listener leave from the address that was asked. */
static int ask_for_destination(int fd, const struct addr *addr)
{
	if (!addr_is_any(addr))
		return 0;
	if (addr->sa.sa_family == AF_INET6)
		return set_option(fd, SOL_IPV6, IPV6_RECVPKTINFO, 1);
	return set_option(fd, SOL_IP, IP_PKTINFO, 1);
}

static int prepare_udp(int fd, const struct frontend *f, const struct settings *s)
{
	bool v6 = f->addr.sa.sa_family == AF_INET6;

	udp_socket_buffers(fd, s->udp_recv_buffer, s->udp_send_buffer);
	/* No path MTU from ICMP, which anybody can forge: large answers are fragmented instead. */
	if (v6)
		set_option(fd, SOL_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_OMIT);
	else
		set_option(fd, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
	return ask_for_destination(fd, &f->addr);
}

static int prepare_tcp(int fd, const struct frontend *f, const struct settings *s)
{
	int rc = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);

	if (rc == 0 && f->options.tcp_fast_open_queue > 0)
		rc = set_option(fd, SOL_TCP, TCP_FASTOPEN, (int)f->options.tcp_fast_open_queue);
	if (rc == 0 && s->has_fast_open_key &&
	    setsockopt(fd, SOL_TCP, TCP_FASTOPEN_KEY, s->fast_open_key, sizeof(s->fast_open_key)) < 0)
		rc = -errno;
	return rc;
}

static int prepare(int fd, const struct frontend *f, const struct settings *s, bool shared)
{
	const char *itf = f->options.interface;
	int rc = f->proto == PROTO_UDP ? prepare_udp(fd, f, s) : prepare_tcp(fd, f, s);

	if (rc == 0 && f->addr.sa.sa_family == AF_INET6)
		rc = set_option(fd, SOL_IPV6, IPV6_V6ONLY, 1);
	if (rc == 0 && shared)
		rc = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (rc == 0 && itf[0] != '\0' &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, itf, (socklen_t)strlen(itf)) < 0)
		rc = -errno;
	return rc;
}

/* A bound socket, or a negative errno. shared: others may bind the same address. */
static int open_bound(const struct frontend *f, const struct settings *s, bool shared)
{
	int type = f->proto == PROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
	int fd = socket(f->addr.sa.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -errno;
	rc = prepare(fd, f, s, shared);
	if (rc == 0 && bind(fd, &f->addr.sa, addr_len(&f->addr)) < 0)
		rc = -errno;
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

/*
 * The workers' sockets share their port, which would also let a second process in unnoticed: an
 * address that is not meant to be shared is first bound alone.
 */
static int bind_one(struct frontend *f, unsigned n_workers, const struct settings *s)
{
	if (!f->options.reuse_port) {
		int fd = open_bound(f, s, false);

		if (fd < 0)
			return fd;
		close(fd);
	}
	for (unsigned i = 0; i < n_workers; i++) {
		int fd = open_bound(f, s, true);

		if (fd < 0)
			return fd;
		f->fd[i] = fd;
	}
	return 0;
}

int frontends_bind(const struct frontends *f, unsigned n_workers, struct err *err)
{
	const struct settings *s = rcu_get(tables_live)->settings;
	char text[ADDR_TEXT_MAX];

	for (unsigned i = 0; i < f->n; i++) {
		struct frontend *fe = f->list[i];
		int rc = bind_one(fe, n_workers, s);

		if (rc < 0) {
			err_set(err, "can't listen on %s over %s: %s",
				addr_text_port(&fe->addr, text),
				fe->proto == PROTO_UDP ? "UDP" : "TCP", strerror(-rc));
			return rc;
		}
	}
	return 0;
}

uint64_t frontend_sum(const struct frontend *f, size_t offset_in_counters)
{
	return perworker_sum(&f->counters, offset_in_counters);
}
