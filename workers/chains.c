/* Rules run for a query: what they see is put together here, and what they made of it taken over.
 */
#include "workers/pipeline.h"
#include "workers/tee.h"
#include "workers/udp.h"

static const struct rule_services services = {
	.room = udp_room,
	.tee = tee_query,
};

static void run_begin(struct rule_run *run, struct worker *w, struct query *q)
{
	*run = (struct rule_run){
		.q = q,
		.worker = w->id,
		.now_us = w->now_us,
		.t = w->t,
		.stats = &w->stats,
		.extras = w->extras,
		.log = w->sink,
		.listener = &q->frontend->addr,
		.scratch = w->scratch,
		.services = &services,
		.w = w,
	};
}

static enum verdict run_query(struct worker *w, struct query *q, enum chain_id id, bool *changed)
{
	struct rule_run run;
	enum verdict v;

	run_begin(&run, w, q);
	run.msg = q->packet;
	run.len = q->len;
	run.cap = q->cap;
	run.opt = q->opt;
	run.has_opt = true;
	v = chain_run(w->t->rules->chain[id], &run);
	*changed = run.changed;
	if (likely(!run.changed))
		return v;
	if (q->self_made) {
		q->answer_len = (uint32_t)run.len;
		w->answer_cap = (uint32_t)run.cap;
	} else {
		q->len = (uint16_t)run.len;
		q->opt = *run_opt(&run);
	}
	return v;
}

/*
 * The answer will be kept under the key that the cache was asked with, whatever these rules make of
 * the query: it is remembered as it was. Where that does not fit, the answer is not kept.
 */
static enum verdict run_miss(struct worker *w, struct query *q)
{
	uint8_t original[EXTRA_ITEM_MAX];
	struct extra_item item = {EXTRA_ORIGINAL, NULL, original, 0, q->len};
	bool fits = q->len <= sizeof(original), changed;
	enum verdict v;

	if (fits)
		memcpy(original, q->packet, q->len);
	v = run_query(w, q, CHAIN_CACHE_MISS, &changed);
	if (unlikely(changed) && !q->self_made && (!fits || !extra_add(w->extras, q, &item)))
		q->cache_asked = false;
	return v;
}

enum verdict chain_of_query(struct worker *w, struct query *q, enum chain_id id)
{
	bool changed;

	return id == CHAIN_CACHE_MISS ? run_miss(w, q) : run_query(w, q, id, &changed);
}

/* What an answer may grow by without being moved. */
#define ANSWER_ROOM 2048

/* Of many that came in one read of a stream only the last has room behind it. */
void answer_make_room(struct worker *w, struct query *q)
{
	size_t cap;
	uint8_t *room;

	if (likely(w->answer_cap - q->answer_len >= ANSWER_ROOM ||
		   w->answer_cap == DNS_MESSAGE_MAX))
		return;
	room = udp_room(w, &cap);
	memcpy(room, q->answer, q->answer_len);
	q->answer = room;
	q->answer_stays = true;
	w->answer_cap = (uint32_t)cap;
}

enum verdict chain_of_answer(struct worker *w, struct query *q, enum chain_id id)
{
	struct rule_run run;
	enum verdict v;

	answer_make_room(w, q);
	run_begin(&run, w, q);
	run.is_response = true;
	run.msg = q->answer;
	run.len = q->answer_len;
	run.cap = w->answer_cap;
	v = chain_run(w->t->rules->chain[id], &run);
	q->answer_len = (uint32_t)run.len;
	return v;
}

void chain_of_failure(struct worker *w, struct query *q)
{
	struct rule_run run;

	run_begin(&run, w, q);
	run.is_response = true;
	run.msg = q->packet;
	run.len = q->len;
	run.cap = q->cap;
	chain_run(w->t->rules->chain[CHAIN_TIMEOUT], &run);
}
