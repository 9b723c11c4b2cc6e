/* The client's side of TLS against openssl s_server: what is accepted, what is refused and why,
 * resumption. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/rand.h"
#include "core/tls/provider.h"

/* A peer of another library; its certificates are made anew for each run. */
static char dir[] = "/tmp/test_tls.XXXXXX";

struct peer {
	pid_t pid;
	int out;
	struct addr addr;
};

PRINTF_LIKE(1, 2)
static int command(const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return system(text);
}

static void make_cert(const char *name, const char *alt, const char *dates)
{
	FILE *f;
	char path[256];

	snprintf(path, sizeof(path), "%s/%s.ext", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "subjectAltName=%s\n", alt);
	fclose(f);
	assert_int_equal(
		command("cd %s && openssl ecparam -name prime256v1 -genkey -noout -out %s.key "
			"&& openssl req -new -key %s.key -subj /CN=%s -out %s.csr 2>/dev/null "
			"&& openssl x509 -req -in %s.csr -CA ca.pem -CAkey ca.key "
			"-CAcreateserial %s -extfile %s.ext -out %s.pem 2>/dev/null",
			dir, name, name, name, name, name, dates, name, name),
		0);
}

static int setup(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL || rand_init() < 0 || tls_init() < 0)
		return -1;
	if (command("cd %s && openssl ecparam -name prime256v1 -genkey -noout -out ca.key && "
		    "openssl req -x509 -new -key ca.key -subj '/CN=test ca' -days 30 -out ca.pem "
		    "2>/dev/null",
		    dir) != 0)
		return -1;
	make_cert("v4", "IP:127.0.0.1", "-days 30");
	make_cert("v6", "IP:2001:db8::853,DNS:other.example", "-days 30");
	make_cert("name", "DNS:dns.example,DNS:*.wild.example", "-days 30");
	make_cert("old", "IP:127.0.0.1,DNS:dns.example", "-days -1");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tls_thread_fini();
	tls_fini();
	return command("rm -rf %s", dir);
}

static struct peer peer_start(const char *cert, const char *more)
{
	struct peer p = {0};
	char line[256], cmd[1024];
	int fds[2];
	FILE *f;

	assert_int_equal(pipe(fds), 0);
	snprintf(
		cmd, sizeof(cmd),
		"exec openssl s_server -accept 127.0.0.1:0 -cert %s/%s.pem -key %s/%s.key -rev %s 2>&1",
		dir, cert, dir, cert, more);
	p.pid = fork();
	if (p.pid == 0) {
		dup2(fds[1], 1);
		close(fds[0]);
		close(fds[1]);
		execl("/bin/sh", "sh", "-c", cmd, (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	p.out = fds[0];
	f = fdopen(dup(p.out), "r");
	while (fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, "ACCEPT ", 7) == 0) {
			line[strcspn(line, "\n")] = '\0';
			addr_parse(line + 7, 0, &p.addr, NULL);
			break;
		}
	}
	fclose(f);
	return p;
}

static void peer_stop(struct peer *p)
{
	kill(p->pid, SIGKILL);
	waitpid(p->pid, NULL, 0);
	close(p->out);
}

static int connect_to(const struct addr *a)
{
	int fd = socket(a->sa.sa_family, SOCK_STREAM, 0);

	if (connect(fd, &a->sa, addr_len(a)) < 0) {
		close(fd);
		return -1;
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static bool wait_for(int fd, enum tls_result r)
{
	struct pollfd p = {.fd = fd, .events = r == TLS_WANT_READ ? POLLIN : POLLOUT};

	return (r == TLS_WANT_READ || r == TLS_WANT_WRITE) && poll(&p, 1, 5000) == 1;
}

static enum tls_result handshake(struct tls_conn *c, int fd)
{
	enum tls_result r;

	do
		r = tls_handshake(c);
	while (wait_for(fd, r));
	return r;
}

/* Sends a line and expects it reversed. */
static bool echo_works(struct tls_conn *c, int fd)
{
	char got[16];
	size_t n, have = 0;
	enum tls_result r;

	if (tls_write(c, "hello\n", 6, &n) != TLS_OK || n != 6)
		return false;
	do {
		r = tls_read(c, got + have, sizeof(got) - have, &n);
		have += n;
	} while (have < 6 && (r == TLS_OK || wait_for(fd, r)));
	return have == 6 && memcmp(got, "olleh\n", 6) == 0;
}

static const struct {
	const char *label, *cert, *peer_options;
	const char *ca; /* file in dir; NULL: the system's store */
	const char *name, *addr;
	bool insecure;
	const char *error; /* NULL: it works */
} cases[] = {
	{"address of the socket", "v4", "", "ca.pem", .error = NULL},
	{"address given", "v6", "", "ca.pem", .addr = "2001:db8::853"},
	{"another address", "v4", "", "ca.pem", .addr = "192.0.2.1",
	 .error = "certificate is not valid for 192.0.2.1"},
	{"no address in it", "name", "", "ca.pem",
	 .error = "certificate is not valid for 127.0.0.1"},
	{"name", "name", "", "ca.pem", .name = "dns.example"},
	{"name under a wildcard", "name", "", "ca.pem", .name = "a.wild.example"},
	{"name wins over address", "name", "", "ca.pem", .name = "dns.example",
	 .addr = "192.0.2.1"},
	{"a name that is an address", "v4", "", "ca.pem", .name = "127.0.0.1"},
	{"another name", "name", "", "ca.pem", .name = "evil.example",
	 .error = "certificate is not valid for evil.example"},
	{"unknown CA", "v4", "", NULL, .error = "certificate is not signed by a CA of the store"},
	{"unknown CA, right name", "name", "", NULL, .name = "dns.example",
	 .error = "certificate is not signed by a CA of the store"},
	{"unknown CA, not validated", "name", "", NULL, .insecure = true},
	{"expired", "old", "", "ca.pem", .error = "certificate has expired"},
	{"expired, not validated", "old", "", "ca.pem", .insecure = true},
	{"TLS 1.2", "v4", "-tls1_2", "ca.pem", .error = NULL},
	{"TLS 1.2, another name", "name", "-tls1_2", "ca.pem", .name = "evil.example",
	 .error = "certificate is not valid for evil.example"},
	{"TLS 1.1 is refused", "v4", "-tls1_1 -cipher ALL:@SECLEVEL=0", "ca.pem", .error = ""},
	{"only P-384", "v4", "-groups P-384", "ca.pem", .error = NULL},
};

static void servers_are_who_they_should_be(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct peer p = peer_start(cases[i].cert, cases[i].peer_options);
		struct tls_client_options o = {.subject_name = cases[i].name,
					       .validate = !cases[i].insecure,
					       .alpn = "dot"};
		char ca[256], error[200] = "";
		struct tls_client *client;
		struct tls_conn *conn;
		enum tls_result r;
		struct err err = {0};
		bool echoed = false;
		int fd;

		snprintf(ca, sizeof(ca), "%s/%s", dir, cases[i].ca ? cases[i].ca : "");
		o.ca_store = cases[i].ca ? ca : NULL;
		if (cases[i].addr != NULL) {
			o.has_subject_addr = true;
			addr_parse(cases[i].addr, 853, &o.subject_addr, NULL);
		}
		client = tls_client_new(&o, &err);
		if (client == NULL)
			fail_msg("%s: %s", cases[i].label, err.text);
		fd = connect_to(&p.addr);
		conn = tls_conn_new(client, fd, NULL, 1);
		r = handshake(conn, fd);
		if (r == TLS_OK)
			echoed = echo_works(conn, fd);
		snprintf(error, sizeof(error), "%s", tls_conn_error(conn));
		tls_conn_free(conn);
		close(fd);
		tls_client_free(client);
		peer_stop(&p);
		if (cases[i].error == NULL && !echoed)
			fail_msg("%s: result %d, error \"%s\"", cases[i].label, r, error);
		if (cases[i].error != NULL &&
		    (r == TLS_OK || error[0] == '\0' || strstr(error, cases[i].error) == NULL))
			fail_msg("%s: result %d, error \"%s\"", cases[i].label, r, error);
	}
}

/* How often a session was resumed in n connections one after another, half a validity apart. */
static unsigned resumed_of(const char *peer_options, unsigned n, unsigned step_s)
{
	struct peer p = peer_start("v4", peer_options);
	struct tls_session_store *store = tls_sessions_new(4, 10);
	char ca[256];
	struct tls_client_options o = {.ca_store = ca, .validate = true};
	struct tls_client *client;
	unsigned resumed = 0, echoed = 0;

	snprintf(ca, sizeof(ca), "%s/ca.pem", dir);
	client = tls_client_new(&o, NULL);
	for (unsigned i = 0; i < n; i++) {
		int fd = connect_to(&p.addr);
		struct tls_conn *conn = tls_conn_new(client, fd, store, 1000 + i * step_s);

		if (handshake(conn, fd) == TLS_OK) {
			resumed += tls_conn_resumed(conn);
			echoed += echo_works(conn, fd);
		}
		tls_conn_free(conn);
		close(fd);
	}
	tls_client_free(client);
	tls_sessions_free(store);
	peer_stop(&p);
	return echoed == n ? resumed : 1000;
}

static void sessions_resume_over_tls13_only(void **state)
{
	(void)state;
	assert_int_equal(resumed_of("-tls1_3", 4, 1), 3);
	assert_int_equal(resumed_of("-tls1_3", 4, 10), 0); /* each is too old for the next */
	assert_int_equal(resumed_of("-tls1_3 -no_ticket -num_tickets 0", 3, 1), 0);
	assert_int_equal(resumed_of("-tls1_2", 3, 1), 0);
}

/* The peer that resumed is gone and another, with other keys, sits there: a full handshake, no
 * error. */
static void refused_session_falls_back(void **state)
{
	struct tls_session_store *store = tls_sessions_new(4, 100);
	char ca[256];
	struct tls_client_options o = {.ca_store = ca, .validate = true};
	struct tls_client *client;
	unsigned ok = 0, resumed = 0;

	(void)state;
	snprintf(ca, sizeof(ca), "%s/ca.pem", dir);
	client = tls_client_new(&o, NULL);
	for (unsigned i = 0; i < 2; i++) {
		struct peer p = peer_start("v4", "");
		int fd = connect_to(&p.addr);
		struct tls_conn *conn = tls_conn_new(client, fd, store, 1);

		if (handshake(conn, fd) == TLS_OK && echo_works(conn, fd))
			ok++;
		resumed += tls_conn_resumed(conn);
		tls_conn_free(conn);
		close(fd);
		peer_stop(&p);
	}
	tls_client_free(client);
	tls_sessions_free(store);
	assert_int_equal(ok, 2);
	assert_int_equal(resumed, 0);
}

static bool read_exactly(struct tls_conn *c, int fd, char *out, size_t len)
{
	enum tls_result r = TLS_OK;

	while (len > 0 && (r == TLS_OK || wait_for(fd, r))) {
		size_t n;

		r = tls_read(c, out, len, &n);
		out += n;
		len -= n;
	}
	return len == 0;
}

/* What one has not been asked for yet survives that others read in between, and is not theirs. */
static void connections_keep_their_input_apart(void **state)
{
	struct peer p[3];
	struct tls_conn *conn[3];
	struct tls_client *client;
	char ca[256], got[3][14];
	struct tls_client_options o = {.ca_store = ca, .validate = true};
	bool ok = true;
	int fd[3];

	(void)state;
	snprintf(ca, sizeof(ca), "%s/ca.pem", dir);
	client = tls_client_new(&o, NULL);
	for (unsigned i = 0; i < 3; i++) {
		static const char *const lines[] = {"hello\nworld!\n", "second\n12345\n",
						    "a\nb\nc\nd\ne\nfg\n"};
		size_t n;

		p[i] = peer_start("v4", "");
		fd[i] = connect_to(&p[i].addr);
		conn[i] = tls_conn_new(client, fd[i], NULL, 1);
		ok = ok && handshake(conn[i], fd[i]) == TLS_OK &&
		     tls_write(conn[i], lines[i], 13, &n) == TLS_OK && n == 13;
	}
	usleep(200000); /* so that all lines are there at the first read */
	for (unsigned at = 0; at < 13 && ok; at++)
		for (unsigned i = 0; i < 3 && ok; i++)
			ok = read_exactly(conn[i], fd[i], &got[i][at], 1);
	tls_conn_free(conn[1]); /* in the middle */
	ok = ok && tls_read(conn[0], got[1], 1, &(size_t){0}) == TLS_WANT_READ;
	tls_conn_free(conn[0]);
	tls_conn_free(conn[2]);
	tls_client_free(client);
	for (unsigned i = 0; i < 3; i++) {
		close(fd[i]);
		peer_stop(&p[i]);
	}
	assert_true(ok);
	assert_memory_equal(got[0], "olleh\n!dlrow\n", 13);
	assert_memory_equal(got[2], "a\nb\nc\nd\ne\ngf\n", 13);
}

static void contexts_are_refused(void **state)
{
	static const struct {
		const char *label, *ca, *ciphers, *curves, *error;
	} bad[] = {
		{"no such file", "/nonexistent/ca.pem", NULL, NULL, "/nonexistent/ca.pem"},
		{"not a certificate", "/etc/hostname", NULL, NULL, "/etc/hostname"},
		{"no cipher left", NULL, "NOSUCH", NULL, "NOSUCH"},
		{"only weak ones", NULL, "ECDHE-RSA-RC4-SHA", NULL, "ECDHE-RSA-RC4-SHA"},
		{"unknown group", NULL, NULL, "X25519:P-265", "P-256"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct tls_client_options o = {.ca_store = bad[i].ca,
					       .ciphers = bad[i].ciphers,
					       .curves = bad[i].curves,
					       .validate = true};
		struct err err = {0};

		if (tls_client_new(&o, &err) != NULL || strstr(err.text, bad[i].error) == NULL)
			fail_msg("%s: \"%s\"", bad[i].label, err.text);
	}
}

static const struct {
	const char *label, *tls12, *tls13, *want;
} lists[] = {
	{"both given", "ECDHE-RSA-AES128-GCM-SHA256", "TLS_AES_256_GCM_SHA384",
	 "TLS13-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256"},
	{"spaces and commas", "A1,ECDHE-X ECDHE-Y", "TLS_AES_128_GCM_SHA256",
	 "TLS13-AES128-GCM-SHA256:ECDHE-X:ECDHE-Y"},
	{"an excluded one goes", "ECDHE-X:ECDHE-Y:!ECDHE-X:!aNULL", "TLS13-AES128-GCM-SHA256",
	 "TLS13-AES128-GCM-SHA256:ECDHE-Y"},
	{"the last one goes", "ECDHE-X:ECDHE-Y:-ECDHE-Y", "TLS_AES_128_GCM_SHA256",
	 "TLS13-AES128-GCM-SHA256:ECDHE-X"},
	{"twice is once", "ECDHE-X:ecdhe-x", "TLS_AES_128_GCM_SHA256",
	 "TLS13-AES128-GCM-SHA256:ECDHE-X"},
	{"weak ones are left out", "ECDHE-X:RC4-SHA", "TLS_AES_128_GCM_SHA256",
	 "TLS13-AES128-GCM-SHA256:ECDHE-X"},
};

static void cipher_names_are_translated(void **state)
{
	static const char have[] =
		"TLS13-AES128-GCM-SHA256:TLS13-AES256-GCM-SHA384:RC4-SHA:ECDHE-X:"
		"ECDHE-Y:ECDHE-RSA-AES128-GCM-SHA256";
	char out[1024];
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		int rc = tls_cipher_list(lists[i].tls12, lists[i].tls13, have, out, sizeof(out),
					 &err);

		if (rc != 0 || strcmp(out, lists[i].want) != 0)
			fail_msg("%s: %d \"%s\"", lists[i].label, rc, out);
	}
	assert_int_equal(tls_cipher_list(NULL, NULL, have, out, sizeof(out), &err), 0);
	assert_non_null(strstr(out, "TLS13-CHACHA20-POLY1305-SHA256:"));
	assert_int_equal(tls_cipher_list(NULL, "NOPE", have, out, sizeof(out), &err), -EINVAL);
}

static void group_names_are_numbers(void **state)
{
	int out[TLS_GROUPS_MAX];
	struct err err;

	(void)state;
	assert_int_equal(tls_group_list("x25519:prime256v1:P-384", out, &err), 3);
	assert_int_equal(out[0], 29);
	assert_int_equal(out[1], 23);
	assert_int_equal(out[2], 24);
	assert_true(tls_group_list(NULL, out, &err) >= 2);
	assert_int_equal(out[0], 29);
	assert_int_equal(tls_group_list("X25519:brainpool", out, &err), -EINVAL);
}

static int released;

static void count_release(void *session)
{
	(void)session;
	released++;
}

static void session_store_is_bounded(void **state)
{
	struct tls_session_store *s = tls_sessions_new(3, 10);
	int v[8];

	(void)state;
	released = 0;
	for (int i = 0; i < 5; i++)
		tls_sessions_put(s, &v[i], count_release, 100);
	assert_int_equal(released, 2);
	assert_int_equal(tls_sessions_len(s), 3);
	assert_ptr_equal(tls_sessions_take(s, 105), &v[4]);
	assert_null(tls_sessions_take(s, 110)); /* all as old */
	assert_int_equal(released, 4);
	tls_sessions_put(s, &v[5], count_release, 200);
	tls_sessions_put(s, &v[6], count_release, 200);
	tls_sessions_limit(s, 1, 10);
	assert_int_equal(released, 5);
	assert_ptr_equal(tls_sessions_take(s, 201), &v[6]);
	tls_sessions_limit(s, 0, 10);
	tls_sessions_put(s, &v[7], count_release, 200);
	assert_int_equal(released, 6);
	tls_sessions_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(servers_are_who_they_should_be),
		cmocka_unit_test(sessions_resume_over_tls13_only),
		cmocka_unit_test(refused_session_falls_back),
		cmocka_unit_test(connections_keep_their_input_apart),
		cmocka_unit_test(contexts_are_refused),
		cmocka_unit_test(cipher_names_are_translated),
		cmocka_unit_test(group_names_are_numbers),
		cmocka_unit_test(session_store_is_bounded),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, setup, teardown);
}
