/*
 * Workers on real sockets of the loopback, without a configuration file: tables made by a
 * transaction, one listener, one server that is a thread here and answers by the first label of the
 * name.
 */
#ifndef TEST_PATH_FIXTURE_H
#define TEST_PATH_FIXTURE_H

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/cache.h"
#include "core/clock.h"
#include "core/dns/message.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/rand.h"
#include "core/settings.h"
#include "core/stats.h"
#include "core/txn.h"
#include "pools/pool.h"
#include "rules/acl.h"
#include "rules/rules.h"
#include "workers/workers.h"

/* A resolver in a thread: what it says depends on the first label, see resolver_answer. */
struct resolver {
	int fd;
	struct addr addr;
	pthread_t thread;
	atomic_uint queries;
	atomic_bool stop;
	uint8_t last[1500]; /* the last query; read it when none is under way */
	size_t last_len;
	atomic_uint last_flags; /* its header flags: at any time */
	uint8_t silent[512];    /* the last query that was left alone, and who sent it */
	size_t silent_len;
	struct addr silent_from;
	uint16_t ports[64]; /* of the first queries, as the last one */
};

static inline int loopback_socket(struct addr *addr, uint16_t port)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(addr->v4);

	memset(addr, 0, sizeof(*addr));
	addr->v4 = (struct sockaddr_in){.sin_family = AF_INET,
					.sin_port = htons(port),
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (fd < 0 || bind(fd, &addr->sa, sizeof(addr->v4)) < 0 ||
	    getsockname(fd, &addr->sa, &len) < 0)
		abort();
	return fd;
}

static inline bool label_is(const uint8_t *query, const char *label)
{
	size_t len = strlen(label);

	return query[DNS_HEADER_LEN] == len && memcmp(query + DNS_HEADER_LEN + 1, label, len) == 0;
}

/* An answer of n_records A records, TTL 60, after header and question (other sections go). */
static inline size_t resolver_answer(uint8_t *m, size_t len, unsigned n_records)
{
	struct question q;
	size_t at;

	if (msg_question(m, len, &q) < 0)
		return 0;
	at = q.end;
	msg_set_flags(m, (uint16_t)(msg_flags(m) | DNS_QR | DNS_RA));
	put_u16(m + 6, (uint16_t)n_records);
	put_u32(m + 8, 0);
	for (unsigned i = 0; i < n_records; i++) {
		static const uint8_t record[] = {0xc0, 12, 0, 1, 0,   1, 0, 0,
						 0,    60, 0, 4, 192, 0, 2, 1};

		memcpy(m + at, record, sizeof(record));
		at += sizeof(record);
	}
	return at;
}

/* What a query's client subnet is answered with: the same, good for scope bits. */
static inline size_t resolver_add_scope(uint8_t *m, size_t len, const struct ecs *ecs,
					uint8_t scope)
{
	uint8_t opt[] = {0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 11, 0, 8, 0, 7, 0, 1, 24, scope, 0, 0, 0};

	memcpy(opt + sizeof(opt) - 3, ecs->addr, 3);
	memcpy(m + len, opt, sizeof(opt));
	put_u16(m + 10, 1);
	return len + sizeof(opt);
}

static inline void resolver_reply(struct resolver *r, uint8_t *m, size_t len, const struct addr *to)
{
	uint16_t id = msg_id(m);
	struct question q;
	struct opt opt = {0};
	struct ecs ecs = {0};

	if (msg_question(m, len, &q) == 0 && msg_opt(m, len, &q, &opt) == 0 && opt.at != 0)
		msg_ecs(m, &opt, &ecs);
	if (label_is(m, "silent"))
		return;
	if (label_is(m, "servfail")) {
		len = resolver_answer(m, len, 0);
		m[3] |= RCODE_SERVFAIL;
	} else if (label_is(m, "big")) {
		len = resolver_answer(m, len, 60);
	} else {
		len = resolver_answer(m, len, 1);
	}
	if (ecs.present)
		len = resolver_add_scope(m, len, &ecs, label_is(m, "scoped") ? 24 : 0);
	if (label_is(m, "cut"))
		m[2] |= DNS_TC >> 8;
	if (label_is(m, "wrongid")) {
		msg_set_id(m, (uint16_t)(id + 1));
		sendto(r->fd, m, len, 0, &to->sa, sizeof(to->v4));
		msg_set_id(m, id);
	} else if (label_is(m, "wrongname")) {
		m[DNS_HEADER_LEN + 1] = 'v';
		sendto(r->fd, m, len, 0, &to->sa, sizeof(to->v4));
		m[DNS_HEADER_LEN + 1] = 'W'; /* case does not count */
	} else if (label_is(m, "garbage")) {
		sendto(r->fd, m, 12, 0, &to->sa, sizeof(to->v4));
		sendto(r->fd, m, 3, 0, &to->sa, sizeof(to->v4));
		sendto(r->fd, m, 0, 0, &to->sa, sizeof(to->v4));
	}
	sendto(r->fd, m, len, 0, &to->sa, sizeof(to->v4));
}

static inline void *resolver_main(void *arg)
{
	struct resolver *r = arg;

	while (!atomic_load(&r->stop)) {
		struct pollfd p = {r->fd, POLLIN, 0};
		uint8_t m[2048];
		struct addr from;
		socklen_t from_len = sizeof(from);
		ssize_t n;

		if (poll(&p, 1, 20) <= 0)
			continue;
		n = recvfrom(r->fd, m, sizeof(r->last), 0, &from.sa, &from_len);
		if (n < DNS_HEADER_LEN)
			continue;
		memcpy(r->last, m, (size_t)n);
		r->last_len = (size_t)n;
		atomic_store(&r->last_flags, msg_flags(m));
		if (label_is(m, "silent") && (size_t)n <= sizeof(r->silent)) {
			memcpy(r->silent, m, (size_t)n);
			r->silent_len = (size_t)n;
			r->silent_from = from;
		}
		if (atomic_load(&r->queries) < ARRAY_LEN(r->ports))
			r->ports[atomic_load(&r->queries)] = addr_port(&from);
		atomic_fetch_add(&r->queries, 1);
		resolver_reply(r, m, (size_t)n, &from);
	}
	return NULL;
}

static inline void resolver_start(struct resolver *r)
{
	memset(r, 0, sizeof(*r));
	r->fd = loopback_socket(&r->addr, 0);
	pthread_create(&r->thread, NULL, resolver_main, r);
}

static inline void resolver_stop(struct resolver *r)
{
	atomic_store(&r->stop, true);
	pthread_join(r->thread, NULL);
	close(r->fd);
}

/* Everything of one test. */
struct path {
	struct resolver resolver;
	struct addr listen;
	struct cache *cache;
	struct server *server;
	int client; /* connected to the listener */
};

struct path_options {
	unsigned n_workers;
	bool with_cache;
	bool wildcard;
	void (*settings)(struct settings *s);
	void (*server)(struct server_fixed *fixed);
	void (*listen)(struct frontend_options *options);
	void (*cache)(struct cache_options *o);
	void (*def)(struct server_def *def); /* NULL: forced up, without checks */
	const struct workers_hooks *hooks;   /* NULL: none */
};

static inline void path_register(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	if (rand_init() < 0)
		abort();
	hash_init(0);
	settings_register();
	acl_register();
	pools_register();
	rules_register();
	frontends_register();
}

static inline void path_die(const char *what, const struct err *err)
{
	fprintf(stderr, "%s: %s\n", what, err->text);
	abort();
}

static inline struct server *path_add_server(struct pools *pools, const struct addr *addr,
					     void (*edit)(struct server_fixed *fixed),
					     void (*edit_def)(struct server_def *def))
{
	struct server_def *d = server_def_new();
	struct server_fixed fixed;
	struct server *s;

	server_fixed_default(&fixed);
	fixed.addr = *addr;
	fixed.udp_timeout_s = 1;
	fixed.id = uuid_random();
	if (edit != NULL)
		edit(&fixed);
	d->force = SERVER_FORCED_UP;
	if (edit_def != NULL)
		edit_def(d);
	s = server_new(&fixed);
	pools_add_server(pools, s, d);
	pools_join(pools, s, "");
	return s;
}

static inline bool port_is_free(struct addr *addr, int type)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	bool is_free = fd >= 0 && bind(fd, &addr->sa, sizeof(addr->v4)) == 0;

	if (fd >= 0)
		close(fd);
	return is_free;
}

/* A port that both transports have free, below those that the kernel gives to connections. */
static inline void path_pick_port(struct path *p)
{
	memset(&p->listen, 0, sizeof(p->listen));
	p->listen.v4.sin_family = AF_INET;
	p->listen.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	do
		addr_set_port(&p->listen, (uint16_t)(10000 + rand_below(20000)));
	while (!port_is_free(&p->listen, SOCK_DGRAM) || !port_is_free(&p->listen, SOCK_STREAM));
}

static inline void path_start(struct path *p, const struct path_options *o)
{
	static const struct workers_hooks no_hooks = {0};
	struct frontend_options listen;
	struct cache_options cache;
	struct txn *txn;
	struct err err = {""};
	struct frontends *f;
	struct addr at;

	path_register();
	memset(p, 0, sizeof(*p));
	resolver_start(&p->resolver);
	path_pick_port(p);
	txn = txn_begin();
	acl_add_defaults(TXN_EDIT(txn, ACL, acl)->table);
	if (o->settings != NULL)
		o->settings(TXN_EDIT(txn, SETTINGS, settings));
	p->server = path_add_server(TXN_EDIT(txn, POOLS, pools), &p->resolver.addr, o->server, o->def);
	if (o->with_cache) {
		cache_options_default(&cache, 1000);
		if (o->cache != NULL)
			o->cache(&cache);
		p->cache = cache_new(&cache, &err);
		pool_set_cache(pools_pool(TXN_EDIT(txn, POOLS, pools), ""), p->cache);
	}
	f = TXN_EDIT(txn, FRONTENDS, frontends);
	frontend_options_default(&listen);
	if (o->listen != NULL)
		o->listen(&listen);
	at = p->listen;
	if (o->wildcard)
		at.v4.sin_addr.s_addr = htonl(INADDR_ANY);
	if (frontends_add_local(f, &at, &listen, &err) < 0 || txn_commit(txn, &err) < 0)
		path_die("tables", &err);
	if (frontends_bind(rcu_get(tables_live)->frontends, o->n_workers, &err) < 0)
		path_die("bind", &err);
	if (workers_start(o->n_workers, o->hooks ? o->hooks : &no_hooks, &err) < 0)
		path_die("start", &err);
	workers_serve();
	p->client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (connect(p->client, &p->listen.sa, sizeof(p->listen.v4)) < 0)
		abort();
}

static inline void path_stop(struct path *p)
{
	close(p->client);
	workers_stop();
	resolver_stop(&p->resolver);
	tables_shutdown();
	if (p->cache != NULL)
		cache_unref(p->cache);
	servers_collect();
}

static inline size_t path_query(uint8_t *out, uint16_t id, const char *name, uint16_t qtype)
{
	uint8_t wire[DNS_NAME_MAX];
	int len = name_parse(name, wire, NULL);

	if (len < 0)
		abort();
	return msg_make_query(out, id, DNS_RD, wire, (size_t)len, qtype, CLASS_IN);
}

/* What comes back within wait_ms: its length, 0 for nothing. */
static inline size_t path_receive(struct path *p, uint8_t *out, size_t cap, int wait_ms)
{
	struct pollfd fd = {p->client, POLLIN, 0};
	ssize_t n;

	if (poll(&fd, 1, wait_ms) <= 0)
		return 0;
	n = recv(p->client, out, cap, 0);
	return n > 0 ? (size_t)n : 0;
}

static inline void path_send(struct path *p, const uint8_t *query, size_t len)
{
	if (send(p->client, query, len, 0) != (ssize_t)len)
		abort();
}

#endif
