/* The numbers of DNSAction, and their text. */
#ifndef RULES_DNS_ACTION_H
#define RULES_DNS_ACTION_H

enum dns_action {
#define DNS_ACTION(id, name, number, text) DNS_ACTION_##id = (number),
#include "rules/dns_actions.def"
#undef DNS_ACTION
};

/* As lists of dynamic blocks show it; "Unknown" for what is none. */
const char *dns_action_text(unsigned action);

#endif
