/* The data of SVCB and HTTPS records, from what an operator says (RFC 9460 2.2, 7). */
#ifndef CORE_DNS_SVCB_H
#define CORE_DNS_SVCB_H

#include "core/dns/name.h"

/* Keys of parameters, RFC 9460 14.3.2. */
enum svc_key {
	SVC_MANDATORY = 0,
	SVC_ALPN = 1,
	SVC_NO_DEFAULT_ALPN = 2,
	SVC_PORT = 3,
	SVC_IPV4HINT = 4,
	SVC_ECH = 5,
	SVC_IPV6HINT = 6,
	SVC_KEY_INVALID = 65535,
};

struct svc_value {
	const uint8_t *data;
	size_t len;
};

/* A parameter that has no field of its own. */
struct svc_param {
	uint16_t key;
	struct svc_value value;
};

/* All lent. Lists come in any order; a list of no length, or an ech of none, is not there. */
struct svc_params {
	uint16_t priority; /* 0: an alias */
	const uint8_t
		*target; /* uncompressed; the root stands for the owner (for none, in an alias) */
	size_t target_len;
	const uint16_t *mandatory;
	size_t n_mandatory;
	const struct svc_value *alpn;
	size_t n_alpn;
	bool no_default_alpn;
	bool has_port;
	uint16_t port;
	const uint8_t (*ipv4_hints)[4];
	size_t n_ipv4_hints;
	struct svc_value ech;
	const uint8_t (*ipv6_hints)[16];
	size_t n_ipv6_hints;
	const struct svc_param *others;
	size_t n_others;
};

/*
 * Writes the data to out, parameters in the order of their keys. Its length, or -EINVAL with err
 * set: an alias has no parameters; mandatory names each parameter once, only those that are there,
 * and not itself; no-default-alpn needs alpn; names of protocols have 1 to 255 octets; others have
 * keys of their own, each once; all fits in cap. Control thread.
 */
int svc_rdata(const struct svc_params *p, uint8_t *out, size_t cap, struct err *err);

/* "port", "key3", "key65534"; 0 or -EINVAL. */
int svc_key_parse(const char *text, uint16_t *key);

/* "port", "key4711"; lent, static or from text. */
const char *svc_key_text(uint16_t key, char text[static 16]);

#endif
