/* All chains of rules: the part of the tables that says what is done with which query and answer.
 */
#ifndef RULES_RULES_H
#define RULES_RULES_H

#include "core/tables.h"
#include "rules/chain.h"

/*
 * One row a chain: id, what stands in its functions' names ("add" + this + "Action", "show" + this
 * + "Rules"), whether its actions are response actions, help.
 */
#define RULE_CHAINS(X)                                                                             \
	X(QUERY, "", false, "queries")                                                             \
	X(CACHE_MISS, "CacheMiss", false, "queries that the cache can't answer")                   \
	X(RESPONSE, "Response", true, "answers of servers")                                        \
	X(CACHE_HIT, "CacheHitResponse", true, "answers from the cache")                           \
	X(CACHE_INSERTED, "CacheInsertedResponse", true, "answers that were offered to the cache") \
	X(SELF_ANSWERED, "SelfAnsweredResponse", true, "answers made here")                        \
	X(XFR, "XFRResponse", true, "messages of zone transfers")                                  \
	X(TIMEOUT, "TimeoutResponse", true, "queries that a server left unanswered")

enum chain_id {
#define X(id, infix, is_response, help) CHAIN_##id,
	RULE_CHAINS(X)
#undef X
		CHAIN_COUNT
};

struct chain_row {
	const char *infix;
	bool is_response;
	const char *help;
};
extern const struct chain_row chain_rows[CHAIN_COUNT];

struct rules {
	struct part part;
	struct chain *chain[CHAIN_COUNT];
	uint32_t counters_end; /* sealed: workers need chunks up to here, */
	size_t found_room;     /* and so much room in their scratch */
};

void rules_register(void);

/* The draft's own chain, not sealed, made on first call. Lent until the draft ends. */
struct chain *rules_edit(struct rules *r, enum chain_id id);

/*
 * Once a second, outside of transactions: chains that were edited, and not in the last second, get
 * an index of their own. Until then each edit costs little, and rules that it touched are asked by
 * every query.
 */
void rules_settle(void);

/* Puts a chain in the place of one. Takes next. */
void rules_replace(struct rules *r, enum chain_id id, struct chain *next);

#endif
