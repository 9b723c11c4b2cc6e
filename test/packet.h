/* Messages for the units of core/dns, put together piece by piece. */
#ifndef TEST_PACKET_H
#define TEST_PACKET_H

#include "core/dns/message.h"

#define BYTES(s) (const uint8_t *)(s), sizeof(s) - 1

/* The first question's name, A, IN, 60 seconds, 192.0.2.1: 16 octets. */
#define A_RECORD "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1"

/* Payload 1232, DO, no options: 11 octets. */
#define OPT_EMPTY "\0\0\x29\4\xd0\0\0\x80\0\0\0"

struct packet {
	uint8_t msg[2048];
	size_t len;
	struct question q;
};

/* A query for name, class IN, with ID 0x1234. */
static inline struct packet packet_begin(const char *name, uint16_t qtype)
{
	struct packet p = {.len = 0};
	uint8_t wire[DNS_NAME_MAX];
	int n = name_parse(name, wire, NULL);

	p.len = msg_make_query(p.msg, 0x1234, 0, wire, (size_t)n, qtype, CLASS_IN);
	msg_question(p.msg, p.len, &p.q);
	return p;
}

/* Appends octets, and adds to the counts of records. */
static inline void packet_add(struct packet *p, unsigned an, unsigned ns, unsigned ar,
			      const uint8_t *data, size_t len)
{
	memcpy(p->msg + p->len, data, len);
	p->len += len;
	put_u16(p->msg + 6, (uint16_t)(msg_ancount(p->msg) + an));
	put_u16(p->msg + 8, (uint16_t)(msg_nscount(p->msg) + ns));
	put_u16(p->msg + 10, (uint16_t)(msg_arcount(p->msg) + ar));
}

#endif
