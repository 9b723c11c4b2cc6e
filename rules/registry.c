#include "rules/registry.h"

const struct selector_type *const selector_families[] = {
	logic_selectors,
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
	answer_actions,
	spoof_actions,
	continue_actions,
	NULL,
};
