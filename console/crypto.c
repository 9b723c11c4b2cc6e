#include "console/crypto.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "core/rand.h"

static_assert(CONSOLE_NONCE_LEN == crypto_secretbox_NONCEBYTES, "nonce of the secretbox");
static_assert(CONSOLE_MAC_LEN == crypto_secretbox_MACBYTES, "MAC of the secretbox");
static_assert(CONSOLE_KEY_LEN == crypto_secretbox_KEYBYTES, "key of the secretbox");

#define HALF (CONSOLE_NONCE_LEN / 2)

static void merge(uint8_t out[static CONSOLE_NONCE_LEN], const uint8_t *first,
		  const uint8_t *second)
{
	memcpy(out, first, HALF);
	memcpy(out + HALF, second + HALF, HALF);
}

/* The first four octets are a big-endian counter that wraps. */
static void count_up(uint8_t nonce[static CONSOLE_NONCE_LEN])
{
	for (int i = 3; i >= 0 && ++nonce[i] == 0; i--)
		;
}

void console_crypto_init(struct console_crypto *c, const uint8_t key[static CONSOLE_KEY_LEN])
{
	memset(c, 0, sizeof(*c));
	memcpy(c->key, key, CONSOLE_KEY_LEN);
	rand_bytes(c->own, sizeof(c->own));
}

void console_crypto_peer(struct console_crypto *c, const uint8_t peer[static CONSOLE_NONCE_LEN])
{
	merge(c->reading, c->own, peer);
	merge(c->writing, peer, c->own);
}

void console_seal(struct console_crypto *c, const uint8_t *in, size_t len, uint8_t *out)
{
	crypto_secretbox_easy(out, in, len, c->writing, c->key);
	count_up(c->writing);
}

int console_open(struct console_crypto *c, const uint8_t *in, size_t len, uint8_t *out)
{
	if (len < CONSOLE_MAC_LEN ||
	    crypto_secretbox_open_easy(out, in, len, c->reading, c->key) != 0)
		return -EBADMSG;
	count_up(c->reading);
	return 0;
}

int console_key_parse(const char *base64, uint8_t out[static CONSOLE_KEY_LEN], struct err *err)
{
	uint8_t key[CONSOLE_KEY_LEN + 1];
	const char *end = NULL;
	size_t len = 0;

	if (sodium_base642bin(key, sizeof(key), base64, strlen(base64), " \n", &len, &end,
			      sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    (end && *end != '\0'))
		return err_set(
			err,
			"the console key is not base64 of %d octets; makeKey() prints a good one",
			CONSOLE_KEY_LEN);
	if (len != CONSOLE_KEY_LEN)
		return err_set(
			err,
			"the console key has %zu octets where %d are needed; makeKey() prints a good one",
			len, CONSOLE_KEY_LEN);
	memcpy(out, key, CONSOLE_KEY_LEN);
	sodium_memzero(key, sizeof(key));
	return 0;
}

char *console_key_text(const uint8_t key[static CONSOLE_KEY_LEN],
		       char text[static CONSOLE_KEY_TEXT_MAX])
{
	return sodium_bin2base64(text, CONSOLE_KEY_TEXT_MAX, key, CONSOLE_KEY_LEN,
				 sodium_base64_VARIANT_ORIGINAL);
}

char *console_make_key(char line[static CONSOLE_KEY_LINE_MAX])
{
	uint8_t key[CONSOLE_KEY_LEN];
	char text[CONSOLE_KEY_TEXT_MAX];

	rand_bytes(key, sizeof(key));
	snprintf(line, CONSOLE_KEY_LINE_MAX, "setKey(\"%s\")\n", console_key_text(key, text));
	sodium_memzero(key, sizeof(key));
	return line;
}
