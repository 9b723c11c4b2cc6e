/* Pools without a transaction around them: what tests of pools and policies begin with. */
#ifndef TEST_POOL_FIXTURE_H
#define TEST_POOL_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/dns/name.h"
#include "core/mem.h"
#include "core/query.h"
#include "core/settings.h"
#include "pools/pool.h"

struct fixture {
	struct settings settings;
	struct tables draft;
	struct pools *pools;
	struct policy_ctx ctx;
};

static inline const struct part_ops *pools_part(void)
{
	if (tables_owner(PART_POOLS) == NULL)
		pools_register();
	return tables_owner(PART_POOLS);
}

static inline void fixture_start(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	f->draft.settings = &f->settings;
	f->ctx.settings = &f->settings;
	f->ctx.now_us = 1000000;
	f->pools = (struct pools *)pools_part()->create();
}

static inline void fixture_end(struct fixture *f)
{
	pools_part()->free(&f->pools->part);
}

/* A server that is up, at 192.0.2.n, with the UUID 0000000n-0000-4000-8000-000000000000; in no
 * pool. */
static inline struct server *fixture_server(struct fixture *f, unsigned n, int weight, int order)
{
	struct server_def *d = server_def_new();
	struct server_fixed fixed;
	struct server *s;
	char text[64];

	server_fixed_default(&fixed);
	snprintf(text, sizeof(text), "192.0.2.%u", n);
	addr_parse(text, 53, &fixed.addr, NULL);
	snprintf(text, sizeof(text), "%08x-0000-4000-8000-000000000000", n);
	uuid_parse(text, &fixed.id);
	d->weight = weight;
	d->order = order;
	s = server_new(&fixed);
	atomic_store(&s->up, true);
	pools_add_server(f->pools, s, d);
	return s;
}

/* The same in the default pool. */
static inline struct server *fixture_member(struct fixture *f, unsigned n, int weight, int order)
{
	struct server *s = fixture_server(f, n, weight, order);

	pools_join(f->pools, s, "");
	return s;
}

static inline int fixture_seal(struct fixture *f, struct err *err)
{
	return pools_part()->seal(&f->pools->part, &f->draft, err);
}

/* A query for this name; packet must stay as long as q is used. */
static inline void fixture_query(struct query *q,
				 uint8_t packet[static DNS_HEADER_LEN + DNS_NAME_MAX],
				 const char *name)
{
	memset(q, 0, sizeof(*q));
	q->packet = packet;
	q->question.name_len = (uint16_t)name_parse(name, packet + DNS_HEADER_LEN, NULL);
}

#endif
