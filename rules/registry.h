/* The families of selectors and actions, a line each: each is an array of rows in its file. */
#ifndef RULES_REGISTRY_H
#define RULES_REGISTRY_H

#include "rules/action.h"
#include "rules/selector.h"

extern const struct selector_type logic_selectors[];
extern const struct action_type verdict_actions[];
extern const struct action_type flag_actions[];
extern const struct action_type tag_actions[];
extern const struct action_type pool_actions[];
extern const struct action_type ecs_actions[];
extern const struct action_type edns_actions[];
extern const struct action_type ttl_actions[];
extern const struct action_type answer_actions[];
extern const struct action_type spoof_actions[];
extern const struct action_type continue_actions[];

#endif
