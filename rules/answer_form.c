#include "rules/answer_form.h"

#include "core/settings.h"

static uint8_t bit(const struct arg *arg)
{
	if (!arg->given)
		return ANSWER_BIT_USUAL;
	return arg->boolean ? ANSWER_BIT_SET : ANSWER_BIT_CLEAR;
}

void answer_bits_init(struct answer_bits *bits, const struct arg argv[ANSWER_BITS])
{
	bits->aa = bit(&argv[0]);
	bits->ad = bit(&argv[1]);
	bits->ra = bit(&argv[2]);
}

struct answer_form answer_form(const struct rule_run *run, const struct answer_bits *bits)
{
	const struct settings *s = run->t->settings;

	return (struct answer_form){
		.bits = *bits,
		.opt = query_has_edns(run->q) && s->add_edns_to_self_generated ? &run->q->opt
									       : NULL,
		.payload = (uint16_t)s->payload_size_self_generated,
	};
}
