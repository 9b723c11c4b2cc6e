/* Actions about the client subnet that a query carries to its server (RFC 7871). */
#include <string.h>

#include "rules/registry.h"

static const struct arg_spec no_args[] = {{.name = NULL}};

static enum verdict disable(void *state, struct rule_run *run)
{
	query_mark(run->q);
	run->q->no_ecs = true;
	return VERDICT_NEXT;
}

static void disable_text(const void *state, FILE *out)
{
	fputs("disable ECS", out);
}

struct override {
	bool on;
};

static const struct arg_spec override_args[] = {
	{"override", ARG_BOOL, 0, 0, 0, NULL},
	{.name = NULL},
};

static int override_init(void *state, const struct arg *argv, struct err *err)
{
	struct override *o = state;

	o->on = argv[0].boolean;
	return 0;
}

static enum verdict override(void *state, struct rule_run *run)
{
	const struct override *o = state;

	query_mark(run->q);
	run->q->has_ecs_override = true;
	run->q->ecs_override = o->on;
	return VERDICT_NEXT;
}

static void override_text(const void *state, FILE *out)
{
	const struct override *o = state;

	fprintf(out, "set ECS override to %d", o->on);
}

struct prefix {
	uint8_t v4, v6;
};

static const struct arg_spec prefix_args[] = {
	{"v4", ARG_INT, 0, 0, 32, NULL},
	{"v6", ARG_INT, 0, 0, 128, NULL},
	{.name = NULL},
};

static bool is_v6(const struct query *q)
{
	return q->client.sa.sa_family == AF_INET6;
}

static int prefix_init(void *state, const struct arg *argv, struct err *err)
{
	struct prefix *p = state;

	p->v4 = (uint8_t)argv[0].integer;
	p->v6 = (uint8_t)argv[1].integer;
	return 0;
}

/* A subnet that a rule has set keeps the length it was given with. */
static enum verdict prefix(void *state, struct rule_run *run)
{
	const struct prefix *p = state;
	struct query *q = run->q;

	query_mark(q);
	if (q->ecs_addr_len > 0)
		return VERDICT_NEXT;
	q->has_ecs_bits = true;
	q->ecs_bits = is_v6(q) ? p->v6 : p->v4;
	return VERDICT_NEXT;
}

static void prefix_text(const void *state, FILE *out)
{
	const struct prefix *p = state;

	fprintf(out, "set ECS prefix length to %u/%u", p->v4, p->v6);
}

struct subnet {
	struct netmask v4, v6; /* for clients of the one family and the other */
	bool has_v6;
};

static const struct arg_spec subnet_args[] = {
	{"v4", ARG_NETMASK, 0, 0, 0, NULL},
	{"v6", ARG_NETMASK, ARG_OPTIONAL, 0, 0, NULL},
	{.name = NULL},
};

/* One alone is for all clients, and may then be of either family. */
static int subnet_init(void *state, const struct arg *argv, struct err *err)
{
	struct subnet *s = state;
	char text[NETMASK_TEXT_MAX];

	s->has_v6 = argv[1].given;
	s->v4 = argv[0].netmask;
	s->v6 = s->has_v6 ? argv[1].netmask : s->v4;
	if (s->has_v6 && s->v4.base.sa.sa_family != AF_INET)
		return err_set(
			err,
			"v4 is for IPv4 clients when there is a second netmask, and %s is no IPv4 netmask",
			netmask_text(&s->v4, text));
	if (s->has_v6 && s->v6.base.sa.sa_family != AF_INET6)
		return err_set(err, "v6 is for IPv6 clients, and %s is no IPv6 netmask",
			       netmask_text(&s->v6, text));
	return 0;
}

static enum verdict set_subnet(void *state, struct rule_run *run)
{
	const struct subnet *s = state;
	struct query *q = run->q;
	const struct netmask *nm = is_v6(q) ? &s->v6 : &s->v4;
	size_t len;
	const uint8_t *addr = addr_bytes(&nm->base, &len);

	query_mark(q);
	memcpy(q->ecs_addr, addr, len);
	q->ecs_addr_len = (uint8_t)len;
	q->has_ecs_bits = true;
	q->ecs_bits = nm->bits;
	return VERDICT_NEXT;
}

static void subnet_text(const void *state, FILE *out)
{
	const struct subnet *s = state;
	char text[NETMASK_TEXT_MAX];

	fprintf(out, "set ECS to %s", netmask_text(&s->v4, text));
	if (s->has_v6)
		fprintf(out, " / %s", netmask_text(&s->v6, text));
}

const struct action_type ecs_actions[] = {
	{.name = "SetDisableECSAction",
	 .args = no_args,
	 .help = "adds no client subnet; one that the client sent stays",
	 .run = disable,
	 .text = disable_text},
	{.name = "SetECSOverrideAction",
	 .args = override_args,
	 .help = "whether a client subnet that the client sent is replaced",
	 .state_size = sizeof(struct override),
	 .init = override_init,
	 .run = override,
	 .text = override_text},
	{.name = "SetECSPrefixLengthAction",
	 .args = prefix_args,
	 .help = "prefix lengths of the client subnet, for IPv4 and IPv6 clients",
	 .state_size = sizeof(struct prefix),
	 .init = prefix_init,
	 .run = prefix,
	 .text = prefix_text},
	{.name = "SetECSAction",
	 .args = subnet_args,
	 .help = "sends this subnet in place of the client's: one for all, or one for each family",
	 .state_size = sizeof(struct subnet),
	 .init = subnet_init,
	 .run = set_subnet,
	 .text = subnet_text},
	{.name = NULL},
};
