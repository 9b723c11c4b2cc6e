#include "rules/registry.h"

const struct selector_type *const selector_families[] = {
	logic_selectors,
	NULL,
};

const struct action_type *const action_families[] = {
	verdict_actions,
	NULL,
};
