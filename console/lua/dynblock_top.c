/* Which dynamic blocks meet the most queries, for people. */
#include <stdlib.h>

#include "console/lua/registry.h"
#include "core/mem.h"
#include "rules/dynblocks.h"

#define TOP_DEFAULT 10

struct found {
	struct dynblock_offender *list;
	size_t n;
};

static void keep(void *ctx, const struct dynblock_offender *o)
{
	struct found *f = ctx;

	f->list = mem_realloc(f->list, f->n + 1, sizeof(*f->list));
	f->list[f->n++] = *o;
}

static int by_hits(const void *va, const void *vb)
{
	const struct dynblock_offender *a = va, *b = vb;

	return a->hits_per_s < b->hits_per_s ? 1 : a->hits_per_s > b->hits_per_s ? -1 : 0;
}

/* Texts are lent by the looks, which nothing changes in between. */
static int top_blocks(lua_State *L)
{
	size_t most = TOP_DEFAULT;
	struct found f = {NULL, 0};

	if (!lua_arg_missing(L, 1))
		most = (size_t)lua_arg_integer(L, 1, "top", 0, UINT32_MAX);
	dynblocks_top(DYNBLOCK_ADDRESS, keep, &f);
	dynblocks_top(DYNBLOCK_NAME, keep, &f);
	if (f.n > 0)
		qsort(f.list, f.n, sizeof(*f.list), by_hits);
	lua_host_printf("%4s  %-40s %12s %s\n", "#", "What", "Queries/s", "Reason");
	for (size_t i = 0; i < f.n && i < most; i++)
		lua_host_printf("%4zu  %-40s %12.1f %s\n", i + 1, f.list[i].what,
				f.list[i].hits_per_s, f.list[i].reason);
	free(f.list);
	return 0;
}

const struct lua_function dynblock_top_functions[] = {
	{"topDynBlocks", top_blocks, ROW_READS | ROW_EXACT, "[top]",
	 "shows which dynamic blocks (10 of them) met the most queries in the last minute, looked at each 10 s"},
	{NULL, NULL, 0, NULL, NULL},
};
