/* Listeners as the tables have them: what addLocal and setLocal made. Sockets belong to workers. */
#ifndef WORKERS_FRONTEND_H
#define WORKERS_FRONTEND_H

#include "core/addr.h"
#include "core/bpf/kfilter.h"
#include "core/perworker.h"
#include "core/query.h"
#include "core/tables.h"

struct frontend_options {
	char interface[16];       /* SO_BINDTODEVICE; "": none */
	bool reuse_port;          /* the same address may be given again */
	bool enable_proxy_protocol;
	uint32_t tcp_fast_open_queue, tcp_listen_queue; /* 0: off, SOMAXCONN */
	uint32_t max_in_flight;   /* queries of one connection; 0 and 1: one at a time */
	uint32_t max_tcp_connections; /* 0: no limit */
};

struct frontend_counters {
	_Atomic uint64_t queries, responses, noncompliant;
	_Atomic uint64_t tcp_died_reading, tcp_died_sending, tcp_gave_up, tcp_client_timeouts, tcp_downstream_timeouts;
	_Atomic uint64_t tcp_conns, tcp_conn_queries, tcp_conn_ms, tcp_read_ios;
};

/* One address and one protocol (UDP and TCP of an addLocal are two). Counted; survives re-configuration. */
struct frontend {
	unsigned refs; /* control thread only */
	unsigned index; /* as showBinds numbers it */
	struct addr addr;
	enum proto proto;
	struct frontend_options options;
	int fd[WORKERS_MAX];   /* a socket for each worker, bound before privileges go; -1: none */
	struct kfilter *filter; /* attached to the sockets, or to be when they are bound; NULL: none */
	struct perworker counters; /* struct frontend_counters */
	atomic_bool muted;         /* the operator wants no answer sent over UDP; beside what each answer reads */
	alignas(CACHE_LINE) _Atomic uint32_t tcp_connections, tcp_connections_max;
};

struct frontends {
	struct part part;
	struct frontend **list;
	unsigned n;
};

void frontends_register(void);
void frontend_options_default(struct frontend_options *o);

/* Adds the UDP and the TCP listener of one address to a draft. 0 or -EINVAL (given twice without reusePort). */
int frontends_add_local(struct frontends *f, const struct addr *addr, const struct frontend_options *o, struct err *err);
void frontends_clear_local(struct frontends *f); /* setLocal */

/* Opens and binds a socket of every frontend for each worker. 0, or -errno with err naming the address. */
int frontends_bind(const struct frontends *f, unsigned n_workers, struct err *err);

/*
 * workers/frontend_filter.c. The filter of a listener's sockets: attached now, or when they are bound;
 * NULL: detached. At most one, a new one replaces it. The address that a filter goes by is that of the
 * connection: a listener whose clients come through a proxy that tells their addresses must have none.
 * 0, or a negative errno with err set and the sockets without one.
 */
int frontend_set_filter(struct frontend *f, struct kfilter *filter, struct err *err);

/* All that were to be filtered are; control thread, after frontends_bind. Failures are told, no more. */
void frontends_begin_filters(const struct frontends *f);

uint64_t frontend_sum(const struct frontend *f, size_t offset_in_counters);

#endif
