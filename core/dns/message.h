/* Whole messages: where their parts are, and the edits that a proxy makes. No sockets, no clock. */
#ifndef CORE_DNS_MESSAGE_H
#define CORE_DNS_MESSAGE_H

#include "core/dns/name.h"

struct question {
	uint16_t name_len; /* octets on the wire, 1 … DNS_NAME_MAX */
	uint16_t qtype, qclass;
	uint16_t end; /* offset of the octet after the question; the name begins at DNS_HEADER_LEN */
};

/*
 * Finds the first question of a message with QDCOUNT > 0. The name may not be compressed. 0, or
 * -EBADMSG when the message ends inside it or the name is malformed.
 */
int msg_question(const uint8_t *msg, size_t len, struct question *q);

/* The same where there may be none: QDCOUNT 0 gives 0 with all of q zero, as what edits messages takes it. */
int msg_first_question(const uint8_t *msg, size_t len, struct question *q);

/* Octets of an OPT record without options: owner (the root), type, class, TTL, length (RFC 6891 6.1.2). */
#define OPT_FIXED 11

/* Where the OPT record of a message is (RFC 6891 6.1.1). */
struct opt {
	uint16_t at;       /* offset of its owner name (one zero octet); 0: there is none */
	uint16_t len;      /* octets of the whole record */
	uint16_t payload;  /* requestor's UDP payload size; at least 512 is for the caller to see to */
	uint8_t ext_rcode, version;
	bool dnssec_ok;
	bool is_last;      /* nothing follows it in the message */
};

/*
 * Finds the OPT record in the additional section. The common query (one question, no other record but
 * OPT) is found without a walk. 0 with opt->at == 0 when there is none, -EBADMSG when a record is cut
 * short or there are two.
 */
int msg_opt(const uint8_t *msg, size_t len, const struct question *q, struct opt *opt);

/* Offset of the octet after the last record: what is beyond is no part of the message. 0: malformed. */
size_t msg_end(const uint8_t *msg, size_t len, const struct question *q);

/* Options of an OPT record (RFC 6891 6.1.2): the first with this code; data lent, NULL when there is none. */
const uint8_t *opt_find(const uint8_t *msg, const struct opt *opt, uint16_t code, uint16_t *data_len);

#define EDNS_ECS 8
#define EDNS_COOKIE 10
#define EDNS_PADDING 12

/* What a cache must know of an answer before it keeps it. */
struct answer_info {
	struct question question;
	uint32_t min_ttl_s;    /* smallest TTL of all records but OPT; UINT32_MAX: there is none */
	uint16_t n_ttls;       /* TTL fields, OPT left out */
	uint16_t records;      /* of all three sections, OPT left out */
	bool soa_in_authority;
	struct opt opt;
};

/*
 * Walks a whole answer. Writes the offsets of the TTL fields (OPT left out) to ttl_at, at most
 * max_ttls of them. 0; -EBADMSG when it is malformed; -E2BIG when it has more TTLs than max_ttls.
 */
int msg_answer_info(const uint8_t *msg, size_t len, struct answer_info *info, uint16_t *ttl_at, unsigned max_ttls);

/* Whether the answer's first question is this one: name without case, type, class. Answer's QDCOUNT must be 1. */
bool msg_question_equal(const uint8_t *answer, size_t len, const uint8_t *query, const struct question *q);

/*
 * Cuts an answer to header, question, and an OPT of its own when opt is not NULL and had one
 * (payload size and DO kept, options gone), and sets TC. In place; returns the new length.
 */
size_t msg_truncate(uint8_t *msg, size_t len, const struct question *q, const struct opt *opt);

/* What was done to a query to carry a client subnet, so that the answer can be mended. */
enum ecs_added {
	ECS_NONE,        /* nothing was changed, or only replaced: the answer goes as it is */
	ECS_ADDED_OPTION, /* the OPT was the client's: take only the option out of the answer */
	ECS_ADDED_OPT,   /* there was none: take the whole OPT out of the answer */
};

/*
 * Puts an EDNS client subnet option (RFC 7871 6) into a query: addr (4 or 16 octets) cut to prefix bits.
 * An option that is there stays unless override is set, and a signed query (TSIG, SIG(0)) is left as it
 * is. Trailing octets go. Returns the new length, 0 when it does not fit in cap or the query is
 * malformed; *added says what was done; q stays valid.
 */
size_t msg_add_ecs(uint8_t *msg, size_t len, size_t cap, const struct question *q, const uint8_t *addr,
                   size_t addr_len, unsigned prefix, bool override, enum ecs_added *added);

/* Undoes that in an answer, in place; returns the new length (the old one when there is nothing to undo). */
size_t msg_remove_ecs(uint8_t *msg, size_t len, enum ecs_added added);

/* The client subnet option of a message. */
struct ecs {
	bool present;
	uint8_t family; /* 1 IPv4, 2 IPv6 */
	uint8_t source_bits, scope_bits;
	uint8_t addr[16];
};
int msg_ecs(const uint8_t *msg, const struct opt *opt, struct ecs *out); /* 0 or -EBADMSG */

/* An A, AAAA … query with RD set, as a health check sends it; returns its length (it always fits in 512). */
size_t msg_make_query(uint8_t *out, uint16_t id, uint16_t flags, const uint8_t *name, size_t name_len,
                      uint16_t qtype, uint16_t qclass);

#endif
