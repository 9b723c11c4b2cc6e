/* EDNS options that actions put into the message of a run. */
#ifndef RULES_EDNS_H
#define RULES_EDNS_H

#include "core/dns/option.h"
#include "rules/run.h"

/* Octets of an option's data: no more than a query over UDP has. */
#define EDNS_OPTION_MAX QUERY_UDP_MAX

/*
 * Puts an option into the message, in place of those with its code. A query without OPT gets one
 * that is taken out of its answer; an answer gets one only if the client speaks EDNS. What does not
 * fit in the room of a query, or in what the client takes, is left out. Worker.
 */
void run_put_option(struct rule_run *run, const struct option *o);

#endif
