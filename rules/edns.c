#include "rules/edns.h"

#include "core/settings.h"

/* An answer is not made larger than its client takes: it was cut to that before rules saw it. */
static size_t room(const struct rule_run *run)
{
	const struct query *q = run->q;
	bool is_answer = run->is_response || q->self_made;

	if (!is_answer || q->client_proto != PROTO_UDP || run->cap < q->udp_payload)
		return run->cap;
	return q->udp_payload;
}

/* What the OPT says that is added where there is none; 0: there is none to be. */
static uint16_t new_payload(const struct rule_run *run)
{
	if (!run->is_response && !run->q->self_made)
		return PAYLOAD_WITHOUT_EDNS;
	return query_has_edns(run->q) ? (uint16_t)run->t->settings->payload_size_self_generated : 0;
}

void run_put_option(struct rule_run *run, const struct option *o)
{
	enum option_change change;
	size_t len = msg_put_option(run->msg, run->len, room(run), run_question(run), o,
				    OPTION_REPLACE, new_payload(run), &change);

	if (len == 0 || change == OPTION_UNCHANGED)
		return;
	if (change == OPTION_ADDED_OPT && !run->is_response && !run->q->self_made)
		run->q->opt_ours = true;
	run_edited(run, len);
}
