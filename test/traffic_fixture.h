/* Queries as rings note them. */
#ifndef TEST_TRAFFIC_FIXTURE_H
#define TEST_TRAFFIC_FIXTURE_H

#include <stdlib.h>
#include <string.h>

#include "rules/traffic.h"

/* What an entry is made from. Left out: www.example. A, over UDP, from 192.0.2.1:1053, 40 octets,
 * RD. */
struct sample {
	const char *name, *client, *server;
	uint64_t when_us;
	uint32_t latency_us;
	uint16_t id, flags, size, qtype, answers;
	enum proto proto;
};

struct sampled {
	struct query q;
	struct addr server;
	uint8_t packet[DNS_HEADER_LEN + DNS_NAME_MAX + 8];
};

static inline struct addr sample_addr(const char *text)
{
	struct addr a;

	if (addr_parse(text, 53, &a, NULL) < 0)
		abort();
	return a;
}

static inline void sampled_make(struct sampled *s, const struct sample *from)
{
	int len;

	memset(s, 0, sizeof(*s));
	s->q.packet = s->packet;
	s->q.client = sample_addr(from->client != NULL ? from->client : "192.0.2.1:1053");
	s->q.client_proto = (uint8_t)from->proto;
	s->q.id = from->id;
	s->q.flags = from->flags != 0 ? from->flags : DNS_RD;
	s->q.len = from->size != 0 ? from->size : 40;
	s->q.question.qtype = from->qtype != 0 ? from->qtype : 1;
	len = name_parse(from->name != NULL ? from->name : "www.example.",
			 s->packet + DNS_HEADER_LEN, NULL);
	if (len < 0)
		abort();
	s->q.question.name_len = (uint16_t)len;
	if (from->server != NULL)
		s->server = sample_addr(from->server);
}

static inline void note_query(struct traffic_ring *r, const struct sample *from)
{
	struct sampled s;

	sampled_make(&s, from);
	traffic_note_query(r, &s.q, from->when_us);
}

static inline void note_answer(struct traffic_ring *r, const struct sample *from)
{
	struct sampled s;
	uint8_t header[DNS_HEADER_LEN] = {0};
	const struct addr *server = from->server != NULL ? &s.server : NULL;

	sampled_make(&s, from);
	if (from->latency_us == TRAFFIC_TIMEOUT) {
		traffic_note_timeout(r, &s.q, server, from->when_us);
		return;
	}
	msg_set_flags(header, s.q.flags | DNS_QR);
	put_u16(header + 6, from->answers);
	s.q.answer = header;
	s.q.answer_len = from->size;
	traffic_note_answer(r, &s.q, server, from->latency_us, from->when_us);
}

#endif
