/*
 * The console's encryption: XSalsa20-Poly1305 secretboxes (libsodium's crypto_secretbox_easy: a MAC
 * of 16 octets, then the ciphertext) under a shared key, with a nonce for each direction that both
 * sides derive from 24 random octets of each and count up after every message.
 */
#ifndef CONSOLE_CRYPTO_H
#define CONSOLE_CRYPTO_H

#include "console/config.h"

#define CONSOLE_NONCE_LEN 24
#define CONSOLE_MAC_LEN   16

struct console_crypto {
	uint8_t key[CONSOLE_KEY_LEN];
	uint8_t own[CONSOLE_NONCE_LEN]; /* ours, to be sent */
	uint8_t reading[CONSOLE_NONCE_LEN], writing[CONSOLE_NONCE_LEN];
};

/* Draws our nonce. Copies key. */
void console_crypto_init(struct console_crypto *c, const uint8_t key[static CONSOLE_KEY_LEN]);

/* The other side's nonce is known: both directions are ready. */
void console_crypto_peer(struct console_crypto *c, const uint8_t peer[static CONSOLE_NONCE_LEN]);

/* out has room for len + CONSOLE_MAC_LEN octets. Counts the writing nonce up. */
void console_seal(struct console_crypto *c, const uint8_t *in, size_t len, uint8_t *out);

/*
 * out has room for len - CONSOLE_MAC_LEN octets and may be in. 0 and the reading nonce counted up,
 * or -EBADMSG (too short, another key, tampered with).
 */
int console_open(struct console_crypto *c, const uint8_t *in, size_t len, uint8_t *out);

/* Base64 of a key, as setKey takes it; -EINVAL when it is no base64 or not 32 octets. */
int console_key_parse(const char *base64, uint8_t out[static CONSOLE_KEY_LEN], struct err *err);

#define CONSOLE_KEY_TEXT_MAX 48
char *console_key_text(const uint8_t key[static CONSOLE_KEY_LEN],
		       char text[static CONSOLE_KEY_TEXT_MAX]);

/* The line that makeKey() prints: setKey("…") with a new random key, and a newline. */
#define CONSOLE_KEY_LINE_MAX 64
char *console_make_key(char line[static CONSOLE_KEY_LINE_MAX]);

#endif
