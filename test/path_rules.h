/* Rules in the way of queries through running workers. */
#ifndef TEST_PATH_RULES_H
#define TEST_PATH_RULES_H

#include "test/action_fixture.h"
#include "test/path_fixture.h"

/* Long enough for a loaded machine; only a failing test waits for it. */
#define PATIENCE_MS 5000

static inline struct selector *all_rule(void)
{
	for (unsigned i = 0; selector_families[i] != NULL; i++)
		for (const struct selector_type *t = selector_families[i]; t->name != NULL; t++)
			if (strcmp(t->name, "AllRule") == 0)
				return selector_new(t, NULL, NULL);
	abort();
}

static inline void path_commit(struct txn *txn)
{
	struct err err = {""};

	if (txn_commit(txn, &err) < 0)
		path_die("rules", &err);
}

/* At the end of the chain, for all queries. */
static inline void path_rule(enum chain_id id, struct action *a)
{
	struct txn *txn = txn_begin();
	struct selector *s = all_rule();
	struct rule *r = rule_new(s, a, "", NULL);

	chain_append(rules_edit(TXN_EDIT(txn, RULES, rules), id), r);
	path_commit(txn);
	rule_unref(r);
	selector_unref(s);
}

/* The same of a new action. Lends it while the rule is there. */
static inline struct action *path_act(enum chain_id id, const char *name, const char *args)
{
	struct err err = {""};
	struct action *a = action_of(name, args, &err);

	if (a == NULL)
		path_die(name, &err);
	path_rule(id, a);
	action_unref(a);
	return a;
}

static inline void path_no_rules(enum chain_id id)
{
	struct txn *txn = txn_begin();

	rules_replace(TXN_EDIT(txn, RULES, rules), id, chain_new());
	path_commit(txn);
}

struct reply {
	size_t len;
	uint8_t msg[65536];
};

/* Sends a query and waits for what comes back. Lent until the next. */
static inline const struct reply *path_ask(struct path *p, const uint8_t *query, size_t len)
{
	static struct reply r;

	path_send(p, query, len);
	r.len = path_receive(p, r.msg, sizeof(r.msg), PATIENCE_MS);
	return &r;
}

/* Of this name, A; with an OPT (1232, DO) if edns is set. */
static inline const struct reply *path_ask_name(struct path *p, const char *name, uint16_t id,
						bool edns)
{
	uint8_t query[512];
	size_t len = path_query(query, id, name, TYPE_A);

	if (edns) {
		memcpy(query + len, OPT_EMPTY, 11);
		put_u16(query + 10, 1);
		len += 11;
	}
	return path_ask(p, query, len);
}

#endif
