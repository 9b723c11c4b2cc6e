#include "rules/dns_action.h"

const char *dns_action_text(unsigned action)
{
	switch (action) {
#define DNS_ACTION(id, name, number, text) \
	case number:                       \
		return text;
#include "rules/dns_actions.def"
#undef DNS_ACTION
	default:
		return "Unknown";
	}
}
