/* Selectors made of selectors. */
#include <stdlib.h>

#include "core/mem.h"
#include "rules/registry.h"

static bool all_match(const void *state, struct rule_run *run)
{
	return true;
}

static void all_text(const void *state, FILE *out)
{
	fputs("All", out);
}

static const struct arg_spec no_args[] = {{NULL, ARG_END, 0, 0, 0, NULL}};

const struct selector_type logic_selectors[] = {
	{.name = "AllRule",
	 .args = no_args,
	 .help = "always",
	 .match = all_match,
	 .text = all_text},
	{.name = NULL},
};
