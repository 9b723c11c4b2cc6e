/* See svcb.h. */
#include "core/dns/svcb.h"

#include <stdio.h>
#include <stdlib.h>

/* By key. */
static const char *const names[] = {
	"mandatory", "alpn",     "no-default-alpn", "port",  "ipv4hint",
	"ech",       "ipv6hint", "dohpath",         "ohttp", "tls-supported-groups",
};

int svc_key_parse(const char *text, uint16_t *key)
{
	unsigned long v;
	char *end;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			*key = (uint16_t)i;
			return 0;
		}
	}
	if (strncmp(text, "key", 3) != 0 || text[3] < '0' || text[3] > '9')
		return -EINVAL;
	v = strtoul(text + 3, &end, 10);
	if (*end != '\0' || v >= SVC_KEY_INVALID)
		return -EINVAL;
	*key = (uint16_t)v;
	return 0;
}

const char *svc_key_text(uint16_t key, char text[static 16])
{
	if (key < ARRAY_LEN(names))
		return names[key];
	snprintf(text, 16, "key%u", key);
	return text;
}

static bool has_key(const struct svc_params *p, uint16_t key)
{
	switch (key) {
	case SVC_MANDATORY:
		return p->n_mandatory > 0;
	case SVC_ALPN:
		return p->n_alpn > 0;
	case SVC_NO_DEFAULT_ALPN:
		return p->no_default_alpn;
	case SVC_PORT:
		return p->has_port;
	case SVC_IPV4HINT:
		return p->n_ipv4_hints > 0;
	case SVC_ECH:
		return p->ech.len > 0;
	case SVC_IPV6HINT:
		return p->n_ipv6_hints > 0;
	}
	for (size_t i = 0; i < p->n_others; i++)
		if (p->others[i].key == key)
			return true;
	return false;
}

static bool has_params(const struct svc_params *p)
{
	for (uint16_t key = SVC_MANDATORY; key <= SVC_IPV6HINT; key++)
		if (has_key(p, key))
			return true;
	return p->n_others > 0;
}

static int check_mandatory(const struct svc_params *p, struct err *err)
{
	char text[16];

	for (size_t i = 0; i < p->n_mandatory; i++) {
		uint16_t key = p->mandatory[i];

		if (key == SVC_MANDATORY)
			return err_set(err, "mandatory: it is never in its own list");
		if (!has_key(p, key))
			return err_set(err, "mandatory: '%s' is not among the parameters",
				       svc_key_text(key, text));
		for (size_t j = 0; j < i; j++)
			if (p->mandatory[j] == key)
				return err_set(err, "mandatory: '%s' is there twice",
					       svc_key_text(key, text));
	}
	return 0;
}

static int check_alpn(const struct svc_params *p, struct err *err)
{
	if (p->no_default_alpn && p->n_alpn == 0)
		return err_set(err, "no-default-alpn: needs a list of protocols in alpn");
	for (size_t i = 0; i < p->n_alpn; i++)
		if (p->alpn[i].len == 0 || p->alpn[i].len > UINT8_MAX)
			return err_set(err, "alpn: a protocol's name has 1 to 255 octets, not %zu",
				       p->alpn[i].len);
	return 0;
}

static int check_others(const struct svc_params *p, struct err *err)
{
	for (size_t i = 0; i < p->n_others; i++) {
		uint16_t key = p->others[i].key;

		if (key <= SVC_IPV6HINT)
			return err_set(err, "key%u: is '%s', and set by that name", key,
				       names[key]);
		if (key == SVC_KEY_INVALID)
			return err_set(err, "key%u: is reserved, the last one is key%u", key,
				       key - 1u);
		for (size_t j = 0; j < i; j++)
			if (p->others[j].key == key)
				return err_set(err, "key%u: is there twice", key);
	}
	return 0;
}

static int check(const struct svc_params *p, struct err *err)
{
	if (p->priority == 0 && has_params(p))
		return err_set(err, "priority 0 makes an alias, which has no parameters");
	if (check_mandatory(p, err) < 0 || check_alpn(p, err) < 0 || check_others(p, err) < 0)
		return -EINVAL;
	return 0;
}

/* Key and length of a value; one that is too long makes all too long. */
static void write_head(struct wire_wr *w, uint16_t key, size_t len)
{
	wr_u16(w, key);
	wr_u16(w, (uint16_t)len);
	w->full |= len > UINT16_MAX;
}

static void write_value(struct wire_wr *w, uint16_t key, const void *data, size_t len)
{
	write_head(w, key, len);
	if (len > 0)
		wr_bytes(w, data, len);
}

/* Keys in ascending order, whatever the order of the list (RFC 9460 8). */
static void write_mandatory(struct wire_wr *w, const struct svc_params *p)
{
	unsigned from = 0;

	write_head(w, SVC_MANDATORY, 2 * p->n_mandatory);
	for (size_t n = 0; n < p->n_mandatory; n++) {
		uint16_t least = UINT16_MAX;

		for (size_t i = 0; i < p->n_mandatory; i++)
			if (p->mandatory[i] >= from && p->mandatory[i] < least)
				least = p->mandatory[i];
		wr_u16(w, least);
		from = least + 1u;
	}
}

static void write_alpn(struct wire_wr *w, const struct svc_params *p)
{
	size_t len = 0;

	for (size_t i = 0; i < p->n_alpn; i++)
		len += 1 + p->alpn[i].len;
	write_head(w, SVC_ALPN, len);
	for (size_t i = 0; i < p->n_alpn; i++) {
		uint8_t n = (uint8_t)p->alpn[i].len;

		wr_bytes(w, &n, 1);
		wr_bytes(w, p->alpn[i].data, n);
	}
}

static void write_others(struct wire_wr *w, const struct svc_params *p)
{
	unsigned from = 0;

	for (size_t n = 0; n < p->n_others; n++) {
		const struct svc_param *least = NULL;

		for (size_t i = 0; i < p->n_others; i++)
			if (p->others[i].key >= from &&
			    (least == NULL || p->others[i].key < least->key))
				least = &p->others[i];
		write_value(w, least->key, least->value.data, least->value.len);
		from = least->key + 1u;
	}
}

int svc_rdata(const struct svc_params *p, uint8_t *out, size_t cap, struct err *err)
{
	struct wire_wr w = {.pos = out, .end = out + cap};

	if (check(p, err) < 0)
		return -EINVAL;
	wr_u16(&w, p->priority);
	wr_bytes(&w, p->target, p->target_len);
	if (p->n_mandatory > 0)
		write_mandatory(&w, p);
	if (p->n_alpn > 0)
		write_alpn(&w, p);
	if (p->no_default_alpn)
		write_head(&w, SVC_NO_DEFAULT_ALPN, 0);
	if (p->has_port) {
		write_head(&w, SVC_PORT, 2);
		wr_u16(&w, p->port);
	}
	if (p->n_ipv4_hints > 0)
		write_value(&w, SVC_IPV4HINT, p->ipv4_hints, 4 * p->n_ipv4_hints);
	if (p->ech.len > 0)
		write_value(&w, SVC_ECH, p->ech.data, p->ech.len);
	if (p->n_ipv6_hints > 0)
		write_value(&w, SVC_IPV6HINT, p->ipv6_hints, 16 * p->n_ipv6_hints);
	write_others(&w, p);
	if (w.full)
		return err_set(err, "all parameters together are longer than %zu octets", cap);
	return (int)(w.pos - out);
}
