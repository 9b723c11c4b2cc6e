/* Actions that take records out of answers. */
#include <stdlib.h>

#include "core/dns/rewrite.h"
#include "core/mem.h"
#include "rules/registry.h"

struct clear_types {
	struct type_set types; /* owned */
};

static const struct arg_spec types_args[] = {
	{"types", ARG_TYPES, 0, 0, 0, NULL},
	{.name = NULL},
};

static int types_init(void *state, const struct arg *argv, struct err *err)
{
	struct clear_types *c = state;
	uint16_t *types = mem_zalloc(argv[0].n + 1, sizeof(*types));

	for (size_t i = 0; i < argv[0].n; i++)
		types[i] = (uint16_t)argv[0].list[i].integer;
	c->types = (struct type_set){types, argv[0].n};
	return 0;
}

static void types_fini(void *state)
{
	struct clear_types *c = state;

	free((void *)c->types.types);
}

/* A malformed answer goes as it is. */
static enum verdict clear_types(void *state, struct rule_run *run)
{
	const struct clear_types *c = state;
	size_t len = msg_clear_types(run->msg, run->len, run->cap, run_question(run), &c->types);

	if (len != 0)
		run_edited(run, len);
	return VERDICT_NEXT;
}

static void types_text(const void *state, FILE *out)
{
	fputs("clear record types", out);
}

const struct action_type record_actions[] = {
	{.name = "ClearRecordTypesResponseAction",
	 .is_response = true,
	 .args = types_args,
	 .help = "takes the records of these types out of the answer",
	 .state_size = sizeof(struct clear_types),
	 .init = types_init,
	 .fini = types_fini,
	 .run = clear_types,
	 .text = types_text},
	{.name = NULL},
};
