/* See ttl.h. A walk to the end comes first, so that a message that turns out to be malformed is
 * whole. */
#include "core/dns/ttl.h"

/* Records of other types than these stay as they are; an empty set stands for all. */
static int edit_ttls(uint8_t *msg, size_t len, const struct question *q,
		     const struct type_set *types, ttl_edit *edit, void *ctx)
{
	struct record_walk w;
	struct record rec;

	if (len < DNS_HEADER_LEN || msg_end(msg, len, q) == 0)
		return -EBADMSG;
	records_begin(&w, msg, len, q);
	while (records_next(&w, &rec)) {
		uint32_t ttl_s = rec.ttl_s > INT32_MAX ? 0 : rec.ttl_s;

		if ((rec.type == TYPE_OPT && rec.section == SECTION_ADDITIONAL) ||
		    (types->n > 0 && !type_set_has(types, rec.type)))
			continue;
		ttl_s = edit(ctx, rec.section, rec.class, rec.type, ttl_s);
		put_u32(msg + rec.ttl_at, ttl_s > INT32_MAX ? INT32_MAX : ttl_s);
	}
	return 0;
}

int msg_edit_ttls(uint8_t *msg, size_t len, const struct question *q, ttl_edit *edit, void *ctx)
{
	static const struct type_set all;

	return edit_ttls(msg, len, q, &all, edit, ctx);
}

struct limits {
	uint32_t min_s, max_s;
};

static uint32_t limit(void *ctx, enum section section, uint16_t class, uint16_t type,
		      uint32_t ttl_s)
{
	const struct limits *l = ctx;

	if (ttl_s < l->min_s)
		ttl_s = l->min_s;
	return l->max_s > 0 && ttl_s > l->max_s ? l->max_s : ttl_s;
}

int msg_limit_ttls(uint8_t *msg, size_t len, const struct question *q, uint32_t min_s,
		   uint32_t max_s, const struct type_set *types)
{
	struct limits l = {.min_s = min_s, .max_s = max_s};

	return edit_ttls(msg, len, q, types, limit, &l);
}

static uint32_t cap(void *ctx, enum section section, uint16_t class, uint16_t type, uint32_t ttl_s)
{
	const uint32_t *max_s = ctx;

	return ttl_s > *max_s ? *max_s : ttl_s;
}

int msg_cap_ttls(uint8_t *msg, size_t len, const struct question *q, uint32_t max_s)
{
	return msg_edit_ttls(msg, len, q, cap, &max_s);
}

static uint32_t reduce(void *ctx, enum section section, uint16_t class, uint16_t type,
		       uint32_t ttl_s)
{
	const unsigned *percent = ctx;

	return (uint32_t)((uint64_t)ttl_s * *percent / 100);
}

int msg_reduce_ttls(uint8_t *msg, size_t len, const struct question *q, unsigned percent)
{
	return msg_edit_ttls(msg, len, q, reduce, &percent);
}
