/*
 * Blocks that groups make, and who is told of them. Hooks are called when all clients have been
 * judged, since they may do anything, to groups too.
 */
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "rules/block_group.h"

#define COMPLAIN_EVERY_US (60 * UINT64_C(1000000))

/* New blocks that hooks are still to be told of. */
static struct {
	struct news {
		struct block_group *group; /* NULL: gone meanwhile */
		struct dynblock_new block;
	} * list;
	size_t n, cap;
	bool telling;
} news;

void block_news_forget(const struct block_group *g)
{
	for (size_t i = 0; i < news.n; i++)
		if (news.list[i].group == g)
			news.list[i].group = NULL;
}

static void note_news(struct block_group *g, const struct dynblock_new *b)
{
	struct news *n;

	if (news.n == news.cap) {
		news.cap = news.cap ? 2 * news.cap : 16;
		news.list = mem_realloc(news.list, news.cap, sizeof(news.list[0]));
	}
	n = &news.list[news.n++];
	*n = (struct news){g, *b};
	n->block.reason = mem_strdup(b->reason);
	n->block.tag_name = n->block.tag_value = NULL;
	if (b->name) {
		n->block.name = mem_alloc(b->name_len);
		memcpy((uint8_t *)n->block.name, b->name, b->name_len);
	}
}

/* A hook may do anything, also make more news: those are told by the call that is at it. */
void block_groups_tell(void)
{
	if (news.telling)
		return;
	news.telling = true;
	for (size_t i = 0; i < news.n; i++) {
		struct news n = news.list[i];

		if (n.group && n.group->hook)
			n.group->hook(n.group->hook_ctx, &n.block);
		free((char *)n.block.reason);
		free((uint8_t *)n.block.name);
	}
	free(news.list);
	news.list = NULL;
	news.n = news.cap = 0;
	news.telling = false;
}

void block_group_insert(struct block_group *g, struct dynblock_new *b)
{
	static uint64_t said_us;
	uint64_t now_us = clock_mono_us();
	struct err err = {""};
	int added;

	b->quiet = g->quiet;
	added = dynblocks_add(b, &err);
	if (added == DYNBLOCK_NEW && g->hook)
		note_news(g, b);
	if (added >= 0 || (said_us && now_us - said_us < COMPLAIN_EVERY_US))
		return;
	said_us = now_us;
	log_error("dynblocks", "a rule's block can't be made: %s", err.text);
}
