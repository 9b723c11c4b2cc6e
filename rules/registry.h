/* The families of selectors and actions, a line each: each is an array of rows in its file. */
#ifndef RULES_REGISTRY_H
#define RULES_REGISTRY_H

#include "rules/action.h"
#include "rules/selector.h"

extern const struct selector_type logic_selectors[];
extern const struct selector_type name_selectors[];
extern const struct selector_type names_selectors[];
extern const struct selector_type regex_selectors[];
extern const struct selector_type question_selectors[];
extern const struct selector_type edns_selectors[];
extern const struct selector_type message_selectors[];
extern const struct selector_type address_selectors[];
extern const struct selector_type transport_selectors[];
extern const struct selector_type rate_selectors[];
extern const struct selector_type pool_selectors[];
extern const struct selector_type tag_selectors[];
extern const struct action_type verdict_actions[];
extern const struct action_type flag_actions[];
extern const struct action_type tag_actions[];
extern const struct action_type pool_actions[];
extern const struct action_type ecs_actions[];
extern const struct action_type edns_actions[];
extern const struct action_type ttl_actions[];
extern const struct action_type record_actions[];
extern const struct action_type answer_actions[];
extern const struct action_type spoof_actions[];
extern const struct action_type tee_actions[];
extern const struct action_type log_actions[];
extern const struct action_type mac_actions[];
extern const struct action_type continue_actions[];

/* Made from a set that changes (rules/timed_set.h), not by a function of its name. */
extern const struct selector_type timed_set_selector;

#endif
