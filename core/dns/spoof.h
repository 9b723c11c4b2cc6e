/*
 * Answers that rules make up. Each turns a query with a question into a whole answer, in place (out
 * == query) or into another buffer, with as many records as fit in cap, owned by the question's
 * name and of its class. The length; 0 with nothing written when there is no question, no value
 * that fits it, or not one record fits in cap.
 */
#ifndef CORE_DNS_SPOOF_H
#define CORE_DNS_SPOOF_H

#include "core/dns/answer.h"

struct spoof {
	struct answer_form form;
	uint32_t ttl_s;
	uint32_t (*below)(uint32_t n); /* draws 0 … n-1, as rand_below; NULL: the order given */
};

/* An address of 4 or 16 octets, or the data of a record. Lent, and not inside out or query. */
struct spoof_value {
	const uint8_t *data;
	uint16_t len;
};

/* Addresses of the family that the question asks for, of both when it asks for ANY, in random
 * order. */
size_t msg_spoof_addrs(uint8_t *out, size_t cap, const uint8_t *query, const struct question *q,
		       const struct spoof *how, const struct spoof_value *addrs, size_t n);

/*
 * Data as it is, in records of the question's type, in random order. Where that is ANY,
 * type_for_any is the records' type; 0: ANY itself.
 */
size_t msg_spoof_raw(uint8_t *out, size_t cap, const uint8_t *query, const struct question *q,
		     const struct spoof *how, uint16_t type_for_any,
		     const struct spoof_value *values, size_t n);

/* A CNAME for a question of any type; the target is uncompressed. */
size_t msg_spoof_cname(uint8_t *out, size_t cap, const uint8_t *query, const struct question *q,
		       const struct spoof *how, const uint8_t *target, size_t target_len);

/*
 * SVCB or HTTPS records from data as svc_rdata writes it, for a question of one of these types.
 * Their address hints follow in the additional section as far as they fit, each once: the owner is
 * the target, or the question's name where the target is the root (RFC 9460 2.5.2, 4.1).
 */
size_t msg_spoof_svc(uint8_t *out, size_t cap, const uint8_t *query, const struct question *q,
		     const struct spoof *how, const struct spoof_value *rdatas, size_t n);

#define SOA_RDATA_MAX (2 * DNS_NAME_MAX + 20)

struct soa_times {
	uint32_t serial, refresh_s, retry_s, expire_s, minimum_s;
};

/* The data of an SOA record (RFC 1035 3.3.13); names are uncompressed. Its length. */
size_t soa_rdata(uint8_t out[static SOA_RDATA_MAX], const uint8_t *mname, size_t mname_len,
		 const uint8_t *rname, size_t rname_len, const struct soa_times *times);

/*
 * A negative answer: rcode NXDOMAIN, or NOERROR for a name without such data, with this SOA record
 * (its owner is the zone) in the given section. A question is needed, and all of it must fit.
 */
size_t msg_spoof_negative(uint8_t *out, size_t cap, const uint8_t *query, const struct question *q,
			  const struct answer_form *form, unsigned rcode, enum section section,
			  const struct answer_record *soa);

#endif
