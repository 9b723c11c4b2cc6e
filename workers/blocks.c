/*
 * Dynamic blocks of a query: by its client before the question is read, since most of those that
 * are blocked are dropped; then by its name.
 */
#include "workers/pipeline.h"

#include "core/dns/answer.h"
#include "rules/asked.h"
#include "rules/hitters.h"

static unsigned action_of(const struct worker *w, const struct dynblock_hit *hit)
{
	return hit->cause->action == DNS_ACTION_NONE ? w->settings->dynblocks_action
						     : hit->cause->action;
}

/* Those that do something else than drop. */
static bool needs_question(unsigned action)
{
	switch (action) {
	case DNS_ACTION_NXDOMAIN:
	case DNS_ACTION_REFUSED:
	case DNS_ACTION_TRUNCATE:
	case DNS_ACTION_NO_RECURSE:
	case DNS_ACTION_SET_TAG:
	case DNS_ACTION_NOOP:
		return true;
	default:
		return false;
	}
}

static void count(struct worker *w, const struct dynblock_hit *hit)
{
	record_blocked(w);
	dynblocks_hit(hit, w->id);
}

/* The ring of queries has those that are dropped, too: it shows who goes on asking. They are
 * counted by name as well. And who goes on asking goes on being over his limit. */
void note_dropped(struct worker *w, struct query *q)
{
	bool is_read = (w->query_ring != NULL || hitters_want_types() || asked_are_noted()) &&
		       msg_question(q->packet, q->len, &q->question) == 0;

	if (is_read && w->query_ring != NULL)
		traffic_note_query(w->query_ring, q, w->now_us);
	if (is_read)
		asked_note(w->id, q, &q->frontend->addr, w->now_us);
	hitters_blocked(w->id, &q->client, is_read ? q->question.qtype : -1);
}

bool blocks_drop(struct worker *w, struct query *q, struct dynblock_hit *hit)
{
	if (!dynblocks_find_address(&q->client, w->now_us, hit)) {
		hit->block = NULL;
		return false;
	}
	if (needs_question(action_of(w, hit)))
		return false;
	note_dropped(w, q);
	count(w, hit);
	return true;
}

/* AA, AD and RA stay as they came, unlike in answers of rules. */
static void answer_rcode(struct worker *w, struct query *q, unsigned rcode)
{
	const uint16_t kept = DNS_AA | DNS_AD | DNS_RA;

	answer_self(w, q, rcode);
	msg_set_flags(q->answer, (uint16_t)((msg_flags(q->answer) & ~kept) | (q->flags & kept)));
}

static void answer_cut(struct worker *w, struct query *q)
{
	answer_self(w, q, RCODE_NOERROR);
	msg_set_flags(q->answer, (uint16_t)(msg_flags(q->answer) | DNS_TC));
}

/* What comes of a block. Only what is passed on, is looked at further. */
static enum blocked apply(struct worker *w, struct query *q, const struct dynblock_hit *hit)
{
	const struct dynblock_cause *c = hit->cause;
	unsigned action = action_of(w, hit);

	if (action == DNS_ACTION_NOOP ||
	    (action == DNS_ACTION_TRUNCATE && q->client_proto != PROTO_UDP))
		return BLOCKED_NOT;
	count(w, hit);
	switch (action) {
	case DNS_ACTION_NXDOMAIN:
		answer_rcode(w, q, RCODE_NXDOMAIN);
		return BLOCKED_ANSWERED;
	case DNS_ACTION_REFUSED:
		answer_rcode(w, q, RCODE_REFUSED);
		return BLOCKED_ANSWERED;
	case DNS_ACTION_TRUNCATE:
		answer_cut(w, q);
		return BLOCKED_ANSWERED;
	case DNS_ACTION_NO_RECURSE:
		msg_set_flags(q->packet, (uint16_t)(msg_flags(q->packet) & ~DNS_RD));
		return BLOCKED_UNRULED;
	case DNS_ACTION_SET_TAG:
		/* Without room for the tag, rules that go by it would let the query pass. */
		return likely(tag_set(w->extras, q, dynblock_tag_name(c), c->tag_name_len,
				      dynblock_tag_value(c), c->tag_value_len))
			       ? BLOCKED_NOT
			       : BLOCKED_DROPPED;
	default:
		return BLOCKED_DROPPED;
	}
}

enum blocked blocks_apply(struct worker *w, struct query *q, const struct dynblock_hit *by_address)
{
	enum blocked blocked = BLOCKED_NOT;
	struct dynblock_hit hit;

	if (by_address->block != NULL)
		blocked = apply(w, q, by_address);
	if (blocked == BLOCKED_NOT && dynblocks_any(DYNBLOCK_NAME) &&
	    dynblocks_find_name(q->packet + DNS_HEADER_LEN, q->question.name_len, w->now_us, &hit))
		blocked = apply(w, q, &hit);
	return blocked;
}
