/* wolfSSL: one connection to a server, from the first byte to close_notify. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/tls/wolfssl.h"

#include <wolfssl/error-ssl.h>
#include <wolfssl/openssl/x509v3.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

struct wolf_conn {
	struct tls_conn base;
	WOLFSSL *ssl;
	const struct wolf_client *client;
	struct tls_session_store *store;
	uint64_t now_s; /* when it began: a session's age counts from here */
	int fd;
	bool done;     /* the handshake */
	bool saved;    /* a session went to the store */
	uint8_t *left; /* read from the socket, not asked for yet; NULL: none, or it is in ahead */
	size_t left_len;
	char error[160];
};

/* One record at its longest (RFC 8446 5.2) and some. */
#define AHEAD_MAX (20 * 1024)

/*
 * The library asks for a record's five octets of header and then for its body. What a socket has is
 * read at once into a buffer of the thread, which a connection seldom leaves something in: readers
 * go on until there is no more. What is left when another needs the buffer moves to the connection.
 */
static _Thread_local struct {
	struct wolf_conn *owner;
	size_t at, len;
	uint8_t data[AHEAD_MAX];
} ahead;

static bool yield_ahead(void)
{
	struct wolf_conn *c = ahead.owner;

	if (c != NULL && ahead.at < ahead.len) {
		c->left = malloc(ahead.len - ahead.at);
		if (c->left == NULL)
			return false;
		c->left_len = ahead.len - ahead.at;
		memcpy(c->left, ahead.data + ahead.at, c->left_len);
	}
	ahead.owner = NULL;
	return true;
}

/* Makes the buffer c's, with what was left of it. */
static bool own_ahead(struct wolf_conn *c)
{
	if (likely(ahead.owner == c))
		return true;
	if (!yield_ahead())
		return false;
	ahead.owner = c;
	ahead.at = 0;
	ahead.len = c->left_len;
	if (c->left_len > 0)
		memcpy(ahead.data, c->left, c->left_len);
	free(c->left);
	c->left = NULL;
	c->left_len = 0;
	return true;
}

int wolf_io_recv(WOLFSSL *ssl, char *buf, int len, void *ctx)
{
	struct wolf_conn *c = ctx;
	ssize_t n;

	(void)ssl;
	if (!own_ahead(c))
		return WOLFSSL_CBIO_ERR_GENERAL;
	if (ahead.at == ahead.len) {
		do
			n = recv(c->fd, ahead.data, sizeof(ahead.data), 0);
		while (n < 0 && errno == EINTR);
		if (n == 0)
			return WOLFSSL_CBIO_ERR_CONN_CLOSE;
		if (n < 0)
			return errno == EAGAIN ? WOLFSSL_CBIO_ERR_WANT_READ
					       : WOLFSSL_CBIO_ERR_CONN_RST;
		ahead.at = 0;
		ahead.len = (size_t)n;
	}
	n = (ssize_t)(ahead.len - ahead.at) < len ? (ssize_t)(ahead.len - ahead.at) : len;
	memcpy(buf, ahead.data + ahead.at, (size_t)n);
	ahead.at += (size_t)n;
	return (int)n;
}

int wolf_io_send(WOLFSSL *ssl, char *buf, int len, void *ctx)
{
	const struct wolf_conn *c = ctx;
	ssize_t n;

	(void)ssl;
	do
		n = send(c->fd, buf, (size_t)len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return (int)n;
	return errno == EAGAIN ? WOLFSSL_CBIO_ERR_WANT_WRITE : WOLFSSL_CBIO_ERR_CONN_RST;
}

static void session_release(void *session)
{
	wolfSSL_SESSION_free(session);
}

/*
 * TLS 1.3 only. With 1.2 the library takes a server's refusal of a ticket for a fatal error, and
 * anycast resolvers refuse often. The copy is ours: the connection goes on changing its own.
 */
static void save_session(struct wolf_conn *c)
{
	WOLFSSL_SESSION *own, *copy;

	if (c->saved || c->store == NULL || !c->done ||
	    wolfSSL_GetVersion(c->ssl) != WOLFSSL_TLSV1_3)
		return;
	own = wolfSSL_get_session(c->ssl);
	if (own == NULL || !wolfSSL_SESSION_has_ticket(own))
		return;
	copy = wolfSSL_SESSION_dup(own);
	if (copy == NULL)
		return;
	tls_sessions_put(c->store, copy, session_release, c->now_s);
	c->saved = true;
}

static bool set_subject(struct wolf_conn *c)
{
	const char *name = c->client->subject_name;

	if (name == NULL)
		return true;
	if (wolfSSL_UseSNI(c->ssl, WOLFSSL_SNI_HOST_NAME, name, (unsigned short)strlen(name)) !=
	    WOLFSSL_SUCCESS)
		return false;
	return !c->client->validate || wolfSSL_check_domain_name(c->ssl, name) == WOLFSSL_SUCCESS;
}

static bool set_alpn(struct wolf_conn *c)
{
	char alpn[sizeof(c->client->alpn)];

	if (c->client->alpn[0] == '\0')
		return true;
	snprintf(alpn, sizeof(alpn), "%s",
		 c->client->alpn); /* the library's argument is not const */
	return wolfSSL_UseALPN(c->ssl, alpn, (unsigned)strlen(alpn),
			       WOLFSSL_ALPN_CONTINUE_ON_MISMATCH) == WOLFSSL_SUCCESS;
}

struct tls_conn *wolf_conn_new(struct tls_client *client, int fd, struct tls_session_store *store,
			       uint64_t now_s)
{
	struct wolf_conn *c = calloc(1, sizeof(*c));
	WOLFSSL_SESSION *session;

	if (c == NULL)
		return NULL;
	c->base.provider = &tls_wolfssl;
	c->client = (const struct wolf_client *)client;
	c->fd = fd;
	c->store = store;
	c->now_s = now_s;
	c->ssl = wolfSSL_new(c->client->context->ctx);
	if (c->ssl == NULL || !set_subject(c) || !set_alpn(c)) {
		wolfSSL_free(c->ssl);
		free(c);
		return NULL;
	}
	wolfSSL_SetIOReadCtx(c->ssl, c);
	wolfSSL_SetIOWriteCtx(c->ssl, c);
	session = store != NULL ? tls_sessions_take(store, now_s) : NULL;
	if (session != NULL) {
		wolfSSL_set_session(c->ssl,
				    session); /* copies; on failure the handshake is a full one */
		wolfSSL_SESSION_free(session);
	}
	return &c->base;
}

void wolf_conn_free(struct tls_conn *conn)
{
	struct wolf_conn *c = (struct wolf_conn *)conn;

	save_session(c);
	if (c->done && c->error[0] == '\0')
		wolfSSL_shutdown(c->ssl);
	wolfSSL_free(c->ssl);
	if (ahead.owner == c)
		ahead.owner = NULL;
	free(c->left);
	free(c);
}

/* Errors that an operator meets, in his words; the others in the library's. */
static void explain(struct wolf_conn *c, int code)
{
	char text[WOLFSSL_MAX_ERROR_SZ];

	switch (code) {
	case DOMAIN_NAME_MISMATCH:
		snprintf(c->error, sizeof(c->error), "certificate is not valid for %s",
			 c->client->subject_name);
		return;
	case ASN_NO_SIGNER_E:
		snprintf(c->error, sizeof(c->error),
			 "certificate is not signed by a CA of the store");
		return;
	case ASN_SELF_SIGNED_E:
		snprintf(c->error, sizeof(c->error), "certificate is self-signed");
		return;
	case ASN_AFTER_DATE_E:
		snprintf(c->error, sizeof(c->error), "certificate has expired");
		return;
	case ASN_BEFORE_DATE_E:
		snprintf(c->error, sizeof(c->error), "certificate is not valid yet");
		return;
	default:
		wolfSSL_ERR_error_string_n((unsigned long)code, text, sizeof(text));
		snprintf(c->error, sizeof(c->error), "%.120s (%d)", text, code);
	}
}

/* ret is what a call of the library returned instead of success. */
static enum tls_result result_of(struct wolf_conn *c, int ret)
{
	int code = wolfSSL_get_error(c->ssl, ret);

	switch (code) {
	case WOLFSSL_ERROR_WANT_READ:
		return TLS_WANT_READ;
	case WOLFSSL_ERROR_WANT_WRITE:
		return TLS_WANT_WRITE;
	case WOLFSSL_ERROR_ZERO_RETURN:
	case SOCKET_PEER_CLOSED_E:
		if (!c->done)
			snprintf(c->error, sizeof(c->error), "closed during the handshake");
		return TLS_CLOSED;
	case SOCKET_ERROR_E:
		snprintf(c->error, sizeof(c->error), "connection reset");
		return TLS_FAILED;
	default:
		explain(c, code);
		return TLS_FAILED;
	}
}

/* Whether one of the certificate's iPAddress names is this address; both as octets, never as text.
 */
static bool cert_has_addr(WOLFSSL_X509 *cert, const struct addr *a)
{
	size_t len;
	const uint8_t *bytes = addr_bytes(a, &len);
	WOLFSSL_STACK *names = wolfSSL_X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	bool found = false;

	for (int i = 0; names != NULL && i < wolfSSL_sk_GENERAL_NAME_num(names); i++) {
		WOLFSSL_GENERAL_NAME *name = wolfSSL_sk_GENERAL_NAME_value(names, i);
		WOLFSSL_ASN1_STRING *ip;

		if (name->type != GEN_IPADD)
			continue;
		ip = name->d.iPAddress;
		if ((size_t)wolfSSL_ASN1_STRING_length(ip) == len &&
		    memcmp(wolfSSL_ASN1_STRING_data(ip), bytes, len) == 0)
			found = true;
	}
	wolfSSL_sk_GENERAL_NAME_pop_free(names, NULL);
	return found;
}

/* A name was checked in the handshake; an address here. A resumed session was checked when it
 * began. */
static bool subject_is_right(struct wolf_conn *c)
{
	struct addr want = c->client->subject_addr;
	char text[ADDR_TEXT_MAX];
	socklen_t len = sizeof(want);
	WOLFSSL_X509 *cert;
	bool ok;

	if (!c->client->validate || c->client->subject_name != NULL ||
	    wolfSSL_session_reused(c->ssl))
		return true;
	if (want.sa.sa_family == AF_UNSPEC && getpeername(c->fd, &want.sa, &len) < 0)
		return false;
	cert = wolfSSL_get_peer_certificate(c->ssl);
	ok = cert != NULL && cert_has_addr(cert, &want);
	wolfSSL_X509_free(cert);
	if (!ok)
		snprintf(c->error, sizeof(c->error), "certificate is not valid for %s",
			 addr_text(&want, text));
	return ok;
}

enum tls_result wolf_handshake(struct tls_conn *conn)
{
	struct wolf_conn *c = (struct wolf_conn *)conn;
	int ret = wolfSSL_connect(c->ssl);

	if (ret != WOLFSSL_SUCCESS)
		return result_of(c, ret);
	if (!subject_is_right(c))
		return TLS_FAILED;
	c->done = true;
	return TLS_OK;
}

enum tls_result wolf_read(struct tls_conn *conn, void *buf, size_t len, size_t *done)
{
	struct wolf_conn *c = (struct wolf_conn *)conn;
	int ret = wolfSSL_read(c->ssl, buf, (int)len);

	*done = 0;
	if (ret <= 0)
		return result_of(c, ret);
	*done = (size_t)ret;
	save_session(c); /* a server sends its tickets before its first answer */
	return TLS_OK;
}

enum tls_result wolf_write(struct tls_conn *conn, const void *buf, size_t len, size_t *done)
{
	struct wolf_conn *c = (struct wolf_conn *)conn;
	int ret = wolfSSL_write(c->ssl, buf, (int)len);

	*done = 0;
	if (ret <= 0)
		return result_of(c, ret);
	*done = (size_t)ret;
	return TLS_OK;
}

bool wolf_resumed(const struct tls_conn *conn)
{
	return wolfSSL_session_reused(((const struct wolf_conn *)conn)->ssl);
}

const char *wolf_error(const struct tls_conn *conn)
{
	return ((const struct wolf_conn *)conn)->error;
}
