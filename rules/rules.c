#include "rules/rules.h"

#include <stdlib.h>

#include "core/log.h"
#include "core/mem.h"
#include "core/regex.h"
#include "core/txn.h"
#include "pools/pool.h"
#include "rules/counters.h"
#include "rules/index.h"

const struct chain_row chain_rows[CHAIN_COUNT] = {
#define X(id, infix, is_response, help) {infix, is_response, help},
	RULE_CHAINS(X)
#undef X
};

static struct part *create(void)
{
	struct rules *r = mem_zalloc(1, sizeof(*r));

	for (unsigned i = 0; i < CHAIN_COUNT; i++)
		r->chain[i] = chain_new();
	return &r->part;
}

static struct part *clone(const struct part *part)
{
	const struct rules *old = container_of(part, struct rules, part);
	struct rules *r = mem_zalloc(1, sizeof(*r));

	for (unsigned i = 0; i < CHAIN_COUNT; i++)
		r->chain[i] = chain_ref(old->chain[i]);
	return &r->part;
}

static int seal(struct part *part, const struct tables *draft, struct err *err)
{
	struct rules *r = container_of(part, struct rules, part);

	for (unsigned i = 0; i < CHAIN_COUNT; i++) {
		size_t room;

		chain_seal(r->chain[i]);
		room = index_room(r->chain[i]->index);
		r->found_room = room > r->found_room ? room : r->found_room;
	}
	r->counters_end = counters_end();
	return 0;
}

static void warn_of_pool(const struct rule *r, const struct pools *pools)
{
	const struct action_type *type = r->action->type;
	const char *pool = type->pool != NULL ? type->pool(r->action->state) : NULL;
	char *text;

	if (pool == NULL || pools_find(pools, pool) != NULL)
		return;
	text = selector_text(r->selector);
	log_warning(
		"rules",
		"rule '%.200s' sends to pool '%s', which does not exist: until it does, such queries "
		"are dropped",
		text, pool);
	free(text);
}

static void begin(struct action *a)
{
	if (a->type->begin != NULL)
		a->type->begin(a->state);
}

/* Once: who wonders about the cost of expressions finds the reason in the log. */
static void tell_of_regexes(const struct chain *c)
{
	static bool told;

	if (told || !index_has_regexes(c->index) || regex_jit_is_available())
		return;
	told = true;
	log_notice("rules",
		   "regular expressions run without compiled code: the system forbids memory "
		   "that is written and run (MemoryDenyWriteExecute=); names that may match one "
		   "cost more");
}

static void come_into_force(struct rule *r, const struct pools *pools)
{
	r->in_force = true;
	warn_of_pool(r, pools);
	begin(r->action);
}

static void committed(const struct part *before, const struct part *next, const struct tables *t)
{
	const struct rules *r = container_of(next, struct rules, part);

	for (unsigned i = 0; i < CHAIN_COUNT; i++) {
		const struct chain *c = r->chain[i];

		tell_of_regexes(c);
		for (unsigned k = 0; k < c->n; k++)
			if (!c->rules[k]->in_force)
				come_into_force(c->rules[k], t->pools);
	}
}

static void release(struct part *part)
{
	struct rules *r = container_of(part, struct rules, part);

	for (unsigned i = 0; i < CHAIN_COUNT; i++)
		chain_unref(r->chain[i]);
	free(r);
}

static const struct part_ops ops = {
	.name = "rules",
	.create = create,
	.clone = clone,
	.seal = seal,
	.committed = committed,
	.free = release,
	.only_live = true,
};

void rules_register(void)
{
	tables_register(PART_RULES, &ops);
}

struct chain *rules_edit(struct rules *r, enum chain_id id)
{
	struct chain *c = r->chain[id];

	if (c->refs == 1 && c->sealed == NULL)
		return c;
	r->chain[id] = chain_clone(c);
	chain_unref(c);
	return r->chain[id];
}

static void renumber(const struct rules *live)
{
	struct txn *txn = txn_begin();
	struct rules *r = TXN_EDIT(txn, RULES, rules);
	struct err err;

	for (unsigned i = 0; i < CHAIN_COUNT; i++)
		if (live->chain[i]->places != NULL)
			chain_renumber(rules_edit(r, i));
	if (txn_commit(txn, &err) < 0)
		log_error("rules", "%s", err.text);
}

void rules_settle(void)
{
	static const struct rules *seen; /* only compared; control thread */
	const struct rules *live = rcu_get(tables_live)->rules;
	bool edited = false;

	if (live != seen) {
		seen = live;
		return;
	}
	for (unsigned i = 0; i < CHAIN_COUNT; i++)
		edited |= live->chain[i]->places != NULL;
	if (edited)
		renumber(live);
}

void rules_replace(struct rules *r, enum chain_id id, struct chain *next)
{
	chain_unref(r->chain[id]);
	r->chain[id] = next;
}
