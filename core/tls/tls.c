/* From the contract of tls.h to the provider. There is one today; which one is decided in
 * tls_client_new. */
#include "core/tls/provider.h"

static const struct tls_provider *const providers[] = {&tls_wolfssl};

int tls_init(void)
{
	for (size_t i = 0; i < ARRAY_LEN(providers); i++) {
		int rc = providers[i]->init();

		if (rc < 0)
			return rc;
	}
	return 0;
}

void tls_fini(void)
{
	for (size_t i = 0; i < ARRAY_LEN(providers); i++)
		providers[i]->fini();
}

void tls_thread_fini(void)
{
	for (size_t i = 0; i < ARRAY_LEN(providers); i++)
		providers[i]->thread_fini();
}

/* Any name means TLS: configurations written for other libraries load, and are told the truth by
 * show commands. */
struct tls_client *tls_client_new(const struct tls_client_options *o, struct err *err)
{
	return providers[0]->client_new(o, err);
}

void tls_client_free(struct tls_client *c)
{
	if (c != NULL)
		c->provider->client_free(c);
}

struct tls_conn *tls_conn_new(struct tls_client *c, int fd, struct tls_session_store *store,
			      uint64_t now_s)
{
	return c->provider->conn_new(c, fd, store, now_s);
}

void tls_conn_free(struct tls_conn *c)
{
	if (c != NULL)
		c->provider->conn_free(c);
}

enum tls_result tls_handshake(struct tls_conn *c)
{
	return c->provider->handshake(c);
}

enum tls_result tls_read(struct tls_conn *c, void *buf, size_t len, size_t *done)
{
	return c->provider->read(c, buf, len, done);
}

enum tls_result tls_write(struct tls_conn *c, const void *buf, size_t len, size_t *done)
{
	return c->provider->write(c, buf, len, done);
}

bool tls_conn_resumed(const struct tls_conn *c)
{
	return c->provider->resumed(c);
}

const char *tls_conn_error(const struct tls_conn *c)
{
	return c->provider->error(c);
}
