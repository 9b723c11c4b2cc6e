/* What is past its time is taken out now and then, some at a time: look-ups never find it anyway.
 */
#include "core/share.h"
#include "rules/dynblocks_table.h"
#include "rules/kernel_blocks.h"

/*
 * Work of one call of dynblocks_tick, some milliseconds: places looked at, of which one with a
 * block that is removed counts REMOVAL. A million blocks that all have ended are gone in a minute.
 */
#define PURGE_STEP 65536
#define REMOVAL    4

static struct {
	uint64_t last_us; /* when the last one began; 0: none did */
	unsigned table;   /* BLOCK_KINDS: none is under way */
	uint32_t at;      /* the next id */
} purge = {.table = BLOCK_KINDS};

void block_purge_reset(void)
{
	purge.table = BLOCK_KINDS;
}

/* Removes what is past its time, for so much work. Whether the table was seen to its end. */
static bool purge_some(struct block_table *t, int *work, uint64_t now_us)
{
	for (; *work > 0 && purge.at < t->end; purge.at++, --*work) {
		struct dynblock *b = block_at(t, purge.at);

		share_core();
		if (b->next != BLOCK_LINKED || block_is_in_force(b, now_us))
			continue;
		block_log_end(b);
		kernel_block_goes(b);
		block_table_remove(t, b);
		*work -= REMOVAL - 1;
	}
	return purge.at >= t->end;
}

/* A table without blocks gives back what it holds. */
static void purge_step(uint64_t now_us)
{
	int work = PURGE_STEP;

	while (work > 0 && purge.table < BLOCK_KINDS) {
		struct block_table *t = &dynblock_tables[purge.table];

		if (!purge_some(t, &work, now_us))
			break;
		if (t->n == 0 && t->end > 1)
			block_table_clear(t, true);
		purge.table++;
		purge.at = 1;
	}
	blocks_note_present();
}

static void begin_when_due(uint64_t now_us, uint32_t purge_s)
{
	if (purge.last_us == 0)
		purge.last_us = now_us;
	if (purge.table < BLOCK_KINDS || purge_s == 0 ||
	    now_us - purge.last_us < (uint64_t)purge_s * 1000000)
		return;
	purge.table = 0;
	purge.at = 1;
	purge.last_us = now_us;
}

void dynblocks_tick(uint64_t now_us, uint32_t purge_s)
{
	block_log_held_back();
	begin_when_due(now_us, purge_s);
	if (purge.table < BLOCK_KINDS)
		purge_step(now_us);
	block_top_step(now_us);
	for (unsigned i = 0; i < BLOCK_KINDS; i++)
		block_table_step(&dynblock_tables[i], PURGE_STEP);
	blocks_settle(0);
}
