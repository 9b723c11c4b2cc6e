/* What core/tls/tls.c asks of a library. Only files in core/tls/ include this. */
#ifndef CORE_TLS_PROVIDER_H
#define CORE_TLS_PROVIDER_H

#include "core/tls/tls.h"

/* Each function as tls.h describes the one of its name. */
struct tls_provider {
	int (*init)(void);
	void (*fini)(void);
	void (*thread_fini)(void);
	struct tls_client *(*client_new)(const struct tls_client_options *o, struct err *err);
	void (*client_free)(struct tls_client *c);
	struct tls_conn *(*conn_new)(struct tls_client *c, int fd, struct tls_session_store *store,
	                             uint64_t now_s);
	void (*conn_free)(struct tls_conn *c);
	enum tls_result (*handshake)(struct tls_conn *c);
	enum tls_result (*read)(struct tls_conn *c, void *buf, size_t len, size_t *done);
	enum tls_result (*write)(struct tls_conn *c, const void *buf, size_t len, size_t *done);
	bool (*resumed)(const struct tls_conn *c);
	const char *(*error)(const struct tls_conn *c);
};

/* First members of a provider's own structs. */
struct tls_client {
	const struct tls_provider *provider;
};

struct tls_conn {
	const struct tls_provider *provider;
};

extern const struct tls_provider tls_wolfssl;

/* Keeps a session until now_s + validity. Takes it: release is called on it sooner or later. */
void tls_sessions_put(struct tls_session_store *s, void *session, void (*release)(void *session),
                      uint64_t now_s);

/* Gives the newest that is still valid, or NULL. */
void *tls_sessions_take(struct tls_session_store *s, uint64_t now_s);

unsigned tls_sessions_len(const struct tls_session_store *s);

/*
 * Translates lists of names as OpenSSL has them into one list of a provider's names, TLS 1.3 first.
 * have is the provider's own list with ':' between. tls12 and tls13 may be NULL: the default. What the
 * provider lacks or is too weak is left out with a warning. 0, or -EINVAL with err set.
 */
int tls_cipher_list(const char *tls12, const char *tls13, const char *have, char *out, size_t size,
                    struct err *err);

/* Numbers of the IANA registry of TLS supported groups. */
#define TLS_GROUPS_MAX 8

/* "X25519:P-256" (NULL: the default) to numbers. How many, or -EINVAL with err naming the unknown. */
int tls_group_list(const char *names, int out[static TLS_GROUPS_MAX], struct err *err);

#endif
