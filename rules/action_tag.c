/* Tags: a query has them from the action that sets them until its answer has left. */
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "rules/registry.h"

struct tag {
	char *name, *value; /* value is NULL where the tag is taken away */
	size_t name_len, value_len;
};

static const struct arg_spec set_args[] = {
	{"name", ARG_TEXT, 0, 0, 0, NULL},
	{"value", ARG_TEXT, 0, 0, 0, NULL},
	{.name = NULL},
};

static const struct arg_spec unset_args[] = {
	{"name", ARG_TEXT, 0, 0, 0, NULL},
	{.name = NULL},
};

static int unset_init(void *state, const struct arg *argv, struct err *err)
{
	struct tag *t = state;

	if (argv[0].len == 0)
		return err_set(err, "the name of a tag can't be empty");
	if (argv[0].len > EXTRA_ITEM_MAX)
		return err_set(err, "the name of a tag can't be longer than %d octets",
			       EXTRA_ITEM_MAX);
	t->name = mem_textdup(argv[0].text, argv[0].len);
	t->name_len = argv[0].len;
	return 0;
}

static int set_init(void *state, const struct arg *argv, struct err *err)
{
	struct tag *t = state;

	if (argv[0].len + argv[1].len > EXTRA_ITEM_MAX)
		return err_set(err,
			       "a tag's name and value together can't be longer than %d octets, "
			       "these have %zu",
			       EXTRA_ITEM_MAX, argv[0].len + argv[1].len);
	if (unset_init(state, argv, err) < 0)
		return -EINVAL;
	t->value = mem_textdup(argv[1].text, argv[1].len);
	t->value_len = argv[1].len;
	return 0;
}

static void fini(void *state)
{
	struct tag *t = state;

	free(t->name);
	free(t->value);
}

/* What rules behind it would let pass without the tag is not for a full pool to decide. */
static enum verdict set(void *state, struct rule_run *run)
{
	const struct tag *t = state;

	if (likely(tag_set(run->extras, run->q, t->name, t->name_len, t->value, t->value_len)))
		return VERDICT_NEXT;
	if (!run->is_response)
		stat_inc(run->stats, STAT_RULE_DROP);
	return VERDICT_DROP;
}

static void set_text(const void *state, FILE *out)
{
	const struct tag *t = state;

	fprintf(out, "set tag '%s' to value '%s'", t->name, t->value);
}

static enum verdict unset(void *state, struct rule_run *run)
{
	const struct tag *t = state;

	extra_remove(run->q, EXTRA_TAG, t->name, t->name_len);
	return VERDICT_NEXT;
}

/* The quotation mark that is missing is missing in the reference too. */
static void unset_text(const void *state, FILE *out)
{
	const struct tag *t = state;

	fprintf(out, "unset tag '%s", t->name);
}

const struct action_type tag_actions[] = {
	{.name = "SetTagAction",
	 .args = set_args,
	 .help = "gives the query a tag, in place of one with the same name; dropped when there is no "
		 "room for it",
	 .state_size = sizeof(struct tag),
	 .init = set_init,
	 .fini = fini,
	 .run = set,
	 .text = set_text},
	{.name = "SetTagResponseAction",
	 .is_response = true,
	 .args = set_args,
	 .help = "gives the answer a tag, in place of one with the same name",
	 .state_size = sizeof(struct tag),
	 .init = set_init,
	 .fini = fini,
	 .run = set,
	 .text = set_text},
	{.name = "UnsetTagAction",
	 .args = unset_args,
	 .help = "takes a tag away from the query",
	 .state_size = sizeof(struct tag),
	 .init = unset_init,
	 .fini = fini,
	 .run = unset,
	 .text = unset_text},
	{.name = "UnsetTagResponseAction",
	 .is_response = true,
	 .args = unset_args,
	 .help = "takes a tag away from the answer",
	 .state_size = sizeof(struct tag),
	 .init = unset_init,
	 .fini = fini,
	 .run = unset,
	 .text = unset_text},
	{.name = NULL},
};
