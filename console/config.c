#include "console/config.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "rules/acl.h"

void (*console_config_on_commit)(const struct console_config *config);

static const struct part_ops ops;

/* The reference's default: this machine only. */
static struct netmask_table *default_acl(void)
{
	static const char *const local[] = {"127.0.0.1/8", "::1"};
	struct netmask_table *t = netmask_table_new();
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(local); i++)
		acl_add(t, local[i], &err);
	return t;
}

static struct part *create(void)
{
	struct console_config *c = mem_zalloc(1, sizeof(*c));

	c->part.ops = &ops;
	c->acl = default_acl();
	c->log_connections = true;
	c->max_connections = 100;
	c->max_message = 10000000;
	return &c->part;
}

static struct part *clone(const struct part *p)
{
	struct console_config *c = mem_alloc(sizeof(*c));

	memcpy(c, container_of(p, struct console_config, part), sizeof(*c));
	c->part.refs = 0;
	c->acl = netmask_table_clone(c->acl);
	return &c->part;
}

static int seal(struct part *p, const struct tables *draft, struct err *err)
{
	return 0; /* nothing to look up faster: a console's client is checked once */
}

static void committed(const struct part *before, const struct part *next, const struct tables *t)
{
	if (console_config_on_commit)
		console_config_on_commit(container_of(next, struct console_config, part));
}

static void release(struct part *p)
{
	struct console_config *c = container_of(p, struct console_config, part);

	netmask_table_unref(c->acl);
	free(c);
}

static const struct part_ops ops = {
	.name = "console",
	.create = create,
	.clone = clone,
	.seal = seal,
	.committed = committed,
	.free = release,
};

void console_config_register(void)
{
	tables_register(PART_CONSOLE, &ops);
}
