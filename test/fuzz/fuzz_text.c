/* Texts of configurations and consoles: what is read and written again reads the same. */
#include <stdlib.h>
#include <string.h>

#include "console/crypto.h"
#include "core/dns/name.h"
#include "core/netmask.h"
#include "core/rand.h"

#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_addr(const char *text)
{
	char again[ADDR_TEXT_MAX];
	struct err err = {""};
	struct addr a, b;

	if (addr_parse(text, 53, &a, &err) < 0) {
		CHECK(err.text[0] != '\0');
		return;
	}
	CHECK(addr_parse(addr_text_port(&a, again), 0, &b, NULL) == 0);
	CHECK(addr_equal(&a, &b));
}

static void check_netmask(const char *text)
{
	char again[NETMASK_TEXT_MAX];
	struct err err = {""};
	struct netmask a, b;

	if (netmask_parse(text, &a, &err) < 0) {
		CHECK(err.text[0] != '\0');
		return;
	}
	CHECK(netmask_has(&a, &a.base));
	CHECK(netmask_parse(netmask_text(&a, again), &b, NULL) == 0);
	CHECK(netmask_equal(&a, &b));
}

static void check_name(const char *text)
{
	uint8_t a[DNS_NAME_MAX], b[DNS_NAME_MAX];
	char again[DNS_NAME_TEXT_MAX];
	struct err err = {""};
	int len = name_parse(text, a, &err);

	if (len < 0) {
		CHECK(err.text[0] != '\0');
		return;
	}
	CHECK(name_parse(name_text(a, (size_t)len, again), b, NULL) == len);
	CHECK(memcmp(a, b, (size_t)len) == 0);
}

static void check_others(const char *text)
{
	char again[UUID_TEXT_MAX], key_text[CONSOLE_KEY_TEXT_MAX];
	uint8_t key[CONSOLE_KEY_LEN], key2[CONSOLE_KEY_LEN];
	struct err err = {""};
	struct uuid a, b;

	if (uuid_parse(text, &a) == 0)
		CHECK(uuid_parse(uuid_text(&a, again), &b) == 0 && memcmp(&a, &b, sizeof(a)) == 0);
	if (console_key_parse(text, key, &err) == 0)
		CHECK(console_key_parse(console_key_text(key, key_text), key2, &err) == 0 &&
		      memcmp(key, key2, sizeof(key)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1);

	memcpy(text, data, len);
	text[len] = '\0';
	check_addr(text);
	check_netmask(text);
	check_name(text);
	check_others(text);
	free(text);
	return 0;
}
