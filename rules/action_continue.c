/* An action that holds another: what it does is done, what it says of the chain is not heard. */
#include "rules/registry.h"

/* One in another does nothing that one does not; the bound is for the stack of a worker. */
#define DEPTH_MAX 200

struct inner {
	struct action *action; /* with a reference */
	unsigned depth;
};

static const struct arg_spec args[] = {
	{"action", ARG_ACTION, 0, 0, 0, NULL},
	{.name = NULL},
};

static enum verdict run_inner(void *state, struct rule_run *run);

static unsigned depth_of(const struct action *a)
{
	return a->type->run == run_inner ? ((const struct inner *)a->state)->depth : 0;
}

static int init(void *state, const struct arg *argv, struct err *err)
{
	struct inner *in = state;

	in->depth = depth_of(argv[0].action) + 1;
	if (in->depth > DEPTH_MAX)
		return err_set(err, "actions are nested more than %d deep", DEPTH_MAX);
	in->action = action_ref(argv[0].action);
	return 0;
}

static void fini(void *state)
{
	struct inner *in = state;

	action_unref(in->action);
}

static void begin(void *state)
{
	const struct inner *in = state;

	if (in->action->type->begin != NULL)
		in->action->type->begin(in->action->state);
}

/* A drop is lost, and only counted by the action itself. */
static enum verdict run_inner(void *state, struct rule_run *run)
{
	const struct inner *in = state;

	action_run(in->action, run);
	return VERDICT_NEXT;
}

static void text(const void *state, FILE *out)
{
	const struct inner *in = state;

	fputs("continue after: ", out);
	in->action->type->text(in->action->state, out);
}

static void stats(const void *state, void (*see)(void *ctx, const char *name, double value),
		  void *ctx)
{
	const struct inner *in = state;

	if (in->action->type->stats != NULL)
		in->action->type->stats(in->action->state, see, ctx);
}

static int reload(void *state, struct err *err)
{
	const struct inner *in = state;

	return in->action->type->reload != NULL ? in->action->type->reload(in->action->state, err)
						: 0;
}

static const char *pool(const void *state)
{
	const struct inner *in = state;

	return in->action->type->pool != NULL ? in->action->type->pool(in->action->state) : NULL;
}

const struct action_type continue_actions[] = {
	{.name = "ContinueAction",
	 .args = args,
	 .help = "does what the other action does, and goes on with the next rule",
	 .state_size = sizeof(struct inner),
	 .init = init,
	 .fini = fini,
	 .begin = begin,
	 .run = run_inner,
	 .text = text,
	 .stats = stats,
	 .reload = reload,
	 .pool = pool},
	{.name = NULL},
};
