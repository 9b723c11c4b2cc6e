/*
 * What servers, clients and the system may do at the worst moment to running workers: each case
 * here once ended in memory that was no more, or in another client's answer.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/syscall.h>

#include "test/stream_fixture.h"

#define PATIENCE_MS 8000

static struct stream_server server;

/* While it is set, workers' datagrams to servers (sent on connected sockets) find no route. */
static atomic_bool no_route;

int sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags)
{
	if (atomic_load(&no_route) && m[0].msg_hdr.msg_name == NULL) {
		errno = ENETUNREACH;
		return -1;
	}
	return (int)syscall(SYS_sendmmsg, fd, m, n, flags);
}

static void wait_for_queries(struct path *p, unsigned n)
{
	for (unsigned i = 0; atomic_load(&p->resolver.queries) < n && i < PATIENCE_MS; i++)
		usleep(1000);
}

static void ask(struct path *p, const char *name)
{
	uint8_t query[512];

	path_send(p, query, path_query(query, 1, name, TYPE_A));
}

static bool is_answered(struct path *p, const char *name)
{
	static uint8_t answer[65536];

	ask(p, name);
	return path_receive(p, answer, sizeof(answer), PATIENCE_MS) > 0;
}

static void reconnecting(struct server_fixed *f)
{
	f->reconnect_on_up = true;
}

/* One call of the kernel sends them all, so that the worker finds them in one batch. */
static void send_many(int fd, const struct addr *to, uint8_t *packet, size_t len)
{
	struct iovec iov = {packet, len};
	struct mmsghdr m[64];

	for (unsigned i = 0; i < ARRAY_LEN(m); i++)
		m[i].msg_hdr = (struct msghdr){.msg_name = (void *)&to->v4,
					       .msg_namelen = sizeof(to->v4),
					       .msg_iov = &iov,
					       .msg_iovlen = 1};
	syscall(SYS_sendmmsg, fd, m, ARRAY_LEN(m), 0);
}

/* The last answer that an old socket waits for closes it, and its copies come right behind. */
static void answers_behind_the_last_one_of_an_old_socket_are_nothing(void **state)
{
	static const struct path_options o = {.n_workers = 1, .server = reconnecting};
	struct path p;
	uint8_t held[512];
	size_t len;
	bool answered;

	(void)state;
	path_start(&p, &o);
	atomic_store(&p.server->up, true);
	ask(&p, "silent.example.");
	wait_for_queries(&p, 1);
	memcpy(held, p.resolver.silent, p.resolver.silent_len);
	len = resolver_answer(held, p.resolver.silent_len, 1);
	atomic_store(&p.server->up, false);
	answered = is_answered(&p, "down.example.");
	atomic_store(&p.server->up, true);
	answered = is_answered(&p, "up.example.") && answered;
	/* what is in flight on the old socket alone is the silent one */
	send_many(p.resolver.fd, &p.resolver.silent_from, held, len);
	answered = is_answered(&p, "after.example.") && answered;
	path_stop(&p);
	assert_true(answered);
}

static void one_outstanding(struct settings *s)
{
	s->udp_max_outstanding = 1;
}

/* Room for a query is made by sending the one before; that fails, and takes the socket with it. */
static void socket_that_fails_while_room_is_made_is_replaced(void **state)
{
	static const struct path_options o = {.n_workers = 1, .settings = one_outstanding};
	struct path p;
	uint8_t query[512];
	size_t len = path_query(query, 1, "plain.example.", TYPE_A);
	bool answered;
	uint32_t outstanding;

	(void)state;
	path_start(&p, &o);
	answered = is_answered(&p, "before.example.");
	usleep(1100000); /* a server is not met on new sockets more than once a second */
	atomic_store(&no_route, true);
	send_many(p.client, &p.listen, query, len);
	usleep(100000);
	atomic_store(&no_route, false);
	outstanding = server_outstanding(p.server);
	answered = is_answered(&p, "after.example.") && answered;
	path_stop(&p);
	assert_true(answered);
	assert_int_equal(outstanding, 0);
}

static void for_subnets(struct server_fixed *f)
{
	f->use_client_subnet = true;
}

static void many_in_flight(struct frontend_options *o)
{
	o->max_in_flight = 100;
}

/* As an answer of scope 0 is kept: under the key of the query without a subnet. */
static void put_in_cache(struct cache *c, const char *name)
{
	static struct cache_key key;
	struct opt none = {0};
	struct question q;
	uint8_t m[512];
	size_t len = path_query(m, 0, name, TYPE_A);

	msg_question(m, len, &q);
	cache_key(c, m, len, &q, &none, false, &key);
	len = resolver_answer(m, len, 1);
	cache_insert(c, WORKER_CONTROL, &key, m, len, (uint32_t)(clock_mono_us() / 1000000),
		     UINT32_MAX);
}

static void parse_ecs(struct cache_options *o)
{
	o->parse_ecs = true;
}

/* Two queries of one batch, both good for every subnet: each gets its own answer. */
static void answers_for_everybody_do_not_mix(void **state)
{
	static const struct path_options o = {.n_workers = 1,
					      .with_cache = true,
					      .cache = parse_ecs,
					      .server = for_subnets,
					      .listen = many_in_flight};
	static const char *const names[] = {"one.example.", "two.example."};
	static uint8_t answer[2][65536];
	uint8_t queries[1024];
	size_t len = 0, got[2];
	struct path p;
	int fd;

	(void)state;
	path_start(&p, &o);
	for (unsigned i = 0; i < 2; i++) {
		size_t n = path_query(queries + len + 2, (uint16_t)(i + 1), names[i], TYPE_A);

		put_in_cache(p.cache, names[i]);
		put_u16(queries + len, (uint16_t)n);
		len += n + 2;
	}
	fd = client_open(&p);
	send_all(fd, queries, len);
	for (unsigned i = 0; i < 2; i++)
		got[i] = client_receive(fd, answer[i], PATIENCE_MS);
	close(fd);
	path_stop(&p);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(got[i] > 0);
		assert_int_equal(msg_id(answer[i]), i + 1);
		assert_memory_equal(answer[i] + 13, names[i], 3);
	}
}

static void to_stream_server(struct server_fixed *f)
{
	f->addr = server.addr;
	f->tcp_only = true;
}

struct pump {
	int fd;
	pthread_t thread;
};

/* Takes the answers, so that it is never the client who is slow. */
static void *take_answers(void *arg)
{
	static uint8_t sink[65536];
	struct pump *pump = arg;

	while (recv(pump->fd, sink, sizeof(sink), 0) > 0)
		;
	return NULL;
}

/* A while of sending in small pieces: each is news to the worker, whatever it has not read yet. */
static void send_ahead(struct path *p, const uint8_t *queries, size_t len)
{
	uint64_t end_us = clock_mono_us() + 200000;
	struct pump pump = {.fd = client_open(p)};

	pthread_create(&pump.thread, NULL, take_answers, &pump);
	while (clock_mono_us() < end_us) {
		uint64_t next_us = clock_mono_us() + 50;

		send_all(pump.fd, queries, len);
		while (clock_mono_us() < next_us)
			;
	}
	shutdown(pump.fd, SHUT_RDWR);
	pthread_join(pump.thread, NULL);
	close(pump.fd);
}

/* A client sends ahead while a server answers one query at a time: input waits in the kernel, not
 * here. */
static void client_that_sends_ahead_fills_no_buffer(void **state)
{
	static const struct path_options o = {.n_workers = 1, .server = to_stream_server};
	static uint8_t queries[3000];
	size_t len = 0;
	struct path p;
	uint32_t outstanding;

	(void)state;
	stream_server_start(&server);
	path_start(&p, &o);
	while (len + 100 < sizeof(queries)) {
		size_t n = path_query(queries + len + 2, 1, "plain.example.", TYPE_A);

		put_u16(queries + len, (uint16_t)n);
		len += n + 2;
	}
	for (unsigned i = 0; i < 5; i++)
		send_ahead(&p, queries, len);
	for (unsigned i = 0; server_outstanding(p.server) > 0 && i < PATIENCE_MS; i++)
		usleep(1000);
	outstanding = server_outstanding(p.server);
	path_stop(&p);
	stream_server_stop(&server);
	assert_int_equal(outstanding, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_behind_the_last_one_of_an_old_socket_are_nothing),
		cmocka_unit_test(socket_that_fails_while_room_is_made_is_replaced),
		cmocka_unit_test(answers_for_everybody_do_not_mix),
		cmocka_unit_test(client_that_sends_ahead_fills_no_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
