/* TCP on both sides of running workers: what clients do, what servers do, and what each sees of the
 * other. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "test/stream_fixture.h"
#include "workers/client_limits.h"

/* Long enough for a loaded machine; only a failing test waits for it. */
#define PATIENCE_MS 8000

static struct stream_server server;
static uint8_t answer[65536];

static void to_stream_server(struct server_fixed *f)
{
	f->addr = server.addr;
	f->tcp_only = true;
	f->tcp_recv_timeout_s = 1;
}

static void pipelining(struct server_fixed *f)
{
	to_stream_server(f);
	f->max_in_flight = 100;
}

static void many_in_flight(struct frontend_options *o)
{
	o->max_in_flight = 100;
}

static const struct path_options plain = {.n_workers = 1, .server = to_stream_server};

static void start(struct path *p, const struct path_options *o)
{
	stream_server_start(&server);
	path_start(p, o);
}

static void stop(struct path *p)
{
	path_stop(p);
	stream_server_stop(&server);
}

static uint64_t of_frontend(size_t offset)
{
	return frontend_sum(rcu_get(tables_live)->frontends->list[1], offset);
}

#define FRONTEND(field)  of_frontend(offsetof(struct frontend_counters, field))
#define SERVER(p, field) server_sum((p)->server, offsetof(struct server_counters, field))

/* Waits until what() is so, or patience ends. */
#define WAIT_UNTIL(what)                                                        \
	for (unsigned waited_ = 0; !(what) && waited_ < PATIENCE_MS; waited_++) \
	usleep(1000)

/* Asks one question on a connection of its own; the answer's length. */
static size_t ask(struct path *p, const char *name)
{
	int fd = client_open(p);
	size_t len;

	client_ask(fd, 7, name, TYPE_A);
	len = client_receive(fd, answer, PATIENCE_MS);
	close(fd);
	return len;
}

static const struct {
	const char *label, *name;
	bool answered;
	unsigned queries;     /* that the server sees */
	unsigned connections; /* to the server */
} cases[] = {
	{"plain", "plain.example.", true, 1, 1},
	{"many records", "big.example.", true, 1, 1},
	{"octet by octet", "octets.example.", true, 1, 1},
	{"closed after the answer", "last.example.", true, 1, 1},
	{"closed instead of an answer", "hangup.example.", false, 5, 5},
	{"another ID", "wrongid.example.", false, 5, 5},
	{"another name", "wrongname.example.", false, 5, 5},
	{"no answer", "hold.example.", false, 1, 1},
};

static void servers_may_do_what_they_like(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct path p;
		size_t len;
		unsigned queries, connections;
		uint32_t outstanding;

		start(&p, &plain);
		len = ask(&p, cases[i].name);
		queries = atomic_load(&server.queries);
		connections = atomic_load(&server.connections);
		outstanding = server_outstanding(p.server);
		stop(&p);
		if ((len > 0) != cases[i].answered || queries != cases[i].queries ||
		    connections != cases[i].connections || outstanding != 0)
			fail_msg("%s: %zu octets, %u queries, %u connections, %u outstanding",
				 cases[i].label, len, queries, connections, outstanding);
		if (len > 0 && (msg_id(answer) != 7 || !(msg_flags(answer) & DNS_QR)))
			fail_msg("%s: wrong answer", cases[i].label);
	}
}

static void connections_to_servers_are_used_again(void **state)
{
	struct path p;
	unsigned connections, answered = 0;
	uint64_t fresh, reused;

	(void)state;
	start(&p, &plain);
	for (unsigned i = 0; i < 5; i++)
		answered += ask(&p, "plain.example.") > 0;
	connections = atomic_load(&server.connections);
	fresh = SERVER(&p, tcp_new);
	reused = SERVER(&p, tcp_reused);
	stop(&p);
	assert_int_equal(answered, 5);
	assert_int_equal(connections, 1);
	assert_int_equal(fresh, 1);
	assert_int_equal(reused, 4);
}

/* The server drops a connection when it is used a second time: the client must not notice. */
static void reused_connection_that_dies_is_replaced(void **state)
{
	struct path p;
	unsigned answered = 0, connections;
	uint64_t gave_up, died;

	(void)state;
	start(&p, &plain);
	for (unsigned i = 0; i < 4; i++)
		answered += ask(&p, "fresh.example.") > 0;
	connections = atomic_load(&server.connections);
	gave_up = SERVER(&p, tcp_gave_up);
	died = SERVER(&p, tcp_died_reading);
	stop(&p);
	assert_int_equal(answered, 4);
	assert_int_equal(connections, 4);
	assert_int_equal(gave_up, 0);
	assert_int_equal(died, 3);
}

static void idle_connection_that_the_server_closed_is_noticed(void **state)
{
	struct path p;
	unsigned answered = 0;
	uint64_t died, closed;

	(void)state;
	start(&p, &plain);
	for (unsigned i = 0; i < 3; i++) {
		answered += ask(&p, "last.example.") > 0;
		WAIT_UNTIL(SERVER(&p, tcp_closed_conns) == i + 1);
	}
	died = SERVER(&p, tcp_died_reading) + SERVER(&p, tcp_died_sending);
	closed = SERVER(&p, tcp_closed_conns);
	stop(&p);
	assert_int_equal(answered, 3);
	assert_int_equal(died, 0);
	assert_int_equal(closed, 3);
}

static void answers_out_of_order_find_their_queries(void **state)
{
	static const struct path_options o = {
		.n_workers = 1, .server = pipelining, .listen = many_in_flight};
	struct path p;
	unsigned connections;
	uint16_t id[2];
	size_t len[2];
	int fd;

	(void)state;
	start(&p, &o);
	fd = client_open(&p);
	client_ask(fd, 1, "pair.one.example.", TYPE_A);
	client_ask(fd, 2, "pair.two.example.", TYPE_A);
	for (unsigned i = 0; i < 2; i++) {
		len[i] = client_receive(fd, answer, PATIENCE_MS);
		id[i] = msg_id(answer);
	}
	connections = atomic_load(&server.connections);
	close(fd);
	stop(&p);
	assert_true(len[0] > 0 && len[1] > 0);
	assert_int_equal(id[0], 2);
	assert_int_equal(id[1], 1);
	assert_int_equal(connections, 1);
}

/* Without maxInFlight of the server each query in flight has a connection; of the client, they
 * wait. */
static void one_at_a_time_unless_told_otherwise(void **state)
{
	static const struct path_options client_many = {
		.n_workers = 1, .server = to_stream_server, .listen = many_in_flight};
	unsigned at_once[2];
	struct path p;
	int fd;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		start(&p, i == 0 ? &client_many : &plain);
		fd = client_open(&p);
		client_ask(fd, 1, "hold.one.example.", TYPE_A);
		client_ask(fd, 2, "hold.two.example.", TYPE_A);
		client_ask(fd, 3, "hold.three.example.", TYPE_A);
		WAIT_UNTIL(atomic_load(&server.queries) == (i == 0 ? 3 : 1));
		usleep(50000);
		at_once[i] = atomic_load(&server.connections);
		close(fd);
		stop(&p);
	}
	assert_int_equal(at_once[0], 3);
	assert_int_equal(at_once[1], 1);
}

/* The second is in the cache, the first is not: with one at a time its answer still comes second.
 */
static void order_is_kept_with_one_at_a_time(void **state)
{
	static const struct path_options o = {
		.n_workers = 1, .server = to_stream_server, .with_cache = true};
	struct path p;
	uint16_t id[3];
	int fd;

	(void)state;
	start(&p, &o);
	ask(&p, "cached.example.");
	fd = client_open(&p);
	client_ask(fd, 1, "octets.example.", TYPE_A);
	client_ask(fd, 2, "cached.example.", TYPE_A);
	client_ask(fd, 3, "cached.example.", TYPE_A);
	for (unsigned i = 0; i < 3; i++)
		id[i] = client_receive(fd, answer, PATIENCE_MS) > 0 ? msg_id(answer) : 0;
	close(fd);
	stop(&p);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(id[i], i + 1);
}

static void queries_come_in_any_pieces(void **state)
{
	static const struct path_options o = {
		.n_workers = 1, .server = to_stream_server, .with_cache = true};
	enum { N = 400 };
	static uint8_t all[N * 64];
	size_t len = 0, cut = 1;
	unsigned answered = 0;
	struct path p;
	int fd;

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		size_t n = path_query(all + len + 2, (uint16_t)i, "plain.example.", TYPE_A);

		put_u16(all + len, (uint16_t)n);
		len += n + 2;
	}
	start(&p, &o);
	fd = client_open(&p);
	for (size_t at = 0; at < len; at += cut, cut = cut * 2 + 1)
		send_all(fd, all + at, at + cut < len ? cut : len - at);
	for (unsigned i = 0; i < N; i++)
		answered += client_receive(fd, answer, PATIENCE_MS) > 0 && msg_id(answer) == i;
	close(fd);
	stop(&p);
	assert_int_equal(answered, N);
}

struct flood {
	int fd;
	size_t len;
	uint8_t octets[16000 * 48];
};

static void *flood_main(void *arg)
{
	struct flood *f = arg;

	for (size_t at = 0; at < f->len; at += 500)
		send_all(f->fd, f->octets + at, at + 500 < f->len ? 500 : f->len - at);
	return NULL;
}

/* Far more than any buffer of ours, all to be asked of a server, one at a time. */
static void client_may_send_faster_than_answers_come(void **state)
{
	enum { N = 16000 };
	static struct flood flood;
	unsigned in_order = 0;
	pthread_t thread;
	struct path p;

	(void)state;
	flood.len = 0;
	for (unsigned i = 0; i < N; i++) {
		uint8_t *at = flood.octets + flood.len;
		size_t n = path_query(at + 2, (uint16_t)i, "a.rather.long.name.", TYPE_A);

		put_u16(at, (uint16_t)n);
		flood.len += n + 2;
	}
	start(&p, &plain);
	flood.fd = client_open(&p);
	pthread_create(&thread, NULL, flood_main, &flood);
	while (in_order < N && client_receive(flood.fd, answer, PATIENCE_MS) > 0 &&
	       msg_id(answer) == in_order)
		in_order++;
	shutdown(flood.fd, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(flood.fd);
	stop(&p);
	assert_int_equal(in_order, N);
}

static const struct {
	const char *label;
	const char *octets;
	size_t len;
} bad[] = {
	{"no message", "\0\0", 2},
	{"short message", "\0\5abcde", 7},
	{"an answer", "\0\x11\0\1\x81\0\0\1\0\0\0\0\0\0\0\0\1\0\1", 19},
	{"a cut name", "\0\x0f\0\1\1\0\0\1\0\0\0\0\0\0\3ww", 17},
};

static void dropped_query_closes_the_connection(void **state)
{
	bool closed[ARRAY_LEN(bad)], other_lives;
	uint64_t counted;
	struct path p;
	int other;

	(void)state;
	start(&p, &plain);
	other = client_open(&p);
	counted = stats_sum(STAT_NONCOMPLIANT_QUERIES);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int fd = client_open(&p);

		send_all(fd, (const uint8_t *)bad[i].octets, bad[i].len);
		closed[i] = is_closed(fd, PATIENCE_MS);
		close(fd);
	}
	client_ask(other, 9, "plain.example.", TYPE_A);
	other_lives = client_receive(other, answer, PATIENCE_MS) > 0;
	close(other);
	counted = stats_sum(STAT_NONCOMPLIANT_QUERIES) - counted;
	stop(&p);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (!closed[i])
			fail_msg("%s", bad[i].label);
	assert_true(other_lives);
	assert_int_equal(counted, ARRAY_LEN(bad));
}

/* Its query goes on without it, and the next client finds the answer in the cache. */
static void client_may_leave_before_its_answer(void **state)
{
	static const struct path_options o = {
		.n_workers = 1, .server = to_stream_server, .with_cache = true};
	unsigned queries;
	struct path p;
	size_t len;
	int fd;

	(void)state;
	start(&p, &o);
	fd = client_open(&p);
	client_ask(fd, 1, "octets.example.", TYPE_A);
	WAIT_UNTIL(atomic_load(&server.queries) == 1);
	close(fd);
	WAIT_UNTIL(server_outstanding(p.server) == 0);
	len = ask(&p, "octets.example.");
	queries = atomic_load(&server.queries);
	stop(&p);
	assert_true(len > 0);
	assert_int_equal(queries, 1);
}

static void half_closed_client_gets_its_answers(void **state)
{
	struct path p;
	unsigned answered = 0;
	bool closed;
	int fd;

	(void)state;
	start(&p, &plain);
	fd = client_open(&p);
	client_ask(fd, 1, "octets.example.", TYPE_A);
	client_ask(fd, 2, "plain.example.", TYPE_A);
	shutdown(fd, SHUT_WR);
	for (unsigned i = 0; i < 2; i++)
		answered += client_receive(fd, answer, PATIENCE_MS) > 0;
	closed = is_closed(fd, PATIENCE_MS);
	close(fd);
	stop(&p);
	assert_int_equal(answered, 2);
	assert_true(closed);
}

static void one_second_of_silence(struct settings *s)
{
	s->tcp_recv_timeout_s = 1;
}

static void silent_clients_are_closed(void **state)
{
	static const struct path_options o = {
		.n_workers = 1, .server = to_stream_server, .settings = one_second_of_silence};
	static const char *const before[] = {"", "\0", "\0\x20\0\1\1\0"};
	static const size_t before_len[] = {0, 1, 6};
	bool closed[3], early[3];
	uint64_t timeouts;
	struct path p;
	int fd[3];

	(void)state;
	start(&p, &o);
	timeouts = FRONTEND(tcp_client_timeouts);
	for (unsigned i = 0; i < 3; i++) {
		fd[i] = client_open(&p);
		send_all(fd[i], (const uint8_t *)before[i], before_len[i]);
	}
	for (unsigned i = 0; i < 3; i++)
		early[i] = is_closed(fd[i], i == 0 ? 500 : 0);
	for (unsigned i = 0; i < 3; i++) {
		closed[i] = is_closed(fd[i], PATIENCE_MS);
		close(fd[i]);
	}
	timeouts = FRONTEND(tcp_client_timeouts) - timeouts;
	stop(&p);
	for (unsigned i = 0; i < 3; i++) {
		assert_false(early[i]);
		assert_true(closed[i]);
	}
	assert_int_equal(timeouts, 3);
}

static void two_queries(struct settings *s)
{
	s->tcp_max_queries = 2;
}

static void queries_of_a_connection_are_limited(void **state)
{
	static const struct path_options o = {
		.n_workers = 1, .server = to_stream_server, .settings = two_queries};
	unsigned answered = 0;
	struct path p;
	bool closed;
	int fd;

	(void)state;
	start(&p, &o);
	fd = client_open(&p);
	for (unsigned i = 0; i < 6; i++)
		client_ask(fd, (uint16_t)i, "plain.example.", TYPE_A);
	while (client_receive(fd, answer, PATIENCE_MS) > 0)
		answered++;
	closed = is_closed(fd, PATIENCE_MS);
	close(fd);
	stop(&p);
	assert_int_equal(answered, 3); /* tested after counting */
	assert_true(closed);
}

static void few_reads(struct settings *s)
{
	s->tcp_max_read_ios = 5;
	s->tcp_ban_read_ios_s = 1;
}

static void client_of_many_reads_is_banned(void **state)
{
	static const struct path_options o = {
		.n_workers = 1, .server = to_stream_server, .settings = few_reads};
	uint8_t query[512];
	bool closed, banned;
	struct path p;
	size_t later = 0;
	int fd;

	(void)state;
	start(&p, &o);
	fd = client_open(&p);
	put_u16(query, (uint16_t)path_query(query + 2, 1, "plain.example.", TYPE_A));
	closed = false;
	for (unsigned i = 0; i < 30 && !closed; i++) {
		send_all(fd, query + i, 1);
		closed = is_closed(fd, 20);
	}
	close(fd);
	fd = client_open(&p);
	banned = is_closed(fd, PATIENCE_MS);
	close(fd);
	for (unsigned i = 0; i < 100 && later == 0; i++) {
		usleep(50000);
		later = ask(&p, "plain.example.");
	}
	stop(&p);
	assert_true(closed);
	assert_true(banned);
	assert_true(later > 0);
}

static void two_connections(struct frontend_options *o)
{
	o->max_tcp_connections = 2;
}

static void connections_of_a_listener_are_limited(void **state)
{
	static const struct path_options o = {
		.n_workers = 2, .server = to_stream_server, .listen = two_connections};
	const struct frontend *f;
	unsigned open = 0, most;
	struct path p;
	int fd[3];

	(void)state;
	start(&p, &o);
	f = rcu_get(tables_live)->frontends->list[1];
	for (unsigned i = 0; i < 3; i++) {
		fd[i] = client_open(&p);
		client_ask(fd[i], 1, "octets.example.", TYPE_A);
	}
	for (unsigned i = 0; i < 3; i++)
		open += client_receive(fd[i], answer, PATIENCE_MS) > 0;
	for (unsigned i = 0; i < 3; i++)
		close(fd[i]);
	WAIT_UNTIL(atomic_load(&f->tcp_connections) == 0);
	most = atomic_load(&f->tcp_connections_max);
	stop(&p);
	assert_int_equal(open, 2);
	assert_int_equal(most, 2);
}

static void udp_queries_go_to_stream_servers(void **state)
{
	struct path p;
	uint8_t query[512];
	size_t plain_len, big_len;
	bool truncated;

	(void)state;
	start(&p, &plain);
	path_send(&p, query, path_query(query, 3, "plain.example.", TYPE_A));
	plain_len = path_receive(&p, answer, sizeof(answer), PATIENCE_MS);
	path_send(&p, query, path_query(query, 4, "big.example.", TYPE_A));
	big_len = path_receive(&p, answer, sizeof(answer), PATIENCE_MS);
	truncated = big_len > 0 && (msg_flags(answer) & DNS_TC);
	stop(&p);
	assert_true(plain_len > 0);
	assert_true(big_len > 0 && big_len <= 512);
	assert_true(truncated);
}

/* Records of a transfer as they come; the last message's answer count through last. */
static unsigned count_transfer(int fd, unsigned pause_every)
{
	unsigned messages = 0;

	while (client_receive(fd, answer, PATIENCE_MS) > 0) {
		messages++;
		if (pause_every > 0 && messages % pause_every == 0)
			usleep(20000);
		if (messages == XFR_MESSAGES)
			break;
	}
	return messages;
}

static void transfers_pass_through(void **state)
{
	static const unsigned pauses[] = {0, 20};
	unsigned messages[2], resident[2];
	struct path p;

	(void)state;
	start(&p, &plain);
	for (unsigned i = 0; i < 2; i++) {
		int fd = client_open(&p);

		client_ask(fd, 5, "zone.example.", TYPE_AXFR);
		messages[i] = count_transfer(fd, pauses[i]);
		/* the connection is fit for more */
		client_ask(fd, 6, "plain.example.", TYPE_A);
		resident[i] = (unsigned)client_receive(fd, answer, PATIENCE_MS);
		close(fd);
	}
	stop(&p);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(messages[i], XFR_MESSAGES);
		assert_true(resident[i] > 0);
	}
}

/* The client goes in the middle: the server is let go too, and others are served. */
static void abandoned_transfer_ends(void **state)
{
	unsigned open = 1;
	struct path p;
	size_t len;
	int fd;

	(void)state;
	start(&p, &plain);
	fd = client_open(&p);
	client_ask(fd, 5, "zone.example.", TYPE_AXFR);
	len = client_receive(fd, answer, PATIENCE_MS);
	close(fd);
	WAIT_UNTIL(server_outstanding(p.server) == 0);
	WAIT_UNTIL((open = atomic_load(&server.open)) == 0);
	assert_true(ask(&p, "plain.example.") > 0);
	stop(&p);
	assert_true(len > 0);
	assert_int_equal(open, 0);
}

static void limited(struct server_fixed *f)
{
	to_stream_server(f);
	f->max_tcp_connections = 1;
}

static void connections_to_a_server_are_limited(void **state)
{
	static const struct path_options o = {.n_workers = 1, .server = limited};
	uint64_t too_many;
	bool closed;
	struct path p;
	int first, second;

	(void)state;
	start(&p, &o);
	first = client_open(&p);
	client_ask(first, 1, "hold.example.", TYPE_A);
	WAIT_UNTIL(atomic_load(&server.queries) == 1);
	second = client_open(&p);
	client_ask(second, 1, "plain.example.", TYPE_A);
	closed = is_closed(second, PATIENCE_MS);
	too_many = SERVER(&p, tcp_too_many);
	close(first);
	close(second);
	stop(&p);
	assert_true(closed);
	assert_int_equal(too_many, 1);
}

/* Answers that nobody reads: the connection stalls, then ends, and its memory with it. */
static void quick_sends(struct settings *s)
{
	s->tcp_send_timeout_s = 1;
}

static void client_that_does_not_read_is_closed(void **state)
{
	static const struct path_options o = {.n_workers = 1,
					      .server = to_stream_server,
					      .with_cache = true,
					      .settings = quick_sends};
	const struct frontend *f;
	uint64_t timeouts;
	unsigned left, small = 4096;
	struct path p;
	int fd;

	(void)state;
	start(&p, &o);
	f = rcu_get(tables_live)->frontends->list[1];
	timeouts = FRONTEND(tcp_client_timeouts);
	ask(&p, "big.example.");
	fd = client_open(&p);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	for (unsigned i = 0; i < 20000; i++)
		client_ask(fd, (uint16_t)i, "big.example.", TYPE_A);
	WAIT_UNTIL((left = atomic_load(&f->tcp_connections)) == 0);
	timeouts = FRONTEND(tcp_client_timeouts) - timeouts;
	close(fd);
	stop(&p);
	assert_int_equal(left, 0);
	assert_int_equal(timeouts, 1);
}

static void stopping_with_all_in_flight_ends(void **state)
{
	static const struct path_options o = {
		.n_workers = 2, .server = pipelining, .listen = many_in_flight};
	uint64_t began;
	struct path p;
	int fd[8];

	(void)state;
	start(&p, &o);
	for (unsigned i = 0; i < 8; i++) {
		fd[i] = client_open(&p);
		for (uint16_t k = 0; k < 20; k++)
			client_ask(fd[i], k, "hold.example.", TYPE_A);
	}
	WAIT_UNTIL(atomic_load(&server.queries) == 160);
	began = clock_mono_us();
	stop(&p);
	began = clock_mono_us() - began;
	for (unsigned i = 0; i < 8; i++)
		close(fd[i]);
	assert_in_range(began, 0, 2000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(servers_may_do_what_they_like),
		cmocka_unit_test(connections_to_servers_are_used_again),
		cmocka_unit_test(reused_connection_that_dies_is_replaced),
		cmocka_unit_test(idle_connection_that_the_server_closed_is_noticed),
		cmocka_unit_test(answers_out_of_order_find_their_queries),
		cmocka_unit_test(one_at_a_time_unless_told_otherwise),
		cmocka_unit_test(order_is_kept_with_one_at_a_time),
		cmocka_unit_test(queries_come_in_any_pieces),
		cmocka_unit_test(client_may_send_faster_than_answers_come),
		cmocka_unit_test(dropped_query_closes_the_connection),
		cmocka_unit_test(client_may_leave_before_its_answer),
		cmocka_unit_test(half_closed_client_gets_its_answers),
		cmocka_unit_test(silent_clients_are_closed),
		cmocka_unit_test(queries_of_a_connection_are_limited),
		cmocka_unit_test(client_of_many_reads_is_banned),
		cmocka_unit_test(connections_of_a_listener_are_limited),
		cmocka_unit_test(udp_queries_go_to_stream_servers),
		cmocka_unit_test(transfers_pass_through),
		cmocka_unit_test(abandoned_transfer_ends),
		cmocka_unit_test(connections_to_a_server_are_limited),
		cmocka_unit_test(client_that_does_not_read_is_closed),
		cmocka_unit_test(stopping_with_all_in_flight_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
