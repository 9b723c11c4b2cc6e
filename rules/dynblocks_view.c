/* Dynamic blocks as operators see them: read, as text, and in the log. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/settings.h"
#include "rules/dynblocks_table.h"
#include "rules/kernel_blocks.h"

/* Lines a second about blocks that began, and about those that ended. The rest is one number. */
#define LINES_MAX 100

static struct lines {
	unsigned written, held_back;
} begun, ended;

void block_view_key(const struct dynblock *b, struct dynblock_view *v)
{
	unsigned width = b->table == BLOCK_V4 ? 32 : 128;

	*v = (struct dynblock_view){
		.kind = b->table == BLOCK_NAME ? DYNBLOCK_NAME : DYNBLOCK_ADDRESS,
	};
	if (b->table == BLOCK_NAME) {
		v->name = b->name;
		v->name_len = b->lo;
		return;
	}
	v->bits = b->length < width ? b->length : (uint8_t)width;
	v->port_bits = (uint8_t)(b->length - v->bits);
	if (b->table == BLOCK_V4) {
		v->addr.v4.sin_family = AF_INET;
		v->addr.v4.sin_addr.s_addr = htonl((uint32_t)(b->hi >> 32));
	} else {
		uint64_t words[2] = {__builtin_bswap64(b->hi), __builtin_bswap64(b->lo)};

		v->addr.v6.sin6_family = AF_INET6;
		memcpy(&v->addr.v6.sin6_addr, words, sizeof(words));
	}
	addr_set_port(&v->addr, b->port);
}

void block_view(const struct dynblock *b, struct dynblock_view *v)
{
	const struct dynblock_cause *c = atomic_load_explicit(&b->cause, memory_order_relaxed);

	block_view_key(b, v);
	v->reason = c->text;
	v->tag_name = dynblock_tag_name(c);
	v->tag_value = dynblock_tag_value(c);
	v->expires_us = counter_get(&b->expires_us);
	v->blocks = block_hits(b) + kernel_block_hits(b, clock_mono_us(), &v->in_kernel);
	v->action = c->action;
	v->warning = c->warning;
}

char *dynblock_text(const struct dynblock_view *b, char text[static DYNBLOCK_TEXT_MAX])
{
	char addr[ADDR_TEXT_MAX];

	if (b->kind == DYNBLOCK_NAME)
		return name_text(b->name, b->name_len, text);
	if (b->port_bits > 0)
		addr_text_port(&b->addr, addr);
	else
		addr_text(&b->addr, addr);
	snprintf(text, DYNBLOCK_TEXT_MAX, "%s/%u", addr, b->bits + b->port_bits);
	return text;
}

static bool may_write(struct lines *l)
{
	if (l->written < LINES_MAX) {
		l->written++;
		return true;
	}
	l->held_back++;
	return false;
}

static const char *action_text(unsigned action)
{
	const struct tables *t = rcu_get(tables_live);

	if (action == DNS_ACTION_NONE)
		action = t ? t->settings->dynblocks_action : DNS_ACTION_DROP;
	return dns_action_text(action);
}

void block_log_begin(const struct dynblock *b, uint64_t now_us)
{
	struct dynblock_view v;
	char text[DYNBLOCK_TEXT_MAX];

	if (!may_write(&begun))
		return;
	block_view(b, &v);
	log_notice("dynblocks", "%s of %s begins, for %" PRIu64 " s (%s): %s",
		   v.warning ? "warning" : "block", dynblock_text(&v, text),
		   (v.expires_us - now_us + 999999) / 1000000, action_text(v.action), v.reason);
}

void block_log_end(const struct dynblock *b)
{
	struct dynblock_view v;
	char text[DYNBLOCK_TEXT_MAX];

	if (atomic_load_explicit(&b->cause, memory_order_relaxed)->quiet || !may_write(&ended))
		return;
	block_view(b, &v);
	log_notice("dynblocks", "%s of %s has ended after %" PRIu64 " queries: %s",
		   v.warning ? "warning" : "block", dynblock_text(&v, text), v.blocks, v.reason);
}

void block_log_clear(size_t n)
{
	if (n > 0 && may_write(&ended))
		log_notice("dynblocks", "all blocks were removed: %zu", n);
}

void block_log_held_back(void)
{
	if (begun.held_back > 0 || ended.held_back > 0)
		log_notice("dynblocks", "%u more blocks have begun and %u have ended",
			   begun.held_back, ended.held_back);
	begun = ended = (struct lines){0};
}
