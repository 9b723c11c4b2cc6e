/* What the three files around wolfSSL share. options.h must come first, or its structs differ silently. */
#ifndef CORE_TLS_WOLFSSL_H
#define CORE_TLS_WOLFSSL_H

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include "core/tls/provider.h"

/* All that costs time and memory to load; shared by the servers that ask for the same. Control thread. */
struct wolf_context {
	struct wolf_context *next;
	unsigned refs;
	char *key; /* what was asked for */
	WOLFSSL_CTX *ctx;
};

struct wolf_client {
	struct tls_client base;
	struct wolf_context *context;
	bool validate;
	char *subject_name;       /* NULL: the address counts */
	struct addr subject_addr; /* family 0: the one that the socket is connected to */
	char alpn[16];            /* "": none */
};

struct tls_conn *wolf_conn_new(struct tls_client *client, int fd, struct tls_session_store *store,
                               uint64_t now_s);
void wolf_conn_free(struct tls_conn *conn);
enum tls_result wolf_handshake(struct tls_conn *conn);
enum tls_result wolf_read(struct tls_conn *conn, void *buf, size_t len, size_t *done);
enum tls_result wolf_write(struct tls_conn *conn, const void *buf, size_t len, size_t *done);
bool wolf_resumed(const struct tls_conn *conn);
const char *wolf_error(const struct tls_conn *conn);

/* The library's calls for bytes; ctx is the tls_conn. */
int wolf_io_recv(WOLFSSL *ssl, char *buf, int len, void *ctx);
int wolf_io_send(WOLFSSL *ssl, char *buf, int len, void *ctx);

#endif
