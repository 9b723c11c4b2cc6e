/*
 * Health checks of one server: who drives the state machine (workers/probe.c), who carries a question
 * to the server and back (workers/probe_exchange.c), and who asks Lua (workers/probe_hooks.c).
 */
#ifndef WORKERS_PROBE_H
#define WORKERS_PROBE_H

#include "workers/stream.h"
#include "workers/workers.h"

/* A query and, over a stream, two octets in front of it. */
#define PROBE_QUERY_MAX (DNS_HEADER_LEN + DNS_NAME_MAX + 4)

enum probe_state {
	PROBE_IDLE,
	PROBE_ASKING,     /* the control thread for the question */
	PROBE_EXCHANGING, /* with the server */
	PROBE_VALIDATING, /* the control thread looks at the answer */
};

struct probe {
	struct upstream *up;
	enum probe_state state;
	unsigned run;          /* which check this is: late mails are not for the next one */
	struct timer tick;     /* once a second */
	struct timer timeout;
	uint64_t started_us;
	struct check_question asked;
	uint8_t query[PROBE_QUERY_MAX];
	size_t query_len;
	struct question question;
	struct source udp;     /* fd -1: not in use */
	struct stream stream;  /* fd -1: not in use */
};

/* Why a check failed. */
enum probe_failure {
	PROBE_GOOD,
	PROBE_TIMEOUT,
	PROBE_NETWORK,
	PROBE_MISMATCH, /* another ID or question */
	PROBE_PARSING,  /* not a DNS message */
	PROBE_INVALID,  /* not an answer, or a bad one */
	PROBE_UNSENT,   /* out of descriptors or memory here: nothing is known of the server */
};

/* Sends p->asked to the server; ends with one call of one of the next two, perhaps before it returns. */
void probe_exchange(struct worker *w, struct probe *p);

/* An acceptable answer, lent; its name, type and class are the question's. */
void probe_answered(struct worker *w, struct probe *p, const uint8_t *answer, size_t len);

/* The end of a check: text says more than why, or is NULL. */
void probe_ended(struct worker *w, struct probe *p, enum probe_failure why, const char *text);

/* Closes what an exchange has open; harmless when there is none. */
void probe_exchange_stop(struct worker *w, struct probe *p);

/* Whether an answer is one to the probe, and a good one by section 10 of the rules: rcode and question. */
enum probe_failure probe_judge(const struct probe *p, const struct server_fixed *fixed,
                               const uint8_t *answer, size_t len);

/* Ask the control thread; probe_exchange or probe_ended follow. */
void probe_ask_function(struct worker *w, struct probe *p);
void probe_ask_validator(struct worker *w, struct probe *p, const uint8_t *answer, size_t len);

/* Tells the control thread of a change. */
void probe_tell_change(struct server *s, bool up, bool first);

#endif
