/* The console's secretboxes: both sides agree, and anything else is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "console/crypto.h"
#include "core/rand.h"

static void pair(struct console_crypto *a, struct console_crypto *b)
{
	uint8_t key[CONSOLE_KEY_LEN];

	rand_bytes(key, sizeof(key));
	console_crypto_init(a, key);
	console_crypto_init(b, key);
	console_crypto_peer(a, b->own);
	console_crypto_peer(b, a->own);
}

static void each_side_reads_what_the_other_writes(void **state)
{
	struct console_crypto client, server;
	uint8_t sealed[64], open[64];

	pair(&client, &server);
	/* the nonces of the documented derivation */
	assert_memory_equal(client.writing, server.own, 12);
	assert_memory_equal(client.writing + 12, client.own + 12, 12);
	for (int i = 0; i < 3; i++) {
		console_seal(&client, (const uint8_t *)"showServers()", 13, sealed);
		assert_int_equal(console_open(&server, sealed, 13 + CONSOLE_MAC_LEN, open), 0);
		assert_memory_equal(open, "showServers()", 13);
		console_seal(&server, (const uint8_t *)"", 0, sealed);
		assert_int_equal(console_open(&client, sealed, CONSOLE_MAC_LEN, open), 0);
	}
}

static void the_nonce_counts_in_its_first_four_octets_and_wraps(void **state)
{
	struct console_crypto a, b;
	uint8_t sealed[32];

	pair(&a, &b);
	memset(a.writing, 0xff, 4);
	console_seal(&a, (const uint8_t *)"x", 1, sealed);
	assert_memory_equal(a.writing, "\0\0\0\0", 4);
	a.writing[3] = 0xff;
	console_seal(&a, (const uint8_t *)"x", 1, sealed);
	assert_memory_equal(a.writing, "\0\0\1\0", 4);
}

static void what_is_forged_short_or_repeated_is_refused(void **state)
{
	struct console_crypto a, b;
	uint8_t sealed[32], open[32];

	pair(&a, &b);
	console_seal(&a, (const uint8_t *)"ls", 2, sealed);
	assert_int_equal(console_open(&b, sealed, CONSOLE_MAC_LEN - 1, open), -EBADMSG);
	sealed[CONSOLE_MAC_LEN] ^= 1;
	assert_int_equal(console_open(&b, sealed, 2 + CONSOLE_MAC_LEN, open), -EBADMSG);
	sealed[CONSOLE_MAC_LEN] ^= 1;
	assert_int_equal(console_open(&b, sealed, 2 + CONSOLE_MAC_LEN, open), 0);
	assert_int_equal(console_open(&b, sealed, 2 + CONSOLE_MAC_LEN, open), -EBADMSG);
}

static const struct {
	const char *label, *base64;
	const char *text; /* NULL: accepted */
} keys[] = {
	{"a key", "WkEYbm3r8Dx3RgR8mVV6mYWBpSsRvd8ysN0NZzGZrQY=", NULL},
	{"empty", "", "0 octets"},
	{"short", "QUJD", "3 octets"},
	{"too long", "WkEYbm3r8Dx3RgR8mVV6mYWBpSsRvd8ysN0NZzGZrQYxMTEx", "base64 of 32 octets"},
	{"no base64", "<READ ARTICLE>", "not base64"},
};

static void a_key_is_read_or_refused(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		uint8_t key[CONSOLE_KEY_LEN];
		char text[CONSOLE_KEY_TEXT_MAX];
		struct err err = {""};
		int rc = console_key_parse(keys[i].base64, key, &err);

		if ((rc == 0) != (keys[i].text == NULL))
			fail_msg("%s: returned %d, '%s'", keys[i].label, rc, err.text);
		if (keys[i].text && strstr(err.text, keys[i].text) == NULL)
			fail_msg("%s: '%s' lacks '%s'", keys[i].label, err.text, keys[i].text);
		if (rc == 0)
			assert_string_equal(console_key_text(key, text), keys[i].base64);
	}
}

static void a_made_key_is_a_line_of_configuration(void **state)
{
	char line[CONSOLE_KEY_LINE_MAX], base64[64];
	uint8_t key[CONSOLE_KEY_LEN];
	struct err err = {""};

	console_make_key(line);
	assert_int_equal(sscanf(line, "setKey(\"%63[^\"]\")", base64), 1);
	assert_int_equal(line[strlen(line) - 1], '\n');
	assert_int_equal(console_key_parse(base64, key, &err), 0);
}

static int setup(void **state)
{
	return rand_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_side_reads_what_the_other_writes),
		cmocka_unit_test(the_nonce_counts_in_its_first_four_octets_and_wraps),
		cmocka_unit_test(what_is_forged_short_or_repeated_is_refused),
		cmocka_unit_test(a_key_is_read_or_refused),
		cmocka_unit_test(a_made_key_is_a_line_of_configuration),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
