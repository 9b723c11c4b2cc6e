/* Copies of queries for another server: the action, and the server as workers see it. */
#include "rules/tee.h"

#include <stdlib.h>

#include "core/mem.h"
#include "rules/registry.h"

static struct tee *gone; /* control thread */

struct tee *tee_new(const struct addr *remote, const struct addr *local, bool add_ecs)
{
	struct tee *t = mem_lines(sizeof(*t));

	t->remote = *remote;
	if (local != NULL)
		t->local = *local;
	t->add_ecs = add_ecs;
	perworker_init(&t->counters, sizeof(struct tee_worker));
	return t;
}

static bool is_used(const struct tee *t)
{
	return atomic_load_explicit(&t->users, memory_order_acquire) > 0;
}

static void tee_free(struct tee *t)
{
	perworker_fini(&t->counters);
	free(t);
}

void tee_end(struct tee *t)
{
	if (!is_used(t)) {
		tee_free(t);
		return;
	}
	t->next = gone;
	gone = t;
	atomic_store_explicit(&t->gone, true, memory_order_relaxed);
}

bool tees_collect(void)
{
	struct tee **at = &gone;

	while (*at != NULL) {
		struct tee *t = *at;

		if (is_used(t)) {
			at = &t->next;
			continue;
		}
		*at = t->next;
		tee_free(t);
	}
	return gone != NULL;
}

struct tee_action {
	struct tee *tee;
};

enum { TEE_REMOTE, TEE_ECS, TEE_LOCAL, TEE_PROXY };

static const struct arg_spec args[] = {
	{"remote", ARG_ADDRESS, 0, 53, 0, NULL},
	{"addECS", ARG_BOOL, ARG_OPTIONAL, 0, 0, NULL},
	{"local", ARG_ADDRESS, ARG_OPTIONAL, 0, 0, NULL},
	{"addProxyProtocol", ARG_BOOL, ARG_OPTIONAL, 0, 0, NULL},
	{.name = NULL},
};

static int init(void *state, const struct arg *argv, struct err *err)
{
	struct tee_action *a = state;
	const struct addr *remote = &argv[TEE_REMOTE].addr;
	const struct addr *local = argv[TEE_LOCAL].given ? &argv[TEE_LOCAL].addr : NULL;

	if (argv[TEE_PROXY].given && argv[TEE_PROXY].boolean)
		return err_set(err, "addProxyProtocol: this version does not speak the PROXY "
				    "protocol; leave it out, or say false");
	if (local != NULL && local->sa.sa_family != remote->sa.sa_family)
		return err_set(err, "local and remote must both be IPv4 or both be IPv6 addresses");
	a->tee = tee_new(remote, local, argv[TEE_ECS].given && argv[TEE_ECS].boolean);
	return 0;
}

static void fini(void *state)
{
	struct tee_action *a = state;

	tee_end(a->tee);
}

/* What has become an answer meanwhile is no query any more. */
static enum verdict tee(void *state, struct rule_run *run)
{
	const struct tee_action *a = state;

	if (!run->q->self_made)
		run->services->tee(run->w, a->tee, run);
	return VERDICT_NEXT;
}

static void text(const void *state, FILE *out)
{
	const struct tee_action *a = state;
	char addr[ADDR_TEXT_MAX];

	fprintf(out, "tee to %s", addr_text_port(&a->tee->remote, addr));
}

static void stats(const void *state, void (*see)(void *ctx, const char *name, double value),
		  void *ctx)
{
	const struct tee_action *a = state;

#define X(field, name) \
	see(ctx, name, \
	    (double)perworker_sum(&a->tee->counters, offsetof(struct tee_worker, field)));
	TEE_COUNTERS(X)
#undef X
}

const struct action_type tee_actions[] = {
	{.name = "TeeAction",
	 .args = args,
	 .help = "sends a copy of the query to another server, whose answers are only counted",
	 .state_size = sizeof(struct tee_action),
	 .init = init,
	 .fini = fini,
	 .run = tee,
	 .text = text,
	 .stats = stats},
	{.name = NULL},
};
