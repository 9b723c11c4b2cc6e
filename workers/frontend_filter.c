/*
 * A kernel filter at the sockets of a listener. Connections that a TCP listener has taken inherit
 * it, so what is blocked later loses those that it has.
 *
 * PROXY protocol: once listeners take it, frontend_set_filter is where one that does is refused.
 */
#include <string.h>
#include <sys/socket.h>

#include "core/log.h"
#include "workers/frontend.h"

static int protocol_of(const struct frontend *f)
{
	return f->proto == PROTO_UDP ? IPPROTO_UDP : IPPROTO_TCP;
}

static int attach_one(int fd, int program)
{
	if (program >= 0)
		return setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof(program));
	return setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &program, sizeof(program)) < 0 &&
			       errno != ENOENT
		       ? -1
		       : 0;
}

/* program -1: what is there is detached. */
static int attach(const struct frontend *f, int program, struct err *err)
{
	char text[ADDR_TEXT_MAX];

	for (unsigned i = 0; i < WORKERS_MAX; i++) {
		int rc;

		if (f->fd[i] < 0 || attach_one(f->fd[i], program) == 0)
			continue;
		rc = -errno;
		err_set(err, "listener %s: the filter can't be %s: %s",
			addr_text_port(&f->addr, text), program < 0 ? "detached" : "attached",
			strerror(-rc));
		return rc;
	}
	return 0;
}

static bool is_bound(const struct frontend *f)
{
	return f->fd[0] >= 0;
}

static int begin(const struct frontend *f, struct err *err)
{
	int rc = attach(f, kfilter_program(f->filter, protocol_of(f)), err);

	if (rc == 0 && kfilter_listener(f->filter, &f->addr, protocol_of(f), true) < 0)
		rc = err_set(err, "more than %d listeners at one filter for interfaces",
			     KFILTER_ENDPOINTS_MAX);
	return rc;
}

int frontend_set_filter(struct frontend *f, struct kfilter *filter, struct err *err)
{
	struct kfilter *was = f->filter;
	int rc = 0;

	if (was == filter)
		return 0;
	if (was && is_bound(f)) {
		kfilter_listener(was, &f->addr, protocol_of(f), false);
		rc = attach(f, -1, err);
	}
	f->filter = filter ? kfilter_ref(filter) : NULL;
	kfilter_unref(was);
	if (filter && is_bound(f) && rc == 0)
		rc = begin(f, err);
	return rc;
}

void frontends_begin_filters(const struct frontends *f)
{
	struct err err;

	for (unsigned i = 0; i < f->n; i++)
		if (f->list[i]->filter && begin(f->list[i], &err) < 0)
			log_error("kernel filter", "%s", err.text);
}
