/*
 * What a rule sees while it is evaluated: the query, the message that its chain is about, and the
 * worker that runs it, without the worker's own types. Lives on the worker's stack.
 */
#ifndef RULES_RUN_H
#define RULES_RUN_H

#include "core/dns/suffix.h"
#include "core/query.h"
#include "core/query_extra.h"
#include "core/stats.h"

struct worker;
struct rule_run;
struct tee;
struct log_sink;

/* What an action says of the rest of its chain. */
enum verdict {
	VERDICT_NEXT, /* go on with the next rule */
	VERDICT_STOP, /* the rest of the chain is passed over */
	VERDICT_DROP, /* no answer: the query is to be let go */
};

/* What actions need of the worker that runs them. */
struct rule_services {
	/* Room for a message of any size, which lies still until the worker sends. */
	uint8_t *(*room)(struct worker *w, size_t *cap);

	/* A copy of the query for another server, whose answers are only counted. */
	void (*tee)(struct worker *w, struct tee *tee, const struct rule_run *run);
};

/* What is computed once a query, when the first rule asks; one for each worker. */
struct rule_scratch {
	char text[DNS_NAME_TEXT_MAX]; /* the name as regular expressions see it */
	struct suffix_hashes hashes;
	uint32_t *found; /* numbers of expressions, found_room of them */
	size_t found_room;
};

/* Room for so many numbers: on meeting a generation, not per packet. Owner only. */
void rule_scratch_join(struct rule_scratch *s, size_t found_room);
void rule_scratch_free(struct rule_scratch *s); /* harmless on NULL */

struct rule_run {
	struct query *q;
	uint8_t *msg; /* the query, or the answer once there is one; cap octets of room */
	size_t len, cap;
	bool is_response; /* a chain of answers: actions are response actions */
	bool edited;      /* msg was changed since the driver last looked for candidates */
	bool changed;     /* msg was changed at all */
	bool must_drop;   /* a selector could not be evaluated: the query is dropped */
	bool has_hashes;
	bool has_opt;      /* opt is that of msg as it stands */
	uint16_t text_len; /* of the scratch text, plus 1; 0: not made yet */
	unsigned worker;
	uint64_t now_us;
	const struct tables *t;
	struct worker_stats *stats;
	struct extra_pool *extras;
	struct log_sink *log; /* the worker's, see rules/log_sink.h */
	const struct addr *listener; /* the address of the socket that the query came in by */
	struct rule_scratch *scratch;
	const struct rule_services *services;
	struct worker *w; /* for the services */
	struct opt opt;
	struct question own; /* of an answer of our own, see run_question */
};

/*
 * The question of msg: the query's, or an empty one where an answer came without a question. An
 * answer that a rule was given whole may have any: it is read anew each time.
 */
const struct question *run_question(struct rule_run *run);

/* The OPT of msg; at is 0 when there is none or the message is malformed. */
const struct opt *run_opt(struct rule_run *run);

/* The address and port that the client asked; the listener's, where that is not a wildcard. */
const struct addr *run_destination(const struct rule_run *run);

/* msg was changed and is len octets long now. */
void run_edited(struct rule_run *run, size_t len);

/*
 * The query has become its own answer: len octets at q->answer, of which cap are there. Also counts
 * as an edit. What is called self-answered by the statistics.
 */
void run_answered(struct rule_run *run, uint8_t *answer, size_t len, size_t cap);

/*
 * The name without its final dot, case kept, NUL at the end; "" for the root, and where there is no
 * question. Lent for this query.
 */
const char *run_name_text(struct rule_run *run, size_t *len);

/*
 * The hashes of the name's suffixes, shared by all sets of names; the root's where there is no
 * question. Lent for this query.
 */
const struct suffix_hashes *run_hashes(struct rule_run *run);

#endif
