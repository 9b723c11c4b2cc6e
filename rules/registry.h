/* The families of selectors and actions, a line each: each is an array of rows in its file. */
#ifndef RULES_REGISTRY_H
#define RULES_REGISTRY_H

#include "rules/action.h"
#include "rules/selector.h"

extern const struct selector_type logic_selectors[];
extern const struct action_type verdict_actions[];

#endif
