/*
 * TLS as the streams see it: bytes in, bytes out, nothing blocks. A provider is a table of functions
 * (core/tls/provider.h); wolfSSL (core/tls/wolfssl*, the only files that include it) is the first.
 * This step needs the client's side; the server's side joins with encrypted listeners.
 */
#ifndef CORE_TLS_TLS_H
#define CORE_TLS_TLS_H

#include "core/addr.h"
#include "core/err.h"

/* What is built in, for --version. */
#define TLS_PROVIDERS "wolfssl"

/* What an operator asked for on newServer. Strings are lent by the caller for the call only. */
struct tls_client_options {
	const char *provider;      /* "openssl", "gnutls", "wolfssl", other text: the one that is built in */
	const char *ca_store;      /* PEM file; NULL: SSL_CERT_FILE of the environment, or the system's store */
	const char *ciphers;       /* OpenSSL names, ':' between; NULL: default */
	const char *ciphers_tls13;
	const char *curves;        /* "X25519:P-256"; NULL: default */
	/*
	 * What the certificate must be valid for. The name, which is also the SNI, wins over the address;
	 * with neither it is the address that the socket is connected to. A name that reads as an address
	 * is taken for one.
	 */
	const char *subject_name;  /* NULL: none */
	bool has_subject_addr;
	struct addr subject_addr;  /* the port does not count */
	bool validate;             /* check chain and subject; without, neither is looked at */
	const char *alpn;          /* "dot"; NULL: none */
};

struct tls_client; /* shared by workers; immutable but for atomics */
struct tls_conn;   /* one worker's */
struct tls_session_store; /* one worker's sessions to one server */

enum tls_result {
	TLS_OK,
	TLS_WANT_READ,  /* call again when the socket is readable */
	TLS_WANT_WRITE,
	TLS_CLOSED,     /* the peer ended the connection */
	TLS_FAILED,     /* see tls_conn_error */
};

/* Library set-up, once, before threads; 0 or -EIO. tls_fini at exit; tls_thread_fini by each worker at its end. */
int tls_init(void);
void tls_fini(void);
void tls_thread_fini(void);

/*
 * Builds the context: loads CA store (a file, or a directory of hashed names), ciphers, groups. NULL
 * with err set (no usable cipher, unknown group, unreadable file …); a cipher that the provider lacks
 * among others is left out with a warning. Control thread. Gives. Contexts that differ in nothing but
 * the subject share what was loaded.
 */
struct tls_client *tls_client_new(const struct tls_client_options *o, struct err *err);
void tls_client_free(struct tls_client *c);

/*
 * Sessions of one worker with one server, newest first out, each used once (RFC 8446 C.4). At max the
 * oldest goes. Both bounds may be set anew at any time; max 0 keeps none.
 */
struct tls_session_store *tls_sessions_new(unsigned max, unsigned validity_s);
void tls_sessions_limit(struct tls_session_store *s, unsigned max, unsigned validity_s);
size_t tls_sessions_kept(void); /* in all stores; any thread */
void tls_sessions_free(struct tls_session_store *s);

/*
 * A connection over a connected (or connecting) non-blocking socket, which stays the caller's.
 * Resumes a session of the store when one is fresh (TLS 1.3 only: a refused ticket ends 1.2). NULL on
 * exhaustion. store may be NULL. The worker that made it is the only one to use it.
 */
struct tls_conn *tls_conn_new(struct tls_client *c, int fd, struct tls_session_store *store, uint64_t now_s);
void tls_conn_free(struct tls_conn *c); /* sends close_notify if it can without blocking */

/* One step of the handshake; TLS_OK when done, names and chain checked. */
enum tls_result tls_handshake(struct tls_conn *c);

/* Up to len octets; *done says how many. TLS_OK with *done > 0, or another result with 0. */
enum tls_result tls_read(struct tls_conn *c, void *buf, size_t len, size_t *done);
enum tls_result tls_write(struct tls_conn *c, const void *buf, size_t len, size_t *done);

/* After the handshake: whether a session was resumed. */
bool tls_conn_resumed(const struct tls_conn *c);

/* Why it failed, for the log: "certificate is not valid for 192.0.2.1". Lent until tls_conn_free. */
const char *tls_conn_error(const struct tls_conn *c);

#endif
