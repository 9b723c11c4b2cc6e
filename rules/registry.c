#include "rules/registry.h"

const struct selector_type *const selector_families[] = {
	logic_selectors,
	name_selectors,
	names_selectors,
	regex_selectors,
	question_selectors,
	edns_selectors,
	message_selectors,
	address_selectors,
	transport_selectors,
	rate_selectors,
	pool_selectors,
	tag_selectors,
	NULL,
};

const struct action_type *const action_families[] = {
	verdict_actions,
	flag_actions,
	tag_actions,
	pool_actions,
	ecs_actions,
	edns_actions,
	ttl_actions,
	record_actions,
	answer_actions,
	spoof_actions,
	tee_actions,
	log_actions,
	mac_actions,
	continue_actions,
	NULL,
};
