/* wolfSSL: set-up, and the contexts of connections to servers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/tls/wolfssl.h"

#include <wolfssl/wolfcrypt/ecc.h>

/* A list of all ciphers of the library takes some 2.5 KiB. */
#define CIPHERS_MAX 8192

static struct wolf_context *contexts;

/* Where distributions keep the certificates they trust. */
static const char *const system_stores[] = {
	"/etc/ssl/certs/ca-certificates.crt", /* Debian, Alpine, Arch */
	"/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora and its kin */
	"/etc/ssl/ca-bundle.pem",             /* SUSE */
	"/etc/ssl/cert.pem",                  /* the BSDs */
};

static int wolf_init(void)
{
	return wolfSSL_Init() == WOLFSSL_SUCCESS ? 0 : -EIO;
}

static void wolf_fini(void)
{
	wolfSSL_Cleanup();
}

static void wolf_thread_fini(void)
{
	wc_ecc_fp_free(); /* a table of points of each thread */
}

static int load_store(WOLFSSL_CTX *ctx, const char *path, struct err *err)
{
	struct stat st;
	int rc;

	if (stat(path, &st) < 0)
		return err_set(err, "CA store %s: %s", path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		rc = wolfSSL_CTX_load_verify_locations_ex(ctx, NULL, path,
							  WOLFSSL_LOAD_FLAG_IGNORE_ERR);
	else
		rc = wolfSSL_CTX_load_verify_locations(ctx, path, NULL);
	if (rc != WOLFSSL_SUCCESS)
		return err_set(err, "CA store %s: no certificate could be read from it", path);
	return 0;
}

/* SSL_CERT_FILE is how an operator names another store to programs that use OpenSSL. */
static const char *system_store(void)
{
	const char *named = secure_getenv("SSL_CERT_FILE");

	if (named != NULL && named[0] != '\0')
		return named;
	for (size_t i = 0; i < ARRAY_LEN(system_stores); i++) {
		if (access(system_stores[i], R_OK) == 0)
			return system_stores[i];
	}
	return NULL;
}

static int load_trust(WOLFSSL_CTX *ctx, const struct tls_client_options *o, struct err *err)
{
	const char *store =
		o->ca_store != NULL && o->ca_store[0] != '\0' ? o->ca_store : system_store();

	if (!o->validate) {
		wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_NONE, NULL);
		return 0;
	}
	if (store == NULL)
		return err_set(err, "no CA store of the system was found, caStore must name one");
	wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_PEER, NULL);
	return load_store(ctx, store, err);
}

static int set_ciphers(WOLFSSL_CTX *ctx, const struct tls_client_options *o, struct err *err)
{
	char have[CIPHERS_MAX], list[CIPHERS_MAX];
	int groups[TLS_GROUPS_MAX], n, rc;

	if (wolfSSL_get_ciphers(have, sizeof(have)) != WOLFSSL_SUCCESS)
		return err_set(err, "the TLS library does not name its ciphers");
	rc = tls_cipher_list(o->ciphers, o->ciphers_tls13, have, list, sizeof(list), err);
	if (rc < 0)
		return rc;
	if (wolfSSL_CTX_set_cipher_list(ctx, list) != WOLFSSL_SUCCESS)
		return err_set(err, "the TLS library refuses the ciphers \"%s\"", list);
	n = tls_group_list(o->curves, groups, err);
	if (n < 0)
		return n;
	if (wolfSSL_CTX_set_groups(ctx, groups, n) != WOLFSSL_SUCCESS)
		return err_set(err, "the TLS library refuses the groups \"%s\"", o->curves);
	return 0;
}

static WOLFSSL_CTX *ctx_new(const struct tls_client_options *o, struct err *err)
{
	WOLFSSL_CTX *ctx = wolfSSL_CTX_new(wolfTLS_client_method());

	if (ctx == NULL) {
		err_set(err, "no memory for a TLS context");
		return NULL;
	}
	if (wolfSSL_CTX_SetMinVersion(ctx, WOLFSSL_TLSV1_2) != WOLFSSL_SUCCESS ||
	    wolfSSL_CTX_UseSessionTicket(ctx) != WOLFSSL_SUCCESS) {
		err_set(err, "the TLS library lacks TLS 1.2 or session tickets");
		goto fail;
	}
	wolfSSL_CTX_SetIORecv(ctx, wolf_io_recv);
	wolfSSL_CTX_SetIOSend(ctx, wolf_io_send);
	/* The library's own cache of sessions is one for all threads, behind a lock. */
	wolfSSL_CTX_set_session_cache_mode(ctx, WOLFSSL_SESS_CACHE_OFF);
	wolfSSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE);
	if (set_ciphers(ctx, o, err) < 0 || load_trust(ctx, o, err) < 0)
		goto fail;
	return ctx;
fail:
	wolfSSL_CTX_free(ctx);
	return NULL;
}

/* A store that was written anew since is another one. */
static char *context_key(const struct tls_client_options *o)
{
	struct stat st = {0};
	char *key;

	if (o->validate && o->ca_store != NULL && stat(o->ca_store, &st) < 0)
		st.st_size = -1;
	if (asprintf(&key, "%d|%s|%lld.%ld.%lld|%s|%s|%s", o->validate,
		     o->ca_store ? o->ca_store : "", (long long)st.st_mtim.tv_sec,
		     st.st_mtim.tv_nsec, (long long)st.st_size, o->ciphers ? o->ciphers : "",
		     o->ciphers_tls13 ? o->ciphers_tls13 : "", o->curves ? o->curves : "") < 0)
		abort();
	return key;
}

static struct wolf_context *context_get(const struct tls_client_options *o, struct err *err)
{
	char *key = context_key(o);
	struct wolf_context *c;
	WOLFSSL_CTX *ctx;

	for (c = contexts; c != NULL; c = c->next) {
		if (strcmp(c->key, key) == 0) {
			free(key);
			c->refs++;
			return c;
		}
	}
	ctx = ctx_new(o, err);
	if (ctx == NULL) {
		free(key);
		return NULL;
	}
	c = mem_zalloc(1, sizeof(*c));
	*c = (struct wolf_context){.next = contexts, .refs = 1, .key = key, .ctx = ctx};
	contexts = c;
	return c;
}

static void context_put(struct wolf_context *c)
{
	struct wolf_context **at = &contexts;

	if (--c->refs > 0)
		return;
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	wolfSSL_CTX_free(c->ctx);
	free(c->key);
	free(c);
}

static struct tls_client *wolf_client_new(const struct tls_client_options *o, struct err *err)
{
	bool named = o->subject_name != NULL && o->subject_name[0] != '\0';
	struct wolf_context *context = context_get(o, err);
	struct wolf_client *c;

	if (context == NULL)
		return NULL;
	c = mem_zalloc(1, sizeof(*c));
	c->base.provider = &tls_wolfssl;
	c->context = context;
	c->validate = o->validate;
	snprintf(c->alpn, sizeof(c->alpn), "%s", o->alpn ? o->alpn : "");
	/* An address is no SNI (RFC 6066 3), and stands elsewhere in the certificate (RFC
	 * 5280 4.2.1.6). */
	if (named && addr_parse(o->subject_name, 0, &c->subject_addr, NULL) < 0)
		c->subject_name = mem_strdup(o->subject_name);
	else if (!named && o->has_subject_addr)
		c->subject_addr = o->subject_addr;
	return &c->base;
}

static void wolf_client_free(struct tls_client *client)
{
	struct wolf_client *c = (struct wolf_client *)client;

	context_put(c->context);
	free(c->subject_name);
	free(c);
}

const struct tls_provider tls_wolfssl = {
	.init = wolf_init,
	.fini = wolf_fini,
	.thread_fini = wolf_thread_fini,
	.client_new = wolf_client_new,
	.client_free = wolf_client_free,
	.conn_new = wolf_conn_new,
	.conn_free = wolf_conn_free,
	.handshake = wolf_handshake,
	.read = wolf_read,
	.write = wolf_write,
	.resumed = wolf_resumed,
	.error = wolf_error,
};
