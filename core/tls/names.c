/*
 * Names of ciphers and groups: users write OpenSSL's, a provider wants its own. Text in, text out.
 * https://www.iana.org/assignments/tls-parameters has the numbers.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/log.h"
#include "core/tls/provider.h"

#define NAME_MAX_LEN 64

static const struct {
	const char *openssl, *wolfssl;
} tls13_names[] = {
	{"TLS_AES_128_GCM_SHA256", "TLS13-AES128-GCM-SHA256"},
	{"TLS_AES_256_GCM_SHA384", "TLS13-AES256-GCM-SHA384"},
	{"TLS_CHACHA20_POLY1305_SHA256", "TLS13-CHACHA20-POLY1305-SHA256"},
	{"TLS_AES_128_CCM_SHA256", "TLS13-AES128-CCM-SHA256"},
	{"TLS_AES_128_CCM_8_SHA256", "TLS13-AES128-CCM-8-SHA256"},
};

/*
 * ChaCha20 first: DNS records are small, and where the provider has no assembly for AES it is twice
 * as fast. Nothing without forward secrecy and an authenticated cipher.
 */
static const char default_tls13[] = "TLS13-CHACHA20-POLY1305-SHA256:TLS13-AES128-GCM-SHA256:"
				    "TLS13-AES256-GCM-SHA384";
static const char default_tls12[] =
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256:"
	"ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";

/* Words of OpenSSL's list language that stand for a set which our default already is. */
static const char *const default_words[] = {"DEFAULT", "HIGH", "ALL", "SECURE"};

/* Parts of names that no list gets, however it was asked for: broken, anonymous or without
 * encryption. */
static const char *const weak_parts[] = {"NULL", "RC4", "DES", "PSK", "ADH", "WDM", "-OLD", "MD5"};

/* Visits the words between ':', ',' and spaces; 0, or what visit returned when it is not 0. */
static int each_word(const char *list, int (*visit)(void *ctx, const char *word), void *ctx)
{
	while (*list != '\0') {
		char word[NAME_MAX_LEN];
		size_t len = strcspn(list, ":, ");
		int rc;

		if (len > 0) {
			snprintf(word, sizeof(word), "%.*s", (int)len, list);
			rc = visit(ctx, word);
			if (rc != 0)
				return rc;
		}
		list += len;
		list += strspn(list, ":, ");
	}
	return 0;
}

/* Whether list, with ':' between, has this word; *at is where it begins. */
static bool list_has(const char *list, const char *word, size_t *at)
{
	size_t len = strlen(word);

	for (const char *p = list; (p = strcasestr(p, word)) != NULL; p += len) {
		if ((p == list || p[-1] == ':') && (p[len] == ':' || p[len] == '\0')) {
			*at = (size_t)(p - list);
			return true;
		}
	}
	return false;
}

static bool is_weak(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(weak_parts); i++) {
		if (strcasestr(name, weak_parts[i]) != NULL)
			return true;
	}
	return false;
}

struct cipher_build {
	const char *have;
	char *out;
	size_t size;
};

static void append(struct cipher_build *b, const char *name)
{
	size_t at, len = strlen(b->out);

	if (!list_has(b->out, name, &at))
		snprintf(b->out + len, b->size - len, "%s%s", len > 0 ? ":" : "", name);
}

static void take_out(struct cipher_build *b, const char *name)
{
	size_t at, len = strlen(name);

	if (!list_has(b->out, name, &at))
		return;
	if (b->out[at + len] == ':')
		memmove(b->out + at, b->out + at + len + 1, strlen(b->out + at + len + 1) + 1);
	else
		b->out[at > 0 ? at - 1 : 0] = '\0';
}

static int append_visit(void *ctx, const char *word)
{
	append(ctx, word);
	return 0;
}

static const char *provider_name(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(tls13_names); i++) {
		if (strcasecmp(word, tls13_names[i].openssl) == 0)
			return tls13_names[i].wolfssl;
	}
	return word;
}

static int cipher_visit(void *ctx, const char *word)
{
	struct cipher_build *b = ctx;
	size_t at;

	for (size_t i = 0; i < ARRAY_LEN(default_words); i++) {
		if (strcasecmp(word, default_words[i]) == 0)
			return each_word(default_tls12, append_visit, b);
	}
	/* Excluding a set ("!aNULL") asks for nothing: none of those is ever in. */
	if (word[0] == '!' || word[0] == '-') {
		take_out(b, provider_name(word + 1));
		return 0;
	}
	word = provider_name(word);
	if (!list_has(b->have, word, &at) || is_weak(word)) {
		log_warning("tls", "cipher %s is %s, left out", word,
			    is_weak(word) ? "too weak" : "not available");
		return 0;
	}
	append(b, word);
	return 0;
}

int tls_cipher_list(const char *tls12, const char *tls13, const char *have, char *out, size_t size,
		    struct err *err)
{
	struct cipher_build b = {.have = have, .out = out, .size = size};
	bool asked12 = tls12 != NULL && tls12[0] != '\0',
	     asked13 = tls13 != NULL && tls13[0] != '\0';
	size_t before;

	out[0] = '\0';
	each_word(asked13 ? tls13 : default_tls13, asked13 ? cipher_visit : append_visit, &b);
	if (out[0] == '\0')
		return err_set(err, "none of the TLS 1.3 ciphers \"%s\" is available", tls13);
	before = strlen(out);
	each_word(asked12 ? tls12 : default_tls12, asked12 ? cipher_visit : append_visit, &b);
	if (strlen(out) == before)
		return err_set(err, "none of the ciphers \"%s\" is available", tls12);
	if (strlen(out) + 1 >= size)
		return err_set(err, "the list of ciphers is too long");
	return 0;
}

static const struct {
	const char *name;
	int number;
} groups[] = {
	{"X25519", 29}, {"CURVE25519", 29}, {"P-256", 23}, {"secp256r1", 23}, {"prime256v1", 23},
	{"P-384", 24},  {"secp384r1", 24},  {"P-521", 25}, {"secp521r1", 25}, {"X448", 30},
};

/* X25519 first: with this provider a P-256 key share costs two and a half times as much. */
static const char default_groups[] = "X25519:P-256:P-384:P-521";

struct group_build {
	int *out;
	int n;
	struct err *err;
};

static int group_visit(void *ctx, const char *word)
{
	struct group_build *b = ctx;
	const char *names[ARRAY_LEN(groups)], *near;

	for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
		names[i] = groups[i].name;
		if (strcasecmp(word, groups[i].name) != 0)
			continue;
		if (b->n == TLS_GROUPS_MAX)
			return err_set(b->err, "more than %d groups", TLS_GROUPS_MAX);
		b->out[b->n++] = groups[i].number;
		return 0;
	}
	near = err_nearest(word, names, ARRAY_LEN(names));
	return err_set(b->err, "unknown group \"%s\"%s%s", word, near ? ", perhaps " : "",
		       near ? near : ": X25519, X448, P-256, P-384 and P-521 are known");
}

int tls_group_list(const char *names, int out[static TLS_GROUPS_MAX], struct err *err)
{
	struct group_build b = {.out = out, .err = err};
	bool asked = names != NULL && names[0] != '\0';
	int rc = each_word(asked ? names : default_groups, group_visit, &b);

	return rc < 0 ? rc : b.n;
}
